// The round, and what goes out.
#include <algorithm>
#include <cassert>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "gossipmonger/core/protocol.hpp"
#include "planted.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// Who leaves has few rounds left: it tells so many in each, until they know.
constexpr std::size_t leaving_fanout = 16;
/// So many seeds are looked at in a round while nobody is live.
constexpr std::size_t seed_tries_max = 256;
/// So far ahead a round looks whether somebody may fall silent. With the usual `dead_peer_phi`,
/// silence has to last much longer; with a low one, somebody may, and the next round looks again.
constexpr int silence_look_intervals = 8;

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

  if (sending_.begin_round()) handle_delayed_probe();
  begin_suspicion_round();
  choose_partners();
  sending_.plan_digests();
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
  const std::size_t entries = exchange_.digests.rows_min(settings_.digest_datagrams_max,
                                                         sending_.digest_bytes(settings_.fanout));
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
  if (!is_partner(to) || !sending_.has_room_for_digest(to)) return nullptr;
  if (!addresses_.try_start(to, stats_.rounds, settings_.unproved_addresses_max)) return nullptr;
  return &start_exchange(to, remote_hash);
}

digest_leg& protocol::start_exchange(const endpoint& to, std::uint64_t remote_hash) {
  const bool is_proved = addresses_.is_proved(to);
  digest_leg& leg = sending_.add_digest(to, peers_.by_hash().size(), graves_.all().size());
  leg.planned = clock_.now();
  leg.from = source_;
  leg.remote_hash = remote_hash;
  leg.cookie_echo = addresses_.cookie_from(to);
  const std::optional<slot_index> slot = peers_.find(remote_hash);
  if (slot) leg.spoken = peers_.details(*slot).spoken;
  const bool is_live = slot && peers_[*slot].status() == peer_status::live;
  leg.unanswered = is_live ? 0 : addresses_.unanswered(to);
  if (!is_proved) {
    const bool is_short_turn =
        addresses_.unanswered(to) % address_book::short_starts == address_book::short_starts - 1;
    sending_.pad(
        leg, is_short_turn ? address_book::unproved_bytes_short : address_book::unproved_bytes_min);
  }
  leg.is_sign_due = is_proved;
  if (is_proved) plan_doubts(leg);
  return leg;
}

void protocol::note_asked(const digest_leg& leg) {
  // Any leg 1 asks a suspect whether it lives, by its first datagram.
  if (!leg.is_sign_due && leg.padded_bytes == 0) return;
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

void protocol::handle_delayed_probe() {
  // My own probes wait: that nobody answers says nothing of the peers.
  ++stats_.probes_delayed;
  judge_from_round_ = stats_.rounds + 2;
  suspend_suspicion();
}

void protocol::end_budget_round() {
  const std::size_t whole = exchange_.digests.bytes_whole(settings_.digest_datagrams_max);
  const std::size_t budget = settings_.send_bytes_per_interval;
  const membership_need::verdict verdict = sending_.end_round(whole);
  if (verdict == membership_need::verdict::unchanged) return;
  const std::string needed = "membership needs about " +
                             std::to_string(sending_.membership_bytes()) + " bytes an interval";
  if (verdict == membership_need::verdict::falls_short) {
    report("send_bytes_per_interval is " + std::to_string(budget) + ", but " + needed +
           ": crashes are found later, and news takes longer; allow twice what is needed");
  } else {
    report("send_bytes_per_interval is enough again: " +
           (budget == 0 ? "there is no limit" : "it is " + std::to_string(budget)) + ", and " +
           needed);
  }
}

void protocol::plan_sign(const message& received, std::size_t bytes, answer_leg& answer) {
  // Of one digest, one datagram wants a sign of life; a short leg wants nothing else.
  bool is_first = true;
  if (const std::optional<slot_index> slot = peers_.find(received.sender.name_hash)) {
    std::optional<nanoseconds>& given = peers_.details(*slot).sign_given;
    is_first = !given || clock_.now() - *given >= settings_.gossip_interval / 2;
    if (is_first) given = clock_.now();
  }
  const bool is_short = received.known.lo > received.known.hi;
  sending_.plan_sign(answer, bytes, is_first, is_short);
}

nanoseconds protocol::next_deadline() const {
  const std::optional<nanoseconds> opens_at = sending_.opens_at();
  return opens_at ? std::min(*opens_at, next_timeout()) : next_timeout();
}

std::optional<endpoint> protocol::poll_transmit(moment now, message& out) {
  sending_.expire(clock_.now());
  while (const std::optional<leg_turn> turn = sending_.next(now.steady)) {
    const bool is_digest = turn->digest != nullptr;
    const bool is_filled = is_digest ? exchange_.digests.fill(*turn->digest, out, clock_.now())
                                     : exchange_.answers.fill(*turn->answer, out, clock_.now());
    if (!is_filled) {
      sending_.end(*turn);
      continue;
    }
    const leg_base& leg = turn->leg();
    out.cookie = addresses_.cookie_for(leg.to, now.steady);
    out.versions = spoken_;
    out.wire_version = version_for(leg, is_digest ? turn->digest->unanswered : 0);
    if (const std::optional<slot_index> remote = peers_.find(leg.remote_hash)) {
      path_watch& path = exchange_.shared.paths[*remote].watch;
      path.handle_sent(leg.filled_bytes, peers_.self().heartbeat());
    }
    if (is_digest) {
      note_asked(*turn->digest);
      await_answer(*turn->digest);
      ++stats_.digests_sent;
    } else {
      ++stats_.replies_sent;
      stats_.deltas_sent += out.deltas.size();
    }
    transmit_source_ = leg.from;
    const endpoint to = leg.to;
    sending_.took(*turn, out);
    if (on_message_) on_message_(message_direction::sent, to, out);
    return to;
  }
  return std::nullopt;
}

}  // namespace gossipmonger
