// One node tells another of a third: its identity, and its entries in an interval of versions, a
// delta. Views: valid as long as the storage or the datagram they were made from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// An incarnation: travels as the delta interval (0, 0], which is legal by itself and alone
/// creates or supersedes a peer.
struct identity_view {
  identity_view() = default;

  std::string_view name;
  std::uint64_t generation = 0;
  std::uint32_t instance = 0;  ///< drawn at random per run: tells two runs of one generation apart
  std::uint64_t heartbeat = 0;
  bool has_left = false;
  bool is_live = false;  ///< at the sender it is live, and no suspect
  endpoint address;
  std::chrono::milliseconds
      silent{};  ///< since the sender last saw its heartbeat advance; <= 2^32-1
};

/// The entries of one incarnation with after < version <= upto, ascending (I2).
///   applied only if after <= the receiver's max version of it, which then becomes
///   max(max version, upto); of a delta that was cut, upto is its last entry's version
///
/// A fragment is a delta with `value_bytes`: its one entry is the owner's next after after.version,
/// with the bytes of its value from after.offset on. Then upto is the place where they end, and
/// (the entry's version, 0) where that is the end of the value.
struct delta_view {
  delta_view() = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  position after;
  position upto;
  std::uint64_t top = 0;        ///< highest owner version the sender has evidence of; >= upto
  std::size_t first_entry = 0;  ///< its entries: message::entries[first_entry ...]
  std::size_t entry_count = 0;
  std::uint32_t value_bytes = 0;     ///< of a fragment: the whole value's; else 0
  std::uint64_t value_checksum = 0;  ///< of a fragment: see value_checksums.hpp
};

}  // namespace gossipmonger
