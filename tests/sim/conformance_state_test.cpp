// Defects of the ancestor (gossipmonger 0.1.10) in how state spreads, each with a test that ours
// has none. CONFORMANCE.md beside it names these tests.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

}  // namespace

// There: versions begin again at 1, below what the peers saw, who ignore them.
TEST_CASE("conformance: a restart loses no write") {
  world where(1);
  add_cluster(where, 4);
  REQUIRE(where[2].set("first", "old"));
  REQUIRE(where[2].set("second", "old"));
  REQUIRE(where[2].set("third", "old"));
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  where.restart(2);
  REQUIRE(where[2].set("first", "new"));

  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  for (std::size_t node = 0; node < 4; ++node) {
    CHECK(value_at(where, node, "n2", "first") == "new");
    CHECK(count_keys(where, node, "n2") == 1);  // the former run's other keys are gone
  }
}

// There: a comparison that only looks at the keys of the longer array, or converts types.
TEST_CASE("conformance: a value is replaced if any byte differs, and only then") {
  world where(2);
  add_cluster(where, 3);
  const std::vector<std::string> values = {"[1]",
                                           "[1,2]",
                                           "1",
                                           "1.0",
                                           "",
                                           "null",
                                           "0",
                                           "00",
                                           std::string("a\0b", 3),
                                           std::string("a\0c", 3)};
  std::uint64_t version = 0;
  for (const std::string& value : values) {
    const result<std::uint64_t> written = where[1].set("key", value);
    REQUIRE(written);
    CHECK(*written == ++version);
    CHECK(where.run_until([&] { return all_hold(where, "n1", "key", value); }, 20s));

    const result<std::uint64_t> again = where[1].set("key", value);
    REQUIRE(again);
    CHECK(*again == version);
  }
}

// There: the seed answers a joiner's digest with what the joiner asked for, which is nothing.
TEST_CASE("conformance: a joiner learns everything in its first exchange with the seed") {
  world where(3);
  add_cluster(where, 5);
  for (std::size_t node = 0; node < 5; ++node) {
    for (int key = 0; key < 10; ++key) {
      REQUIRE(where[node].set("key" + std::to_string(key), "value of " + name_of(node)));
    }
  }
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  const std::size_t joiner = where.add(named("joiner"), 0);
  REQUIRE(where[joiner].set("own", "1"));
  where.run_for(20ms);  // datagrams take 1 - 2 ms; the next round is 900 ms away

  CHECK(where[joiner].stats().rounds == 1);
  for (std::size_t node = 0; node < 5; ++node) {
    CHECK(count_keys(where, joiner, name_of(node)) == 10);
    CHECK(value_at(where, joiner, name_of(node), "key9") == "value of " + name_of(node));
  }
  CHECK(value_at(where, 0, "joiner", "own") == "1");
}

// There: a peer's address is kept for ever as it was first heard.
TEST_CASE("conformance: a restart at another address is learnt by all, and the name stays one") {
  world where(4);
  add_cluster(where, 5);
  REQUIRE(where[3].set("key", "old"));
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  where.crash(3);
  where.move(3);
  where.restart(3);
  REQUIRE(where[3].set("key", "new"));

  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  for (std::size_t node = 0; node < 5; ++node) {
    const std::optional<member> seen = where[node].find_member("n3", where.now(node));
    REQUIRE(seen);
    CHECK(seen->address == where.address(3));
    CHECK(where[node].members(where.now(node)).size() == 5);
    CHECK(value_at(where, node, "n3", "key") == "new");
  }
}

