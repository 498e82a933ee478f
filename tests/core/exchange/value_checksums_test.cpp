#include "core/exchange/value_checksums.hpp"

#include <doctest/doctest.h>

#include <string>

#include "../protocol_fixture.hpp"

using namespace gossipmonger;

TEST_CASE("value_checksum: it is SipHash of the value, under a key that the entry's key changes") {
  const hash_key cluster(1, 2);
  const hash_key of_key(1 ^ siphash(cluster, "k"), 2);

  CHECK(value_checksum(cluster, "k", "v") == siphash(of_key, "v"));
}

TEST_CASE("value_checksum: cluster, key and value each change it, and where one ends too") {
  const std::uint64_t of_one = value_checksum(hash_key(1, 2), "key", "value");
  CHECK(value_checksum(hash_key(1, 2), "key", "value") == of_one);
  CHECK(value_checksum(hash_key(1, 3), "key", "value") != of_one);
  CHECK(value_checksum(hash_key(1, 2), "kez", "value") != of_one);
  CHECK(value_checksum(hash_key(1, 2), "key", "valve") != of_one);
  CHECK(value_checksum(hash_key(1, 2), "keyv", "alue") != of_one);
}

TEST_CASE("value_checksums: each version of a slot is remembered, and a new one hashed anew") {
  const hash_key cluster(1, 2);
  value_checksums checksums(cluster);
  const std::uint64_t one = value_checksum(cluster, "k", "one");
  CHECK(checksums.of(3, make_entry("k", "one", 7)) == one);

  // That it is remembered shows where the bytes break the promise that a version is one value.
  CHECK(checksums.of(3, make_entry("k", "two", 7)) == one);
  CHECK(checksums.of(4, make_entry("k", "two", 7)) == value_checksum(cluster, "k", "two"));
  CHECK(checksums.of(3, make_entry("k", "two", 8)) == value_checksum(cluster, "k", "two"));

  // Two readers at different values of one owner: neither is hashed again for the other.
  CHECK(checksums.of(3, make_entry("k", "two", 7)) == one);
  CHECK(checksums.of(3, make_entry("k", "one", 8)) == value_checksum(cluster, "k", "two"));
}

TEST_CASE("value_checksums: when too many are kept, the one not asked for longest goes") {
  const hash_key cluster(1, 2);
  value_checksums checksums(cluster);
  const std::uint64_t one = value_checksum(cluster, "k", "one");
  const std::uint64_t two = value_checksum(cluster, "k", "two");
  for (std::uint64_t version = 1; version <= value_checksums::kept_max; ++version) {
    CHECK(checksums.of(3, make_entry("k", "one", version)) == one);
  }
  CHECK(checksums.of(3, make_entry("k", "two", 1)) == one);  // kept, and now the latest

  CHECK(checksums.of(3, make_entry("k", "one", value_checksums::kept_max + 1)) == one);

  CHECK(checksums.of(3, make_entry("k", "two", 1)) == one);
  CHECK(checksums.of(3, make_entry("k", "two", 2)) == two);
}

TEST_CASE("value_checksums: what a slot held is forgotten with its peer") {
  value_checksums checksums(hash_key(1, 2));
  const std::uint64_t former = checksums.of(3, make_entry("k", "one", 7));

  checksums.forget(3);

  CHECK(checksums.of(3, make_entry("k", "two", 7)) != former);
}
