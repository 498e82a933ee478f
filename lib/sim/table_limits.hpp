// The limits of I5 for each table of a node. They follow the capacities in lib/core/ALGORITHM.md,
// and not the code that keeps to it. Pure functions.
#pragma once

#include <string>

#include "gossipmonger/config.hpp"
#include "gossipmonger/table_sizes.hpp"

namespace gossipmonger {

/// The most that each table may hold of a node with those options that knows as many peers as
/// `held` says. The deadlines of its own keys depend on its storage and have no bound here.
[[nodiscard]] table_sizes table_limits(const config& settings, const table_sizes& held);

/// "257 addresses, at most 256", of the first table that holds too much; empty where none does.
[[nodiscard]] std::string find_overfull(const table_sizes& held, const table_sizes& most);

}  // namespace gossipmonger
