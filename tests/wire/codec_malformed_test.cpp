// Bodies that are no Cap'n Proto message of ours, under a checksum that fits: what a bug or an
// attacker inside the cluster could send. Words are counted as golden_test.cpp numbers them.

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "sample_message.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint64_t composite = 7;
constexpr std::uint64_t byte_list = 2;
constexpr std::uint64_t word_list = 5;

std::uint64_t struct_pointer(std::int32_t offset, std::uint64_t data, std::uint64_t pointers) {
  return static_cast<std::uint32_t>(offset) << 2 | data << 32 | pointers << 48;
}

std::uint64_t list_pointer(std::int32_t offset, std::uint64_t size, std::uint64_t count) {
  return (static_cast<std::uint32_t>(offset) << 2 | 1U) | size << 32 | count << 35;
}

datagram sample_digest() {
  message m;
  fill_sample_digest(m);
  return datagram(m);
}

datagram sample_reply() {
  message m;
  fill_sample_reply(m);
  return datagram(m);
}

std::string_view digest_outcome(std::size_t index, std::uint64_t word) {
  datagram wire = sample_digest();
  wire.word(index) = word;
  return wire.outcome();
}

std::string_view reply_outcome(std::size_t index, std::uint64_t word) {
  datagram wire = sample_reply();
  wire.word(index) = word;
  return wire.outcome();
}

TEST_CASE("codec: a null root is malformed, though Cap'n Proto reads it as zeros") {
  CHECK(digest_outcome(0, 0) == "malformed");
  CHECK(reply_outcome(0, 0) == "malformed");

  datagram zeros(1200);
  std::memcpy(zeros.bytes().data(), sample_digest().bytes().data(), header_bytes);
  CHECK(zeros.outcome() == "malformed");
}

TEST_CASE("codec: a root of the wrong shape is refused") {
  CHECK(digest_outcome(0, list_pointer(0, composite, 4)) == "malformed");
  CHECK(digest_outcome(0, list_pointer(0, word_list, 4)) == "malformed");
  CHECK(digest_outcome(0, 3) == "malformed");                     // a capability
  CHECK(digest_outcome(0, struct_pointer(-1, 0, 0)) == "field");  // empty: all is default
  CHECK(reply_outcome(0, struct_pointer(-1, 0, 0)) == "field");
  CHECK(digest_outcome(0, struct_pointer(0, 4, 1)) == "ok");
}

TEST_CASE("codec: a pointer out of the segment is malformed") {
  CHECK(digest_outcome(0, struct_pointer(1, 4, 0)) == "field");  // inside, but elsewhere
  CHECK(digest_outcome(0, struct_pointer(100, 4, 1)) == "malformed");
  CHECK(digest_outcome(0, struct_pointer(-2, 4, 1)) == "malformed");
  CHECK(digest_outcome(0, struct_pointer(0x1fffffff, 4, 1)) == "malformed");
  CHECK(digest_outcome(0, struct_pointer(-0x20000000, 4, 1)) == "malformed");
  CHECK(digest_outcome(0, struct_pointer(0, 0xffff, 0xffff)) == "malformed");

  CHECK(digest_outcome(5, list_pointer(100, composite, 9)) == "malformed");
  CHECK(digest_outcome(5, list_pointer(0, composite, 10)) == "malformed");
  CHECK(digest_outcome(5, list_pointer(-100, composite, 9)) == "malformed");
  CHECK(reply_outcome(36, list_pointer(0, byte_list, 8)) == "field");  // inside, with the padding
  CHECK(reply_outcome(36, list_pointer(0, byte_list, 9)) == "malformed");
}

TEST_CASE("codec: far pointers are malformed: there is one segment") {
  CHECK(digest_outcome(0, 2 | std::uint64_t{1} << 32) == "malformed");
  CHECK(digest_outcome(5, 2 | std::uint64_t{1} << 32) == "malformed");
  CHECK(reply_outcome(8, 6 | std::uint64_t{0xffffffff} << 32) == "malformed");
  CHECK(reply_outcome(15, 2 | std::uint64_t{7} << 32) == "malformed");
  // A far pointer back into the one segment, to a landing pad that is a far pointer, and so on.
  CHECK(digest_outcome(0, 2) == "malformed");
}

TEST_CASE("codec: huge counts are malformed, and cost nothing") {
  CHECK(digest_outcome(5, list_pointer(0, composite, 0x1fffffff)) == "malformed");
  CHECK(digest_outcome(6, struct_pointer(0x1fffffff, 3, 0)) == "malformed");
  CHECK(digest_outcome(6, struct_pointer(4, 3, 0)) == "malformed");
  CHECK(reply_outcome(9, struct_pointer(0x1fffffff, 5, 1)) == "malformed");
  CHECK(reply_outcome(29, struct_pointer(2, 6, 1)) == "malformed");
  CHECK(reply_outcome(15, list_pointer(0, byte_list, 0x1fffffff)) == "malformed");
}

