#include "gossipmonger/core/value_checksums.hpp"

namespace gossipmonger {

std::uint64_t value_checksum(const hash_key& cluster_key, std::string_view key,
                             std::string_view value) {
  return siphash(hash_key(cluster_key.k0 ^ siphash(cluster_key, key), cluster_key.k1), value);
}

std::uint64_t value_checksums::of(slot_index slot, const entry_view& entry) {
  versioned& latest = latest_[slot];
  if (latest.version != entry.version) {
    latest.version = entry.version;
    latest.checksum = value_checksum(cluster_key_, entry.key, entry.value);
  }
  return latest.checksum;
}

}  // namespace gossipmonger
