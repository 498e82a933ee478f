// A fuzzer's bytes, read as choices: at their end every choice is the first one, so that any input
// is a whole program. A value; a view of its bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gossipmonger {

class byte_source {
 public:
  explicit byte_source(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool is_empty() const { return bytes_.empty(); }

  [[nodiscard]] std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }

  [[nodiscard]] bool flag() { return (byte() & 1) != 0; }

  /// 0 to count - 1, by one byte.
  [[nodiscard]] std::size_t below(std::size_t count) { return byte() % count; }

  /// Any number up to `limit`: a byte says how many bytes it takes, and whether it is counted down
  /// from the limit, where mistakes are.
  [[nodiscard]] std::uint64_t number(std::uint64_t limit) {
    const std::uint8_t shape = byte();
    std::uint64_t drawn = 0;
    for (int left = shape % 9; left > 0; --left) drawn = drawn << 8 | byte();
    if (limit != ~std::uint64_t{0}) drawn %= limit + 1;
    return shape >= 0xc0 ? limit - drawn : drawn;
  }

  [[nodiscard]] std::span<const std::uint8_t> take(std::size_t count) {
    const std::span<const std::uint8_t> taken = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }

  [[nodiscard]] std::span<const std::uint8_t> rest() { return take(bytes_.size()); }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace gossipmonger
