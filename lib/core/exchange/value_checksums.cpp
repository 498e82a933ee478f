#include "core/exchange/value_checksums.hpp"

#include <algorithm>

namespace gossipmonger {

std::uint64_t value_checksum(const hash_key& cluster_key, std::string_view key,
                             std::string_view value) {
  return siphash(hash_key(cluster_key.k0 ^ siphash(cluster_key, key), cluster_key.k1), value);
}

std::uint64_t value_checksums::of(slot_index slot, const entry_view& entry) {
  const auto place = std::find_if(kept_.begin(), kept_.end(), [&](const checksum& one) {
    return one.slot == slot && one.version == entry.version;
  });
  if (place != kept_.end()) {
    std::rotate(place, place + 1, kept_.end());
    return kept_.back().sum;
  }
  if (kept_.size() == kept_max) kept_.erase(kept_.begin());
  return kept_
      .emplace_back(slot, entry.version, value_checksum(cluster_key_, entry.key, entry.value))
      .sum;
}

}  // namespace gossipmonger
