// A gossip interval as digests tell it: a small float of 16 bits. A value.
#pragma once

#include <chrono>
#include <cstdint>

namespace gossipmonger {

/// bits 0-11 a number, bits 12-15 an exponent: number * 2^exponent milliseconds. Exact up to 4,095
/// ms; above, it rounds down by less than one part in 2,048. 0 says nothing.
class interval_code {
 public:
  constexpr interval_code() = default;
  /// expects: 0 <= `length` < 2^27 ms
  constexpr explicit interval_code(std::chrono::milliseconds length) {
    auto number = static_cast<std::uint64_t>(length.count());
    std::uint64_t exponent = 0;
    for (; number > number_max; number >>= 1) ++exponent;
    bits_ = static_cast<std::uint16_t>(exponent << exponent_at | number);
  }
  /// Any 16 bits are a code.
  [[nodiscard]] static constexpr interval_code from_bits(std::uint16_t bits) {
    interval_code code;
    code.bits_ = bits;
    return code;
  }

  friend constexpr bool operator==(const interval_code&, const interval_code&) = default;

  [[nodiscard]] constexpr std::uint16_t bits() const { return bits_; }
  [[nodiscard]] constexpr std::chrono::milliseconds length() const {
    const std::uint64_t number = bits_ & number_max;
    return std::chrono::milliseconds(static_cast<std::int64_t>(number << (bits_ >> exponent_at)));
  }
  /// False: its sender does not say how often it gossips.
  [[nodiscard]] constexpr bool is_said() const { return length().count() != 0; }
  /// Whether one of the two is more than twice the other.
  ///   expects: both are said
  [[nodiscard]] constexpr bool is_far_from(const interval_code& other) const {
    return length() > 2 * other.length() || other.length() > 2 * length();
  }

 private:
  static constexpr int exponent_at = 12;
  static constexpr std::uint64_t number_max = 0xfff;

  std::uint16_t bits_ = 0;
};

}  // namespace gossipmonger
