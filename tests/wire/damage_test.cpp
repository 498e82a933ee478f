#include "wire/damage.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sample_message.hpp"

namespace gossipmonger {
namespace {

/// RFC 768: the 16-bit words added up, with the carries.
std::uint32_t udp_sum(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += (std::to_integer<std::uint32_t>(bytes[i]) << 8) |
           std::to_integer<std::uint32_t>(bytes[i + 1]);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

std::vector<std::byte> copy_of(datagram& wire) {
  return {wire.bytes().begin(), wire.bytes().end()};
}

datagram sample() {
  message m;
  fill_sample_deltas(m);
  return datagram(m);
}

TEST_CASE("damage: what is garbled has other bytes and the same UDP sum, and is not read") {
  random_source random(1);
  for (int i = 0; i < 1000; ++i) {
    datagram wire = sample();
    const std::vector<std::byte> before = copy_of(wire);

    REQUIRE(try_garble(wire.bytes(), random));

    REQUIRE(copy_of(wire) != before);
    REQUIRE(udp_sum(wire.bytes()) == udp_sum(before));
    message out;
    REQUIRE_FALSE(wire.decode(out).has_value());
  }
}

TEST_CASE("damage: where no change keeps UDP's sum, nothing is garbled") {
  random_source random(1);
  std::vector<std::byte> empty;
  std::vector<std::byte> one_word{std::byte{1}, std::byte{2}, std::byte{3}};
  std::vector<std::byte> equal_words(20, std::byte{7});

  CHECK_FALSE(try_garble(empty, random));
  CHECK_FALSE(try_garble(one_word, random));
  CHECK_FALSE(try_garble(equal_words, random));

  CHECK(one_word == std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{3}});
  CHECK(equal_words == std::vector<std::byte>(20, std::byte{7}));
}

TEST_CASE("damage: what is mutated has a checksum that holds, and goes by the header") {
  random_source random(1);
  std::set<std::string_view> outcomes;
  for (int i = 0; i < 1000; ++i) {
    datagram wire = sample();
    const std::vector<std::byte> before = copy_of(wire);

    REQUIRE(try_mutate(wire.bytes(), random));

    message out;
    const auto decoded = wire.decode(out);
    outcomes.insert(decoded ? "ok" : to_string(decoded.error()));
    // Four bytes of changes at most, and the four of the checksum.
    std::ptrdiff_t changed = 0;
    for (std::size_t at = 0; at < before.size(); ++at) changed += wire.bytes()[at] != before[at];
    REQUIRE(changed <= 8);
  }

  CHECK(outcomes.contains("ok"));
  CHECK(outcomes.contains("kind"));
  CHECK(outcomes.contains("field"));
  CHECK(outcomes.contains("malformed"));
  for (const std::string_view header : {"length", "magic", "cluster", "checksum"}) {
    INFO(std::string(header));
    CHECK(!outcomes.contains(header));
  }
}

TEST_CASE("damage: what is shorter than a header is not mutated") {
  random_source random(1);
  std::vector<std::byte> shorter(header_bytes - 1, std::byte{7});

  CHECK_FALSE(try_mutate(shorter, random));

  CHECK(shorter == std::vector<std::byte>(header_bytes - 1, std::byte{7}));
}

}  // namespace
}  // namespace gossipmonger
