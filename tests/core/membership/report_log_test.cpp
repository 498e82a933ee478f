#include "core/membership/report_log.hpp"

#include <doctest/doctest.h>

using namespace gossipmonger;
using namespace std::chrono_literals;

TEST_CASE("report_log: a thing is named once within the pause, and again after it") {
  report_log log(4);

  CHECK(log.try_note(7, 100s, 20s));
  CHECK_FALSE(log.try_note(7, 100s, 20s));
  CHECK(log.try_note(8, 110s, 20s));
  CHECK_FALSE(log.try_note(7, 119s, 20s));

  CHECK(log.try_note(7, 120s, 20s));
  CHECK_FALSE(log.try_note(8, 129s, 20s));
  CHECK(log.size() == 2);
}

TEST_CASE("report_log: when it is full nothing further is named, until the oldest is over") {
  report_log log(2);
  CHECK(log.try_note(1, 100s, 20s));
  CHECK(log.try_note(2, 110s, 20s));

  CHECK_FALSE(log.try_note(3, 119s, 20s));
  CHECK(log.size() == 2);

  CHECK(log.try_note(3, 120s, 20s));
  CHECK_FALSE(log.try_note(1, 121s, 20s));
  CHECK(log.size() == 2);
}

TEST_CASE("report_log: to ask whether a thing may be named remembers nothing") {
  report_log log(1);
  CHECK(log.may_note(1, 100s, 20s));
  CHECK(log.may_note(1, 100s, 20s));
  CHECK(log.size() == 0);
  REQUIRE(log.try_note(1, 100s, 20s));

  CHECK_FALSE(log.may_note(1, 119s, 20s));
  CHECK_FALSE(log.may_note(2, 119s, 20s));  // full
  CHECK(log.may_note(1, 120s, 20s));
  CHECK(log.may_note(2, 120s, 20s));
}
