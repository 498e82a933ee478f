// The small types of the node's face: the pairs that it writes, how far its peers hold a version,
// and the hook that sees its messages. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "gossipmonger/core/endpoint.hpp"

namespace gossipmonger {

struct message;

/// Keys with their values.
using pair_views = std::span<const std::pair<std::string_view, std::string_view>>;

/// How far a version of mine has come.
struct replication {
  replication() = default;

  std::size_t live = 0;     ///< peers live now
  std::size_t holding = 0;  ///< of all peers, those that hold the version
  std::size_t live_holding = 0;
};

/// Whether the node sent or received the message that its hook sees.
enum class message_direction : std::uint8_t { sent, received };
/// `message` is defined in core/message.hpp, and its text in core/message_text.hpp.
using message_hook =
    std::function<void(message_direction, const endpoint& remote, const message& what)>;

}  // namespace gossipmonger
