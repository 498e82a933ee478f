// The keys that the library publishes for itself, beside those of users. Pure functions.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first, as in all of net

#include <cstdint>
#include <string_view>

namespace gossipmonger {

/// Keys that begin so are the library's own: `set` and `erase` refuse them to users. They take
/// versions of the one sequence that all of a node's keys share.
inline constexpr std::string_view library_key_prefix = "gossipmonger/";

/// The ids of the keys in a node's keyring, as "seal ID open ID"; " plain sent" or " plain accepted"
/// follows while datagrams may be plain.
inline constexpr std::string_view keyring_key = "gossipmonger/keys";

[[nodiscard]] constexpr bool is_library_key(std::string_view key) {
  return key.starts_with(library_key_prefix);
}

/// Whether a membership view shows such keys. A value.
enum class library_keys : std::uint8_t { hidden, shown };

}  // namespace gossipmonger
