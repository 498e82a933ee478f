#include "core/exchange/sending.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>
#include <vector>

#include "core/exchange/packer.hpp"
#include "core/membership/address_book.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// Answers to unverified addresses take one part of the budget in so many.
constexpr std::size_t unverified_part = 8;
/// My digests of a round take at most one part in so many.
constexpr std::size_t digests_part = 2;
/// But each has a place for some rows beside sender and receiver.
constexpr std::size_t digest_bytes_min = 320;
/// Bulk leaves half of the bucket to what comes before it, or so many datagrams, if that is less.
constexpr std::size_t kept_datagrams = 8;
/// An identity takes about so much.
constexpr std::size_t identity_bytes = 64;
/// An answer to an unverified address has a place for some identities.
constexpr std::size_t unverified_answer_bytes_min = 320;
/// A first contact has room for a row beside sender and receiver.
constexpr std::size_t first_contact_bytes_min = 160;
constexpr std::size_t word_bytes = 8;
/// The rest of an answer is good for so long.
constexpr int bulk_intervals = 3;
/// A short leg takes about so much. All of a round take at most one part of the budget in so many.
constexpr std::size_t short_leg_bytes = 160;
constexpr std::size_t short_legs_part = 2;
/// One leg to a silent peer, and three to peers that are asked for it.
constexpr std::size_t short_legs_min = 4;

/// The part of `leg` that its bare sign of life takes over. No sign is due of `leg` any more.
leg_base take_shared(leg_base& leg) {
  leg_base shared;
  shared.to = leg.to;
  shared.from = leg.from;
  shared.remote_hash = leg.remote_hash;
  shared.cookie_echo = leg.cookie_echo;
  shared.spoken = leg.spoken;
  shared.planned = leg.planned;
  shared.datagrams_left = 1;
  shared.is_sign_due = std::exchange(leg.is_sign_due, false);
  shared.suspicions = std::exchange(leg.suspicions, {});
  return shared;
}

/// A leg that carries nothing but the sign of life of `leg`, which goes on without it.
digest_leg take_sign(digest_leg& leg) {
  digest_leg sign;
  static_cast<leg_base&>(sign) = take_shared(leg);
  sign.unanswered = leg.unanswered;
  sign.digest_bytes_left = std::max(leg.digest_bytes_left, digest_bytes_min);
  sign.digest_rows_left = 1;
  sign.extra_rows_left = 1;
  sign.is_short = true;
  sign.awaited = std::exchange(leg.awaited, self_slot);
  sign.awaited_generation = leg.awaited_generation;
  return sign;
}

/// The same of an answer.
answer_leg take_sign(answer_leg& leg) {
  answer_leg sign;
  static_cast<leg_base&>(sign) = take_shared(leg);
  sign.kind = leg.kind;
  sign.asked_generation = leg.asked_generation;
  sign.asked_heartbeat = leg.asked_heartbeat;
  sign.bytes_left = leg.bytes_left;
  sign.frame_bytes = leg.frame_bytes;
  sign.is_unverified = leg.is_unverified;
  sign.refused = leg.refused;
  sign.of_root = std::exchange(leg.of_root, which_leg(leg.of_root));
  leg.is_news_due = leg.is_first;
  leg.is_first = false;
  return sign;
}

}  // namespace

digest_leg& sending::add_digest(const endpoint& to, std::size_t rows, std::size_t unwanted) {
  digest_leg& leg = outbox_.add_digest(to);
  leg.datagrams_left = settings_.digest_datagrams_max;
  leg.digest_bytes_left = digest_bytes(settings_.fanout);
  leg.digest_from = digest_cursor_;
  leg.digest_rows_left = rows;
  leg.digest_unwanted_left = unwanted;
  leg.extra_from = extra_cursor_;
  leg.extra_rows_left = rows;
  leg.has_extra = true;
  return leg;
}

