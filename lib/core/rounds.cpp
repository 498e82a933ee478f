#include "core/rounds.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace gossipmonger {

void rounds::run(moment now) {
  // A process that takes in datagrams does not stand still, yet its round may be late. The first
  // round may start long after the node was made.
  const bool is_late = now.steady - node_.partners.next_round() > node_.settings.gossip_interval;
  if (is_late && node_.stats.rounds > 0) ++node_.stats.rounds_late;
  ++node_.stats.rounds;
  const peer self = node_.peers.self();
  self.set_heartbeat(std::min(self.heartbeat() + 1, heartbeat_max));
  node_.peers.begin_round(node_.stats.rounds);
  node_.update_expectation();
  node_.exchange.begin_round(node_.stats.rounds);
  node_.unwanted.expire(node_.clock.now());
  node_.membership.end_refusals(node_.clock);

  if (node_.sending.begin_round()) handle_delayed_probe();
  node_.liveness.begin_round(node_.stats.rounds);
  outgoing_.start_probes();
  choose_partners();
  node_.sending.plan_digests();
  outgoing_.continue_stalled();
  node_.liveness.ask_more();
  node_.liveness.spread_suspicions();
  outgoing_.start_probes();
  declare_dead();
  forget_gone();
  if (node_.own_map.end_round(now.steady)) ++node_.stats.writes_slowed;
  end_budget_round();
  node_.partners.schedule_next(now.steady, node_.random);
}

void rounds::choose_partners() {
  partner_round round;
  round.number = node_.stats.rounds;
  round.has_left = node_.has_left();
  if (node_.has_left()) {
    const replication told = node_.replicated(0, true);
    round.lacking_leave = told.live - told.live_holding;
  }
  node_.partners.begin_round(round);
  const std::function<bool(slot_index)> is_holding = [this](slot_index slot) {
    return node_.own_map.is_holding(slot, node_.partners.preferred_version(), node_.has_left());
  };
  while (const std::optional<partner> chosen =
             node_.partners.poll_partner(node_.membership.rings(), node_.random, is_holding)) {
    node_.partners.handle_started(outgoing_.start(*chosen));
  }
  std::vector<endpoint> seeds;
  if (node_.peers.size() == 0) seeds = node_.partners.seeds();
  node_.notices.watch_alone(node_.partners.has_seed_to_ask() && !node_.has_left(), seeds);
}

void rounds::declare_dead() {
  node_.liveness.begin_declaring();
  while (node_.liveness.is_declaring()) {
    if (const std::optional<slot_index> dead = node_.liveness.poll_dead()) {
      node_.set_status(*dead, peer_status::dead);
    }
    outgoing_.start_probes();
  }
}

void rounds::forget_gone() {
  while (const std::optional<slot_index> expired =
             node_.membership.find_expired(node_.clock.now())) {
    node_.forget_slot(*expired);
  }
}

void rounds::handle_delayed_probe() {
  // My own probes wait: that nobody answers says nothing of the peers.
  ++node_.stats.probes_delayed;
  node_.liveness.hold_back(node_.stats.rounds + 2);
}

void rounds::end_budget_round() {
  std::size_t whole = node_.exchange.digests.bytes_whole(node_.settings.digest_datagrams_max);
  if (node_.exchange.shared.tells_sums()) whole = std::min(whole, digest_writer::bytes_root());
  const std::size_t budget = node_.settings.send_bytes_per_interval;
  const membership_need::outcome outcome = node_.sending.end_round(whole);
  node_.liveness.handle_budget(budget != 0 && node_.sending.membership_bytes() > budget);
  if (outcome == membership_need::outcome::unchanged) return;
  const std::string needed = "membership needs about " +
                             std::to_string(node_.sending.membership_bytes()) +
                             " bytes an interval";
  if (outcome == membership_need::outcome::falls_short) {
    node_.report("send_bytes_per_interval is " + std::to_string(budget) + ", but " + needed +
                 ": crashes are found later, and news takes longer; allow twice what is needed");
  } else {
    node_.report("send_bytes_per_interval is enough again: " +
                 (budget == 0 ? "there is no limit" : "it is " + std::to_string(budget)) +
                 ", and " + needed);
  }
}

}  // namespace gossipmonger
