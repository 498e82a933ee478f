// Nodes that speak other wire versions than the library does: for tests of roll-outs.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <utility>

#include "gossipmonger/basic_node.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// The way to `basic_node` of the function below.
struct wire_version_access {
  /// As `create_speaking`.
  template <class Node, class Transport, class Storage>
  [[nodiscard]] static typename Node::expected_node make(config settings, Transport& over,
                                                         Storage entries,
                                                         const wire_range& spoken) {
    return Node::make(std::move(settings), over, std::move(entries), spoken);
  }
};

/// As `Node::create`, with the wire versions that the node reads and writes.
/// Those that the library does not speak stand for a later release whose messages look the same.
///   expects: `spoken` within the limits of wire_range
template <class Node, class Transport, class Storage>
[[nodiscard]] typename Node::expected_node create_speaking(config settings, Transport& over,
                                                           Storage entries,
                                                           const wire_range& spoken) {
  return wire_version_access::make<Node>(std::move(settings), over, std::move(entries), spoken);
}

}  // namespace gossipmonger
