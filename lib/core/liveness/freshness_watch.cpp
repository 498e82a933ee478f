#include "core/liveness/freshness_watch.hpp"

#include <optional>

#include "core/liveness/freshness.hpp"

namespace gossipmonger {

freshness_watch::peer_path& freshness_watch::path(slot_index slot) {
  if (slot >= paths_.size()) paths_.resize(peers_.slots());
  return paths_[slot];
}

void freshness_watch::begin(slot_index slot) {
  const std::uint32_t rounds = path(slot).rounds;
  paths_[slot] = peer_path();
  paths_[slot].rounds = rounds;
}

void freshness_watch::forget(slot_index slot) { path(slot) = peer_path(); }

void freshness_watch::handle_death(slot_index slot, std::uint64_t own_heartbeat) {
  peer_path& of = path(slot);
  of.died_at_heartbeat = peers_.self().heartbeat();
  of.died_at_own_heartbeat = own_heartbeat;
}

std::uint64_t freshness_watch::limit(std::uint32_t path_rounds) const {
  return fresh_rounds_max(peers_.by_hash().size(), settings_.gossip_interval, path_rounds);
}

bool freshness_watch::is_fresh(const message& received) {
  echo of_me;
  of_me.generation = received.receiver.generation;
  of_me.heartbeat = received.receiver.heartbeat;
  of_me.instance = received.receiver_instance;
  of_me.is_answer = received.kind != message_kind::digest;
  const peer_view self = peers_.self();
  std::uint32_t path_rounds = 0;
  std::uint64_t after = 0;
  if (const std::optional<slot_index> sender = peers_.find(received.sender.name_hash)) {
    peer_path& of = path(*sender);
    const bool is_of_this_run = of_me.generation == self.generation();
    if (of_me.is_answer && is_of_this_run && of_me.heartbeat <= self.heartbeat()) {
      of.rounds = smoothed_path_rounds(of.rounds, self.heartbeat() - of_me.heartbeat);
    }
    path_rounds = of.rounds;
    const bool is_dead = peers_[*sender].status() == peer_status::dead;
    // An answer that names a higher run of mine bears no heartbeat of mine: its own tells its age.
    const bool is_of_higher_run = of_me.is_answer && of_me.generation > self.generation();
    const bool is_from_after =
        is_of_higher_run && received.sender.heartbeat > of.died_at_own_heartbeat;
    if (is_dead && !is_from_after) after = of.died_at_heartbeat;
  }
  return gossipmonger::is_fresh(of_me, self.entry(), peers_.details(self_slot).instance,
                                limit(path_rounds), after);
}

}  // namespace gossipmonger
