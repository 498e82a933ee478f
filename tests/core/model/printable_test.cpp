#include "core/model/printable.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace gossipmonger;

TEST_CASE("printable: printable ASCII stays as it is") {
  CHECK(printable("zone=b, 10.0.0.1:7946 ~") == "zone=b, 10.0.0.1:7946 ~");
  CHECK(printable("").empty());
}

TEST_CASE("printable: control characters, bytes above ASCII and backslashes are escaped") {
  CHECK(printable(std::string_view("a\0\n\x1b", 4)) == "a\\x00\\x0a\\x1b");
  CHECK(printable("\x7f\xc3\xa9") == "\\x7f\\xc3\\xa9");
  CHECK(printable("\\") == "\\x5c");
}
