// How long peers take to answer: from the sending of a leg that wants an answer to its verified
// reply, with all queues on the way, here and there. A resource with a capacity; times on the
// steady clock. Nothing in the protocol follows from it.
//
// A reply echoes the heartbeat of the leg that it answers, or a later one. So it belongs to the
// latest leg that it may be of. Two legs to one peer at one heartbeat cannot be told apart: they
// measure nothing.
// Source: RFC 6298, section 2 (SRTT) and section 3 (Karn's algorithm).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/model/slot_column.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class round_trips {
 public:
  /// So many legs are awaited; beyond, the oldest is not.
  static constexpr std::size_t awaited_max = 64;

  round_trips() = default;
  round_trips(const round_trips&) = delete;
  round_trips& operator=(const round_trips&) = delete;

  /// The slot is of another peer, or of a new incarnation: nothing is known of it. To be called
  /// before its first use.
  void begin(slot_index slot);
  /// A leg that wants an answer goes to that peer, at that heartbeat of mine.
  void handle_sent(slot_index slot, std::uint64_t heartbeat, std::chrono::nanoseconds now);
  /// A verified reply of that peer came, which echoes that heartbeat of mine; 0: none of this run.
  void handle_reply(slot_index slot, std::uint64_t heartbeat, std::chrono::nanoseconds now);

  /// The smoothed round trip; nullopt: none was measured. Of one sample, the sample.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> smoothed(slot_index slot) const {
    return smoothed_[slot];
  }
  [[nodiscard]] std::size_t awaited() const { return awaited_.size(); }

 private:
  struct leg {
    leg(slot_index to, std::uint64_t at_heartbeat, std::chrono::nanoseconds at)
        : slot(to), heartbeat(at_heartbeat), sent(at) {}

    slot_index slot;
    std::uint64_t heartbeat;
    std::chrono::nanoseconds sent;
    bool is_ambiguous = false;  // another one of that heartbeat went there
  };

  std::vector<leg> awaited_;  // in the order of sending
  slot_column<std::optional<std::chrono::nanoseconds>> smoothed_;
};

}  // namespace gossipmonger
