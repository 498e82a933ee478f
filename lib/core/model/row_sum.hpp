// The parts of a digest of sums. The rows lie in 512 buckets by the top nine bits of their hashes.
// Of a bucket, or of several, a node tells the sum of its rows instead of the rows. Where two sums
// are equal, so are the rows, but for their heartbeats. Values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/model/digest.hpp"

namespace gossipmonger {

/// 64 bits of all that a row says of its peer but for the heartbeat; never 0.
/// Source: SipHash-2-4, of name hash, generation, max version and whether it left.
[[nodiscard]] std::uint64_t part_of(const packed_entry& row);

/// A sum over rows. All arithmetic wraps round.
struct row_sum {
  row_sum() = default;

  friend bool operator==(const row_sum&, const row_sum&) = default;

  void add(std::uint64_t part, std::uint64_t version) {
    parts += part;
    versions += version;
  }
  void subtract(std::uint64_t part, std::uint64_t version) {
    parts -= part;
    versions -= version;
  }
  /// As it is told, in 48 bits: the low 36 of the parts, and above them the low 12 of the versions.
  [[nodiscard]] std::uint64_t packed() const {
    return (parts & parts_mask) | (versions & versions_mask) << parts_bits;
  }

  std::uint64_t parts = 0;
  std::uint64_t versions = 0;

  static constexpr unsigned parts_bits = 36;
  static constexpr unsigned versions_bits = 12;
  static constexpr std::uint64_t parts_mask = (std::uint64_t{1} << parts_bits) - 1;
  static constexpr std::uint64_t versions_mask = (std::uint64_t{1} << versions_bits) - 1;
};

/// The bits of a hash that name its bucket, where there are 2^bits of them.
[[nodiscard]] inline std::size_t bucket_of(std::uint64_t name_hash, unsigned bits) {
  return bits == 0 ? 0 : static_cast<std::size_t>(name_hash >> (64 - bits));
}

/// The least and the most buckets that a message tells sums of, as powers of two.
inline constexpr unsigned sum_bits_min = 3;
inline constexpr unsigned sum_bits_max = bucket_set::bits;
/// So many sums stand in one datagram at most; of more, each datagram tells a part.
inline constexpr std::size_t sums_a_part = 128;
/// The sums in one part where there are 2^bits, and the parts.
[[nodiscard]] constexpr std::size_t sums_in_part(unsigned bits) {
  return std::min(std::size_t{1} << bits, sums_a_part);
}
[[nodiscard]] constexpr unsigned sum_parts(unsigned bits) {
  return static_cast<unsigned>((std::size_t{1} << bits) / sums_in_part(bits));
}

}  // namespace gossipmonger
