// One name, one node: what becomes of a name that two nodes bear, or whose runs no date tells
// apart.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "name_restarts.hpp"
#include "name_rivals.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// The error of a write; no error if it succeeded.
template <class T>
std::error_code error_of(const result<T>& written) {
  return written ? std::error_code() : written.error();
}

}  // namespace

// ------------------------------------------------------------------------------ quick restarts

TEST_CASE("names: quick restarts with equal or put-back dates end in the last run's values") {
  for (const dates of : {dates::same, dates::put_back}) {
    for (const std::size_t nodes : {std::size_t{3}, std::size_t{8}}) {
      for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const restart_outcome seen = restart_quickly(seed, nodes, of);
        CHECK_MESSAGE(seen.rounds <= restart_rounds_max(nodes),
                      "seed " << seed << ", " << nodes << " nodes:" << seen.generations);
        CHECK_MESSAGE(seen.conflicts == 0, "seed " << seed << ":" << seen.generations);
      }
    }
  }
}

TEST_CASE("names: a relic of 500 rounds with a later date is no conflict in 2,000 rounds") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    world where(seed);
    add_cluster(where, 4);
    where.set_wall_offset(1, 1h);
    where.restart(1);
    REQUIRE(where[1].set("run", "relic"));
    where.run_for(500s);
    where.crash(1);
    where.set_wall_offset(1, {});
    where.restart(1);
    REQUIRE(where[1].set("run", "last"));
    std::vector<event_log> logs;
    for (std::size_t node = 0; node < 4; ++node) logs.emplace_back(where, node);

    for (int i = 0; i < 20; ++i) {
      where.run_for(100s);
      CHECK(all_hold(where, "n1", "run", "last"));
    }

    for (event_log& log : logs) {
      log.read(where);
      CHECK(log.count(event_kind::conflict) == 0);
      CHECK(log.count(event_kind::peer_dead) == 0);
    }
    CHECK(where[1].stats().refutations == 1);
    CHECK(logs[1].count(event_kind::refuted) == 1);
    CHECK(all_see(where, "n1", peer_status::live));
  }
}

// -------------------------------------------------------------------------------- two that live

TEST_CASE("names: of two nodes under one name both hear of it, and third parties once a grace") {
  config common;
  common.dead_peer_grace = 200s;
  two_of_one_name both(1, common);

  both.where.run_for(150s);
  both.read();
  for (std::size_t node = 0; node < both.where.size(); ++node) {
    CAPTURE(node);
    CHECK(both.logs[node].count(event_kind::conflict) == 1);
    CHECK(both.logs[node].count(event_kind::conflict_ended) == 0);
  }
  CHECK(both.status_of(both.older()) == peer_status::conflict);
  CHECK(both.status_of(both.newer()) == peer_status::self);

  both.where.run_for(400s);
  both.read();
  for (std::size_t node = 0; node < both.where.size(); ++node) {
    CAPTURE(node);
    // 550 s: after two graces twice more at most; the conflict of the older run is one.
    const std::size_t told = both.logs[node].count(event_kind::conflict);
    CHECK(told == (node == both.older() ? 1 : std::clamp<std::size_t>(told, 2, 3)));
  }
}

TEST_CASE("names: two nodes under one name that both live fight no duel in 2,000 rounds") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    two_of_one_name both(seed);
    const auto refutations = [&] {
      return both.where[1].stats().refutations + both.where[both.second].stats().refutations;
    };
    both.run_into_conflict();
    const std::uint64_t before = refutations();
    CHECK(before <= 3);
    const std::size_t newer = both.newer();
    // A name that moves is where it went.
    CHECK(newer == both.second);

    both.where.run_for(2000s);

    CHECK_MESSAGE(refutations() == before, "seed " << seed);
    CHECK(both.newer() == newer);
    CHECK(value_at(both.where, 0, "n1", "of") == "second");
    both.read();
    CHECK(both.logs[1].count(event_kind::conflict) == 1);
    CHECK(both.logs[1].count(event_kind::conflict_ended) == 0);
  }
}

TEST_CASE("names: a node that restarted is no conflict for others, nor is its late datagram") {
  world where(5);
  add_cluster(where, 4);
  where.conditions.delay_max = 12s;
  where.conditions.duplication = 0.3;
  where.run_for(30s);
  std::vector<event_log> logs;
  for (std::size_t node = 0; node < 4; ++node) {
    if (node != 1) logs.emplace_back(where, node);
  }
  for (int i = 0; i < 30; ++i) {
    where.restart(1);
    where.run_for(10s);
  }
  for (event_log& log : logs) {
    log.read(where);
    CHECK(log.count(event_kind::conflict) == 0);
  }
}

// ------------------------------------------------------------------------------- one that is left

