#include "gossipmonger/types.hpp"

#include <doctest/doctest.h>

#include <string>

using gossipmonger::common_wire_version;
using gossipmonger::is_valid_name;
using gossipmonger::position;
using gossipmonger::wire_range;

TEST_CASE("types: a name has 1 to 255 bytes") {
  CHECK(is_valid_name("a"));
  CHECK(is_valid_name(std::string(255, 'x')));

  CHECK_FALSE(is_valid_name(""));
  CHECK_FALSE(is_valid_name(std::string(256, 'x')));
}

TEST_CASE("types: the 255 are bytes, not letters") {
  std::string name;
  for (int i = 0; i < 127; ++i) {
    name += "\xc3\xa9";  // U+00E9
  }

  CHECK(is_valid_name(name + "e"));
  CHECK_FALSE(is_valid_name(name + "\xc3\xa9"));
}

TEST_CASE("types: the first and last code points of each length are taken") {
  CHECK(is_valid_name(" "));
  CHECK(is_valid_name("~"));
  CHECK(is_valid_name("\xc2\xa0"));          // U+00A0
  CHECK(is_valid_name("\xdf\xbf"));          // U+07FF
  CHECK(is_valid_name("\xe0\xa0\x80"));      // U+0800
  CHECK(is_valid_name("\xef\xbf\xbf"));      // U+FFFF
  CHECK(is_valid_name("\xf0\x90\x80\x80"));  // U+10000
  CHECK(is_valid_name("\xf4\x8f\xbf\xbf"));  // U+10FFFF
}

TEST_CASE("types: control characters are refused, in both their ranges") {
  CHECK_FALSE(is_valid_name(std::string_view("\0", 1)));
  CHECK_FALSE(is_valid_name("a\nb"));
  CHECK_FALSE(is_valid_name("\x1f"));
  CHECK_FALSE(is_valid_name("\x7f"));
  CHECK_FALSE(is_valid_name("\xc2\x80"));  // U+0080
  CHECK_FALSE(is_valid_name("\xc2\x9f"));  // U+009F
}

TEST_CASE("types: every byte is looked at, wherever it stands in a name of any length") {
  for (std::size_t length = 1; length <= 20; ++length) {
    const std::string name(length, 'k');
    CHECK(is_valid_name(name));
    for (std::size_t at = 0; at < length; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = name;
        changed[at] = static_cast<char>(byte);
        const bool is_printable = byte >= 0x20 && byte <= 0x7e;
        CHECK(is_valid_name(changed) == is_printable);  // none is UTF-8 by itself
      }
    }
  }
}

TEST_CASE("types: surrogates are refused, their neighbours are not") {
  CHECK(is_valid_name("\xed\x9f\xbf"));        // U+D7FF
  CHECK_FALSE(is_valid_name("\xed\xa0\x80"));  // U+D800
  CHECK_FALSE(is_valid_name("\xed\xbf\xbf"));  // U+DFFF
  CHECK(is_valid_name("\xee\x80\x80"));        // U+E000
}

TEST_CASE("types: code points above U+10FFFF are refused") {
  CHECK_FALSE(is_valid_name("\xf4\x90\x80\x80"));  // U+110000
  CHECK_FALSE(is_valid_name("\xf7\xbf\xbf\xbf"));
  CHECK_FALSE(is_valid_name("\xf8\x88\x80\x80\x80"));  // five bytes
  CHECK_FALSE(is_valid_name("\xfe"));
  CHECK_FALSE(is_valid_name("\xff"));
}

TEST_CASE("types: overlong forms are refused") {
  CHECK_FALSE(is_valid_name("\xc0\xaf"));          // '/' in two bytes
  CHECK_FALSE(is_valid_name("\xc1\xbf"));          // U+007F in two
  CHECK_FALSE(is_valid_name("\xe0\x9f\xbf"));      // U+07FF in three
  CHECK_FALSE(is_valid_name("\xf0\x8f\xbf\xbf"));  // U+FFFF in four
}

TEST_CASE("types: a sequence that is cut, or continues nothing, is refused") {
  CHECK_FALSE(is_valid_name("\x80"));
  CHECK_FALSE(is_valid_name("a\xbf"));
  CHECK_FALSE(is_valid_name("\xc3"));
  CHECK_FALSE(is_valid_name("\xe2\x82"));
  CHECK_FALSE(is_valid_name("\xf0\x9f\x98"));
  CHECK_FALSE(is_valid_name("\xc3(a"));
  CHECK_FALSE(is_valid_name("\xe2\x82 "));
  CHECK_FALSE(is_valid_name("\xc3\xc3\xa9"));
  CHECK_FALSE(is_valid_name(std::string_view("\xc3\xa9", 1)));  // the rest lies behind the view
  CHECK_FALSE(is_valid_name(std::string_view("\xe2\x82\xac", 2)));
}

TEST_CASE("types: positions are ordered by version, then by offset") {
  CHECK(position(1, 9) < position(2, 0));
  CHECK(position(2, 0) < position(2, 1));
  CHECK(position(2) == position(2, 0));
  CHECK(position() == position(0, 0));
}

TEST_CASE("types: two ranges of wire versions have a highest in common, or none") {
  CHECK(common_wire_version(wire_range(1, 1), wire_range(1, 1)) == 1);
  CHECK(common_wire_version(wire_range(1, 2), wire_range(1, 1)) == 1);
  CHECK(common_wire_version(wire_range(1, 3), wire_range(2, 5)) == 3);
  CHECK(common_wire_version(wire_range(2, 2), wire_range(1, 1)) == 0);
  CHECK(common_wire_version(wire_range(1, 2), wire_range(3, 4)) == 0);
}
