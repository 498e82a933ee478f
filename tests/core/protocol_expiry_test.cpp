// Keys with a time to live: erased by their owner, and by nobody else.
#include <ostream>  // before doctest, which prints std::error_code

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/protocol.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

TEST_CASE("protocol expiry: a key with a time to live is erased by its owner, to the nanosecond") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  world.exchange("a", "b");
  REQUIRE(a.set("k", "v", 2500ms, world.now()) == 1U);
  const std::chrono::nanoseconds due = world.steady + 2500ms;
  world.run_for(2400ms);
  REQUIRE(value_of(b, "a", "k") == "v");

  world.steady = due - 1ns;
  a.handle_timeout(world.now());
  CHECK(value_of(a, "a", "k") == "v");
  CHECK(a.next_deadline() == due);
  world.steady = due;
  a.handle_timeout(world.now());

  CHECK(value_of(a, "a", "k") == "-");
  CHECK(a.version() == 2);
  CHECK(a.next_deadline() > due);
  world.run_for(3s);
  CHECK(value_of(b, "a", "k") == "-");
}

TEST_CASE("protocol expiry: nobody expires what another wrote, dead or alive") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  world.exchange("a", "b");
  REQUIRE(a.set("k", "v", 5s, world.now()));
  world.run_for(3s);
  REQUIRE(value_of(b, "a", "k") == "v");

  world.stop("a");
  world.run_for(600s);

  REQUIRE(b.find_member("a", world.now())->status == peer_status::dead);
  CHECK(value_of(b, "a", "k") == "v");
}

TEST_CASE("protocol expiry: equal bytes with a time to live prolong it and write nothing") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v", 10s, world.now()) == 1U);
  world.run_for(8s);

  CHECK(a.set("k", "v", 10s, world.now()) == 1U);
  CHECK(a.version() == 1);
  world.run_for(9s);
  CHECK(value_of(a, "a", "k") == "v");
  world.run_for(1s);

  CHECK(value_of(a, "a", "k") == "-");
}

TEST_CASE("protocol expiry: a plain set ends the time to live, with other bytes or with the same") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("same", "v", 2s, world.now()));
  REQUIRE(a.set("other", "v", 2s, world.now()));

  CHECK(a.set("same", "v") == 1U);
  CHECK(a.set("other", "w") == 3U);
  world.run_for(100s);

  CHECK(value_of(a, "a", "same") == "v");
  CHECK(value_of(a, "a", "other") == "w");
  CHECK(a.version() == 3);
}

TEST_CASE(
    "protocol expiry: an erase ends the time to live, and a later value does not inherit it") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v", 2s, world.now()));
  REQUIRE(a.erase("k"));

  REQUIRE(a.set("k", "again"));
  world.run_for(100s);

  CHECK(value_of(a, "a", "k") == "again");
  CHECK(a.version() == 3);
}

TEST_CASE("protocol expiry: several keys get one time to live together") {
  small_cluster world;
  protocol& a = world.add("a");
  const std::vector<std::pair<std::string_view, std::string_view>> pairs{{"x", "1"}, {"y", "2"}};
  REQUIRE(a.set(pairs, 3s, world.now()) == 2U);

  world.run_for(2s);
  CHECK(value_of(a, "a", "x") == "1");
  world.run_for(1s);

  CHECK(value_of(a, "a", "x") == "-");
  CHECK(value_of(a, "a", "y") == "-");
}

TEST_CASE("protocol expiry: a time to live of nothing or of over a year is refused") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v"));

  for (const std::chrono::nanoseconds ttl :
       {0ns, -1ns, std::chrono::nanoseconds(24h * 365) + 1ns}) {
    const result<std::uint64_t> refused = a.set("k", "other", ttl, world.now());
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::ttl_invalid);
  }
  CHECK(value_of(a, "a", "k") == "v");
  CHECK(a.version() == 1);
}

TEST_CASE("protocol expiry: a refused set leaves the deadline as it was") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v", 5s, world.now()));

  REQUIRE_FALSE(a.set("k", std::string(65537, 'x')));
  REQUIRE_FALSE(a.set("k", std::string(65537, 'x'), 100s, world.now()));
  world.run_for(5s);

  CHECK(value_of(a, "a", "k") == "-");
}

TEST_CASE("protocol expiry: the time that the process stood still counts") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v", 60s, world.now()));
  world.run_for(2s);

  world.stop("a");
  world.run_for(1h);
  world.resume("a");
  REQUIRE(value_of(a, "a", "k") == "v");
  a.handle_timeout(world.now());

  CHECK(a.stats().pauses == 1);
  CHECK(value_of(a, "a", "k") == "-");
}

TEST_CASE("protocol expiry: 10,000 keys of one deadline are erased in batches between datagrams") {
  small_cluster world;
  protocol& a = world.add("a");
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(a.set("key" + std::to_string(i), "v", 500ms, world.now()));
  }
  const std::uint64_t written = a.version();
  world.steady += 500ms;

  a.handle_timeout(world.now());
  const std::uint64_t first_batch = a.version() - written;
  CHECK(a.next_deadline() == world.steady + 1ms);
  std::size_t calls = 1;
  while (a.first_above("a", 0)) {
    world.steady = a.next_deadline();
    a.handle_timeout(world.now());
    ++calls;
  }

  // 256 tombstones, and no compaction while they are fewer than the live keys.
  CHECK(first_batch == 256);
  CHECK(calls == 40);  // 10,000 / 256, rounded up
}

TEST_CASE("protocol expiry: who has left erases nothing more") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v", 2s, world.now()));

  a.leave(world.now());
  world.run_for(100s);

  CHECK(value_of(a, "a", "k") == "v");
  CHECK(a.version() == 1);
}

TEST_CASE("protocol expiry: the deadlines of who has left wake it no more") {
  small_cluster world;
  protocol& a = world.add("a");
  world.round("a");
  REQUIRE(a.set("k", "1", 10ms, world.now()));
  a.leave(world.now());
  world.round("a");

  CHECK(a.tables().deadlines == 0);
  CHECK(a.next_timeout() >= world.steady + 500ms);
}