TEST_CASE("names: the survivor is live everywhere, however its rival ended") {
  for (const ending how : {ending::crash, ending::leave, ending::pause}) {
    for (const bool is_older_left : {true, false}) {
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        demand_survivor(4, seed, how, is_older_left);
      }
    }
  }
}

TEST_CASE("names: nor does it take longer than that among 30 nodes") {
  for (const ending how : {ending::crash, ending::leave}) {
    demand_survivor(30, 1, how, true);
  }
}

TEST_CASE("names: one that is suspended and goes on finds its name taken, and says so") {
  two_of_one_name both(3);
  both.run_into_conflict();
  const std::size_t survivor = both.older();
  const std::size_t rival = both.newer();
  both.where.pause(rival, 200s);
  both.where.run_for(150s);
  REQUIRE(both.status_of(survivor) == peer_status::self);

  both.where.run_for(150s);

  CHECK(both.status_of(rival) == peer_status::conflict);
  CHECK(both.older() == rival);
  CHECK(error_of(both.where[rival].set("k", "v")) == errc::name_taken);
}

TEST_CASE("names: an alone survivor that all forgot ends its conflict without a refutation") {
  config common;
  common.dead_peer_grace = 60s;
  two_of_one_name both(4, common);
  both.run_into_conflict();
  const std::size_t survivor = both.older();
  const std::uint64_t refutations = both.where[survivor].stats().refutations;
  bool is_apart = true;
  both.where.is_cut = [&](std::size_t from, std::size_t to) {
    return is_apart && (from == survivor) != (to == survivor);
  };
  both.where.crash(both.newer());
  both.where.run_for(300s);
  is_apart = false;

  REQUIRE(
      both.where.run_until([&] { return both.status_of(survivor) == peer_status::self; }, 100s));

  CHECK(both.where[survivor].stats().refutations == refutations);
  CHECK(both.where.run_until([&] { return all_see(both.where, "n1", peer_status::live); }, 30s));
}

// --------------------------------------------------------------------------------------- writing

TEST_CASE("names: the older run writes nothing while others hold its rival, and again afterwards") {
  two_of_one_name both(2);
  world& where = both.where;
  const std::size_t older = 1;
  REQUIRE(where[older].set("lease", "held", 40s, where.now(older)));
  where.reschedule(older);
  both.run_into_conflict();
  REQUIRE(both.older() == older);
  const std::uint64_t version = where[older].version();

  CHECK(error_of(where[older].set("k", "v")) == errc::name_taken);
  CHECK(error_of(where[older].erase("of")) == errc::name_taken);
  CHECK(error_of(where[older].set("k", "v", 1s, where.now(older))) == errc::name_taken);
  // The newer one goes on.
  CHECK(where[both.second].set("k", "v"));

  // The lease is over by now, and waits: that would be a write.
  where.run_for(60s);
  CHECK(value_at(where, older, "n1", "lease") == "held");
  CHECK(where[older].version() == version);

  where.crash(both.second);
  REQUIRE(where.run_until([&] { return both.status_of(older) == peer_status::self; }, 100s));
  CHECK(where[older].set("k", "w"));
  where.run_for(10s);
  CHECK(value_at(where, older, "n1", "lease") == "(none)");
  CHECK(value_at(where, 0, "n1", "lease") == "(none)");
  CHECK(value_at(where, 0, "n1", "k") == "w");
}

TEST_CASE("names: without a third node the rival alone silences no writer") {
  world where(6);
  const std::size_t first = where.add(named("twin"));
  where.run_for(10s);
  const std::size_t second = where.add(named("twin"), first);
  where.run_for(200s);

  const auto status = [&](std::size_t node) {
    return where[node].find_member("twin", where.now(node))->status;
  };
  const std::size_t older = where[first].generation() < where[second].generation() ? first : second;
  CHECK(status(older) == peer_status::conflict);
  CHECK(where[first].set("k", "1"));
  CHECK(where[second].set("k", "2"));
}

TEST_CASE("names: a displaced node may leave, and its leave takes no name from its rival") {
  two_of_one_name both(7);
  both.run_into_conflict();
  const std::size_t older = both.older();
  const std::uint64_t generation = both.where[both.newer()].generation();

  both.where[older].leave(both.where.now(older));
  both.where.reschedule(older);

  CHECK(both.where.run_until(
      [&] {
        const replication told = both.where[older].replicated(0, true);
        return told.live > 0 && told.live_holding == told.live;
      },
      30s));
  both.where.crash(older);
  both.where.run_for(60s);
  for (const std::size_t node : {0U, 2U, 3U}) {
    const std::optional<member> seen = both.where[node].find_member("n1", both.where.now(node));
    REQUIRE(seen);
    CHECK(seen->status == peer_status::live);
    CHECK(seen->generation == generation);
  }
}

}  // namespace gossipmonger
