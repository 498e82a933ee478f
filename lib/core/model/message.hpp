// One datagram's content, as the core speaks of it; the wire layer turns it into bytes and back.
//
// A resource for reuse: its vectors keep their capacity, so that a node encodes and decodes
// without allocating once warm. Its views are valid as long as their source (storage until the
// next non-const call; a received datagram as long as its buffer).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/delta.hpp"
#include "core/model/digest.hpp"
#include "core/model/interval_code.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// The legs of an exchange.
enum class message_kind : std::uint8_t {
  digest = 1,  ///< leg 1: what I know
  reply = 2,   ///< leg 2: what you lack, newer heartbeats, and requests for what I lack
  deltas = 3,  ///< leg 3: what you asked for
};

/// Why the sender of a reply takes nothing, or nothing further, of the receiver. The numbers stand
/// on the wire; a reader ignores those that it does not know.
enum class refusal : std::uint8_t {
  none = 0,
  far_future = 1,  ///< the receiver's generation is more than a day ahead of the sender's clock
  no_room = 2,     ///< the sender knows as many peers as it may (`peers_max`)
  capacity = 3,    ///< the receiver's entries exceed what the sender takes of one peer
  storage = 4,     ///< the sender's storage refused an entry of the receiver, and is tried again
};
inline constexpr std::size_t refusal_count = 5;  ///< those above

/// The part of a reply in an exchange by sums, where leg 1 told a root. Flags.
enum class root_answer : std::uint8_t {
  none = 0,        ///< nothing: leg 1 told rows
  leg_2 = 1,       ///< it answers a root
  is_stale = 2,    ///< leg 1 was no sign of life: its sender is to send leg 3 in any case
  wants_rows = 4,  ///< the sender knows little: leg 3 is to tell all rows
  leg_3 = 8,       ///< it answers such an answer
};
[[nodiscard]] constexpr root_answer operator|(root_answer a, root_answer b) {
  return static_cast<root_answer>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
[[nodiscard]] constexpr bool has(root_answer flags, root_answer one) {
  return (static_cast<unsigned>(flags) & static_cast<unsigned>(one)) != 0;
}

/// The flags without those that the first datagram of a leg alone says.
[[nodiscard]] constexpr root_answer which_leg(root_answer flags) {
  const auto legs = static_cast<unsigned>(root_answer::leg_2 | root_answer::leg_3);
  return static_cast<root_answer>(static_cast<unsigned>(flags) & legs);
}

/// Link-local addresses come without a scope, which means nothing on another host: they are on the
/// interface that the datagram came by.
void set_scopes(std::span<identity_view> identities, std::uint32_t interface);

/// A feature bit: the sender answers roots.
inline constexpr std::uint8_t feature_sums = 1;

struct message {
  message() = default;
  message(const message&) = delete;
  message& operator=(const message&) = delete;
  void clear();

  message_kind kind = message_kind::digest;
  wire_range versions;            ///< that the sender speaks
  std::uint8_t wire_version = 1;  ///< that this one is written in
  std::uint8_t features = 0;      ///< feature bits of the sender; those I do not know are ignored
  std::uint64_t cookie_echo = 0;  ///< the cookie the receiver gave the sender; 0: none (48 bits)
  std::uint64_t cookie = 0;       ///< a cookie for the receiver to echo; 0: none (48 bits)
  std::size_t padded_bytes = 0;   ///< encode to at least this many bytes, with zeros

  digest_entry sender;    ///< the sender's own entry
  digest_entry receiver;  ///< the sender's entry of the receiver; generation 0: unknown
                          ///< (a reply carries the low 32 bits of its hash only)
  std::uint32_t receiver_instance = 0;  ///< the run of the receiver that the sender holds
  bool more = false;                    ///< replies: cut, by the 3x rule or by the exchange
                                        ///< budget within the entries of a peer; ask again

  interval_code interval;           ///< leg 1: how often the sender gossips
  refusal refused = refusal::none;  ///< leg 2: why the sender refuses the receiver
  /// Leg 1: an older run of the receiver's name lives beside the receiver.
  bool is_name_shared = false;

  digest known;  ///< leg 1; sender and receiver stand in it too, the receiver
                 ///< only where its generation is not 0

  /// Leg 1: the size class (path_watch.hpp) of the largest datagram that came from the receiver of
  /// late; 0: none did.
  std::uint8_t largest_received = 0;

  std::vector<suspicion_entry> suspicions;  ///< any leg; at most `suspicions_max`

  std::vector<identity_view> identities;  ///< legs 2, 3
  entry_list heartbeats;                  ///< leg 2: entries newer at the sender
  entry_list requests;                    ///< leg 2: the sender's own entries of what it lacks
  std::vector<partial_entry> partials;    ///< legs 1, 2: of peers that the digest or the requests
                                          ///< name; strictly ascending hashes
  std::vector<spared_interval> spared;    ///< leg 1 without a claim: of peers that stand in it;
                                          ///< ascending by hash, then by version, and disjoint
  /// Leg 2: sums over the rows that the sender tells of, in 2^sum_bits buckets by the top bits of
  /// their hashes, packed as row_sum.hpp says. Its own entry here and the requests are among them.
  /// Of more than 128 buckets, those of one part.
  std::vector<std::uint64_t> sums;
  std::uint8_t sum_bits = 0;  ///< 3 to 9; 0: no sums
  std::uint8_t sum_part = 0;
  root_answer of_root = root_answer::none;

  std::vector<delta_view> deltas;   ///< legs 2, 3
  std::vector<entry_view> entries;  ///< of all deltas, in their order
};

}  // namespace gossipmonger
