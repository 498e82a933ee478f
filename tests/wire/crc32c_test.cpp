// CRC32C against the vectors of RFC 3720, appendix B.4, and both implementations against a third
// one, bit by bit, at every length, alignment and split.

#include "wire/crc32c.hpp"

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {
namespace {

std::vector<std::byte> make_random_bytes(std::size_t count, std::uint64_t seed) {
  random_source numbers(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(numbers.below(256));
  }
  return bytes;
}

void check_both(std::span<const std::byte> bytes, std::uint32_t expected) {
  CHECK(crc32c(bytes) == expected);
  CHECK(crc32c_by_table(bytes) == expected);
}

TEST_CASE("crc32c: the vectors of RFC 3720, appendix B.4, hold") {
  std::array<std::byte, 32> bytes{};
  check_both(bytes, 0x8a9136aa);

  bytes.fill(std::byte{0xff});
  check_both(bytes, 0x62a8ab43);

  for (std::size_t i = 0; i < 32; ++i) {
    bytes[i] = static_cast<std::byte>(i);
  }
  check_both(bytes, 0x46dd794e);

  for (std::size_t i = 0; i < 32; ++i) {
    bytes[i] = static_cast<std::byte>(31 - i);
  }
  check_both(bytes, 0x113fdb5c);

  // An iSCSI Read (10) command.
  constexpr std::array<std::uint8_t, 48> command = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  check_both(std::as_bytes(std::span(command)), 0xd9963a56);
}

TEST_CASE("crc32c: the check value of the catalogue, and nothing at all") {
  constexpr std::string_view digits = "123456789";
  check_both(std::as_bytes(std::span(digits)), 0xe3069283);
  check_both({}, 0);
}

TEST_CASE("crc32c: instruction, table and bit by bit agree at every length and alignment") {
  const std::vector<std::byte> bytes = make_random_bytes(2600, 1);
  for (std::size_t size = 0; size + 8 <= bytes.size(); size += size < 700 ? 1 : 13) {
    const std::span part = std::span(bytes).subspan(size % 8, size);
    const std::uint32_t expected = crc32c_bit_by_bit(part);
    REQUIRE(crc32c(part) == expected);
    REQUIRE(crc32c_by_table(part) == expected);
  }
}

TEST_CASE("crc32c: bytes in two parts give the sum of the whole") {
  const std::vector<std::byte> bytes = make_random_bytes(1200, 2);
  const std::uint32_t expected = crc32c_bit_by_bit(bytes);
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    const std::span whole(bytes);
    REQUIRE(crc32c(whole.subspan(split), crc32c(whole.first(split))) == expected);
    REQUIRE(crc32c_by_table(whole.subspan(split), crc32c_by_table(whole.first(split))) == expected);
  }
}

}  // namespace
}  // namespace gossipmonger
