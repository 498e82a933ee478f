// The switches that hide keys: those of peers that are not live, and those of the library itself.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first, as in all of net

#include <cstdint>
#include <string_view>

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

/// Keys that begin so are the library's own: `set` and `erase` refuse them to users. They take
/// versions of the one sequence that all of a node's keys share.
inline constexpr std::string_view library_key_prefix = "gossipmonger/";

/// The ids of the keys in a node's keyring, as "seal ID open ID". While datagrams may be plain,
/// " plain sent" or " plain accepted" follows.
inline constexpr std::string_view keyring_key = "gossipmonger/keys";

[[nodiscard]] constexpr bool is_library_key(std::string_view key) {
  return key.starts_with(library_key_prefix);
}

/// Whether a membership view shows such keys. A value.
enum class library_keys : std::uint8_t { hidden, shown };

}  // namespace gossipmonger
