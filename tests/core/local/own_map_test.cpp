#include "core/local/own_map.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "gossipmonger/memory_storage.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using pair_view = std::pair<std::string_view, std::string_view>;

/// A node "a" of generation 1,000 with an interval of 1 s, and what its map refers to.
class map_owner {
 public:
  explicit map_owner(std::size_t keys_max = 1000) {
    settings.keys_per_peer_max = keys_max;
    static_cast<void>(peers.try_add("a", 1));
    peers.self().set_generation(1000);
  }

  result<std::uint64_t> set(std::string_view key, std::string_view value,
                            std::optional<std::chrono::nanoseconds> deadline = std::nullopt) {
    const std::array<pair_view, 1> one{pair_view(key, value)};
    return map.set(one, deadline);
  }
  [[nodiscard]] bool is_live(std::string_view key) const {
    const std::optional<entry_view> held = entries.find(self_slot, key);
    return held && !held->is_tombstone;
  }
  void hold(slot_index slot, std::uint64_t version, bool has_left = false) {
    digest_entry held;
    held.max_version = version;
    held.has_left = has_left;
    map.handle_held(slot, held, 0);
  }

  config settings;
  peer_table peers{4};
  memory_storage entries;
  change_list changes{16};
  own_map map{settings, peers, storage_ref(entries), changes, 100s};
};

/// Counts the look-ups that are not part of a put.
struct asked_storage : memory_storage {
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    ++finds;
    return memory_storage::find(slot, key);
  }
  mutable int finds = 0;
};
static_assert(choosing_storage<asked_storage>);

}  // namespace

TEST_CASE("own_map: each write takes the next version, and equal bytes take none") {
  map_owner node;

  CHECK(node.set("k", "1") == 1);
  CHECK(node.set("l", "1") == 2);
  CHECK(node.set("k", "1") == 1);
  CHECK(node.set("k", "2") == 3);

  CHECK(node.peers.self().max_version() == 3);
  CHECK(node.changes.last() == 3);
}

TEST_CASE("own_map: a set looks each key up once") {
  map_owner node;
  asked_storage entries;
  own_map map(node.settings, node.peers, storage_ref(entries), node.changes, 100s);
  const std::array<pair_view, 2> pairs{pair_view("k", "1"), pair_view("l", "1")};

  CHECK(map.set(pairs, std::nullopt) == 2);
  CHECK(map.set(pairs, std::nullopt) == 2);

  CHECK(entries.finds == 0);
}

TEST_CASE("own_map: of several pairs nothing is written where one of them is refused") {
  map_owner node;
  const std::array<pair_view, 2> bad_key{pair_view("k", "1"), pair_view("", "1")};
  const std::string long_value(node.settings.value_bytes_max + 1, 'v');
  const std::array<pair_view, 2> bad_value{pair_view("k", "1"), pair_view("l", long_value)};

  CHECK(node.map.set(bad_key, std::nullopt).error() == errc::key_invalid);
  CHECK(node.map.set(bad_value, std::nullopt).error() == errc::value_too_large);

  CHECK_FALSE(node.is_live("k"));
  CHECK(node.peers.self().max_version() == 0);
}

TEST_CASE("own_map: an erased key leaves a tombstone; a key that is not there leaves none") {
  map_owner node;
  REQUIRE(node.set("k", "1") == 1);

  CHECK(node.map.erase("k").value() == 2);
  CHECK_FALSE(node.map.erase("k").value());
  CHECK_FALSE(node.map.erase("other").value());
  CHECK(node.map.erase("").error() == errc::key_invalid);

  CHECK_FALSE(node.is_live("k"));
  CHECK(node.entries.usage(self_slot).tombstones == 1);
}

TEST_CASE("own_map: tombstones give way to a write at the brim, and live keys do not") {
  map_owner node(8);
  for (int i = 0; i < 8; ++i) REQUIRE(node.set("key " + std::to_string(i), "v"));

  CHECK(node.set("one more", "v").error() == errc::capacity_reached);
  CHECK(node.map.compactions() == 0);
  REQUIRE(node.map.erase("key 0"));
  CHECK(node.set("one more", "v"));

  // Seven keys and the marker were written again: 9 + 7 + 1, and then the new key.
  CHECK(node.map.compactions() == 1);
  CHECK(node.peers.self().max_version() == 18);
  CHECK(node.entries.usage(self_slot).tombstones == 0);
}

