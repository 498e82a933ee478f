// Every counter of a node and its socket, by name: what `stats` shows.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gossipmonger/event.hpp"
#include "gossipmonger/udp_transport.hpp"

namespace gossipmonger {

/// The fields of protocol_stats under their own names, drop_REASON for each drop_reason, the
/// fields of udp_counters as udp_NAME, and udp_send_error_NAME for each udp_send_error.
[[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> named_counters(
    const protocol_stats& node, const udp_counters& socket);

}  // namespace gossipmonger
