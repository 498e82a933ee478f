// The round, and what goes out.
#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <utility>

#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/core/protocol.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// Of the budget, answers to addresses without proof take one part in so many.
constexpr std::size_t strangers_part = 8;
/// And my digests of a round, at most.
constexpr std::size_t digests_part = 2;
/// But each has a place for some rows beside sender and receiver.
constexpr std::size_t digest_bytes_min = 320;
/// Bulk leaves half of the bucket to what comes before it, or so many datagrams, if that is less.
constexpr std::size_t kept_datagrams = 8;
/// An identity takes about so much.
constexpr std::size_t identity_bytes = 64;
/// But one has a place for some identities.
constexpr std::size_t stranger_answer_bytes_min = 320;
/// A first contact has room for a row beside sender and receiver.
constexpr std::size_t first_contact_bytes_min = 160;
constexpr std::size_t word_bytes = 8;
/// What is left of an answer is good for so long.
constexpr int bulk_intervals = 3;
/// A short leg takes about so much; all of a round take a part of the budget.
constexpr std::size_t short_leg_bytes = 160;
constexpr std::size_t short_legs_part = 2;
/// One to a peer itself, and three to peers that are asked for it.
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
  shared.doubts = std::exchange(leg.doubts, {});
  return shared;
}

}  // namespace

void protocol::handle_timeout(moment now) {
  observe_time(now);
  own_map_.expire(now.steady, !write_refusal());
  if (now.steady < partners_.next_round()) return;
  run_round(now);
}

bool protocol::is_writable(moment now) { return own_map_.is_writable(now.steady); }

nanoseconds protocol::writable_at() const { return own_map_.writable_at(); }

void protocol::run_round(moment now) {
  ++stats_.rounds;
  restarted_.clear();
  const peer self = peers_.self();
  self.set_heartbeat(std::min(self.heartbeat() + 1, heartbeat_max));
  update_expectation();
  reconciler_.begin_round(stats_.rounds);
  graves_.expire(clock_.now());
  membership_.end_refusals(clock_);

  if (has_byte_budget()) begin_budget_round();
  begin_probes();
  choose_partners();
  plan_digests();
  continue_values();
  liveness_.spread_suspicions(random_);
  start_probes();
  declare_dead();
  forget_gone();
  if (own_map_.end_round(now.steady)) ++stats_.writes_slowed;
  end_budget_round();
  partners_.schedule_next(now.steady, random_);
}

void protocol::update_expectation() {
  liveness_.update_expectation(
      reconciler_.digest_rows_min(settings_.digest_datagrams_max, digest_bytes(settings_.fanout)));
}

void protocol::begin_probes() {
  short_legs_left_ = short_legs_max;
  if (has_byte_budget()) {
    const std::size_t part = settings_.send_bytes_per_interval / short_legs_part / short_leg_bytes;
    short_legs_left_ = std::clamp(part, short_legs_min, short_legs_max);
  }
  liveness_.begin_round(stats_.rounds);
  start_probes();
}

void protocol::start_probes() {
  while (const std::optional<wanted_probe> wanted = liveness_.poll_probe()) {
    start_short(*wanted);
    liveness_.handle_started(*wanted, is_started(wanted->to), random_);
  }
}

void protocol::start_short(const wanted_probe& wanted) {
  const std::size_t told_max = liveness_.suspicions_a_leg();
  if (digest_leg* queued = outbox_.find_digest(wanted.to)) {
    // The leg that waits there for the budget goes first now.
    if (queued->padded_bytes == 0) queued->is_sign_due = true;
    // A leg that goes there anyway takes the suspicion along, if it has room for it.
    if (wanted.told && queued->doubts.size() < told_max) queued->doubts.push_back(*wanted.told);
    return;
  }
  if (short_legs_left_ == 0) return;
  digest_leg* started = try_start(wanted.to, wanted.remote_hash);
  if (started == nullptr) return;
  --short_legs_left_;
  need_.handle_other(short_leg_bytes);
  digest_leg& leg = *started;
  leg.is_short = true;
  leg.digest_rows_left = 1;
  leg.datagrams_left = 1;
  if (wanted.told) leg.doubts.insert(leg.doubts.begin(), *wanted.told);
  if (leg.doubts.size() > told_max) leg.doubts.pop_back();
}

