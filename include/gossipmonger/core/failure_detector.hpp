// Phi-accrual failure detection over the intervals between heartbeat advances. A value.
// Source: Hayashibara, Défago, Yared, Katayama, SRDS 2004; exponential tail as in Cassandra.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

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

class failure_detector {
 public:
  static constexpr std::uint64_t prior_weight = 4;

  explicit failure_detector(std::size_t window);

  /// A heartbeat advanced at `now`; the interval since the last advance enters the window.
  void advance(std::chrono::nanoseconds now, const detector_expectation& expected);
  /// Forget all intervals, and count from `now`: after a death, a restart.
  void reset(std::chrono::nanoseconds now);

  [[nodiscard]] std::chrono::nanoseconds mean(const detector_expectation& expected) const;
  /// elapsed / (mean * ln 10); never negative, never NaN
  [[nodiscard]] double phi(std::chrono::nanoseconds now,
                           const detector_expectation& expected) const;
  [[nodiscard]] std::chrono::nanoseconds last_advance() const { return last_; }
  [[nodiscard]] std::size_t samples() const { return intervals_.size(); }
  /// Has the processor fetch what the next `advance` writes.
  void fetch() const { __builtin_prefetch(intervals_.data() + next_); }

 private:
  std::vector<float> intervals_;  // whole microseconds, a ring once full; above 16 s rounded
  std::size_t window_;
  std::size_t next_ = 0;
  std::uint64_t sum_ = 0;  // of intervals_, exactly
  std::chrono::nanoseconds last_{};
};

}  // namespace gossipmonger
