// How suspicions and their corrections reach everybody: of which peers there is something to tell,
// how often each was told, and which legs tell. A resource with capacities; times are on the
// liveness clock.
// Source: the dissemination component of Das, Gupta, Motivala, SWIM, DSN 2002, section 4.1.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "core/liveness/wanted_probe.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class dissemination {
 public:
  /// So many answer legs of one round carry what is to be told, each to another address.
  static constexpr std::size_t addresses_max = 64;
  /// So many short legs that told something are remembered, for peers that leave it aside.
  static constexpr std::size_t short_legs_max = 32;

  dissemination() = default;
  dissemination(const dissemination&) = delete;
  dissemination& operator=(const dissemination&) = delete;

  [[nodiscard]] bool is_empty() const { return told_.empty(); }
  /// Peers of which there is something to tell.
  [[nodiscard]] std::size_t size() const { return told_.size(); }
  /// Addresses that an answer leg of this round told.
  [[nodiscard]] std::size_t addresses() const { return addresses_.size(); }
  /// Whether that peer was told as often as `nodes` nodes need.
  [[nodiscard]] bool is_done(slot_index slot, std::size_t nodes) const;

  // Changes.
  /// The usual legs tell of that peer, as often as of a new one.
  void tell_anew(slot_index slot);
  /// The state of that peer has changed: legs beside the usual ones tell of it, too.
  void spread(slot_index slot, std::chrono::nanoseconds now);
  /// Of that peer there is nothing to tell.
  void forget(slot_index slot);
  /// Of no peer there is.
  void clear() { told_.clear(); }

  // The round.
  /// A short leg from before `short_legs_from` is not remembered any longer.
  void begin_round(std::uint64_t short_legs_from);
  /// While a change is news, legs beside the usual ones tell it: `draw_leg` counts them.
  void plan_legs(std::chrono::nanoseconds now, std::chrono::nanoseconds interval,
                 std::size_t nodes);
  [[nodiscard]] std::size_t legs_left() const { return legs_left_; }
  void count_leg() { --legs_left_; }
  /// There is nobody to tell.
  void end_legs() { legs_left_ = 0; }

  // Legs.
  /// Drops the peers that were told often enough, and those for which `is_over` returns true.
  template <typename Predicate>
  void expire(std::size_t nodes, Predicate is_over) {
    std::erase_if(told_, [&](slot_index slot) { return is_over(slot) || is_done(slot, nodes); });
  }
  /// The peers, `most` at most, of which a leg tells: those told least often. Counts them. Valid
  /// until the next change.
  [[nodiscard]] std::span<const slot_index> choose(std::size_t most);
  /// Whether this is the first answer leg to that address in this round, and there is something to
  /// tell.
  [[nodiscard]] bool try_visit(const endpoint& address);
  /// A short leg told something.
  void remember(const wanted_probe& leg, std::uint64_t round);
  /// The first remembered leg to that peer; it is remembered no longer.
  [[nodiscard]] std::optional<wanted_probe> take_leg(std::uint64_t remote_hash);

 private:
  struct short_leg {
    short_leg(const wanted_probe& leg, std::uint64_t in_round) : what(leg), round(in_round) {}

    wanted_probe what;
    std::uint64_t round;
  };

  [[nodiscard]] std::uint32_t times(slot_index slot) const {
    return slot < times_.size() ? times_[slot] : 0;
  }

  std::vector<slot_index> told_;
  std::vector<std::uint32_t> times_;      // by slot: how often, since the last change
  std::chrono::nanoseconds spread_at_{};  // when the last change came
  std::size_t legs_left_ = 0;             // of this round
  std::vector<endpoint> addresses_;       // likewise
  std::deque<short_leg> short_legs_;      // in the order of their rounds
};

}  // namespace gossipmonger
