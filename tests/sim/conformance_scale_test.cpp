// Many nodes, many keys, small datagrams: what is bounded stays bounded, and news arrives in time.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

struct spread {
  spread() = default;

  std::vector<std::size_t> rounds;  // until each update was everywhere
  std::size_t missing = 0;          // updates that did not come everywhere in 30 rounds
};

/// In each batch `writers` nodes publish one update each at the same time, at rest before.
spread measure_spread(std::uint64_t seed, std::size_t nodes, std::size_t batches,
                      std::size_t writers) {
  world where(seed);
  add_cluster(where, nodes);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 100s, 1s));
  random_source draws(seed);
  spread measured;
  for (std::size_t batch = 1; batch <= batches; ++batch) {
    where.run_for(std::chrono::milliseconds(draws.below(1000)));
    std::vector<std::size_t> order(nodes);
    for (std::size_t node = 0; node < nodes; ++node) order[node] = node;
    draws.shuffle(std::span<std::size_t>(order));
    order.resize(writers);
    const std::string value = "batch " + std::to_string(batch);
    for (const std::size_t writer : order) REQUIRE(where[writer].set("key", value));

    for (std::size_t round = 1; round <= 30 && !order.empty(); ++round) {
      where.run_for(1s);
      std::erase_if(order, [&](std::size_t writer) {
        if (!all_hold(where, name_of(writer), "key", value)) return false;
        measured.rounds.push_back(round);
        return true;
      });
    }
    measured.missing += order.size();
  }
  std::sort(measured.rounds.begin(), measured.rounds.end());
  return measured;
}

}  // namespace

TEST_CASE("conformance: 200 nodes, whose digest takes five datagrams of 1200 bytes, all agree") {
  world where(1);
  add_cluster(where, 200);
  for (std::size_t node = 0; node < 200; ++node) {
    REQUIRE(where[node].set("key", "value of " + name_of(node)));
  }

  const auto start = where.time();
  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));

  MESSAGE("200 nodes agreed after " << (where.time() - start) / 1s << " rounds");
  CHECK(where.counters().datagram_bytes_max <= 1200 - 40);  // a seal would still fit
  CHECK(where.counters().datagram_bytes_max > 1100);
}

// The digest of the ancestor grows with the cluster; so does its datagram, were it one.
TEST_CASE("conformance: a digest of 1,000 peers goes in datagrams within the limit, over rounds") {
  world where(2);
  add_cluster(where, 3);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  // Peers that come, tell a key and go: known to all for the grace.
  for (std::size_t passer_by = 0; passer_by < 1000; ++passer_by) {
    const std::size_t node = where.add(named("p" + std::to_string(passer_by)), 0);
    REQUIRE(where[node].set("key", std::to_string(passer_by)));
    where.run_for(20ms);
    where.crash(node);
  }
  const auto knows_all = [&](std::size_t node) {
    for (std::size_t passer_by = 0; passer_by < 1000; ++passer_by) {
      const std::string value = std::to_string(passer_by);
      if (value_at(where, node, "p" + value, "key") != value) return false;
    }
    return true;
  };

  // Until they are dead, they are asked in vain as often as those that live.
  where.run_for(200s);
  REQUIRE(where.run_until([&] { return knows_all(0) && knows_all(1) && knows_all(2); }, 60s, 1s));
  const std::size_t joiner = where.add(named("joiner"), 0);
  CHECK(where.run_until([&] { return knows_all(joiner); }, 60s, 1s));
  const std::uint64_t before = where[2].stats().digests_sent;
  where.run_for(10s);

  CHECK(where.counters().datagram_bytes_max <= 1200 - 40);
  // Eight datagrams a digest at most; the rest of the 23 in the next rounds.
  CHECK(where[2].stats().digests_sent - before <= 11 * 8 * 3);
  REQUIRE(where[1].set("key", "news"));
  CHECK(where.run_until([&] { return all_hold(where, "n1", "key", "news"); }, 10s));
}

TEST_CASE("conformance: 10,000 keys reach a joiner in 40 rounds through datagrams with 20 % loss") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    world where(seed);
    add_cluster(where, 2);
    for (int key = 0; key < 10'000; ++key) {
      const std::string name = "a key of 20 B " + std::to_string(100'000 + key);
      REQUIRE(where[1].set(name, std::string(50, 'v')));
    }
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 100s));
    where.conditions.loss = 0.2;

    const std::size_t joiner = where.add(named("joiner"), 0);
    const auto start = where.time();
    CHECK(where.run_until([&] { return count_keys(where, joiner, "n1") == 10'000; }, 40s));

    MESSAGE("seed " << seed << ": " << (where.time() - start) / 1s << " rounds");
    CHECK(where.counters().datagram_bytes_max <= 1200 - 40);
    where.conditions.loss = 0;
    CHECK(where.run_until([&] { return where.has_agreed(); }, 60s));
  }
}

TEST_CASE("conformance: an update is everywhere within log2 N + 2 rounds at the 99th percentile") {
  for (const std::size_t nodes : {std::size_t{64}, std::size_t{256}}) {
    const std::size_t batches = nodes == 64 ? 20 : 5;
    const spread measured = measure_spread(nodes, nodes, batches, 40);

    const std::size_t count = batches * 40;
    CHECK(measured.missing == 0);
    REQUIRE(measured.rounds.size() == count);
    const std::size_t p99 = measured.rounds[(count * 99 + 99) / 100 - 1];
    MESSAGE(nodes << " nodes: median " << measured.rounds[count / 2] << ", p99 " << p99
                  << ", worst " << measured.rounds.back() << " rounds");
    const auto log2 = static_cast<std::size_t>(std::bit_width(nodes - 1));
    CHECK(p99 <= log2 + 2);
  }
}

}  // namespace gossipmonger
