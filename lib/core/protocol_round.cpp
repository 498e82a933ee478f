// The round, and what goes out.
#include <algorithm>
#include <string>
#include <utility>

#include "core/protocol.hpp"

namespace gossipmonger {

using std::chrono::nanoseconds;

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
  const peer self = peers_.self();
  self.set_heartbeat(std::min(self.heartbeat() + 1, heartbeat_max));
  update_expectation();
  exchange_.begin_round(stats_.rounds);
  unwanted_.expire(clock_.now());
  membership_.end_refusals(clock_);

  if (sending_.begin_round()) handle_delayed_probe();
  liveness_.begin_round(stats_.rounds);
  start_probes();
  choose_partners();
  sending_.plan_digests();
  continue_values();
  liveness_.spread_suspicions();
  start_probes();
  declare_dead();
  forget_gone();
  if (own_map_.end_round(now.steady)) ++stats_.writes_slowed;
  end_budget_round();
  partners_.schedule_next(now.steady, random_);
}

void protocol::update_expectation() {
  liveness_.update_expectation(exchange_.digests.rows_min(settings_.digest_datagrams_max,
                                                          sending_.digest_bytes(settings_.fanout)));
}

void protocol::start_probes() {
  while (const std::optional<wanted_probe> wanted = liveness_.poll_probe(random_)) {
    start_short(*wanted);
    liveness_.handle_started(*wanted, is_started(wanted->to));
  }
}

void protocol::start_short(const wanted_probe& wanted) {
  const std::size_t told_max = liveness_.suspicions_a_leg();
  if (digest_leg* queued = sending_.find_digest(wanted.to)) {
    // The leg that waits there for the budget goes first now.
    if (queued->padded_bytes == 0) queued->is_sign_due = true;
    // A leg that goes there anyway takes the suspicion along, if it has room for it.
    const bool has_room = queued->suspicions.size() < told_max;
    if (wanted.told && has_room) queued->suspicions.push_back(*wanted.told);
    return;
  }
  if (!sending_.may_start_short()) return;
  digest_leg* started = try_start(wanted.to, wanted.remote_hash);
  if (started == nullptr) return;
  sending_.handle_short_started();
  digest_leg& leg = *started;
  leg.is_short = true;
  leg.digest_rows_left = 1;
  leg.datagrams_left = 1;
  if (wanted.told) leg.suspicions.insert(leg.suspicions.begin(), *wanted.told);
  if (leg.suspicions.size() > told_max) leg.suspicions.pop_back();
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
    forget_slot(*expired);
  }
}

void protocol::forget_slot(slot_index slot) {
  membership_.forget(slot, liveness_.credible_heartbeat(slot), clock_.now());
  exchange_.forget(slot);
  exchange_.transfers.forget(slot);
  liveness_.forget(slot);
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
  if (!partners_.is_partner(to) || !sending_.has_room_for_digest(to)) return nullptr;
  if (!addresses_.try_start(to, stats_.rounds, settings_.unverified_addresses_max)) return nullptr;
  return &start_exchange(to, remote_hash);
}

digest_leg& protocol::start_exchange(const endpoint& to, std::uint64_t remote_hash) {
  const bool is_verified = addresses_.is_verified(to);
  digest_leg& leg = sending_.add_digest(to, peers_.by_hash().size(), unwanted_.all().size());
  leg.planned = clock_.now();
  leg.from = source_;
  leg.remote_hash = remote_hash;
  leg.cookie_echo = addresses_.cookie_from(to);
  const std::optional<slot_index> slot = peers_.find(remote_hash);
  if (slot) leg.spoken = peers_.details(*slot).spoken;
  const bool is_live = slot && peers_[*slot].status() == peer_status::live;
  leg.unanswered = is_live ? 0 : addresses_.unanswered(to);
  if (!is_verified) {
    const bool is_short_turn =
        addresses_.unanswered(to) % address_book::short_starts == address_book::short_starts - 1;
    sending_.pad(leg, is_short_turn ? address_book::unverified_bytes_short
                                    : address_book::unverified_bytes_min);
  }
  leg.is_sign_due = is_verified;
  if (is_verified) liveness_.plan_suspicions(leg.suspicions);
  return leg;
}

// ------------------------------------------------------------------------------------ sending

void protocol::handle_delayed_probe() {
  // My own probes wait: that nobody answers says nothing of the peers.
  ++stats_.probes_delayed;
  liveness_.suspend(stats_.rounds + 2);
}

void protocol::end_budget_round() {
  const std::size_t whole = exchange_.digests.bytes_whole(settings_.digest_datagrams_max);
  const std::size_t budget = settings_.send_bytes_per_interval;
  const membership_need::outcome outcome = sending_.end_round(whole);
  if (outcome == membership_need::outcome::unchanged) return;
  const std::string needed = "membership needs about " +
                             std::to_string(sending_.membership_bytes()) + " bytes an interval";
  if (outcome == membership_need::outcome::falls_short) {
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
      // Any digest leg asks a suspect whether it lives, by its first datagram.
      digest_leg& digest = *turn->digest;
      if (digest.is_sign_due || digest.padded_bytes != 0) liveness_.handle_asked(leg.remote_hash);
      liveness_.expect_answer(std::exchange(digest.awaited, self_slot), digest.awaited_generation);
      ++stats_.digests_sent;
    } else {
      ++stats_.replies_sent;
      stats_.deltas_sent += out.deltas.size();
    }
    const endpoint to = leg.to;
    sending_.took(*turn, out);
    if (on_message_) on_message_(message_direction::sent, to, out);
    return to;
  }
  return std::nullopt;
}

}  // namespace gossipmonger
