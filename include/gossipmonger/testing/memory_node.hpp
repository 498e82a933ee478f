// A node over a network in memory, for tests. Compiled once, in the library.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include "gossipmonger/basic_node.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/testing/memory_transport.hpp"

namespace gossipmonger {

extern template class basic_node<memory_storage, memory_transport>;

using memory_node = basic_node<memory_storage, memory_transport>;

}  // namespace gossipmonger
