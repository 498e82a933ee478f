// An endpoint in the form of the socket calls (sockaddr_in, sockaddr_in6). A value, private to the
// layer: public headers include no system header.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "gossipmonger/core/endpoint.hpp"

namespace gossipmonger {

class socket_address {
 public:
  socket_address() = default;

  /// Becomes `source` in the form of `family`, AF_INET or AF_INET6 (mapped, where it is IPv4).
  /// False, and unchanged, where an IPv6 address has no form in AF_INET.
  [[nodiscard]] bool assign(const endpoint& source, int family);

  /// What the socket calls wrote here; IPv4 in mapped form. The scope is kept only for link-local
  /// addresses, so that an address has one representation.
  [[nodiscard]] endpoint to_endpoint() const;

  /// For the socket calls: where it is, how long it is, how long it may become.
  [[nodiscard]] sockaddr* data();
  [[nodiscard]] const sockaddr* data() const;
  [[nodiscard]] socklen_t size() const;
  static constexpr socklen_t capacity = sizeof(sockaddr_in6);

 private:
  union {
    sockaddr_in6 v6_{};
    sockaddr_in v4_;
  };
};

/// AF_INET for IPv4 endpoints, AF_INET6 for all others.
[[nodiscard]] int family_of(const endpoint& address);

}  // namespace gossipmonger
