#include "latency_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace gossipmonger {

void latency_histogram::add(std::chrono::nanoseconds time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  ++buckets_[bucket_of(static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0)))];
  ++count_;
}

void latency_histogram::add(const latency_histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

std::chrono::microseconds latency_histogram::quantile(double part) const {
  assert(part >= 0 && part <= 1);
  const double wanted = std::max(1.0, std::ceil(part * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (static_cast<double>(seen) < wanted) continue;
    return std::chrono::microseconds(middle_of(i));
  }
  return std::chrono::microseconds(0);
}

std::size_t latency_histogram::bucket_of(std::uint64_t us) {
  if (us < exact) return static_cast<std::size_t>(us);
  const auto octave = static_cast<std::uint64_t>(std::bit_width(us / exact));
  const std::uint64_t step = us >> octave;  // exact / 2 <= step < exact
  const std::uint64_t bucket = exact + (octave - 1) * (exact / 2) + (step - exact / 2);
  constexpr std::uint64_t last = exact + octaves * exact / 2 - 1;
  return static_cast<std::size_t>(std::min(bucket, last));
}

std::uint64_t latency_histogram::middle_of(std::size_t bucket) {
  if (bucket < exact) return bucket;
  const std::uint64_t octave = (bucket - exact) / (exact / 2) + 1;
  const std::uint64_t step = (bucket - exact) % (exact / 2) + exact / 2;
  return (step << octave) + (std::uint64_t{1} << octave) / 2;
}

}  // namespace gossipmonger
