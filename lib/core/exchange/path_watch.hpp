// Whether large datagrams reach one peer. A path may swallow them without a word and carry short
// ones, for example a tunnel whose ICMP errors are filtered. Each digest says how large the largest
// datagram was that came from its receiver of late; the sender compares. A value.
// Source: RFC 8899, section 4.3 (black hole detection); the acknowledgement is our own.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

/// A size as the wire tells it, in steps of a sixteenth: rises with the size; 0 for no bytes.
///   expects: bytes < 2^19
[[nodiscard]] constexpr std::uint8_t size_class(std::size_t bytes) {
  if (bytes < 16) return bytes == 0 ? 0 : 1;
  const unsigned exponent = static_cast<unsigned>(std::bit_width(bytes)) - 1;
  const std::size_t sixteenths = bytes >> (exponent - 4U) & 15U;
  return static_cast<std::uint8_t>(16 * (exponent - 3U) + sixteenths);
}

class path_watch {
 public:
  /// Every path of IPv4 carries this much in a datagram (RFC 791: 576 bytes with both headers).
  static constexpr std::size_t short_bytes_max = 548;
  /// Large datagrams that got lost one after the other, while shorter ones arrived. At a loss of a
  /// fifth, by chance one in ten million is the last of so many.
  static constexpr std::uint32_t losses_max = 10;

  path_watch() = default;

  /// A datagram of `bytes` bytes came from the peer.
  void handle_received(std::size_t bytes) { newest_ = std::max(newest_, size_class(bytes)); }

  /// The largest that came since the round before the last in which a digest told the peer of it.
  [[nodiscard]] std::uint8_t tell(std::uint64_t round) {
    const std::uint8_t told = std::max(newest_, before_);
    if (round != told_round_) {
      before_ = newest_;
      newest_ = 0;
      told_round_ = round;
    }
    return told;
  }

  /// A datagram went to the peer while my heartbeat stood at `heartbeat`.
  void handle_sent(std::size_t bytes, std::uint64_t heartbeat) {
    if (bytes <= short_bytes_max || size_class(bytes) <= sent_) return;
    sent_ = size_class(bytes);
    heartbeat_ = heartbeat;
  }

  /// The peer tells the largest that came from me, having seen `heartbeat` of mine. True where it
  /// follows that the path carries short datagrams only; the next conclusion takes as much again.
  [[nodiscard]] bool handle_told(std::uint8_t largest, std::uint64_t heartbeat) {
    // Its digest may have left before mine arrived.
    if (sent_ == 0 || heartbeat <= heartbeat_) return false;
    // Where nothing came at all, it is not the size that matters.
    const bool is_loss = largest != 0 && largest < sent_;
    losses_ = is_loss ? losses_ + 1 : 0;
    sent_ = 0;
    if (losses_ < losses_max) return false;
    losses_ = 0;
    return true;
  }

 private:
  // From the peer.
  std::uint8_t newest_ = 0;  // since the round in which a digest last told
  std::uint8_t before_ = 0;  // in the time before that
  std::uint64_t told_round_ = 0;

  // To the peer.
  std::uint8_t sent_ = 0;  // the largest of which nothing is known yet; 0: none
  std::uint64_t heartbeat_ = 0;
  std::uint32_t losses_ = 0;
};

}  // namespace gossipmonger
