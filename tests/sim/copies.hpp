// A cluster in which newcomers copy many keys of one node, and what the copies cost. Test code
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

struct copy_plan {
  copy_plan() = default;

  std::uint64_t seed = 1;
  std::size_t keys = 100'000;
  std::size_t joiners = 1;
  double loss = 0;
  std::size_t rounds_max = 100;  ///< then it is given up
  std::size_t budget = 0;        ///< `send_bytes_per_interval`
};

struct copy_costs {
  copy_costs() = default;

  bool is_complete = false;
  std::size_t rounds = 0;           ///< begun, until all joiners held all
  std::uint64_t bytes = 0;          ///< sent by all nodes in these rounds
  std::uint64_t entries_sent = 0;   ///< by all nodes
  std::uint64_t entries_known = 0;  ///< came to a node that had them
  std::uint64_t deltas_dropped = 0;
  std::uint64_t node_bytes_max = 0;  ///< sent by one node
};

/// Node 0 has all keys; the joiners know its address, and start together.
[[nodiscard]] copy_costs run_copies(const copy_plan& plan);

}  // namespace gossipmonger