void protocol::declare_dead() {
  liveness_.begin_declaring();
  while (liveness_.is_declaring()) {
    if (const std::optional<slot_index> dead = liveness_.poll_dead()) {
      set_status(*dead, peer_status::dead);
    }
    start_probes();
  }
}

void protocol::forget_gone() {
  while (const std::optional<slot_index> expired = membership_.find_expired(clock_.now())) {
    bury(*expired);
  }
}

void protocol::bury(slot_index slot) {
  membership_.forget(slot, liveness_.credible_heartbeat(slot), clock_.now());
  reconciler_.forget(slot);
  liveness_.forget(slot);
  transfers_.forget(slot);
  own_map_.forget(slot);
  notices_.forget(slot);
  peers_.remove(slot);
}

// ------------------------------------------------------------------------------------ partners

void protocol::choose_partners() {
  partner_round round;
  round.number = stats_.rounds;
  round.has_left = has_left();
  if (has_left()) {
    const replication told = replicated(0, true);
    round.lacking_leave = told.live - told.live_holding;
  }
  partners_.begin_round(round);
  const std::function<bool(slot_index)> is_holding = [this](slot_index slot) {
    return own_map_.is_holding(slot, partners_.preferred_version(), has_left());
  };
  while (const std::optional<partner> chosen =
             partners_.poll_partner(membership_.rings(), random_, is_holding)) {
    partners_.handle_started(start(*chosen));
  }
  std::vector<endpoint> seeds;
  if (peers_.size() == 0) seeds = partners_.seeds();
  notices_.watch_alone(partners_.has_seed_to_ask() && !has_left(), seeds);
}

start_outcome protocol::start(const partner& chosen) {
  if (is_started(chosen.to)) return start_outcome::waiting;
  digest_leg* leg = try_start(chosen.to, chosen.name_hash);
  if (leg == nullptr) return start_outcome::refused;
  if (chosen.reason != partner::why::member) return start_outcome::started;
  const peer_view row = peers_[chosen.slot];
  if (row.status() == peer_status::live && settings_.suspicion_rounds > 0) {
    leg->awaited = chosen.slot;
    leg->awaited_generation = row.generation();
  }
  return start_outcome::started;
}

digest_leg* protocol::try_start(const endpoint& to, std::uint64_t remote_hash) {
  if (!partners_.is_partner(to) || !outbox_.has_room_for_digest(to)) return nullptr;
  if (!addresses_.try_start(to, stats_.rounds, settings_.unproved_addresses_max)) return nullptr;
  return &start_exchange(to, remote_hash);
}

digest_leg& protocol::start_exchange(const endpoint& to, std::uint64_t remote_hash) {
  const bool is_proved = addresses_.is_proved(to);
  digest_leg& leg = outbox_.add_digest(to);
  leg.planned = clock_.now();
  leg.from = source_;
  leg.remote_hash = remote_hash;
  leg.cookie_echo = addresses_.cookie_from(to);
  const std::optional<slot_index> slot = peers_.find(remote_hash);
  if (slot) leg.spoken = peers_.details(*slot).spoken;
  const bool is_live = slot && peers_[*slot].status() == peer_status::live;
  leg.unanswered = is_live ? 0 : addresses_.unanswered(to);
  leg.datagrams_left = is_proved ? settings_.digest_datagrams_max : 1;
  if (!is_proved) {
    const bool is_short_turn =
        addresses_.unanswered(to) % address_book::short_starts == address_book::short_starts - 1;
    leg.padded_bytes = first_contact_bytes();
    if (is_short_turn) {
      leg.padded_bytes = std::min(leg.padded_bytes, address_book::unproved_bytes_short);
    }
  }
  leg.digest_bytes_left = is_proved ? digest_bytes(settings_.fanout) : leg.padded_bytes;
  leg.digest_from = digest_cursor_;
  leg.digest_rows_left = peers_.by_hash().size();
  leg.digest_graves_left = graves_.all().size();
  leg.extra_from = extra_cursor_;
  leg.extra_rows_left = peers_.by_hash().size();
  leg.has_extra = true;
  leg.is_sign_due = is_proved;
  if (is_proved) liveness_.plan_suspicions(leg.doubts);
  return leg;
}

