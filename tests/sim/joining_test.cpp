// When those that join a cluster take its peers for live, and whom they must not.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// Whether each running node counts that many peers.
bool have_all(const world& where, std::uint64_t protocol_stats::* counter) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where[node].stats().*counter != where.size() - 1) return false;
  }
  return true;
}

/// All start within a round. How long after all are known to all they are live for all.
nanoseconds live_after_known(std::uint64_t seed, std::size_t nodes) {
  world where(seed);
  const auto start = where.time();
  for (std::size_t node = 0; node < nodes; ++node) {
    where.add(named(name_of(node)), node == 0 ? std::nullopt : std::optional<std::size_t>(0));
    where.run_for(nanoseconds(1s) / nodes);
  }
  const auto is_known = [&] { return have_all(where, &protocol_stats::peers_known); };
  const auto is_live = [&] { return have_all(where, &protocol_stats::peers_live); };
  REQUIRE(where.run_until(is_known, 100s, 50ms));
  const auto known = where.time();
  REQUIRE(where.run_until(is_live, 100s, 50ms));
  MESSAGE(nodes << " nodes: known after " << (known - start) / 1ms << " ms, live "
                << (where.time() - known) / 1ms << " ms later");
  return where.time() - known;
}

/// `joiners` join in the rounds around the crash of node `victim` of a cluster. Returns how long
/// one of them took it for live after all that knew it before held it dead. Counts the joiners
/// that did so at any time after the crash.
nanoseconds measure_ghost(world& where, std::size_t victim, std::size_t joiners,
                          random_source& draws, std::size_t& ghosts) {
  const std::size_t first = where.size();
  const nanoseconds crash_at = where.time() + 2s;
  std::vector<nanoseconds> joins_at;
  for (std::size_t i = 0; i < joiners; ++i) {
    joins_at.push_back(where.time() + std::chrono::milliseconds(draws.below(24'000)));
  }
  std::sort(joins_at.begin(), joins_at.end());
  std::optional<nanoseconds> all_dead_at;
  nanoseconds outlives{};
  std::vector<bool> was_ghost(first + joiners, false);
  const nanoseconds end = where.time() + 100s;
  while (where.time() < end) {
    while (where.size() < first + joiners && where.time() >= joins_at[where.size() - first]) {
      where.add(named(name_of(where.size())), 0);
    }
    where.run_for(100ms);
    if (where.time() >= crash_at && where.is_running(victim)) where.crash(victim);
    if (where.is_running(victim)) continue;
    const auto holds_live = [&](std::size_t node) {
      return where.is_running(node) && status_at(where, node, name_of(victim)) == peer_status::live;
    };
    bool is_held = false;
    for (std::size_t node = 0; node < first; ++node) is_held = is_held || holds_live(node);
    if (!is_held && !all_dead_at) all_dead_at = where.time();
    for (std::size_t node = first; node < where.size(); ++node) {
      if (!holds_live(node)) continue;
      was_ghost[node] = true;
      if (all_dead_at) outlives = where.time() - *all_dead_at;
    }
  }
  REQUIRE(all_dead_at);
  ghosts += static_cast<std::size_t>(std::count(was_ghost.begin(), was_ghost.end(), true));
  return outlives;
}

}  // namespace

TEST_CASE("joining: in a cold start of 50 nodes all are live a round after all are known") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) CHECK(live_after_known(seed, 50) <= 1s);
}

TEST_CASE("joining: scale: in a cold start of 1,000 nodes likewise") {
  CHECK(live_after_known(1, 1000) <= 1s);
}

TEST_CASE("joining: no ghost outlives the others' word of a crash by more than 8 rounds") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    world where(seed);
    add_cluster(where, 30);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
    where.conditions.loss = 0.2;
    where.run_for(20s);
    random_source draws(seed);

    std::size_t ghosts = 0;
    nanoseconds longest{};
    for (std::size_t crash = 0; crash < 6; ++crash) {
      longest = std::max(longest, measure_ghost(where, 10 + crash, 24, draws, ghosts));
    }

    MESSAGE(ghosts << " of 144 joiners took a crashed node for live, up to " << longest / 1ms
                   << " ms beyond the others");
    CHECK(ghosts > 0);
    CHECK(longest <= 8s);
  }
}

}  // namespace gossipmonger
