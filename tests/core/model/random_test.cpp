// Expected numbers come from a separate implementation of splitmix64 and xoshiro256** in Python,
// whose integers do not wrap by themselves.
#include "gossipmonger/testing/random.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>

using gossipmonger::random_source;

TEST_CASE("random: the first numbers of a seed are those of xoshiro256** after splitmix64") {
  random_source zero(0);
  random_source one(1);
  random_source large(0xdeadbeef);

  CHECK(zero.next() == 0x99ec5f36cb75f2b4);
  CHECK(zero.next() == 0xbf6e1f784956452a);
  CHECK(zero.next() == 0x1a5f849d4933e6e0);
  CHECK(zero.next() == 0x6aa594f1262d2d2c);
  CHECK(one.next() == 0xb3f2af6d0fc710c5);
  CHECK(one.next() == 0x853b559647364cea);
  CHECK(large.next() == 0xc5555444a74d7e83);
  CHECK(large.next() == 0x65c30d37b4b16e38);
}

TEST_CASE("random: a bounded draw takes the high half of the 128-bit product") {
  random_source drawn(7);

  const std::array<std::uint64_t, 16> expected{4, 1, 5, 5, 5, 5, 0, 0, 2, 0, 3, 4, 5, 5, 2, 3};
  for (const std::uint64_t number : expected) {
    CHECK(drawn.below(6) == number);
  }
}

TEST_CASE("random: draws that would favour some results are drawn again") {
  // 2^64 mod (2^63 + 1) is 2^63 - 1: half of all draws are refused. Of the first eight raw numbers
  // of this seed, those whose product has a low half under it are skipped.
  random_source drawn(7);

  CHECK(drawn.below((std::uint64_t{1} << 63) + 1) == 0x59ac7d7ba77cbb2d);
  CHECK(drawn.below((std::uint64_t{1} << 63) + 1) == 0x6b78e9a4ca963ccb);
  CHECK(drawn.below((std::uint64_t{1} << 63) + 1) == 0x7d949c398f403920);
  CHECK(drawn.below((std::uint64_t{1} << 63) + 1) == 0x7ed482763f2a018c);
}

TEST_CASE("random: a bound of one leaves zero, and the largest bound is kept") {
  random_source drawn(3);

  for (int i = 0; i < 100; ++i) {
    CHECK(drawn.below(1) == 0);
    CHECK(drawn.below(std::numeric_limits<std::uint64_t>::max()) <
          std::numeric_limits<std::uint64_t>::max());
  }
}

TEST_CASE("random: a bounded draw is uniform") {
  random_source drawn(11);
  std::array<int, 10> counts{};

  for (int i = 0; i < 100'000; ++i) {
    ++counts.at(static_cast<std::size_t>(drawn.below(counts.size())));
  }

  // 10,000 expected each, with a deviation of 95: five of them either way.
  for (const int count : counts) {
    CHECK(count > 9'525);
    CHECK(count < 10'475);
  }
}

TEST_CASE("random: unit takes the upper 53 bits") {
  random_source drawn(7);

  CHECK(drawn.unit() == 0.7005764821796896);
  CHECK(drawn.unit() == 0.2787512294737843);
  CHECK(drawn.unit() == 0.8396274618764198);
}

TEST_CASE("random: shuffle gives the same order everywhere") {
  std::array<int, 8> items{0, 1, 2, 3, 4, 5, 6, 7};

  random_source(42).shuffle(std::span<int>(items));

  CHECK(items == std::array<int, 8>{7, 1, 6, 3, 5, 4, 2, 0});
}

TEST_CASE("random: shuffle leaves nothing and one item alone") {
  std::array<int, 1> one{9};

  random_source(42).shuffle(std::span<int>());
  random_source(42).shuffle(std::span<int>(one));

  CHECK(one[0] == 9);
}