digest_leg& sending::add_continuation(const endpoint& to) {
  digest_leg& leg = outbox_.add_continuation(to);
  leg.datagrams_left = 1;
  leg.digest_bytes_left = digest_bytes(settings_.fanout);
  leg.digest_rows_left = 1;
  leg.extra_rows_left = 1;
  leg.is_short = true;
  return leg;
}

void sending::pad(digest_leg& leg, std::size_t bytes_max) const {
  leg.datagrams_left = 1;
  leg.padded_bytes = std::min(first_contact_bytes(), bytes_max);
  leg.digest_bytes_left = leg.padded_bytes;
}

void sending::make_root(digest_leg& leg) const {
  leg.is_root = true;
  leg.datagrams_left = 1;
  leg.extra_from = root_cursor_;
}

void sending::add_answer(answer_leg&& leg) {
  counted_.answers_dropped += outbox_.add_answer(std::move(leg));
}

std::size_t sending::kept_from_bulk() const {
  return std::min(settings_.send_bytes_per_interval / 2,
                  kept_datagrams * settings_.datagram_bytes_max);
}

std::size_t sending::unverified_bytes() const {
  return settings_.send_bytes_per_interval / unverified_part;
}

std::size_t sending::unverified_bytes_max() const {
  if (!has_byte_budget()) return std::numeric_limits<std::size_t>::max();
  return std::max(unverified_bytes(), unverified_answer_bytes_min);
}

std::size_t sending::first_contact_bytes() const {
  if (!has_byte_budget()) return address_book::unverified_bytes_min;
  // A datagram is made of whole words: down to one, so that a contact stays within its part.
  const std::size_t part = unverified_bytes() / word_bytes * word_bytes;
  return std::clamp(part, first_contact_bytes_min, address_book::unverified_bytes_min);
}

std::size_t sending::digest_bytes(std::size_t digests) const {
  if (!has_byte_budget()) return std::numeric_limits<std::size_t>::max();
  return std::max(settings_.send_bytes_per_interval / digests_part / digests, digest_bytes_min);
}

void sending::supersede(const answer_leg& fresh, std::size_t slots) {
  if (fresh.owed.empty()) return;
  std::vector<bool> is_planned;
  const auto strike_out = [&](answer_leg& waiting) {
    if (waiting.owed.empty() || waiting.to != fresh.to) return;
    if (is_planned.empty()) {
      is_planned.resize(slots, false);
      for (const owed_delta& turn : fresh.owed) is_planned[turn.slot] = true;
    }
    std::erase_if(waiting.owed, [&](const owed_delta& turn) { return is_planned[turn.slot]; });
    waiting.turn = 0;
  };
  outbox_.for_each_answer(strike_out);
}

bool sending::try_give_sign(slot_index slot, std::chrono::nanoseconds now) {
  std::optional<std::chrono::nanoseconds>& last = signs_given_[slot];
  const bool is_due = !last || now - *last >= settings_.gossip_interval / 2;
  if (is_due) last = now;
  return is_due;
}

void sending::plan_sign(answer_leg& answer, std::size_t digest_bytes, bool is_first,
                        bool is_short) {
  const std::size_t sums = answer.sum_bits == 0 ? 0 : std::size_t{1} << answer.sum_bits;
  // To say which leg it is takes as much as an entry.
  const std::size_t entries = answer.heartbeats.size() + answer.requests.size() +
                              answer.suspicions.size() + sum_entries(sums) +
                              (answer.of_root == root_answer::none ? 0 : 1);
  const std::size_t answer_bytes =
      std::min(answer.bytes_left, reply_frame_bytes + entries * entry_bytes +
                                      answer.identities.size() * identity_bytes) +
      frame_bytes_;
  answer.is_sign_due = is_first || is_short;
  if (is_short) {
    need_.handle_other(answer_bytes);
  } else {
    need_.handle_asked(digest_bytes + frame_bytes_, is_first, answer_bytes);
  }
}

