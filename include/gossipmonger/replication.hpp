// The small types of the node's face: the pairs that it writes, how far its peers hold a version,
// the hook that sees its messages, and their text. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

struct message;  // opaque to users, but for its text

/// Keys with their values.
using pair_views = std::span<const std::pair<std::string_view, std::string_view>>;

/// How far a version of mine has come.
struct replication {
  replication() = default;

  std::size_t live = 0;          ///< peers live now
  std::size_t holding = 0;       ///< of all peers, those that hold the version
  std::size_t live_holding = 0;  ///< of the live ones
};

/// When `replicated` is done. A value; made by `all_live` and `at_least`.
struct replication_policy {
  replication_policy() = default;

  std::size_t copies = 0;  ///< 0: every peer that is live then, and at least one
};

/// Every peer live at the moment of completion, and at least one.
[[nodiscard]] inline replication_policy all_live() { return {}; }
/// `copies` distinct peers, live or not.
[[nodiscard]] inline replication_policy at_least(std::size_t copies) {
  replication_policy policy;
  policy.copies = copies;
  return policy;
}

/// How many peers know that a node leaves. A value.
struct leave_result {
  leave_result() = default;

  std::size_t acknowledged = 0;  ///< live peers that know
  std::size_t live = 0;          ///< live peers
};

/// Whether the node sent or received the message that its hook sees.
enum class message_direction : std::uint8_t { sent, received };
/// Sees a message, and the address of its other end. The message is valid during the call.
using message_hook =
    std::function<void(message_direction, const endpoint& remote, const message& what)>;

/// Finds the name that belongs to a hash; an answer leg from the wire has the low 32 bits of the
/// receiver's hash only. Empty: unknown.
using name_finder = std::function<std::string_view(std::uint64_t name_hash)>;

/// One line without its end, of printable ASCII: other bytes are written as \xNN, and of a long
/// value its first 32 bytes and its length. A peer without a name is shown as # and the low 32 bits
/// of its hash. A cookie is a secret: the line says only that there is one.
[[nodiscard]] std::string to_string(const message& what, const name_finder& find_name = nullptr);

}  // namespace gossipmonger
