// Roots, buckets and sums: fields outside their ranges, and well-formed lies to a node that tells
// sums itself. Words are counted as tests/wire/golden_test.cpp numbers them.
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <vector>

#include "../wire/sample_message.hpp"
#include "catalogue.hpp"
#include "core/model/row_sum.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

namespace {

using enum drop_reason;
using enum outcome;

constexpr std::uint64_t one = 1;
constexpr std::uint64_t hash_max = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t sums_flag = one << 46;  // in word 4 of a digest
constexpr std::uint64_t sum_max = (one << 48) - 1;

struct change {
  std::size_t index;
  std::uint64_t word;
};

void send_with(arena& to, const message& m, std::initializer_list<change> changes) {
  datagram wire = to.encoded(m);
  for (const change& each : changes) wire.word(each.index) = each.word;
  to.send(std::move(wire));
}

/// A claim of one bucket, in which two range entries and one unwanted one are. The entries of the
/// enemy and of the node stand outside. The buckets are words 22 to 30.
void begin_buckets(const arena& to, message& m) {
  to.begin(m, message_kind::digest);
  m.features = feature_sums;
  m.known.extra = {m.receiver, m.sender};
  m.known.lo = 0;
  m.known.hi = hash_max;
  m.known.range = {make_entry(0x10, 1, 1, 1), make_entry(0x20, 1, 1, 1)};
  m.known.unwanted = {make_entry(0x30, 1, 1, 1)};
  m.known.buckets.emplace().add(0);
}

/// Entries of the enemy and of the node, and the root in words 13 to 15.
void begin_root(const arena& to, message& m, std::uint64_t parts, std::uint32_t nodes) {
  to.begin(m, message_kind::digest);
  m.features = feature_sums;
  m.known.extra = {m.receiver, m.sender};
  m.known.root.emplace().parts = parts;
  m.known.root->nodes = nodes;
}

/// The first part of 2^bits sums; of 0 bits there are none.
void begin_reply(const arena& to, message& m, root_answer answer, unsigned bits) {
  to.begin(m, message_kind::reply);
  m.features = feature_sums;
  m.of_root = answer;
  if (bits == 0) return;
  m.sum_bits = static_cast<std::uint8_t>(bits);
  m.sums.assign(sums_in_part(bits), sum_max);
}

void send_empty_buckets(arena& to) {
  message m;
  begin_buckets(to, m);
  m.known.range.clear();
  m.known.unwanted.clear();
  send_with(to, m, {{13, 0}});
  send_with(to, m, {{13, 0}, {21, hash_max}});  // word 8 names none
}

void send_outside_buckets(arena& to) {
  message m;
  begin_buckets(to, m);
  send_with(to, m, {{10, one << 55}, {19, one << 55}});  // a range entry, in order
  send_with(to, m, {{19, one << 55}});                   // the unwanted one
  send_with(to, m, {{22, 2}});                           // all of them
}

void send_no_buckets(arena& to) {
  message m;
  to.begin(m, message_kind::digest);
  m.known.extra = {m.receiver, m.sender};
  m.known.lo = 0;
  send_with(to, m, {{2, hash_max}, {4, sums_flag}});  // two entries of three
  begin_root(to, m, 1, 4);
  send_with(to, m, {{1, 0}, {2, hash_max}});  // a root in the place of buckets
  begin_buckets(to, m);
  send_with(to, m, {{1, 1}, {2, 0}});  // buckets in the place of a root
}

void send_no_root(arena& to) {
  message m;
  to.begin(m, message_kind::digest);
  m.known.extra = {m.receiver};
  m.sender = m.receiver;
  m.sender.name_hash ^= 1;
  m.known.extra = {m.sender};
  m.receiver = digest_entry();
  send_with(to, m, {{4, sums_flag}});  // the sender's place is the root's
}

std::uint64_t news_of(std::uint64_t of_root, std::uint64_t sum_bits, std::uint64_t sum_part = 0) {
  return of_root << 40 | sum_bits << 48 | sum_part << 56;
}

void send_odd_sums(arena& to) {
  message m;
  begin_reply(to, m, root_answer::leg_2, 9);
  for (std::uint64_t hash = 1; hash <= 200; ++hash) m.requests.push_back(make_entry(hash, 0, 0, 0));
  for (const std::uint64_t bits : {1U, 2U, 10U, 63U, 64U, 255U}) {
    send_with(to, m, {{9, news_of(1, bits)}});
  }
}

void send_sums_beyond(arena& to) {
  message m;
  begin_reply(to, m, root_answer::leg_2, 3);
  for (const std::uint64_t bits : {4U, 9U}) send_with(to, m, {{9, news_of(1, bits)}});
  send_with(to, m, {{9, news_of(1, 3) | 1}});          // a heartbeat
  send_with(to, m, {{9, news_of(1, 3) | one << 16}});  // a partial
  send_with(to, m, {{9, news_of(1, 3) | one << 24}});  // a suspicion
}

// ------------------------------------------------------------------------------------------ lies

void send_root(arena& to, std::uint32_t nodes) {
  random_source numbers(nodes);
  message m;
  begin_root(to, m, numbers.next(), nodes);
  to.send(m);
}

void send_root_unverified(arena& to) {
  message m;
  m.kind = message_kind::digest;
  m.features = feature_sums;
  m.sender = make_entry(42, 1, 0, 0);
  m.known.extra.push_back(m.sender);
  m.known.root.emplace().nodes = 4;
  m.cookie_echo = 1;
  to.send_from(to.outsider, to.encoded(m));
}

/// Rows of nodes that nobody knows, some of them several times, beside the root.
void send_root_of_strangers(arena& to) {
  message m;
  begin_root(to, m, 0, 4);
  for (std::uint64_t hash = 1; m.known.extra.size() < digest::extra_max; ++hash) {
    m.known.extra.push_back(make_entry(hash % 7, hash, version_max, heartbeat_max));
  }
  to.send(m);
}

/// It claims one bucket, and to know nobody there: the bucket of a neighbour, or of nobody.
void claim_bucket(arena& to, std::uint64_t hash) {
  message m;
  to.begin(m, message_kind::digest);
  m.features = feature_sums;
  m.known.extra = {m.receiver, m.sender};
  m.known.lo = 0;
  m.known.hi = hash_max;
  m.known.buckets.emplace().add(bucket_of(hash, bucket_set::bits));
  m.padded_bytes = 400;
  to.send(m);
}

void claim_empty_bucket(arena& to) {
  std::uint64_t hash = 0;
  const auto is_near = [&](const char* name) {
    return bucket_of(to.entry_of(name).name_hash ^ hash, bucket_set::bits) == 0;
  };
  while (is_near("n0") || is_near("n1") || is_near("n2") || is_near("enemy")) hash += one << 55;
  claim_bucket(to, hash);
}

void send_sums(arena& to, root_answer answer, unsigned bits) {
  random_source numbers(bits);
  message m;
  begin_reply(to, m, answer, bits);
  for (unsigned part = 0; part < sum_parts(bits); ++part) {
    m.sum_part = static_cast<std::uint8_t>(part);
    for (std::uint64_t& sum : m.sums) sum = numbers.next() & sum_max;
    to.send(m);
  }
}

void send_flags(arena& to, root_answer answer, int times) {
  message m;
  begin_reply(to, m, answer, 0);
  for (int i = 0; i < times; ++i) to.send(m);
}

/// Bits that the schema does not name, beside none that it does.
void send_later_flags(arena& to) {
  for (const unsigned bits : {0x10U, 0x80U, 0xf0U}) {
    send_flags(to, static_cast<root_answer>(bits), 1);
    send_sums(to, static_cast<root_answer>(bits), 9);
  }
}

bad_input of_sums(bad_input row) {
  row.common = &arena::with_sums;
  return row;
}

}  // namespace

