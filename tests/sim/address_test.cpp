// A running node whose address changes, and which says so: all follow it to the new one.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <optional>

#include <doctest/doctest.h>

#include "cluster.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Whether all others see it live at its present address, and were answered by it there.
bool are_at(const world& where, std::size_t moved) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (node == moved) continue;
    const std::optional<member> seen = where[node].find_member(name_of(moved), where.now(node));
    if (!seen || seen->address != where.address(moved) || seen->status != peer_status::live) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("address: all follow a node to its new address within 4 log2 n + 10 rounds") {
  for (const std::size_t count : {2U, 16U, 64U}) {
    CAPTURE(count);
    world where(count);
    add_cluster(where, count);
    const std::size_t moved = count - 1;
    REQUIRE(where[moved].set("key", "value"));
    where.run_for(60s);
    REQUIRE(are_at(where, moved));
    REQUIRE(all_hold(where, name_of(moved), "key", "value"));

    where.move(moved);
    where[moved].set_address(where.address(moved));
    CHECK_FALSE(are_at(where, moved));
    const std::size_t bound = 4 * static_cast<std::size_t>(std::bit_width(count - 1)) + 10;
    std::size_t rounds = 0;
    while (!are_at(where, moved) && rounds < 10 * bound) {
      where.run_for(1s);
      ++rounds;
    }

    CHECK(rounds <= bound);
    MESSAGE(count << " nodes: " << rounds << " rounds of " << bound);
    where.run_for(10s);
    CHECK(all_hold(where, name_of(moved), "key", "value"));
    for (std::size_t node = 0; node < count; ++node) {
      CHECK(where[node].stats().declared_dead == 0);
      CHECK(where[node].stats().refutations == 0);
    }
  }
}

}  // namespace gossipmonger
