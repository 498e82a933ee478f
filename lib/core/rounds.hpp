// The script of a round: what a node does each gossip interval, in this order. A resource over the
// node's parts.
#pragma once

#include "core/node_parts.hpp"
#include "core/outgoing.hpp"

namespace gossipmonger {

class rounds {
 public:
  /// Both outlive the script.
  rounds(node_parts& node, outgoing& legs) : node_(node), outgoing_(legs) {}
  rounds(const rounds&) = delete;
  rounds& operator=(const rounds&) = delete;

  void run(moment now);

 private:
  void choose_partners();
  void declare_dead();
  void forget_gone();
  /// The budget held up a probe of mine for a whole round.
  void handle_delayed_probe();
  /// Tells in an event where the byte budget becomes too small for membership, or enough again.
  void end_budget_round();

  node_parts& node_;
  outgoing& outgoing_;
};

}  // namespace gossipmonger
