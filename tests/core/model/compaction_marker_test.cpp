#include "core/model/compaction_marker.hpp"

#include <string>

#include <doctest/doctest.h>

namespace gossipmonger {

TEST_CASE("compaction_marker: a value is the floor in eight bytes, the lowest first") {
  const std::string value = marker_value(0x0102030405fe);

  CHECK(value == std::string("\xfe\x05\x04\x03\x02\x01\0\0", 8));
  CHECK(floor_of(value) == 0x0102030405fe);
}

TEST_CASE("compaction_marker: a value of another length says no floor") {
  CHECK(floor_of("") == 0);
  CHECK(floor_of("1234567") == 0);
  CHECK(floor_of("123456789") == 0);
}

}  // namespace gossipmonger
