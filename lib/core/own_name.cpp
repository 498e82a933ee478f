#include "core/own_name.hpp"

#include <algorithm>
#include <string>

namespace gossipmonger {

void own_name::handle_word_of_me(const message& received) {
  const std::optional<slot_index> slot = node_.peers.find(received.sender.name_hash);
  const bool is_of_its_run = node_.find_sender(received).has_value();
  is_by_peer_ = is_of_its_run && node_.peers[*slot].status() == peer_status::live;
  const digest_entry& mine = received.receiver;
  if (mine.generation != 0) handle_own_entry(mine, received.receiver_instance);
  if (!slot) return;
  if (!is_of_its_run) return handle_older_run(received, *slot);
  const bool is_shared = received.is_name_shared && node_.seen_heartbeat(received) != 0;
  if (is_shared &&
      node_.incarnation.may_tell_older(node_.settings.dead_peer_grace, node_.clock.now())) {
    tell_older_run(node_.generation());  // which one it heard it does not say
  }
  if (!node_.has_left() || mine.generation <= node_.generation()) return;
  node_.own_map.handle_later_run(*slot);
}

void own_name::handle_namesake(const digest_entry& theirs) {
  is_by_peer_ = false;
  handle_own_entry(theirs, 0);
  if (theirs.generation >= node_.generation()) return;
  if (node_.incarnation.handle_older(theirs.generation, node_.heartbeat_wait_max(),
                                     node_.settings.dead_peer_grace, node_.clock.now())) {
    tell_older_run(theirs.generation);
  }
}

void own_name::handle_older_run(const message& received, slot_index slot) {
  const peer_view row = node_.peers[slot];
  if (received.sender.generation >= row.generation()) return;
  if (row.status() != peer_status::live) return;
  peer_details& of = node_.peers.details(slot);
  const bool is_shared =
      of.namesake.hear(node_.seen_heartbeat(received), node_.peers.detector(slot).last_advance(),
                       node_.heartbeat_wait_max() / 2, node_.silence_max(), node_.clock.now());
  if (!is_shared || !of.namesake.may_tell(node_.clock.now(), node_.settings.dead_peer_grace))
    return;
  node_.changes.notice(
      event_kind::conflict, of.name, received.sender.generation,
      "two nodes live under this name; the one with the lower generation is not heard");
}

void own_name::tell_older_run(std::uint64_t generation) {
  node_.changes.notice(
      event_kind::conflict, node_.name(), generation,
      "another node lives under this name, with a lower generation: stop one of the "
      "two, or give one another name");
}

void own_name::handle_own_entry(const digest_entry& mine, std::uint32_t instance) {
  const peer_view self = node_.peers.self();
  own_run run;
  run.generation = self.generation();
  run.max_version = self.max_version();
  run.heartbeat = self.heartbeat();
  run.instance = node_.peers.details(self_slot).instance;
  run.has_left = self.has_left();
  run.generation_limit = node_.clock.generation_limit();
  own_word word;
  word.held = mine;
  word.instance = instance;
  word.is_by_peer = is_by_peer_;
  const own_name_outcome outcome =
      node_.incarnation.handle(word, run, node_.heartbeat_wait_max(), node_.clock.now());
  using what = own_name_outcome::what;
  switch (outcome.kind) {
    case what::nothing:
      return;
    case what::far_future:
      return node_.drop(drop_reason::far_future);
    case what::refute:
      refute(outcome.generation);
      if (outcome.ends_conflict) end_conflict();
      return;
    case what::conflict_begins:
      node_.peers.self().set_status(peer_status::conflict);
      node_.changes.notice(
          event_kind::conflict, node_.name(), outcome.generation,
          "another node lives under this name, with a higher generation: stop one of "
          "the two, or give one another name");
      return;
    case what::conflict_ends:
      return end_conflict();
  }
}

void own_name::refute(std::uint64_t generation) {
  // Two runs of this node that refute the same relic seldom meet in one generation. The step stays
  // below the date that others would refuse.
  constexpr std::uint64_t steps = 64;
  const std::uint64_t step = 1 + node_.random.below(steps);
  const std::uint64_t wanted = std::max(generation + 1, node_.clock.date_generation()) + step;
  const std::uint64_t allowed = std::max(generation + 1, node_.clock.generation_limit());
  node_.peers.self().set_generation(std::min({wanted, allowed, generation_max}));
  ++node_.stats.refutations;
  node_.changes.notice(event_kind::refuted, node_.name(), node_.generation(),
                       "others held generation " + std::to_string(generation) + " of this node");
}

void own_name::end_conflict() {
  node_.peers.self().set_status(peer_status::self);
  node_.changes.notice(event_kind::conflict_ended, node_.name(), node_.generation(),
                       "no other node is known to live under this name any more");
}

}  // namespace gossipmonger
