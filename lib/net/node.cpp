#include "gossipmonger/node.hpp"

namespace gossipmonger {

template class basic_node<memory_storage, udp_transport>;

}  // namespace gossipmonger