TEST_CASE("conformance: a running node whose address changes is followed to the new one") {
  world where(5);
  add_cluster(where, 2);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  event_log log(where, 0);

  where.move(1);
  where.run_for(20s);
  const endpoint moved = where.address(1);
  std::size_t digests = 0;
  where.on_send = [&](std::size_t from, const endpoint& to, std::span<const std::byte> datagram) {
    const bool is_digest = (datagram[2] & std::byte{0x0f}) == std::byte{1};
    if (from == 0 && to == moved && is_digest) ++digests;
  };
  where.run_for(20s);

  CHECK(digests >= 18);  // one a round
  log.read(where);
  CHECK(log.count(event_kind::peer_dead) == 0);
  const std::optional<member> seen = where[0].find_member("n1", where.now(0));
  REQUIRE(seen);
  CHECK(seen->status == peer_status::live);
  CHECK(seen->is_reachable);
  REQUIRE(where[0].set("key", "there"));
  REQUIRE(where[1].set("key", "back"));
  CHECK(where.run_until([&] { return where.has_agreed(); }, 3s));
}

// There: a copy of oneself at a peer, with a higher version, shadows all that one writes.
TEST_CASE("conformance: a copy of a former self is refuted, even from a clock that went back") {
  world where(6);
  add_cluster(where, 4);
  for (int write = 1; write <= 50; ++write) {
    REQUIRE(where[1].set("key", "old " + std::to_string(write)));
  }
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  const std::uint64_t generation = where[1].generation();

  where.set_wall_offset(1, -1h);
  where.restart(1);
  CHECK(where[1].generation() < generation);
  REQUIRE(where[1].set("key", "new"));

  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  CHECK(where[1].generation() > generation + 1);
  CHECK(where[1].generation() <= generation + 65);
  CHECK(where[1].stats().refutations == 1);
  CHECK(all_hold(where, "n1", "key", "new"));
  CHECK(value_at(where, 1, "n1", "key") == "new");
  CHECK(where[1].version() == 1);
}

TEST_CASE("conformance: two former selves, each known to others, are refuted one after the other") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    world where(seed);
    std::vector<int> side(6);
    where.is_cut = [&](std::size_t from, std::size_t to) { return side[from] != side[to]; };
    add_cluster(where, 6);
    REQUIRE(where[1].set("key", "first"));
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

    // 2 and 3 know a generation from an hour ahead; 0, 4 and 5 only the one before.
    side = {0, 1, 1, 1, 0, 0};
    where.set_wall_offset(1, 1h);
    where.restart(1);
    REQUIRE(where[1].set("key", "second"));
    where[1].join(where.address(2));
    where[1].join(where.address(3));
    where.run_for(5s);
    REQUIRE(value_at(where, 2, "n1", "key") == "second");
    REQUIRE(value_at(where, 3, "n1", "key") == "second");
    // 2 does not see it for as long as 3, so their copies differ in heartbeat.
    side = {0, 1, 2, 1, 0, 0};
    where.run_for(5s);
    side = {0, 0, 2, 3, 0, 0};
    where.set_wall_offset(1, -1h);
    where.restart(1);
    REQUIRE(where[1].set("key", "third"));
    where.run_for(20s);
    REQUIRE(value_at(where, 0, "n1", "key") == "third");

    side = {0, 0, 0, 0, 0, 0};
    const bool is_healed = where.run_until(
        [&] { return where.has_agreed() && all_hold(where, "n1", "key", "third"); }, 200s);
    CHECK_MESSAGE(is_healed, "seed " << seed);
  }
}

TEST_CASE("conformance: two nodes that live under one name end in one conflict, not in a duel") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    world where(seed);
    add_cluster(where, 4);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
    const std::size_t second = where.add(named("n1"), 0);
    event_log first_log(where, 1);
    event_log second_log(where, second);

    where.run_for(100s);
    first_log.read(where);
    second_log.read(where);
    CHECK_MESSAGE(first_log.count(event_kind::conflict) == 1, "seed " << seed);
    CHECK_MESSAGE(second_log.count(event_kind::conflict) == 1, "seed " << seed);
    const std::uint64_t refutations =
        where[1].stats().refutations + where[second].stats().refutations;
    CHECK(refutations <= 3);

    where.run_for(100s);
    CHECK(where[1].stats().refutations + where[second].stats().refutations == refutations);
    // The others hold the one with the higher generation, once.
    const protocol& winner =
        where[1].generation() > where[second].generation() ? where[1] : where[second];
    CHECK(where[0].find_member("n1", where.now(0))->generation == winner.generation());
    CHECK(where[0].members(where.now(0)).size() == 4);
  }
}

