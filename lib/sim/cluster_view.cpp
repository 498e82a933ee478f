#include "sim/cluster_view.hpp"

#include <utility>

#include "core/membership/unwanted_peers.hpp"
#include "gossipmonger/storage.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

}  // namespace

// ----------------------------------------------------------------------------------- one node

bool cluster_view::is_staying(std::size_t node) const {
  return is_running(node) && !members_[node].has_left;
}

bool cluster_view::is_deaf(std::size_t node) const {
  if (!is_running(node)) return false;
  bool has_others = false;
  for (std::size_t from = 0; from < members_.size(); ++from) {
    if (from == node || !is_running(from)) continue;
    const auto place = world_.links.find(std::pair(from, node));
    if (place == world_.links.end() || !place->second.is_cut) return false;
    has_others = true;
  }
  return has_others;
}

std::vector<std::size_t> cluster_view::deaf_nodes() const {
  std::vector<std::size_t> found;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (is_deaf(node)) found.push_back(node);
  }
  return found;
}

std::vector<std::size_t> cluster_view::stopped(bool has_left) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string& name = members_[i].settings.name;
    bool is_down = members_[i].has_started && members_[i].has_left == has_left;
    for (std::size_t other = 0; other < members_.size(); ++other) {
      if (is_running(other) && members_[other].settings.name == name) is_down = false;
    }
    if (is_down) found.push_back(i);
  }
  return found;
}

// ---------------------------------------------------------------------------------- agreement

std::optional<slot_index> cluster_view::find_slot(std::size_t replica, std::size_t owner) const {
  const protocol& source = world_[owner];
  return world_[replica].peers().find_name(source.name(), source.peers().self().name_hash());
}

bool cluster_view::must_agree(std::size_t owner, std::size_t replica,
                              std::optional<slot_index> slot) const {
  // A run that began by a clock of the day after tomorrow is refused until that day.
  const auto tomorrow =
      std::chrono::duration_cast<milliseconds>(world_.now(replica).wall) + std::chrono::hours{24};
  const auto limit = static_cast<std::uint64_t>(tomorrow.count());
  if (world_[owner].generation() > limit) return false;
  if (!slot) return true;
  const peer_view row = world_[replica].peers()[*slot];
  return !row.is_over_capacity() && row.generation() <= limit;
}

bool cluster_view::is_level(std::size_t owner, std::size_t replica) const {
  const std::optional<slot_index> slot = find_slot(replica, owner);
  if (!slot) return false;
  const peer_view held = world_[replica].peers()[*slot];
  return held.generation() == world_[owner].generation() &&
         held.max_version() == world_[owner].version();
}

std::string cluster_view::estrangement() const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!is_staying(owner)) continue;
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (replica == owner || !is_staying(replica)) continue;
      const std::optional<slot_index> slot = find_slot(replica, owner);
      if (!must_agree(owner, replica, slot)) continue;
      const std::string pair = "n" + std::to_string(replica) + " of n" + std::to_string(owner);
      if (!slot) return pair + ": unknown";
      const peer_view row = world_[replica].peers()[*slot];
      if (row.generation() != world_[owner].generation()) {
        return pair + ": generation " + std::to_string(row.generation()) + "; it has " +
               std::to_string(world_[owner].generation());
      }
      if (row.status() != peer_status::live)
        return pair + ": " + std::string(to_string(row.status()));
    }
  }
  return {};
}

std::string cluster_view::not_following(std::size_t owner) const {
  const endpoint& wanted = world_[owner].address();
  for (std::size_t replica = 0; replica < members_.size(); ++replica) {
    if (replica == owner || !is_staying(replica)) continue;
    const std::optional<slot_index> slot = find_slot(replica, owner);
    if (!must_agree(owner, replica, slot)) continue;
    const std::string pair = "n" + std::to_string(replica) + " of n" + std::to_string(owner);
    if (!slot) return pair + ": unknown";
    const endpoint& held = world_[replica].peers().details(*slot).address;
    if (held != wanted) {
      return pair + ": at " + held.to_string() + "; it advertises " + wanted.to_string();
    }
  }
  return {};
}

std::string cluster_view::disagreement(bool with_statuses) const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!is_staying(owner)) continue;
    const peer_view source = world_[owner].peers()[self_slot];
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (replica == owner || !is_staying(replica)) continue;
      const peer_table& known = world_[replica].peers();
      const std::optional<slot_index> slot = find_slot(replica, owner);
      if (!must_agree(owner, replica, slot)) continue;
      const std::string pair = "n" + std::to_string(replica) + " of n" + std::to_string(owner);
      if (!slot) return pair + ": unknown";
      const peer_view row = known[*slot];
      if (row.generation() != source.generation() || row.max_version() != source.max_version()) {
        return pair + ": generation " + std::to_string(row.generation()) + ", version " +
               std::to_string(row.max_version()) + "; it has " +
               std::to_string(source.generation()) + ", " + std::to_string(source.max_version());
      }
      if (known.details(*slot).address != world_[owner].address()) return not_following(owner);
      if (with_statuses && row.status() != peer_status::live) {
        return pair + ": " + std::string(to_string(row.status()));
      }
    }
  }
  return {};
}

