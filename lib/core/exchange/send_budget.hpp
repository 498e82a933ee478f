// A byte budget for all that a node sends: a token bucket, refilled as time passes and holding at
// most one interval's worth. A value; reads no clock (I6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

class send_budget {
 public:
  send_budget() = default;

  /// Refills for the time since the last call. The given rate counts from now on; the first call
  /// fills the bucket.
  ///   expects: bytes_per_interval > 0, interval > 0
  void refill(std::chrono::nanoseconds now, std::size_t bytes_per_interval,
              std::chrono::nanoseconds interval);
  /// Whether a datagram may go now, where `kept` bytes of the bucket are kept for others. The last
  /// one may take more than what is left: what it borrows is paid back first, so the mean holds.
  [[nodiscard]] bool has_room(std::size_t kept = 0) const {
    return level_ > static_cast<double>(kept);
  }
  void take(std::size_t bytes) { level_ -= static_cast<double>(bytes); }
  /// When there is room again, if nothing is taken until then; after `refill`.
  ///   expects: kept < bytes_per_interval
  [[nodiscard]] std::chrono::nanoseconds has_room_at(std::size_t kept = 0) const;

 private:
  double level_ = 0;
  double bytes_a_nanosecond_ = 0;
  std::chrono::nanoseconds refilled_{};
};

}  // namespace gossipmonger
