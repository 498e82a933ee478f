// Phi-accrual failure detection over the intervals between heartbeat advances. A value.
// Source: Hayashibara, Défago, Yared, Katayama, SRDS 2004; exponential tail as in Cassandra.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gossipmonger {

/// What the detector expects before it has seen anything: functions of the cluster's size.
struct detector_expectation {
  detector_expectation() = default;
  /// For `nodes` nodes, `fanout`, and digests of `entries_per_digest` entries a round. The
  /// expected gap G between two advances at a replica is nodes / (fanout * entries) rounds, at
  /// least one; the prior is 2 G, the maximum 16 G.
  detector_expectation(std::chrono::nanoseconds round, std::size_t nodes, std::size_t fanout,
                       std::size_t entries_per_digest);

  std::chrono::nanoseconds prior{};    ///< a mean before there is evidence; weighs `prior_weight`
  std::chrono::nanoseconds maximum{};  ///< a longer interval counts as this much
};

/// Where its intervals lie is its owner's: the same `window` at each call, 4 to 1000 places.
class failure_detector {
 public:
  static constexpr std::uint64_t prior_weight = 4;

  failure_detector() = default;

  /// A heartbeat advanced at `now`; the interval since the last advance enters the window.
  void advance(std::chrono::nanoseconds now, const detector_expectation& expected,
               std::span<float> window);
  /// Forget all intervals, and count from `now`: after a death, a restart.
  void reset(std::chrono::nanoseconds now);

  [[nodiscard]] std::chrono::nanoseconds mean(const detector_expectation& expected) const;
  /// elapsed / (mean * ln 10); never negative, never NaN
  [[nodiscard]] double phi(std::chrono::nanoseconds now,
                           const detector_expectation& expected) const;
  [[nodiscard]] std::chrono::nanoseconds last_advance() const { return last_; }
  [[nodiscard]] std::size_t samples() const { return samples_; }
  /// Index in the window of what the next `advance` writes.
  [[nodiscard]] std::size_t next() const { return next_; }

 private:
  std::uint64_t sum_ = 0;  // of the window, exactly
  std::chrono::nanoseconds last_{};
  // Intervals are whole microseconds, above 16 s rounded; a ring once the window is full.
  std::uint16_t samples_ = 0;
  std::uint16_t next_ = 0;
};

}  // namespace gossipmonger
