// The round, and what goes out.
#include <algorithm>
#include <cassert>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/core/protocol.hpp"
#include "planted.hpp"

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
/// Who leaves has few rounds left: it tells so many in each, until they know.
constexpr std::size_t leaving_fanout = 16;
/// What is left of an answer is good for so long.
constexpr int bulk_intervals = 3;
/// So many seeds are looked at in a round while nobody is live.
constexpr std::size_t seed_tries_max = 256;
/// So far ahead a round looks whether somebody may fall silent. With the usual `dead_peer_phi`,
/// silence has to last much longer; with a low one, somebody may, and the next round looks again.
constexpr int silence_look_intervals = 8;

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
  expire_keys(now);
  if (now.steady < next_round_) return;
  run_round(now);
}

bool protocol::is_writable(moment now) {
  return write_rate_.is_open(now.steady, settings_.gossip_interval);
}

nanoseconds protocol::writable_at() const {
  return write_rate_.is_open_at(settings_.gossip_interval);
}

void protocol::run_round(moment now) {
  ++stats_.rounds;
  restarted_.clear();
  const peer self = peers_.self();
  self.set_heartbeat(std::min(self.heartbeat() + 1, heartbeat_max));
  update_expectation();
  exchange_.begin_round(stats_.rounds);
  graves_.expire(clock_.now());
  end_refusals();

  if (has_byte_budget()) begin_budget_round();
  begin_suspicion_round();
  choose_partners();
  plan_digests();
  continue_values();
  spread_doubts();
  if (stats_.rounds >= judge_from_round_) judge_all();
  forget_gone();
  if (write_rate_.end_round(now.steady, settings_.gossip_interval, peers_.size())) {
    ++stats_.writes_slowed;
  }
  end_budget_round();
  schedule_next(now);
}

void protocol::update_expectation() {
  const std::size_t entries =
      exchange_.digests.rows_min(settings_.digest_datagrams_max, digest_bytes(settings_.fanout));
  expected_ =
      detector_expectation(settings_.gossip_interval, peers_.size() + 1, settings_.fanout, entries);
}

void protocol::schedule_next(moment now) {
  const nanoseconds interval = settings_.gossip_interval;
  // One product, and sums of whole numbers: nothing that one compiler fuses and another does not
  // (I6).
  const auto spread =
      static_cast<std::int64_t>(settings_.jitter * static_cast<double>(interval.count()));
  const std::uint64_t drawn = random_.below(2 * static_cast<std::uint64_t>(spread) + 1);
  const nanoseconds next = interval + nanoseconds{static_cast<std::int64_t>(drawn) - spread};
  // From when this round was due, so that a late timer does not slow the cluster down.
  const nanoseconds due = std::max(next_round_, now.steady - settings_.gossip_interval);
  next_round_ = std::max(due + next, now.steady + next / 2);
}

bool protocol::has_silent() {
  if (planted::is_on(planted::defect::phi_prior_missing)) return true;
  const phi_limit limit(settings_.dead_peer_phi, clock_.now(), expected_);
  const nanoseconds ahead = silence_look_intervals * nanoseconds(settings_.gossip_interval);
  if (peers_.may_exceed(limit, ahead)) return true;
  return peers_.has_suspects() && std::ranges::any_of(peers_.by_hash(), [](peer_view row) {
           return row.is_suspect() && row.may_die();
         });
}

void protocol::judge_all() {
  if (!has_silent()) {
    unasked_from_.reset();
    return;
  }
  const std::size_t rows = peers_.entries().size();
  // Where the last round could ask no further this one goes on: no suspect waits behind others.
  std::size_t i = unasked_from_ ? peers_.lower_bound(*unasked_from_) : 0;
  unasked_from_.reset();
  for (std::size_t left = rows; left > 0; --left, ++i) {
    if (i == rows) i = 0;
    const peer_view row = peers_.at(i);
    const slot_index slot = row.slot();
    if (!row.may_die()) continue;
    const bool is_silent =
        peers_.detector(slot).phi(clock_.now(), expected_) > settings_.dead_peer_phi;
    if (!is_silent && !is_convicted(slot)) continue;
    if (row.status() == peer_status::live) ++stats_.convictions;
    judge(slot, peer_status::dead);
  }
}

void protocol::forget_gone() {
  for (std::size_t i = 0; i < gone_.size();) {
    if (clock_.now() - peers_.silent_since(gone_[i]) < settings_.dead_peer_grace) {
      ++i;
    } else {
      bury(gone_[i]);
    }
  }
}

