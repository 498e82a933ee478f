// Nodes that hear nobody, or that nobody hears; datagrams that come late, or again; long paths.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "deafness.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// A datagram that comes again.
struct copy {
  copy() = default;

  endpoint source;
  endpoint destination;
  std::vector<std::byte> datagram;
};

}  // namespace

TEST_CASE("deafness: a node that hears nobody is dead for all, once, until it hears again") {
  for (const std::size_t nodes : {2U, 3U, 4U, 8U, 30U}) check_one_way(nodes, 1, true, 500s);
  check_one_way(100, 1, true, 60s);
}

TEST_CASE("deafness: a node that nobody hears is dead for all, once, until it is heard again") {
  for (const std::size_t nodes : {2U, 3U, 4U, 8U, 30U}) check_one_way(nodes, 1, false, 500s);
  check_one_way(100, 1, false, 60s);
}

TEST_CASE("deafness: the deaf do not keep each other alive") {
  check_one_way(8, 4, true, 300s);
  check_one_way(30, 15, true, 100s);
}

TEST_CASE("deafness: a cut of one link, one way, kills nobody") {
  for (const std::size_t nodes : {3U, 4U, 8U}) {
    CAPTURE(nodes);
    world cluster(nodes);
    status_watch watch(cluster);
    add_cluster(cluster, nodes);
    const std::vector<std::size_t> all = numbers(0, nodes);
    REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s));
    cluster.observer = &watch;

    cluster.is_cut = [&](std::size_t from, std::size_t to) { return from == 1 && to == nodes - 1; };
    cluster.run_for(1000s);

    CHECK(watch.most() == 0);
    CHECK(see(cluster, all, all, peer_status::live));
  }
}

TEST_CASE("deafness: rounds far shorter than the path kill nobody") {
  for (const auto path : {200ms, 1000ms, 2000ms}) {
    CAPTURE(path.count());
    world cluster(3);
    status_watch watch(cluster);
    config common;
    common.gossip_interval = 10ms;
    cluster.conditions.delay_min = path;
    cluster.conditions.delay_max = path + 10ms;
    constexpr std::size_t nodes = 8;
    add_cluster(cluster, nodes, common);
    const std::vector<std::size_t> all = numbers(0, nodes);
    REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s));
    cluster.run_for(10 * path);
    cluster.observer = &watch;

    cluster.run_for(20s);

    CHECK(watch.deaths() == 0);
  }
}

TEST_CASE("deafness: a path that delivers copies late revives no crashed node") {
  std::size_t deaths = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    world cluster(seed);
    status_watch watch(cluster);
    constexpr std::size_t nodes = 5;
    add_cluster(cluster, nodes);
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
    // Of every third datagram a second copy comes, up to two minutes after the first.
    random_source draws(seed);
    std::multimap<nanoseconds, copy> late;
    cluster.on_send = [&](std::size_t from, const endpoint& to,
                          std::span<const std::byte> datagram) {
      if (draws.below(3) != 0) return;
      const auto after = static_cast<std::int64_t>(draws.below(120'000'000'000));
      copy& kept = late.emplace(cluster.time() + nanoseconds{after}, copy())->second;
      kept.source = cluster.address(from);
      kept.destination = to;
      kept.datagram.assign(datagram.begin(), datagram.end());
    };
    cluster.run_for(30s);
    cluster.observer = &watch;

    cluster.crash(4);
    for (int step = 0; step < 1500; ++step) {
      cluster.run_for(100ms);
      while (!late.empty() && late.begin()->first <= cluster.time()) {
        const copy again = std::move(late.begin()->second);
        late.erase(late.begin());
        for (std::size_t to = 0; to < 4; ++to) {
          if (cluster.address(to) != again.destination) continue;
          cluster.inject(to, again.source, again.datagram);
        }
      }
    }

    CHECK(watch.revivals() == 0);
    deaths += watch.deaths();
    CHECK(all_see(cluster, "n4", peer_status::dead));
  }
  CHECK(deaths == 80);
}

}  // namespace gossipmonger
