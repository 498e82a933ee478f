// Tests of a peer that has more entries than a node allows, and of the deltas about it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// A node "a" that allows a peer two keys, and a peer of it.
struct narrow {
  narrow() : p(world, "a", "p", 1) {
    config settings = make_config("a");
    settings.keys_per_peer_max = 2;
    world.add(settings);
    p.enter();
  }

  [[nodiscard]] protocol& node() { return world["a"]; }
  /// Keys k1 to k9 with the versions of `after`, not included, to `upto`.
  void tell(std::uint64_t after, std::uint64_t upto) {
    std::vector<entry_view> entries;
    for (std::uint64_t i = after; i < upto; ++i)
      entries.push_back(make_entry(keys.at(i), "v", i + 1));
    static_cast<void>(p.tell(after, upto, entries));
  }
  /// Whether the next digest to `p` names `p` as unwanted.
  [[nodiscard]] bool is_unwanted() {
    ++p.heartbeat;
    p.begin(message_kind::digest);
    static_cast<void>(p.send());
    world.steady += 1s;
    world.wall += 1s;
    node().handle_timeout(world.now());
    const letters said = world.collect("a");
    REQUIRE(std::any_of(said.begin(), said.end(), [](const letter& one) {
      return one.content.kind == message_kind::digest && one.content.known.lo == 0;
    }));
    for (const letter& one : said) {
      const entry_list& unwanted = one.content.known.unwanted;
      const auto is_it = [&](const packed_entry& entry) { return entry.name_hash == p.hash(); };
      if (std::any_of(unwanted.begin(), unwanted.end(), is_it)) return true;
    }
    return false;
  }

  small_cluster world;
  puppet p;
  std::vector<std::string> keys{"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"};
};

std::size_t count_errors(protocol& at, change_cursor& cursor) {
  std::size_t errors = 0;
  while (const std::optional<event_view> seen = at.poll_event(cursor)) {
    if (seen->kind == event_kind::error) ++errors;
  }
  return errors;
}

}  // namespace

TEST_CASE("capacity: who is over it is taken again when a limit rises, from where it stopped") {
  narrow given;
  given.tell(0, 2);
  given.tell(2, 3);
  REQUIRE(drops(given.node(), drop_reason::capacity) == 1);
  CHECK(given.is_unwanted());

  config wider = given.node().settings();
  wider.retired_max = 100;
  REQUIRE(given.node().change(wider, given.world.now()));
  CHECK(given.is_unwanted());  // no room in that
  wider.keys_per_peer_max = 9;
  REQUIRE(given.node().change(wider, given.world.now()));

  CHECK_FALSE(given.is_unwanted());
  given.tell(2, 9);
  CHECK(value_of(given.node(), "p", "k9") == "v");
  CHECK(given.node().usage("p").live_keys == 9);
}

TEST_CASE("capacity: who is over it by deltas that waited for their turn is named once") {
  narrow given;
  change_cursor cursor;
  static_cast<void>(count_errors(given.node(), cursor));  // the cursor skips all that came before
  for (std::uint64_t upto = 3; upto <= 9; ++upto) given.tell(1, upto);
  REQUIRE(given.node().stats().deltas_parked == 7);

  given.tell(0, 1);

  CHECK(given.node().usage("p").live_keys == 2);
  CHECK(count_errors(given.node(), cursor) == 1);
  CHECK(given.node().stats().parked_bytes == 0);
}
