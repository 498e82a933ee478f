#include "core/exchange/digest_writer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/exchange/packer.hpp"
#include "core/exchange/row_sums.hpp"
#include "exchange_fixture.hpp"
#include "gossipmonger/testing/random.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

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

/// A leg to "b" that tells a root.
digest_leg make_root_leg(const exchange_fixture& given) {
  digest_leg leg = make_leg(given);
  leg.remote_hash = hash_of("b");
  leg.is_root = true;
  return leg;
}

/// A node that knows "b" and `count` peers more, all live, whose last change was long ago.
void fill_table(exchange_fixture& given, std::size_t count) {
  given.peers[given.add("b", 2)].set_status(peer_status::live);
  for (std::size_t i = 0; i < count; ++i) {
    given.peers[given.add("peer " + std::to_string(i), i)].set_status(peer_status::live);
  }
  given.peers.begin_round(1000);
}

std::vector<packed_entry> extra_of(const message& told) {
  return {told.known.extra.begin(), told.known.extra.end()};
}

std::vector<std::uint64_t> hashes_of(const entry_list& list) {
  std::vector<std::uint64_t> hashes;
  for (const packed_entry& one : list) hashes.push_back(one.name_hash);
  return hashes;
}

/// A leg to "b" that is limited to these buckets, from hash `first` on.
digest_leg make_bucket_leg(const exchange_fixture& given, const bucket_set& buckets,
                           std::uint64_t first = 0) {
  digest_leg leg = make_leg(given);
  leg.remote_hash = hash_of("b");
  leg.datagrams_left = given.settings.digest_datagrams_max;
  leg.buckets = buckets;
  leg.digest_from = first;
  leg.digest_rows_left = 0;
  for (const packed_entry& row : given.peers.entries()) {
    leg.digest_rows_left += buckets.has_hash(row.name_hash) ? 1 : 0;
  }
  leg.digest_unwanted_left = 0;
  for (const unwanted_peer& one : given.unwanted.all()) {
    leg.digest_unwanted_left += buckets.has_hash(one.name_hash) ? 1 : 0;
  }
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

TEST_CASE(
    "digest_writer: where refused peers have taken a quarter, the range ends before the next") {
  exchange_fixture given;
  for (int i = 0; i < 60; ++i) given.add("peer " + std::to_string(i), 0);
  unwanted_peer refused;
  refused.generation = 4;
  for (refused.name_hash = 1; refused.name_hash <= 32; ++refused.name_hash) {
    given.unwanted.add(refused);
  }
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  const std::size_t quarter = writer.rows_a_datagram() / 4;
  CHECK(out.known.unwanted.size() == quarter);
  CHECK(out.known.range.empty());
  CHECK(out.known.hi == quarter);  // hash 1 is the first refused peer's
  CHECK(leg.digest_from == quarter + 1);
  CHECK(out.known.extra.size() > 16);  // rows without a claim, beside self
}

TEST_CASE("digest_writer: a digest whose rows had their turn claims nothing of the next row") {
  exchange_fixture given;
  for (const char* name : {"b", "c", "d", "e"}) given.add(name, 0);
  const std::span<const packed_entry> rows = given.peers.entries();
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  leg.digest_rows_left = 2;
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  REQUIRE(out.known.range.size() == 2);
  CHECK(out.known.range[1].name_hash == rows[1].name_hash);
  CHECK(out.known.hi == rows[2].name_hash - 1);
  CHECK(leg.digest_from == rows[2].name_hash);
  leg.datagrams_left = 1;
  CHECK_FALSE(writer.fill(leg, out, {}));
}

TEST_CASE("digest_writer: a digest outside the range says nothing of a receiver that is refused") {
  exchange_fixture given;
  const slot_index b = given.add("b", 3);
  digest_writer writer(given.shared);
  digest_leg leg = make_leg(given);
  leg.is_short = true;
  leg.remote_hash = hash_of("b");
  message out;
  given.peers[b].set_over_capacity(true);

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.receiver == digest_entry());
  REQUIRE(out.known.extra.size() == 1);
  CHECK(out.known.extra[0].name_hash == hash_of("a"));
}

