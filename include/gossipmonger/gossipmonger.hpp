// Everything a service needs to take part: `node` over UDP, and a view of the cluster's state.
#pragma once

#include "gossipmonger/net/membership_view.hpp"
#include "gossipmonger/net/node.hpp"
#include "gossipmonger/net/udp_transport.hpp"
