// How fast the simulator is, in processor time of this machine.
#pragma once

namespace gossipmonger {

/// Prints a table: node-hours a minute with five nodes, what the checks cost, a large cluster.
void print_figures();

}  // namespace gossipmonger
