// Seals the datagrams of one node and opens those of its peers. Knows bytes only: what they say is
// the codec's.
//
// A resource. Neither sealing nor opening allocates, but for the first datagram of a sender. Thread
// contract: one thread at a time.
// Source: lib/wire/gossip.capnp, "Sealed datagrams".
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "gossipmonger/keyring.hpp"
#include "seal/nonce_source.hpp"
#include "seal/replay_windows.hpp"

namespace gossipmonger {

/// Sizes of a sealed datagram beside its content.
inline constexpr std::size_t seal_head_bytes = 24;
inline constexpr std::size_t seal_tag_bytes = 16;

/// The head of a sealed datagram, which is also its nonce. A value.
struct seal_head {
  seal_head() = default;

  seal_key_id key = 0;
  std::uint64_t instance = 0;
  std::uint32_t date = 0;  ///< seconds since the Unix epoch
  std::uint32_t count = 0;
};

/// The head of `datagram`; nullopt where it is too short, plain or of another format.
[[nodiscard]] std::optional<seal_head> read_seal_head(std::span<const std::byte> datagram);

/// The time of a datagram, for the sealer: since the epoch of each clock.
struct seal_time {
  seal_time(std::chrono::nanoseconds steady_time, std::chrono::nanoseconds wall_time)
      : steady(steady_time), wall(wall_time) {}

  std::chrono::nanoseconds steady;
  std::chrono::nanoseconds wall;
};

class sealer {
 public:
  using seconds = std::chrono::seconds;
  static constexpr seconds usual_tolerance = std::chrono::hours(24);

  /// `instances` differs from the system's random device in simulations, and `count` in tests.
  ///   expects: `ring` has a key
  explicit sealer(keyring ring, nonce_source::draw instances = draw_from_system,
                  std::uint32_t count = 0);
  sealer(const sealer&) = delete;
  sealer& operator=(const sealer&) = delete;

  /// Seals and opens with other keys from now on. Counts, windows and nonces go on.
  ///   expects: `ring` has a key
  void set_keyring(keyring ring);
  /// How far the date of a sender's first datagram, or of one with a lower count, may be from mine;
  /// 0: any date. A negative one
  /// means 1 s, and one above 2^32 - 1 s means that.
  void set_clock_tolerance(seconds tolerance);
  /// Keeps the counts of so many senders, and of 4,096 at least.
  void set_senders_max(std::size_t senders) { windows_.set_capacity(senders); }
  /// Draws another instance: after a restore from a snapshot.
  void renew() { nonces_.renew(); }

  /// Makes a datagram of the content at `room[seal_head_bytes]`; returns its bytes, which are in
  /// `room`: sealed, or the content itself while plain datagrams are sent.
  ///   errors: empty where `room` has less than a head's and a tag's size more than the content;
  ///           nothing has changed then
  [[nodiscard]] std::span<const std::byte> seal(std::span<std::byte> room,
                                                std::size_t content_bytes, const seal_time& now);
  /// The content of `datagram`, decrypted in its place: all of it where it is plain and may be.
  ///   errors: why it is dropped. It proves nothing before its tag holds. Until then only counters
  ///           change, and senders that are idle for too long are forgotten. The bytes behind the
  ///           head may have been overwritten
  [[nodiscard]] tl::expected<std::span<std::byte>, seal_drop> open(std::span<std::byte> datagram,
                                                                   const seal_time& now);
  /// The key of the latest datagram that was opened; none where it was plain.
  [[nodiscard]] std::optional<seal_key_id> last_key() const { return last_key_; }

  [[nodiscard]] plain_policy plain() const { return ring_.plain; }
  [[nodiscard]] const keyring& ring() const { return ring_; }
  [[nodiscard]] seal_counters counters() const;

 private:
  [[nodiscard]] std::optional<seal_drop> why_dropped(std::span<const std::byte> datagram,
                                                     const seal_time& now) const;
  [[nodiscard]] bool is_dated(std::uint32_t date, const seal_time& now) const;
  /// The earliest date that a sender's first datagram may have, from now on.
  [[nodiscard]] seconds first_date_in_time(const seal_time& now) const;
  [[nodiscard]] std::optional<std::size_t> find_key(seal_key_id id) const;

  keyring ring_;
  std::vector<seal_key_counters> of_keys_;  // in the order of the ring
  nonce_source nonces_;
  replay_windows windows_;
  seconds tolerance_ = usual_tolerance;
  std::optional<seal_key_id> last_key_;
  seal_counters counted_;  // without gauges and keys
};

}  // namespace gossipmonger
