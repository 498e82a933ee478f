#include "core/model/message.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "gossipmonger/drop_reason.hpp"

using namespace gossipmonger;

TEST_CASE("message: link-local addresses take the interface that the datagram came by") {
  message received;
  received.identities.resize(2);
  received.identities[0].address = *endpoint::parse("[fe80::1]:7000");
  received.identities[1].address = *endpoint::parse("[2001:db8::1]:7000");

  set_scopes(received.identities, 3);

  CHECK(received.identities[0].address.to_string() == "[fe80::1%3]:7000");
  CHECK(received.identities[1].address.to_string() == "[2001:db8::1]:7000");
}

TEST_CASE("message: clear leaves nothing of the datagram before") {
  message used;
  used.kind = message_kind::reply;
  used.features = 1;
  used.cookie_echo = 2;
  used.cookie = 3;
  used.padded_bytes = 400;
  used.sender.generation = 5;
  used.receiver.generation = 6;
  used.receiver_instance = 7;
  used.more = true;
  used.largest_received = 7;
  used.known.lo = 8;
  used.known.hi = 9;
  used.known.buckets.emplace().add(3);
  used.known.root.emplace().parts = 5;
  used.known.range.push_back({});
  used.known.extra.push_back({});
  used.known.unwanted.push_back({});
  used.suspicions.resize(1);
  used.identities.resize(1);
  used.heartbeats.push_back({});
  used.requests.push_back({});
  used.sums.resize(8);
  used.sum_bits = 3;
  used.sum_part = 1;
  used.of_root = root_answer::leg_2 | root_answer::wants_rows;
  used.deltas.resize(1);
  used.entries.resize(1);

  used.clear();

  CHECK(used.kind == message_kind::digest);
  CHECK(used.features == 0);
  CHECK(used.cookie_echo == 0);
  CHECK(used.cookie == 0);
  CHECK(used.padded_bytes == 0);
  CHECK(used.sender == digest_entry());
  CHECK(used.receiver == digest_entry());
  CHECK(used.receiver_instance == 0);
  CHECK_FALSE(used.more);
  CHECK(used.largest_received == 0);
  CHECK(used.known.lo == 1);
  CHECK(used.known.hi == 0);
  CHECK_FALSE(used.known.buckets.has_value());
  CHECK_FALSE(used.known.root.has_value());
  CHECK(used.known.range.empty());
  CHECK(used.known.extra.empty());
  CHECK(used.known.unwanted.empty());
  CHECK(used.suspicions.empty());
  CHECK(used.identities.empty());
  CHECK(used.heartbeats.empty());
  CHECK(used.requests.empty());
  CHECK(used.sums.empty());
  CHECK(used.sum_bits == 0);
  CHECK(used.sum_part == 0);
  CHECK(used.of_root == root_answer::none);
  CHECK(used.deltas.empty());
  CHECK(used.entries.empty());
}

TEST_CASE("message: what lies behind its list in memory is not copied, and anything else is") {
  std::vector<packed_entry> rows(8);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].name_hash = i;
  const std::span<const packed_entry> all = rows;
  const auto hashes = [](const entry_list& list) {
    std::vector<std::uint64_t> found;
    for (const packed_entry& one : list) found.push_back(one.name_hash);
    return found;
  };
  using hash_list = std::vector<std::uint64_t>;
  entry_list list;

  list.borrow(all.first(0));
  CHECK(list.empty());
  list.borrow(all.subspan(1, 2));
  list.borrow(all.subspan(3, 1));
  CHECK(list.data() == &rows[1]);
  CHECK(list.size() == 3);

  SUBCASE("a gap") {
    list.borrow(all.subspan(5, 2));
    CHECK(hashes(list) == hash_list{1, 2, 3, 5, 6});
    list.borrow(all.subspan(7, 1));
    CHECK(hashes(list) == hash_list{1, 2, 3, 5, 6, 7});
  }
  SUBCASE("one of its own") {
    packed_entry ninth;
    ninth.name_hash = 9;
    list.push_back(ninth);
    CHECK(hashes(list) == hash_list{1, 2, 3, 9});
    CHECK(list.front().name_hash == 1);
    CHECK(list.back().name_hash == 9);
    CHECK(list[2].name_hash == 3);
  }
  SUBCASE("edited") {
    list.own()[0].name_hash = 7;
    CHECK(hashes(list) == hash_list{7, 2, 3});
    CHECK(rows[1].name_hash == 1);
  }
  SUBCASE("copied") {
    const entry_list copy(list);
    CHECK(copy == list);
    CHECK(copy.data() != list.data());
    entry_list assigned{rows[7]};
    assigned = list;
    CHECK(assigned == list);
    CHECK(assigned.data() != list.data());
    const entry_list& same = assigned;
    assigned = same;
    CHECK(assigned == list);
    list = assigned;
    CHECK(hashes(list) == hash_list{1, 2, 3});
  }
  SUBCASE("cleared, and filled anew") {
    list.clear();
    CHECK(list.empty());
    list.push_back(rows[4]);
    list.borrow(all.subspan(5, 1));
    CHECK(hashes(list) == hash_list{4, 5});
  }
  rows[1].name_hash = 100;
  CHECK((list.empty() || list.front().name_hash != 100));
}

