// Whether all that a peer had when it turned live is here. A resource; not thread-safe.
//
// Only the peer's own fresh word says what it has: a third node may lie, or tell of a former state.
// The first word that counts has a heartbeat not below that known when the peer turned live. An
// earlier one may have been on its way for long, and its sender wrote more meanwhile. The latest
// word counts: of a key that was overwritten since, only the later value comes.
#pragma once

#include <cstdint>

#include "core/model/slot_column.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class completeness {
 public:
  completeness() = default;
  completeness(const completeness&) = delete;
  completeness& operator=(const completeness&) = delete;

  /// The row is of a new incarnation, which told nothing yet. To be called before its first use.
  void begin(slot_index slot) { rows_.begin(slot); }

  /// The peer has that status from now on, and `heartbeat` is known of it. A peer that turns live
  /// begins anew; one that is not live completes nothing.
  void handle_status(slot_index slot, peer_status status, std::uint64_t heartbeat);
  /// A fresh datagram of the peer itself says that it has all versions up to `max_version`.
  void handle_word(slot_index slot, std::uint64_t heartbeat, std::uint64_t max_version);
  /// This node holds all versions up to `held`. Whether the peer is complete, for the first time
  /// since it turned live.
  [[nodiscard]] bool try_complete(slot_index slot, std::uint64_t held);

  /// The highest version that the peer itself was heard to have; 0: it said nothing yet.
  [[nodiscard]] std::uint64_t told_version(slot_index slot) const {
    return rows_[slot].told_version;
  }

 private:
  enum class stage : std::uint8_t {
    idle,      // it is not live, or is complete
    unheard,   // it is live, and has not said itself what it has
    awaiting,  // it said so
  };
  struct row {
    row() = default;

    std::uint64_t told_version = 0;
    std::uint64_t live_heartbeat = 0;  // known when it turned live
    stage at = stage::idle;
  };

  slot_column<row> rows_;
};

}  // namespace gossipmonger