TEST_CASE("conformance: two nodes under one name that know nobody else find each other out") {
  world where(11);
  const std::size_t first = where.add(named("twin"));
  where.run_for(10s);
  const std::size_t second = where.add(named("twin"), first);
  event_log first_log(where, first);
  event_log second_log(where, second);

  where.run_for(200s);

  first_log.read(where);
  second_log.read(where);
  CHECK(first_log.count(event_kind::conflict) == 1);
  CHECK(second_log.count(event_kind::conflict) == 1);
}

TEST_CASE("conformance: a node that refuses others for want of room makes none of them refute") {
  world where(12);
  add_cluster(where, 6);
  config small = named("small");
  small.peers_max = 2;
  const std::size_t full = where.add(small, 0);
  where.run_for(200s);

  CHECK(where[full].stats().drops[static_cast<std::size_t>(drop_reason::capacity)] > 0);
  CHECK(where[full].stats().peers_known == 2);
  for (std::size_t node = 0; node < 6; ++node) {
    CHECK(where[node].stats().refutations == 0);
    CHECK(where[node].live_peers() == 6);
  }
}

// There: the owner with the most news goes first, for ever.
TEST_CASE("conformance: a quiet peer's one key is not held up by a peer that never stops writing") {
  config common;
  // Two datagrams an exchange, and some ten a round: far too few for the chatty one.
  common.exchange_bytes_max = 2400;
  common.send_bytes_per_interval = 12'000;
  world where(8);
  // All that the others hear comes from the chatty one: each of its answers has a choice.
  where.is_cut = [](std::size_t from, std::size_t to) { return from != 0 && to != 0; };
  add_cluster(where, 8, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 100s));
  std::size_t written = 0;
  const auto chatter = [&](std::chrono::milliseconds length) {
    for (auto passed = 0ms; passed < length; passed += 100ms) {
      for (int i = 0; i < 20; ++i) {
        REQUIRE(where[0].set("key" + std::to_string(++written), std::string(400, 'x')));
      }
      where.run_for(100ms);
    }
  };
  chatter(20s);

  REQUIRE(where[2].set("quiet", "heard"));
  chatter(20s);  // a turn of the chatty one's ring is seven rounds

  CHECK(all_hold(where, "n2", "quiet", "heard"));
  std::uint64_t held_max = 0;
  for (std::size_t node = 1; node < 8; ++node) {
    held_max = std::max(held_max, where[node].find_member("n0", where.now(node))->max_version);
  }
  CHECK(held_max + 1000 < where[0].version());  // there was a backlog all the time
}

// There: a digest names live peers only, so nobody passes on what a dead one wrote.
TEST_CASE("conformance: a dead peer's keys reach a joiner, and go everywhere after the grace") {
  config common;
  common.dead_peer_grace = 200s;
  world where(9);
  add_cluster(where, 5, common);
  for (int key = 0; key < 30; ++key) {
    REQUIRE(where[4].set("key" + std::to_string(key), "last words"));
  }
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  where.crash(4);
  const auto crashed = where.time();
  REQUIRE(where.run_until([&] { return all_see(where, "n4", peer_status::dead); }, 60s));

  config settings = common;
  settings.name = "joiner";
  const std::size_t joiner = where.add(settings, 0);
  event_log log(where, joiner);

  CHECK(where.run_until([&] { return count_keys(where, joiner, "n4") == 30; }, 20s));
  CHECK(value_at(where, joiner, "n4", "key29") == "last words");
  where.run_for(60s);
  CHECK(status_at(where, joiner, "n4") == peer_status::dead);
  const std::vector<std::size_t> others = {0, 1, 2, 3, joiner};
  // The grace counts from when the last heartbeat was heard, at the joiner too, not from the
  // declaration. So a late declaration keeps no peer longer, and an early one forgets none sooner.
  constexpr auto on_its_way = 3s;  // the last heartbeat, between those who hear it
  where.run_for(crashed + common.dead_peer_grace - on_its_way - where.time());
  for (const std::size_t node : others) CHECK(where[node].is_known("n4"));
  where.run_for(2 * on_its_way);
  for (const std::size_t node : others) {
    CHECK(!where[node].is_known("n4"));
    CHECK(value_at(where, node, "n4", "key0") == "(none)");
  }
  log.read(where);
  CHECK(log.count(event_kind::peer_forgotten) <= 1);
}

