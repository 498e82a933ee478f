#include "gossipmonger/core/graveyard.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace gossipmonger {

namespace {

bool is_before(const grave& one, std::uint64_t name_hash) { return one.name_hash < name_hash; }

auto incarnation(const grave& one) { return std::tie(one.generation, one.heartbeat); }

/// Whether a forgotten peer lies there, or beneath.
bool is_of_gone(const grave& one) {
  return (one.is_above_another() ? one.gone_kind : one.kind) == grave_kind::gone;
}

/// The order in which entries make room: refusals, which any name brings about, before forgotten
/// peers; of either, the one that expires first.
auto rank(const grave& one) { return std::tuple(is_of_gone(one), one.expires); }

/// Whether it refuses all that is not above it, for as long as it lies there.
bool is_lasting(const grave& one) {
  return one.kind == grave_kind::gone || one.kind == grave_kind::silent;
}

/// `gone` goes beneath `refusal`, where nothing higher lies.
void put_beneath(grave& refusal, std::uint64_t generation, std::uint64_t heartbeat,
                 std::chrono::nanoseconds expires, grave_kind kind) {
  const bool is_of_silent =
      kind == grave_kind::silent && (!refusal.is_above_another() || refusal.gone_kind == kind);
  refusal.gone_kind = is_of_silent ? grave_kind::silent : grave_kind::gone;
  if (std::tie(refusal.gone_generation, refusal.gone_heartbeat) < std::tie(generation, heartbeat)) {
    refusal.gone_generation = generation;
    refusal.gone_heartbeat = heartbeat;
  }
  refusal.gone_expires = std::max(refusal.gone_expires, expires);
}

/// Of two graves of one name: the higher, with what lies beneath.
grave joined(const grave& one, const grave& other) {
  grave higher = incarnation(one) < incarnation(other) ? other : one;
  const grave& lower = incarnation(one) < incarnation(other) ? one : other;
  higher.expires = std::max(one.expires, other.expires);
  if (is_lasting(higher)) {
    // It refuses what the lower one does; a liar's word makes no forgotten peer a refused one.
    if (is_of_gone(lower)) higher.kind = grave_kind::gone;
    return higher;
  }
  if (is_lasting(lower)) {
    put_beneath(higher, lower.generation, lower.heartbeat, lower.expires, lower.kind);
  } else if (lower.is_above_another()) {
    put_beneath(higher, lower.gone_generation, lower.gone_heartbeat, lower.gone_expires,
                lower.gone_kind);
  }
  return higher;
}

}  // namespace

graveyard::graveyard(std::size_t capacity) : capacity_(std::max<std::size_t>(1, capacity)) {}

void graveyard::bury(const grave& buried) {
  auto place = std::lower_bound(graves_.begin(), graves_.end(), buried.name_hash, is_before);
  if (place != graves_.end() && place->name_hash == buried.name_hash) {
    *place = joined(*place, buried);
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
  for (grave& one : graves_) {
    // The refusal stays as long as what is beneath, at least: nothing is uncovered here.
    if (one.is_above_another() && one.gone_expires <= now) one.gone_generation = 0;
  }
  std::erase_if(graves_, [now](const grave& one) { return one.expires <= now; });
}

void graveyard::uncover(grave& refusal) {
  assert(refusal.is_above_another());
  grave gone;
  gone.name_hash = refusal.name_hash;
  gone.generation = refusal.gone_generation;
  gone.heartbeat = refusal.gone_heartbeat;
  gone.expires = refusal.gone_expires;
  gone.kind = refusal.gone_kind;
  refusal = gone;
}

std::optional<grave> graveyard::find(std::uint64_t name_hash) const {
  const auto place = std::lower_bound(graves_.begin(), graves_.end(), name_hash, is_before);
  if (place == graves_.end() || place->name_hash != name_hash) return std::nullopt;
  return *place;
}

bool graveyard::refuses(std::uint64_t name_hash, std::uint64_t generation,
                        std::uint64_t heartbeat) const {
  const std::optional<grave> lies = find(name_hash);
  if (!lies) return false;
  const auto asked = std::tie(generation, heartbeat);
  if (lies->kind == grave_kind::early) {
    return generation == lies->generation ||
           (lies->is_above_another() &&
            asked <= std::tie(lies->gone_generation, lies->gone_heartbeat));
  }
  return asked <= incarnation(*lies);
}

bool graveyard::refuses_told(std::uint64_t name_hash, std::uint64_t generation,
                             std::uint64_t heartbeat, std::chrono::nanoseconds expires) {
  if (!refuses(name_hash, generation, heartbeat)) return false;
  grave& lies = *std::lower_bound(graves_.begin(), graves_.end(), name_hash, is_before);
  lies.expires = std::max(lies.expires, expires);
  const bool is_of_gone =
      lies.is_above_another() &&
      std::tie(generation, heartbeat) <= std::tie(lies.gone_generation, lies.gone_heartbeat);
  if (is_of_gone) lies.gone_expires = std::max(lies.gone_expires, expires);
  return true;
}

}  // namespace gossipmonger
