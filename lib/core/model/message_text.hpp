// A message as one line of text, for people: traces, tests, bug reports. Pure functions. Lines are:
//
//     digest leg [a g1 v2 h3] echo [b g1 v0 h1] gives cookie range all [a g1 v2 h3, b g1 v0 h1]
//     answer leg [b g1 v0 h2] echo [a g1 v2 h3] echoes cookie requests [a g1 v0 h3]
//     delta leg [a g1 v2 h3] echo [b g1 v0 h2] echoes cookie delta a g1 (0, 2] [k=v@1, erased x@2]
//
// `g` is a generation, `v` a max version, `h` a heartbeat. Each part stands there only if the
// message has it. Ages of suspicions are in rounds.
#pragma once

#include <string_view>

#include "core/model/message.hpp"
#include "gossipmonger/replication.hpp"  // to_string(message)

namespace gossipmonger {

/// "digest leg", "answer leg", "delta leg".
[[nodiscard]] std::string_view to_string(message_kind kind);

/// "none", "far_future", "no_room", "capacity", "storage".
[[nodiscard]] std::string_view to_string(refusal why);

}  // namespace gossipmonger
