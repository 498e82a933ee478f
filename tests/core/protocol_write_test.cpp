// Writing at the edges: views of what is being replaced, the brim of a capacity, the last version.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

using pair_view = std::pair<std::string_view, std::string_view>;

// A block of its own, which malloc gives back to the next who asks for as much.
const std::string large(5000, 'x');

template <class T>
std::error_code error_of(const result<T>& outcome) {
  return outcome ? std::error_code() : outcome.error();
}

}  // namespace

// --------------------------------------------------------------------- views of entries of mine

// That nothing freed is read is for the sanitizers to see; that a deadline is found, for all.
TEST_CASE("write: a key may be a view of the entry that goes, and its deadline goes with it") {
  small_cluster world;
  protocol& a = world.add("a");
  const std::string long_key(200, 'k');
  REQUIRE(a.set(long_key, large, 5s, world.now()));

  REQUIRE(a.erase(a.first_above("a", 0)->key));

  CHECK(value_of(a, "a", long_key) == "-");
  REQUIRE(a.set(long_key, large, 5s, world.now()));
  REQUIRE(a.set(a.first_above("a", 0)->key, "short"));
  world.run_for(10s);
  CHECK(value_of(a, "a", long_key) == "short");
}

TEST_CASE("write: pairs may be views of entries that pairs before them replace") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("one", large));
  const std::string other(5000, 'y');

  // The second is a view of what the first replaces with as much, in the block just freed.
  const std::string_view seen = a.get("a", "one")->value;
  const std::array<pair_view, 3> pairs{pair_view("one", "1"), pair_view("two", other),
                                       pair_view("three", seen)};
  REQUIRE(a.set(pairs) == 4);

  CHECK(value_of(a, "a", "one") == "1");
  CHECK(value_of(a, "a", "two") == other);
  CHECK(value_of(a, "a", "three") == large);
}

// ----------------------------------------------------------------------------------- at the brim

TEST_CASE("write: what was erased makes room again, here and at a peer with the same limits") {
  small_cluster world;
  for (const char* name : {"a", "b"}) {
    config settings = make_config(name);
    settings.keys_per_peer_max = 64;
    world.add(settings);
  }
  protocol& a = world["a"];
  world.exchange("a", "b");
  for (int turn = 0; turn < 5; ++turn) {
    CAPTURE(turn);
    const std::string prefix = "turn " + std::to_string(turn) + ", key ";
    for (int i = 0; i < 64; ++i) {
      REQUIRE(a.set(prefix + std::to_string(i), "v"));
      // Some of it comes there between the writes, some only at the end.
      if (turn % 2 == 0 && i % 10 == 0) world.exchange("a", "b");
    }
    CHECK(error_of(a.set("one more", "v")) == errc::capacity_reached);
    world.exchange("a", "b");
    CHECK(world["b"].usage("a").live_keys == a.usage("a").live_keys);
    CHECK(value_of(world["b"], "a", prefix + "63") == "v");
    for (int i = 0; i < 64; ++i) REQUIRE(a.erase(prefix + std::to_string(i)));
  }
  world.exchange("a", "b");
  CHECK(world["b"].usage("a").live_keys == 1);  // the marker
  CHECK(drops(world["b"], drop_reason::capacity) == 0);
}

TEST_CASE("write: tombstones take a quarter of the keys at most, and a compaction is paid for") {
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 64;
  protocol& a = world.add(settings);
  for (int i = 0; i < 48; ++i) REQUIRE(a.set("key " + std::to_string(i), "v"));

  for (int i = 0; i < 16; ++i) REQUIRE(a.erase("key " + std::to_string(i)));
  CHECK(a.stats().compactions == 0);
  CHECK(a.usage("a").tombstones == 16);
  REQUIRE(a.erase("key 16"));

  CHECK(a.stats().compactions == 1);
  CHECK(a.usage("a").tombstones == 0);
  CHECK(a.version() == 48 + 17 + 31 + 1);
}

TEST_CASE("write: tombstones give way to bytes, and stay where that would not be enough") {
  small_cluster world;
  config settings = make_config("a");
  settings.bytes_per_peer_max = 1024;
  protocol& a = world.add(settings);
  const std::string key(100, 'k');
  REQUIRE(a.set("l", std::string(700, 'v')));
  REQUIRE(a.set(key, ""));
  REQUIRE(a.erase(key));  // 801 bytes, 100 of them a tombstone's

  CHECK(error_of(a.set("m", std::string(315, 'v'))) == errc::capacity_reached);
  CHECK(a.stats().compactions == 0);
  CHECK(a.set("m", std::string(314, 'v')) == 6);  // with a marker of 8 bytes: 1024
  CHECK(a.stats().compactions == 1);
  CHECK(a.usage("a").bytes == 1024);
}

TEST_CASE("write: pairs that are views of what a compaction moves are written as they were") {
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 8;
  protocol& a = world.add(settings);
  for (int i = 0; i < 7; ++i) REQUIRE(a.set("key " + std::to_string(i), large));
  REQUIRE(a.set("gone", "v"));
  REQUIRE(a.erase("gone"));

  REQUIRE(a.set("new", a.first_above("a", 0)->value));

  CHECK(a.stats().compactions == 1);
  CHECK(value_of(a, "a", "new") == large);
}

// ---------------------------------------------------------------------------- the last versions

TEST_CASE("write: nothing is written beyond the last version, also where it replaces") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "1"));
  REQUIRE(a.set("l", "1"));
  // Nobody writes so often in a test.
  const_cast<peer_table&>(a.peers())[self_slot].set_max_version(version_max - 1);

  const std::array<pair_view, 2> both{pair_view("k", "2"), pair_view("l", "2")};
  CHECK(error_of(a.set(both)) == errc::capacity_reached);
  CHECK(value_of(a, "a", "k") == "1");
  CHECK(a.set("k", "2") == version_max);
  CHECK(error_of(a.set("l", "2")) == errc::capacity_reached);
  CHECK(error_of(a.erase("l")) == errc::capacity_reached);
  CHECK(a.set("l", "1") == 2);  // writes nothing
}
