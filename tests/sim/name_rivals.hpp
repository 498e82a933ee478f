// Two nodes under one name, and the end of one of them. The bound says how soon the other one is
// live everywhere. Test code only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

/// Nodes n0 to n3 or more, and a second n1 that started later and so has the higher generation.
class two_of_one_name {
 public:
  explicit two_of_one_name(std::uint64_t seed, const config& common = config(),
                           std::size_t nodes = 4);

  void read();
  /// Of the two, the one with the lower generation.
  [[nodiscard]] std::size_t older() const;
  [[nodiscard]] std::size_t newer() const;
  /// The status of n1 at one of the two.
  [[nodiscard]] peer_status status_of(std::size_t node) const;
  void run_into_conflict();

  world where;
  std::size_t second = 0;
  std::vector<event_log> logs;
};

enum class ending : std::uint8_t { crash, leave, pause };

/// Rounds until the survivor is live everywhere: the crash is found, the longest interval that
/// counts passes, and its new generation spreads.
[[nodiscard]] std::size_t survival_rounds_max(std::size_t nodes);

/// Among `nodes` nodes and a second n1, one of the two ends, by `how`. Checks that the other one is
/// live everywhere in time, and that its later keys reach all.
void demand_survivor(std::size_t nodes, std::uint64_t seed, ending how, bool is_older_left);

}  // namespace gossipmonger
