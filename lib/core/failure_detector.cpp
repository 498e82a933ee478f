#include "gossipmonger/core/failure_detector.hpp"

#include <algorithm>
#include <numbers>

namespace gossipmonger {

namespace {

std::uint64_t to_microseconds(std::chrono::nanoseconds time) {
  if (time.count() <= 0) return 0;
  return static_cast<std::uint64_t>(time.count()) / 1000;
}

}  // namespace

detector_expectation::detector_expectation(std::chrono::nanoseconds round, std::size_t nodes,
                                           std::size_t fanout, std::size_t entries_per_digest) {
  const std::size_t seen_a_round = std::max<std::size_t>(1, fanout * entries_per_digest);
  const auto gap = static_cast<std::int64_t>(std::max<std::size_t>(1, nodes / seen_a_round));
  prior = round * (2 * gap);
  maximum = round * (16 * gap);
}

void failure_detector::advance(std::chrono::nanoseconds now, const detector_expectation& expected,
                               std::span<float> window) {
  const std::uint64_t interval =
      std::min(to_microseconds(now - last_), to_microseconds(expected.maximum));
  last_ = std::max(last_, now);
  // Four bytes each, and wide enough for rounds of an hour in a cluster of thousands.
  const auto sample = static_cast<float>(interval);
  if (samples_ < window.size()) {
    ++samples_;
  } else {
    sum_ -= static_cast<std::uint64_t>(window[next_]);
  }
  window[next_] = sample;
  next_ = static_cast<std::uint16_t>(next_ + 1U == window.size() ? 0 : next_ + 1);
  sum_ += static_cast<std::uint64_t>(sample);
}

void failure_detector::reset(std::chrono::nanoseconds now) {
  samples_ = 0;
  next_ = 0;
  sum_ = 0;
  last_ = now;
}

std::chrono::nanoseconds failure_detector::mean(const detector_expectation& expected) const {
  const std::uint64_t sum = sum_ + prior_weight * to_microseconds(expected.prior);
  const std::uint64_t mean = sum / (samples_ + prior_weight);
  return std::chrono::microseconds{std::max<std::uint64_t>(1, mean)};
}

double failure_detector::phi(std::chrono::nanoseconds now,
                             const detector_expectation& expected) const {
  const std::uint64_t elapsed = to_microseconds(now - last_);
  const double scale = static_cast<double>(to_microseconds(mean(expected))) * std::numbers::ln10;
  return static_cast<double>(elapsed) / scale;
}

}  // namespace gossipmonger
