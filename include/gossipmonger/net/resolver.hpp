// Names to endpoints, and the local address that a destination is reached from.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first

#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include "gossipmonger/core/endpoint.hpp"
#include "gossipmonger/core/error.hpp"

namespace gossipmonger {

/// Looks up a seed: "HOST:PORT", "[IPV6]:PORT" or "IPV4:PORT", with a number for the port, or
/// "dnssrv+SERVICE", whose SRV records name hosts and ports. Gives every address that the system's
/// resolver knows (A and AAAA), each once, in its order, at most 256; numeric ones are not looked
/// up. SERVICE is fully qualified; of its hosts the first 64 are given, whatever their priority and
/// weight, less those that are not found, or not within 20 s. Resumes on the coroutine's executor.
///   cancellation: errc::cancelled at once. The system's lookup cannot be interrupted: it ends on a
///                 thread of its own, for which neither the io_context nor the end of the program
///                 waits, and which holds up no other. At most 64 run at a time.
///   errors:       std::errc::invalid_argument for any other text;
///                 std::errc::bad_message for records that make no sense;
///                 std::errc::operation_not_supported for "dnssrv+" where the system (musl) has
///                 no resolver that can be asked;
///                 std::errc::resource_unavailable_try_again above 64; else what the resolver
///                 says, such as asio::error::host_not_found
[[nodiscard]] asio::awaitable<result<std::vector<endpoint>>> resolve(std::string seed);

/// The local address, with port 0, that a datagram to `towards` would leave with. Sends nothing.
///   errors: std::errc::invalid_argument for a wildcard; the system's own where there is no route
[[nodiscard]] result<endpoint> route_source(const endpoint& towards);

}  // namespace gossipmonger
