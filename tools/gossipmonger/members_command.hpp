// `gossipmonger members`: asks a node who is in its cluster, and joins nothing.
#pragma once

#include "options.hpp"

namespace gossipmonger {

/// Asks the seeds until all that they name make progress, or for `lifetime`; prints the members.
/// No node comes to know of the one that asks.
///   returns: the exit status
[[nodiscard]] int run_members(options wanted);

}  // namespace gossipmonger
