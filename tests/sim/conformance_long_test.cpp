// Conformance tests that take too long for every run: a thousand nodes.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "hostile_target.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("conformance: 1,000 nodes agree in datagrams within the limit, and none is called dead") {
  world where(1);
  add_cluster(where, 1000);
  for (std::size_t node = 0; node < 1000; ++node) {
    REQUIRE(where[node].set("key", "value of " + name_of(node)));
  }

  const auto start = where.time();
  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
  MESSAGE("1,000 nodes agreed after " << (where.time() - start) / 1s << " rounds");
  where.run_for(100s);

  CHECK(where.counters().datagram_bytes_max <= 1200 - 40);
  std::uint64_t declared_dead = 0;
  for (std::size_t node = 0; node < 1000; ++node)
    declared_dead += where[node].stats().declared_dead;
  CHECK(declared_dead == 0);
  CHECK(where.has_agreed());
}

TEST_CASE("conformance: what 100 to 1,000 members once sent changes nothing when it comes again") {
  for (const std::size_t nodes : {100U, 300U, 1000U}) check_replays(nodes);
}

}  // namespace gossipmonger
