#include "core/membership/peer_ring.hpp"

#include <algorithm>
#include <cassert>
#include <span>

namespace gossipmonger {

void peer_ring::add(slot_index slot, random_source& draws) {
  const auto left = static_cast<std::uint64_t>(slots_.size() - position_);
  const auto at = static_cast<std::ptrdiff_t>(position_ + draws.below(left + 1));
  slots_.insert(slots_.begin() + at, slot);
}

void peer_ring::remove(slot_index slot) {
  const auto place = std::find(slots_.begin(), slots_.end(), slot);
  if (place == slots_.end()) return;
  if (static_cast<std::size_t>(place - slots_.begin()) < position_) --position_;
  slots_.erase(place);
}

slot_index peer_ring::next(random_source& draws) {
  assert(!slots_.empty());
  if (position_ == slots_.size()) {
    position_ = 0;
    draws.shuffle(std::span<slot_index>(slots_));
  }
  return slots_[position_++];
}

}  // namespace gossipmonger
