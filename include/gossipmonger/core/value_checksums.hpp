// The checksum that the fragments of a value carry, and a memory of those sent lately: each value
// is hashed once, not once a fragment. A resource: one checksum a slot.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "gossipmonger/core/hash.hpp"
#include "gossipmonger/core/types.hpp"

namespace gossipmonger {

/// SipHash-2-4 of `value` under the cluster's key with its first half XORed with the SipHash-2-4 of
/// `key`: a value under another key has another checksum.
[[nodiscard]] std::uint64_t value_checksum(const hash_key& cluster_key, std::string_view key,
                                           std::string_view value);

class value_checksums {
 public:
  explicit value_checksums(const hash_key& cluster_key) : cluster_key_(cluster_key) {}
  value_checksums(const value_checksums&) = delete;
  value_checksums& operator=(const value_checksums&) = delete;

  /// Of the slot's entry with that version: versions rise, so one is one value until `forget`.
  [[nodiscard]] std::uint64_t of(slot_index slot, const entry_view& entry);
  /// The slot is another incarnation's from now on.
  void forget(slot_index slot) { latest_.erase(slot); }

 private:
  struct versioned {
    versioned() = default;

    std::uint64_t version = 0;
    std::uint64_t checksum = 0;
  };

  hash_key cluster_key_;
  std::map<slot_index, versioned> latest_;
};

}  // namespace gossipmonger
