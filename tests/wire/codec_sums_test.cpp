// The rules on what tells sums: roots, buckets and the sums of replies, each beside a twin that
// keeps it. Words are counted as golden_test.cpp numbers them; every checksum fits.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <doctest/doctest.h>

#include "core/model/row_sum.hpp"
#include "datagram.hpp"
#include "sample_message.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint64_t one = 1;
constexpr std::uint64_t no_receiver = one * 65535 << 16;  // in word 3
constexpr std::uint64_t sums_flag = one << 46;  // bit 6 of the count of suspicions, in word 4

struct change {
  std::size_t index;
  std::uint64_t word;
};

std::string_view outcome_of(const message& m, std::initializer_list<change> changes) {
  datagram wire(m);
  for (const change& each : changes) wire.word(each.index) = each.word;
  return wire.outcome();
}

/// The sample with a claim of bucket 0 alone, in which all its hashes are. Words 16 to 24.
void fill_bucket_digest(message& m) {
  fill_sample_digest(m);
  m.known.buckets.emplace().add(0);
}

std::string_view buckets_with(std::initializer_list<change> changes) {
  message m;
  fill_bucket_digest(m);
  return outcome_of(m, changes);
}

/// Two extra entries from word 7 on, and the root in words 13 to 15.
void fill_root_digest(message& m) {
  m.clear();
  m.known.extra = {make_entry(0x20, 5, 6, 7), make_entry(0x40, 8, 9, 10)};
  m.sender = m.known.extra[0];
  m.known.root.emplace().parts = 0x0123456789abcdef;
  m.known.root->nodes = 17;
}

/// The first part of 2^bits sums, behind so many requests, which begin at word 13. Word 9 is the
/// news.
void fill_sums_reply(message& m, unsigned bits, std::size_t requests = 1) {
  m.clear();
  m.kind = message_kind::reply;
  m.sender = make_entry(1, 1, 1, 1);
  m.of_root = root_answer::leg_2;
  for (std::uint64_t hash = 1; hash <= requests; ++hash) {
    m.requests.push_back(make_entry(hash, 1, 0, 0));
  }
  m.sum_bits = static_cast<std::uint8_t>(bits);
  for (std::uint64_t sum = 0; sum < sums_in_part(bits); ++sum)
    m.sums.push_back(sum << 38 | (sum + 1));
}

std::uint64_t news_of(std::uint64_t of_root, std::uint64_t sum_bits, std::uint64_t sum_part = 0) {
  return of_root << 40 | sum_bits << 48 | sum_part << 56;
}

// --------------------------------------------------------------------------------------- root

TEST_CASE("codec: a root travels in the place of the last entry, behind the suspicions") {
  message m;
  fill_root_digest(m);
  m.suspicions.emplace_back().generation = 3;
  datagram wire(m);
  CHECK(wire.bytes().size() == 24 + 48 + 8 + 4 * 24);
  CHECK(wire.bytes().size() == encoded_bytes(m));
  CHECK(wire.word(4) == (sums_flag | one << 40));
  CHECK(wire.word(15) == 3);  // the suspicion's generation
  CHECK(wire.word(16) == 0x0123456789abcdef);
  CHECK(wire.word(17) == 17);
  CHECK(wire.word(18) == 0);
  message out;
  REQUIRE(wire.decode(out).has_value());
  CHECK(is_same(out, m));
}

TEST_CASE("codec: a root is any number of any number of nodes") {
  message m;
  fill_root_digest(m);
  for (const std::uint64_t word : {std::uint64_t{0}, one, ~std::uint64_t{0}}) {
    datagram wire(m);
    wire.word(13) = word;
    wire.word(14) = word;  // the upper half is no one's
    wire.word(15) = word;
    wire.fix_checksum();
    message out;
    REQUIRE(wire.decode(out).has_value());
    REQUIRE(out.known.root.has_value());
    CHECK(out.known.root->parts == word);
    CHECK(out.known.root->nodes == static_cast<std::uint32_t>(word));
    CHECK_FALSE(out.known.buckets.has_value());
  }
}

TEST_CASE("codec: a root is an element that no other count counts") {
  message m;
  fill_root_digest(m);
  const std::uint64_t counts = datagram(m).word(3);
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{3, counts + (one << 32)}}) == "field");  // the root as an entry, too
  CHECK(outcome_of(m, {{3, counts + (one << 48)}}) == "field");  // and as an interval
  CHECK(outcome_of(m, {{4, sums_flag | one << 32}}) == "field");
  CHECK(outcome_of(m, {{4, sums_flag | one << 40}}) == "field");
  // Without its flag it is an entry that nothing claims.
  CHECK(outcome_of(m, {{4, 0}}) == "field");

  message bare;
  bare.known.extra = {make_entry(0x20, 5, 6, 7)};
  bare.sender = bare.known.extra[0];
  CHECK(outcome_of(bare, {}) == "ok");
  CHECK(outcome_of(bare, {{4, sums_flag}}) == "field");  // no element is left for the sender
}

