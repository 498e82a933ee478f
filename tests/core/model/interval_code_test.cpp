#include "core/model/interval_code.hpp"

#include <doctest/doctest.h>

using namespace gossipmonger;
using namespace std::chrono_literals;

TEST_CASE("interval_code: 3 bits of a number from 8 to 15, and 5 of its exponent") {
  CHECK(interval_code(10ms).bits() == 2);
  CHECK(interval_code(15ms).bits() == 7);
  CHECK(interval_code(16ms).bits() == (1 << 3 | 0));
  CHECK(interval_code(17ms).bits() == (1 << 3 | 0));  // rounded down
  // 1,000 is 15.6 times 64; 3,600,000 is 13.7 times 2^18.
  CHECK(interval_code(1000ms).bits() == (6 << 3 | 7));
  CHECK(interval_code(1h).bits() == (18 << 3 | 5));
}

TEST_CASE("interval_code: what is read is what was written, but for less than one in eight") {
  CHECK(interval_code(15ms).length() == 15ms);
  CHECK(interval_code(1000ms).length() == 960ms);
  for (std::chrono::milliseconds length = 10ms; length <= 1h; length += length / 7 + 1ms) {
    const std::chrono::milliseconds read = interval_code(length).length();
    CHECK(read <= length);
    CHECK((length - read) * 8 < length);
  }
}

TEST_CASE("interval_code: any 8 bits are a code, and 0 says nothing") {
  CHECK(interval_code::from_bits(0xff).length() == 15ms * (std::int64_t{1} << 31));
  CHECK(interval_code::from_bits(0xff).is_said());
  CHECK_FALSE(interval_code().is_said());
  CHECK_FALSE(interval_code::from_bits(0).is_said());
  CHECK(interval_code::from_bits(interval_code(1h).bits()) == interval_code(1h));
}

TEST_CASE("interval_code: two are far from each other beyond a factor of two, either way") {
  CHECK_FALSE(interval_code(1s).is_far_from(interval_code(1s)));
  CHECK(interval_code(1s).is_far_from(interval_code(2300ms)));
  CHECK(interval_code(2300ms).is_far_from(interval_code(1s)));
  for (std::chrono::milliseconds length = 10ms; length <= 1h; length += length / 7 + 1ms) {
    CHECK_FALSE(interval_code(length).is_far_from(interval_code(2 * length)));
    CHECK_FALSE(interval_code(2 * length).is_far_from(interval_code(length)));
    CHECK(interval_code(length).is_far_from(interval_code(length * 9 / 4 + 1ms)));
  }
}