// Not the ancestor's defect but ours to avoid: runs that cannot be told apart by clock or count.
TEST_CASE(
    "conformance: after 100 restarts with equal or stepped-back clocks no old value is left") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    world where(seed);
    random_source draws(seed);
    std::set<std::size_t> away;
    where.is_cut = [&](std::size_t from, std::size_t to) {
      return away.contains(from) != away.contains(to);
    };
    add_cluster(where, 4);
    where.run_for(5s);
    const auto first_wall = where.now(1).wall;

    for (int restart = 1; restart <= 100; ++restart) {
      // Some are away while it restarts; with others it is alone.
      const bool is_split = draws.below(2) == 0;
      if (is_split) {
        const std::vector<std::set<std::size_t>> splits = {{3}, {1, 3}, {2, 3}, {1, 2}};
        away = splits[static_cast<std::size_t>(draws.below(splits.size()))];
      }
      const auto back = std::chrono::milliseconds(draws.below(3) == 0 ? draws.below(3'600'000) : 0);
      where.set_wall_offset(1, {});
      where.set_wall_offset(1, first_wall - back - where.now(1).wall);
      // Some runs before the last one end within rounds, too soon for all to agree on them.
      for (std::uint64_t run = draws.below(4); run > 0; --run) {
        where.restart(1);
        const std::string former = "run " + std::to_string(restart) + " but " + std::to_string(run);
        for (const char* const key : {"a", "b", "c", "d"}) REQUIRE(where[1].set(key, former));
        where.run_for(std::chrono::milliseconds(200 + draws.below(3000)));
        if (draws.below(2) == 0) {
          where.set_wall_offset(1, {});
          where.set_wall_offset(1, first_wall - back - where.now(1).wall);
        }
      }
      where.restart(1);
      const std::string value = "run " + std::to_string(restart);
      REQUIRE(where[1].set("a", value));
      REQUIRE(where[1].set("b", value));
      REQUIRE(where[1].set("c", value));
      if (is_split) where.run_for(std::chrono::milliseconds(draws.below(20'000)));

      away.clear();
      const bool is_healed = where.run_until(
          [&] {
            return all_hold(where, "n1", "a", value) && all_hold(where, "n1", "b", value) &&
                   all_hold(where, "n1", "c", value);
          },
          200s);
      REQUIRE_MESSAGE(is_healed, "seed " << seed << ", restart " << restart);
    }
    CHECK(where.run_until([&] { return where.has_agreed(); }, 200s));
  }
}

TEST_CASE("conformance: 1,000 restarts of one name leave one entry") {
  world where(10);
  add_cluster(where, 3);
  for (int restart = 1; restart <= 1000; ++restart) {
    where.run_for(2s);
    where.restart(2);
    REQUIRE(where[2].set("run", std::to_string(restart)));
  }

  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  for (std::size_t node = 0; node < 2; ++node) {
    CHECK(where[node].members(where.now(node)).size() == 3);
    CHECK(where[node].stats().peers_known == 2);
    CHECK(where[node].stats().peers_unwanted == 0);
    CHECK(count_keys(where, node, "n2") == 1);
    CHECK(value_at(where, node, "n2", "run") == "1000");
  }
}

}  // namespace gossipmonger
