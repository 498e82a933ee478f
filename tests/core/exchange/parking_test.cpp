// Keys and values are long enough to live on the heap, so that a view into what was moved or freed
// shows under AddressSanitizer.
#include "core/exchange/parking.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gossipmonger;

namespace {

/// A message with one delta of one entry, whose texts it owns.
class one_delta {
 public:
  one_delta(std::uint64_t after, std::uint64_t upto, std::uint64_t generation = 1)
      : key_("a key of some length, for version " + std::to_string(1000 + upto)), value_(500, 'v') {
    entry_view entry;
    entry.key = key_;
    entry.value = value_;
    entry.version = upto;
    content_.entries.push_back(entry);
    delta_view& delta = content_.deltas.emplace_back();
    delta.generation = generation;
    delta.after = position(after);
    delta.upto = position(upto);
    delta.top = upto + 5;
    delta.entry_count = 1;
  }

  bool park_in(parking& parked, slot_index slot = 1, std::uint64_t round = 1) const {
    return parked.try_park(slot, content_, content_.deltas[0], round);
  }

 private:
  std::string key_;
  std::string value_;
  message content_;
};

std::size_t cost_of_one() {
  parking parked(100'000);
  REQUIRE(one_delta(1, 2).park_in(parked));
  return parked.bytes();
}

}  // namespace

TEST_CASE("parking: a delta is taken out once the gap before it is filled, and only then") {
  parking parked(100'000);
  REQUIRE(one_delta(5, 9).park_in(parked));

  CHECK_FALSE(parked.take(1, 4).has_value());
  CHECK_FALSE(parked.take(2, 5).has_value());
  const auto taken = parked.take(1, 5);

  REQUIRE(taken);
  CHECK(taken->slot == 1);
  CHECK(taken->delta.generation == 1);
  CHECK(taken->delta.after == position(5));
  CHECK(taken->delta.upto == position(9));
  CHECK(taken->delta.top == 14);
  REQUIRE(taken->entries.size() == 1);
  CHECK(taken->entries[0].version == 9);
  CHECK(taken->entries[0].key == "a key of some length, for version 1009");
  CHECK(taken->entries[0].value == std::string(500, 'v'));
  CHECK(parked.is_empty());
  CHECK(parked.bytes() == 0);
}

TEST_CASE("parking: of a delta with several entries each keeps its own key and value") {
  const std::string large(3000, 'l');
  message content;
  for (std::uint64_t version = 6; version <= 8; ++version) {
    entry_view& entry = content.entries.emplace_back();
    entry.key = std::string_view("key sixkey sevkey eig").substr((version - 6) * 7, 7);
    entry.value = std::string_view(large).substr(0, 1000 * (version - 5));
    entry.version = version;
  }
  content.entries[1].value = {};
  content.entries[1].is_tombstone = true;
  delta_view& delta = content.deltas.emplace_back();
  delta.after = position(5);
  delta.upto = position(8);
  delta.first_entry = 1;  // of the second and third alone
  delta.entry_count = 2;
  parking parked(100'000);
  REQUIRE(parked.try_park(1, content, delta, 1));

  const auto taken = parked.take(1, 5);

  REQUIRE(taken);
  REQUIRE(taken->entries.size() == 2);
  CHECK(taken->entries[0].key == "key sev");
  CHECK(taken->entries[0].value.empty());
  CHECK(taken->entries[0].is_tombstone);
  CHECK(taken->entries[1].key == "key eig");
  CHECK(taken->entries[1].value == large);
}

TEST_CASE("parking: a delta that overlaps what is held by now is still taken") {
  parking parked(100'000);
  REQUIRE(one_delta(5, 9).park_in(parked));

  CHECK(parked.take(1, 8).has_value());
}

TEST_CASE("parking: what is wholly known is thrown away") {
  parking parked(100'000);
  REQUIRE(one_delta(5, 9).park_in(parked));
  REQUIRE(one_delta(20, 30).park_in(parked));

  CHECK_FALSE(parked.take(1, 9).has_value());
  CHECK(parked.bytes() == cost_of_one());
  CHECK(parked.take(1, 20).has_value());
}

TEST_CASE("parking: an interval inside a parked one is refused, one that reaches beyond is not") {
  parking parked(100'000);
  REQUIRE(one_delta(5, 9).park_in(parked));

  CHECK_FALSE(one_delta(5, 9).park_in(parked));
  CHECK_FALSE(one_delta(6, 8).park_in(parked));
  CHECK(one_delta(5, 10).park_in(parked));
  CHECK(one_delta(4, 9).park_in(parked));
  CHECK(one_delta(5, 9).park_in(parked, 2));
  CHECK(one_delta(5, 9, 2).park_in(parked));
}

TEST_CASE("parking: holds as many bytes as it may, and not one more") {
  const std::size_t cost = cost_of_one();
  CHECK(cost > 500);

  parking just(2 * cost);
  CHECK(one_delta(1, 2).park_in(just));
  CHECK(one_delta(2, 3).park_in(just));
  CHECK_FALSE(one_delta(3, 4).park_in(just));
  CHECK(just.bytes() == 2 * cost);

  parking short_of_one(2 * cost - 1);
  CHECK(one_delta(1, 2).park_in(short_of_one));
  CHECK_FALSE(one_delta(2, 3).park_in(short_of_one));
}

TEST_CASE("parking: holds 256 deltas of a slot, and not one more, and as many of another") {
  parking parked(100'000'000);
  for (std::uint64_t i = 0; i < 256; ++i) REQUIRE(one_delta(2 * i + 1, 2 * i + 2).park_in(parked));
  CHECK_FALSE(one_delta(1001, 1002).park_in(parked));
  CHECK(one_delta(1001, 1002).park_in(parked, 2));

  CHECK(parked.take(1, 1).has_value());
  CHECK(one_delta(1001, 1002).park_in(parked));
}

TEST_CASE("parking: where there is no room, a delta further ahead of the same slot gives way") {
  const std::size_t each = cost_of_one();

  SUBCASE("for want of bytes") {
    parking parked(3 * each);
    REQUIRE(one_delta(50, 51).park_in(parked));
    REQUIRE(one_delta(70, 71).park_in(parked));
    REQUIRE(one_delta(90, 91).park_in(parked, 2));

    CHECK_FALSE(one_delta(80, 81).park_in(parked));
    CHECK(one_delta(60, 61).park_in(parked));

    CHECK(parked.size() == 3);
    CHECK(parked.bytes() == 3 * each);
    CHECK(parked.take(1, 50).has_value());
    CHECK(parked.take(1, 60).has_value());
    CHECK_FALSE(parked.take(1, 70).has_value());
    CHECK(parked.take(2, 90).has_value());
  }
  SUBCASE("for want of places") {
    parking parked(1'000 * each);
    for (std::uint64_t i = 0; i < 256; ++i) REQUIRE(one_delta(100 + i, 101 + i).park_in(parked));

    CHECK_FALSE(one_delta(400, 401).park_in(parked));
    CHECK(one_delta(50, 51).park_in(parked));

    CHECK(parked.size() == 256);
    CHECK(parked.take(1, 50).has_value());
    CHECK_FALSE(parked.take(1, 355).has_value());
  }
  SUBCASE("another slot keeps what it has") {
    parking parked(2 * each);
    REQUIRE(one_delta(50, 51).park_in(parked, 2));
    REQUIRE(one_delta(70, 71).park_in(parked, 2));

    CHECK_FALSE(one_delta(5, 6).park_in(parked));
  }
}

TEST_CASE("parking: is half full by bytes, or by places") {
  const std::size_t each = cost_of_one();
  parking few_bytes(4 * each);
  parking few_places(1'000 * each);

  for (std::uint64_t i = 1; i <= 2; ++i) REQUIRE(one_delta(10 * i, 10 * i + 1).park_in(few_bytes));
  CHECK_FALSE(few_bytes.is_half_full());
  REQUIRE(one_delta(30, 31).park_in(few_bytes));
  CHECK(few_bytes.is_half_full());

  for (std::uint64_t i = 1; i <= 127; ++i) REQUIRE(one_delta(i, i + 1).park_in(few_places));
  CHECK_FALSE(few_places.is_half_full());
  REQUIRE(one_delta(200, 201).park_in(few_places));
  CHECK(few_places.is_half_full());
}

TEST_CASE("parking: what was taken, dropped or forgotten makes room") {
  parking parked(cost_of_one());
  CHECK(one_delta(1, 2).park_in(parked));
  CHECK(parked.take(1, 1).has_value());
  CHECK(one_delta(3, 4).park_in(parked));
  parked.forget(1);
  CHECK(one_delta(5, 6).park_in(parked, 1, 7));
  parked.expire(8);
  CHECK(parked.bytes() == 0);
  CHECK(one_delta(7, 8).park_in(parked));
}

TEST_CASE("parking: forgetting a slot leaves the others") {
  parking parked(100'000);
  REQUIRE(one_delta(5, 9).park_in(parked, 1));
  REQUIRE(one_delta(5, 9).park_in(parked, 2));

  parked.forget(1);

  CHECK_FALSE(parked.take(1, 5).has_value());
  CHECK(parked.take(2, 5).has_value());
}

TEST_CASE("parking: what was parked before a round expires, what in it does not") {
  parking parked(100'000);
  REQUIRE(one_delta(5, 9).park_in(parked, 1, 10));
  REQUIRE(one_delta(15, 19).park_in(parked, 1, 11));

  parked.expire(10);
  CHECK(parked.bytes() == 2 * cost_of_one());
  parked.expire(11);
  CHECK(parked.bytes() == cost_of_one());
  CHECK_FALSE(parked.take(1, 5).has_value());
}

TEST_CASE("parking: views stay good while others come and go around them") {
  parking parked(1'000'000);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    REQUIRE(one_delta(10 * i, 10 * i + 5).park_in(parked, static_cast<slot_index>(i % 3)));
  }
  parked.forget(0);

  for (const std::uint64_t i : {1U, 2U, 49U, 50U, 52U, 98U}) {
    const auto taken = parked.take(static_cast<slot_index>(i % 3), 10 * i);
    REQUIRE(taken);
    CHECK(taken->entries[0].key ==
          "a key of some length, for version " + std::to_string(1000 + taken->delta.upto.version));
    CHECK(taken->entries[0].value == std::string(500, 'v'));
  }
}

TEST_CASE("parking: without room nothing is parked") {
  parking none(0);

  CHECK_FALSE(one_delta(1, 2).park_in(none));
  CHECK(none.is_empty());
}

namespace {

/// Bytes [offset, offset + 100) of a value of 1000 with that version, the next after version 5.
bool park_fragment(parking& parked, std::uint32_t offset, std::uint64_t version = 6) {
  const std::string bytes(100, 'v');
  message content;
  entry_view& entry = content.entries.emplace_back();
  entry.key = "key";
  entry.value = bytes;
  entry.version = version;
  delta_view& delta = content.deltas.emplace_back();
  delta.after = position(5, offset);
  delta.upto = position(5, offset + 100);
  delta.top = version;
  delta.entry_count = 1;
  delta.value_bytes = 1000;
  return parked.try_park(1, content, delta, 1);
}

}  // namespace

TEST_CASE("parking: a fragment waits for the bytes before it, of its own version") {
  parking parked(100'000);
  REQUIRE(park_fragment(parked, 300));

  CHECK_FALSE(parked.take(1, 4, position(6, 300)).has_value());
  CHECK_FALSE(parked.take(1, 5, position()).has_value());
  CHECK_FALSE(parked.take(1, 5, position(6, 299)).has_value());
  CHECK_FALSE(parked.take(1, 5, position(2, 300)).has_value());
  const auto taken = parked.take(1, 5, position(6, 300));

  REQUIRE(taken);
  CHECK(taken->delta.after == position(5, 300));
  CHECK(taken->delta.value_bytes == 1000);
  CHECK(taken->entries[0].value.size() == 100);
}

TEST_CASE("parking: a fragment that is known, or of a value that is outdated, is thrown away") {
  for (const position partial : {position(6, 400), position(7, 1)}) {
    parking parked(100'000);
    REQUIRE(park_fragment(parked, 300));
    CHECK_FALSE(parked.take(1, 5, partial).has_value());
    CHECK(parked.is_empty());
  }
  parking parked(100'000);
  REQUIRE(park_fragment(parked, 300));
  CHECK_FALSE(parked.take(1, 6, position()).has_value());
  CHECK(parked.is_empty());
}

TEST_CASE("parking: one fragment is parked once, that of another version beside it") {
  parking parked(100'000);
  REQUIRE(park_fragment(parked, 300));

  CHECK_FALSE(park_fragment(parked, 300));
  CHECK(park_fragment(parked, 400));
  CHECK(park_fragment(parked, 300, 7));
}

TEST_CASE("parking: the versions of a slot's deltas are joined, and ascend") {
  parking parked(100'000);
  REQUIRE(one_delta(9, 12).park_in(parked));
  REQUIRE(one_delta(5, 7).park_in(parked));
  REQUIRE(one_delta(7, 8).park_in(parked));
  REQUIRE(one_delta(20, 22, 2).park_in(parked));
  REQUIRE(one_delta(30, 32).park_in(parked, 2));

  CHECK(parked.intervals(1, 1, 0) == std::vector<spared_interval>{{0, 5, 8}, {0, 9, 12}});
  CHECK(parked.intervals(1, 1, 8) == std::vector<spared_interval>{{0, 9, 12}});
  CHECK(parked.intervals(1, 1, 12).empty());
  CHECK(parked.intervals(1, 2, 0) == std::vector<spared_interval>{{0, 20, 22}});

  // A fragment is no version that is held.
  REQUIRE(park_fragment(parked, 300));
  CHECK(parked.intervals(1, 0, 0).empty());
}