// ------------------------------------------------------------------------------------ sending

std::size_t protocol::kept_from_bulk() const {
  return std::min(settings_.send_bytes_per_interval / 2,
                  kept_datagrams * settings_.datagram_bytes_max);
}

std::size_t protocol::strangers_bytes() const {
  return settings_.send_bytes_per_interval / strangers_part;
}

std::size_t protocol::stranger_bytes_max() const {
  if (!has_byte_budget()) return std::numeric_limits<std::size_t>::max();
  return std::max(strangers_bytes(), stranger_answer_bytes_min);
}

std::size_t protocol::first_contact_bytes() const {
  if (!has_byte_budget()) return address_book::unproved_bytes_min;
  // A datagram is made of whole words: down to one, so that a contact stays within its part.
  const std::size_t part = strangers_bytes() / word_bytes * word_bytes;
  return std::clamp(part, first_contact_bytes_min, address_book::unproved_bytes_min);
}

std::size_t protocol::digest_bytes(std::size_t digests) const {
  if (!has_byte_budget()) return std::numeric_limits<std::size_t>::max();
  return std::max(settings_.send_bytes_per_interval / digests_part / digests, digest_bytes_min);
}

void protocol::begin_budget_round() {
  // The rows that a digest could not tell in its round go into the next one.
  outbox_.end_digests([this](const digest_leg& leg) { end_digest(leg); });
  if (!outbox_.has_sign_of_mine()) return;
  // My own probes wait: that nobody answers says nothing of the peers.
  ++stats_.probes_delayed;
  liveness_.suspend(stats_.rounds + 2);
}

void protocol::plan_digests() {
  const auto is_whole = [](const digest_leg& leg) {
    return !leg.is_short && leg.padded_bytes == 0;
  };
  std::size_t digests = 0;
  outbox_.for_each_digest([&](const digest_leg& leg) {
    digests += is_whole(leg) ? 1 : 0;
    need_.handle_other(leg.padded_bytes);
  });
  need_.handle_digests(digests);
  if (digests == 0) return;
  outbox_.for_each_digest([&, share = digest_bytes(digests)](digest_leg& leg) {
    if (is_whole(leg)) leg.digest_bytes_left = share;
  });
}

void protocol::end_budget_round() {
  const std::size_t whole = reconciler_.digest_bytes_whole(settings_.digest_datagrams_max);
  const std::size_t budget = settings_.send_bytes_per_interval;
  const membership_need::verdict verdict = need_.end_round(whole, budget);
  if (verdict == membership_need::verdict::unchanged) return;
  const std::string needed =
      "membership needs about " + std::to_string(need_.bytes_per_interval()) + " bytes an interval";
  if (verdict == membership_need::verdict::falls_short) {
    report("send_bytes_per_interval is " + std::to_string(budget) + ", but " + needed +
           ": crashes are found later, and news takes longer; allow twice what is needed");
  } else {
    report("send_bytes_per_interval is enough again: " +
           (budget == 0 ? "there is no limit" : "it is " + std::to_string(budget)) + ", and " +
           needed);
  }
}

std::optional<outbox_lane> protocol::next_lane(moment now) {
  sends_at_.reset();
  if (!has_byte_budget()) return outbox_.next(true);
  budget_.refill(now.steady, settings_.send_bytes_per_interval, settings_.gossip_interval);
  strangers_budget_.refill(now.steady, strangers_bytes(), settings_.gossip_interval);
  const std::optional<outbox_lane> lane = next_within_budget();
  if (!lane) {
    sends_at_ = budget_opens_at();
    ++stats_.sends_delayed;
  }
  return lane;
}

