// Defects of the ancestor (gossipmonger 0.1.10) in who is taken for alive or dead, each with a test
// that ours has none. CONFORMANCE.md beside it names these tests.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

std::uint64_t count_declared_dead(const world& where) {
  std::uint64_t count = 0;
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where.is_running(node)) count += where[node].stats().declared_dead;
  }
  return count;
}

std::uint64_t count_drops(const world& where, drop_reason reason) {
  std::uint64_t count = 0;
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where.is_running(node)) {
      count += where[node].stats().drops[static_cast<std::size_t>(reason)];
    }
  }
  return count;
}

/// How long after the crash of `victim` all others know it as dead.
std::chrono::nanoseconds time_of_death(world& where, std::size_t victim) {
  const auto crashed = where.time();
  where.crash(victim);
  REQUIRE(where.run_until([&] { return all_see(where, name_of(victim), peer_status::dead); }, 1h));
  return where.time() - crashed;
}

}  // namespace

// There: 586 in as long, since a peer counts as seen only when it speaks to me itself.
TEST_CASE("conformance: nobody is taken for dead in a healthy cluster of 30 in 600 rounds") {
  world where(1);
  add_cluster(where, 30);
  std::vector<event_log> logs;
  for (std::size_t node = 0; node < 30; ++node) logs.emplace_back(where, node);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 30s));

  where.run_for(600s);

  CHECK(count_declared_dead(where) == 0);
  for (std::size_t node = 0; node < 30; ++node) {
    logs[node].read(where);
    CHECK(logs[node].count(event_kind::peer_dead) == 0);
    CHECK(logs[node].count(event_kind::peer_live) == 29);
    CHECK(where[node].live_peers() == 29);
  }
}

TEST_CASE("conformance: nor with 20 % loss") {
  world where(2);
  where.conditions.loss = 0.2;
  add_cluster(where, 30);

  where.run_for(600s);

  CHECK(count_declared_dead(where) == 0);
  CHECK(where.has_agreed());
}

// There: a peer learnt from a digest is live from the start, and its phi stays what it was.
TEST_CASE("conformance: a peer that nobody but the seed ever met is live by its word, and goes") {
  config common;
  common.dead_peer_grace = 200s;
  world where(3);
  add_cluster(where, 5, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  std::vector<event_log> logs;
  for (std::size_t node = 1; node < 5; ++node) logs.emplace_back(where, node).clear();

  config settings = common;
  settings.name = "passer-by";
  const std::size_t passer_by = where.add(settings, 0);
  where.run_for(10ms);
  where.crash(passer_by);

  REQUIRE(where[0].is_known("passer-by"));
  REQUIRE(where.run_until(
      [&] {
        for (event_log& log : logs) log.read(where);  // before a status hides the one before it
        return all_see(where, "passer-by", peer_status::dead);
      },
      60s));
  for (event_log& log : logs) {
    log.read(where);
    CHECK(log.text() == "new_peer passer-by; peer_live passer-by; peer_dead passer-by");
  }
  where.run_for(200s);
  for (std::size_t node = 0; node < 5; ++node) CHECK(!where[node].is_known("passer-by"));
}

// There: the outage itself becomes an interval, and the mean of 100 stays high for hours.
TEST_CASE("conformance: after an outage of an hour a crash is found as fast as before it") {
  config common;
  common.dead_peer_grace = 24h;
  world where(4);
  bool is_out = false;
  where.is_cut = [&](std::size_t, std::size_t) { return is_out; };
  add_cluster(where, 6, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  where.run_for(120s);
  const auto before = time_of_death(where, 5);
  CHECK(before < 30s);
  where.restart(5);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 30s));

  is_out = true;
  where.run_for(1h);
  for (std::size_t node = 0; node < 6; ++node) CHECK(where[node].live_peers() == 0);
  is_out = false;
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s));

  CHECK(time_of_death(where, 5) < before + 10s);
  // The first crash, the outage, the second crash; what 5 itself counted went with it.
  CHECK(count_declared_dead(where) == 5 + 5 * 5 + 5);
}

TEST_CASE("conformance: nor does the outage of a single node make its own crash harder to find") {
  config common;
  common.dead_peer_grace = 24h;
  world where(5);
  bool is_out = false;
  where.is_cut = [&](std::size_t from, std::size_t to) { return is_out && (from == 5 || to == 5); };
  add_cluster(where, 6, common);
  where.run_for(120s);

  is_out = true;
  where.run_for(1h);
  is_out = false;
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s));
  where.run_for(10s);

  CHECK(time_of_death(where, 5) < 40s);
}

