#include "core/exchange/partial_values.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <string_view>

#include "core/exchange/value_checksums.hpp"

namespace gossipmonger {

namespace {

/// Appends, with at most twice the memory of what is there, and never more than `bytes_max`.
void append(std::vector<char>& to, std::string_view more, std::size_t bytes_max) {
  const std::size_t needed = to.size() + more.size();
  if (needed > to.capacity()) to.reserve(std::min(bytes_max, std::max(needed, 2 * to.capacity())));
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

partial_values::partial_values(const hash_key& cluster_key, std::size_t bytes_max)
    : cluster_key_(cluster_key), bytes_max_(bytes_max) {}

position partial_values::find(slot_index slot) const {
  const auto found = partials_.find(slot);
  if (found == partials_.end()) return position();
  return position(found->second.version, static_cast<std::uint32_t>(found->second.bytes.size()));
}

std::uint32_t partial_values::offset_of(slot_index slot, std::uint64_t version) const {
  const position held = find(slot);
  return held.version == version ? held.offset : 0;
}

bool partial_values::contradicts(const partial& held, const delta_view& delta,
                                 const entry_view& part) {
  return held.value_bytes != delta.value_bytes || held.checksum != delta.value_checksum ||
         held.key != part.key;
}

partial_values::place partial_values::drop(place gone) {
  announced_bytes_ -= gone->second.value_bytes;
  bytes_ -= gone->second.bytes.size();
  return partials_.erase(gone);
}

partial_values::outcome partial_values::take(slot_index slot, const delta_view& delta,
                                             const entry_view& part, std::uint64_t round) {
  place found = partials_.find(slot);
  if (found != partials_.end()) {
    if (part.version < found->second.version) return outcome::known;
    if (part.version == found->second.version && contradicts(found->second, delta, part)) {
      drop(found);
      return outcome::conflict;
    }
    if (part.version > found->second.version) {
      drop(found);
      found = partials_.end();
    }
  }
  if (found == partials_.end()) {
    const bool has_room = delta.value_bytes <= bytes_max_ - announced_bytes_;
    if (!has_room) return outcome::full;
    found = partials_.try_emplace(slot).first;
    partial& fresh = found->second;
    fresh.version = part.version;
    fresh.checksum = delta.value_checksum;
    fresh.value_bytes = delta.value_bytes;
    fresh.key = part.key;
    announced_bytes_ += fresh.value_bytes;
  }

  partial& held = found->second;
  assert(delta.after.offset <= held.bytes.size());
  const std::size_t known = held.bytes.size() - delta.after.offset;
  if (known >= part.value.size()) return outcome::known;
  append(held.bytes, part.value.substr(known), held.value_bytes);
  bytes_ += part.value.size() - known;
  held.round = round;
  assert(held.bytes.size() <= held.value_bytes);
  if (held.bytes.size() < held.value_bytes) return outcome::grown;

  const std::string_view value(held.bytes.data(), held.bytes.size());
  if (value_checksum(cluster_key_, held.key, value) == held.checksum) return outcome::whole;
  drop(found);
  return outcome::conflict;
}

entry_view partial_values::whole(slot_index slot) const {
  const partial& held = partials_.at(slot);
  assert(held.bytes.size() == held.value_bytes);
  entry_view entry;
  entry.key = held.key;
  entry.value = std::string_view(held.bytes.data(), held.bytes.size());
  entry.version = held.version;
  return entry;
}

void partial_values::drop_upto(slot_index slot, std::uint64_t version) {
  const place found = partials_.find(slot);
  if (found != partials_.end() && found->second.version <= version) drop(found);
}

void partial_values::forget(slot_index slot) {
  const place found = partials_.find(slot);
  if (found != partials_.end()) drop(found);
}

void partial_values::expire(std::uint64_t round) {
  for (place at = partials_.begin(); at != partials_.end();) {
    at = at->second.round < round ? drop(at) : std::next(at);
  }
}

}  // namespace gossipmonger