TEST_CASE("own_map: more than a quarter of the keys as tombstones are compacted away") {
  map_owner node(16);
  for (int i = 0; i < 10; ++i) REQUIRE(node.set("key " + std::to_string(i), "v"));

  for (int i = 0; i < 4; ++i) REQUIRE(node.map.erase("key " + std::to_string(i)));
  CHECK(node.map.compactions() == 0);
  REQUIRE(node.map.erase("key 4"));

  CHECK(node.map.compactions() == 1);
  CHECK(node.peers.self().max_version() == 10 + 5 + 5 + 1);
}

TEST_CASE("own_map: a key expires at its deadline, which a plain set and an erasure end") {
  map_owner node;
  REQUIRE(node.set("short", "1", 105s));
  REQUIRE(node.set("kept", "1", 105s));
  REQUIRE(node.set("kept", "1"));
  REQUIRE(node.set("erased", "1", 104s));
  REQUIRE(node.map.erase("erased"));
  CHECK(node.map.next_due() == 105s);

  node.map.expire(105s - 1ns, true);
  CHECK(node.is_live("short"));
  node.map.expire(105s, true);

  CHECK_FALSE(node.is_live("short"));
  CHECK(node.is_live("kept"));
  CHECK(node.map.next_due() == std::chrono::nanoseconds::max());
}

TEST_CASE("own_map: a key that may not be erased when it is due is due an interval later") {
  map_owner node;
  REQUIRE(node.set("k", "1", 105s));

  node.map.expire(105s, false);
  CHECK(node.is_live("k"));
  CHECK(node.map.next_due() == 106s);
  node.map.expire(106s, true);

  CHECK_FALSE(node.is_live("k"));
}

TEST_CASE("own_map: a node that leaves erases nothing any more") {
  map_owner node;
  REQUIRE(node.set("k", "1", 105s));

  node.map.stop();
  node.map.expire(200s, true);

  CHECK(node.is_live("k"));
  CHECK(node.map.deadlines() == 0);
}

TEST_CASE("own_map: a peer holds what it said of the present run, and the most that it said") {
  map_owner node;
  for (int i = 1; i <= 5; ++i) REQUIRE(node.set("k", std::to_string(i)));
  CHECK(node.map.held_version(3) == 0);

  node.hold(3, 4);
  node.hold(3, 2);
  CHECK(node.map.held_version(3) == 4);
  CHECK(node.map.is_holding(3, 4, false));
  CHECK_FALSE(node.map.is_holding(3, 5, false));
  CHECK_FALSE(node.map.is_holding(2, 1, false));

  node.peers.self().set_generation(1001);
  CHECK(node.map.held_version(3) == 0);
  node.hold(3, 2);
  CHECK(node.map.held_version(3) == 2);
}

TEST_CASE("own_map: a peer that was told of the leave holds it until its row is forgotten") {
  map_owner node;
  REQUIRE(node.set("k", "1"));
  node.hold(3, 1, true);
  node.hold(3, 1, false);
  CHECK(node.map.is_holding(3, 1, true));

  node.map.forget(3);
  CHECK_FALSE(node.map.is_holding(3, 0, true));
  CHECK(node.map.held_version(3) == 0);

  node.map.handle_later_run(3);
  CHECK(node.map.is_holding(3, 0, true));
  CHECK(node.map.held_version(3) == 0);
}

TEST_CASE("own_map: writing is not open while more was written than a round carries") {
  map_owner node;
  node.settings.exchange_bytes_max = 4 * 2048;
  own_map map(node.settings, node.peers, storage_ref(node.entries), node.changes, 100s);
  CHECK(map.bytes_per_interval() == 2048);
  CHECK(map.is_writable(100s));

  const std::string value(3063, 'v');  // with key and overhead 1,024 bytes more than the rate
  const std::array<pair_view, 1> large{pair_view("k", value)};
  REQUIRE(map.set(large, std::nullopt));

  CHECK_FALSE(map.is_writable(100s));
  CHECK(map.writable_at() == 100s + 500ms + 1ns);
  CHECK(map.is_writable(map.writable_at()));
}

TEST_CASE("own_map: the rate begins anew only where the settings change what a round carries") {
  map_owner node;
  config next = node.settings;
  next.keys_per_peer_max = 7;
  node.map.handle_change(next);
  CHECK(node.map.bytes_per_interval() == 131072 / 4);

  next.send_bytes_per_interval = 8192;
  node.map.handle_change(next);
  CHECK(node.map.bytes_per_interval() == 2048);
}

}  // namespace gossipmonger
