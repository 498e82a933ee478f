#include "core/model/node_clock.hpp"

#include <algorithm>

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds day{86'400'000};
constexpr milliseconds year_2020{1'577'836'800'000};

std::int64_t in_milliseconds(nanoseconds date) {
  return std::chrono::duration_cast<milliseconds>(date).count();
}

}  // namespace

bool node_clock::observe(moment at, nanoseconds due, nanoseconds late_max) {
  // The time that passed while this process stood still says nothing about the peers.
  const nanoseconds awake_until = std::max(due, now_ + paused_);
  const bool was_paused = at.steady - awake_until > late_max;
  if (was_paused) paused_ += at.steady - awake_until;
  now_ = std::max(now_, liveness_time(at));
  wall_ = at.wall;
  // A clock may step back to a wrong date. Generations that this node learnt by the right date, or
  // from nodes that have it, must not look like the future then.
  highest_wall_ = std::max(highest_wall_, at.wall);
  return was_paused;
}

std::uint64_t node_clock::date_generation() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(1, in_milliseconds(wall_)));
}

std::uint64_t node_clock::generation_limit() const {
  // The limit follows this node's own clock, never a peer's old generation, which may be wrong too.
  // A clock before 2020 is not set: it limits nothing.
  if (highest_wall_ < year_2020) return generation_max;
  return static_cast<std::uint64_t>(in_milliseconds(highest_wall_ + day));
}

}  // namespace gossipmonger
