#include "core/exchange/digest_writer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "core/exchange/packer.hpp"
#include "exchange_fixture.hpp"

using namespace gossipmonger;

namespace {

/// A leg that may tell of everybody in one datagram.
digest_leg make_leg(const exchange_fixture& given) {
  digest_leg leg;
  leg.datagrams_left = 1;
  leg.digest_rows_left = given.peers.by_hash().size();
  leg.digest_unwanted_left = given.unwanted.all().size();
  leg.extra_rows_left = leg.digest_rows_left;
  leg.has_extra = true;
  return leg;
}

}  // namespace

TEST_CASE("digest_writer: a digest that has room claims every hash, and tells each row by hash") {
  exchange_fixture given;
  given.add("b", 3);
  given.add("c", 0);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.known.lo == 0);
  CHECK(out.known.hi == ~std::uint64_t{0});
  REQUIRE(out.known.range.size() == 3);
  CHECK(std::is_sorted(out.known.range.begin(), out.known.range.end(),
                       [](const packed_entry& one, const packed_entry& other) {
                         return one.name_hash < other.name_hash;
                       }));
  CHECK(out.known.extra.empty());
  CHECK_FALSE(writer.fill(leg, out, {}));
}

TEST_CASE("digest_writer: a refused peer stands in the range as unwanted, with a row or without") {
  exchange_fixture given;
  const slot_index full = given.add("full", 3);
  given.peers[full].set_over_capacity(true);
  unwanted_peer forgotten;
  forgotten.name_hash = hash_of("forgotten");
  forgotten.generation = 4;
  given.unwanted.add(forgotten);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.known.unwanted.size() == 2);
  REQUIRE(out.known.range.size() == 1);
  CHECK(out.known.range[0].name_hash == hash_of("a"));
}

TEST_CASE("digest_writer: the next datagram claims the range on from where the last one ended") {
  exchange_fixture given;
  for (int i = 0; i < 60; ++i) given.add("peer " + std::to_string(i), 0);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  leg.datagrams_left = 3;
  message first;
  message second;

  REQUIRE(writer.fill(leg, first, {}));
  REQUIRE(writer.fill(leg, second, {}));

  CHECK(first.known.lo == 0);
  CHECK(second.known.lo == first.known.hi + 1);
  CHECK(second.known.hi == ~std::uint64_t{0});
  CHECK(first.known.range.size() + second.known.range.size() == 61);
  CHECK_FALSE(writer.fill(leg, second, {}));
}

TEST_CASE("digest_writer: a short digest claims nothing, and names its sender and its receiver") {
  exchange_fixture given;
  given.add("b", 3);
  given.add("c", 0);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  leg.is_short = true;
  leg.remote_hash = hash_of("b");
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.known.lo > out.known.hi);
  CHECK(out.known.range.empty());
  REQUIRE(out.known.extra.size() == 2);
  CHECK(out.known.extra[0].name_hash == hash_of("a"));
  CHECK(out.known.extra[1].name_hash == hash_of("b"));
}

TEST_CASE("digest_writer: suspicions leave the places of sender and receiver free") {
  exchange_fixture given;
  given.add("b", 0);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  leg.remote_hash = hash_of("b");
  leg.suspicions.resize(4);
  leg.digest_bytes_left = 160;  // a first contact under a small byte budget
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  // 72 bytes of frame, 8 of the list's tag, and three entries.
  CHECK(out.suspicions.size() == 1);
  CHECK(out.known.range.size() + out.known.extra.size() == 2);
  CHECK(encoded_bytes(out) <= 160);
  CHECK(leg.suspicions.empty());
}

TEST_CASE("digest_writer: a digest tells the largest datagram that came from its receiver") {
  exchange_fixture given;
  const slot_index b = given.add("b", 0);
  given.shared.paths[b].watch.handle_received(1000);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  leg.remote_hash = hash_of("b");
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.largest_received == size_class(1000));
}
