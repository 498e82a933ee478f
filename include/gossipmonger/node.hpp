// The node that most users want: everything in memory, over UDP. Compiled once, in the library.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include "gossipmonger/basic_node.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/udp_transport.hpp"

namespace gossipmonger {

extern template class basic_node<memory_storage, udp_transport>;

using node = basic_node<memory_storage, udp_transport>;

}  // namespace gossipmonger
