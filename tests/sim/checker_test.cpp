// That the checker is not blind: what no node may do is done here on purpose. The planted defects
// of tests/planted show the rest.
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/checker.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

std::string rule_of(const checker& watching) {
  return watching.fault() ? watching.fault()->rule : "none";
}

void set_by_command(world& where, checker& watching, std::size_t node, std::string_view key,
                    std::string_view value) {
  watching.begin_command(node);
  REQUIRE(where[node].set(key, value));
  watching.end_command(node);
}

}  // namespace

TEST_CASE("checker: a cluster that does what it should breaks no rule") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 4);
  for (std::size_t node = 0; node < 4; ++node) {
    set_by_command(where, watching, node, "key", "of " + name_of(node));
  }

  where.run_for(60s);

  CHECK(rule_of(watching) == "none");
  CHECK(where.has_agreed());
}

TEST_CASE("checker: an entry of its own that a node changes without its application is found") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 2);
  where.run_for(5s);

  REQUIRE(where[1].set("key", "nobody asked"));

  CHECK(rule_of(watching) == "I3 single writer");
  CHECK(watching.fault()->nodes == std::vector<std::size_t>{1});
}

TEST_CASE("checker: bytes that their owner never wrote are found where they are stored") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 2);
  where.run_for(5s);
  // A peer forges values under a checksum that holds: only the ledger can tell.
  where.set_mutation(1, 0.7);

  for (int i = 0; i < 400 && !watching.fault(); ++i) {
    set_by_command(where, watching, 1, "key" + std::to_string(i), std::string(200, 'v'));
    where.run_for(1s);
  }

  REQUIRE(watching.fault());
  CHECK_MESSAGE((rule_of(watching) == "I2 prefix" || rule_of(watching) == "identity"),
                rule_of(watching));
}

TEST_CASE("checker: a key that does not go in time is found, and one that goes too early") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 2);
  where.run_for(5s);

  SUBCASE("too late") {
    watching.begin_command(1);
    REQUIRE(where[1].set("key", "value", 60s, where.now(1)));
    watching.expect_expiry(1, "key", where.time() + 10s);
    watching.end_command(1);
    where.run_for(9s);
    CHECK(rule_of(watching) == "none");
    where.run_for(3s);
    CHECK(rule_of(watching) == "ttl");
  }
  SUBCASE("too early") {
    watching.begin_command(1);
    REQUIRE(where[1].set("key", "value", 5s, where.now(1)));
    watching.expect_expiry(1, "key", where.time() + 60s);
    watching.end_command(1);
    where.run_for(8s);
    CHECK(rule_of(watching) == "I3 single writer");
  }
  SUBCASE("in time") {
    watching.begin_command(1);
    REQUIRE(where[1].set("key", "value", 5s, where.now(1)));
    watching.expect_expiry(1, "key", where.time() + 5s);
    watching.end_command(1);
    where.run_for(60s);
    CHECK(rule_of(watching) == "none");
    CHECK(watching.expired() == 1);
  }
}

TEST_CASE("checker: a node's own entries over its capacity are found, keys and bytes") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 2);
  // The checker's settings allow less than the node's own.
  config& allowed = const_cast<config&>(where.settings(1));

  SUBCASE("keys") {
    allowed.keys_per_peer_max = 70;
    for (int i = 0; i < 70; ++i) {
      set_by_command(where, watching, 1, "key" + std::to_string(i), "v");
    }
    for (int i = 0; i < 70; ++i) {
      watching.begin_command(1);
      REQUIRE(where[1].erase("key" + std::to_string(i)));
      watching.end_command(1);
    }
    // The 65th tombstone made it compact: there are 5 later ones, and the marker beside.
    allowed.keys_per_peer_max = 6;
    set_by_command(where, watching, 1, "a", "1");
    where.run_for(2s);
    CHECK(rule_of(watching) == "none");
    set_by_command(where, watching, 1, "b", "1");
  }
  SUBCASE("bytes") {
    allowed.bytes_per_peer_max = 1024;
    set_by_command(where, watching, 1, "key", std::string(1021, 'v'));
    where.run_for(2s);
    CHECK(rule_of(watching) == "none");
    set_by_command(where, watching, 1, "key", std::string(1022, 'v'));
  }

  CHECK(rule_of(watching) == "I5 bounds");
}

TEST_CASE("checker: buffers over their capacity are found") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 2);
  where.run_for(5s);
  where.conditions.loss = 0.2;

  SUBCASE("parked deltas") {
    const_cast<config&>(where.settings(0)).parked_bytes_max = 0;
    for (int i = 0; i < 400 && !watching.fault(); ++i) {
      set_by_command(where, watching, 1, "key" + std::to_string(i), std::string(900, 'v'));
      if (i % 10 == 9) where.run_for(500ms);
    }
  }
  SUBCASE("values that are not whole yet") {
    const_cast<config&>(where.settings(0)).partial_bytes_max = 0;
    for (int i = 0; i < 40 && !watching.fault(); ++i) {
      set_by_command(where, watching, 1, "key",
                     std::string(60'000 + static_cast<std::size_t>(i), 'v'));
      where.run_for(500ms);
    }
  }

  REQUIRE(watching.fault());
  CHECK(rule_of(watching) == "I5 bounds");
}

TEST_CASE("checker: what is sent beyond a byte budget, or in answer to one datagram, is found") {
  world where(1);
  checker watching(where, true);
  add_cluster(where, 3);
  where.run_for(5s);
  // The checker's settings allow less than the node's own.
  config& allowed = const_cast<config&>(where.settings(1));

  SUBCASE("a budget") { allowed.send_bytes_per_interval = 1200; }
  SUBCASE("the bytes of an answer") { allowed.exchange_bytes_max = 1200; }
  SUBCASE("the datagrams of an answer") { allowed.exchange_datagrams_max = 2; }
  for (int i = 0; i < 40; ++i) {
    set_by_command(where, watching, 1, "key" + std::to_string(i), std::string(900, 'v'));
  }
  where.run_for(20s);

  REQUIRE(watching.fault());
  CHECK(rule_of(watching) == "I5 bounds");
  CHECK(watching.fault()->nodes == std::vector<std::size_t>{1});
}

TEST_CASE("checker: a fault is found once, and the first is kept") {
  world where(1);
  checker watching(where, true);

  watching.report("one", "first", {});
  watching.report("two", "second", {});

  CHECK(rule_of(watching) == "one");
  CHECK(watching.fault()->text == "first");
}

}  // namespace gossipmonger
