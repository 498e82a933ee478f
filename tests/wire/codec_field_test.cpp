// Each rule on a field, beside a twin that keeps it. Words are counted as golden_test.cpp numbers
// them; every checksum fits.

#include <array>
#include <string>

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "sample_message.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint64_t one = 1;

struct change {
  std::size_t index;
  std::uint64_t word;
};

std::string_view outcome_of(const message& m, std::initializer_list<change> changes) {
  datagram wire(m);
  for (const change& each : changes) wire.word(each.index) = each.word;
  return wire.outcome();
}

std::string_view digest_with(std::initializer_list<change> changes) {
  message m;
  fill_sample_digest(m);
  return outcome_of(m, changes);
}

std::string_view reply_with(std::initializer_list<change> changes) {
  message m;
  fill_sample_reply(m);
  return outcome_of(m, changes);
}

std::string_view deltas_with(std::initializer_list<change> changes) {
  message m;
  fill_sample_deltas(m);
  return outcome_of(m, changes);
}

/// A word from its bytes in the order in which they stand in the datagram.
std::uint64_t word_of(std::array<std::uint8_t, 8> bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 8; ++i) word |= std::uint64_t{bytes[i]} << (8 * i);
  return word;
}

std::uint64_t counts(std::uint64_t sender, std::uint64_t receiver, std::uint64_t extra,
                     std::uint64_t unwanted) {
  return sender | receiver << 16 | extra << 32 | unwanted << 48;
}

// ------------------------------------------------------------------------------------- digest

TEST_CASE("codec: a digest's sender and receiver stand in its range or extra") {
  CHECK(digest_with({{3, counts(0, 1, 1, 1)}}) == "ok");
  CHECK(digest_with({{3, counts(1, 0, 1, 1)}}) == "ok");
  CHECK(digest_with({{3, counts(1, 65535, 1, 1)}}) == "ok");
  CHECK(digest_with({{3, counts(2, 1, 1, 1)}}) == "field");  // an unwanted one
  CHECK(digest_with({{3, counts(3, 1, 1, 1)}}) == "field");
  CHECK(digest_with({{3, counts(65535, 1, 1, 1)}}) == "field");
  CHECK(digest_with({{3, counts(0, 2, 1, 1)}}) == "field");
  CHECK(digest_with({{3, counts(0, 65534, 1, 1)}}) == "field");
}

TEST_CASE("codec: a digest without a known receiver says nothing of it") {
  message m;
  fill_sample_digest(m);
  datagram wire(m);
  wire.word(3) = counts(0, 65535, 1, 1);
  wire.fix_checksum();

  message out;
  REQUIRE(wire.decode(out).has_value());

  CHECK(out.receiver == digest_entry());
  CHECK(out.sender == m.sender);
}

TEST_CASE("codec: a digest's counts stay within its entries") {
  CHECK(digest_with({{3, counts(0, 1, 2, 0)}}) == "ok");  // the last one, too, makes no claim
  CHECK(digest_with({{3, counts(0, 1, 3, 0)}}) == "ok");
  CHECK(digest_with({{3, counts(0, 1, 3, 1)}}) == "field");
  CHECK(digest_with({{3, counts(0, 1, 4, 0)}}) == "field");
  CHECK(digest_with({{3, counts(0, 1, 1, 65535)}}) == "field");
  CHECK(digest_with({{3, counts(0, 1, 65535, 1)}}) == "field");
}

TEST_CASE("codec: at most 64 extra entries") {
  message m;
  for (std::uint64_t i = 0; i < 64; ++i) m.known.extra.push_back(make_entry(i, 1, 1, 1));
  m.sender = m.known.extra[0];
  CHECK(outcome_of(m, {}) == "ok");

  m.known.lo = 0;
  m.known.hi = 100;
  m.known.range.push_back(m.known.extra[0]);
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{3, counts(0, 65535, 65, 0)}}) == "field");
}

