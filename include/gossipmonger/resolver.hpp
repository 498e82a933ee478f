// Names to endpoints. Coroutines.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"

namespace gossipmonger {

/// Looks up a seed: "HOST:PORT", "[IPV6]:PORT" or "IPV4:PORT", with a number for the port, or
/// "dnssrv+SERVICE", whose SRV records name hosts and ports. An IPv6 address may name its
/// interface, as [fe80::1%eth0]. Gives every address that the system's resolver knows (A and AAAA),
/// each once, in its order; of more than 256, that many are drawn. Numeric ones are not looked up.
/// SERVICE is fully qualified; of its hosts the first 64 are given, whatever their priority and
/// weight, less those that are not found, or not within 20 s. Resumes on the coroutine's executor.
///   cancellation: errc::cancelled at once. The system's lookup cannot be interrupted: it ends on a
///                 thread of its own. Neither the io_context nor the end of the program waits for
///                 that thread, and it holds up no other lookup. At most 64 run at a time.
///   errors:       Any other text gives std::errc::invalid_argument. Records that make no sense
///                 give std::errc::bad_message. A system (musl) whose resolver cannot be asked for
///                 "dnssrv+" gives std::errc::operation_not_supported. A lookup above 64 gives
///                 std::errc::resource_unavailable_try_again. Other errors are the resolver's, such
///                 as asio::error::host_not_found.
[[nodiscard]] asio::awaitable<result<std::vector<endpoint>>> resolve(std::string seed);

}  // namespace gossipmonger
