#include "core/exchange/parking.hpp"

#include <algorithm>
#include <utility>

namespace gossipmonger {

parking::parking(std::size_t bytes_max) : bytes_max_(bytes_max) {}

std::size_t parking::cost(const parked_delta& parked) {
  return sizeof(parked_delta) + parked.bytes.size() + parked.entries.size() * sizeof(entry_view);
}

bool parking::is_known(const parked_delta& parked, std::uint64_t max_version, position partial) {
  const delta_view& delta = parked.delta;
  if (delta.value_bytes == 0) return delta.upto.version <= max_version;
  const entry_view& part = parked.entries.front();
  if (part.version <= max_version || part.version < partial.version) return true;
  return part.version == partial.version &&
         delta.after.offset + part.value.size() <= partial.offset;
}

bool parking::is_next(const parked_delta& parked, std::uint64_t max_version, position partial) {
  const delta_view& delta = parked.delta;
  if (delta.after.version > max_version) return false;
  if (delta.after.offset == 0) return true;
  return parked.entries.front().version == partial.version && delta.after.offset <= partial.offset;
}

template <class Predicate>
void parking::drop_if(Predicate is_dropped) {
  std::erase_if(parked_, [&](const parked_delta& one) {
    if (!is_dropped(one)) return false;
    bytes_ -= cost(one);
    return true;
  });
}

bool parking::try_park(slot_index slot, const message& from, const delta_view& delta,
                       std::uint64_t round) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < delta.entry_count; ++i) {
    const entry_view& entry = from.entries[delta.first_entry + i];
    length += entry.key.size() + entry.value.size();
  }
  const std::size_t room = sizeof(parked_delta) + length + delta.entry_count * sizeof(entry_view);
  std::size_t of_slot = 0;
  auto furthest = parked_.end();
  for (auto one = parked_.begin(); one != parked_.end(); ++one) {
    if (one->slot != slot) continue;
    ++of_slot;
    if (one->delta.generation != delta.generation) continue;
    const bool is_of_one_value =
        one->delta.value_bytes == 0 || delta.value_bytes == 0 ||
        one->entries.front().version == from.entries[delta.first_entry].version;
    if (is_of_one_value && one->delta.after <= delta.after && one->delta.upto >= delta.upto) {
      return false;
    }
    const position beaten = furthest == parked_.end() ? delta.after : furthest->delta.after;
    if (one->delta.after > beaten) furthest = one;
  }
  if (of_slot >= slot_deltas_max || bytes_ + room > bytes_max_) {
    // A delta far ahead gives way to one that has to come before it.
    if (furthest == parked_.end() || bytes_ - cost(*furthest) + room > bytes_max_) return false;
    bytes_ -= cost(*furthest);
    parked_.erase(furthest);
  }

  parked_delta& parked = parked_.emplace_back();
  parked.slot = slot;
  parked.delta = delta;
  parked.delta.first_entry = 0;
  parked.round = round;
  parked.bytes.reserve(length);
  parked.entries.reserve(delta.entry_count);
  for (std::size_t i = 0; i < delta.entry_count; ++i) {
    entry_view entry = from.entries[delta.first_entry + i];
    const std::size_t start = parked.bytes.size();
    parked.bytes.insert(parked.bytes.end(), entry.key.begin(), entry.key.end());
    parked.bytes.insert(parked.bytes.end(), entry.value.begin(), entry.value.end());
    const std::string_view copied(parked.bytes.data() + start, parked.bytes.size() - start);
    entry.key = copied.substr(0, entry.key.size());
    entry.value = copied.substr(entry.key.size());
    parked.entries.push_back(entry);
  }
  bytes_ += cost(parked);
  return true;
}

std::optional<parked_delta> parking::take(slot_index slot, std::uint64_t max_version,
                                          position partial) {
  drop_if([=](const parked_delta& one) {
    return one.slot == slot && is_known(one, max_version, partial);
  });
  const auto place = std::find_if(parked_.begin(), parked_.end(), [=](const parked_delta& one) {
    return one.slot == slot && is_next(one, max_version, partial);
  });
  if (place == parked_.end()) return std::nullopt;
  bytes_ -= cost(*place);
  parked_delta taken = std::move(*place);
  parked_.erase(place);
  return taken;
}

std::vector<spared_interval> parking::intervals(slot_index slot, std::uint64_t generation,
                                                std::uint64_t max_version) const {
  std::vector<spared_interval> found;
  for (const parked_delta& one : parked_) {
    const delta_view& delta = one.delta;
    const bool is_of_it = one.slot == slot && delta.generation == generation;
    if (!is_of_it || delta.value_bytes != 0 || delta.upto.version <= max_version) continue;
    found.emplace_back(delta.name_hash, delta.after.version, delta.upto.version);
  }
  std::sort(found.begin(), found.end());
  std::vector<spared_interval> merged;
  for (const spared_interval& one : found) {
    if (!merged.empty() && one.after <= merged.back().upto) {
      merged.back().upto = std::max(merged.back().upto, one.upto);
    } else {
      merged.push_back(one);
    }
  }
  return merged;
}

void parking::forget(slot_index slot) {
  drop_if([=](const parked_delta& one) { return one.slot == slot; });
}

void parking::expire(std::uint64_t round) {
  drop_if([=](const parked_delta& one) { return one.round < round; });
}

}  // namespace gossipmonger
