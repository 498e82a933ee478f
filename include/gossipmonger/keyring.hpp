// The keys of a sealed cluster: the file that holds them, and what a node counts under each. Every
// datagram of a node with a keyring is encrypted, authenticated and protected against replay.
//
// Values, but for `seal_key`. No key, nor any part of one, is ever printed: an id stands for it.
// Source: lib/wire/gossip.capnp, "Sealed datagrams".
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

/// Names a key, in datagrams and in every output: a hash of it, from which it cannot be computed.
using seal_key_id = std::uint32_t;

/// The id as operators see it: 8 hexadecimal digits.
[[nodiscard]] std::string to_text(seal_key_id id);

/// One key of 32 bytes. A resource, shared by the rings that hold it. Its memory is left out of
/// core dumps, and wiped on the last release. It is locked as far as RLIMIT_MEMLOCK allows: a key
/// beyond that may reach the swap.
class seal_key {
 public:
  seal_key(const seal_key&) = delete;
  seal_key& operator=(const seal_key&) = delete;
  ~seal_key();

  /// The name of the key.
  [[nodiscard]] seal_key_id id() const { return id_; }

 private:
  friend class seal_key_access;  // of the library's own sealer

  class memory;
  explicit seal_key(std::unique_ptr<memory> secret);

  std::unique_ptr<memory> secret_;
  seal_key_id id_ = 0;
};

/// How a node with a keyring treats datagrams without a seal. The last two are for the time in
/// which a plain cluster becomes a sealed one: it is not protected yet.
enum class plain_policy : std::uint8_t {
  refused,   ///< sends sealed datagrams, takes no others
  accepted,  ///< sends sealed datagrams, takes both
  sent,      ///< sends plain datagrams, takes both
};

inline constexpr std::size_t keyring_keys_max = 8;

/// The keys of a node, and how it treats datagrams without a seal. A value, which shares the keys.
struct keyring {
  keyring() = default;

  /// Up to 8: the first seals, all of them open.
  std::vector<std::shared_ptr<const seal_key>> keys;
  plain_policy plain = plain_policy::refused;  ///< sealed only, unless the cluster is migrated
};

/// Why a keyring is refused. A value; holds nothing of a key.
struct keyring_error {
  keyring_error() = default;

  /// "keyring /etc/x: line 2: the key is damaged: its check sum does not hold"
  [[nodiscard]] std::string message() const;

  std::string file;      ///< empty where the keyring is of no file
  std::size_t line = 0;  ///< 0 where no line is at fault
  std::string cause;     ///< names the fault, and no part of the text
};

/// Whether the library was built with libsodium, and that works. Without it there is no keyring:
/// each function below fails and names the cause.
[[nodiscard]] bool has_seals();

/// Reads the text of a keyring file. `#` begins a comment. Each other line is one of these:
///
///     seal gmk1-...      the key that seals, exactly once
///     open gmk1-...      a key that opens too
///     plain accepted     or `plain sent`, at most once
///
///   errors: the first line that is none of these, a damaged key, two `seal` lines or none, a key
///           that stands there twice, more than 8 keys. A text with an error changes nothing.
[[nodiscard]] tl::expected<keyring, keyring_error> parse_keyring(std::string_view text);

/// The same of a regular file of at most 64 KiB. It belongs to the user of this process, without
/// any right of its group or of others; or it belongs to root, and its group may read it.
[[nodiscard]] tl::expected<keyring, keyring_error> load_keyring(const std::string& path);

/// A new random key, as it stands in a keyring file. Give the text to `wipe` after use.
[[nodiscard]] tl::expected<std::string, keyring_error> generate_key();

/// Overwrites a secret before it gives back its memory.
void wipe(std::string& secret);

/// Why a datagram was dropped before its content was looked at, cheapest check first.
enum class seal_drop : std::uint8_t {
  length,     ///< shorter than a seal
  plain,      ///< not sealed
  format,     ///< sealed in a format that this library does not know
  key,        ///< under a key that is not in the ring
  reflected,  ///< my own datagram came back
  replayed,   ///< a datagram that has been opened already
  behind,     ///< older than the last 960 datagrams of its sender
  stale,      ///< the first of its sender, with a date too far from mine
  forged,     ///< the tag does not hold: changed, or made without the key
};

inline constexpr std::size_t seal_drop_count = 9;

/// "length", "plain", …: the name of the counter.
[[nodiscard]] std::string_view to_string(seal_drop reason);

/// Counters of one key of a node's ring.
struct seal_key_counters {
  seal_key_counters() = default;

  seal_key_id id = 0;                                   ///< of the key
  bool is_sealing = false;                              ///< whether this node seals with it now
  std::uint64_t sealed = 0;                             ///< datagrams
  std::uint64_t opened = 0;                             ///< datagrams
  std::optional<std::chrono::nanoseconds> opened_last;  ///< on the node's steady clock
};

/// Counters since the start; they only rise, save the gauge. A key's own go with it.
struct seal_counters {
  seal_counters() = default;

  std::uint64_t sealed = 0;        ///< datagrams sent
  std::uint64_t opened = 0;        ///< datagrams taken
  std::uint64_t plain_sent = 0;    ///< likewise without a seal, by a node with a keyring
  std::uint64_t plain_opened = 0;  ///< likewise
  std::size_t instances = 0;       ///< gauge: senders whose datagrams are counted; at most 4,096,
                                   ///< or twice `peers_max` where that is more
  std::uint64_t evictions = 0;     ///< senders given up because there were more
  std::array<std::uint64_t, seal_drop_count> drops{};  ///< by seal_drop
  plain_policy plain = plain_policy::refused;          ///< of the ring
  std::vector<seal_key_counters> keys;  ///< in the order of the ring; none without one
};

}  // namespace gossipmonger
