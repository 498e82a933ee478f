#include "gossipmonger/error.hpp"

#include <ostream>  // before doctest, which prints std::error_code

#include <doctest/doctest.h>

#include <set>
#include <string>

using gossipmonger::errc;
using gossipmonger::error_category;
using gossipmonger::fail;
using gossipmonger::result;

TEST_CASE("error: a code converts to std::error_code of the category gossipmonger") {
  const std::error_code code = errc::stopped;

  CHECK(code.category() == error_category());
  CHECK(std::string(code.category().name()) == "gossipmonger");
  CHECK(code == errc::stopped);
  CHECK(code != errc::timed_out);
}

TEST_CASE("error: every code is an error and has a message of its own") {
  std::set<std::string> messages;

  for (int code = static_cast<int>(errc::key_invalid); code <= static_cast<int>(errc::key_reserved);
       ++code) {
    const std::error_code error = static_cast<errc>(code);
    CHECK(error);
    CHECK(error.message().find("unknown gossipmonger error") == std::string::npos);
    messages.insert(error.message());
  }

  CHECK(messages.size() == 17);
}

TEST_CASE("error: a number that is no code says so") {
  CHECK(error_category().message(0) == "unknown gossipmonger error 0");
  CHECK(error_category().message(18) == "unknown gossipmonger error 18");
}

TEST_CASE("error: fail makes a failed result of any type") {
  const result<int> failed = fail(errc::capacity_reached);
  const result<void> also_failed = fail(errc::capacity_reached);

  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error() == errc::capacity_reached);
  REQUIRE_FALSE(also_failed.has_value());
  CHECK(also_failed.error() == errc::capacity_reached);
}