TEST_CASE("codec: a root under a claim is no root: what stands there is read as buckets") {
  message m;
  fill_root_digest(m);
  CHECK(outcome_of(m, {{1, 0}}) == "field");  // [0, 0]: fewer than three elements are left
  m.known.extra.push_back(make_entry(0x60, 1, 1, 1));
  CHECK(outcome_of(m, {{1, 0}}) == "field");

  datagram wire(m);
  wire.word(1) = 0;
  wire.word(3) = no_receiver | one << 32;  // the other two and the root are one set
  wire.fix_checksum();
  message out;
  REQUIRE(wire.decode(out).has_value());
  CHECK_FALSE(out.known.root.has_value());
  REQUIRE(out.known.buckets.has_value());
  CHECK(out.known.buckets->as_words()[0] == 0x40);
  CHECK(out.known.buckets->as_words()[6] == 0x0123456789abcdef);
  CHECK(out.known.buckets->as_words()[7] == 17);
}

// ------------------------------------------------------------------------------------- buckets

TEST_CASE("codec: buckets travel in the place of three entries, and word 8 says nothing") {
  message m;
  fill_bucket_digest(m);
  m.known.buckets->add(65);
  m.known.buckets->add(511);
  datagram wire(m);
  CHECK(wire.bytes().size() == 24 + 48 + 8 + 6 * 24);
  CHECK(wire.bytes().size() == encoded_bytes(m));
  CHECK(wire.word(4) == 0x7237'c000'dead'beef);
  CHECK(wire.word(16) == 1);
  CHECK(wire.word(17) == 2);
  CHECK(wire.word(23) == one << 63);
  CHECK(wire.word(24) == 0);

  wire.word(24) = ~std::uint64_t{0};
  wire.fix_checksum();
  message out;
  REQUIRE(wire.decode(out).has_value());
  CHECK(is_same(out, m));
}

TEST_CASE("codec: a claim is of one bucket at least") {
  CHECK(buckets_with({}) == "ok");
  CHECK(buckets_with({{16, 0}}) == "field");
  CHECK(buckets_with({{16, 0}, {24, 1}}) == "field");

  // Also where nothing stands in the claim that could be outside.
  message m;
  m.known.extra = {make_entry(0x20, 5, 6, 7)};
  m.sender = m.known.extra[0];
  m.known.lo = 0;
  m.known.hi = ~std::uint64_t{0};
  m.known.buckets.emplace().add(511);  // words 10 to 18
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{17, 0}}) == "field");
  CHECK(outcome_of(m, {{17, 0}, {10, 1}}) == "ok");
}

TEST_CASE("codec: range and unwanted are within the buckets, and extra entries need not be") {
  CHECK(buckets_with({{16, 3}}) == "ok");
  CHECK(buckets_with({{16, 2}}) == "field");
  CHECK(buckets_with({{16, 0}, {23, one << 63}}) == "field");
  constexpr std::uint64_t bucket_1 = one << 55;
  constexpr std::uint64_t hi = 2;
  const std::uint64_t all = ~std::uint64_t{0};
  // The range.
  CHECK(buckets_with({{hi, all}, {7, bucket_1 - 1}}) == "ok");
  CHECK(buckets_with({{hi, all}, {7, bucket_1}}) == "field");
  CHECK(buckets_with({{hi, all}, {7, bucket_1}, {16, 3}}) == "ok");
  CHECK(buckets_with({{hi, all}, {7, all}}) == "field");
  // Unwanted.
  CHECK(buckets_with({{hi, all}, {13, bucket_1 - 1}}) == "ok");
  CHECK(buckets_with({{hi, all}, {13, bucket_1}}) == "field");
  CHECK(buckets_with({{hi, all}, {13, bucket_1}, {16, 3}}) == "ok");
  // Extra.
  CHECK(buckets_with({{10, all}}) == "ok");
  // And the interval counts as ever.
  CHECK(buckets_with({{7, 0x0f}}) == "field");
  CHECK(buckets_with({{13, 0x31}}) == "field");
}