void protocol::bury(slot_index slot) {
  const peer_view row = peers_[slot];
  grave buried;
  buried.name_hash = row.name_hash();
  buried.generation = row.generation();
  buried.heartbeat = credible_heartbeat(slot);
  buried.expires = clock_.now() + settings_.dead_peer_grace;
  graves_.bury(buried);
  changes_.forget(peers_.details(slot), row.generation(), slot);
  exchange_.forget(slot);
  std::erase(rumours_, slot);
  std::erase(gone_, slot);
  transfers_.forget(slot);
  ring_.remove(slot);
  newcomers_.remove(slot);
  peers_.remove(slot);
}

// ------------------------------------------------------------------------------------ partners

void protocol::choose_partners() {
  std::size_t fanout = settings_.fanout;
  if (has_left()) {
    const replication told = replicated(0, true);
    fanout = std::max(fanout, std::min(leaving_fanout, told.live - told.live_holding));
  }
  for (std::size_t i = 0; i < fanout; ++i) {
    if (!try_start_live()) break;
  }

  const std::size_t live = ring_.size();
  std::vector<slot_index> dead;
  std::copy_if(gone_.begin(), gone_.end(), std::back_inserter(dead),
               [this](slot_index slot) { return peers_[slot].status() == peer_status::dead; });
  if (!dead.empty()) {
    const bool is_sure = live == 0;
    if (is_sure || random_.below(live + 1) < dead.size()) {
      const slot_index slot = dead[static_cast<std::size_t>(random_.below(dead.size()))];
      static_cast<void>(try_start(peers_.details(slot).address, peers_[slot].name_hash()));
    }
  }

  const std::uint64_t stagger = peers_.self().name_hash() % settings_.seed_every_rounds;
  const bool is_seed_round = stats_.rounds % settings_.seed_every_rounds == stagger;
  const bool is_seed_wanted = live < settings_.live_peers_min || is_seed_round;
  if (is_seed_wanted && live == 0 && seeds_.size() > 1) {
    try_start_seeds();
  } else if (is_seed_wanted) {
    try_start_seed();
  }
  watch_alone(is_seed_wanted && has_other_seed());

  // What this round has no room for is asked in one of the next.
  std::erase_if(joining_, [this](const endpoint& joined) {
    return !is_partner(joined) || is_started(joined) || try_start(joined, 0) != nullptr;
  });
}

bool protocol::is_partner(const endpoint& to) const {
  const bool is_mine = to.port == address().port && to.has_address_of(address());
  return !is_mine && to.is_routable();
}

bool protocol::try_start_live() {
  // Newcomers, however many come and go, take at most every other start from those that live.
  const bool has_both = ring_.size() > 0 && newcomers_.size() > 0;
  is_newcomers_turn_ = has_both ? !is_newcomers_turn_ : newcomers_.size() > 0;
  peer_ring& first = is_newcomers_turn_ ? newcomers_ : ring_;
  peer_ring& second = is_newcomers_turn_ ? ring_ : newcomers_;
  // While somebody waits for a version of mine, or I leave, who may lack that comes first.
  for (const bool is_choosy : {true, false}) {
    if (is_choosy && preferred_version_ == 0 && !has_left()) continue;
    if (try_start_from(first, is_choosy) || try_start_from(second, is_choosy)) return true;
  }
  return false;
}

bool protocol::try_start_from(peer_ring& ring, bool is_choosy) {
  // Somebody who stands first in one turn may stand last in the next: two turns show everybody.
  for (std::size_t tries = 0; tries < 2 * ring.size(); ++tries) {
    const slot_index slot = ring.next(random_);
    const peer_view row = peers_[slot];
    const peer_details& of = peers_.details(slot);
    const bool is_holding = is_of_present_run(of) && of.held_version >= preferred_version_ &&
                            (!has_left() || of.holds_my_leave);
    if (is_choosy && is_holding) continue;
    digest_leg* leg = try_start(of.way(), row.name_hash());
    if (leg == nullptr) continue;
    if (row.status() == peer_status::live && settings_.suspicion_rounds > 0) {
      leg->awaited = slot;
      leg->awaited_generation = row.generation();
    }
    return true;
  }
  return false;
}

void protocol::try_start_seed() {
  std::vector<known_seed*> others;
  for (known_seed& one : seeds_) {
    if (is_partner(one.at)) others.push_back(&one);
  }
  if (others.empty()) return;
  static_cast<void>(try_start(*others[static_cast<std::size_t>(random_.below(others.size()))]));
}

