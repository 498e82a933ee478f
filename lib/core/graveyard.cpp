#include "gossipmonger/core/graveyard.hpp"

#include <algorithm>
#include <tuple>

#include "planted.hpp"

namespace gossipmonger {

namespace {

bool is_before(const grave& one, std::uint64_t name_hash) { return one.name_hash < name_hash; }

/// What makes room first: refusals, which anybody can bring about by a name, before the forgotten;
/// of either, what expires first.
auto rank(const grave& one) { return std::tuple(one.kind == grave_kind::gone, one.expires); }

}  // namespace

graveyard::graveyard(std::size_t capacity) : capacity_(std::max<std::size_t>(1, capacity)) {}

void graveyard::bury(const grave& buried) {
  auto place = std::lower_bound(graves_.begin(), graves_.end(), buried.name_hash, is_before);
  if (place != graves_.end() && place->name_hash == buried.name_hash) {
    const auto expires = std::max(place->expires, buried.expires);
    if (std::tie(place->generation, place->heartbeat) <
        std::tie(buried.generation, buried.heartbeat)) {
      *place = buried;
    }
    place->expires = expires;
    return;
  }
  if (graves_.size() == capacity_) {
    const auto first = std::min_element(
        graves_.begin(), graves_.end(),
        [](const grave& one, const grave& other) { return rank(one) < rank(other); });
    if (rank(buried) < rank(*first)) return;
    graves_.erase(first);
    place = std::lower_bound(graves_.begin(), graves_.end(), buried.name_hash, is_before);
  }
  graves_.insert(place, buried);
}

void graveyard::remove(std::uint64_t name_hash) {
  const auto place = std::lower_bound(graves_.begin(), graves_.end(), name_hash, is_before);
  if (place != graves_.end() && place->name_hash == name_hash) graves_.erase(place);
}

void graveyard::expire(std::chrono::nanoseconds now) {
  std::erase_if(graves_, [now](const grave& one) { return one.expires <= now; });
}

std::optional<grave> graveyard::find(std::uint64_t name_hash) const {
  const auto place = std::lower_bound(graves_.begin(), graves_.end(), name_hash, is_before);
  if (place == graves_.end() || place->name_hash != name_hash) return std::nullopt;
  return *place;
}

bool graveyard::refuses(std::uint64_t name_hash, std::uint64_t generation,
                        std::uint64_t heartbeat) const {
  if (planted::is_on(planted::defect::graveyard_missing)) return false;
  const std::optional<grave> lies = find(name_hash);
  if (lies && lies->kind == grave_kind::early) return generation == lies->generation;
  return lies && std::tie(generation, heartbeat) <= std::tie(lies->generation, lies->heartbeat);
}

}  // namespace gossipmonger
