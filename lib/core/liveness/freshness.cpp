#include "core/liveness/freshness.hpp"

#include <algorithm>

#include "core/membership/news_rounds.hpp"

namespace gossipmonger {

namespace {

// Rounds beside those that news takes.
constexpr std::uint64_t fresh_rounds_margin = 8;
// More rounds than `path_max` takes with the shortest interval.
constexpr std::uint64_t path_rounds_max = 1000;

}  // namespace

std::uint64_t fresh_rounds_max(std::size_t nodes, std::chrono::nanoseconds interval,
                               std::uint32_t path_rounds) {
  const std::uint64_t at_hand = news_rounds(nodes) + fresh_rounds_margin;
  const auto longest = static_cast<std::uint64_t>(path_max / interval);
  return std::max(at_hand, std::min(at_hand + 2 * std::uint64_t{path_rounds}, longest));
}

std::uint32_t smoothed_path_rounds(std::uint32_t before, std::uint64_t sample) {
  constexpr std::uint32_t rise = 4;
  constexpr std::uint32_t fall = 64;
  const auto seen = static_cast<std::uint32_t>(std::min(sample, path_rounds_max));
  if (seen > before) return before + (seen - before + rise - 1) / rise;
  return before - (before - seen + fall - 1) / fall;
}

bool is_fresh(const echo& of_me, const packed_entry& self, std::uint32_t instance,
              std::uint64_t rounds_max, std::uint64_t after) {
  if (of_me.generation > self.generation()) return of_me.is_answer && after == 0;
  if (of_me.generation < self.generation()) return false;
  if (of_me.instance != 0 && of_me.instance != instance) return false;
  const bool is_after = after == 0 || of_me.heartbeat > after;
  return is_after && of_me.heartbeat + rounds_max >= self.heartbeat();
}

}  // namespace gossipmonger
