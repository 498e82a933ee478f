// Peers for ever: what is refused or gone costs nothing in the long run, and halves of a cluster
// that forgot each other find each other again.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

struct traffic {
  traffic() = default;

  double bytes = 0;           // a round, of all nodes
  std::uint64_t entries = 0;  // sent, of all nodes
};

/// The traffic of the next 200 rounds.
traffic measure(world& where) {
  const auto count_entries = [&where] {
    std::uint64_t sent = 0;
    for (std::size_t node = 0; node < where.size(); ++node) {
      if (where.is_running(node)) sent += where[node].stats().entries_sent;
    }
    return sent;
  };
  const std::uint64_t bytes = where.counters().bytes;
  const std::uint64_t entries = count_entries();
  where.run_for(200s);
  traffic seen;
  seen.bytes = static_cast<double>(where.counters().bytes - bytes) / 200;
  seen.entries = count_entries() - entries;
  return seen;
}

void write_keys(world& where, std::size_t node) {
  for (int key = 0; key < 200; ++key) {
    REQUIRE(where[node].set("key" + std::to_string(key), std::string(50, 'x')));
  }
}

/// Six nodes with 200 keys each, a grace of 400 rounds.
void add_busy_cluster(world& where, const std::function<void(config&)>& change_last = {}) {
  for (std::size_t node = 0; node < 6; ++node) {
    config settings = named(name_of(node));
    settings.dead_peer_grace = 400s;
    if (node == 5 && change_last) change_last(settings);
    where.add(settings, node == 0 ? std::nullopt : std::optional<std::size_t>(0));
    write_keys(where, node);
  }
  where.run_for(100s);
}

std::uint64_t drops_of(const world& where, std::size_t node, drop_reason reason) {
  return where[node].stats().drops[static_cast<std::size_t>(reason)];
}

/// Bytes a round that six nodes send if they refuse nothing.
double idle_bytes() {
  world where(1);
  add_busy_cluster(where);
  const traffic idle = measure(where);
  CHECK(idle.entries == 0);
  return idle.bytes;
}

void expect_idle(world& where, double bytes) {
  const traffic after = measure(where);
  CHECK(after.entries == 0);
  CHECK(after.bytes <= bytes * 1.03);
  MESSAGE("idle " << bytes << ", after it " << after.bytes << " bytes a round");
}

}  // namespace

TEST_CASE(
    "peers: after dead and left peers were forgotten, traffic is what it was before they came") {
  for (const bool is_leaving : {false, true}) {
    world where(2);
    add_busy_cluster(where);
    const traffic before = measure(where);
    REQUIRE(before.entries == 0);

    for (std::size_t node = 6; node < 10; ++node) {
      config settings = named(name_of(node));
      settings.dead_peer_grace = 400s;
      where.add(settings, 0);
      write_keys(where, node);
    }
    where.run_for(60s);
    for (std::size_t node = 6; node < 10; ++node) {
      if (is_leaving) where[node].leave(where.now(node));
    }
    where.run_for(3s);
    for (std::size_t node = 6; node < 10; ++node) where.crash(node);
    const traffic during = measure(where);
    CHECK(during.entries == 0);          // nobody sends them again
    CHECK(during.bytes > before.bytes);  // they still stand in digests
    CHECK(during.bytes < 2 * before.bytes);

    where.run_for(400s);  // forgotten, and then
    where.run_for(420s);  // no longer unwanted
    for (std::size_t node = 0; node < 6; ++node) {
      CHECK(where[node].stats().peers_known == 5);
      CHECK(where[node].stats().peers_unwanted == 0);
    }
    expect_idle(where, before.bytes);
  }
}

TEST_CASE("peers: a node without room for the others is not sent them again and again") {
  world where(1);
  add_busy_cluster(where, [](config& last) { last.peers_max = 2; });
  REQUIRE(drops_of(where, 5, drop_reason::capacity) > 0);

  expect_idle(where, idle_bytes());
  CHECK(where[5].stats().peers_known == 2);
}

TEST_CASE("peers: who is short of room for the keys of others is not sent them again and again") {
  world where(1);
  add_busy_cluster(where, [](config& last) { last.keys_per_peer_max = 200; });
  REQUIRE(where[0].set("one more", "than n5 takes"));
  where.run_for(20s);
  REQUIRE(drops_of(where, 5, drop_reason::capacity) > 0);

  expect_idle(where, idle_bytes());
}