std::string cluster_view::incompleteness() const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!is_staying(owner)) continue;
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (replica == owner || !is_staying(replica)) continue;
      const std::optional<slot_index> slot = find_slot(replica, owner);
      if (!slot || !must_agree(owner, replica, slot) || !is_level(owner, replica)) continue;
      const protocol& node = world_[replica];
      if (node.peers()[*slot].status() != peer_status::live) continue;
      if (node.changes().places_of(*slot).complete != 0) continue;
      // Others may tell of a peer that this node never hears itself: both moved, or their releases
      // differ. It is live by their word, and says nothing of what it has.
      const auto seen = node.find_member(world_[owner].name(), world_.now(replica));
      if (!seen->is_reachable) continue;
      return "n" + std::to_string(replica) + " of n" + std::to_string(owner) +
             ": not complete, heartbeat " + std::to_string(node.peers()[*slot].heartbeat()) +
             "; it has " + std::to_string(world_[owner].peers().self().heartbeat());
    }
  }
  return {};
}

std::string cluster_view::difference(std::size_t owner, std::size_t replica,
                                     slot_index slot) const {
  const simulated_storage& source = world_.storage_of(owner);
  const simulated_storage& copy = world_.storage_of(replica);
  const auto next_live = [](const simulated_storage& of, slot_index at, std::uint64_t above) {
    std::optional<entry_view> held = of.first_above(at, above);
    while (held && (held->is_tombstone || held->key == floor_key)) {
      held = of.first_above(at, held->version);
    }
    return held;
  };
  std::optional<entry_view> theirs = next_live(source, self_slot, 0);
  std::optional<entry_view> mine = next_live(copy, slot, 0);
  while (theirs || mine) {
    const bool is_equal = theirs && mine && theirs->version == mine->version &&
                          theirs->key == mine->key && theirs->value == mine->value;
    if (!is_equal) {
      const entry_view& shown = theirs ? *theirs : *mine;
      return "n" + std::to_string(replica) + " of n" + std::to_string(owner) +
             ": equal versions, but not " + std::string(shown.key) + " @" +
             std::to_string(shown.version);
    }
    theirs = next_live(source, self_slot, theirs->version);
    mine = next_live(copy, slot, mine->version);
  }
  return {};
}

std::string cluster_view::difference() const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!is_staying(owner)) continue;
    const std::uint64_t name_hash = world_[owner].peers()[self_slot].name_hash();
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (replica == owner || !is_staying(replica)) continue;
      const std::optional<slot_index> slot =
          world_[replica].peers().find_name(world_[owner].name(), name_hash);
      if (!slot || !must_agree(owner, replica, slot)) continue;
      // A storage that failed may have let a key expire late: then the versions are not equal.
      if (!is_level(owner, replica)) continue;
      std::string found = difference(owner, replica, *slot);
      if (!found.empty()) return found;
    }
  }
  return {};
}

bool cluster_view::have_met() const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!is_staying(owner)) continue;
    const peer_view source = world_[owner].peers().self();
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (replica == owner || !is_staying(replica)) continue;
      const std::optional<slot_index> slot = world_[replica].peers().find(source.name_hash());
      const bool is_held =
          slot && world_[replica].peers()[*slot].generation() == source.generation();
      const unwanted_peers& unwanted = world_[replica].unwanted();
      if (is_held ||
          unwanted.refuses(source.name_hash(), source.generation(), source.heartbeat())) {
        continue;
      }
      return false;
    }
  }
  return true;
}

// --------------------------------------------------------------------- departures and crashes

std::optional<peer_view> cluster_view::find_row(std::size_t node, const std::string& name) const {
  const peer_table& known = world_[node].peers();
  for (const peer_view one : known.by_hash()) {
    if (known.details(one.slot()).name == name) return one;
  }
  return std::nullopt;
}

std::string cluster_view::undetected(std::size_t gone, std::uint64_t generation) const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!is_running(node) || is_deaf(node)) continue;
    const std::optional<peer_view> row = find_row(node, members_[gone].settings.name);
    // A peer that is unknown, or forgotten by now, is not listed as live.
    if (!row || !row->may_die()) continue;
    if (generation != 0 && row->generation() != generation) continue;
    return "n" + std::to_string(node) + " of n" + std::to_string(gone) + ": " +
           std::string(to_string(row->status()));
  }
  return {};
}

std::string cluster_view::undetected(const std::vector<std::size_t>& gone) const {
  for (const std::size_t one : gone) {
    std::string open = undetected(one, 0);
    if (!open.empty()) return open;
  }
  return {};
}

std::string cluster_view::undetected_runs(const std::vector<std::size_t>& gone) const {
  for (const std::size_t one : gone) {
    // A deaf node runs.
    const std::uint64_t last =
        is_running(one) ? world_[one].generation() : members_[one].generation;
    std::string open = undetected(one, last);
    if (!open.empty()) return open;
  }
  return {};
}

std::string cluster_view::unheard(std::size_t leaver) const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!is_running(node)) continue;
    const std::optional<peer_view> row = find_row(node, members_[leaver].settings.name);
    if (!row || row->generation() != members_[leaver].generation) continue;
    if (row->status() == peer_status::left) continue;
    return "n" + std::to_string(node) + " of n" + std::to_string(leaver) +
           ", which left: " + std::string(to_string(row->status()));
  }
  return {};
}

bool cluster_view::is_told_to_leave(std::size_t leaver, nanoseconds length) const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!is_running(node)) continue;
    const std::optional<peer_view> row = find_row(node, members_[leaver].settings.name);
    if (!row || row->status() != peer_status::left) continue;
    if (row->generation() != members_[leaver].generation) continue;
    // After half a grace no node advertises it any more.
    const nanoseconds silent =
        world_.now(node).steady - world_[node].peers().silent_since(row->slot());
    if (silent + length < world_.settings(node).dead_peer_grace / 2) return true;
  }
  return false;
}

}  // namespace gossipmonger
