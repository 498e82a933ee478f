// The switch that hides keys of peers which are not live.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first, as in all of net

#include <cstdint>

#include "gossipmonger/event.hpp"

namespace gossipmonger {

/// The switch of `get` and `for_each`, and of a membership view. A value.
enum class key_scope : std::uint8_t {
  all,   ///< of every peer that is known, dead or alive
  live,  ///< of this node and of live peers, suspects included
};

/// Whether the keys of a peer with that status are shown. This node's own are, always.
[[nodiscard]] constexpr bool is_shown(peer_status status, key_scope scope) {
  const bool is_own = status == peer_status::self || status == peer_status::conflict;
  return scope == key_scope::all || is_own || status == peer_status::live;
}

}  // namespace gossipmonger
