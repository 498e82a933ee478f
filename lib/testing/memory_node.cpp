#include "gossipmonger/testing/memory_node.hpp"

namespace gossipmonger {

template class basic_node<memory_storage, memory_transport>;

}  // namespace gossipmonger
