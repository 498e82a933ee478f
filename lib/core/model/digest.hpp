// The knowledge of a node about its peers, 24 bytes each: the digest leg of an exchange. Values.
#pragma once

#include <algorithm>
#include <cassert>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "core/model/bucket_set.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// The sender's knowledge of one peer. `generation` 0 means: nothing.
struct digest_entry {
  digest_entry() = default;

  friend bool operator==(const digest_entry&, const digest_entry&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t max_version = 0;
  std::uint64_t heartbeat = 0;
  bool has_left = false;
};

/// A digest entry as messages hold it, by the thousand: in three words, as on the wire
/// (gossip.capnp has the bits). Every valid digest entry fits, and every pattern of bits is an
/// entry.
struct packed_entry {
  packed_entry() = default;
  /// Implicit, as is the way back: the two are the same thing.
  ///   expects: no field above its limit (types.hpp)
  packed_entry(const digest_entry& entry)  // NOLINT(google-explicit-constructor)
      : name_hash(entry.name_hash) {
    set_generation(entry.generation);
    set_max_version(entry.max_version);
    set_heartbeat(entry.heartbeat);
    if (entry.has_left) set_left();
  }
  operator digest_entry() const {  // NOLINT(google-explicit-constructor)
    digest_entry entry;
    entry.name_hash = name_hash;
    entry.generation = generation();
    entry.max_version = max_version();
    entry.heartbeat = heartbeat();
    entry.has_left = has_left();
    return entry;
  }

  friend bool operator==(const packed_entry&, const packed_entry&) = default;

  [[nodiscard]] std::uint64_t generation() const {
    return generation_and_heartbeat & generation_max;
  }
  [[nodiscard]] std::uint64_t max_version() const { return version_and_heartbeat & version_max; }
  [[nodiscard]] std::uint64_t heartbeat() const {
    return version_and_heartbeat >> 48 << low_bits | generation_and_heartbeat >> 44;
  }
  [[nodiscard]] bool has_left() const { return (version_and_heartbeat & left_bit) != 0; }

  /// Whether nothing but the low 20 bits of the heartbeats may differ.
  [[nodiscard]] bool is_equal_but_for_heartbeat(const packed_entry& other) const {
    return ((name_hash ^ other.name_hash) | (version_and_heartbeat ^ other.version_and_heartbeat) |
            (generation_and_heartbeat ^ other.generation_and_heartbeat) << low_bits) == 0;
  }
  /// Of two for which that holds, how far the heartbeat here is above the one there, modulo 2^32:
  /// the highest bit tells that it is below. A number, not a comparison: compilers make a branch of
  /// that, which no processor can predict.
  [[nodiscard]] std::uint32_t heartbeat_lead(const packed_entry& other) const {
    return static_cast<std::uint32_t>(generation_and_heartbeat >> 44) -
           static_cast<std::uint32_t>(other.generation_and_heartbeat >> 44);
  }

  // Each expects: not above its limit.
  void set_generation(std::uint64_t generation) {
    assert(generation <= generation_max);
    generation_and_heartbeat = (generation_and_heartbeat & ~generation_max) | generation;
  }
  void set_max_version(std::uint64_t version) {
    assert(version <= version_max);
    version_and_heartbeat = (version_and_heartbeat & ~version_max) | version;
  }
  void set_heartbeat(std::uint64_t heartbeat) {
    assert(heartbeat <= heartbeat_max);
    version_and_heartbeat =
        (version_and_heartbeat & (left_bit | version_max)) | heartbeat >> low_bits << 48;
    const std::uint64_t low = heartbeat & low_max;
    generation_and_heartbeat = (generation_and_heartbeat & generation_max) | low << 44;
  }
  void set_left() { version_and_heartbeat |= left_bit; }

  std::uint64_t name_hash = 0;
  std::uint64_t version_and_heartbeat = 0;
  std::uint64_t generation_and_heartbeat = 0;

 private:
  static constexpr std::uint64_t left_bit = std::uint64_t{1} << 47;
  static constexpr int low_bits = 20;
  static constexpr std::uint64_t low_max = (std::uint64_t{1} << low_bits) - 1;
};

/// Whether an entry of that peer is in the list, which has no order.
[[nodiscard]] bool has_entry(std::span<const packed_entry> list, std::uint64_t name_hash);

/// A list of entries in a message, by the thousand: its own, or, so that they need not be copied,
/// those of whoever has them. These must stay as they are while the message is in use: rows of a
/// table until that changes, entries of a received datagram as long as its buffer. A copy of the
/// list has its own.
class entry_list {
 public:
  entry_list() = default;
  entry_list(std::initializer_list<packed_entry> entries) : own_(entries) {}
  entry_list(const entry_list& other) : own_(other.begin(), other.end()) {}
  entry_list& operator=(const entry_list& other);

