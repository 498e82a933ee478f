// Shared by the tests of one-way faults: a count of status changes by observer and subject, and one
// run. In that run, some nodes of a cluster hear nobody, or are heard by nobody. Test code only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
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
    for (const peer_view row : watched_[node].peers().by_hash()) {
      if (row.slot() == self_slot || row.status() == peer_status::introduced) continue;
      const auto [place, is_new] =
          last_.try_emplace(std::pair(node, row.name_hash()), row.status());
      if (is_new || place->second == row.status()) continue;
      if (row.status() == peer_status::live) ++revivals_;
      if (row.status() == peer_status::dead) ++deaths_;
      place->second = row.status();
      ++changes_[place->first];
    }
  }

  [[nodiscard]] std::size_t most() const {
    std::size_t most = 0;
    for (const auto& [pair, count] : changes_) most = std::max(most, count);
    return most;
  }
  [[nodiscard]] std::size_t deaths() const { return deaths_; }
  [[nodiscard]] std::size_t revivals() const { return revivals_; }
  void clear() {
    changes_.clear();
    deaths_ = revivals_ = 0;
  }

 private:
  const world& watched_;
  std::map<std::pair<node_index, std::uint64_t>, peer_status> last_;
  std::map<std::pair<node_index, std::uint64_t>, std::size_t> changes_;
  std::size_t deaths_ = 0;
  std::size_t revivals_ = 0;
};

/// Whether each node in `by` sees each in `of`, itself excepted, with that status.
[[nodiscard]] bool see(const world& where, const std::vector<std::size_t>& by,
                       const std::vector<std::size_t>& of, peer_status status);
/// The numbers from `from` to `to` - 1.
[[nodiscard]] std::vector<std::size_t> numbers(std::size_t from, std::size_t to);

/// The last `faulty` of `nodes` hear nobody, or are heard by nobody, and later hear and are heard
/// again. Checks that
/// - each other node declares them dead within the bound;
/// - they stay dead for `watched_for`;
/// - all are live for all within the bound of a heal;
/// - no status changes more often than that takes.
void check_one_way(std::size_t nodes, std::size_t faulty, bool is_deaf,
                   std::chrono::nanoseconds watched_for);

}  // namespace gossipmonger
