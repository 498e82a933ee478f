// The addresses of this host, and the one that a destination is reached from. Functions; each asks
// the kernel and sends nothing.
#pragma once

#include <optional>
#include <span>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"

namespace gossipmonger {

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