// There: phi is reckoned from the date, so a step of the clock is a silence as long.
TEST_CASE("conformance: clocks that step by a year kill nobody, on some nodes or on all") {
  for (const auto step : {std::chrono::hours(24 * 365), std::chrono::hours(-24 * 365)}) {
    for (const std::size_t stepping : {std::size_t{1}, std::size_t{5}, std::size_t{10}}) {
      world where(6);
      add_cluster(where, 10);
      REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
      where.run_for(60s);

      for (std::size_t node = 0; node < stepping; ++node) where.set_wall_offset(node, step);
      REQUIRE(where[9].set("key", "after the step"));
      where.run_for(100s);
      for (std::size_t node = 0; node < stepping; ++node) where.set_wall_offset(node, {});
      where.run_for(100s);

      CHECK(count_declared_dead(where) == 0);
      CHECK(where.has_agreed());
      CHECK(count_drops(where, drop_reason::far_future) == 0);
      for (std::size_t node = 0; node < 10; ++node) CHECK(where[node].stats().pauses == 0);
    }
  }
}

TEST_CASE(
    "conformance: nodes whose clocks went back a year take in a newcomer with the right date") {
  world where(7);
  add_cluster(where, 5);
  where.run_for(60s);
  for (const std::size_t node : {std::size_t{0}, std::size_t{1}}) {
    where.set_wall_offset(node, -std::chrono::hours(24 * 365));
  }
  where.run_for(10s);

  const std::size_t joiner = where.add(named("joiner"), 0);
  REQUIRE(where[joiner].set("key", "value"));
  where.restart(3);
  REQUIRE(where[3].set("key", "new run"));

  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s));
  CHECK(count_drops(where, drop_reason::far_future) == 0);
}

TEST_CASE("conformance: after all clocks went forward a year, a restarted node is taken in") {
  world where(8);
  add_cluster(where, 5);
  where.run_for(60s);
  for (std::size_t node = 0; node < 5; ++node) {
    where.set_wall_offset(node, std::chrono::hours(24 * 365));
  }

  where.restart(3);
  REQUIRE(where[3].set("key", "new run"));

  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s));
  CHECK(count_drops(where, drop_reason::far_future) == 0);
}

// The rule that those above must not break, and the ancestor does not know.
TEST_CASE("conformance: a generation from a year ahead of my clock is refused, and said so once") {
  world where(9);
  add_cluster(where, 3);
  where.run_for(20s);
  event_log log(where, 0);
  log.clear();

  const std::size_t early = where.add(named("early"), 0);
  where.crash(early);
  where.set_wall_offset(early, std::chrono::hours(24 * 365));
  where.restart(early);
  where.run_for(100s);

  for (std::size_t node = 0; node < 3; ++node) CHECK(!where[node].is_known("early"));
  CHECK(count_drops(where, drop_reason::far_future) > 0);
  log.read(where);
  CHECK(log.count(event_kind::error) == 1);
  CHECK(log.count(event_kind::new_peer) == 0);
}

TEST_CASE("conformance: a node that began with a date of days ago joins once its clock is set") {
  world where(12);
  add_cluster(where, 5);
  REQUIRE(where[4].set("key", "before"));
  where.run_for(60s);

  // A board without a clock of its own: the date of its last shutdown, until it asks a time server.
  where.crash(4);
  where.set_wall_offset(4, -72h);
  where.restart(4);
  REQUIRE(where[4].set("key", "after"));
  where.run_for(60s);
  CHECK(where[4].live_peers() == 0);
  CHECK(value_at(where, 0, "n4", "key") == "before");
  for (std::size_t node = 0; node < 4; ++node) {
    CHECK(where[node].stats().refutations == 0);  // its refusals move nobody
  }

  where.set_wall_offset(4, {});
  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s));
  CHECK(all_hold(where, "n4", "key", "after"));
}

TEST_CASE("conformance: a node that leaves has left, and is never called dead") {
  world where(10);
  add_cluster(where, 6);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  std::vector<event_log> logs;
  for (std::size_t node = 0; node < 5; ++node) logs.emplace_back(where, node).clear();

  where[5].leave(where.now(5));
  where.run_for(3s);
  where.crash(5);
  where.run_for(300s);

  for (std::size_t node = 0; node < 5; ++node) {
    logs[node].read(where);
    CHECK(logs[node].text() == "peer_left n5");
    CHECK(status_at(where, node, "n5") == peer_status::left);
  }
  // A node that comes back under the name is a new run.
  logs[0].clear();
  where.restart(5);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  logs[0].read(where);
  CHECK(logs[0].text() == "peer_restarted n5; peer_live n5");
}

// A machine that slept wakes up with everybody's silence in its books.
TEST_CASE(
    "conformance: a process that stood still for an hour declares nobody dead when it goes on") {
  config common;
  common.dead_peer_grace = 24h;
  world where(11);
  where.conditions.inbox_datagrams_max = 92;  // a socket's default
  add_cluster(where, 5, common);
  where.run_for(60s);

  where.pause(2, 1h);
  where.run_for(1h);
  where.run_for(60s);

  CHECK(where[2].stats().declared_dead == 0);
  CHECK(where[2].stats().pauses == 1);
  CHECK(where.has_agreed());
}

}  // namespace gossipmonger
