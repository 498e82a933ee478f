// The node that most users want: everything in memory, over UDP. Compiled once, in the library.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first

#include "gossipmonger/core/memory_storage.hpp"
#include "gossipmonger/net/basic_node.hpp"
#include "gossipmonger/net/udp_transport.hpp"

namespace gossipmonger {

extern template class basic_node<memory_storage, udp_transport>;

using node = basic_node<memory_storage, udp_transport>;

}  // namespace gossipmonger
