// SRV records (RFC 2782) by the system's resolver library. Blocks.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gossipmonger/error.hpp"

namespace gossipmonger {

/// Where a service runs. A value.
struct service_target {
  service_target(std::string at_host, std::uint16_t at_port)
      : host(std::move(at_host)), port(at_port) {}

  std::string host;
  std::uint16_t port;
};

/// All targets of the service's records, at most 64, in the order of the answer. `name` is fully
/// qualified. Priority and weight choose one server among several: a caller here wants all of them.
/// Takes as long as the system's resolver does.
///   errors: asio::error::host_not_found where there is no such name, or it says that nobody offers
///           the service. As the resolver does, asio::error::no_data, host_not_found_try_again and
///           no_recovery. An answer that makes no sense gives std::errc::bad_message, and a system
///           that has no such resolver gives std::errc::operation_not_supported.
[[nodiscard]] result<std::vector<service_target>> look_up_service(const std::string& name);

}  // namespace gossipmonger
