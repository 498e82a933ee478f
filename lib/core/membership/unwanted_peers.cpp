#include "core/membership/unwanted_peers.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace gossipmonger {

namespace {

bool is_before(const unwanted_peer& one, std::uint64_t name_hash) {
  return one.name_hash < name_hash;
}

auto incarnation(const unwanted_peer& one) { return std::tie(one.generation, one.heartbeat); }

/// Whether a forgotten peer lies there, or beneath.
bool is_of_gone(const unwanted_peer& one) {
  return (one.is_above_another() ? one.gone_kind : one.kind) == unwanted_kind::gone;
}

/// The order in which entries make room: refusals, which any name brings about, before forgotten
/// peers; of either, the one that expires first.
auto rank(const unwanted_peer& one) { return std::tuple(is_of_gone(one), one.expires); }

/// Whether it refuses all that is not above it, for as long as it lies there.
bool is_lasting(const unwanted_peer& one) {
  return one.kind == unwanted_kind::gone || one.kind == unwanted_kind::silent;
}

/// `gone` goes beneath `refusal`, where nothing higher lies.
void put_beneath(unwanted_peer& refusal, std::uint64_t generation, std::uint64_t heartbeat,
                 std::chrono::nanoseconds expires, unwanted_kind kind) {
  const bool is_of_silent =
      kind == unwanted_kind::silent && (!refusal.is_above_another() || refusal.gone_kind == kind);
  refusal.gone_kind = is_of_silent ? unwanted_kind::silent : unwanted_kind::gone;
  if (std::tie(refusal.gone_generation, refusal.gone_heartbeat) < std::tie(generation, heartbeat)) {
    refusal.gone_generation = generation;
    refusal.gone_heartbeat = heartbeat;
  }
  refusal.gone_expires = std::max(refusal.gone_expires, expires);
}

/// Of two entries of one name: the higher, with what lies beneath.
unwanted_peer joined(const unwanted_peer& one, const unwanted_peer& other) {
  unwanted_peer higher = incarnation(one) < incarnation(other) ? other : one;
  const unwanted_peer& lower = incarnation(one) < incarnation(other) ? one : other;
  higher.expires = std::max(one.expires, other.expires);
  if (is_lasting(higher)) {
    // It refuses what the lower one does; a liar's word makes no forgotten peer a refused one.
    if (is_of_gone(lower)) higher.kind = unwanted_kind::gone;
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

unwanted_peers::unwanted_peers(std::size_t capacity)
    : capacity_(std::max<std::size_t>(1, capacity)) {}

void unwanted_peers::add(const unwanted_peer& added) {
  auto place = std::lower_bound(peers_.begin(), peers_.end(), added.name_hash, is_before);
  if (place != peers_.end() && place->name_hash == added.name_hash) {
    *place = joined(*place, added);
    return;
  }
  if (peers_.size() == capacity_) {
    const auto first = std::min_element(peers_.begin(), peers_.end(),
                                        [](const unwanted_peer& one, const unwanted_peer& other) {
                                          return rank(one) < rank(other);
                                        });
    if (rank(added) < rank(*first)) return;
    peers_.erase(first);
    place = std::lower_bound(peers_.begin(), peers_.end(), added.name_hash, is_before);
  }
  peers_.insert(place, added);
}

void unwanted_peers::remove(std::uint64_t name_hash) {
  const auto place = std::lower_bound(peers_.begin(), peers_.end(), name_hash, is_before);
  if (place != peers_.end() && place->name_hash == name_hash) peers_.erase(place);
}

void unwanted_peers::expire(std::chrono::nanoseconds now) {
  for (unwanted_peer& one : peers_) {
    // The refusal stays as long as what is beneath, at least: nothing is uncovered here.
    if (one.is_above_another() && one.gone_expires <= now) one.gone_generation = 0;
  }
  std::erase_if(peers_, [now](const unwanted_peer& one) { return one.expires <= now; });
}

void unwanted_peers::uncover(unwanted_peer& refusal) {
  assert(refusal.is_above_another());
  unwanted_peer gone;
  gone.name_hash = refusal.name_hash;
  gone.generation = refusal.gone_generation;
  gone.heartbeat = refusal.gone_heartbeat;
  gone.expires = refusal.gone_expires;
  gone.kind = refusal.gone_kind;
  refusal = gone;
}

std::optional<unwanted_peer> unwanted_peers::find(std::uint64_t name_hash) const {
  const auto place = std::lower_bound(peers_.begin(), peers_.end(), name_hash, is_before);
  if (place == peers_.end() || place->name_hash != name_hash) return std::nullopt;
  return *place;
}

bool unwanted_peers::refuses(std::uint64_t name_hash, std::uint64_t generation,
                             std::uint64_t heartbeat) const {
  const std::optional<unwanted_peer> found = find(name_hash);
  if (!found) return false;
  const auto asked = std::tie(generation, heartbeat);
  if (found->kind == unwanted_kind::early) {
    return generation == found->generation ||
           (found->is_above_another() &&
            asked <= std::tie(found->gone_generation, found->gone_heartbeat));
  }
  return asked <= incarnation(*found);
}

bool unwanted_peers::refuses_told(std::uint64_t name_hash, std::uint64_t generation,
                                  std::uint64_t heartbeat, std::chrono::nanoseconds expires) {
  if (!refuses(name_hash, generation, heartbeat)) return false;
  unwanted_peer& found = *std::lower_bound(peers_.begin(), peers_.end(), name_hash, is_before);
  found.expires = std::max(found.expires, expires);
  const bool is_of_gone =
      found.is_above_another() &&
      std::tie(generation, heartbeat) <= std::tie(found.gone_generation, found.gone_heartbeat);
  if (is_of_gone) found.gone_expires = std::max(found.gone_expires, expires);
  return true;
}

}  // namespace gossipmonger
