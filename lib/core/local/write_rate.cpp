#include "core/local/write_rate.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gossipmonger {

namespace {

// Part of the bytes that a peer behind took. It catches up by the rest.
constexpr double kept = 0.75;
// A rise doubles the rate in about so many times the rounds that news takes, and in twice that
// while it is not a whole turn since somebody was behind.
constexpr double rise = 1.5;
// A peer that takes nothing for so many times the rounds of news is not waited for.
constexpr std::uint32_t stalled = 4;
// A writer is never held to less than this an interval: one large entry.
constexpr double rate_min = 1024;
constexpr double rate_max = 1e12;

}  // namespace

write_rate::write_rate(std::size_t bytes_per_interval, std::chrono::nanoseconds now)
    : first_(std::max(rate_min, static_cast<double>(bytes_per_interval))),
      rate_(first_),
      level_(first_),
      refilled_(now) {}

void write_rate::begin_anew(std::size_t bytes_per_interval) {
  first_ = std::max(rate_min, static_cast<double>(bytes_per_interval));
  rate_ = first_;
}

void write_rate::spend(std::size_t bytes, std::uint64_t version) {
  level_ -= static_cast<double>(bytes);
  written_ += static_cast<double>(bytes);
  now_.bytes += static_cast<double>(bytes);
  now_.version = version;
}

std::uint32_t write_rate::round_of(std::uint64_t held) const {
  const auto size = static_cast<std::uint32_t>(marks_.size());
  std::uint32_t low = round_ > size ? round_ - size : 0;
  std::uint32_t high = round_;
  // The first round at whose end something above `held` was there is in [low, high].
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (mark_of(middle).version > held) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

double write_rate::bytes_upto(std::uint64_t held) const {
  if (held >= now_.version) return now_.bytes;
  const auto size = static_cast<std::uint32_t>(marks_.size());
  const std::uint32_t oldest = round_ > size ? round_ - size : 0;
  const std::uint32_t round = round_of(held);
  const mark& above = round == round_ ? now_ : mark_of(round);
  const mark below = round == oldest ? mark() : mark_of(round - 1);
  const double part = static_cast<double>(held - below.version) /
                      static_cast<double>(above.version - below.version);
  return below.bytes + part * (above.bytes - below.bytes);
}

void write_rate::handle_held(write_progress& peer, std::uint64_t held, std::size_t part) {
  const std::uint32_t lag = held < now_.version ? round_ - round_of(held) : 0;
  const auto hold_up = [this] {
    held_up_ = round_;
    was_held_up_ = true;
  };
  if (lag <= patience_) {
    peer.is_behind = false;
    if (lag > patience_ / 2 + 1) hold_up();
    return;
  }
  const auto begin = [&] {
    peer.is_behind = true;
    peer.held = held;
    peer.part = part;
    peer.round = round_;
  };
  if (!peer.is_behind) {
    begin();
    hold_up();
    is_late_ = true;
    return;
  }

  const std::uint32_t passed = round_ - peer.round;
  const bool has_grown = held > peer.held || (held == peer.held && part > peer.part);
  if (!has_grown) {
    if (passed > stalled * patience_) return;
    hold_up();
    is_late_ = is_late_ || passed > patience_;
    return;
  }
  hold_up();
  if (passed < patience_) return;
  // By the same marks both: what is older than these is known only on average.
  const double taken = bytes_upto(held) - bytes_upto(peer.held) + static_cast<double>(part) -
                       static_cast<double>(peer.part);
  const double leaves = std::max(1.0, kept * taken / passed);
  carried_ = carried_ == 0 ? leaves : std::min(carried_, leaves);
  begin();
}

bool write_rate::end_round(std::chrono::nanoseconds now, std::chrono::nanoseconds interval,
                           std::size_t peers) {
  static_cast<void>(is_open(now, interval));
  const double before = rate_;
  const bool may_fall = !has_fallen_ || round_ - fell_ > patience_;
  if (carried_ > rate_ && written_ >= rate_ / 2) {
    rate_ += (carried_ - rate_) / 4;
  } else if (carried_ > 0 && written_ > 0) {
    rate_ = std::min(rate_, std::max(carried_, rate_ / 2));
  } else if (written_ > 0 && is_late_ && may_fall) {
    // The unused part of the rate is no evidence.
    rate_ = std::min(rate_, std::max(written_, rate_ / 2)) * kept;
  } else if (written_ >= rate_ / 2 && (!was_held_up_ || round_ - held_up_ > patience_)) {
    const bool is_careful = was_held_up_ && round_ - held_up_ <= patience_ + turn_;
    rate_ += std::min(first_, rate_) / (rise * (is_careful ? 2 : 1) * patience_);
  }
  rate_ = std::clamp(rate_, rate_min, rate_max);
  const bool has_fallen = rate_ < before;
  if (has_fallen) {
    fell_ = round_;
    has_fallen_ = true;
  }
  // Writes made at once count against the writer for an interval, not more.
  level_ = std::max(level_, -rate_);

  marks_[round_ % marks_.size()] = now_;
  ++round_;
  patience_ = 2 * static_cast<std::uint32_t>(std::bit_width(peers)) + 4;
  turn_ = static_cast<std::uint32_t>(peers);
  written_ = 0;
  carried_ = 0;
  is_late_ = false;
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
