#include "core/model/node_clock.hpp"

#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

// 2026-01-01, in ms since the Unix epoch; a day has 86,400,000 ms.
constexpr std::uint64_t date_ms = 1'767'225'600'000;
constexpr std::chrono::milliseconds date{date_ms};

/// A clock that starts at 100 s.
node_clock make_clock() { return node_clock(moment(100s, date)); }

/// The process runs on until `at`; its timer is due at `due` and may be 1 s late.
bool observe(node_clock& clock, nanoseconds at, nanoseconds due) {
  return clock.observe(moment(at, date), due, 1s);
}

}  // namespace

TEST_CASE("node_clock: a timer that is late by no more than allowed is no pause") {
  node_clock clock = make_clock();

  CHECK_FALSE(observe(clock, 102s, 101s));

  CHECK(clock.now() == 102s);
  CHECK(clock.paused() == 0s);
}

TEST_CASE("node_clock: the liveness time leaves a pause out, back to when the timer was due") {
  node_clock clock = make_clock();

  CHECK(observe(clock, 131s, 101s));

  CHECK(clock.now() == 101s);
  CHECK(clock.paused() == 30s);
  CHECK(clock.liveness_time(moment(135s, date)) == 105s);
}

TEST_CASE("node_clock: an input that came after the timer was due shows that the process ran") {
  node_clock clock = make_clock();

  CHECK_FALSE(observe(clock, 102s, 102s));
  CHECK_FALSE(observe(clock, 103s, 101s));
  CHECK(observe(clock, 108s, 101s));

  CHECK(clock.now() == 103s);
  CHECK(clock.paused() == 5s);
}

TEST_CASE("node_clock: a second pause adds to the first") {
  node_clock clock = make_clock();

  CHECK(observe(clock, 131s, 101s));
  CHECK_FALSE(observe(clock, 132s, 132s));
  CHECK(observe(clock, 142s, 101s));  // the process was last seen at 132 s

  CHECK(clock.paused() == 40s);
  CHECK(clock.now() == 102s);
}

TEST_CASE("node_clock: the liveness time never goes back") {
  node_clock clock = make_clock();

  CHECK_FALSE(observe(clock, 105s, 105s));
  CHECK_FALSE(observe(clock, 104s, 105s));

  CHECK(clock.now() == 105s);
}

TEST_CASE("node_clock: a generation up to a day ahead of the date is allowed, a higher one not") {
  const node_clock clock = make_clock();

  CHECK(clock.date_generation() == date_ms);
  CHECK(clock.generation_limit() == date_ms + 86'400'000);
  CHECK_FALSE(clock.is_far_future(date_ms + 86'400'000));
  CHECK(clock.is_far_future(date_ms + 86'400'001));
}

TEST_CASE(
    "node_clock: a date that steps back takes nothing from the limit, a later one raises it") {
  node_clock clock = make_clock();

  CHECK_FALSE(clock.observe(moment(101s, date - 1h), 101s, 1s));
  CHECK(clock.date_generation() == date_ms - 3'600'000);
  CHECK(clock.generation_limit() == date_ms + 86'400'000);

  CHECK_FALSE(clock.observe(moment(102s, date + 2s), 102s, 1s));
  CHECK(clock.date_generation() == date_ms + 2000);
  CHECK(clock.generation_limit() == date_ms + 86'402'000);
}

TEST_CASE("node_clock: a clock that was days ahead for a while dates no run into the future") {
  node_clock clock = make_clock();

  CHECK_FALSE(clock.observe(moment(101s, date + 72h), 101s, 1s));
  CHECK_FALSE(clock.observe(moment(102s, date + 2s), 102s, 1s));

  CHECK(clock.date_generation() == date_ms + 2000);
}

TEST_CASE("node_clock: a clock before 2020 limits nothing, and one before 1970 still dates") {
  const node_clock last_of_2019(moment(1s, 1'577'836'799'999ms));
  const node_clock first_of_2020(moment(1s, 1'577'836'800'000ms));
  const node_clock before_1970(moment(1s, -5s));

  CHECK_FALSE(last_of_2019.is_far_future(generation_max));
  CHECK(first_of_2020.is_far_future(generation_max));
  CHECK(before_1970.date_generation() == 1);
}

}  // namespace gossipmonger