bool protocol::has_other_seed() const {
  return std::any_of(seeds_.begin(), seeds_.end(),
                     [this](const known_seed& one) { return !one.is_mine && is_partner(one.at); });
}

void protocol::try_start_seeds() {
  if (seed_turn_ == 0) seed_turn_ = 1 + static_cast<std::size_t>(random_.below(seeds_.size()));
  const std::size_t tries_max = std::min(seeds_.size(), seed_tries_max);
  std::size_t started = 0;
  for (std::size_t tries = 0; tries < tries_max; ++tries) {
    if (started == settings_.unproved_addresses_max) return;
    if (try_start(seeds_[seed_turn_++ % seeds_.size()])) ++started;
  }
}

bool protocol::try_start(known_seed& asked) {
  const std::optional<slot_index> known = peers_.find(asked.remote_hash);
  const bool is_there = known && peers_[*known].status() == peer_status::live &&
                        peers_.details(*known).way() == asked.at;
  if (!is_there) asked.remote_hash = find_peer_at(asked.at);
  return try_start(asked.at, asked.remote_hash) != nullptr;
}

std::uint64_t protocol::find_peer_at(const endpoint& address) const {
  std::uint64_t found = 0;
  for (const peer_view one : peers_.by_hash()) {
    if (one.is_gone() || peers_.details(one.slot()).way() != address) continue;
    // Of two, one is there no more, or lies: who is there shall not drop what names the other.
    if (found != 0) return 0;
    found = one.name_hash();
  }
  return found;
}

digest_leg* protocol::try_start(const endpoint& to, std::uint64_t remote_hash) {
  if (!is_partner(to) || !outbox_.has_room_for_digest(to)) return nullptr;
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
  if (is_proved) plan_doubts(leg);
  return leg;
}

void protocol::note_asked(const digest_leg& leg) {
  if (!peers_.has_suspects()) return;
  const std::optional<slot_index> asked = peers_.find(leg.remote_hash);
  if (asked && peers_[*asked].is_suspect())
    peers_.details(*asked).doubts.handle_asked(clock_.now());
}

void protocol::await_answer(digest_leg& leg) {
  const slot_index slot = std::exchange(leg.awaited, self_slot);
  if (slot == self_slot || !peers_.is_used(slot)) return;
  if (settings_.suspicion_rounds == 0) return;  // switched off while the leg waited for its turn
  if (peers_[slot].generation() != leg.awaited_generation) return;
  prober_.expect(slot, leg.awaited_generation, clock_.now());
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
  judge_from_round_ = stats_.rounds + 2;
  suspend_suspicion();
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
  const std::size_t whole = exchange_.digests.bytes_whole(settings_.digest_datagrams_max);
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
  if (planted::is_on(planted::defect::budget_ignored)) return outbox_.next(true);
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
    exchange_.shared.paths[*remote].watch.handle_sent(leg.filled_bytes, peers_.self().heartbeat());
  }
  transmit_source_ = leg.from;
}

std::optional<endpoint> protocol::try_transmit_digest(message& out, moment now) {
  digest_leg& whole = outbox_.digest_turn();
  std::optional<digest_leg> sign;
  if (is_bare_sign(whole)) sign = take_sign(whole);
  digest_leg& leg = sign ? *sign : whole;
  if (!exchange_.digests.fill(leg, out, clock_.now())) {
    assert(!sign);
    end_digest(leg);
    outbox_.end(outbox_lane::digests);
    return std::nullopt;
  }
  if (leg.is_sign_due) outbox_.end_sign(outbox_lane::digests);
  // Any leg 1 asks a suspect whether it lives, by its first datagram.
  if (leg.is_sign_due || leg.padded_bytes != 0) note_asked(leg);
  leg.is_sign_due = false;
  // The sign and the rest of its leg share the byte budget.
  if (sign) whole.digest_bytes_left -= std::min(whole.digest_bytes_left, sign->filled_bytes);
  complete(outbox_lane::digests, leg, leg.unanswered, out, now);
  await_answer(leg);
  ++stats_.digests_sent;
  return leg.to;
}

std::optional<endpoint> protocol::try_transmit_answer(outbox_lane from, message& out, moment now) {
  answer_leg& whole = outbox_.answer_turn(from);
  std::optional<answer_leg> sign;
  if (is_bare_sign(from, whole)) sign = take_sign(whole);
  answer_leg& leg = sign ? *sign : whole;
  if (!exchange_.answers.fill(leg, out, clock_.now())) {
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
