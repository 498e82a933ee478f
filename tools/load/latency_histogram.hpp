// Counts times, to tell their quantiles: exact below 128 us, and within 0.8 % above. A value of a
// few kilobytes, whatever it counted; not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

class latency_histogram {
 public:
  /// Negative times count as 0, those of more than 12 days as that.
  void add(std::chrono::nanoseconds time);
  void add(const latency_histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The least time that is not shorter than `part` of all; 0 where nothing was counted.
  ///   expects: 0 <= part <= 1
  [[nodiscard]] std::chrono::microseconds quantile(double part) const;

 private:
  // Buckets of 1 us up to `exact`, then `exact` / 2 of them for each further power of two.
  static constexpr std::uint64_t exact = 128;
  static constexpr std::size_t octaves = 33;

  [[nodiscard]] static std::size_t bucket_of(std::uint64_t us);
  [[nodiscard]] static std::uint64_t middle_of(std::size_t bucket);

  std::array<std::uint64_t, exact + octaves * exact / 2> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace gossipmonger
