// Bulk copies: a newcomer takes over all keys of a node in a few rounds, each key comes once, and
// losses cost little more than what is lost.
#include "copies.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "gossipmonger/config.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

}  // namespace

TEST_CASE("copies: 100,000 keys reach a joiner within three rounds, each of them once") {
  const copy_costs seen = run_copies(copy_plan());

  MESSAGE(seen.rounds << " rounds, " << seen.bytes << " bytes");
  CHECK(seen.is_complete);
  CHECK(seen.rounds <= 3);
  CHECK(seen.entries_sent == 100'000);
  CHECK(seen.entries_known == 0);
  CHECK(seen.deltas_dropped == 0);
}

TEST_CASE("copies: nine joiners get 10,000 keys within 14 rounds, each of them once") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    copy_plan plan;
    plan.seed = seed;
    plan.keys = 10'000;
    plan.joiners = 9;

    const copy_costs seen = run_copies(plan);

    MESSAGE(seen.rounds << " rounds, " << seen.bytes << " bytes, " << seen.entries_sent << " sent, "
                        << seen.entries_known << " known");
    CHECK(seen.is_complete);
    CHECK(seen.rounds <= 14);
    CHECK(seen.entries_known == 0);
    CHECK(seen.entries_sent == 90'000);
  }
}

TEST_CASE("copies: a joiner whose source dies goes on with another") {
  world where(3);
  add_cluster(where, 2);
  for (int i = 0; i < 50'000; ++i) {
    REQUIRE(where[0].set("key" + std::to_string(i), std::string(20, 'v')));
  }
  const auto held = [&where](std::size_t node) {
    const std::optional<member> seen = where[node].find_member(name_of(0), where.now(node));
    return seen ? seen->max_version : 0;
  };
  REQUIRE(where.run_until([&] { return held(1) == 50'000; }, 10s));
  where.add(named("joiner"), 0);
  REQUIRE(where.run_until([&] { return held(2) > 5'000; }, 10s, 1ms));
  REQUIRE(held(2) < 45'000);

  where.crash(0);

  CHECK(where.run_until([&] { return held(2) == 50'000; }, 8s));
}

TEST_CASE("copies: what others publish meanwhile does not wait for the copy") {
  // Every datagram of the source takes 50 ms: the copy lasts for many rounds of 200 ms.
  world where(4);
  config common;
  common.gossip_interval = 200ms;
  add_cluster(where, 4, common);
  for (int i = 0; i < 100'000; ++i) {
    REQUIRE(where[0].set("key" + std::to_string(i), std::string(20, 'v')));
  }
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s));
  for (std::size_t node = 1; node < 5; ++node) {
    network_conditions& slow = where.links[{0, node}];
    slow.delay_min = slow.delay_max = 50ms;
  }
  common.name = "joiner";
  const std::size_t joiner = where.add(common, 0);
  REQUIRE(where.run_until(
      [&] {
        const auto seen = where[joiner].find_member(name_of(0), where.now(joiner));
        return seen && seen->max_version > 5'000;
      },
      10s, 10ms));

  REQUIRE(where[2].set("news", "1"));
  const auto start = where.time();
  REQUIRE(where.run_until([&] { return value_at(where, joiner, name_of(2), "news") == "1"; }, 60s,
                          10ms));

  MESSAGE("news came after " << (where.time() - start) / 1ms << " ms");
  CHECK(where.time() - start <= 6 * 200ms);
  const auto seen = where[joiner].find_member(name_of(0), where.now(joiner));
  CHECK(seen->max_version < 100'000);  // the copy was under way all the time
}

TEST_CASE("copies: under a byte budget a copy stays within it") {
  copy_plan plan;
  plan.keys = 5'000;
  plan.joiners = 3;
  plan.budget = 30'000;
  plan.rounds_max = 100;

  const copy_costs seen = run_copies(plan);

  MESSAGE(seen.rounds << " rounds, at most " << seen.node_bytes_max << " bytes of a node");
  CHECK(seen.is_complete);
  CHECK(seen.node_bytes_max <= (seen.rounds + 1) * 30'000);
}

TEST_CASE("copies: at a loss of a fifth a copy takes 1.4 times the bytes at most") {
  copy_plan plan;
  plan.keys = 20'000;
  const copy_costs whole = run_copies(plan);
  REQUIRE(whole.is_complete);
  plan.loss = 0.2;
  std::uint64_t bytes = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    plan.seed = seed;

    const copy_costs seen = run_copies(plan);

    MESSAGE(seen.rounds << " rounds, " << seen.bytes << " bytes of " << whole.bytes << ", "
                        << seen.entries_sent << " sent, " << seen.entries_known << " known, "
                        << seen.deltas_dropped << " dropped");
    CHECK(seen.is_complete);
    bytes += seen.bytes;
  }
  CHECK(bytes <= 5 * whole.bytes * 14 / 10);
}

}  // namespace gossipmonger