std::vector<bad_input> sum_field_rows() {
  return {
      {"buckets of none", {field}, dropped, send_empty_buckets},
      {"entries of a claim outside its buckets", {field}, dropped, send_outside_buckets},
      {"a claim without elements for its buckets, or of a root", {field}, dropped, send_no_buckets},
      {"a root in the place of its sender", {field}, dropped, send_no_root},
      {"sums of 2, 4, 1,024 and more buckets", {field}, dropped, send_odd_sums},
      {"more sums than elements", {field}, dropped, send_sums_beyond},
      {"a part of the sums that there is not, and of no sums",
       {field},
       dropped,
       [](arena& to) {
         message m;
         begin_reply(to, m, root_answer::leg_2, 9);
         send_with(to, m, {{9, news_of(1, 9, 4)}});
         send_with(to, m, {{9, news_of(1, 9, 255)}});
         send_with(to, m, {{9, news_of(1, 7, 1)}});
         send_with(to, m, {{9, news_of(0, 0, 1)}});
       }},
      {"sums that answer no root",
       {field},
       dropped,
       [](arena& to) {
         message m;
         begin_reply(to, m, root_answer::leg_2, 9);
         send_with(to, m, {{9, news_of(0, 9)}});
       }},
  };
}

std::vector<bad_input> sum_meaning_rows() {
  using enum root_answer;
  std::vector<bad_input> rows = {
      {"a root of no rows that there are", {}, answered, [](arena& to) { send_root(to, 4); }},
      {"a root of 2^32 - 1 nodes",
       {},
       answered,
       [](arena& to) { send_root(to, std::numeric_limits<std::uint32_t>::max()); }},
      {"a root of no nodes at all", {}, answered, [](arena& to) { send_root(to, 0); }},
      {"a root, unverified", {}, answered, send_root_unverified},
      {"a root beside 62 rows of nobody", {}, answered, send_root_of_strangers},
      {"a claim of a neighbour's bucket, and of nobody there",
       {},
       answered,
       [](arena& to) { claim_bucket(to, to.entry_of("n1").name_hash); }},
      {"a claim of a bucket in which nobody is", {}, answered, claim_empty_bucket},
      {"eight sums of nothing", {}, answered, [](arena& to) { send_sums(to, leg_2, 3); }},
      {"512 sums of nothing, in four parts",
       {},
       answered,
       [](arena& to) { send_sums(to, leg_2, 9); }},
      {"512 sums behind the last leg", {}, ignored, [](arena& to) { send_sums(to, leg_3, 9); }},
      {"last legs of no exchange", {}, ignored, [](arena& to) { send_flags(to, leg_3, 100); }},
      {"answers to no root, which ask for nothing",
       {},
       ignored,
       [](arena& to) { send_flags(to, leg_2, 100); }},
      {"demands for all rows, 100 times in a round",
       {},
       answered,
       [](arena& to) { send_flags(to, leg_2 | wants_rows, 100); }},
      {"demands for a last leg, 100 times in a round",
       {},
       answered,
       [](arena& to) { send_flags(to, leg_2 | is_stale, 100); }},
      {"answers to roots with bits of a later version", {}, ignored, send_later_flags},
  };
  for (bad_input& row : rows) row = of_sums(std::move(row));
  return rows;
}

}  // namespace gossipmonger
