// A node over a network in memory, for tests. Compiled once, in the library.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first

#include "gossipmonger/core/memory_storage.hpp"
#include "gossipmonger/net/basic_node.hpp"
#include "gossipmonger/testing/memory_transport.hpp"

namespace gossipmonger {

extern template class basic_node<memory_storage, memory_transport>;

using memory_node = basic_node<memory_storage, memory_transport>;

}  // namespace gossipmonger