std::optional<outbox_lane> protocol::next_within_budget() {
  using enum outbox_lane;
  if (!budget_.has_room()) return std::nullopt;
  if (const std::optional<outbox_lane> sign = outbox_.next_sign()) return sign;
  const bool has_membership_room = budget_.has_room(kept_from_membership());
  const bool may_answer_more =
      has_membership_room && strangers_budget_.has_room(strangers_bytes() / 2);
  if (outbox_.try_turn_to_sign(strangers) ? strangers_budget_.has_room()
                                          : may_answer_more && outbox_.waiting(strangers) > 0) {
    return strangers;
  }
  const std::optional<outbox_lane> lane = outbox_.next(false);
  if (!lane) return std::nullopt;
  const bool has_room = *lane == bulk ? budget_.has_room(kept_from_bulk()) : has_membership_room;
  return has_room ? lane : std::nullopt;
}

nanoseconds protocol::budget_opens_at() {
  using enum outbox_lane;
  if (outbox_.next_sign()) return budget_.has_room_at();
  nanoseconds at = nanoseconds::max();
  if (outbox_.waiting(strangers) > 0) {
    const bool has_sign = outbox_.try_turn_to_sign(strangers);
    at = std::max(budget_.has_room_at(has_sign ? 0 : kept_from_membership()),
                  strangers_budget_.has_room_at(has_sign ? 0 : strangers_bytes() / 2));
  }
  if (const std::optional<outbox_lane> lane = outbox_.next(false)) {
    const std::size_t kept = *lane == bulk ? kept_from_bulk() : kept_from_membership();
    at = std::min(at, budget_.has_room_at(kept));
  }
  return at;
}

bool protocol::is_bare_sign(const digest_leg& leg) const {
  if (!leg.is_sign_due || leg.is_short) return false;
  // A digest that is under way was asked for a sign again, and may have no room left for one.
  if (!leg.has_extra) return true;
  return has_byte_budget() && !budget_.has_room(kept_from_membership());
}

bool protocol::is_bare_sign(outbox_lane from, const answer_leg& leg) const {
  if (!leg.is_sign_due || !has_byte_budget()) return false;
  if (!budget_.has_room(kept_from_membership())) return true;
  return from == outbox_lane::strangers && !strangers_budget_.has_room(strangers_bytes() / 2);
}

