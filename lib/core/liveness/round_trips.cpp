#include "core/liveness/round_trips.hpp"

#include <algorithm>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// A sample counts for one part in so many (RFC 6298: alpha = 1/8).
constexpr std::int64_t samples_smoothed = 8;

}  // namespace

void round_trips::begin(slot_index slot) {
  smoothed_.begin(slot);
  std::erase_if(awaited_, [slot](const leg& one) { return one.slot == slot; });
}

void round_trips::handle_sent(slot_index slot, std::uint64_t heartbeat, nanoseconds now) {
  for (leg& one : awaited_) {
    if (one.slot != slot || one.heartbeat != heartbeat) continue;
    one.is_ambiguous = true;
    return;
  }
  if (awaited_.size() == awaited_max) awaited_.erase(awaited_.begin());
  awaited_.emplace_back(slot, heartbeat, now);
}

void round_trips::handle_reply(slot_index slot, std::uint64_t heartbeat, nanoseconds now) {
  const auto is_answered = [&](const leg& one) {
    return one.slot == slot && one.heartbeat <= heartbeat;
  };
  const auto latest = std::find_if(awaited_.rbegin(), awaited_.rend(), is_answered);
  if (latest == awaited_.rend()) return;
  if (!latest->is_ambiguous) {
    const nanoseconds sample = now - latest->sent;
    std::optional<nanoseconds>& of = smoothed_[slot];
    of = of ? *of + (sample - *of) / samples_smoothed : sample;
  }
  std::erase_if(awaited_, is_answered);
}

}  // namespace gossipmonger