TEST_CASE("codec: buckets are elements that no other count counts") {
  message m;
  fill_sample_digest(m);
  const std::uint64_t word_4 = datagram(m).word(4);
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{4, word_4 | sums_flag}}) == "field");  // three elements, and two are others
  CHECK(outcome_of(m, {{4, word_4 | sums_flag}, {3, no_receiver}}) == "field");  // nor a sender

  fill_bucket_digest(m);
  const std::uint64_t counts = datagram(m).word(3);
  CHECK(outcome_of(m, {{3, counts + (one << 48)}}) == "field");  // the range's entry is 0x20 < 0x40
  CHECK(outcome_of(m, {{3, counts + 2 * (one << 48)}}) == "field");
  CHECK(outcome_of(m, {{4, 0x7237'c000'dead'beef + (one << 32)}}) == "field");
  // Without the flag they are entries of hash 1 and so on, which have no generation.
  CHECK(outcome_of(m, {{4, 0x7237'8000'dead'beef}}) == "field");
}

TEST_CASE("codec: buckets without a claim are no buckets") {
  message m;
  m.known.extra = {make_entry(0x20, 5, 6, 7)};
  m.sender = m.known.extra[0];
  m.known.lo = 0;
  m.known.hi = 0xff;
  m.known.buckets.emplace().add(0);
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{1, 1}, {2, 0}}) == "field");  // two of the three elements are a range
  CHECK(buckets_with({{1, 1}, {2, 0}}) == "field");
  CHECK(outcome_of(m, {{1, 0x100}}) == "field");  // lo above hi, as ever
}

// ---------------------------------------------------------------------------------------- sums

TEST_CASE("codec: sums travel behind all other entries of the news, six bytes each") {
  message m;
  fill_sums_reply(m, 3);
  m.suspicions.emplace_back().generation = 3;
  datagram wire(m);
  CHECK(wire.bytes().size() == 96 + 24 + 8 + (2 + 8 / 4) * 24);
  CHECK(wire.bytes().size() == encoded_bytes(m));
  CHECK(wire.word(9) == (news_of(1, 3) | one << 24));
  CHECK(wire.word(18) == 3);                      // the suspicion's generation
  CHECK(wire.word(19) == 0x0002'0000'0000'0001);  // 1, and two bytes of 0x4000000002
  CHECK(wire.word(20) == 0x0000'0003'0040'0000);  // four bytes of it, and four of 0x8000000003
  message out;
  REQUIRE(wire.decode(out).has_value());
  CHECK(is_same(out, m));
}

TEST_CASE("codec: each part of the sums of 8 to 512 buckets comes back, in the model's size") {
  for (unsigned bits = sum_bits_min; bits <= sum_bits_max; ++bits) {
    for (unsigned part = 0; part < sum_parts(bits); ++part) {
      CAPTURE(bits);
      CAPTURE(part);
      message m;
      fill_sums_reply(m, bits);
      m.sums.back() = (one << 48) - 1;
      m.sum_part = static_cast<std::uint8_t>(part);
      datagram wire(m);
      const std::size_t sums = bits < 7 ? std::size_t{1} << bits : 128;
      CHECK(wire.bytes().size() == 96 + 24 + 8 + 24 + 6 * sums);
      CHECK(wire.word(9) == news_of(1, bits, part));
      message out;
      REQUIRE(wire.decode(out).has_value());
      CHECK(is_same(out, m));
    }
  }
}

TEST_CASE("codec: a part is one of those that there are") {
  message m;
  for (const unsigned bits : {3U, 7U}) {  // one part
    fill_sums_reply(m, bits);
    CHECK(outcome_of(m, {{9, news_of(1, bits, 0)}}) == "ok");
    CHECK(outcome_of(m, {{9, news_of(1, bits, 1)}}) == "field");
    CHECK(outcome_of(m, {{9, news_of(1, bits, 255)}}) == "field");
  }
  fill_sums_reply(m, 8);
  CHECK(outcome_of(m, {{9, news_of(1, 8, 1)}}) == "ok");
  CHECK(outcome_of(m, {{9, news_of(1, 8, 2)}}) == "field");
  fill_sums_reply(m, 9);
  CHECK(outcome_of(m, {{9, news_of(1, 9, 3)}}) == "ok");
  CHECK(outcome_of(m, {{9, news_of(1, 9, 4)}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 9, 255)}}) == "field");
  // There is no part of no sums, be there a root or not.
  m.sums.clear();
  m.sum_bits = 0;
  CHECK(outcome_of(m, {{9, news_of(1, 0, 0)}}) == "ok");
  CHECK(outcome_of(m, {{9, news_of(1, 0, 1)}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(0, 0, 1)}}) == "field");
}

TEST_CASE("codec: there are no sums of other than 8 to 512 buckets") {
  message m;
  fill_sums_reply(m, 9, 400);  // elements enough for more sums than there may be
  CHECK(outcome_of(m, {}) == "ok");
  for (const std::uint64_t bits : {1U, 2U, 10U, 11U, 64U, 255U}) {
    CAPTURE(bits);
    CHECK(outcome_of(m, {{9, news_of(1, bits)}}) == "field");
  }
}

TEST_CASE("codec: the sums' elements are there, and no other count counts them") {
  message m;
  fill_sums_reply(m, 3, 2);  // four elements: as many as 16 sums take
  const std::uint64_t heartbeat = 1;
  const std::uint64_t partial = one << 16;
  const std::uint64_t suspicion = one << 24;
  CHECK(outcome_of(m, {{9, news_of(1, 3)}}) == "ok");
  CHECK(outcome_of(m, {{9, news_of(1, 4)}}) == "ok");
  CHECK(outcome_of(m, {{9, news_of(1, 5)}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 9)}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 3) | 2 * heartbeat}}) == "ok");
  CHECK(outcome_of(m, {{9, news_of(1, 3) | 3 * heartbeat}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 4) | heartbeat}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 4) | partial}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 4) | suspicion}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 3) | 255 * partial}}) == "field");
  CHECK(outcome_of(m, {{9, news_of(1, 3) | 255 * suspicion}}) == "field");
}