digest_leg protocol::take_sign(digest_leg& leg) {
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

answer_leg protocol::take_sign(answer_leg& leg) {
  answer_leg sign;
  static_cast<leg_base&>(sign) = take_shared(leg);
  sign.kind = leg.kind;
  sign.asked_generation = leg.asked_generation;
  sign.asked_heartbeat = leg.asked_heartbeat;
  sign.bytes_left = leg.bytes_left;
  sign.is_unproved = leg.is_unproved;
  sign.refused = leg.refused;
  leg.is_news_due = leg.is_first;
  leg.is_first = false;
  return sign;
}

void protocol::plan_sign(const message& received, std::size_t bytes, answer_leg& answer) {
  const std::size_t entries =
      answer.heartbeats.size() + answer.requests.size() + answer.doubts.size();
  const std::size_t answer_bytes =
      std::min(answer.bytes_left, reply_frame_bytes + entries * entry_bytes +
                                      answer.identities.size() * identity_bytes);
  // Of one digest, one datagram wants a sign of life; a short leg wants nothing else.
  bool is_first = true;
  if (const std::optional<slot_index> slot = peers_.find(received.sender.name_hash)) {
    std::optional<nanoseconds>& given = peers_.details(*slot).sign_given;
    is_first = !given || clock_.now() - *given >= settings_.gossip_interval / 2;
    if (is_first) given = clock_.now();
  }
  const bool is_short = received.known.lo > received.known.hi;
  answer.is_sign_due = is_first || is_short;
  if (is_short) {
    need_.handle_other(answer_bytes);
  } else {
    need_.handle_asked(bytes, is_first, answer_bytes);
  }
}

nanoseconds protocol::next_deadline() const {
  return sends_at_ ? std::min(*sends_at_, next_timeout()) : next_timeout();
}

void protocol::end_digest(const digest_leg& leg) {
  // The next round's digest goes on where this one's budget ended.
  const bool is_whole = !leg.is_short && leg.padded_bytes == 0;
  if (!is_whole) return;
  digest_cursor_ = leg.digest_rows_left == 0 && !leg.is_partial ? 0 : leg.digest_from;
  extra_cursor_ = leg.extra_from;
}

void protocol::complete(outbox_lane from, const leg_base& leg, std::uint32_t unanswered,
                        message& out, moment now) {
  out.cookie = addresses_.cookie_for(leg.to, now.steady);
  out.versions = spoken_;
  out.wire_version = version_for(leg, unanswered);
  if (has_byte_budget()) {
    const std::size_t bytes = datagram_bytes(out);
    budget_.take(bytes);
    if (from == outbox_lane::strangers) strangers_budget_.take(bytes);
  }
  if (const std::optional<slot_index> remote = peers_.find(leg.remote_hash)) {
    peers_.details(*remote).path.handle_sent(leg.filled_bytes, peers_.self().heartbeat());
  }
  transmit_source_ = leg.from;
}

std::optional<endpoint> protocol::try_transmit_digest(message& out, moment now) {
  digest_leg& whole = outbox_.digest_turn();
  std::optional<digest_leg> sign;
  if (is_bare_sign(whole)) sign = take_sign(whole);
  digest_leg& leg = sign ? *sign : whole;
  if (!reconciler_.fill_digest(leg, out, clock_.now())) {
    assert(!sign);
    end_digest(leg);
    outbox_.end(outbox_lane::digests);
    return std::nullopt;
  }
  if (leg.is_sign_due) outbox_.end_sign(outbox_lane::digests);
  // Any leg 1 asks a suspect whether it lives, by its first datagram.
  if (leg.is_sign_due || leg.padded_bytes != 0) liveness_.handle_asked(leg.remote_hash);
  leg.is_sign_due = false;
  // The sign and the rest of its leg share the byte budget.
  if (sign) whole.digest_bytes_left -= std::min(whole.digest_bytes_left, sign->filled_bytes);
  complete(outbox_lane::digests, leg, leg.unanswered, out, now);
  liveness_.expect_answer(std::exchange(leg.awaited, self_slot), leg.awaited_generation);
  ++stats_.digests_sent;
  return leg.to;
}

std::optional<endpoint> protocol::try_transmit_answer(outbox_lane from, message& out, moment now) {
  answer_leg& whole = outbox_.answer_turn(from);
  std::optional<answer_leg> sign;
  if (is_bare_sign(from, whole)) sign = take_sign(whole);
  answer_leg& leg = sign ? *sign : whole;
  if (!reconciler_.fill_reply(leg, out, clock_.now())) {
    assert(!sign);
    outbox_.end(from);
    return std::nullopt;
  }
  if (leg.is_sign_due) outbox_.end_sign(from);
  leg.is_sign_due = false;
  leg.is_news_due = false;
  // The sign and the rest of its leg share the limit of the 3x rule.
  if (sign) whole.bytes_left = sign->bytes_left;
  complete(from, leg, 0, out, now);
  ++stats_.replies_sent;
  stats_.deltas_sent += out.deltas.size();
  return leg.to;
}

std::optional<endpoint> protocol::poll_transmit(moment now, message& out) {
  const nanoseconds oldest = clock_.now() - bulk_intervals * nanoseconds(settings_.gossip_interval);
  outbox_.expire_bulk(oldest);
  if (has_byte_budget()) outbox_.expire_answers(oldest);
  for (;;) {
    if (outbox_.is_empty()) {
      sends_at_.reset();
      return std::nullopt;
    }
    const std::optional<outbox_lane> lane = next_lane(now);
    if (!lane) return std::nullopt;
    const std::optional<endpoint> to = *lane == outbox_lane::digests
                                           ? try_transmit_digest(out, now)
                                           : try_transmit_answer(*lane, out, now);
    if (!to) continue;
    outbox_.end_turn(*lane);
    if (on_message_) on_message_(message_direction::sent, *to, out);
    return to;
  }
}

}  // namespace gossipmonger
