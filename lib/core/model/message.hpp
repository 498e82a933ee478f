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
/// Link-local addresses come without a scope, which means nothing on another host: they are on the
/// interface that the datagram came by.
void set_scopes(std::span<identity_view> identities, std::uint32_t interface);

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
  std::vector<delta_view> deltas;         ///< legs 2, 3
  std::vector<entry_view> entries;        ///< of all deltas, in their order
};

}  // namespace gossipmonger
