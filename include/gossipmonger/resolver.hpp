// Names to endpoints, and the local address that a destination is reached from.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <optional>
#include <span>
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

/// The local address, with port 0, that a datagram to `towards` would leave with. Sends nothing.
///   errors: std::errc::invalid_argument for a wildcard; the system's own where there is no route
[[nodiscard]] result<endpoint> route_source(const endpoint& towards);

/// The local address by which a host is to be reached from `seeds`. It is the source of the route
/// to the first of them, or stays `present` while one of them is reached from that. A loopback
/// address means another host elsewhere, so it is taken only where all seeds are loopback
/// addresses. The port is 0. nullopt: there is no such route. At most 16 routes beyond the host are
/// looked at.
[[nodiscard]] std::optional<endpoint> choose_local_address(std::span<const endpoint> seeds,
                                                           const endpoint& present);

/// Whether `address` is one of this host, whatever its port. Sends nothing.
[[nodiscard]] bool is_local_address(const endpoint& address);

/// Whether a socket on `local` can send to `address`: [::] is for both families.
[[nodiscard]] bool is_of_family(const endpoint& address, const endpoint& local);

}  // namespace gossipmonger