TEST_CASE("digest_writer: a dead peer is told of for half of its grace, and then as unwanted") {
  exchange_fixture given;
  const slot_index b = given.add("b", 3);
  given.peers[b].set_status(peer_status::dead);
  digest_writer writer(given.shared);
  message out;
  const std::chrono::nanoseconds half = given.settings.dead_peer_grace / 2;

  digest_leg early = make_leg(given);
  REQUIRE(writer.fill(early, out, half - 1ns));
  CHECK(out.known.range.size() == 2);
  CHECK(out.known.unwanted.empty());

  out.clear();
  digest_leg late = make_leg(given);
  REQUIRE(writer.fill(late, out, half));
  CHECK(out.known.range.size() == 1);
  REQUIRE(out.known.unwanted.size() == 1);
  CHECK(out.known.unwanted[0].name_hash == hash_of("b"));
  CHECK(out.known.unwanted[0].max_version() == 0);
}

// ------------------------------------------------------------------------------------- roots

TEST_CASE("digest_writer: a root is the sum that a node computes which holds the same rows") {
  exchange_fixture given;
  exchange_fixture equal;
  fill_table(given, 60);
  fill_table(equal, 60);
  equal.peers[7].set_max_version(1000);  // but the root's message names that row
  given.peers[7].set_max_version(1001);
  given.peers.touch(7);
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK_FALSE(out.known.has_claim());
  CHECK_FALSE(out.known.buckets.has_value());
  CHECK(out.known.range.empty());
  CHECK(out.known.unwanted.empty());
  REQUIRE(out.known.root.has_value());
  CHECK(out.known.root->nodes == 62);
  std::vector<row_sum> sums;
  sum_rows(equal.shared, {}, extra_of(out), 0, sums);
  CHECK(out.known.root->parts == sums.front().parts);
  sum_rows(equal.shared, {}, {}, 0, sums);
  CHECK(out.known.root->parts != sums.front().parts);
  CHECK_FALSE(writer.fill(leg, out, {}));
}

TEST_CASE(
    "digest_writer: a root is told beside sender, receiver, the latest rows and some others") {
  exchange_fixture given;
  fill_table(given, 60);
  for (slot_index slot = 30; slot < 50; ++slot) given.peers.touch(slot);
  given.peers.touch(*given.peers.find(hash_of("b")));
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  const std::vector<std::uint64_t> told = hashes_of(out.known.extra);
  const std::set<std::uint64_t> distinct(told.begin(), told.end());
  CHECK(distinct.size() == told.size());
  REQUIRE(told.size() >= 2 + 15);
  CHECK(told[0] == hash_of("a"));
  CHECK(told[1] == hash_of("b"));
  // "b" is one of the 16 latest. The others are the slots 49, 48 ... 35.
  for (slot_index i = 0; i < 15; ++i) CHECK(told[2 + i] == given.peers[49 - i].name_hash());
  CHECK(told.size() <= 2 + 15 + digest_writer::root_rows);
  CHECK(encoded_bytes(out) <= digest_writer::bytes_root());
}

TEST_CASE("digest_writer: rows that changed too long ago are not told as the latest") {
  // 62 nodes: news takes 2 * 6 rounds.
  for (const std::uint64_t rounds : {12U, 13U}) {
    CAPTURE(rounds);
    exchange_fixture given;
    fill_table(given, 60);
    const std::uint64_t last_hash = given.peers.entries().back().name_hash;
    given.peers.touch(*given.peers.find(last_hash));
    given.peers.begin_round(1000 + rounds);
    digest_writer writer(given.shared);
    digest_leg leg = make_root_leg(given);
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    const std::vector<std::uint64_t> told = hashes_of(out.known.extra);
    CHECK((std::find(told.begin(), told.end(), last_hash) != told.end()) == (rounds == 12));
  }
}

