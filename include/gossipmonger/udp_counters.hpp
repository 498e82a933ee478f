// The counters of a UDP socket, by name. Values.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first, as in all of net

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gossipmonger {

/// Why the system refused to send a datagram.
enum class udp_send_error : std::uint8_t {
  no_buffers,           ///< ENOBUFS, ENOMEM: the queue of the interface is full
  connection_refused,   ///< ECONNREFUSED: nobody listens there
  message_size,         ///< EMSGSIZE: longer than the path or UDP can carry
  network_unreachable,  ///< ENETUNREACH, ENETDOWN
  host_unreachable,     ///< EHOSTUNREACH, EHOSTDOWN
  access_denied,        ///< EACCES: a broadcast address
  not_permitted,        ///< EPERM: a firewall on this machine
  address_family,       ///< EAFNOSUPPORT, and IPv6 destinations of an IPv4 socket
  invalid,              ///< EINVAL, EADDRNOTAVAIL: nobody can have that address
  other,
};

inline constexpr std::size_t udp_send_error_count = 10;

/// "no_buffers", …: the name of the counter.
[[nodiscard]] std::string_view to_string(udp_send_error error);

/// Counts of a transport since it was opened. A value.
struct udp_counters {
  udp_counters() = default;

  std::uint64_t received = 0;        ///< datagrams, the truncated ones too
  std::uint64_t received_bytes = 0;  ///< of these, as far as the buffer took them
  std::uint64_t truncated = 0;       ///< longer than the buffer given for them
  std::uint64_t receive_errors = 0;  ///< reported by the system instead of a datagram
  std::uint64_t kernel_drops = 0;    ///< buffer full, or a bad UDP checksum (Linux; else 0)
  std::uint64_t sent = 0;            ///< datagrams that the system took
  std::uint64_t sent_bytes = 0;      ///< of these
  std::array<std::uint64_t, udp_send_error_count> send_errors{};  ///< by udp_send_error
};

}  // namespace gossipmonger
