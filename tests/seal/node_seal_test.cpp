// The seal of a node under a flood: the events that it makes, and the memory that it takes.
#include "net/node_seal.hpp"

#include <functional>

#include <doctest/doctest.h>

#include "../core/allocations.hpp"
#include "seal_sample.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

constexpr unsigned own_key = 0x80;
constexpr unsigned other_key = 0x10;

moment time_at(std::chrono::nanoseconds steady) {
  moment now;
  now.steady = steady;
  now.wall = sample_date + steady;
  return now;
}

/// Its text is longer than a string holds without memory of its own.
endpoint source_of(std::uint16_t port) { return endpoint::v4(10, 100, 100, 109, port); }

/// A datagram of a flood, and the reason for which it is refused.
struct flood_kind {
  flood_kind(seal_drop refused_for, byte_list bytes)
      : reason(refused_for), datagram(std::move(bytes)) {}

  seal_drop reason;
  byte_list datagram;
};

/// A datagram of each kind that is refused, at the receiver `at`, which knows one sender by now.
std::vector<flood_kind> flood_at(node_seal& at) {
  sealer known(sample_ring({own_key}));
  sealer stranger(sample_ring({other_key}));
  sealer late(sample_ring({own_key}));
  const byte_list seen = sealed_by(known, "seen");
  byte_list opened = seen;
  REQUIRE(at.open(opened, time_at(0s)).has_value());
  byte_list forged = sealed_by(known, "forged");
  forged.back() ^= std::byte{1};
  byte_list format = sealed_by(known, "format");
  format[1] = std::byte{2};
  std::vector<flood_kind> kinds;
  kinds.emplace_back(seal_drop::forged, forged);
  kinds.emplace_back(seal_drop::replayed, seen);
  kinds.emplace_back(seal_drop::plain, byte_list(60, std::byte{0x67}));
  kinds.emplace_back(seal_drop::format, format);
  kinds.emplace_back(seal_drop::key, sealed_by(stranger, "key"));
  kinds.emplace_back(seal_drop::stale, sealed_by(late, "stale", sample_date - 72h));
  return kinds;
}

/// The event of a datagram that is refused for that reason; empty where there is none.
std::string told(node_seal& at, flood_kind& one, std::uint16_t port,
                 std::chrono::nanoseconds steady = 0s) {
  const moment now = time_at(steady);
  const auto content = at.open(one.datagram, now);
  if (content || content.error() != one.reason) return "<another reason>";
  return at.report_of(one.reason, one.datagram, source_of(port), now).value_or("");
}

TEST_CASE("node_seal: a flood of refused datagrams allocates nothing once each kind was told") {
  node_seal one(4096);
  REQUIRE(one.set_keyring(sample_ring({own_key})));
  std::vector<flood_kind> kinds = flood_at(one);
  for (flood_kind& kind : kinds) {  // fills each log
    for (std::uint16_t port = 1; port <= 64; ++port) static_cast<void>(told(one, kind, port));
  }

  for (flood_kind& kind : kinds) {
    CAPTURE(to_string(kind.reason));
    const std::size_t before = allocation_count();
    std::size_t events = 0;
    for (std::uint16_t port = 1; port <= 1000; ++port) {
      const moment now = time_at(1s);
      const auto content = one.open(kind.datagram, now);
      if (content || content.error() != kind.reason) FAIL("another reason");
      if (one.report_of(kind.reason, kind.datagram, source_of(port), now)) ++events;
    }
    CHECK(allocation_count() == before);
    CHECK(events == 0);
  }
}

TEST_CASE("node_seal: an event names its source and its cause") {
  node_seal one(4096);
  REQUIRE(one.set_keyring(sample_ring({own_key})));
  std::vector<std::string> events;
  for (flood_kind& kind : flood_at(one)) events.push_back(told(one, kind, 7000));

  CHECK(events[0].empty());  // forged
  CHECK(events[1].empty());  // replayed
  CHECK(events[2] == "10.100.100.109:7000 sends plain datagrams; this node takes sealed ones only");
  CHECK(events[3] == "10.100.100.109:7000 seals in a format that this node does not know");
  CHECK(events[4] == "10.100.100.109:7000 seals with key " + to_text(sample_key(other_key)->id()) +
                         ", which is not in this node's keyring");
  CHECK(events[5] ==
        "10.100.100.109:7000 dates its first datagram 3 days in the past: check both clocks");
}

TEST_CASE("node_seal: a source is named once an hour for each reason, and 64 at most") {
  node_seal one(4096);
  REQUIRE(one.set_keyring(sample_ring({own_key})));
  std::vector<flood_kind> kinds = flood_at(one);
  flood_kind& plain = kinds[2];

  for (std::uint16_t port = 1; port <= 64; ++port) CHECK(!told(one, plain, port).empty());
  CHECK(told(one, plain, 1).empty());
  CHECK(told(one, plain, 65).empty());
  CHECK(told(one, plain, 1, 59min).empty());
  CHECK(!told(one, plain, 65, 1h).empty());
}

TEST_CASE("node_seal: a flood of one kind of datagram hides no event of another kind") {
  for (std::size_t loud = 2; loud < 6; ++loud) {
    node_seal one(4096);
    REQUIRE(one.set_keyring(sample_ring({own_key})));
    std::vector<flood_kind> kinds = flood_at(one);
    for (std::uint16_t port = 1; port <= 200; ++port) {
      static_cast<void>(told(one, kinds[loud], port));
    }

    for (std::size_t quiet = 2; quiet < 6; ++quiet) {
      CAPTURE(loud);
      CAPTURE(quiet);
      CHECK(told(one, kinds[quiet], 7000).empty() == (quiet == loud));
    }
  }
}

TEST_CASE(
    "node_seal: it counts the datagrams of twice as many senders as the node may know peers") {
  node_seal one(3000);
  REQUIRE(one.set_keyring(sample_ring({own_key})));
  sealer sender(sample_ring({own_key}));

  for (int i = 0; i < 6001; ++i) {
    byte_list datagram = sealed_by(sender, "hello");
    REQUIRE(one.open(datagram, time_at(0s)).has_value());
    sender.renew();
  }

  CHECK(one.counters().instances == 6000);
  CHECK(one.counters().evictions == 1);
}

TEST_CASE("node_seal: instances may be drawn from elsewhere until a keyring is given, not after") {
  node_seal one(4096);
  CHECK(one.try_set_draw([] { return std::uint64_t{77}; }));
  REQUIRE(one.set_keyring(sample_ring({own_key})));

  CHECK_FALSE(one.try_set_draw([] { return std::uint64_t{78}; }));

  byte_list room(50);
  const std::span<const std::byte> made = one.seal(room, 10, time_at(0s));
  REQUIRE(read_seal_head(made).has_value());
  CHECK(read_seal_head(made)->instance == 77);
}

}  // namespace
}  // namespace gossipmonger
