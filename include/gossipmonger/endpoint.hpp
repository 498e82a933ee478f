// Where a datagram goes: address, port, scope. A value; knows no socket and no resolver.
//
// IPv4 addresses are held in their IPv6-mapped form (RFC 4291, section 2.5.5.2), so that one
// address has one representation and one hash.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

/// An IP address with port and scope. A value; the default is the wildcard with port 0.
struct endpoint {
  endpoint() = default;

  /// The IPv4 endpoint a.b.c.d:port, in mapped form.
  [[nodiscard]] static endpoint v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                                   std::uint16_t port);

  /// "127.0.0.1:7000" or "[::1]:7000" or "[fe80::1%3]:7000"; numbers only, no names.
  ///   errors: nullopt where the text is anything else
  [[nodiscard]] static std::optional<endpoint> parse(std::string_view text);

  /// Whether it is an IPv4 address, in mapped form.
  [[nodiscard]] bool is_v4() const;
  /// 0.0.0.0 or ::, which nobody can send to.
  [[nodiscard]] bool is_wildcard() const;
  /// 127.0.0.0/8 or ::1.
  [[nodiscard]] bool is_loopback() const;
  /// 224.0.0.0/4 or ff00::/8.
  [[nodiscard]] bool is_multicast() const;
  /// fe80::/10, an address that means a host only together with an interface.
  [[nodiscard]] bool is_link_local() const {
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
  }
  /// The same address, whatever the ports. Scopes are not compared: they number the interfaces of
  /// one host, and differ from host to host.
  [[nodiscard]] bool has_address_of(const endpoint& other) const {
    return half(0) == other.half(0) && half(8) == other.half(8);
  }
  /// Whether a datagram may be sent there: a port, and no wildcard, multicast or broadcast.
  [[nodiscard]] bool is_routable() const;

  /// The inverse of `parse`.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const endpoint& one, const endpoint& other) {
    return one.half(0) == other.half(0) && one.half(8) == other.half(8) && one.port == other.port &&
           one.scope == other.scope;
  }
  /// By address, port, scope; as the bytes of the address stand.
  friend std::strong_ordering operator<=>(const endpoint& one, const endpoint& other) {
    for (std::size_t i = 0; i < one.address.size(); i += 8) {
      const std::strong_ordering order = one.half(i) <=> other.half(i);
      if (order != std::strong_ordering::equal) return order;
    }
    if (one.port != other.port) return one.port <=> other.port;
    return one.scope <=> other.scope;
  }

  std::array<std::uint8_t, 16> address{};  ///< in network order; IPv4 in mapped form
  std::uint16_t port = 0;                  ///< in host order
  std::uint32_t scope = 0;                 ///< interface index of a link-local address, else 0

 private:
  /// Eight bytes of the address as a number, the first one highest. Compiles to one load.
  [[nodiscard]] std::uint64_t half(std::size_t from) const {
    std::uint64_t number = 0;
    for (std::size_t i = from; i < from + 8; ++i) number = number << 8 | address[i];
    return number;
  }
};

/// As `endpoint::to_string`.
std::ostream& operator<<(std::ostream& to, const endpoint& address);

}  // namespace gossipmonger
