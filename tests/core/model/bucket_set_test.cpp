#include "core/model/bucket_set.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace gossipmonger;

namespace {

constexpr std::uint64_t hash_max = ~std::uint64_t{0};

/// The first hash of that bucket.
constexpr std::uint64_t first_of(std::uint64_t bucket) { return bucket << 55; }

std::vector<std::size_t> buckets_of(const bucket_set& set) {
  std::vector<std::size_t> found;
  for (std::size_t bucket = 0; bucket < bucket_set::count; ++bucket) {
    if (set.has(bucket)) found.push_back(bucket);
  }
  return found;
}

using bucket_list = std::vector<std::size_t>;

}  // namespace

TEST_CASE("bucket_set: a new one is empty, and adding makes it have those buckets alone") {
  bucket_set set;
  CHECK(set.is_empty());
  CHECK(set.size() == 0);

  for (const std::size_t bucket : {0U, 63U, 64U, 300U, 511U, 300U}) set.add(bucket);

  CHECK_FALSE(set.is_empty());
  CHECK(set.size() == 5);
  CHECK(buckets_of(set) == bucket_list{0, 63, 64, 300, 511});
}

TEST_CASE("bucket_set: one bucket of fewer and larger ones is several of the 512") {
  bucket_set set;
  set.add(5, 7);  // of 128: four each
  CHECK(buckets_of(set) == bucket_list{20, 21, 22, 23});
  set.add(255, 8);  // of 256: two each
  CHECK(buckets_of(set) == bucket_list{20, 21, 22, 23, 510, 511});

  bucket_set eighth;
  eighth.add(7, 3);  // of 8: the last word of the set
  CHECK(eighth.size() == 64);
  CHECK(eighth.has(448));
  CHECK_FALSE(eighth.has(447));

  bucket_set all;
  all.add(0, 0);
  CHECK(all.size() == 512);
}

TEST_CASE("bucket_set: another set's buckets join those that are there") {
  bucket_set set;
  set.add(1);
  set.add(64);
  bucket_set others;
  others.add(64);
  others.add(511);

  set.add(others);

  CHECK(buckets_of(set) == bucket_list{1, 64, 511});
  CHECK(buckets_of(others) == bucket_list{64, 511});
  set.add(bucket_set());
  CHECK(set.size() == 3);
}

TEST_CASE("bucket_set: the top nine bits of a hash say in which bucket it is") {
  bucket_set set;
  set.add(300);

  CHECK(set.has_hash(first_of(300)));
  CHECK(set.has_hash(first_of(301) - 1));
  CHECK_FALSE(set.has_hash(first_of(300) - 1));
  CHECK_FALSE(set.has_hash(first_of(301)));
  CHECK_FALSE(set.has_hash(0));
  CHECK_FALSE(set.has_hash(hash_max));
  set.add(0);
  set.add(511);
  CHECK(set.has_hash(0));
  CHECK(set.has_hash(hash_max));
}

TEST_CASE("bucket_set: the next hash is the same one, or the first of a later bucket, or none") {
  bucket_set set;
  CHECK(set.next_hash(0) == 0);
  CHECK(set.next_hash(hash_max) == 0);
  set.add(5);
  set.add(6);
  set.add(200);

  CHECK(set.next_hash(0) == first_of(5));
  CHECK(set.next_hash(first_of(5) - 1) == first_of(5));
  CHECK(set.next_hash(first_of(5)) == first_of(5));
  CHECK(set.next_hash(first_of(5) + 7) == first_of(5) + 7);
  CHECK(set.next_hash(first_of(6)) == first_of(6));
  CHECK(set.next_hash(first_of(7)) == first_of(200));
  CHECK(set.next_hash(first_of(201) - 1) == first_of(201) - 1);
  // It does not begin anew at the end of the hashes.
  CHECK(set.next_hash(first_of(201)) == 0);
  CHECK(set.next_hash(hash_max) == 0);
}

TEST_CASE("bucket_set: the next hash after the first bucket, and up to the last") {
  bucket_set set;
  set.add(0);
  CHECK(set.next_hash(0) == 0);  // itself, which reads like none: has_hash tells them apart
  CHECK(set.next_hash(9) == 9);
  CHECK(set.next_hash(first_of(1)) == 0);
  set.add(511);
  CHECK(set.next_hash(first_of(1)) == first_of(511));
  CHECK(set.next_hash(hash_max) == hash_max);
}

TEST_CASE("bucket_set: a bucket ends at the last hash with the same top nine bits") {
  CHECK(bucket_set::end_of(0) == first_of(1) - 1);
  CHECK(bucket_set::end_of(first_of(1) - 1) == first_of(1) - 1);
  CHECK(bucket_set::end_of(first_of(1)) == first_of(2) - 1);
  CHECK(bucket_set::end_of(first_of(300) + 12345) == first_of(301) - 1);
  CHECK(bucket_set::end_of(first_of(511)) == hash_max);
  CHECK(bucket_set::end_of(hash_max) == hash_max);
}

TEST_CASE("bucket_set: bucket i is bit i % 64 of word i / 64, there and back") {
  bucket_set set;
  for (const std::size_t bucket : {0U, 65U, 191U, 448U, 511U}) set.add(bucket);

  const bucket_set::words words = set.as_words();

  CHECK(words ==
        bucket_set::words{1, 2, std::uint64_t{1} << 63, 0, 0, 0, 0, std::uint64_t{1} << 63 | 1});
  CHECK(bucket_set::of_words(words) == set);
  CHECK(bucket_set::of_words({}) == bucket_set());
  CHECK_FALSE(bucket_set::of_words({}) == set);
}
