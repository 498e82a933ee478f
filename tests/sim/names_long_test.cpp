// Quick restarts of one name over many seeds, and names in large clusters, whose digests tell sums.
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

#include "name_restarts.hpp"
#include "name_rivals.hpp"

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

namespace {

void check_restarts(std::size_t nodes, std::uint64_t seeds) {
  for (const dates of : {dates::same, dates::put_back}) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const restart_outcome seen = restart_quickly(seed, nodes, of);
      MESSAGE(nodes << " nodes, seed " << seed << ": " << seen.rounds << " of "
                    << restart_rounds_max(nodes) << " rounds");
      CHECK(seen.has_sums);
      CHECK_MESSAGE(seen.rounds <= restart_rounds_max(nodes), "generations" << seen.generations);
      CHECK_MESSAGE(seen.conflicts == 0, "generations" << seen.generations);
    }
  }
}

}  // namespace

TEST_CASE("names: quick restarts end in the last run's values among 30 to 1,000 nodes too") {
  check_restarts(30, 10);
  check_restarts(100, 5);
  check_restarts(300, 2);
  check_restarts(1000, 1);
}

TEST_CASE("names: the survivor is live everywhere, however its rival ended, among 30 to 300") {
  for (const ending how : {ending::crash, ending::leave, ending::pause}) {
    for (const bool is_older_left : {true, false}) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) demand_survivor(30, seed, how, is_older_left);
      demand_survivor(100, 1, how, is_older_left);
      demand_survivor(300, 1, how, is_older_left);
    }
  }
}

TEST_CASE("names: the survivor is live everywhere among 1,000 nodes") {
  for (const ending how : {ending::crash, ending::leave}) demand_survivor(1000, 1, how, true);
}

}  // namespace gossipmonger
