// The command line of the cluster benchmark: `bench/cluster`, and `gossipmonger bench` of the
// installed program.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gossipmonger {

/// Reads `arguments`, runs the load and prints the report. Progress goes to standard error, and
/// only where that is a terminal.
///
///   program: as the user calls it, for messages.
///   returns: the exit status, 0; 1 where the system refused something; 2 for a bad option.
[[nodiscard]] int run_cluster_command(std::string_view program,
                                      std::span<const char* const> arguments);

}  // namespace gossipmonger
