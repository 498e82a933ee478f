// How a cluster finds a crash by probes and suspicion, and whom it leaves alone.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

std::uint64_t sum(const world& where, std::uint64_t protocol_stats::* counter) {
  std::uint64_t all = 0;
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where.is_running(node)) all += where[node].stats().*counter;
  }
  return all;
}

}  // namespace

TEST_CASE("suspicion: crashes among 100 nodes at 5 % loss are found in 20 rounds, p99") {
  world where(21);
  add_cluster(where, 100);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
  where.conditions.loss = 0.05;
  where.run_for(100s);
  REQUIRE(sum(where, &protocol_stats::declared_dead) == 0);

  std::vector<std::chrono::nanoseconds> found;
  for (std::size_t victim = 90; victim < 100; ++victim) {
    where.crash(victim);
    const auto crashed = where.time();
    std::vector<std::size_t> waiting;
    for (std::size_t node = 0; node < 90; ++node) waiting.push_back(node);
    while (!waiting.empty() && where.time() - crashed < 100s) {
      where.run_for(250ms);
      std::erase_if(waiting, [&](std::size_t node) {
        if (status_at(where, node, name_of(victim)) != peer_status::dead) return false;
        found.push_back(where.time() - crashed);
        return true;
      });
    }
  }

  REQUIRE(found.size() == 900);
  std::sort(found.begin(), found.end());
  MESSAGE("median " << found[450] / 1ms << " ms, p99 " << found[891] / 1ms << " ms, worst "
                    << found.back() / 1ms << " ms");
  CHECK(found[891] <= 20s);
  CHECK(sum(where, &protocol_stats::declared_dead) == 900);
}

TEST_CASE("suspicion: at 5 % and at 20 % loss 30 nodes declare nobody dead in 1,000 rounds") {
  for (const double loss : {0.05, 0.2}) {
    world where(22);
    add_cluster(where, 30);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
    where.conditions.loss = loss;

    where.run_for(1000s);

    CHECK(sum(where, &protocol_stats::declared_dead) == 0);
    CHECK(sum(where, &protocol_stats::probes_unanswered) > 0);
  }
}

// Phi would have it dead after some 40 rounds, if nobody else told of it.
TEST_CASE("suspicion: a peer that one node cannot reach is live there by the others' word") {
  world where(23);
  add_cluster(where, 6);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
  where.is_cut = [](std::size_t from, std::size_t to) {
    return std::min(from, to) == 4 && std::max(from, to) == 5;
  };

  where.run_for(600s);

  CHECK(sum(where, &protocol_stats::declared_dead) == 0);
  CHECK(status_at(where, 4, "n5") == peer_status::live);
  CHECK(status_at(where, 5, "n4") == peer_status::live);
  // But it did not answer there, and that is told apart.
  CHECK_FALSE(where[4].find_member("n5", where.now(4))->is_reachable);
  CHECK(where[4].find_member("n3", where.now(4))->is_reachable);
  CHECK(where[4].stats().peers_live == 5);
  CHECK(where[4].stats().peers_reachable == 4);
}

TEST_CASE("suspicion: who stood still for a minute declares nobody dead, and is taken back") {
  world where(24);
  where.conditions.inbox_datagrams_max = 92;
  add_cluster(where, 30);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
  where.run_for(30s);

  where.pause(3, 60s);
  where.run_for(59s);
  for (std::size_t node = 0; node < 30; ++node) {
    if (node != 3) CHECK(status_at(where, node, "n3") == peer_status::dead);
  }
  where.run_for(30s);

  CHECK(where[3].stats().declared_dead == 0);
  CHECK(all_see(where, "n3", peer_status::live));
}

TEST_CASE("suspicion: in a cluster at rest it costs nothing but the answers that come anyway") {
  world with(25);
  config without_suspicion;
  without_suspicion.suspicion_rounds = 0;
  world without(25);
  add_cluster(with, 30);
  add_cluster(without, 30, without_suspicion);
  with.run_for(60s);
  without.run_for(60s);
  const std::uint64_t bytes_with = with.counters().bytes;
  const std::uint64_t bytes_without = without.counters().bytes;
  with.run_for(100s);
  without.run_for(100s);

  const auto spent_with = static_cast<double>(with.counters().bytes - bytes_with);
  const auto spent_without = static_cast<double>(without.counters().bytes - bytes_without);
  CHECK(sum(with, &protocol_stats::probes_unanswered) == 0);
  CHECK(spent_with / spent_without < 1.01);
}

}  // namespace gossipmonger
