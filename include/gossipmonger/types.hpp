// The numbers and small values that every layer speaks in, with their limits. Values.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

/// The time of an input. The core reads no clock (I6): its driver says what time it is.
/// `steady` never goes back and drives everything; `wall` (since the Unix epoch) is read by the
/// generation rules alone.
struct moment {
  moment() = default;
  /// Both times of one instant.
  moment(std::chrono::nanoseconds steady_time, std::chrono::nanoseconds wall_time)
      : steady(steady_time), wall(wall_time) {}

  std::chrono::nanoseconds steady{};  ///< of a clock that never goes back, since any point
  std::chrono::nanoseconds wall{};    ///< since the Unix epoch
};

/// Widths on the wire. An entry of a digest is 24 bytes: the hash of the name (64 bits), and
/// version (47), left flag (1), generation (44) and heartbeat (36) in the other 128.
inline constexpr std::uint64_t version_max = (std::uint64_t{1} << 47) - 1;     // 1.4e14 writes
inline constexpr std::uint64_t generation_max = (std::uint64_t{1} << 44) - 1;  // ms: year 2527
inline constexpr std::uint64_t heartbeat_max = (std::uint64_t{1} << 36) - 1;   // 21 y at 10 ms
inline constexpr std::uint32_t offset_max = (std::uint32_t{1} << 24) - 1;      // 16 MiB values

/// Bytes of UTF-8 of a node's name, and of a key.
inline constexpr std::size_t name_bytes_max = 255;
/// Bytes of UTF-8 of a key.
inline constexpr std::size_t key_bytes_max = 255;

/// The number by which a peer's entries, and all else that is kept of it, are found. Small, dense.
using slot_index = std::uint32_t;
/// The slot of this node.
inline constexpr slot_index self_slot = 0;

/// One key of one peer, as storage and deltas show it. Valid as long as its source says.
struct entry_view {
  entry_view() = default;

  std::string_view key;        ///< UTF-8; empty for the compaction marker alone
  std::string_view value;      ///< bytes; empty where `is_tombstone`
  std::uint64_t version = 0;   ///< the owner's write counter, 1 .. version_max
  std::uint64_t sequence = 0;  ///< local place in the change list; never on the wire
  bool is_tombstone = false;   ///< erased by its owner at `version`
};

/// How far into an owner's writes: everything up to `version`, and of the next value the first
/// `offset` bytes. The offset is 0 but for a value that spans datagrams.
struct position {
  position() = default;
  /// Everything up to the version, and so many bytes of the next value.
  explicit position(std::uint64_t at_version, std::uint32_t at_offset = 0)
      : version(at_version), offset(at_offset) {}

  friend bool operator==(const position&, const position&) = default;
  friend std::strong_ordering operator<=>(const position&, const position&) = default;

  std::uint64_t version = 0;  ///< everything up to it
  std::uint32_t offset = 0;   ///< bytes of the next value
};

/// Whether `text` may name a node or a key: valid UTF-8 (RFC 3629), 1 to 255 bytes, no control
/// characters (U+0000-001F, U+007F-009F).
[[nodiscard]] bool is_valid_name(std::string_view text);

/// The lowest wire version that this library speaks.
inline constexpr std::uint8_t wire_version_lowest = 1;
/// The highest one.
inline constexpr std::uint8_t wire_version_highest = 1;

/// The wire versions that a node reads and writes: [lowest, highest], each 1 to 15.
struct wire_range {
  wire_range() = default;
  /// All from the first to the last.
  wire_range(std::uint8_t from, std::uint8_t upto) : lowest(from), highest(upto) {}

  friend bool operator==(const wire_range&, const wire_range&) = default;

  std::uint8_t lowest = 1;   ///< 1 to 15
  std::uint8_t highest = 1;  ///< lowest to 15
};

/// The highest version that both speak; 0 if there is none.
[[nodiscard]] std::uint8_t common_wire_version(const wire_range& one, const wire_range& other);

/// The reserved key of the compaction marker: empty, hence no user's key.
inline constexpr std::string_view floor_key{};

}  // namespace gossipmonger