TEST_CASE("codec: sums are an answer to a root, with whatever flags") {
  message m;
  fill_sums_reply(m, 3);
  CHECK(outcome_of(m, {{9, news_of(0, 3)}}) == "field");
  for (const std::uint64_t of_root : {1U, 2U, 5U, 8U, 0x80U, 0xffU}) {  // bits of a later schema
    CAPTURE(of_root);
    datagram wire(m);
    wire.word(9) = news_of(of_root, 3);
    wire.fix_checksum();
    message out;
    REQUIRE(wire.decode(out).has_value());
    CHECK(static_cast<unsigned>(out.of_root) == of_root);
    CHECK(out.sums == m.sums);
  }
}

TEST_CASE("codec: an answer to a root is any number, and alone makes the news") {
  message m;
  m.kind = message_kind::reply;
  m.sender = make_entry(1, 1, 1, 1);
  m.of_root = root_answer::leg_3 | root_answer::is_stale;
  datagram wire(m);
  CHECK(wire.bytes().size() == 96 + 24);
  CHECK(wire.bytes().size() == encoded_bytes(m));
  CHECK(wire.word(9) == news_of(10, 0));

  for (const std::uint64_t of_root : {0U, 1U, 15U, 0xf0U, 0xffU}) {
    wire.word(9) = news_of(of_root, 0);
    wire.fix_checksum();
    message out;
    REQUIRE(wire.decode(out).has_value());
    CHECK(static_cast<unsigned>(out.of_root) == of_root);
    CHECK(out.sums.empty());
  }
}

// Elements of four words, the last of which is a later schema's: pointer and tag say so.
TEST_CASE("codec: sums are read from the first three words of longer elements") {
  message m;
  fill_sums_reply(m, 3);  // three elements behind the tag in word 12
  datagram narrow(m);
  datagram wide(narrow.bytes().size() + 3 * 8);
  std::copy(narrow.bytes().begin(), narrow.bytes().end(), wide.bytes().begin());
  for (std::size_t element = 0; element < 3; ++element) {
    for (std::size_t word = 0; word < 3; ++word) {
      wide.word(13 + 4 * element + word) = narrow.word(13 + 3 * element + word);
    }
    wide.word(13 + 4 * element + 3) = ~std::uint64_t{0};
  }
  wide.word(10) += std::uint64_t{3 * 8} << 32;  // three words more
  wide.word(12) += one << 32;
  wide.fix_checksum();
  message out;
  REQUIRE(wide.decode(out).has_value());
  CHECK(is_same(out, m));
}

TEST_CASE("codec: buckets are read from the first three words of longer elements") {
  message m;
  fill_bucket_digest(m);
  for (const std::size_t bucket : {130U, 200U, 511U}) m.known.buckets->add(bucket);
  datagram narrow(m);
  datagram wide(narrow.bytes().size() + 6 * 8);
  std::copy(narrow.bytes().begin(), narrow.bytes().end(), wide.bytes().begin());
  for (std::size_t element = 0; element < 6; ++element) {
    for (std::size_t word = 0; word < 3; ++word) {
      wide.word(7 + 4 * element + word) = narrow.word(7 + 3 * element + word);
    }
    wide.word(7 + 4 * element + 3) = ~std::uint64_t{0};
  }
  wide.word(5) += std::uint64_t{6 * 8} << 32;
  wide.word(6) += one << 32;
  wide.fix_checksum();
  message out;
  REQUIRE(wide.decode(out).has_value());
  CHECK(is_same(out, m));
}

}  // namespace
}  // namespace gossipmonger