// ----------------------------------------------------------------------------------- the round

void sending::handle_short_started() {
  assert(may_start_short());
  --short_legs_left_;
  count_membership(short_leg_bytes);
}

bool sending::try_restart(const endpoint& to, unsigned part) {
  const restart wanted(to, part);
  if (std::find(restarted_.begin(), restarted_.end(), wanted) != restarted_.end()) return false;
  if (restarted_.size() >= settings_.unverified_addresses_max) return false;
  if (!has_room_for_digest(to)) return false;
  restarted_.push_back(wanted);
  return true;
}

bool sending::begin_round() {
  restarted_.clear();
  short_legs_left_ = short_legs_max;
  if (!has_byte_budget()) return false;
  const std::size_t part = settings_.send_bytes_per_interval / short_legs_part / short_leg_bytes;
  short_legs_left_ = std::clamp(part, short_legs_min, short_legs_max);
  // The rows that a digest could not tell in its round go into the next one.
  outbox_.end_digests([this](const digest_leg& leg) { keep_cursors(leg); });
  return outbox_.has_sign_of_mine();
}

void sending::plan_digests() {
  const auto is_whole = [](const digest_leg& leg) {
    return !leg.is_short && leg.padded_bytes == 0;
  };
  std::size_t digests = 0;
  outbox_.for_each_digest([&](const digest_leg& leg) {
    digests += is_whole(leg) ? 1 : 0;
    if (leg.padded_bytes != 0) count_membership(leg.padded_bytes);
  });
  need_.handle_digests(digests);
  if (digests == 0) return;
  outbox_.for_each_digest([&, share = digest_bytes(digests)](digest_leg& leg) {
    if (is_whole(leg)) leg.digest_bytes_left = share;
  });
}

void sending::keep_cursors(const digest_leg& leg) {
  if (leg.is_root) root_cursor_ = leg.extra_from;
  const bool is_whole = !leg.is_short && !leg.is_root && !leg.buckets && leg.padded_bytes == 0;
  if (!is_whole) return;
  digest_cursor_ = leg.digest_rows_left == 0 && !leg.is_partial ? 0 : leg.digest_from;
  extra_cursor_ = leg.extra_from;
}

// -------------------------------------------------------------------------------------- output

std::optional<outbox_lane> sending::next_lane(nanoseconds steady) {
  sends_at_.reset();
  if (!has_byte_budget()) return outbox_.next(true);
  budget_.refill(steady, settings_.send_bytes_per_interval, settings_.gossip_interval);
  unverified_budget_.refill(steady, unverified_bytes(), settings_.gossip_interval);
  const std::optional<outbox_lane> lane = next_within_budget();
  if (!lane) {
    sends_at_ = budget_opens_at();
    ++counted_.sends_delayed;
  }
  return lane;
}

std::optional<outbox_lane> sending::next_within_budget() {
  using enum outbox_lane;
  if (!budget_.has_room()) return std::nullopt;
  if (const std::optional<outbox_lane> sign = outbox_.next_sign()) return sign;
  const bool has_membership_room = budget_.has_room(kept_from_membership());
  const bool may_answer_more =
      has_membership_room && unverified_budget_.has_room(unverified_bytes() / 2);
  if (outbox_.try_turn_to_sign(unverified) ? unverified_budget_.has_room()
                                           : may_answer_more && outbox_.waiting(unverified) > 0) {
    return unverified;
  }
  const std::optional<outbox_lane> lane = outbox_.next(false);
  if (!lane) return std::nullopt;
  const bool has_room = *lane == bulk ? budget_.has_room(kept_from_bulk()) : has_membership_room;
  return has_room ? lane : std::nullopt;
}