TEST_CASE("codec: the hashes of range and unwanted ascend strictly within [lo, hi]") {
  message m;
  m.known.lo = 0x10;
  m.known.hi = 0x30;
  for (const unsigned hash : {0x10U, 0x20U, 0x30U}) {
    m.known.range.push_back(make_entry(hash, 1, 1, 1));  // words 7, 10, 13
  }
  m.sender = m.known.range[0];
  for (const unsigned hash : {0x10U, 0x30U}) {
    m.known.unwanted.push_back(make_entry(hash, 1, 1, 1));  // words 16, 19
  }
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{10, 0x11}}) == "ok");
  CHECK(outcome_of(m, {{10, 0x10}}) == "field");
  CHECK(outcome_of(m, {{10, 0x30}}) == "field");
  CHECK(outcome_of(m, {{7, 0x0f}}) == "field");
  CHECK(outcome_of(m, {{13, 0x31}}) == "field");
  CHECK(outcome_of(m, {{16, 0x11}}) == "ok");
  CHECK(outcome_of(m, {{16, 0x0f}}) == "field");
  CHECK(outcome_of(m, {{16, 0x30}}) == "field");
  CHECK(outcome_of(m, {{19, 0x31}}) == "field");
  CHECK(outcome_of(m, {{1, 0x0f}}) == "ok");  // lo
  CHECK(outcome_of(m, {{1, 0x11}}) == "field");
  CHECK(outcome_of(m, {{2, 0x31}}) == "ok");  // hi
  CHECK(outcome_of(m, {{2, 0x2f}}) == "field");
}

