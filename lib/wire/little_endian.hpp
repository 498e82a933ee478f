// Numbers as they stand on the wire, little-endian, at any address; and text as bytes.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace gossipmonger {

inline constexpr std::size_t word_bytes = 8;

template <std::unsigned_integral Number>
Number swapped_if_big(Number number) {
  if constexpr (std::endian::native == std::endian::big) {
    Number swapped = 0;
    for (std::size_t i = 0; i < sizeof number; ++i) {
      swapped = static_cast<Number>(swapped << 8 | ((number >> (8 * i)) & 0xff));
    }
    return swapped;
  }
  return number;
}

template <std::unsigned_integral Number>
Number load(const void* from) {
  Number number = 0;
  std::memcpy(&number, from, sizeof number);
  return swapped_if_big(number);
}

template <std::unsigned_integral Number>
void store(void* to, Number number) {
  number = swapped_if_big(number);
  std::memcpy(to, &number, sizeof number);
}

inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

inline std::string_view text_of(const unsigned char* first, std::size_t count) {
  return {reinterpret_cast<const char*>(first), count};
}

}  // namespace gossipmonger
