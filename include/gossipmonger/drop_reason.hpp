// Why a datagram, or a part of one, was dropped. Each reason has a counter of its own, and none
// gets a reply. Values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

enum class drop_reason : std::uint8_t {
  // The datagram as a whole, cheapest check first.
  length,        ///< shorter than a header, not a multiple of 8, or over the limit
  magic,         ///< not ours
  wire_version,  ///< no version in common
  cluster,       ///< another cluster's
  checksum,      ///< CRC32C over header and body does not hold
  kind,          ///< an unknown kind of message
  malformed,     ///< Cap'n Proto structure: null root, pointer out of bounds, bomb, nesting
  field,         ///< a field outside its range (version, generation, name, counts, order)
  // Its meaning.
  reflected,   ///< my own datagram came back
  not_for_me,  ///< meant for another node that had this address
  unverified,  ///< a reply or deltas without a cookie that I gave this address
  // Parts of it.
  about_self,     ///< entries of my own (I3)
  unknown_peer,   ///< a delta of a peer, or of a generation, that I do not hold
  gap,            ///< a delta that starts after what I hold, and the parking space is full
  stale,          ///< a delta or identity of an older incarnation
  name_conflict,  ///< a second name with a known hash
  far_future,     ///< a generation more than a day ahead of my clock
  endpoint,       ///< an identity with an address that nobody can send to
  refused,        ///< an identity that I keep refusing (an unwanted peer)
  capacity,       ///< a peer, key or byte above a capacity
  storage,        ///< the storage refused a write
  fragment,       ///< a part of a value that contradicts the parts before, or its checksum
};

inline constexpr std::size_t drop_reason_count = 22;

/// "length", "magic", …: the name of the counter.
[[nodiscard]] std::string_view to_string(drop_reason reason);

using drop_counters = std::array<std::uint64_t, drop_reason_count>;

}  // namespace gossipmonger
