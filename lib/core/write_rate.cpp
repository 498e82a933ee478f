#include "gossipmonger/core/write_rate.hpp"

#include <algorithm>
#include <cmath>

namespace gossipmonger {

namespace {

constexpr double steps = 32;
constexpr double kept = 0.75;
// A writer is never held to less than this an interval: one large entry.
constexpr double rate_min = 1024;
constexpr double rate_max = 1e12;

}  // namespace

write_rate::write_rate(std::size_t bytes_per_interval, std::chrono::nanoseconds now)
    : rate_(std::max(rate_min, static_cast<double>(bytes_per_interval))),
      step_(rate_ / steps),
      level_(rate_),
      refilled_(now) {}

void write_rate::spend(std::size_t bytes) {
  level_ -= static_cast<double>(bytes);
  written_ += static_cast<double>(bytes);
  ++entries_;
}

std::uint64_t write_rate::entries_in(std::size_t rounds) const {
  return static_cast<std::uint64_t>(entries_a_round_ * static_cast<double>(rounds));
}

bool write_rate::end_round(std::chrono::nanoseconds now, std::chrono::nanoseconds interval) {
  static_cast<void>(is_open(now, interval));
  const bool has_fallen = is_behind_ && written_ > 0;
  if (has_fallen) {
    // What nobody used of the rate says nothing about what can be carried.
    rate_ = std::max(rate_min, std::min(rate_, std::max(written_, rate_ / 2)) * kept);
  } else if (!is_behind_ && written_ >= rate_ / 2) {
    rate_ = std::min(rate_ + step_, rate_max);
  }
  level_ =
      std::max(level_, -rate_);  // a burst is held against the writer for an interval, not more
  entries_a_round_ += (static_cast<double>(entries_) - entries_a_round_) / 8;
  entries_ = 0;
  written_ = 0;
  is_behind_ = false;
  return has_fallen;
}

bool write_rate::is_open(std::chrono::nanoseconds now, std::chrono::nanoseconds interval) {
  if (now > refilled_) {
    const double passed = static_cast<double>((now - refilled_).count());
    level_ = std::min(rate_, level_ + rate_ * passed / static_cast<double>(interval.count()));
    refilled_ = now;
  }
  return level_ >= 0;
}

std::chrono::nanoseconds write_rate::is_open_at(std::chrono::nanoseconds interval) const {
  if (level_ >= 0) return refilled_;
  const double wait = -level_ / rate_ * static_cast<double>(interval.count());
  return refilled_ + std::chrono::nanoseconds(static_cast<std::int64_t>(std::floor(wait)) + 1);
}

}  // namespace gossipmonger
