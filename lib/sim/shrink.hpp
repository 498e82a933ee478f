// Cuts a failing scenario down to a small one that fails in the same way: fewer decisions, fewer
// nodes, fewer keys, weaker faults. Source: Zeller and Hildebrandt, Simplifying and Isolating
// Failure-Inducing Input, TSE 2002 (delta debugging). A pure function.
#pragma once

#include <cstddef>
#include <functional>

#include "sim/scenario.hpp"

namespace gossipmonger {

/// The smallest scenario found for which `fails` is still true, asked at most `trials_max` times.
///   expects: fails(failing)
[[nodiscard]] scenario shrunk(scenario failing, const std::function<bool(const scenario&)>& fails,
                              std::size_t trials_max = 2000);

}  // namespace gossipmonger
