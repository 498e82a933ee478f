// An endpoint in the form of the socket calls (sockaddr_in, sockaddr_in6). A value, private to the
// layer: public headers include no system header.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

class socket_address {
 public:
  socket_address() = default;

  /// Becomes `source` in the form of `family`, AF_INET or AF_INET6 (mapped, where it is IPv4).
  /// False, and unchanged, where an IPv6 address has no form in AF_INET.
  [[nodiscard]] bool assign(const endpoint& source, int family);

  /// The address that the socket calls wrote here; IPv4 in mapped form. The scope is kept only for
  /// link-local addresses, so that an address has one representation.
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

/// The control message that names the local address of a datagram (IP_PKTINFO, IPV6_PKTINFO): on
/// receipt the address that it was sent to, on sending the one that it leaves from. A value; as
/// large as either.
class local_address_message {
 public:
  local_address_message() = default;

  /// Asks the system to tell that address of each datagram that `socket` receives, where it can.
  static void request(int socket, int family);

  /// Room for what the system tells, in `header`.
  void prepare(msghdr& header);
  /// Reads what the system told; false, and nothing set, where it told nothing. The scope of
  /// `local` is that of a link-local address.
  [[nodiscard]] static bool read(const msghdr& header, endpoint& local, std::uint32_t& interface);
  /// Makes the datagram of `header` leave from `source`, by a socket of `family`. Nothing is set
  /// for a wildcard, or for an address whose family is not that of `destination`.
  void write(msghdr& header, const endpoint& source, const endpoint& destination, int family);

 private:
  static constexpr std::size_t bytes_max =
      64;  // CMSG_SPACE of either, which is no constant everywhere

  alignas(cmsghdr) std::array<std::byte, bytes_max> control_{};
};

/// AF_INET for IPv4 endpoints, AF_INET6 for all others.
[[nodiscard]] int family_of(const endpoint& address);

}  // namespace gossipmonger