TEST_CASE("peers: whose storage fails is sent the same ever more seldom, and all once it works") {
  world where(1);
  add_busy_cluster(where);
  storage_conditions full;
  full.failure = 1;
  where.set_storage(5, full);
  for (int key = 0; key < 200; ++key) {
    REQUIRE(where[0].set("key" + std::to_string(key), std::string(50, 'y')));
  }
  where.run_for(100s);
  const std::uint64_t held = where[5].find_member("n0", where.now(5))->max_version;
  REQUIRE(held < where[0].version());

  const traffic during = measure(where);
  MESSAGE(during.entries << " entries in 200 rounds, of 200 that it lacks");
  CHECK(during.entries > 0);
  CHECK(during.entries <= 200 * 3 * 200 / 16);  // every 16th round, by up to three at once

  where.set_storage(5, storage_conditions());
  where.run_for(24s);
  CHECK(where[5].find_member("n0", where.now(5))->max_version == where[0].version());
  expect_idle(where, idle_bytes());
}

TEST_CASE("peers: a newcomer with a date far ahead is refused once, not every round") {
  world where(3);
  add_busy_cluster(where);
  where.crash(5);
  where.run_for(900s);  // forgotten by all
  where.set_wall_offset(5, 24h * 365);
  where.restart(5);
  write_keys(where, 5);
  where.run_for(100s);
  for (std::size_t node = 0; node < 5; ++node) REQUIRE(!where[node].is_known("n5"));
  REQUIRE(drops_of(where, 0, drop_reason::far_future) > 0);

  expect_idle(where, idle_bytes());
}

TEST_CASE(
    "peers: a known peer that restarts with a date far ahead is refused once, not every round") {
  world where(4);
  add_busy_cluster(where);
  const std::uint64_t right = where[5].generation();
  where.set_wall_offset(5, 24h * 365);
  where.restart(5);
  write_keys(where, 5);
  where.run_for(20s);
  for (std::size_t node = 0; node < 5; ++node) {
    REQUIRE(where[node].find_member("n5", where.now(node))->generation == right);
  }

  // Its former run is dead to the others, one of whom sends it a digest now and then.
  expect_idle(where, idle_bytes() * 1.17);
  // With the right date it is taken in at once, long before the grace is over.
  where.set_wall_offset(5, {});
  where.restart(5);
  REQUIRE(where[5].set("key", "of the right date"));
  CHECK(where.run_until([&] { return where.has_agreed(); }, 30s));
  for (std::size_t node = 0; node < 5; ++node) CHECK(where[node].stats().peers_unwanted == 0);
}

TEST_CASE("peers: joins faster than the grace do not keep a dead peer alive") {
  world where(5);
  config common;
  common.dead_peer_grace = 200s;
  add_cluster(where, 4, common);
  where.run_for(30s);
  where.crash(3);
  const auto crashed = where.time();

  // A newcomer every 20 s learns of it, crashes, and is followed by the next.
  std::size_t known_last = 0;
  for (int joiner = 0; joiner < 25; ++joiner) {
    common.name = "joiner" + std::to_string(joiner);
    const std::size_t node = where.add(common, 0);
    where.run_for(20s);
    for (std::size_t other = 0; other < where.size(); ++other) {
      if (where.is_running(other) && where[other].is_known("n3")) {
        known_last = static_cast<std::size_t>((where.time() - crashed) / 1s);
      }
    }
    if (joiner % 2 == 0) where.crash(node);
  }

  CHECK(known_last >= 180);
  CHECK(known_last <= 240);  // the grace, from its last heartbeat, and one step of this test
}

TEST_CASE("peers: halves cut for longer than every grace find each other within 32 rounds") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    config common;
    common.dead_peer_grace = 60s;
    world where(seed);
    bool is_split = false;
    where.is_cut = [&](std::size_t from, std::size_t to) {
      return is_split && (from < 4) != (to < 4);
    };
    add_cluster(where, 8, common);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 30s));
    is_split = true;
    where.run_for(300s);  // a grace as the dead, and one as forgotten
    for (std::size_t node = 0; node < 8; ++node) {
      REQUIRE(where[node].stats().peers_known == 3);
      REQUIRE(where[node].stats().peers_unwanted == 0);
    }

    is_split = false;
    // 2 * seed_every_rounds.
    const bool have_met = where.run_until(
        [&] {
          for (std::size_t node = 0; node < 8; ++node) {
            if (where[node].stats().peers_known < 7) return false;
          }
          return true;
        },
        32s);
    CHECK_MESSAGE(have_met, "seed " << seed);
  }
}

}  // namespace gossipmonger
