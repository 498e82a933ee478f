// Forgotten peers, and refused incarnations. Such a peer comes back only by a higher (generation,
// heartbeat). A resource with a capacity: when it is full, the entry that expires first goes first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gossipmonger {

/// Why a peer is unwanted.
enum class unwanted_kind : std::uint8_t {
  gone,     ///< forgotten; refuses what is not higher
  no_room,  ///< refused for want of room, until there is some
  early,    ///< of a date far ahead of mine, until mine agrees; refuses that generation alone
  silent,   ///< silent for a whole grace before I heard of it; refuses what is not higher
};

struct unwanted_peer {
  unwanted_peer() = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t heartbeat = 0;
  std::chrono::nanoseconds expires{};
  /// Of `no_room`: a row that is silent for longer makes room.
  std::chrono::nanoseconds silent_since = std::chrono::nanoseconds::max();
  unwanted_kind kind = unwanted_kind::gone;

  // A refusal ends with its reason. A forgotten incarnation of the same name, gone or silent, does
  // not come back by that: it lies beneath the refusal. 0: none does.
  std::uint64_t gone_generation = 0;
  std::uint64_t gone_heartbeat = 0;
  std::chrono::nanoseconds gone_expires{};
  unwanted_kind gone_kind = unwanted_kind::gone;

  [[nodiscard]] bool is_above_another() const { return gone_generation != 0; }
};

class unwanted_peers {
 public:
  explicit unwanted_peers(std::size_t capacity);
  unwanted_peers(const unwanted_peers&) = delete;
  unwanted_peers& operator=(const unwanted_peers&) = delete;

  /// Keeps the higher of the two incarnations, and the later expiry. A refusal also keeps the gone
  /// incarnation that lies beneath it.
  void add(const unwanted_peer& added);
  void remove(std::uint64_t name_hash);
  void expire(std::chrono::nanoseconds now);
  /// Lets go of the refusals of which `is_over` says so, not of what lies beneath.
  template <class Predicate>
  void end_refusals(Predicate is_over) {
    for (unwanted_peer& one : peers_) {
      if (one.is_above_another() && is_over(one)) uncover(one);
    }
    std::erase_if(peers_, [&](const unwanted_peer& one) {
      return one.kind != unwanted_kind::gone && is_over(one);
    });
  }

  [[nodiscard]] std::optional<unwanted_peer> find(std::uint64_t name_hash) const;
  /// Whether (generation, heartbeat) of that name is not above what lies here; of an `early` one,
  /// whether it is that generation, or not above what lies beneath.
  [[nodiscard]] bool refuses(std::uint64_t name_hash, std::uint64_t generation,
                             std::uint64_t heartbeat) const;
  /// A peer tells of that incarnation. As `refuses`; and the entry that refuses it stays until
  /// `expires` at least, since nodes that do not see it as unwanted would send it again.
  [[nodiscard]] bool refuses_told(std::uint64_t name_hash, std::uint64_t generation,
                                  std::uint64_t heartbeat, std::chrono::nanoseconds expires);
  /// All, by ascending hash.
  [[nodiscard]] std::span<const unwanted_peer> all() const { return peers_; }

 private:
  /// The incarnation beneath takes the place.  expects: there is one
  static void uncover(unwanted_peer& refusal);

  std::vector<unwanted_peer> peers_;  // ascending name_hash
  std::size_t capacity_;
};

}  // namespace gossipmonger
