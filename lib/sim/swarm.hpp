// Random scenarios: each seed turns on a subset of the faults, so that each of them also meets
// what others would hide. Source: Groce et al., Swarm Testing, ISSTA 2012. Pure functions.
#pragma once

#include <cstdint>

#include "sim/scenario.hpp"

namespace gossipmonger {

/// A scenario of 2 to 9 nodes, seldom 60, that ends with `heal`, and mostly crashes to `detect`.
[[nodiscard]] scenario draw_scenario(std::uint64_t seed);

}  // namespace gossipmonger
