// Options that change while the cluster runs, node by node.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// 24 nodes go from one interval to another, one after the other, `pause` apart.
void change_all(std::chrono::milliseconds from, std::chrono::milliseconds to,
                std::chrono::seconds pause) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    config common;
    common.gossip_interval = from;
    world where(seed);
    where.conditions.loss = 0.2;  // with less, few gaps are long enough to convict anybody
    add_cluster(where, 24, common);
    where.run_for(150 * from);
    REQUIRE(where.has_agreed());

    for (std::size_t node = 0; node < 24; ++node) {
      config settings = where[node].settings();
      settings.gossip_interval = to;
      REQUIRE(where[node].change(settings, where.now(node)));
      where.run_for(pause);
    }
    where.run_for(150 * to);

    std::uint64_t convictions = 0;
    for (std::size_t node = 0; node < 24; ++node) convictions += where[node].stats().convictions;
    CHECK_MESSAGE(convictions == 0, "seed " << seed);
    CHECK_MESSAGE(where.has_agreed(), "seed " << seed);
    const std::uint64_t rounds = where[0].stats().rounds;
    where.run_for(20 * to);
    CHECK(where[0].stats().rounds - rounds >= 19);
    CHECK(where[0].stats().rounds - rounds <= 21);
  }
}

}  // namespace

TEST_CASE("change: nobody is convicted while all nodes become ten times as slow, one by one") {
  change_all(1s, 10s, 5s);
  change_all(1s, 10s, 60s);
}

TEST_CASE("change: nor while they become ten times as fast") {
  change_all(10s, 1s, 5s);
  change_all(10s, 1s, 60s);
}

TEST_CASE("change: a wider fan-out and other budgets take effect with the next round") {
  world where(3);
  add_cluster(where, 6);
  where.run_for(60s);
  const auto digests = [&where] { return where[0].stats().digests_sent; };
  std::uint64_t before = digests();
  where.run_for(32s);
  const std::uint64_t narrow = digests() - before;

  config settings = where[0].settings();
  settings.fanout = 3;
  REQUIRE(where[0].change(settings, where.now(0)));
  before = digests();
  where.run_for(32s);

  CHECK(digests() - before >= 3 * narrow - 4);
}

TEST_CASE("change: an option that is not allowed is named, and nothing changes") {
  world where(4);
  add_cluster(where, 2);
  config settings = where[0].settings();
  settings.fanout = 3;
  settings.peers_max = 17;

  const auto refused = where[0].change(settings, where.now(0));

  REQUIRE_FALSE(refused);
  CHECK(refused.error().option == "peers_max");
  CHECK(where[0].settings().fanout == 1);
}

}  // namespace gossipmonger
