// Whether a peer's word is recent: what `freshness` asks for, kept for each peer. A resource over
// the peer table; not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/membership/peer_table.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class freshness_watch {
 public:
  /// Both outlive the watch. `settings` may change between calls.
  freshness_watch(const config& settings, const peer_table& peers)
      : settings_(settings), peers_(peers) {}
  freshness_watch(const freshness_watch&) = delete;
  freshness_watch& operator=(const freshness_watch&) = delete;

  // The life of a row.
  /// The row is of a new incarnation: its path stays as long.
  void begin(slot_index slot);
  /// The row is about to be removed.
  void forget(slot_index slot);
  /// The peer is declared dead; its own heartbeat can have reached `own_heartbeat` by now.
  void handle_death(slot_index slot, std::uint64_t own_heartbeat);

  /// Whether a datagram from a verified address is fresh: its sender hears this node, lately. Takes
  /// from an answer how long the path to its sender is.
  [[nodiscard]] bool is_fresh(const message& received);
  /// The age of an echo, in rounds, above which a datagram of a peer at hand is stale.
  [[nodiscard]] std::uint64_t rounds_max() const { return limit(0); }

 private:
  struct peer_path {
    peer_path() = default;

    std::uint32_t rounds = 0;             // from a leg of mine to its answer, smoothed; 0: at hand
    std::uint64_t died_at_heartbeat = 0;  // mine, when I declared it dead; 0: I never did
    std::uint64_t died_at_own_heartbeat = 0;  // the highest of its own that it can have had then
  };

  [[nodiscard]] peer_path& path(slot_index slot);
  [[nodiscard]] std::uint64_t limit(std::uint32_t path_rounds) const;

  const config& settings_;
  const peer_table& peers_;
  std::vector<peer_path> paths_;  // by slot
};

}  // namespace gossipmonger
