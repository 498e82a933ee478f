// What a node knows of peers, in 24 bytes each; the first leg of an exchange. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gossipmonger/core/types.hpp"

namespace gossipmonger {

/// What the sender knows of one peer. `generation` 0 means: nothing.
struct digest_entry {
  digest_entry() = default;

  friend bool operator==(const digest_entry&, const digest_entry&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t max_version = 0;
  std::uint64_t heartbeat = 0;
  bool has_left = false;
};

/// How much of one peer's next value the sender holds already, where that value spans datagrams. At
/// most one a peer.
struct partial_entry {
  partial_entry() = default;

  friend bool operator==(const partial_entry&, const partial_entry&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t version = 0;  ///< of the value; above the sender's max version of the peer
  std::uint32_t offset = 0;   ///< its first bytes that are there: 1 .. offset_max
};

/// Partials that a message may tell.
inline constexpr std::size_t partials_max = 255;

/// What the sender knows of whether one incarnation lives: the latest proof that somebody had from
/// it directly, and since when, later than that, it is doubted. Ages are in 16ths of the gossip
/// interval.
struct doubt_entry {
  static constexpr std::size_t doubts_max = 32;  ///< a datagram
  static constexpr std::uint16_t no_doubt = 0xffff;
  static constexpr std::uint32_t proof_age_max = 0xffffff;  ///< saturates: 12 days of 1 s rounds
  static constexpr std::int64_t ages_a_round = 16;

  doubt_entry() = default;

  friend bool operator==(const doubt_entry&, const doubt_entry&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t heartbeat = 0;  ///< that the proof bore
  std::uint16_t doubt_age = no_doubt;
  std::uint32_t proof_age = proof_age_max;
  bool is_question = false;  ///< for the receiver alone: have you heard from it, or can you?
};

/// One self-contained datagram's worth of a digest. Three lists:
///   range     strictly ascending hashes within [lo, hi]; a peer absent inside is unknown to the
///             sender, outside nothing is claimed; lo > hi is malformed, save 1 > 0: no claim
///   extra     up to `extra_max` entries without a claim
///   unwanted  strictly ascending hashes within [lo, hi]; known and refused by the sender: sent
///             only by someone who holds a higher (generation, heartbeat), never requested
struct digest {
  static constexpr std::size_t extra_max = 64;

  digest() = default;
  void clear();

  std::uint64_t lo = 1;
  std::uint64_t hi = 0;
  std::vector<digest_entry> range;
  std::vector<digest_entry> extra;
  std::vector<digest_entry> unwanted;
};

}  // namespace gossipmonger
