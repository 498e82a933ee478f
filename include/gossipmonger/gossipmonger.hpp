// Everything a service needs to take part: `node`, and the `udp_transport` it runs over.
#pragma once

#include "gossipmonger/net/node.hpp"
#include "gossipmonger/net/udp_transport.hpp"