TEST_CASE("digest_writer: beside a root the most silent of the next 64 rows are told, in turn") {
  exchange_fixture given;
  fill_table(given, 94);  // 96 with "a" and "b": a turn ends in the second leg
  for (slot_index slot = 0; slot < given.peers.slots(); ++slot) {
    // Others than the receiver and the sender are silent since the second of their place.
    const std::size_t place = given.peers.lower_bound(given.peers[slot].name_hash());
    const bool is_other = slot != self_slot && given.peers[slot].name_hash() != hash_of("b");
    given.peers.restart_silence(slot, std::chrono::seconds{is_other ? place : 1000});
  }
  digest_writer writer(given.shared);
  std::uint64_t from = 0;
  for (const std::size_t first : {std::size_t{0}, std::size_t{64}, std::size_t{32}}) {
    CAPTURE(first);
    CHECK(from == (first == 0 ? 0 : given.peers.at(first).name_hash()));
    digest_leg leg = make_root_leg(given);
    leg.extra_from = from;
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    from = leg.extra_from;
    // The second leg sees the last 32 rows, and the first 32 of the next turn.
    const std::size_t from_place = first == 64 ? 0 : first;
    std::vector<std::uint64_t> expected{hash_of("a"), hash_of("b")};
    for (std::size_t i = from_place; expected.size() < 2 + digest_writer::root_rows; ++i) {
      const std::uint64_t hash = given.peers.at(i).name_hash();
      if (hash != hash_of("a") && hash != hash_of("b")) expected.push_back(hash);
    }
    CHECK(hashes_of(out.known.extra) == expected);
  }
}

TEST_CASE("digest_writer: beside a root two dead rows are told at most, however silent they are") {
  exchange_fixture given;
  fill_table(given, 62);
  for (slot_index slot = 2; slot < given.peers.slots(); ++slot) {
    const bool is_dead = slot % 2 == 0;
    if (is_dead) given.peers[slot].set_status(peer_status::dead);
    given.peers.restart_silence(slot, is_dead ? 1s : 100s);
  }
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.known.extra.size() == 2 + digest_writer::root_rows);
  std::size_t dead = 0;
  for (const std::uint64_t hash : hashes_of(out.known.extra)) {
    dead += given.peers[*given.peers.find(hash)].is_gone() ? 1 : 0;
  }
  CHECK(dead == 2);
}

TEST_CASE("digest_writer: under a byte budget a root tells of fewer rows") {
  exchange_fixture given;
  exchange_fixture equal;
  fill_table(given, 60);
  fill_table(equal, 60);
  for (slot_index slot = 30; slot < 50; ++slot) given.peers.touch(slot);
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  leg.digest_bytes_left = 320;
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  // 72 bytes of frame, 8 of the list's tag, the root, and nine entries: 320.
  CHECK(encoded_bytes(out) == 320);
  CHECK(out.known.extra.size() == 9);
  CHECK(out.known.extra[0].name_hash == hash_of("a"));
  CHECK(out.known.extra[1].name_hash == hash_of("b"));
  REQUIRE(out.known.root.has_value());
  std::vector<row_sum> sums;
  sum_rows(equal.shared, {}, extra_of(out), 0, sums);
  CHECK(out.known.root->parts == sums.front().parts);
}

TEST_CASE("digest_writer: a root counts no row that is refused or gone, and names none") {
  exchange_fixture given;
  exchange_fixture without;
  fill_table(given, 20);
  fill_table(without, 20);
  given.peers[given.add("full", 3)].set_over_capacity(true);
  given.peers[given.add("dead", 3)].set_status(peer_status::dead);
  for (const char* name : {"full", "dead"}) given.peers.touch(*given.peers.find(hash_of(name)));
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, given.settings.dead_peer_grace / 2));

  for (const char* name : {"full", "dead"}) {
    const std::vector<std::uint64_t> told = hashes_of(out.known.extra);
    CHECK(std::count(told.begin(), told.end(), hash_of(name)) == 0);
  }
  std::vector<row_sum> sums;
  sum_rows(without.shared, given.settings.dead_peer_grace / 2, extra_of(out), 0, sums);
  CHECK(out.known.root->parts == sums.front().parts);
}

TEST_CASE("digest_writer: a root counts a run whose later run is refused, but does not name it") {
  exchange_fixture given;
  exchange_fixture equal;
  for (exchange_fixture* one : {&given, &equal}) {
    fill_table(*one, 3);
    one->peers.touch(2);
  }
  unwanted_peer later;
  later.name_hash = given.peers[2].name_hash();
  later.generation = 8;
  given.unwanted.add(later);
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  const std::vector<std::uint64_t> told = hashes_of(out.known.extra);
  CHECK(std::count(told.begin(), told.end(), later.name_hash) == 0);
  std::vector<row_sum> sums;
  sum_rows(equal.shared, {}, extra_of(out), 0, sums);
  CHECK(out.known.root->parts == sums.front().parts);
}

