// Quick restarts of one name over as many seeds as a gate has no time for: `./tools/test --long`.
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

#include "name_restarts.hpp"

namespace gossipmonger {

TEST_CASE("names: 1,000 seeds of quick restarts end in the last run's values, within the bound") {
  for (const dates of : {dates::same, dates::put_back}) {
    for (const std::size_t nodes : {std::size_t{3}, std::size_t{8}}) {
      std::size_t slowest = 0;
      for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        const restart_outcome seen = restart_quickly(seed, nodes, of);
        CHECK_MESSAGE(seen.rounds <= restart_rounds_max(nodes),
                      "seed " << seed << ":" << seen.generations);
        CHECK_MESSAGE(seen.conflicts == 0, "seed " << seed << ":" << seen.generations);
        if (seen.rounds > slowest) slowest = seen.rounds;
      }
      MESSAGE(nodes << " nodes: at most " << slowest << " of " << restart_rounds_max(nodes)
                    << " rounds");
    }
  }
}

}  // namespace gossipmonger
