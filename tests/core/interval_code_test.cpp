#include "gossipmonger/core/interval_code.hpp"

#include <doctest/doctest.h>

using namespace gossipmonger;
using namespace std::chrono_literals;

TEST_CASE("interval_code: 12 bits of a number of milliseconds, and 4 of its exponent") {
  CHECK(interval_code(10ms).bits() == 10);
  CHECK(interval_code(4095ms).bits() == 4095);
  CHECK(interval_code(4096ms).bits() == (1 << 12 | 2048));
  CHECK(interval_code(4097ms).bits() == (1 << 12 | 2048));  // rounded down
  CHECK(interval_code(10'000ms).bits() == (2 << 12 | 2500));
  // 3,600,000 is 3515.6 times 1024.
  CHECK(interval_code(1h).bits() == (10 << 12 | 3515));
}

TEST_CASE("interval_code: what is read is what was written, but for less than one in 2,048") {
  CHECK(interval_code(4095ms).length() == 4095ms);
  CHECK(interval_code(4097ms).length() == 4096ms);
  for (std::chrono::milliseconds length = 10ms; length <= 1h; length += length / 7 + 1ms) {
    const std::chrono::milliseconds read = interval_code(length).length();
    CHECK(read <= length);
    CHECK((length - read) * 2048 < length);
  }
}

TEST_CASE("interval_code: any 16 bits are a code, and 0 times anything says nothing") {
  CHECK(interval_code::from_bits(0xffff).length() == 4095ms * 32'768);
  CHECK(interval_code::from_bits(0xffff).is_said());
  CHECK_FALSE(interval_code().is_said());
  CHECK_FALSE(interval_code::from_bits(0x3000).is_said());
  CHECK(interval_code::from_bits(interval_code(1h).bits()) == interval_code(1h));
}

TEST_CASE("interval_code: two are far from each other beyond a factor of two, either way") {
  CHECK_FALSE(interval_code(1s).is_far_from(interval_code(1s)));
  CHECK_FALSE(interval_code(1s).is_far_from(interval_code(2s)));
  CHECK_FALSE(interval_code(2s).is_far_from(interval_code(1s)));
  CHECK(interval_code(1s).is_far_from(interval_code(2001ms)));
  CHECK(interval_code(2001ms).is_far_from(interval_code(1s)));
  // 5,001 rounds to 5,000: as far as the other can tell, twice as long.
  CHECK_FALSE(interval_code(2500ms).is_far_from(interval_code(5001ms)));
}
