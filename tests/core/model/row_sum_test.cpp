#include "core/model/row_sum.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using namespace gossipmonger;

namespace {

packed_entry make_row(std::uint64_t hash, std::uint64_t generation, std::uint64_t version,
                      bool has_left = false) {
  digest_entry row;
  row.name_hash = hash;
  row.generation = generation;
  row.max_version = version;
  row.has_left = has_left;
  return row;
}

}  // namespace

// Worked out in Python, with a SipHash-2-4 of its own that gives the vector of the paper: over
// struct.pack("<QQQ", hash, generation, version | left << 47), under the key that gossip.capnp has.
TEST_CASE("row_sum: the part of a row is the number that the format says") {
  CHECK(part_of(make_row(0x0123456789abcdef, 1'700'000'000'000, 42)) == 0x8fae662c5a40e4b0);
  CHECK(part_of(make_row(0x0123456789abcdef, 1'700'000'000'000, 42, true)) == 0xd02394be89d246db);
  CHECK(part_of(make_row(~std::uint64_t{0}, generation_max, version_max, true)) ==
        0xa64dec6f0d1e7571);
  CHECK(part_of(packed_entry()) == 0x33497d520449e4be);
}

TEST_CASE("row_sum: a part is of name, generation, version and leaving, and of no heartbeat") {
  const packed_entry row = make_row(0x77, 1000, 5);
  const std::uint64_t part = part_of(row);

  CHECK(part_of(make_row(0x78, 1000, 5)) != part);
  CHECK(part_of(make_row(0x77 | std::uint64_t{1} << 63, 1000, 5)) != part);
  CHECK(part_of(make_row(0x77, 1001, 5)) != part);
  CHECK(part_of(make_row(0x77, 1000 | std::uint64_t{1} << 43, 5)) != part);
  CHECK(part_of(make_row(0x77, 1000, 6)) != part);
  CHECK(part_of(make_row(0x77, 1000, 5 | std::uint64_t{1} << 46)) != part);
  CHECK(part_of(make_row(0x77, 1000, 5, true)) != part);
  // Its low 20 bits stand in one word, and the others in another.
  for (const std::uint64_t heartbeat : {std::uint64_t{1}, std::uint64_t{1} << 20, heartbeat_max}) {
    packed_entry other = row;
    other.set_heartbeat(heartbeat);
    CHECK(part_of(other) == part);
  }
}

TEST_CASE("row_sum: rows add up in any order, and what is taken away leaves the others") {
  const packed_entry a = make_row(1, 10, 3);
  const packed_entry b = make_row(2, 20, 4);
  row_sum both;
  both.add(part_of(a), a.max_version());
  both.add(part_of(b), b.max_version());
  row_sum other_way;
  other_way.add(part_of(b), b.max_version());
  other_way.add(part_of(a), a.max_version());
  CHECK(both == other_way);
  CHECK(both.parts == part_of(a) + part_of(b));
  CHECK(both.versions == 7);

  both.subtract(part_of(a), a.max_version());
  row_sum alone;
  alone.add(part_of(b), b.max_version());
  CHECK(both == alone);
  CHECK_FALSE(both == other_way);
}

TEST_CASE("row_sum: a sum is told in 48 bits: 36 of the parts, and 12 of the versions above them") {
  row_sum sum;
  sum.parts = 0xfedc'ba98'7654'3210;
  sum.versions = 0x1234'5678'9abc'def0;
  CHECK(sum.packed() == 0xef08'7654'3210);

  sum.parts = ~std::uint64_t{0};
  sum.versions = 0;
  CHECK(sum.packed() == 0x000f'ffff'ffff);
  sum.parts = 0;
  sum.versions = ~std::uint64_t{0};
  CHECK(sum.packed() == 0xfff0'0000'0000);
  CHECK(row_sum().packed() == 0);
}

TEST_CASE("row_sum: either field wraps round, as it is kept and as it is told") {
  row_sum sum;
  sum.add(~std::uint64_t{0}, ~std::uint64_t{0});
  sum.add(3, 5);
  CHECK(sum.parts == 2);
  CHECK(sum.versions == 4);

  // A carry out of the low 36 bits does not reach the versions, nor theirs anything.
  row_sum told;
  told.add((std::uint64_t{1} << 36) - 1, (std::uint64_t{1} << 12) - 1);
  CHECK(told.packed() == 0xffff'ffff'ffff);
  told.add(1, 0);
  CHECK(told.packed() == 0xfff0'0000'0000);
  told.add(0, 1);
  CHECK(told.packed() == 0);

  row_sum below;
  below.subtract(1, 1);
  CHECK(below.parts == ~std::uint64_t{0});
  CHECK(below.versions == ~std::uint64_t{0});
  CHECK(below.packed() == 0xffff'ffff'ffff);
}

TEST_CASE("row_sum: up to 128 sums go in one part, and of more each part has 128") {
  CHECK(sums_in_part(3) == 8);
  CHECK(sums_in_part(6) == 64);
  CHECK(sums_in_part(7) == 128);
  CHECK(sums_in_part(8) == 128);
  CHECK(sums_in_part(9) == 128);
  for (unsigned bits = sum_bits_min; bits <= 7; ++bits) CHECK(sum_parts(bits) == 1);
  CHECK(sum_parts(8) == 2);
  CHECK(sum_parts(9) == 4);
}

TEST_CASE("row_sum: a bucket is the top bits of a hash, and all are one bucket of no bits") {
  constexpr std::uint64_t hash = 0xa5c3'0000'0000'0000;  // 1010 0101 1100 ...
  CHECK(bucket_of(hash, 0) == 0);
  CHECK(bucket_of(hash, 3) == 5);
  CHECK(bucket_of(hash, 9) == 331);  // 1 0100 1011
  CHECK(bucket_of(~std::uint64_t{0}, 9) == 511);
  CHECK(bucket_of(0, 9) == 0);
  bucket_set set;
  set.add(bucket_of(hash, sum_bits_max));
  CHECK(set.has_hash(hash));
}
