// The choice of the nodes to which a round sends digests, and the time of the next round. A
// resource; not thread-safe; reads no clock (I6).
//
// Partners are polled one at a time. The caller starts an exchange with each, where it can, and
// answers with `handle_started`: a partner with which none could be started counts for nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/membership/peer_ring.hpp"
#include "core/membership/peer_table.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

/// A node to begin an exchange with. A value.
struct partner {
  enum class why : std::uint8_t {
    member,  ///< its turn in a ring
    dead,    ///< by chance: it may be back
    seed,
    joined,  ///< `join` named the address
  };

  partner(why of_reason, const endpoint& address, std::uint64_t hash)
      : reason(of_reason), to(address), name_hash(hash) {}

  why reason;
  endpoint to;
  std::uint64_t name_hash;      ///< of the peer that is expected there; 0: unknown
  slot_index slot = self_slot;  ///< of a member
};

/// The answer to a polled partner.
enum class start_outcome : std::uint8_t {
  started,
  waiting,  ///< a digest to that address waits already
  refused,  ///< not in this round
};

/// The facts on which the choice of one round depends.
struct partner_round {
  partner_round() = default;

  std::uint64_t number = 0;       ///< of the round
  bool has_left = false;          ///< this node leaves
  std::size_t lacking_leave = 0;  ///< live peers that do not know yet that it does
};

class partners {
 public:
  /// More addresses than these do not wait for their exchange.
  static constexpr std::size_t joining_max = 64;

  /// The settings, which may change, and the peers outlive it. The first round is due `now`.
  partners(const config& settings, const peer_table& peers, std::chrono::nanoseconds now)
      : settings_(settings), peers_(peers), next_round_(now) {}
  partners(const partners&) = delete;
  partners& operator=(const partners&) = delete;

  // The addresses.
  /// Replaces the seeds. A seed that was given before keeps the peer that was found there.
  void set_seeds(const std::vector<endpoint>& seeds);
  [[nodiscard]] std::vector<endpoint> seeds() const;
  /// A datagram of this node came back from `source`: a seed at that address is this node itself.
  void handle_reflection(const endpoint& source);
  /// One exchange with `address`, in the next round that has room for it.
  void join(const endpoint& address);
  [[nodiscard]] std::size_t joining() const { return joining_.size(); }
  /// While the version is not 0, members that are not known to hold it come first.
  void prefer_lacking(std::uint64_t version) { preferred_version_ = version; }
  [[nodiscard]] std::uint64_t preferred_version() const { return preferred_version_; }
  /// Whether digests may go to the address: it is not this node's, and a datagram can reach it.
  [[nodiscard]] bool is_partner(const endpoint& to) const;

  // The round.
  void begin_round(const partner_round& round);
  /// The next partner of the round; nullopt when the round has chosen all. `is_holding` tells
  /// whether the peer holds the preferred version, and the leave of this node.
  ///   expects: the last partner was answered
  [[nodiscard]] std::optional<partner> poll_partner(
      member_rings& rings, random_source& draws, const std::function<bool(slot_index)>& is_holding);
  void handle_started(start_outcome outcome);
  /// Whether this round wanted a seed, and one of them may be another node.
  [[nodiscard]] bool has_seed_to_ask() const;

  // The time of the next round.
  [[nodiscard]] std::chrono::nanoseconds next_round() const { return next_round_; }
  void set_next_round(std::chrono::nanoseconds at) { next_round_ = at; }
  /// One interval after this round was due, with the jitter.
  void schedule_next(std::chrono::nanoseconds now, random_source& draws);

 private:
  enum class stage : std::uint8_t { members, dead, seeds, seed_turns, joins };

  struct known_seed {
    explicit known_seed(const endpoint& address) : at(address) {}

    endpoint at;
    std::uint64_t remote_hash = 0;  // of the peer found there last; 0: none
    bool is_mine = false;           // a datagram of this node came back from there
  };

  /// The search for one member to start with: each ring twice, first choosy, then not.
  struct ring_walk {
    explicit ring_walk(bool is_choosy_first) : is_choosy(is_choosy_first) {}
    /// The next ring; false: this was the last.
    [[nodiscard]] bool try_next();

    bool is_choosy;  // only members that lack the preferred version
    bool is_second = false;
    std::size_t tries = 0;  // in this ring
  };

  /// How far the choice of this round has come.
  struct choice {
    choice() = default;
    explicit choice(const partner_round& of_round) : facts(of_round), at(stage::members) {}

    partner_round facts;
    stage at = stage::joins;
    partner::why asked = partner::why::member;  // the reason of the partner polled last
    std::size_t starts_left = 0;                // with members
    std::optional<ring_walk> walk;
    bool is_seed_wanted = false;
    std::size_t seed_tries_left = 0;  // while no peer is live
    std::size_t seed_starts_left = 0;
    std::size_t join_place = 0;  // index of the next address
  };

  [[nodiscard]] std::optional<partner> next_member(
      member_rings& rings, random_source& draws, const std::function<bool(slot_index)>& is_holding);
  [[nodiscard]] std::optional<partner> draw_dead(const member_rings& rings, random_source& draws);
  /// Decides whether this round asks a seed, and how.
  void begin_seeds(std::size_t live, random_source& draws);
  [[nodiscard]] std::optional<partner> draw_seed(random_source& draws);
  /// No peer is live: the seeds take turns, so that each is asked once before any is asked again.
  [[nodiscard]] std::optional<partner> next_seed_turn();
  [[nodiscard]] partner make_partner(known_seed& asked);
  /// Hash of the one peer that is not gone and is reached at `address`; 0 if there is none or more
  /// than one.
  [[nodiscard]] std::uint64_t find_peer_at(const endpoint& address) const;
  [[nodiscard]] std::optional<partner> next_joined();

  const config& settings_;
  const peer_table& peers_;
  std::vector<known_seed> seeds_;
  std::size_t seed_turn_ = 0;  // while nobody is live, where the next round goes on
  std::vector<endpoint> joining_;
  std::uint64_t preferred_version_ = 0;
  bool is_newcomers_turn_ = false;
  std::chrono::nanoseconds next_round_;

  choice round_;
};

}  // namespace gossipmonger