  friend bool operator==(const entry_list& a, const entry_list& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

  [[nodiscard]] const packed_entry* data() const {
    return borrowed_.empty() ? own_.data() : borrowed_.data();
  }
  [[nodiscard]] std::size_t size() const {
    return borrowed_.empty() ? own_.size() : borrowed_.size();
  }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] const packed_entry* begin() const { return data(); }
  [[nodiscard]] const packed_entry* end() const { return data() + size(); }
  [[nodiscard]] const packed_entry& operator[](std::size_t index) const { return data()[index]; }
  [[nodiscard]] const packed_entry& front() const { return *begin(); }
  [[nodiscard]] const packed_entry& back() const { return end()[-1]; }

  void clear() {
    own_.clear();
    borrowed_ = {};
  }
  /// Adds `entries` without copying them, where all of the list lies in front of them in memory;
  /// else its own copy of them.
  void borrow(std::span<const packed_entry> entries);
  /// The entries, to edit: copies of those that were borrowed.
  [[nodiscard]] std::vector<packed_entry>& own();
  void push_back(const packed_entry& entry) { own().push_back(entry); }

 private:
  std::vector<packed_entry> own_;  // empty while there are borrowed ones
  std::span<const packed_entry> borrowed_;
};

/// How much of one peer's next value the sender holds already, where that value spans datagrams. At
/// most one a peer.
struct partial_entry {
  partial_entry() = default;

  friend bool operator==(const partial_entry&, const partial_entry&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t version = 0;  ///< of the value; above the sender's max version of the peer;
                              ///< `brought_version`: of none
  std::uint32_t offset = 0;   ///< its first bytes that are there: 1 .. offset_max
};

/// Partials that a message may tell.
inline constexpr std::size_t partials_max = 255;
/// In the place of a partial's version: another node brings the sender the entries of that peer, so
/// the receiver sends none.
inline constexpr std::uint64_t brought_version = version_max;

/// Versions (after, upto] of a peer that the sender holds, though it lacks earlier ones, or that
/// are on their way to it: they are not sent again.
struct spared_interval {
  spared_interval() = default;
  spared_interval(std::uint64_t hash, std::uint64_t after_version, std::uint64_t upto_version)
      : name_hash(hash), after(after_version), upto(upto_version) {}

  friend bool operator==(const spared_interval&, const spared_interval&) = default;
  friend std::strong_ordering operator<=>(const spared_interval&, const spared_interval&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t after = 0;
  std::uint64_t upto = 0;  ///< > after
};
/// Of all peers in one message.
inline constexpr std::size_t spared_max = 64;

/// The sender's knowledge of whether one incarnation lives: the latest direct sign of life that any
/// node had from it, and since when, later than that, it is suspected. Ages are in 16ths of the
/// gossip interval.
struct suspicion_entry {
  static constexpr std::size_t suspicions_max = 32;  ///< a datagram
  static constexpr std::uint16_t no_suspicion = 0xffff;
  static constexpr std::uint32_t alive_age_max = 0xffffff;  ///< saturates: 12 days of 1 s rounds
  static constexpr std::int64_t ages_a_round = 16;

  suspicion_entry() = default;

  friend bool operator==(const suspicion_entry&, const suspicion_entry&) = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t heartbeat = 0;  ///< that the sign of life bore
  std::uint16_t suspicion_age = no_suspicion;
  std::uint32_t alive_age = alive_age_max;
  bool is_probe_request = false;  ///< the receiver is to probe it, and tell a sign of life
};

/// The sum of all rows that a node tells of, in place of the rows.
struct root_sum {
  root_sum() = default;

  friend bool operator==(const root_sum&, const root_sum&) = default;

  std::uint64_t parts = 0;  ///< of the rows of the message, and of all others told of; modulo 2^64
  std::uint32_t nodes = 0;  ///< that the sender knows, itself included
};

/// One self-contained datagram's worth of a digest. Three lists:
///   range     strictly ascending hashes of the claim; a peer absent inside is unknown to the
///             sender, outside nothing is claimed; lo > hi is malformed, save 1 > 0: no claim
///   extra     up to `extra_max` entries without a claim
///   unwanted  strictly ascending hashes of the claim; known and refused by the sender: sent
///             only by someone who holds a higher (generation, heartbeat), never requested.
/// The claim is of the hashes in [lo, hi]. Where `buckets` are given, it is of these alone.
struct digest {
  static constexpr std::size_t extra_max = 64;

  digest() = default;
  void clear();
  /// Whether the claim is of that hash.
  [[nodiscard]] bool claims(std::uint64_t name_hash) const {
    return lo <= name_hash && name_hash <= hi && (!buckets || buckets->has_hash(name_hash));
  }
  [[nodiscard]] bool has_claim() const { return lo <= hi; }

  std::uint64_t lo = 1;
  std::uint64_t hi = 0;
  std::optional<bucket_set> buckets;
  std::optional<root_sum> root;  ///< only without a claim
  entry_list range;
  entry_list extra;
  entry_list unwanted;
};

}  // namespace gossipmonger
