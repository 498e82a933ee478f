// The checksum that the fragments of a value carry, and a memory of those sent lately: each value
// is hashed once, not once a fragment. A resource with a capacity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "gossipmonger/hash.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// SipHash-2-4 of `value` under the cluster's key with its first half XORed with the SipHash-2-4 of
/// `key`: a value under another key has another checksum.
[[nodiscard]] std::uint64_t value_checksum(const hash_key& cluster_key, std::string_view key,
                                           std::string_view value);

class value_checksums {
 public:
  /// Values under way at once, of all slots: readers of one slot may stand at different ones.
  static constexpr std::size_t kept_max = 64;

  explicit value_checksums(const hash_key& cluster_key) : cluster_key_(cluster_key) {}
  value_checksums(const value_checksums&) = delete;
  value_checksums& operator=(const value_checksums&) = delete;

  /// Of the slot's entry with that version, which is one value until `forget`. When too many are
  /// kept, the one not asked for longest goes.
  [[nodiscard]] std::uint64_t of(slot_index slot, const entry_view& entry);
  [[nodiscard]] std::size_t size() const { return kept_.size(); }
  /// The slot is another incarnation's from now on.
  void forget(slot_index slot) {
    std::erase_if(kept_, [slot](const checksum& one) { return one.slot == slot; });
  }

 private:
  struct checksum {
    checksum(slot_index of_slot, std::uint64_t of_version, std::uint64_t is)
        : slot(of_slot), version(of_version), sum(is) {}

    slot_index slot;
    std::uint64_t version;
    std::uint64_t sum;
  };

  hash_key cluster_key_;
  std::vector<checksum> kept_;  // asked for latest last
};

}  // namespace gossipmonger
