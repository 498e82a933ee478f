// A shuffled ring of peers, so that everyone is met in bounded time. A value over slots.
#pragma once

#include <cstddef>
#include <vector>

#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class peer_ring {
 public:
  peer_ring() = default;

  /// A new peer, somewhere in what is left of this turn.
  void add(slot_index slot, random_source& draws);
  void remove(slot_index slot);

  /// The next slot of the turn; a new turn is shuffled when the last ended.
  ///   expects: not empty
  [[nodiscard]] slot_index next(random_source& draws);

  [[nodiscard]] std::size_t size() const { return slots_.size(); }

 private:
  std::vector<slot_index> slots_;
  std::size_t position_ = 0;
};

/// The peers of a node by the turns in which it asks them. A value over slots.
struct member_rings {
  member_rings() = default;

  void remove(slot_index slot) {
    live.remove(slot);
    newcomers.remove(slot);
    std::erase(gone, slot);
  }
  [[nodiscard]] std::size_t size() const { return live.size() + newcomers.size() + gone.size(); }

  peer_ring live;
  peer_ring newcomers;           ///< neither live nor dead yet
  std::vector<slot_index> gone;  ///< dead or left, in the order in which they became so
};

}  // namespace gossipmonger
