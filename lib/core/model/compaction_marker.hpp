// The value of a compaction marker, the entry with the key `floor_key`: the floor, in eight bytes,
// the lowest first. All entries up to the floor are older than the compaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gossipmonger {

/// The size of that value.
inline constexpr std::size_t marker_bytes = 8;

/// The value of a marker with that floor.
[[nodiscard]] inline std::string marker_value(std::uint64_t floor) {
  std::string value(marker_bytes, '\0');
  for (char& one : value) {
    one = static_cast<char>(floor & 0xff);
    floor >>= 8;
  }
  return value;
}

/// The floor that such a value says; 0: it is no value of a marker.
[[nodiscard]] inline std::uint64_t floor_of(std::string_view value) {
  if (value.size() != marker_bytes) return 0;
  std::uint64_t floor = 0;
  for (std::size_t i = marker_bytes; i > 0; --i) {
    floor = floor << 8 | static_cast<unsigned char>(value[i - 1]);
  }
  return floor;
}

}  // namespace gossipmonger
