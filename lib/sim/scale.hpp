// Measures what the gossip of a cluster costs, and how soon news is everywhere: at rest, with
// writes, and after a cut into halves. Functions over a world in which all nodes run. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <vector>

#include "gossipmonger/config.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

struct scale_plan {
  scale_plan() = default;

  std::size_t nodes = 10;
  std::size_t seeds = 1;  ///< nodes whose addresses all know
  std::size_t digest_datagrams = config().digest_datagrams_max;
  std::size_t sums_peers_min = config().sums_peers_min;
  std::size_t budget = 0;  ///< `send_bytes_per_interval`, once all know each other
};

/// Adds the nodes n0, n1 and so on, and runs until all know each other and are at rest. Their
/// detectors have short windows, since there are nodes * nodes of them.
///
///   errors:  false if an option is not allowed, or the nodes do not all meet within 600 s
///   expects: the world is empty
[[nodiscard]] bool try_start_cluster(world& where, const scale_plan& plan);

struct rest_costs {
  rest_costs() = default;

  double bytes = 0;  ///< that a node sends in a round
  double datagrams = 0;
};

/// The costs of so many rounds in which nobody writes.
[[nodiscard]] rest_costs measure_rest(world& where, std::size_t rounds);

struct news_costs {
  news_costs() = default;

  double bytes = 0;                 ///< that a node sends in a round with writes
  std::vector<std::size_t> rounds;  ///< of each write until it was everywhere, in ascending order
  std::size_t missing = 0;          ///< writes that were not everywhere 40 rounds after the last
};

/// The costs of so many rounds with `writes` writes each, every one of another node.
[[nodiscard]] news_costs measure_news(world& where, std::size_t rounds, std::size_t writes);

struct heal_costs {
  heal_costs() = default;

  std::size_t values = 0;  ///< rounds until all nodes hold the same; 300: they did not
  std::size_t live = 0;    ///< rounds until all are live for all as well; 300: they were not
  double bytes = 0;        ///< that a node sent in a round of these
};

/// The cluster falls into two halves for so many rounds, with `writes` writes each, and heals.
[[nodiscard]] heal_costs measure_heal(world& where, std::size_t cut_rounds, std::size_t writes);

/// The smallest value that is no less than this part of all; 0 of none.
[[nodiscard]] std::size_t quantile(const std::vector<std::size_t>& sorted, std::size_t percent);

}  // namespace gossipmonger
