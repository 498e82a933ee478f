// A gossip interval as digests tell it: a small float of 8 bits. A value.
#pragma once

#include <chrono>
#include <cstdint>

namespace gossipmonger {

/// bits 0-2 a number, bits 3-7 an exponent: (8 + number) * 2^exponent milliseconds, rounded down by
/// less than one part in eight. 0 says nothing.
class interval_code {
 public:
  constexpr interval_code() = default;
  /// expects: 9 ms <= `length` < 2^35 ms
  constexpr explicit interval_code(std::chrono::milliseconds length) {
    auto number = static_cast<std::uint64_t>(length.count());
    std::uint64_t exponent = 0;
    for (; number >= 2 * number_min; number >>= 1) ++exponent;
    bits_ = static_cast<std::uint8_t>(exponent << exponent_at | (number - number_min));
  }
  /// Any 8 bits are a code.
  [[nodiscard]] static constexpr interval_code from_bits(std::uint8_t bits) {
    interval_code code;
    code.bits_ = bits;
    return code;
  }

  friend constexpr bool operator==(const interval_code&, const interval_code&) = default;

  [[nodiscard]] constexpr std::uint8_t bits() const { return bits_; }
  /// expects: it is said
  [[nodiscard]] constexpr std::chrono::milliseconds length() const {
    const std::uint64_t number = number_min + (bits_ & (number_min - 1));
    return std::chrono::milliseconds(static_cast<std::int64_t>(number << (bits_ >> exponent_at)));
  }
  /// False: its sender does not say how often it gossips.
  [[nodiscard]] constexpr bool is_said() const { return bits_ != 0; }
  /// Whether one of the two is more than twice the other. Never true of two that are not; a factor
  /// of up to 2.25 may pass.
  ///   expects: both are said
  [[nodiscard]] constexpr bool is_far_from(const interval_code& other) const {
    return length() > 2 * other.length() || other.length() > 2 * length();
  }

 private:
  static constexpr int exponent_at = 3;
  static constexpr std::uint64_t number_min = 8;

  std::uint8_t bits_ = 0;
};

}  // namespace gossipmonger
