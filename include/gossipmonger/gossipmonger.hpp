// Everything a service needs to take part: `node` over UDP, and a view of the cluster's state.
#pragma once

#include "gossipmonger/membership_view.hpp"
#include "gossipmonger/node.hpp"
#include "gossipmonger/udp_transport.hpp"
