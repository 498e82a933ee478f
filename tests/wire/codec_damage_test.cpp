// Tests of damaged datagrams. The codec refuses each damage that the checksum shows. Damage under
// a checksum that fits never crashes the decoder.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sample_message.hpp"

namespace gossipmonger {
namespace {

std::vector<datagram> samples() {
  std::vector<datagram> all;
  message m;
  fill_sample_digest(m);
  all.emplace_back(m);
  fill_sample_reply(m);
  all.emplace_back(m);
  fill_sample_deltas(m);
  all.emplace_back(m);
  m.padded_bytes = 400;
  all.emplace_back(m);
  return all;
}

TEST_CASE("codec: every truncation is refused") {
  for (datagram& wire : samples()) {
    const std::size_t size = wire.bytes().size();
    for (std::size_t shorter = 0; shorter < size; ++shorter) {
      wire.resize(shorter);
      message out;
      REQUIRE_FALSE(wire.decode(out).has_value());
    }
  }
}

TEST_CASE("codec: every flip of a single bit is refused") {
  for (datagram& wire : samples()) {
    for (std::size_t bit = 0; bit < 8 * wire.bytes().size(); ++bit) {
      CAPTURE(bit);
      const auto mask = static_cast<std::uint8_t>(1 << (bit % 8));
      message out;
      wire.byte(bit / 8) ^= mask;
      REQUIRE_FALSE(wire.decode(out).has_value());
      wire.byte(bit / 8) ^= mask;
      REQUIRE(wire.decode(out).has_value());
    }
  }
}

TEST_CASE("codec: every swap of two 16-bit words, which UDP's sum misses, is refused") {
  for (datagram& wire : samples()) {
    const std::size_t size = wire.bytes().size();
    const auto swap = [&](std::size_t a, std::size_t b) {
      std::swap(wire.byte(a), wire.byte(b));
      std::swap(wire.byte(a + 1), wire.byte(b + 1));
    };
    for (std::size_t a = 0; a < size; a += 2) {
      for (std::size_t b = a + 2; b < size; b += 2) {
        if (wire.byte(a) == wire.byte(b) && wire.byte(a + 1) == wire.byte(b + 1)) continue;
        message out;
        swap(a, b);
        REQUIRE_FALSE(wire.decode(out).has_value());
        swap(a, b);
      }
    }
  }
}

TEST_CASE("codec: every truncation with a checksum that fits is decoded or refused") {
  for (const datagram& wire : samples()) {
    datagram shorter = wire;
    for (std::size_t size = shorter.bytes().size(); size >= 16; size -= 8) {
      shorter.resize(size);
      static_cast<void>(shorter.outcome());
    }
    CHECK(shorter.outcome() == "length");
  }
}

// Hits one to four places of the body: a bit, a byte, a word, or a word copied from elsewhere.
void mutate(datagram& wire, random_source& numbers) {
  const std::size_t words = (wire.bytes().size() - header_bytes) / 8;
  for (std::uint64_t hits = 1 + numbers.below(4); hits != 0; --hits) {
    std::uint64_t& word = wire.word(numbers.below(words));
    switch (numbers.below(5)) {
      case 0:
        word ^= std::uint64_t{1} << numbers.below(64);
        break;
      case 1: {
        const std::uint64_t shift = 8 * numbers.below(8);
        word = (word & ~(std::uint64_t{0xff} << shift)) | numbers.below(256) << shift;
        break;
      }
      case 2:
        word = numbers.next() >> numbers.below(64);
        break;
      case 3:
        word = wire.word(numbers.below(words));
        break;
      default:
        word += numbers.below(9) - 4;
        break;
    }
  }
}

TEST_CASE("codec: what decodes after random damage with a good checksum encodes again") {
  constexpr std::uint64_t seed = 2004;
  CAPTURE(seed);
  random_source numbers(seed);
  std::vector<std::string> texts;
  message sent;
  message received;
  message again;
  int decoded_count = 0;
  int malformed_count = 0;
  int field_count = 0;
  for (int round = 0; round < 30000; ++round) {
    CAPTURE(round);
    fill_random(sent, texts, numbers);
    datagram wire(sent);
    mutate(wire, numbers);
    wire.fix_checksum();

    const auto decoded = wire.decode(received);

    if (!decoded) {
      malformed_count += decoded.error() == drop_reason::malformed ? 1 : 0;
      field_count += decoded.error() == drop_reason::field ? 1 : 0;
      continue;
    }
    ++decoded_count;
    datagram encoded(received);
    REQUIRE(encoded.decode(again).has_value());
    REQUIRE(is_same(again, received));
  }
  CHECK(decoded_count > 5000);
  CHECK(malformed_count > 1000);
  CHECK(field_count > 1000);
  CHECK(decoded_count + malformed_count + field_count == 30000);
}

}  // namespace
}  // namespace gossipmonger
