// Which sender brings the entries of which owner, where they take more than one answer: a bulk
// copy, or a value that spans datagrams. And how often this node asks for more of them. A value;
// sees neither clock nor message.
//
// One sender brings an owner's entries at a time: two would send the same. Another one takes over
// once the first has been idle for some rounds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/model/digest.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// Entries of an owner that come from one sender.
struct transfer {
  transfer() = default;

  slot_index slot = 0;              ///< of the owner
  endpoint source;                  ///< address of the sender
  std::uint64_t remote_hash = 0;    ///< hash of the sender's name
  std::uint64_t round = 0;          ///< of the latest delta
  std::chrono::nanoseconds last{};  ///< when that came
  std::uint64_t wanted = 0;         ///< the transfer ends once all up to this version is here
  /// Whether the sender was asked for more: from then on no other one is to send of that owner.
  bool is_asked = false;
  /// The highest version that had come when it was asked last. Entries missing below were lost.
  std::uint64_t asked_upto = 0;
};

/// A reader that asks a sender for more of one owner names these versions: it holds them behind a
/// gap, or they may be on their way. The sender fills the gaps, and goes on behind them.
///
///   parked:      of that owner, ascending.
///   lost_upto:   missing versions up to this one were lost; later ones may be on their way.
///   is_crowded:  little room is left to park, so nothing behind the last gap is wanted yet.
///   shape:       at most `spared_of_owner_max` intervals, ascending.
[[nodiscard]] std::vector<spared_interval> spared_of(std::vector<spared_interval> parked,
                                                     std::uint64_t lost_upto, bool is_crowded);
inline constexpr std::size_t spared_of_owner_max = 24;

class transfers {
 public:
  static constexpr std::size_t transfers_max = 64;  // (I5)
  /// A transfer that got no delta for more rounds ends.
  static constexpr std::uint64_t idle_rounds_max = 2;
  /// Legs a round that ask for more (I5).
  static constexpr std::size_t continuations_max = 256;

  transfers() = default;

  /// Notes that `part.source` sent a delta of that owner, and has more. False: it belongs to no
  /// transfer, since another sender was asked for them, or the table is full.
  bool handle_part(const transfer& part);
  /// A delta of that transfer came after which its sender may have no more.
  void handle_last(const transfer& part);
  /// Everything up to `version` of the owner in that slot is here. `is_partial`: and a part of its
  /// next value.
  void handle_held(slot_index slot, std::uint64_t version, bool is_partial);
  /// Ends each transfer that is idle, or whose sender was not asked for more. Legs are allowed
  /// anew.
  void begin_round(std::uint64_t round);
  /// The peer in that slot is forgotten, or restarted.
  void forget(slot_index slot);

  [[nodiscard]] std::span<const transfer> all() const { return transfers_; }
  [[nodiscard]] bool is_empty() const { return transfers_.empty(); }
  /// Whether a sender was asked for more of that owner, so that no other one is to send of it.
  [[nodiscard]] bool is_brought(slot_index slot) const;
  /// Whether one more leg of this round may ask for more.
  [[nodiscard]] bool may_continue() const { return continuations_left_ != 0; }
  /// Such a leg was started.
  ///   expects: may_continue()
  void handle_continued();
  /// It asks for the entries of that owner behind `upto`.
  void handle_asked(slot_index slot, std::uint64_t upto);

 private:
  [[nodiscard]] transfer* find(slot_index slot);

  std::vector<transfer> transfers_;  // oldest first
  std::size_t continuations_left_ = continuations_max;
};

}  // namespace gossipmonger
