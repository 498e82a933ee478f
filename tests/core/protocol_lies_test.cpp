// Tests of false claims, by a member or by anybody, about peers that left, heartbeats and floors;
// and of the cost of repeating them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "allocations.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// Nodes "a" and "b" that know each other, and a liar that both know and answer.
struct lied_to {
  explicit lied_to(const config& settings = make_config("a"))
      : liar(world, "b", "liar", 1), to_a(world, "a", "liar", 1) {
    world.add(settings);
    world.add("b");
    world.exchange("a", "b");
    world.exchange("a", "b");
    liar.enter();
    to_a.enter();
  }

  [[nodiscard]] protocol& a() { return world["a"]; }
  [[nodiscard]] protocol& b() { return world["b"]; }
  [[nodiscard]] peer_status status_at_b() { return b().find_member("a", world.now())->status; }
  /// As "b" would have it of "a", in the liar's words.
  [[nodiscard]] digest_entry entry_of_a() {
    digest_entry entry;
    entry.name_hash = hash_of("a");
    entry.generation = a().generation();
    entry.heartbeat = b().find_member("a", world.now())->heartbeat;
    return entry;
  }
  void relay(puppet& through, const digest_entry& entry) {
    through.begin(message_kind::reply).heartbeats.push_back(entry);
    static_cast<void>(through.send());
  }

  small_cluster world;
  puppet liar;  // to "b"
  puppet to_a;  // the same, to "a"
};

}  // namespace

// ------------------------------------------------------------------------------------------- left

TEST_CASE(
    "lies: of whom it is said that it left, it takes a higher generation, and is live again") {
  lied_to given;
  const std::uint64_t generation = given.a().generation();
  digest_entry left = given.entry_of_a();
  left.has_left = true;
  given.relay(given.liar, left);
  REQUIRE(given.status_at_b() == peer_status::left);

  given.world.exchange("a", "b");
  given.world.exchange("a", "b");

  CHECK(given.a().generation() > generation);
  CHECK(given.status_at_b() == peer_status::live);

  // Said again and again: no conflict, and no generation each time.
  for (int i = 0; i < 40; ++i) {
    left = given.entry_of_a();
    left.has_left = true;
    given.relay(given.liar, left);
    given.world.exchange("a", "b");
  }
  CHECK(given.a().find_member("a", given.world.now())->status == peer_status::self);
  CHECK(given.a().stats().refutations >= 2);
  CHECK(given.a().stats().refutations <= 4);
  given.world.run_for(20s);
  CHECK(given.status_at_b() == peer_status::live);
}

TEST_CASE("lies: who left is not moved by hearing that it left") {
  lied_to given;
  given.a().leave(given.world.now());
  given.world.run_for(5s);
  digest_entry left = given.entry_of_a();
  left.has_left = true;

  given.relay(given.to_a, left);

  CHECK(given.a().stats().refutations == 0);
  CHECK(given.status_at_b() == peer_status::left);
}

// -------------------------------------------------------------------------------- said repeatedly

TEST_CASE("lies: who cannot be read is named once, and costs no allocation after that") {
  lied_to given;
  const endpoint source = endpoint::v4(10, 0, 8, 1, 7000);
  const wire_range theirs(200, 201);
  change_cursor cursor;
  static_cast<void>(read_events(given.a(), cursor));
  given.a().handle_unreadable(theirs, source);
  REQUIRE(read_events(given.a(), cursor).find("error") != std::string::npos);

  const std::size_t before = allocation_count();
  for (int i = 0; i < 100; ++i) given.a().handle_unreadable(theirs, source);
  CHECK(allocation_count() == before);
  CHECK(read_events(given.a(), cursor).empty());
}

TEST_CASE("lies: 64 names are reported within a grace, and each of them again after it") {
  config settings = make_config("a");
  settings.dead_peer_grace = 20s;
  lied_to given(settings);
  change_cursor cursor;
  static_cast<void>(read_events(given.a(), cursor));
  const wire_range theirs(200, 201);
  const auto source = [](int i) {
    return endpoint::v4(10, 0, 8, static_cast<std::uint8_t>(i), 7000);
  };
  const auto is_told = [&](int i) {
    given.a().handle_unreadable(theirs, source(i));
    return read_events(given.a(), cursor).find("error") != std::string::npos;
  };
  for (int i = 0; i < 64; ++i) CHECK(is_told(i));
  CHECK_FALSE(is_told(64));

  given.world.run_for(19s);
  static_cast<void>(read_events(given.a(), cursor));
  CHECK_FALSE(is_told(64));
  given.world.run_for(2s);
  static_cast<void>(read_events(given.a(), cursor));
  CHECK(is_told(64));
  CHECK_FALSE(is_told(64));
  CHECK(is_told(1));
  CHECK_FALSE(is_told(1));
}

// ----------------------------------------------------------------------------------------- floors

TEST_CASE("lies: a floor that is not below its own marker is dropped, and takes nothing with it") {
  const std::string at_marker("\x04\0\0\0\0\0\0\0", 8);
  const std::string far_above("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  for (const std::string& floor : {at_marker, far_above}) {
    lied_to given;
    const std::vector<entry_view> entries{make_entry("k", "1", 1), make_entry("l", "1", 3),
                                          make_entry("", floor, 4), make_entry("m", "1", 5)};
    static_cast<void>(given.liar.tell(0, 5, entries));

    CHECK(drops(given.b(), drop_reason::field) == 1);
    CHECK(value_of(given.b(), "liar", "k") == "1");
    CHECK(value_of(given.b(), "liar", "l") == "1");
    CHECK(value_of(given.b(), "liar", "m") == "-");  // a prefix: nothing behind it either
  }

  lied_to given;
  const std::string below("\x02\0\0\0\0\0\0\0", 8);
  const std::vector<entry_view> entries{make_entry("k", "1", 1), make_entry("l", "1", 3),
                                        make_entry("", below, 4)};
  static_cast<void>(given.liar.tell(0, 4, entries));
  CHECK(drops(given.b(), drop_reason::field) == 0);
  CHECK(value_of(given.b(), "liar", "k") == "-");
  CHECK(value_of(given.b(), "liar", "l") == "1");
}
