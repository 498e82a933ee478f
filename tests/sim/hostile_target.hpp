// Real nodes that agree, at which a test throws datagrams: what they sent on the way, what node 0
// knew before, and a count of what goes to an outsider. Test code only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gossipmonger/drop_reason.hpp"
#include "gossipmonger/endpoint.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

using datagram = std::vector<std::byte>;

/// An address at which no node is.
inline const endpoint outsider = endpoint::v4(203, 0, 113, 66, 6666);

/// Each peer that the node knows with its status, and each entry.
[[nodiscard]] std::string fingerprint(const world& where, std::size_t node);

[[nodiscard]] std::uint64_t sum(const drop_counters& drops);

class hostile_target {
 public:
  explicit hostile_target(std::size_t nodes = 4);

  /// Node 0 knows what it knew, and the cluster goes on undisturbed for 60 rounds.
  void check_unharmed();

  world where;
  std::vector<datagram> seen;  ///< a part of what was delivered while they met and agreed
  std::size_t answered = 0;    ///< bytes that went to the outsider
  std::string before;          ///< fingerprint of node 0
  std::uint64_t drops_before = 0;

 private:
  std::size_t deliveries_ = 0;
};

/// Sends node 0 once more what `nodes` nodes sent while they met, from an outsider and from a node.
/// Checks that a value which is newer than those datagrams stays, and that nothing else changes.
void check_replays(std::size_t nodes);

}  // namespace gossipmonger
