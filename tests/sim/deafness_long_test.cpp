// One-way faults for 2,000 rounds, and in large clusters.
#include <chrono>
#include <cstddef>

#include <doctest/doctest.h>

#include "deafness.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("deafness: of 3 to 100 nodes one is deaf, or mute, for 2,000 rounds") {
  for (const std::size_t nodes : {3U, 4U, 8U, 30U, 100U}) {
    for (const bool is_deaf : {true, false}) check_one_way(nodes, 1, is_deaf, 2000s);
  }
}

TEST_CASE("deafness: half of 30 and of 100 nodes are deaf for 1,000 rounds") {
  for (const std::size_t nodes : {30U, 100U}) check_one_way(nodes, nodes / 2, true, 1000s);
}

TEST_CASE("deafness: of 300 and of 1,000 nodes one is deaf") {
  for (const std::size_t nodes : {300U, 1000U}) check_one_way(nodes, 1, true, 60s);
}

}  // namespace gossipmonger
