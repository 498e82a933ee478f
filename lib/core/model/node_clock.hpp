// The times that a node goes by: its liveness time, which stands still while the process does, and
// the dates that it was told. A value; reads no clock (I6).
#pragma once

#include <chrono>
#include <cstdint>

#include "gossipmonger/types.hpp"

namespace gossipmonger {

class node_clock {
 public:
  explicit node_clock(moment start)
      : now_(start.steady), wall_(start.wall), highest_wall_(start.wall) {}

  /// Takes the time of an input. A timer that comes more than `late_max` after `due` means that the
  /// process, or the machine, stood still: the liveness time leaves that pause out.
  /// Returns whether there was such a pause.
  [[nodiscard]] bool observe(moment at, std::chrono::nanoseconds due,
                             std::chrono::nanoseconds late_max);

  /// The liveness time of the latest input. It never goes back.
  [[nodiscard]] std::chrono::nanoseconds now() const { return now_; }
  [[nodiscard]] std::chrono::nanoseconds liveness_time(moment at) const {
    return at.steady - paused_;
  }
  /// The sum of all pauses: the liveness time is so far behind the steady one.
  [[nodiscard]] std::chrono::nanoseconds paused() const { return paused_; }

  /// The generation of a node that starts now: the latest date as Unix time in ms, or 1 before
  /// 1970. A clock that was ahead for a while, and was set back, leaves no trace in it.
  [[nodiscard]] std::uint64_t date_generation() const;
  /// The highest generation that is not of a far future: a day ahead of the highest date.
  [[nodiscard]] std::uint64_t generation_limit() const;
  [[nodiscard]] bool is_far_future(std::uint64_t generation) const {
    return generation > generation_limit();
  }

 private:
  std::chrono::nanoseconds now_;
  std::chrono::nanoseconds paused_{};
  std::chrono::nanoseconds wall_;
  std::chrono::nanoseconds highest_wall_;
};

}  // namespace gossipmonger