nanoseconds sending::budget_opens_at() {
  using enum outbox_lane;
  if (outbox_.next_sign()) return budget_.has_room_at();
  nanoseconds at = nanoseconds::max();
  if (outbox_.waiting(unverified) > 0) {
    const bool has_sign = outbox_.try_turn_to_sign(unverified);
    at = std::max(budget_.has_room_at(has_sign ? 0 : kept_from_membership()),
                  unverified_budget_.has_room_at(has_sign ? 0 : unverified_bytes() / 2));
  }
  if (const std::optional<outbox_lane> lane = outbox_.next(false)) {
    const std::size_t kept = *lane == bulk ? kept_from_bulk() : kept_from_membership();
    at = std::min(at, budget_.has_room_at(kept));
  }
  return at;
}

bool sending::is_bare_sign(const digest_leg& leg) const {
  if (!leg.is_sign_due || leg.is_short) return false;
  // A digest that is under way was asked for a sign again, and may have no room left for one.
  if (!leg.has_extra) return true;
  return has_byte_budget() && !budget_.has_room(kept_from_membership());
}

bool sending::is_bare_sign(outbox_lane from, const answer_leg& leg) const {
  if (!leg.is_sign_due || !has_byte_budget()) return false;
  if (!budget_.has_room(kept_from_membership())) return true;
  return from == outbox_lane::unverified && !unverified_budget_.has_room(unverified_bytes() / 2);
}

void sending::expire(nanoseconds now) {
  const nanoseconds oldest = now - bulk_intervals * nanoseconds(settings_.gossip_interval);
  outbox_.expire_bulk(oldest);
  if (has_byte_budget()) outbox_.expire_answers(oldest);
}

std::optional<leg_turn> sending::next(nanoseconds steady) {
  digest_sign_.reset();
  answer_sign_.reset();
  if (outbox_.is_empty()) {
    sends_at_.reset();
    return std::nullopt;
  }
  const std::optional<outbox_lane> lane = next_lane(steady);
  if (!lane) return std::nullopt;
  if (*lane == outbox_lane::digests) {
    digest_leg& whole = outbox_.digest_turn();
    if (is_bare_sign(whole)) digest_sign_ = take_sign(whole);
    return leg_turn(*lane, digest_sign_ ? &*digest_sign_ : &whole, nullptr);
  }
  answer_leg& whole = outbox_.answer_turn(*lane);
  if (is_bare_sign(*lane, whole)) answer_sign_ = take_sign(whole);
  return leg_turn(*lane, nullptr, answer_sign_ ? &*answer_sign_ : &whole);
}

void sending::took(const leg_turn& turn, const message& sent) {
  leg_base& leg = turn.leg();
  source_ = leg.from;
  if (std::exchange(leg.is_sign_due, false)) outbox_.end_sign(turn.lane);
  if (turn.answer != nullptr) turn.answer->is_news_due = false;
  // In an exchange by sums, whose legs are short, a sign that goes ahead costs as much again.
  const bool is_of_root = (digest_sign_ && outbox_.digest_turn().is_root) ||
                          (answer_sign_ && answer_sign_->of_root != root_answer::none);
  if (is_of_root) count_membership(leg.filled_bytes);
  // The sign and the rest of its leg share the byte budget and the limit of the 3x rule.
  if (digest_sign_) {
    std::size_t& left = outbox_.digest_turn().digest_bytes_left;
    left -= std::min(left, digest_sign_->filled_bytes);
  }
  if (answer_sign_) outbox_.answer_turn(turn.lane).bytes_left = answer_sign_->bytes_left;
  if (has_byte_budget()) {
    const std::size_t bytes = datagram_bytes(sent) + frame_bytes_;
    budget_.take(bytes);
    if (turn.lane == outbox_lane::unverified) unverified_budget_.take(bytes);
  }
  outbox_.end_turn(turn.lane);
}

void sending::end(const leg_turn& turn) {
  assert(!digest_sign_ && !answer_sign_);
  if (turn.digest != nullptr) keep_cursors(*turn.digest);
  outbox_.end(turn.lane);
}

}  // namespace gossipmonger