TEST_CASE("digest_writer: suspicions ride on a root, with sender and receiver in their places") {
  exchange_fixture given;
  fill_table(given, 60);
  digest_writer writer(given.shared);
  digest_leg leg = make_root_leg(given);
  leg.suspicions.resize(32);
  leg.digest_bytes_left = 320;
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(encoded_bytes(out) <= 320);
  REQUIRE(out.known.extra.size() >= 2);
  CHECK(out.known.extra[0].name_hash == hash_of("a"));
  CHECK(out.known.extra[1].name_hash == hash_of("b"));
  CHECK(out.known.root.has_value());
  CHECK(!out.suspicions.empty());
}

// ----------------------------------------------------------------------------------- buckets

TEST_CASE("digest_writer: a leg that is limited to buckets claims them alone, and their rows") {
  exchange_fixture given;
  fill_table(given, 60);
  bucket_set buckets;
  buckets.add(2, 3);
  buckets.add(5, 3);
  digest_writer writer(given.shared);
  digest_leg leg = make_bucket_leg(given, buckets);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.known.buckets == buckets);
  CHECK(out.known.lo == 0);
  CHECK(out.known.hi == ~std::uint64_t{0});
  std::vector<std::uint64_t> expected;
  for (const packed_entry& row : given.peers.entries()) {
    const std::uint64_t top = row.name_hash >> 61;
    if (top == 2 || top == 5) expected.push_back(row.name_hash);
  }
  CHECK(hashes_of(out.known.range) == expected);
  for (const char* name : {"a", "b"}) {
    const std::vector<std::uint64_t> told = hashes_of(out.known.extra);
    const bool is_outside = !buckets.has_hash(hash_of(name));
    CHECK(std::count(told.begin(), told.end(), hash_of(name)) == (is_outside ? 1 : 0));
  }
  CHECK_FALSE(writer.fill(leg, out, {}));
}

TEST_CASE("digest_writer: buckets without a row here are claimed all the same") {
  for (const bool has_refused : {false, true}) {
    CAPTURE(has_refused);
    exchange_fixture given;
    fill_table(given, 0);
    bucket_set buckets;
    for (std::size_t bucket = 0; bucket < bucket_set::count && buckets.is_empty(); ++bucket) {
      const bool is_taken = bucket == hash_of("a") >> 55 || bucket == hash_of("b") >> 55;
      if (!is_taken) buckets.add(bucket);
    }
    unwanted_peer refused;
    refused.name_hash = ~hash_of("a");
    refused.generation = 7;
    if (has_refused) given.unwanted.add(refused);
    digest_writer writer(given.shared);
    digest_leg leg = make_bucket_leg(given, buckets);
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    CHECK(out.known.has_claim());
    CHECK(out.known.buckets == buckets);
    CHECK(out.known.range.empty());
    CHECK(out.known.extra.size() == 2);
    CHECK_FALSE(writer.fill(leg, out, {}));  // all is claimed
  }
}

