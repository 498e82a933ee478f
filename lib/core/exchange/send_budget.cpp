#include "core/exchange/send_budget.hpp"

#include <algorithm>
#include <cmath>

namespace gossipmonger {

void send_budget::refill(std::chrono::nanoseconds now, std::size_t bytes_per_interval,
                         std::chrono::nanoseconds interval) {
  const auto most = static_cast<double>(bytes_per_interval);
  const bool is_first = bytes_a_nanosecond_ == 0;
  bytes_a_nanosecond_ = most / static_cast<double>(interval.count());
  if (is_first) {
    level_ = most;
  } else if (now > refilled_) {
    // Fused by name: compilers differ in whether they fuse a product and a sum by themselves (I6).
    level_ = std::fma(static_cast<double>((now - refilled_).count()), bytes_a_nanosecond_, level_);
  }
  level_ = std::min(level_, most);
  refilled_ = std::max(refilled_, now);
}

std::chrono::nanoseconds send_budget::has_room_at(std::size_t kept) const {
  if (has_room(kept)) return refilled_;
  const auto wanted = static_cast<double>(kept);
  const auto has_room_after = [this, wanted](double nanoseconds) {
    return std::fma(nanoseconds, bytes_a_nanosecond_, level_) > wanted;  // as `refill` will have it
  };
  // The first nanosecond with room: a quotient is rounded, and may be off by one either way.
  double wait = std::floor((wanted - level_) / bytes_a_nanosecond_) + 1;
  if (has_room_after(wait - 1)) wait -= 1;
  while (!has_room_after(wait)) wait += 1;
  return refilled_ + std::chrono::nanoseconds(static_cast<std::int64_t>(wait));
}

}  // namespace gossipmonger
