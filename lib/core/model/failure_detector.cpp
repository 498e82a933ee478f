#include "core/model/failure_detector.hpp"

#include <algorithm>
#include <numbers>

namespace gossipmonger {

namespace {

// More than a few operations in single precision are off by.
constexpr double rounding = 1e-5;

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

phi_limit::phi_limit(double limit, std::chrono::nanoseconds at,
                     const detector_expectation& expected)
    : now(at),
      scale(static_cast<float>(1000 * std::numbers::ln10 * limit * (1 - rounding))),
      prior_us(
          static_cast<float>(failure_detector::prior_weight * to_microseconds(expected.prior))) {}

std::chrono::nanoseconds failure_detector::mean(const detector_expectation& expected) const {
  const std::uint64_t sum =
      static_cast<std::uint64_t>(sum_us()) + prior_weight * to_microseconds(expected.prior);
  const std::uint64_t mean = sum / (samples() + prior_weight);
  return std::chrono::microseconds{std::max<std::uint64_t>(1, mean)};
}

double failure_detector::phi(std::chrono::nanoseconds now,
                             const detector_expectation& expected) const {
  const std::uint64_t elapsed = to_microseconds(now - last_);
  const double scale = static_cast<double>(to_microseconds(mean(expected))) * std::numbers::ln10;
  return static_cast<double>(elapsed) / scale;
}

}  // namespace gossipmonger