TEST_CASE("digest_writer: over its datagrams a leg claims each hash of its buckets once") {
  std::size_t datagrams = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    random_source draws(seed);
    exchange_fixture given;
    fill_table(given, draws.below(99));
    for (slot_index slot = 2; slot < given.peers.slots(); ++slot) {
      const peer row = given.peers[slot];
      const std::uint64_t kind = draws.below(20);
      if (kind == 0) row.set_status(peer_status::dead);  // and of long ago
      if (kind == 1) row.set_over_capacity(true);
      if (kind == 2) row.set_status(peer_status::introduced);
      if (kind != 3) continue;
      transfer part;  // another sender was asked for its entries
      part.slot = slot;
      part.wanted = 1000;
      if (given.shared.transfers.handle_part(part)) given.shared.transfers.handle_asked(slot, 1);
    }
    for (std::uint64_t left = draws.below(20); left > 0; --left) {
      unwanted_peer refused;
      const std::string name = "peer " + std::to_string(draws.below(80));
      refused.name_hash = draws.below(2) == 0 ? draws.next() : hash_of(name);
      refused.generation = 8;
      given.unwanted.add(refused);
    }
    bucket_set buckets;
    const std::uint64_t width = 3 + draws.below(7);
    for (std::uint64_t left = 1 + draws.below(12); left > 0; --left) {
      buckets.add(draws.below(std::uint64_t{1} << width), static_cast<unsigned>(width));
    }
    const std::chrono::nanoseconds now = given.settings.dead_peer_grace / 2;
    digest_writer writer(given.shared);
    const std::uint64_t first = draws.below(2) == 0 ? 0 : draws.next();
    digest_leg leg = make_bucket_leg(given, buckets, first);

    letters sent;
    for (message out; writer.fill(leg, out, now);) sent.emplace_back(out, endpoint(), endpoint());

    datagrams += sent.size();
    for (const letter& datagram : sent) {
      const message& one = datagram.content;
      CHECK(encoded_bytes(one) <= given.shared.message_bytes_max());
      CHECK(one.known.buckets == buckets);
      for (const entry_list* list : {&one.known.range, &one.known.unwanted}) {
        const std::vector<std::uint64_t> hashes = hashes_of(*list);
        CHECK(std::adjacent_find(hashes.begin(), hashes.end(), std::greater_equal<>()) ==
              hashes.end());
        for (const std::uint64_t hash : hashes) CHECK(one.known.claims(hash));
      }
    }
    // Of each hash that may be of interest: rows, refused peers, and any other in the buckets.
    std::set<std::uint64_t> asked;
    for (const packed_entry& row : given.peers.entries()) asked.insert(row.name_hash);
    for (const unwanted_peer& one : given.unwanted.all()) asked.insert(one.name_hash);
    for (int i = 0; i < 200; ++i) asked.insert(draws.next());
    for (const std::uint64_t hash : asked) {
      const auto has = [hash](const entry_list& list) {
        return std::any_of(list.begin(), list.end(),
                           [hash](const packed_entry& one) { return one.name_hash == hash; });
      };
      std::size_t claims = 0;
      const auto slot = given.peers.find(hash);
      const bool is_own_place = hash == hash_of("a") || hash == hash_of("b");
      const bool is_told = slot && given.shared.is_advertised(given.peers[*slot], now);
      const bool is_refused = given.unwanted.find(hash).has_value();
      for (const letter& datagram : sent) {
        const message& one = datagram.content;
        const bool is_in_range = has(one.known.range);
        const bool is_in_extra = has(one.known.extra);
        if (is_own_place) CHECK(int{is_in_range} + int{is_in_extra} == 1);
        if (!one.known.claims(hash)) continue;
        ++claims;
        CHECK(is_in_range == is_told);
        CHECK_FALSE(is_in_extra);
        const bool is_unwanted = is_refused || (slot && !is_told && !is_own_place);
        CHECK(has(one.known.unwanted) == is_unwanted);
      }
      // A range that begins anywhere may leave out what lies between its begin and the row before
      // it, where no row is, or claim that twice.
      if (!buckets.has_hash(hash)) CHECK(claims == 0);
      if (buckets.has_hash(hash) && (slot || first == 0)) CHECK(claims == 1);
    }
  }
  CHECK(datagrams > 330);  // some legs took several
}

TEST_CASE("digest_writer: a datagram that has room for no row claims nothing, and no buckets") {
  exchange_fixture given;
  fill_table(given, 20);
  // A row stands in one datagram with the word that another sender brings its entries. The one
  // place that suspicions left free is too little for both.
  const auto is_other = [](peer_view row) {
    return row.name_hash() != hash_of("a") && row.name_hash() != hash_of("b");
  };
  const auto rows = given.peers.by_hash();
  const peer_view first = *std::find_if(rows.begin(), rows.end(), is_other);
  transfer part;
  part.slot = first.slot();
  part.wanted = 1000;
  REQUIRE(given.shared.transfers.handle_part(part));
  given.shared.transfers.handle_asked(first.slot(), 1);
  bucket_set buckets;
  buckets.add(first.name_hash() >> 55);
  digest_writer writer(given.shared);
  digest_leg leg = make_bucket_leg(given, buckets, first.name_hash());
  leg.digest_bytes_left = 72 + 8 + (2 + 3 + 1) * 24;
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK_FALSE(out.known.has_claim());
  CHECK_FALSE(out.known.buckets.has_value());
  CHECK(out.known.range.empty());
}
