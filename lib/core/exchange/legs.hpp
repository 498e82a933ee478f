// The legs of an exchange as plans: what is to be told to one address, and how much of it may go.
// A plan is filled into datagrams one by one, and says what is left of it in between. Values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "core/model/bucket_set.hpp"
#include "core/model/digest.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// Entries of one incarnation above `after` that the remote lacks.
struct owed_delta {
  owed_delta(slot_index of_slot, std::uint64_t of_generation, std::uint64_t after_version)
      : slot(of_slot), generation(of_generation), after(after_version) {}

  slot_index slot;
  std::uint64_t generation;
  std::uint64_t after;
  std::uint64_t upto = 0;   ///< the last version that is lacking there; 0: all that there are
  position part;            ///< of a value that spans datagrams: its version, and the bytes sent
  std::size_t deficit = 0;  ///< bytes left of its turn (deficit round robin)
};

/// The part that all legs share: the remote, the budget and the sign of life.
struct leg_base {
  leg_base() = default;

  endpoint to;
  endpoint from;  ///< the local address that it leaves from; a wildcard: the driver's choice
  std::uint64_t remote_hash = 0;  ///< 0: not known (a seed)
  std::uint64_t cookie_echo = 0;
  std::optional<wire_range> spoken;  ///< wire versions of the remote, if they are known
  std::chrono::nanoseconds planned{};
  std::size_t datagrams_left = 0;
  bool is_narrow = false;        ///< its datagrams take 1200 bytes at most
  std::size_t filled_bytes = 0;  ///< of its latest datagram
  /// The remote waits for the first datagram as a sign of life. Under a byte budget that datagram
  /// goes before all else.
  bool is_sign_due = false;
  std::vector<suspicion_entry> suspicions;  ///< the first datagram carries these suspicions
};

/// Leg 1. The range goes round the hashes from a cursor, and each datagram claims a part of it. Or
/// one datagram tells a root, and some rows: where that is not what the remote knows, its answer
/// tells sums, and a digest of some buckets follows.
struct digest_leg : leg_base {
  digest_leg() = default;

  /// Starts in a row that a remote which is not live did not answer, this one included.
  std::uint32_t unanswered = 0;
  /// A first contact is padded to so many bytes, so that its answer may be longer (the 3x rule).
  std::size_t padded_bytes = 0;
  /// The bytes that the byte budget leaves to this digest.
  std::size_t digest_bytes_left = std::numeric_limits<std::size_t>::max();
  std::uint64_t digest_from = 0;  ///< the hash at which the range goes on
  std::size_t digest_rows_left = 0;
  std::size_t digest_unwanted_left = 0;
  /// Where refused peers end the range early, rows are told without a claim, from this hash on.
  std::uint64_t extra_from = 0;
  std::size_t extra_rows_left = 0;
  bool has_extra = false;   ///< the first datagram has not gone yet
  bool is_partial = false;  ///< the budget does not let it tell of everybody
  bool is_short = false;    ///< no claim: sender, receiver and suspicions only
  bool is_root = false;     ///< no claim: the rows that changed last, some others, and a root
  std::optional<bucket_set> buckets;  ///< the range is limited to them
  /// A short leg that asks its receiver for more of these owners, which it brings.
  bool is_continuation = false;
  std::vector<slot_index> about;
  std::vector<spared_interval> spared;  ///< of these owners; those of an owner ascend
  /// The peer whose answer is awaited once the first datagram has gone, and its generation;
  /// `self_slot`: no answer is awaited.
  slot_index awaited = self_slot;
  std::uint64_t awaited_generation = 0;
};

/// Leg 2 or 3.
struct answer_leg : leg_base {
  answer_leg() = default;

  /// Whether it goes before bulk copies: the first datagram of an answer, which has news of each
  /// owner in turn, and membership.
  [[nodiscard]] bool is_urgent() const {
    return is_first || is_news_due || !identities.empty() || !requests.empty() ||
           !heartbeats.empty();
  }
  [[nodiscard]] bool has_more() const {
    return !identities.empty() || !heartbeats.empty() || !requests.empty() || !owed.empty() ||
           sum_bits != 0;
  }

  message_kind kind = message_kind::reply;
  /// Generation and heartbeat of the remote, from the datagram that this leg answers. The leg
  /// echoes at least that, so the remote sees that it was heard.
  std::uint64_t asked_generation = 0;
  std::uint64_t asked_heartbeat = 0;
  std::size_t bytes_left = 0;
  /// Bytes that the driver adds to each datagram, as a seal, where `bytes_left` counts them too.
  std::size_t frame_bytes = 0;
  /// The address is unverified: `bytes_left` follows the 3x rule, and the leg says `more` where it
  /// runs out. Anybody can claim to be its sender, so it reads and writes nothing that is kept of
  /// that peer.
  bool is_unverified = false;
  /// A bare sign of life went ahead of the first datagram, which has not gone yet.
  bool is_news_due = false;

  refusal refused = refusal::none;  ///< why I refuse the remote; the first datagram says it
  std::vector<slot_index> identities;
  std::vector<slot_index> heartbeats;
  std::vector<digest_entry> requests;
  std::vector<owed_delta> owed;
  std::size_t turn = 0;              ///< index in `owed` of the owner whose turn it is
  bool is_first = true;              ///< one datagram is sent even if there is nothing to say
  std::uint64_t seen_heartbeat = 0;  ///< of mine, that the remote has seen; 0: none known
  /// The parts of values that the remote holds: sending goes on behind them. Null once planned.
  const std::vector<partial_entry>* partials = nullptr;
  /// The remote need not be sent these. Null once planned.
  const std::vector<spared_interval>* spared = nullptr;
  /// The remote asks for what it lost, and for the rest later: the leg ends with `more`.
  bool is_held_back = false;
  bool has_flights = false;  ///< something was on its way to the remote when this was planned
  root_answer of_root = root_answer::none;  ///< said by the next datagram
  unsigned sum_bits = 0;                    ///< 2^sum_bits sums are to be told; 0: none,
  unsigned sum_part = 0;                    ///< from this part on
  std::uint64_t lacking = 0;  ///< of all owners, when planned; 2^24 a version, less offsets
};

}  // namespace gossipmonger
