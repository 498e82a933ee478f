// Phi-accrual failure detection over the intervals between heartbeat advances. A value.
// Source: Hayashibara, Défago, Yared, Katayama, SRDS 2004; exponential tail as in Cassandra.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

/// The detector's expectation before it has seen an interval: functions of the cluster's size.
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

/// A limit of phi at a moment, as each detector of a table is asked whether it may exceed that.
struct phi_limit {
  phi_limit(double limit, std::chrono::nanoseconds at, const detector_expectation& expected);

  /// A detector that does not exceed this does not exceed that.
  [[nodiscard]] bool covers(const phi_limit& other) const {
    return other.now <= now && other.scale == scale && other.prior_us == prior_us;
  }

  std::chrono::nanoseconds now;
  float scale;     ///< from the mean in microseconds to the nanoseconds of silence that it allows
  float prior_us;  ///< by its weight
};

/// Its window is kept as two sums: of the intervals since the window was half full last, and of the
/// half before. So it covers the last half to all of `window` intervals, and lies beside the row of
/// its peer. With a ring of intervals, each advance would fetch one more place in memory.
class failure_detector {
 public:
  static constexpr std::uint64_t prior_weight = 4;

  failure_detector() = default;

  /// A heartbeat advanced at `now`; the interval since the last advance enters the window.
  ///   expects: window is 4 to 1000 intervals; it may differ from call to call
  void advance(std::chrono::nanoseconds now, const detector_expectation& expected,
               std::size_t window) {
    // From copies: `clamp` chooses among addresses, and would read the one it chose from memory.
    const std::chrono::nanoseconds most = expected.maximum;
    const std::int64_t interval =
        std::clamp(now - last_, std::chrono::nanoseconds{0}, most).count();
    last_ = std::max(last_, now);
    if (recent_count_ >= window / 2) {
      earlier_sum_ = recent_sum_;
      earlier_count_ = recent_count_;
      recent_sum_ = 0;
      recent_count_ = 0;
    }
    recent_sum_ += static_cast<float>(interval / 1000);
    ++recent_count_;
  }
  /// Forget all intervals, and count from `now`: after a death, a restart.
  void reset(std::chrono::nanoseconds now) {
    *this = failure_detector();
    last_ = now;
  }

  [[nodiscard]] std::chrono::nanoseconds mean(const detector_expectation& expected) const;
  /// elapsed / (mean * ln 10); never negative, never NaN
  [[nodiscard]] double phi(std::chrono::nanoseconds now,
                           const detector_expectation& expected) const;
  /// False: phi is surely not above the limit; true: it may be. Each advance asks this, so it takes
  /// no division.
  [[nodiscard]] bool may_exceed(const phi_limit& limit) const {
    // phi > limit where elapsed * count > limit * ln 10 * sum. Phi rounds the mean to
    // microseconds, so this takes one microsecond less.
    const auto count = static_cast<float>(samples() + prior_weight);
    const float sum = recent_sum_ + earlier_sum_ + limit.prior_us - count;
    return static_cast<float>((limit.now - last_).count()) * count > limit.scale * sum;
  }
  [[nodiscard]] std::chrono::nanoseconds last_advance() const { return last_; }
  [[nodiscard]] std::size_t samples() const { return std::size_t{recent_count_} + earlier_count_; }

 private:
  [[nodiscard]] std::int64_t sum_us() const {
    return static_cast<std::int64_t>(recent_sum_) + static_cast<std::int64_t>(earlier_sum_);
  }

  std::chrono::nanoseconds last_{};
  // In whole microseconds: exact while a sum is below 2^24 of them (16 s); above, each interval is
  // added to one part in ten million of the sum.
  float recent_sum_ = 0;
  float earlier_sum_ = 0;
  std::uint16_t recent_count_ = 0;
  std::uint16_t earlier_count_ = 0;
};

}  // namespace gossipmonger
