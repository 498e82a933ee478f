// Shared by the tests of one-way faults and of late copies: a count of status changes by observer
// and subject, and three runs of a cluster of any size. Test code only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/world.hpp"

namespace gossipmonger {

/// Counts, for each observer and subject, how often the status changed between live and dead.
class status_watch : public world_observer {
 public:
  explicit status_watch(const world& watched) : watched_(watched) {}

  void handle_start(node_index) override {}
  void handle_stop(node_index) override {}
  void handle_arrival(node_index, const endpoint&, const message&, std::size_t) override {}
  void handle_send(node_index, const endpoint&, const message&, std::size_t) override {}
  void handle_step(node_index node, bool) override {
    if (node >= seen_.size()) seen_.resize(node + 1);
    std::vector<sighting>& seen = seen_[node];
    for (const peer_view row : watched_[node].peers().by_hash()) {
      if (row.slot() == self_slot || row.status() == peer_status::introduced) continue;
      if (row.slot() >= seen.size()) seen.resize(row.slot() + 1);
      sighting& last = seen[row.slot()];
      // A row that is used again for another peer begins with the status of that peer.
      if (last.name_hash != row.name_hash()) last = sighting(row.name_hash(), row.status());
      if (last.status == row.status()) continue;
      if (row.status() == peer_status::live) ++revivals_;
      if (row.status() == peer_status::dead) ++deaths_;
      last.status = row.status();
      most_ = std::max(most_, ++last.changes);
    }
  }

  [[nodiscard]] std::size_t most() const { return most_; }
  [[nodiscard]] std::size_t deaths() const { return deaths_; }
  [[nodiscard]] std::size_t revivals() const { return revivals_; }

 private:
  struct sighting {
    sighting() = default;
    sighting(std::uint64_t hash, peer_status at_first) : name_hash(hash), status(at_first) {}

    std::uint64_t name_hash = 0;
    std::size_t changes = 0;
    peer_status status = peer_status::introduced;
  };

  const world& watched_;
  // By observer and slot: a step of a large cluster looks at each row, and has no time for a map.
  std::vector<std::vector<sighting>> seen_;
  std::size_t most_ = 0;
  std::size_t deaths_ = 0;
  std::size_t revivals_ = 0;
};

/// Whether each node in `by` sees each in `of`, itself excepted, with that status.
[[nodiscard]] bool see(const world& where, const std::vector<std::size_t>& by,
                       const std::vector<std::size_t>& of, peer_status status);
/// The numbers from `from` to `to` - 1.
[[nodiscard]] std::vector<std::size_t> numbers(std::size_t from, std::size_t to);

/// The last `faulty` of `nodes` hear nobody, or are heard by nobody, and later hear and are heard
/// again. Checks that each other node declares them dead within the bound, and that they stay dead
/// for `watched_for`. Then all have to be live for all within the bound of a heal. No status may
/// change more often than that takes.
void check_one_way(std::size_t nodes, std::size_t faulty, bool is_deaf,
                   std::chrono::nanoseconds watched_for);

/// Half of so many nodes that the bounds of `check_one_way` do not hold hear nobody, and later hear
/// again. When the bound is over, one pair in a thousand at most may not be declared dead. Checks
/// also that nobody takes a good node for dead, and that all are live for all within the bound of a
/// heal.
void check_half_deaf(std::size_t nodes);

/// For `watched_for`, nothing that the `senders` nodes after the first send arrives at the last of
/// `nodes`. Checks that no status changes, and that all stay live for all.
void check_cut_links(std::size_t nodes, std::size_t senders, std::chrono::nanoseconds watched_for);

/// Of every third datagram a second copy comes, up to two minutes after the first. The last of
/// `nodes` crashes. Checks that each other node declares it dead once, and no other node.
void check_late_copies(std::size_t nodes, std::uint64_t seed);

}  // namespace gossipmonger
