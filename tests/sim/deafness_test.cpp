// Nodes that hear nobody, or that nobody hears; datagrams that come late, or again; long paths.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "deafness.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

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
  for (const std::size_t nodes : {3U, 4U, 8U}) check_cut_links(nodes, 1, 1000s);
  check_cut_links(30, 1, 300s);
}

TEST_CASE("deafness: a node that hears half of the others only is live for all") {
  check_cut_links(8, 4, 300s);
  check_cut_links(30, 15, 300s);
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
  for (std::uint64_t seed = 1; seed <= 20; ++seed) check_late_copies(5, seed);
  check_late_copies(30, 1);
}

}  // namespace gossipmonger
