// Which sender brings which value that spans datagrams, and how often this node asks for more of
// them. A value; sees neither clock nor message.
//
// One sender brings a value at a time: two would send the same parts. Another one takes over once
// the first has been idle for some rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// A value that comes in parts, and its sender.
struct value_transfer {
  value_transfer() = default;

  slot_index slot = 0;            ///< of the peer that owns the value
  endpoint source;                ///< address of the sender
  std::uint64_t remote_hash = 0;  ///< hash of the sender's name
  std::uint64_t round = 0;        ///< of the latest part
};

class value_transfers {
 public:
  static constexpr std::size_t transfers_max = 16;  // (I5)
  /// A transfer that got no part for more rounds ends.
  static constexpr std::uint64_t idle_rounds_max = 2;
  /// Legs a round that ask for more of a value (I5).
  static constexpr std::size_t continuations_max = 16;

  value_transfers() = default;

  /// Notes that `part.source` sent a part in round `part.round`. False: the part belongs to no
  /// transfer, since another sender brings that value, or the table is full.
  [[nodiscard]] bool handle_part(const value_transfer& part);
  /// Ends each transfer that is idle or whose value is no longer partial. Continuations are allowed
  /// anew.
  ///   is_partial: whether this node holds a part of a value of the peer in that slot
  template <class Predicate>
  void begin_round(std::uint64_t round, Predicate is_partial) {
    continuations_left_ = continuations_max;
    std::erase_if(transfers_, [&](const value_transfer& one) {
      return one.round + idle_rounds_max < round || !is_partial(one.slot);
    });
  }
  /// The peer in that slot is forgotten.
  void forget(slot_index slot);

  [[nodiscard]] std::span<const value_transfer> all() const { return transfers_; }
  /// Whether one more leg of this round may ask for more of a value.
  [[nodiscard]] bool may_continue() const { return continuations_left_ != 0; }
  /// Such a leg was started.
  ///   expects: may_continue()
  void handle_continued();

 private:
  std::vector<value_transfer> transfers_;  // oldest first
  std::size_t continuations_left_ = continuations_max;
};

}  // namespace gossipmonger
