// One-way faults for 2,000 rounds, and in large clusters, whose digests tell sums.
#include <chrono>
#include <cstddef>
#include <cstdint>

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

TEST_CASE("deafness: of 300 and of 1,000 nodes one is deaf, or mute") {
  for (const std::size_t nodes : {300U, 1000U}) {
    for (const bool is_deaf : {true, false}) check_one_way(nodes, 1, is_deaf, 60s);
  }
}

TEST_CASE(
    "deafness: of 300 and 1,000 nodes half are deaf: few are found late, and all heal in time") {
  for (const std::size_t nodes : {300U, 1000U}) check_half_deaf(nodes);
}

TEST_CASE("deafness: a cut of one link, one way, kills nobody among 100 to 1,000 nodes") {
  check_cut_links(100, 1, 1000s);
  check_cut_links(300, 1, 300s);
  check_cut_links(1000, 1, 100s);
}

TEST_CASE("deafness: of 100 to 1,000 nodes one hears half of the others only, and is live") {
  check_cut_links(100, 50, 1000s);
  check_cut_links(300, 150, 300s);
  check_cut_links(1000, 500, 100s);
}

TEST_CASE("deafness: late copies revive no crashed node among 100 to 1,000 nodes") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) check_late_copies(100, seed);
  for (const std::size_t nodes : {300U, 1000U}) check_late_copies(nodes, 1);
}

}  // namespace gossipmonger
