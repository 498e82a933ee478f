// Endpoints of this library to those of Asio, and back. Pure functions.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <algorithm>
#include <cstdint>

#include <asio/ip/address.hpp>
#include <asio/ip/udp.hpp>

#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// An IPv4 address becomes one of asio::ip::address_v4, not its IPv6-mapped form.
[[nodiscard]] inline asio::ip::udp::endpoint to_asio(const endpoint& from) {
  asio::ip::address_v6::bytes_type bytes{};
  std::copy(from.address.begin(), from.address.end(), bytes.begin());
  const asio::ip::address_v6 whole(bytes, from.scope);
  if (!from.is_v4()) return asio::ip::udp::endpoint(whole, from.port);
  const asio::ip::address_v4 mapped = asio::ip::make_address_v4(asio::ip::v4_mapped, whole);
  return asio::ip::udp::endpoint(mapped, from.port);
}

/// Of both families; an IPv4 address takes its IPv6-mapped form.
[[nodiscard]] inline endpoint from_asio(const asio::ip::udp::endpoint& from) {
  const asio::ip::address address = from.address();
  const asio::ip::address_v6 whole =
      address.is_v4() ? asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4())
                      : address.to_v6();
  const asio::ip::address_v6::bytes_type bytes = whole.to_bytes();
  endpoint made;
  std::copy(bytes.begin(), bytes.end(), made.address.begin());
  made.port = from.port();
  made.scope = static_cast<std::uint32_t>(whole.scope_id());
  return made;
}

}  // namespace gossipmonger
