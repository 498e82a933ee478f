#include "core/liveness/dissemination.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

namespace gossipmonger {

namespace {

/// Legs beside the usual ones, in each round in which a change is news.
constexpr std::size_t spreading_legs = 2;
/// Each change is told so many times log2 n.
constexpr int times_factor = 3;

}  // namespace

bool dissemination::is_done(slot_index slot, std::size_t nodes) const {
  return times(slot) >= static_cast<std::uint32_t>(times_factor * std::bit_width(nodes));
}

void dissemination::tell_anew(slot_index slot) {
  if (slot >= times_.size()) times_.resize(slot + std::size_t{1});
  times_[slot] = 0;
  if (std::find(told_.begin(), told_.end(), slot) == told_.end()) told_.push_back(slot);
}

void dissemination::spread(slot_index slot, std::chrono::nanoseconds now) {
  spread_at_ = now;
  tell_anew(slot);
}

void dissemination::forget(slot_index slot) {
  std::erase(told_, slot);
  if (slot < times_.size()) times_[slot] = 0;
}

void dissemination::begin_round(std::uint64_t short_legs_from) {
  addresses_.clear();
  while (!short_legs_.empty() && short_legs_.front().round < short_legs_from) {
    short_legs_.pop_front();
  }
}

void dissemination::plan_legs(std::chrono::nanoseconds now, std::chrono::nanoseconds interval,
                              std::size_t nodes) {
  if (told_.empty() || now - spread_at_ > interval * (std::bit_width(nodes) + 1)) return;
  legs_left_ = spreading_legs;
}

std::span<const slot_index> dissemination::choose(std::size_t most) {
  std::sort(told_.begin(), told_.end(), [this](slot_index one, slot_index other) {
    return std::tuple(times(one), one) < std::tuple(times(other), other);
  });
  const auto chosen = std::span<const slot_index>(told_).first(std::min(most, told_.size()));
  // Counted now, not when the datagram goes: legs that are planned before any of them goes are to
  // tell of different peers. A leg that is struck out of a full queue counts as lost on the way.
  for (const slot_index slot : chosen) ++times_[slot];
  return chosen;
}

bool dissemination::try_visit(const endpoint& address) {
  if (told_.empty()) return false;
  if (std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end()) return false;
  if (addresses_.size() < addresses_max) addresses_.push_back(address);
  return true;
}

void dissemination::remember(const wanted_probe& leg, std::uint64_t round) {
  if (short_legs_.size() == short_legs_max) short_legs_.pop_front();
  short_legs_.emplace_back(leg, round);
}

std::optional<wanted_probe> dissemination::take_leg(std::uint64_t remote_hash) {
  const auto place = std::find_if(
      short_legs_.begin(), short_legs_.end(),
      [remote_hash](const short_leg& one) { return one.what.remote_hash == remote_hash; });
  if (place == short_legs_.end()) return std::nullopt;
  const wanted_probe taken = place->what;
  short_legs_.erase(place);
  return taken;
}

}  // namespace gossipmonger
