#include "gossipmonger/core/write_rate.hpp"

#include <doctest/doctest.h>

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("write_rate: writing borrows, and is open again when that is paid back") {
  write_rate rate(32000, 5s);

  CHECK(rate.is_open(5s, 1s));
  rate.spend(32000);
  CHECK(rate.is_open(5s, 1s));
  rate.spend(16000);
  CHECK_FALSE(rate.is_open(5s, 1s));

  CHECK(rate.is_open_at(1s) >= 5s + 500ms);
  CHECK(rate.is_open_at(1s) <= 5s + 501ms);
  CHECK_FALSE(rate.is_open(5s + 499ms, 1s));
  CHECK(rate.is_open(5s + 501ms, 1s));
}

TEST_CASE("write_rate: rises by a 32nd a round while it is used, and not else") {
  write_rate rate(32000, 5s);

  rate.spend(15999);
  CHECK_FALSE(rate.end_round(6s, 1s));
  CHECK(rate.bytes_per_interval() == 32000);
  rate.spend(16000);
  CHECK_FALSE(rate.end_round(7s, 1s));
  CHECK(rate.bytes_per_interval() == 33000);
}

TEST_CASE("write_rate: falls by a quarter, once a round, when somebody falls behind") {
  write_rate rate(32000, 5s);
  rate.spend(32000);
  rate.fall_behind();
  rate.fall_behind();

  CHECK(rate.end_round(6s, 1s));
  CHECK(rate.bytes_per_interval() == 24000);
  // Somebody is behind, but nothing was written: that is not the writer's.
  rate.fall_behind();
  CHECK_FALSE(rate.end_round(7s, 1s));
  CHECK(rate.bytes_per_interval() == 24000);
}

TEST_CASE("write_rate: a writer that ignores it is held to account for one interval, not more") {
  write_rate rate(32000, 5s);
  rate.spend(1'000'000);
  static_cast<void>(rate.end_round(6s, 1s));
  const auto at = rate.is_open_at(1s);

  CHECK(at > 6s);
  CHECK(at <= 7s + 1us);
}

TEST_CASE("write_rate: counts the entries of the latest rounds") {
  write_rate rate(32000, 5s);
  CHECK(rate.entries_in(10) == 0);
  for (int round = 1; round <= 60; ++round) {
    for (int i = 0; i < 20; ++i) rate.spend(10);
    static_cast<void>(rate.end_round(5s + round * 1s, 1s));
  }
  // 20 a round, up to (7/8)^60 = 0.03 % of it.
  CHECK(rate.entries_in(100) >= 1998);
  CHECK(rate.entries_in(100) <= 2000);

  static_cast<void>(rate.end_round(70s, 1s));
  CHECK(rate.entries_in(100) <= 1750);
}

TEST_CASE("write_rate: never falls so low that nothing could be written") {
  write_rate rate(2000, 5s);
  for (int round = 0; round < 100; ++round) {
    rate.spend(100);
    rate.fall_behind();
    static_cast<void>(rate.end_round(6s + round * 1s, 1s));
  }

  CHECK(rate.bytes_per_interval() == 1024);
}

}  // namespace gossipmonger