TEST_CASE("message: a claim is of its interval, and there of its buckets where it names some") {
  digest known;
  CHECK_FALSE(known.has_claim());
  for (const std::uint64_t hash : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    CHECK_FALSE(known.claims(hash));
  }
  constexpr std::uint64_t bucket = std::uint64_t{1} << 55;
  known.lo = bucket + 4;
  known.hi = 5 * bucket;
  CHECK(known.has_claim());
  CHECK(known.claims(bucket + 4));
  CHECK(known.claims(5 * bucket));
  CHECK_FALSE(known.claims(bucket + 3));
  CHECK_FALSE(known.claims(5 * bucket + 1));

  known.buckets.emplace().add(1);
  known.buckets->add(3);
  CHECK(known.claims(bucket + 4));
  CHECK_FALSE(known.claims(bucket + 3));  // in the bucket, before the interval
  CHECK_FALSE(known.claims(2 * bucket));
  CHECK(known.claims(4 * bucket - 1));
  CHECK_FALSE(known.claims(5 * bucket));
}

TEST_CASE("message: the flags of an answer to a root are told apart, and a leg goes on alone") {
  using enum root_answer;
  const root_answer all = leg_2 | is_stale | wants_rows | leg_3;
  for (const root_answer one : {leg_2, is_stale, wants_rows, leg_3}) {
    CHECK(has(one, one));
    CHECK(has(all, one));
    CHECK_FALSE(has(none, one));
  }
  CHECK_FALSE(has(leg_2 | wants_rows, is_stale));
  CHECK_FALSE(has(is_stale, leg_3));
  CHECK(which_leg(all) == (leg_2 | leg_3));
  CHECK(which_leg(leg_2 | is_stale | wants_rows) == leg_2);
  CHECK(which_leg(is_stale) == none);
}

TEST_CASE("message: each reason to drop has a name of its own, and no other number has one") {
  std::set<std::string> names;
  for (std::size_t i = 0; i < drop_reason_count; ++i) {
    names.insert(std::string(to_string(static_cast<drop_reason>(i))));
  }

  CHECK(names.size() == drop_reason_count);
  CHECK_FALSE(names.contains("unknown"));
  CHECK(to_string(static_cast<drop_reason>(drop_reason_count)) == "unknown");
  CHECK(to_string(drop_reason::storage) == "storage");
}

TEST_CASE("message: an entry is packed without loss, whichever of its fields is at its limit") {
  digest_entry full;
  full.name_hash = ~std::uint64_t{0};
  full.generation = generation_max;
  full.max_version = version_max;
  full.heartbeat = heartbeat_max;
  full.has_left = true;
  digest_entry mixed;
  mixed.name_hash = 0x0123456789abcdef;
  mixed.generation = generation_max / 3;
  mixed.max_version = version_max / 5;
  mixed.heartbeat = heartbeat_max / 7;

  for (int fields = 0; fields < 32; ++fields) {
    const auto pick = [fields](int bit, auto from_full, auto from_mixed) {
      return (fields >> bit & 1) != 0 ? from_full : from_mixed;
    };
    digest_entry entry;
    entry.name_hash = pick(0, full.name_hash, mixed.name_hash);
    entry.generation = pick(1, full.generation, mixed.generation);
    entry.max_version = pick(2, full.max_version, mixed.max_version);
    entry.heartbeat = pick(3, full.heartbeat, mixed.heartbeat);
    entry.has_left = pick(4, full.has_left, mixed.has_left);

    const packed_entry packed(entry);

    const digest_entry back = packed;
    CHECK(back == entry);
    CHECK(packed.generation() == entry.generation);
    CHECK(packed.max_version() == entry.max_version);
    CHECK(packed.heartbeat() == entry.heartbeat);
    CHECK(packed.has_left() == entry.has_left);
  }
}

TEST_CASE(
    "message: entries are equal but for the heartbeat if nothing but its low 20 bits differs") {
  packed_entry one;
  one.name_hash = 0x0123'4567'89ab'cdef;
  one.set_generation(generation_max / 3);
  one.set_max_version(version_max / 5);
  one.set_heartbeat((std::uint64_t{7} << 20) + 512);
  CHECK(one.is_equal_but_for_heartbeat(one));
  CHECK(one.heartbeat_lead(one) == 0);
  for (int bit = 0; bit < 64; ++bit) {
    CAPTURE(bit);
    const std::uint64_t flipped = std::uint64_t{1} << bit;
    packed_entry other = one;
    other.name_hash ^= flipped;
    CHECK_FALSE(one.is_equal_but_for_heartbeat(other));
    other = one;
    other.version_and_heartbeat ^= flipped;
    CHECK_FALSE(one.is_equal_but_for_heartbeat(other));
    other = one;
    other.generation_and_heartbeat ^= flipped;
    CHECK(one.is_equal_but_for_heartbeat(other) == (bit >= 44));
    if (bit < 44) continue;
    const bool is_lower = other.heartbeat() < one.heartbeat();
    CHECK((other.heartbeat_lead(one) >> 31U) == (is_lower ? 1U : 0U));
    CHECK((one.heartbeat_lead(other) >> 31U) == (is_lower ? 0U : 1U));
  }
}
