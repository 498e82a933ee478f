// Messages to datagrams and back. The format stands in lib/wire/gossip.capnp.
//
// A resource, cheap; holds no state between calls but the cluster's id. Decoding is total (I8):
// any byte string yields a message or the reason why it is dropped. Neither allocates once the
// message's vectors are warm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "gossipmonger/core/drop_reason.hpp"
#include "gossipmonger/core/message.hpp"

namespace gossipmonger {

/// The wire versions this library speaks: [lowest, highest], each 1 to 15.
inline constexpr std::uint8_t wire_version_lowest = 1;
inline constexpr std::uint8_t wire_version_highest = 1;

class codec {
 public:
  /// `datagram_bytes_max`: what `decode` accepts at most.
  codec(std::uint32_t cluster_id, std::size_t datagram_bytes_max);
  codec(const codec&) = delete;
  codec& operator=(const codec&) = delete;

  /// Writes `m` to the start of `buffer` and returns the datagram's size, a multiple of 8, which
  /// is max(encoded_bytes(m), m.padded_bytes).
  ///   expects: buffer is 8-byte aligned and holds that size; every field of m within its limits
  [[nodiscard]] std::size_t encode(const message& m, std::span<std::byte> buffer) const;

  /// Reads `datagram` into `out`, whose views then point into it.
  ///   errors:  the reason of the drop; `out` is then unspecified
  ///   expects: the datagram starts 8-byte aligned
  [[nodiscard]] tl::expected<void, drop_reason> decode(std::span<const std::byte> datagram,
                                                       message& out) const;

 private:
  std::uint32_t cluster_id_;
  std::size_t datagram_bytes_max_;
};

}  // namespace gossipmonger
