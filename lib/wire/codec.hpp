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

#include "core/model/message.hpp"
#include "gossipmonger/drop_reason.hpp"

namespace gossipmonger {

class codec {
 public:
  /// `datagram_bytes_max`: what `decode` accepts at most. `spoken`: less or more than this library
  /// speaks is for tests of roll-outs; the body of every version is that of version 1.
  codec(std::uint32_t cluster_id, std::size_t datagram_bytes_max,
        wire_range spoken = wire_range(wire_version_lowest, wire_version_highest));
  codec(const codec&) = delete;
  codec& operator=(const codec&) = delete;

  [[nodiscard]] const wire_range& versions() const { return spoken_; }

  /// Writes `m` to the start of `buffer` and returns the datagram's size, which is
  /// datagram_bytes(m). The range in the header is the codec's own.
  ///   expects: buffer is 8-byte aligned and holds that size; every field of m within its limits,
  ///            m.wire_version within the range
  [[nodiscard]] std::size_t encode(const message& m, std::span<std::byte> buffer) const;

  /// Reads `datagram` into `out`, whose views then point into it.
  ///   errors:  the reason of the drop; `out` is then unspecified, but for `versions` where the
  ///            reason is wire_version: a datagram of the cluster, undamaged, that I cannot read
  ///   expects: the datagram starts 8-byte aligned
  [[nodiscard]] tl::expected<void, drop_reason> decode(std::span<const std::byte> datagram,
                                                       message& out) const;

  /// Whether `datagram`, which `decode` dropped as `cluster`, bears the header of another cluster's
  /// undamaged datagram. Its body is not looked at. Reads all of it, for the checksum.
  ///   expects: the datagram starts 8-byte aligned
  [[nodiscard]] bool is_of_another_cluster(std::span<const std::byte> datagram) const;

 private:
  std::uint32_t cluster_id_;
  std::size_t datagram_bytes_max_;
  wire_range spoken_;
};

}  // namespace gossipmonger
