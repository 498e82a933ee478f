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
void parking::drop_if(delta_list& from, Predicate is_dropped) {
  size_ -= std::erase_if(from, [&](const parked_delta& one) {
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
  delta_list none;
  const auto place = parked_.find(slot);
  delta_list& held = place == parked_.end() ? none : place->second;
  auto furthest = held.end();
  for (auto one = held.begin(); one != held.end(); ++one) {
    if (one->delta.generation != delta.generation) continue;
    const bool is_of_one_value =
        one->delta.value_bytes == 0 || delta.value_bytes == 0 ||
        one->entries.front().version == from.entries[delta.first_entry].version;
    if (is_of_one_value && one->delta.after <= delta.after && one->delta.upto >= delta.upto) {
      return false;
    }
    const position beaten = furthest == held.end() ? delta.after : furthest->delta.after;
    if (one->delta.after > beaten) furthest = one;
  }
  if (held.size() >= slot_deltas_max || bytes_ + room > bytes_max_) {
    // A delta far ahead gives way to one that has to come before it.
    if (furthest == held.end() || bytes_ - cost(*furthest) + room > bytes_max_) return false;
    bytes_ -= cost(*furthest);
    --size_;
    held.erase(furthest);
  }

  parked_delta& parked = parked_[slot].emplace_back();
  ++size_;
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
  const auto place = parked_.find(slot);
  if (place == parked_.end()) return std::nullopt;
  delta_list& held = place->second;
  drop_if(held, [=](const parked_delta& one) { return is_known(one, max_version, partial); });
  const auto next = std::find_if(held.begin(), held.end(), [=](const parked_delta& one) {
    return is_next(one, max_version, partial);
  });
  std::optional<parked_delta> taken;
  if (next != held.end()) {
    bytes_ -= cost(*next);
    --size_;
    taken = std::move(*next);
    held.erase(next);
  }
  if (held.empty()) parked_.erase(place);
  return taken;
}

std::vector<spared_interval> parking::intervals(slot_index slot, std::uint64_t generation,
                                                std::uint64_t max_version) const {
  std::vector<spared_interval> found;
  const auto place = parked_.find(slot);
  if (place == parked_.end()) return found;
  for (const parked_delta& one : place->second) {
    const delta_view& delta = one.delta;
    const bool is_of_it = delta.generation == generation;
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
  const auto place = parked_.find(slot);
  if (place == parked_.end()) return;
  drop_if(place->second, [](const parked_delta&) { return true; });
  parked_.erase(place);
}

void parking::expire(std::uint64_t round) {
  for (auto& [slot, held] : parked_) {
    drop_if(held, [=](const parked_delta& one) { return one.round < round; });
  }
  std::erase_if(parked_, [](const auto& one) { return one.second.empty(); });
}

}  // namespace gossipmonger
