#include "core/exchange/partial_values.hpp"

#include <doctest/doctest.h>

#include <string>

#include "core/exchange/value_checksums.hpp"

using namespace gossipmonger;

namespace {

using outcome = partial_values::outcome;

/// A value of which fragments are given to `into`.
class sender {
 public:
  sender(partial_values& into, std::string_view value, std::uint64_t version = 5)
      : into_(into), value_(value) {
    entry_.key = "key";
    entry_.version = version;
    delta_.value_bytes = static_cast<std::uint32_t>(value_.size());
    delta_.value_checksum = value_checksum(hash_key(1, 2), entry_.key, value_);
  }

  outcome give(std::uint32_t offset, std::size_t count, slot_index slot = 1,
               std::uint64_t round = 1) {
    delta_.after = position(entry_.version - 1, offset);
    entry_.value = std::string_view(value_).substr(offset, count);
    return into_.take(slot, delta_, entry_, round);
  }

 private:
  partial_values& into_;
  std::string value_;
  delta_view delta_;
  entry_view entry_;
};

const std::string letters = "abcdefghijklmnopqrstuvwxyz";

}  // namespace

TEST_CASE("partial_values: a value grows by its fragments until it is whole") {
  partial_values values(hash_key(1, 2), 1000);
  sender from(values, letters);

  CHECK(from.give(0, 10) == outcome::grown);
  CHECK(values.find(1) == position(5, 10));
  CHECK(values.offset_of(1, 5) == 10);
  CHECK(values.offset_of(1, 4) == 0);
  CHECK(values.offset_of(2, 5) == 0);
  CHECK(values.bytes() == 10);
  CHECK(from.give(10, 16) == outcome::whole);

  const entry_view entry = values.whole(1);
  CHECK(entry.key == "key");
  CHECK(entry.value == letters);
  CHECK(entry.version == 5);
  CHECK_FALSE(entry.is_tombstone);
  values.forget(1);
  CHECK(values.bytes() == 0);
  CHECK(values.is_empty());
}

TEST_CASE("partial_values: of what overlaps only the new is taken, and a repetition is known") {
  partial_values values(hash_key(1, 2), 1000);
  sender from(values, letters);
  REQUIRE(from.give(0, 10) == outcome::grown);

  CHECK(from.give(0, 10) == outcome::known);
  CHECK(from.give(3, 7) == outcome::known);
  CHECK(from.give(5, 10) == outcome::grown);
  CHECK(values.find(1) == position(5, 15));
  CHECK(from.give(0, 26) == outcome::whole);
  CHECK(values.whole(1).value == letters);
}

TEST_CASE("partial_values: a newer value displaces an older one, never the other way") {
  partial_values values(hash_key(1, 2), 1000);
  sender older(values, letters, 5);
  sender newer(values, letters, 6);
  REQUIRE(older.give(0, 10) == outcome::grown);

  CHECK(newer.give(0, 3) == outcome::grown);
  CHECK(values.find(1) == position(6, 3));
  CHECK(older.give(0, 26) == outcome::known);
  CHECK(values.find(1) == position(6, 3));
  CHECK(values.bytes() == 3);
}

TEST_CASE("partial_values: what is held is bounded by the announced lengths together") {
  partial_values values(hash_key(1, 2), 60);
  sender from(values, letters);
  REQUIRE(from.give(0, 1, 1) == outcome::grown);
  REQUIRE(from.give(0, 1, 2) == outcome::grown);

  CHECK(from.give(0, 1, 3) == outcome::full);  // 3 * 26 > 60
  CHECK(values.find(3) == position());
  CHECK(from.give(0, 26, 1) == outcome::whole);
  values.forget(1);
  CHECK(from.give(0, 1, 3) == outcome::grown);
  CHECK(from.give(0, 1, 1) == outcome::full);
}

TEST_CASE("partial_values: room of what a newer value displaced is free again") {
  partial_values values(hash_key(1, 2), 30);
  sender older(values, letters, 5);
  sender newer(values, letters + "1234", 6);
  REQUIRE(older.give(0, 1) == outcome::grown);

  CHECK(newer.give(0, 30) == outcome::whole);
}

TEST_CASE("partial_values: bytes that the checksum does not know are dropped at the end") {
  partial_values values(hash_key(1, 2), 1000);
  sender from(values, letters);
  sender under_another_key(values, letters);
  partial_values elsewhere(hash_key(1, 3), 1000);
  sender of_another_cluster(elsewhere, letters);

  CHECK(from.give(0, 26) == outcome::whole);
  CHECK(of_another_cluster.give(0, 25) == outcome::grown);
  CHECK(of_another_cluster.give(25, 1) == outcome::conflict);
  CHECK(elsewhere.is_empty());
  CHECK(elsewhere.bytes() == 0);
}

TEST_CASE("partial_values: what is superseded goes, what is above stays") {
  partial_values values(hash_key(1, 2), 1000);
  sender from(values, letters, 5);
  REQUIRE(from.give(0, 10) == outcome::grown);

  values.drop_upto(1, 4);
  values.drop_upto(2, 9);
  CHECK(values.find(1) == position(5, 10));
  values.drop_upto(1, 5);
  CHECK(values.find(1) == position());
}

TEST_CASE("partial_values: what has not grown for long goes, whenever it began") {
  partial_values values(hash_key(1, 2), 1000);
  sender from(values, letters);
  REQUIRE(from.give(0, 5, 1, 1) == outcome::grown);
  REQUIRE(from.give(0, 5, 2, 1) == outcome::grown);
  REQUIRE(from.give(5, 5, 2, 9) == outcome::grown);
  REQUIRE(from.give(0, 10, 1, 9) == outcome::grown);
  REQUIRE(from.give(0, 5, 3, 1) == outcome::grown);
  REQUIRE(from.give(0, 5, 3, 9) == outcome::known);  // that is no progress

  values.expire(9);

  CHECK(values.find(1).offset == 10);
  CHECK(values.find(2).offset == 10);
  CHECK(values.find(3) == position());
  CHECK(values.bytes() == 20);
}