// In place of a version: ages of 0x1234 and 0x56789a sixteenths, a probe request, heartbeat 3 << 20
// | 5.
TEST_CASE("codec: a suspicion has the bits that the format says") {
  message m;
  fill_sample_digest(m);
  suspicion_entry& suspicion = m.suspicions.emplace_back();
  suspicion.name_hash = 0x77;
  suspicion.generation = 9;
  suspicion.heartbeat = 0x300005;
  suspicion.suspicion_age = 0x1234;
  suspicion.alive_age = 0x56789a;
  suspicion.is_probe_request = true;

  datagram wire(m);

  CHECK(wire.word(4) == 0x7237'8100'dead'beef);  // one suspicion, no partial
  CHECK(wire.word(16) == 0x77);                  // behind the three entries
  CHECK(wire.word(17) == 0x0003'0156'789a'1234);
  CHECK(wire.word(18) == 0x0000'5000'0000'0009);
  message received;
  REQUIRE(wire.decode(received).has_value());
  CHECK(is_same(received, m));
}

TEST_CASE(
    "codec: a suspicion is of an incarnation, there are 32 at most, and all are in the list") {
  message m;
  fill_sample_digest(m);
  for (std::uint64_t i = 0; i < suspicion_entry::suspicions_max; ++i) {
    m.suspicions.emplace_back().generation = 1;
  }
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{18, 0x0000'0000'0000'0000}}) == "field");  // of generation 0
  CHECK(outcome_of(m, {{4, 0x0000'2100'dead'beef}}) == "field");   // 33
  CHECK(outcome_of(m, {{4, 0x0000'ff00'dead'beef}}) == "field");   // more than there are
}

TEST_CASE("codec: no claim is 1 and 0, and then only extra entries") {
  message m;
  m.known.extra.push_back(make_entry(5, 1, 1, 1));
  m.sender = m.known.extra[0];
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{1, 2}}) == "field");
  CHECK(outcome_of(m, {{1, 2}, {2, 1}}) == "field");
  CHECK(outcome_of(m, {{1, 0}}) == "ok");                          // [0, 0], all unknown
  CHECK(outcome_of(m, {{3, counts(0, 65535, 0, 0)}}) == "field");  // in the range
  CHECK(digest_with({{1, 1}, {2, 0}}) == "field");
  CHECK(digest_with({{1, 1}, {2, 0}, {3, counts(0, 1, 3, 0)}}) == "ok");
  CHECK(digest_with({{1, 1}, {2, 0}, {3, counts(0, 1, 2, 1)}}) == "ok");  // an interval
}

TEST_CASE("codec: each entry of a digest has a generation") {
  CHECK(digest_with({{9, 1}}) == "ok");
  CHECK(digest_with({{9, 0}}) == "field");
  CHECK(digest_with({{9, one << 44}}) == "field");  // the heartbeat's bits
  CHECK(digest_with({{12, 0}}) == "field");
  CHECK(digest_with({{15, 0}}) == "field");
}

// (8 + 5) * 2^18 ms is the code of an hour: what is below that is rounded off.
TEST_CASE("codec: a digest says how often its sender gossips, in any 8 bits") {
  message m;
  fill_sample_digest(m);
  m.interval = interval_code(std::chrono::hours(1));
  datagram wire(m);
  const std::uint64_t others = std::uint64_t{0x72} << 56 | std::uint64_t{0x80} << 40;
  CHECK(wire.word(4) == (0xdeadbeef | std::uint64_t{18 << 3 | 5} << 48 | others));

  for (const std::uint64_t bits : {0x00U, 0x01U, 0xf0U, 0xffU}) {
    wire.word(4) = 0xdeadbeef | bits << 48 | others;
    wire.fix_checksum();
    message out;
    REQUIRE(wire.decode(out).has_value());
    CHECK(out.interval.bits() == bits);
  }
}

// ---------------------------------------------------------------------------------- reply, news

TEST_CASE("codec: a refusal is any number, and alone makes the news") {
  message m;
  m.kind = message_kind::reply;
  m.sender = make_entry(1, 1, 1, 1);
  CHECK(datagram(m).bytes().size() == 96);
  m.refused = refusal::storage;
  datagram wire(m);
  CHECK(wire.bytes().size() == 96 + 24);
  CHECK(wire.word(9) == 4 * (one << 32));

  for (const unsigned reason : {0U, 1U, 5U, 255U}) {
    wire.word(9) = reason * (one << 32);
    wire.fix_checksum();
    message out;
    REQUIRE(wire.decode(out).has_value());
    CHECK(static_cast<unsigned>(out.refused) == reason);
  }
}

TEST_CASE("codec: a reply's sender has a generation") {
  CHECK(reply_with({{3, 1}}) == "ok");
  CHECK(reply_with({{3, 0}}) == "field");
}

TEST_CASE("codec: a reply says all of its receiver or nothing") {
  CHECK(reply_with({{4, 0}, {5, 0}, {6, 0}}) == "ok");
  CHECK(reply_with({{4, 0}, {5, 0}, {6, 9 * (one << 32)}}) == "ok");  // the instance alone
  CHECK(reply_with({{5, 0}}) == "field");
  CHECK(reply_with({{4, 1}, {5, 0}, {6, 0}}) == "field");
  CHECK(reply_with({{4, one << 47}, {5, 0}, {6, 0}}) == "field");
  CHECK(reply_with({{4, 0}, {5, one << 44}, {6, 0}}) == "field");
  CHECK(reply_with({{4, 0}, {5, 0}, {6, 1}}) == "field");
}

TEST_CASE("codec: heartbeats are some of the news' entries, and each has a generation") {
  CHECK(reply_with({{19, 0}}) == "ok");
  CHECK(reply_with({{19, 2}}) == "field");  // the request knows no generation
  CHECK(reply_with({{19, 2}, {28, 1}}) == "ok");
  CHECK(reply_with({{19, 3}, {28, 1}}) == "field");
  CHECK(reply_with({{19, 65535}, {28, 1}}) == "field");
  CHECK(reply_with({{25, 0}}) == "field");
}

TEST_CASE("codec: a request of something unknown knows nothing of it") {
  CHECK(reply_with({{27, 5}, {28, 1}}) == "ok");
  CHECK(reply_with({{27, 5}}) == "field");
  CHECK(reply_with({{27, one << 47}}) == "field");
  CHECK(reply_with({{27, one << 48}}) == "field");
  CHECK(reply_with({{28, one << 44}}) == "field");
}

TEST_CASE("codec: an identity has a generation, a heartbeat of 36 bits and a valid name") {
  CHECK(reply_with({{30, 1}}) == "ok");
  CHECK(reply_with({{30, 0}}) == "field");
  CHECK(reply_with({{30, one << 44}}) == "field");  // left, but what?
  CHECK(reply_with({{30, one << 45}}) == "field");  // likewise live
  CHECK(reply_with({{31, heartbeat_max}}) == "ok");
  CHECK(reply_with({{31, heartbeat_max + 1}}) == "field");
  CHECK(reply_with({{33, ~one}, {34, ~one}, {35, 0}}) == "ok");  // any endpoint: the core decides
  CHECK(reply_with({{37, word_of({'n', '2'})}}) == "ok");
  CHECK(reply_with({{37, word_of({'n', '\n'})}}) == "field");
  CHECK(reply_with({{37, word_of({0xc3, 0x28})}}) == "field");
  CHECK(reply_with({{36, 0}}) == "field");  // no name
}

// --------------------------------------------------------------------------------------- deltas

constexpr std::uint64_t sample_count = one << 44;  // one entry; generation 1

TEST_CASE("codec: a delta has a generation") {
  CHECK(deltas_with({{11, sample_count | 2}}) == "ok");
  CHECK(deltas_with({{11, sample_count}}) == "field");
}

TEST_CASE("codec: a delta's interval is not empty and ends at or below its top") {
  CHECK(deltas_with({{12, 6}}) == "ok");     // the entry is version 7 then, upto stays 8
  CHECK(deltas_with({{12, 8}}) == "field");  // after == upto
  CHECK(deltas_with({{12, 9}}) == "field");
  CHECK(deltas_with({{14, 8}}) == "ok");
  CHECK(deltas_with({{14, 7}}) == "field");
  CHECK(deltas_with({{13, version_max}, {14, version_max}}) == "ok");
}

TEST_CASE("codec: offsets are zero but for a fragment") {
  CHECK(deltas_with({{12, 7 | one << 47}}) == "field");
  CHECK(deltas_with({{12, 7 | one << 63}}) == "field");
  CHECK(deltas_with({{13, 8 | one << 47}}) == "field");
  CHECK(deltas_with({{13, 8 | one << 63}}) == "field");
  CHECK(deltas_with({{14, 300 | one << 47}}) == "field");
  CHECK(deltas_with({{14, 300 | one << 53}}) == "field");
  CHECK(deltas_with({{14, 300 | one << 54}}) == "field");
  CHECK(deltas_with({{14, 300 | one << 60}}) == "field");
  CHECK(deltas_with({{14, 300 | one << 61}}) == "ok");  // no one's bit
}

TEST_CASE("codec: a delta without entries covers its interval, and has no columns") {
  CHECK(deltas_with({{11, 1}, {15, 0}}) == "ok");
  CHECK(deltas_with({{11, 1}}) == "field");                       // columns without entries
  CHECK(deltas_with({{15, 0}}) == "field");                       // entries without columns
  CHECK(deltas_with({{11, 1 | one << 60}, {15, 0}}) == "field");  // gaps of nothing
}

std::uint64_t columns_of(std::uint64_t bytes) { return 1 | (bytes << 3 | 2) << 32; }

std::string_view columns_with(std::uint64_t entries, std::size_t bytes,
                              std::array<std::uint8_t, 8> columns, bool is_gapped = false) {
  return deltas_with({{11, 1 | entries << 44 | (is_gapped ? one << 60 : 0)},
                      {12, 0},
                      {15, columns_of(bytes)},
                      {16, word_of(columns)}});
}

TEST_CASE("codec: columns hold what the counts say, and nothing follows") {
  CHECK(columns_with(1, 3, {1, 1, 'a'}) == "ok");
  CHECK(columns_with(1, 2, {1, 1, 'a'}) == "field");
  CHECK(columns_with(1, 4, {1, 1, 'a'}) == "field");
  CHECK(columns_with(1, 4, {1, 2, 'a', 'v'}) == "ok");
  CHECK(columns_with(1, 4, {1, 3, 'a', 'v'}) == "field");
  CHECK(columns_with(1, 4, {2, 2, 'a', 'v'}) == "field");
  CHECK(columns_with(1, 4, {255, 2, 'a', 'v'}) == "field");
  CHECK(columns_with(2, 6, {1, 1, 1, 0, 'a', 'b'}) == "ok");
  CHECK(columns_with(3, 6, {1, 1, 1, 0, 'a', 'b'}) == "field");
  CHECK(columns_with(0xffff, 6, {1, 1, 1, 0, 'a', 'b'}) == "field");
  CHECK(columns_with(1, 3, {1, 0x81, 'a'}) == "field");  // a length that goes on behind the end
}

TEST_CASE("codec: columns that would run past the end of the datagram are not read there") {
  // These columns fill the last word: under ASan, a step too far ends the test.
  CHECK(columns_with(1, 8, {6, 1, 'a', 'b', 'c', 'd', 'e', 'f'}) == "ok");
  CHECK(columns_with(1, 8, {200, 1, 'a', 'b', 'c', 'd', 'e', 'f'}) == "field");
  CHECK(columns_with(1, 8, {5, 200, 'a', 'b', 'c', 'd', 'e', 'f'}) == "field");
  CHECK(columns_with(4, 8, {0x81, 1, 0x81, 1, 0x81, 1, 1, 1}, true) == "field");
  CHECK(columns_with(4, 8, {1, 1, 1, 1, 1, 1, 1, 1}, true) == "field");
  CHECK(columns_with(4, 8, {1, 1, 1, 1, 0x81, 0x81, 0x81, 0x81}) == "field");
  CHECK(columns_with(2, 8, {0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81}, true) == "field");
}

TEST_CASE("codec: a length of over 64 bits, or longer written than need be, is refused") {
  CHECK(columns_with(1, 4, {1, 0x82, 0x00, 'a'}) == "field");
  CHECK(columns_with(1, 4, {1, 0x80, 0x00, 'a'}) == "field");
  CHECK(columns_with(1, 8, {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 'a'}) == "field");

  message m;
  fill_sample_deltas(m);
  const std::string value(20, 'v');
  m.entries[0].value = value;  // columns: 1, 21, "a", 20 letters: words 16, 17, 18
  CHECK(outcome_of(m, {}) == "ok");
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(outcome_of(m, {{16, ones << 8 | 1}, {17, ones}, {18, 0x7f}}) == "field");
  CHECK(outcome_of(m, {{16, ones << 8 | 1}, {17, 0x01ffff}}) == "field");
}

TEST_CASE("codec: keys are valid names, or the compaction marker's with eight bytes") {
  CHECK(columns_with(1, 4, {2, 1, 0xc3, 0xa9}) == "ok");
  CHECK(columns_with(1, 4, {2, 1, 0xc3, 0x28}) == "field");
  CHECK(columns_with(1, 3, {1, 1, 0x1f}) == "field");

  CHECK(columns_with(1, 2, {0, 0}) == "field");  // a marker that is a tombstone
  CHECK(columns_with(1, 2, {0, 1}) == "field");  // and one without a version
  CHECK(columns_with(1, 8, {0, 7, 1, 2, 3, 4, 5, 6}) == "field");
  CHECK(reply_with({{17, word_of({9, 'k', 'a', 'b', 'c', 0xc3, 0xa9, '1'})}}) == "ok");
  // One letter moved from the marker's eight to the first value.
  CHECK(reply_with({{16, word_of({1, 2, 1, 1, 2, 0, 5, 0})},
                    {17, word_of({8, 'k', 'a', 'b', 'c', 'd', 0xc3, 0xa9})}}) == "field");
}

TEST_CASE("codec: versions ascend by gaps of at least one, up to upto") {
  CHECK(columns_with(1, 4, {1, 1, 1, 'a'}, true) == "ok");
  CHECK(columns_with(1, 4, {0, 1, 1, 'a'}, true) == "field");
  CHECK(columns_with(1, 4, {8, 1, 1, 'a'}, true) == "ok");  // upto is 8
  CHECK(columns_with(1, 4, {9, 1, 1, 'a'}, true) == "field");
  CHECK(columns_with(2, 8, {4, 4, 1, 1, 1, 1, 'a', 'b'}, true) == "ok");
  CHECK(columns_with(2, 8, {4, 5, 1, 1, 1, 1, 'a', 'b'}, true) == "field");
  CHECK(columns_with(2, 8, {4, 0, 1, 1, 1, 1, 'a', 'b'}, true) == "field");
  CHECK(columns_with(1, 8, {0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1, 'a'}, true) == "field");
  CHECK(columns_with(1, 5, {0x81, 0x00, 1, 1, 'a'}, true) == "field");
  // Without gaps each entry is the next version: at most as many as the interval is long.
  CHECK(deltas_with({{11, 1 | 2 * sample_count},
                     {12, 6},
                     {15, columns_of(6)},
                     {16, word_of({1, 1, 1, 1, 'a', 'b'})}}) == "ok");
  CHECK(deltas_with({{11, 1 | 2 * sample_count},
                     {15, columns_of(6)},
                     {16, word_of({1, 1, 1, 1, 'a', 'b'})}}) == "field");
}

// ------------------------------------------------------------------------------------ fragments

/// "key" of a value of 30 bytes, [10, 20) of it; the next version after 7. Columns: word 16 holds
/// 3, 31 and six bytes of the checksum, 17 its last two, the key and three of the value, 18 the
/// rest.
void fill_fragment(message& m) {
  fill_sample_deltas(m);
  m.entries[0] = make_value("key", "0123456789", 8);
  delta_view& delta = m.deltas[0];
  delta.after = position(7, 10);
  delta.upto = position(7, 20);
  delta.top = 8;
  delta.value_bytes = 30;
  delta.value_checksum = 0x0807060504030201;
}

std::string_view fragment_with(std::initializer_list<change> changes) {
  message m;
  fill_fragment(m);
  return outcome_of(m, changes);
}

constexpr std::uint64_t fragment_flag = one << 61;
constexpr int offset_at = 47;

std::uint64_t fragment_columns(std::uint8_t key_bytes, std::uint8_t value_number) {
  return word_of({key_bytes, value_number, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("codec: a fragment travels in the columns that the format says") {
  message m;
  fill_fragment(m);
  datagram wire(m);

  // 1 length of the key, 1 of the value, 8 checksum, 3 key, 10 of the value.
  CHECK(wire.word(11) == (1 | sample_count | fragment_flag));
  CHECK(wire.word(12) == (7 | std::uint64_t{10} << offset_at));
  CHECK(wire.word(13) == (7 | std::uint64_t{20} << offset_at));
  CHECK(wire.word(15) == columns_of(23));
  CHECK(wire.word(16) == fragment_columns(3, 31));
  CHECK(wire.word(17) == word_of({7, 8, 'k', 'e', 'y', '0', '1', '2'}));
  CHECK(wire.word(18) == word_of({'3', '4', '5', '6', '7', '8', '9', 0}));
  CHECK(wire.bytes().size() == encoded_bytes(m));
}

TEST_CASE("codec: a fragment ends where its bytes end") {
  const auto at = [](std::uint64_t offset) { return 7 | offset << offset_at; };
  CHECK(fragment_with({}) == "ok");
  CHECK(fragment_with({{13, at(19)}}) == "field");
  CHECK(fragment_with({{13, at(21)}}) == "field");
  CHECK(fragment_with({{12, at(11)}}) == "field");
  CHECK(fragment_with({{12, at(11)}, {13, at(21)}}) == "ok");
  CHECK(fragment_with({{12, at(20)}, {13, at(30)}}) == "field");  // the end of the value is (8, 0)
  CHECK(fragment_with({{12, at(20)}, {13, 8}}) == "ok");
  CHECK(fragment_with({{12, at(21)}, {13, 8}}) == "field");  // beyond it
  CHECK(fragment_with({{12, at(20)}, {13, 8 | one << offset_at}, {14, 9}}) == "field");
  CHECK(fragment_with({{12, at(0)}, {13, at(10)}}) == "ok");
  CHECK(fragment_with({{13, 8}}) == "field");  // before the end of the value
}

TEST_CASE("codec: the upper bits of a fragment's offsets count") {
  const std::uint64_t high = 8 | one << 47 | one << 54;  // both positions 2^17 further
  CHECK(fragment_with({{14, high}}) == "field");
  CHECK(fragment_with({{14, 8 | one << 47}}) == "field");
  message m;
  fill_fragment(m);
  m.deltas[0].after.offset = offset_max - 20;
  m.deltas[0].upto.offset = offset_max - 10;
  m.deltas[0].value_bytes = offset_max;
  datagram wire(m);  // `received` points into it
  message received;
  REQUIRE(wire.decode(received).has_value());
  CHECK(is_same(received, m));
}

TEST_CASE("codec: a fragment is of one entry with a key, a length, and at least one byte") {
  CHECK(fragment_with({{11, 1 | sample_count}}) == "field");  // its offsets without its bit
  CHECK(fragment_with({{11, 1 | fragment_flag}}) == "field");
  CHECK(fragment_with({{11, 1 | 2 * sample_count | fragment_flag}}) == "field");
  CHECK(fragment_with({{16, fragment_columns(0, 31)}}) == "field");  // the marker's key
  CHECK(fragment_with({{16, fragment_columns(2, 31)}}) == "field");  // then it has 11 bytes
  CHECK(fragment_with({{16, fragment_columns(255, 31)}}) == "field");
  CHECK(fragment_with({{16, fragment_columns(3, 0)}}) == "field");   // a tombstone
  CHECK(fragment_with({{16, fragment_columns(3, 1)}}) == "field");   // of nothing
  CHECK(fragment_with({{16, fragment_columns(3, 20)}}) == "field");  // shorter than its part
  CHECK(fragment_with({{16, fragment_columns(3, 22)}}) == "ok");
  CHECK(fragment_with({{17, word_of({7, 8, 'k', '\n', 'y', '0', '1', '2'})}}) == "field");
  CHECK(fragment_with({{15, columns_of(13)}}) == "field");  // no byte of the value
  CHECK(fragment_with({{15, columns_of(9)}}) == "field");   // half a checksum
  CHECK(fragment_with({{15, columns_of(1)}}) == "field");
  CHECK(fragment_with({{15, 0}}) == "field");
  const auto at = [](std::uint64_t offset) { return 7 | offset << offset_at; };
  CHECK(fragment_with({{15, columns_of(14)}, {13, at(11)}}) == "ok");  // one byte
}

TEST_CASE("codec: a fragment's version is after its delta's, and at most the top") {
  message m;
  fill_fragment(m);
  m.entries[0].version = 10;
  m.deltas[0].top = 10;
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(outcome_of(m, {{14, 9}}) == "field");
  CHECK(fragment_with({{14, 7}}) == "field");
}

// ------------------------------------------------------------------------------------- partials

TEST_CASE("codec: partials are the last entries, ascending, with a version and an offset") {
  message m;
  fill_sample_digest(m);
  for (const unsigned hash : {0x20U, 0x40U}) {  // words 16 and 19
    partial_entry& partial = m.partials.emplace_back();
    partial.name_hash = hash;
    partial.generation = 5;
    partial.version = 9;
    partial.offset = 0x123456;
  }
  datagram wire(m);
  CHECK(wire.word(4) == (0xdeadbeef | std::uint64_t{2} << 32 | std::uint64_t{0x7237'80} << 40));
  CHECK(wire.word(17) == (9 | std::uint64_t{0x1} << 48));  // 0x123456 >> 20
  CHECK(wire.word(18) == (5 | std::uint64_t{0x23456} << 44));
  CHECK(outcome_of(m, {}) == "ok");

  CHECK(outcome_of(m, {{19, 0x21}}) == "ok");
  CHECK(outcome_of(m, {{19, 0x20}}) == "field");
  CHECK(outcome_of(m, {{17, 0 | one << 48}}) == "field");             // no version
  CHECK(outcome_of(m, {{17, 9 | one << 47}}) == "field");             // left
  CHECK(outcome_of(m, {{18, std::uint64_t{1} << 44}}) == "field");    // no generation
  CHECK(outcome_of(m, {{17, 9}, {18, 5}}) == "field");                // no offset
  CHECK(outcome_of(m, {{17, 9 | std::uint64_t{15} << 48}}) == "ok");  // 24 bits of it
  CHECK(outcome_of(m, {{17, 9 | std::uint64_t{16} << 48}}) == "field");
  // More of them than there are entries, with what else is counted.
  CHECK(outcome_of(m, {{4, std::uint64_t{4} << 32}}) == "field");
  CHECK(outcome_of(m, {{4, std::uint64_t{255} << 32}}) == "field");
}

// -------------------------------------------------------------------------------------- spared

TEST_CASE("codec: spared intervals ascend, and stand in a digest without a claim") {
  message m;
  fill_sample_digest(m);
  m.known.lo = 1;
  m.known.hi = 0;
  m.known.range.clear();
  m.known.unwanted.clear();
  m.known.extra = {m.sender, m.receiver};
  m.spared = {{0x20, 3, 5}, {0x20, 7, 9}, {0x40, 0, version_max}};  // from word 13 on
  datagram wire(m);
  REQUIRE(wire.word(13) == 0x20);
  CHECK(wire.word(14) == 3);
  CHECK(wire.word(15) == 5);
  CHECK(outcome_of(m, {}) == "ok");

  CHECK(outcome_of(m, {{14, 3 | one << 47}}) == "ok");  // bits that no field names
  CHECK(outcome_of(m, {{14, 5}}) == "field");           // empty
  CHECK(outcome_of(m, {{14, 6}}) == "field");
  CHECK(outcome_of(m, {{15, 6}}) == "ok");
  CHECK(outcome_of(m, {{15, 7}}) == "field");     // it meets the next one
  CHECK(outcome_of(m, {{13, 0x41}}) == "field");  // not in order
  CHECK(outcome_of(m, {{17, 4}}) == "field");     // it overlaps the one before
}

TEST_CASE("codec: at most 64 spared intervals") {
  message m;
  fill_sample_digest(m);
  m.known.lo = 1;
  m.known.hi = 0;
  m.known.range.clear();
  m.known.unwanted.clear();
  m.known.extra = {m.sender, m.receiver, m.sender};
  for (std::uint64_t i = 0; i < spared_max; ++i) m.spared.emplace_back(i, 1, 2);
  CHECK(outcome_of(m, {}) == "ok");

  // The last extra entry is counted as an interval: an order that holds, and one too many.
  const std::uint64_t counts = datagram(m).word(3);
  CHECK(outcome_of(m, {{3, counts - (one << 32) + (one << 48)}}) == "field");
}

TEST_CASE("codec: a reply's partials follow its requests") {
  message m;
  fill_sample_reply(m);
  partial_entry& partial = m.partials.emplace_back();
  partial.name_hash = 3;
  partial.generation = 1;
  partial.version = 2;
  partial.offset = 7;
  CHECK(outcome_of(m, {}) == "ok");
  CHECK(datagram(m).word(19) == (1 | one << 16 | 3 * (one << 32)));

  CHECK(outcome_of(m, {{19, 1}}) == "ok");                       // then it is a request
  CHECK(outcome_of(m, {{19, 1 | 2 * (one << 16)}}) == "field");  // the request is no partial
  CHECK(outcome_of(m, {{19, 1 | 3 * (one << 16)}}) == "field");
  CHECK(outcome_of(m, {{19, 3 | one << 16}}) == "field");
}

TEST_CASE("codec: a small datagram cannot make the vectors large") {
  message m;
  fill_sample_deltas(m);
  datagram wire(m);
  wire.word(11) = 1 | std::uint64_t{0xffff} << 44;
  wire.fix_checksum();

  message out;
  CHECK(wire.decode(out).error() == drop_reason::field);

  CHECK(out.entries.capacity() < 100);
}

}  // namespace
}  // namespace gossipmonger
