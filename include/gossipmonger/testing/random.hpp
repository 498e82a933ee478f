// A seeded generator with bounded draw and shuffle: the same numbers on every compiler and
// standard library (I6), which std::uniform_int_distribution and std::shuffle are not. A value.
// Source: xoshiro256** by Blackman and Vigna; bounded draw by Lemire, TOMACS 2019.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

/// The generator. A value: a copy gives the same numbers.
class random_source {
 public:
  /// Equal seeds give equal numbers.
  explicit random_source(std::uint64_t seed);

  /// The next 64 bits.
  [[nodiscard]] std::uint64_t next();
  /// Uniform in [0, bound).  expects: bound > 0
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1), 53 bits.
  [[nodiscard]] double unit();

  /// Each order is as likely.
  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t left = items.size(); left > 1; --left) {
      std::swap(items[left - 1], items[static_cast<std::size_t>(below(left))]);
    }
  }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace gossipmonger
