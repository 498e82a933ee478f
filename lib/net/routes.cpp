#include "net/routes.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "net/owned_socket.hpp"
#include "net/socket_address.hpp"

namespace gossipmonger {

namespace {

/// Any port does for asking the routes; 9 discards (RFC 863).
constexpr std::uint16_t port_of_no_service = 9;

}  // namespace

result<endpoint> route_source(const endpoint& towards) {
  if (towards.is_wildcard()) {
    return tl::unexpected<std::error_code>(std::make_error_code(std::errc::invalid_argument));
  }
  endpoint target = towards;
  if (target.port == 0) {
    target.port = port_of_no_service;
  }
  socket_address address;
  const int family = family_of(target);
  if (!address.assign(target, family)) {
    return tl::unexpected<std::error_code>(
        std::make_error_code(std::errc::address_family_not_supported));
  }
  const owned_socket socket(family);
  socklen_t size = socket_address::capacity;
  const bool is_known = socket.descriptor() >= 0 &&
                        ::connect(socket.descriptor(), address.data(), address.size()) == 0 &&
                        ::getsockname(socket.descriptor(), address.data(), &size) == 0;
  if (!is_known) {
    return tl::unexpected<std::error_code>(std::error_code(errno, std::system_category()));
  }
  endpoint source = address.to_endpoint();
  source.port = 0;
  return source;
}

std::optional<endpoint> choose_local_address(std::span<const endpoint> seeds,
                                             const endpoint& present) {
  constexpr std::size_t routes_max = 16;
  std::optional<endpoint> chosen;
  std::optional<endpoint> on_loopback;
  bool are_all_loopback = true;
  std::size_t routes = 0;
  for (const endpoint& seed : seeds) {
    const bool is_beyond = !seed.is_loopback();
    are_all_loopback = are_all_loopback && !is_beyond;
    if (is_beyond ? routes == routes_max : on_loopback.has_value()) continue;
    if (is_beyond) ++routes;
    const result<endpoint> local = route_source(seed);
    if (!local || local->is_wildcard()) continue;
    if (local->is_loopback()) {
      on_loopback = *local;
      continue;
    }
    if (local->has_address_of(present)) return *local;
    if (!chosen) chosen = *local;
  }
  if (chosen) return chosen;
  return are_all_loopback ? on_loopback : std::nullopt;
}

bool is_local_address(const endpoint& address) {
  endpoint any_port = address;
  any_port.port = 0;
  const int family = family_of(any_port);
  const owned_socket socket(family);
  socket_address wanted;
  return !address.is_wildcard() && socket.descriptor() >= 0 && wanted.assign(any_port, family) &&
         ::bind(socket.descriptor(), wanted.data(), wanted.size()) == 0;
}

bool is_of_family(const endpoint& address, const endpoint& local) {
  const bool is_for_both = local.is_wildcard() && !local.is_v4();
  return is_for_both || address.is_v4() == local.is_v4();
}

}  // namespace gossipmonger