TEST_CASE("codec: lists of elements without size are refused, however many") {
  CHECK(digest_outcome(6, struct_pointer(1, 0, 0)) == "malformed");
  CHECK(digest_outcome(6, struct_pointer(0x1fffffff, 0, 0)) == "malformed");
  CHECK(reply_outcome(9, struct_pointer(1, 0, 0)) == "field");
  CHECK(reply_outcome(9, struct_pointer(0x1fffffff, 0, 0)) == "malformed");
  CHECK(reply_outcome(29, struct_pointer(1, 0, 0)) == "field");
  CHECK(reply_outcome(29, struct_pointer(0x1fffffff, 0, 0)) == "malformed");
  CHECK(digest_outcome(5, list_pointer(0, 0, 0x1fffffff)) == "malformed");  // List(Void)
}

TEST_CASE("codec: lists of another kind are refused") {
  CHECK(digest_outcome(5, list_pointer(0, word_list, 9)) == "malformed");  // shorter than an Entry
  CHECK(digest_outcome(5, list_pointer(0, 1, 9)) == "malformed");          // List(Bool)
  CHECK(digest_outcome(5, struct_pointer(0, 3, 0)) == "malformed");
  CHECK(digest_outcome(6, struct_pointer(3, 2, 0)) == "malformed");  // entries of two words
  CHECK(reply_outcome(15, list_pointer(0, word_list, 3)) == "malformed");
  CHECK(reply_outcome(8, list_pointer(10, composite, 3)) == "malformed");
}

TEST_CASE("codec: no word is read twice, so aliased lists run into the limit") {
  // Two deltas with a copy of the same columns each.
  message m;
  fill_sample_deltas(m);
  m.deltas.push_back(m.deltas[0]);
  const std::string long_value(400, 'x');
  m.entries[0].value = long_value;
  m.entries.push_back(m.entries[0]);
  m.deltas[1].first_entry = 1;
  datagram shared(m);
  REQUIRE(shared.outcome() == "ok");
  // Words: 9 the tag, 10-15 and 16-21 the deltas, whose last words point to columns from 22 on.
  const std::uint64_t columns = 4 + 400;
  REQUIRE(shared.word(15) == list_pointer(6, byte_list, columns));
  shared.word(21) = list_pointer(0, byte_list, columns);
  CHECK(shared.outcome() == "ok");  // the second copy's words pay for it
  shared.resize(header_bytes + 8 * (22 + 51));
  CHECK(shared.outcome() == "malformed");
}

TEST_CASE("codec: words that nothing points to are ignored, as parts of a later schema") {
  datagram wire = sample_digest();
  const std::size_t size = wire.bytes().size();
  wire.resize(size + 16);
  CHECK(wire.outcome() == "ok");
  wire.word(16) = 0x0123456789abcdef;
  CHECK(wire.outcome() == "ok");
}

TEST_CASE("codec: fields of a later schema are ignored, deep as they nest") {
  // A Reply with a third pointer, which begins a chain of 40 structs.
  message m;
  m.kind = message_kind::reply;
  m.sender = make_entry(1, 1, 1, 1);
  datagram wire(m);
  wire.resize(header_bytes + 8 * (10 + 40));
  wire.word(0) = struct_pointer(0, 6, 3);
  for (std::size_t at = 9; at < 49; ++at) {
    wire.word(at) = struct_pointer(0, 0, 1);
  }

  CHECK(wire.outcome() == "ok");
}

TEST_CASE("codec: entries that a later schema made longer are read by their stride") {
  message m;
  fill_sample_digest(m);
  datagram wire(m);
  // Three entries of 3 + 0 words become three of 4 + 1.
  wire.resize(header_bytes + 8 * (7 + 15));
  for (std::size_t entry = 3; entry-- > 0;) {
    for (std::size_t at = 3; at-- > 0;) {
      wire.word(7 + 5 * entry + at) = wire.word(7 + 3 * entry + at);
    }
    wire.word(7 + 5 * entry + 3) = 0x5555555555555555;
    wire.word(7 + 5 * entry + 4) = 0;
  }
  wire.word(5) = list_pointer(0, composite, 15);
  wire.word(6) = struct_pointer(3, 4, 1);
  wire.fix_checksum();

  message received;
  REQUIRE(wire.decode(received).has_value());
  CHECK(is_same(received, m));
}

}  // namespace
}  // namespace gossipmonger
