// Options that change while the cluster runs, node by node.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// 24 nodes go from one interval to another, one after the other, `pause` apart. Returns how often
/// one that lives was declared dead.
std::uint64_t change_all(std::chrono::milliseconds from, std::chrono::milliseconds to,
                         std::chrono::seconds pause, std::uint64_t seeds) {
  std::uint64_t declared_dead = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    config common;
    common.gossip_interval = from;
    world where(seed);
    where.conditions.loss = 0.2;  // with less, few gaps are long enough to declare anybody dead
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

    for (std::size_t node = 0; node < 24; ++node)
      declared_dead += where[node].stats().declared_dead;
    CHECK_MESSAGE(where.has_agreed(), "seed " << seed);
    const std::uint64_t rounds = where[0].stats().rounds;
    where.run_for(20 * to);
    CHECK(where[0].stats().rounds - rounds >= 19);
    CHECK(where[0].stats().rounds - rounds <= 21);
  }
  return declared_dead;
}

}  // namespace

// At that loss 600 changes, of 300 seeds, declare dead eight that live; where the windows are kept,
// those 5 s apart declare dead seven in ten.
TEST_CASE(
    "change: hardly anybody is declared dead while all become ten times as slow, one by one") {
  CHECK(change_all(1s, 10s, 5s, 12) <= 2);
  CHECK(change_all(1s, 10s, 60s, 3) <= 1);
}

TEST_CASE("change: nor while they become ten times as fast") {
  CHECK(change_all(10s, 1s, 5s, 3) <= 1);
  CHECK(change_all(10s, 1s, 60s, 3) <= 1);
}

TEST_CASE("change: a wider fan-out takes effect with the next round") {
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

TEST_CASE("change: the byte budget of a running node binds at once, and lets go at once") {
  world where(5);
  where.add(named("n0"));
  for (int key = 0; key < 5'000; ++key) {
    REQUIRE(where[0].set("key" + std::to_string(key), std::string(50, 'x')));
  }
  config settings = where[0].settings();
  const std::size_t usual = settings.send_bytes_per_interval;
  settings.send_bytes_per_interval = 6'000;
  REQUIRE(where[0].change(settings, where.now(0)));
  where.add(named("n1"), 0);
  const auto held = [&where] {
    const std::optional<member> n0 = where[1].find_member("n0", where.now(1));
    return n0 ? n0->max_version : 0;
  };

  // Two exchanges a round, entries of at least 60 bytes, and at once what was saved up.
  where.run_for(10s);
  CHECK(held() > 0);
  CHECK(held() <= 22 * 6'000 / 60);
  settings.send_bytes_per_interval = usual;
  REQUIRE(where[0].change(settings, where.now(0)));
  where.run_for(5s);
  CHECK(held() == 5'000);
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
