// A message as one line of text, for people: traces, tests, bug reports. Pure functions. Lines are:
//
//     digest leg [a g1 v2 h3] echo [b g1 v0 h1] gives cookie range all [a g1 v2 h3, b g1 v0 h1]
//     answer leg [b g1 v0 h2] echo [a g1 v2 h3] echoes cookie requests [a g1 v0 h3]
//     delta leg [a g1 v2 h3] echo [b g1 v0 h2] echoes cookie delta a g1 (0, 2] [k=v@1, erased x@2]
//
// `g` is a generation, `v` a max version, `h` a heartbeat. Each part stands there only if the
// message has it. Ages of suspicions are in rounds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "gossipmonger/core/message.hpp"

namespace gossipmonger {

/// Finds the name that belongs to a hash; an answer leg from the wire has the low 32 bits of the
/// receiver's hash only. Empty: unknown.
using name_finder = std::function<std::string_view(std::uint64_t name_hash)>;

/// "digest leg", "answer leg", "delta leg".
[[nodiscard]] std::string_view to_string(message_kind kind);

/// "none", "far_future", "no_room", "capacity", "storage".
[[nodiscard]] std::string_view to_string(refusal why);

/// One line without its end, of printable ASCII: other bytes are written as \xNN, and of a long
/// value its first 32 bytes and its length. A peer without a name is shown as # and the low 32 bits
/// of its hash. A cookie is a secret: the line says only that there is one.
[[nodiscard]] std::string to_string(const message& what, const name_finder& find_name = nullptr);

}  // namespace gossipmonger
