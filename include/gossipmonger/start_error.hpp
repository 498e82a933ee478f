// Why a node could not be made: one error for a wrong option and for a socket that does not open.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first, as in all of net

#include <string>
#include <system_error>

#include "gossipmonger/config.hpp"

namespace gossipmonger {

/// A value.
struct start_error {
  start_error() = default;
  /// The same fault, with std::errc::invalid_argument.
  explicit start_error(config_error wrong);

  /// "fanout: 0 is not allowed; allowed: 1 to 16". Where the system refused, with its reason:
  /// "listen: 127.0.0.1:53 is not possible (Permission denied); allowed: ..."
  [[nodiscard]] std::string message() const;

  std::error_code code;  ///< std::errc::invalid_argument, or the reason of the system
  std::string option;    ///< as `config` spells it; also listen, transport, storage
  std::string value;     ///< as it was given
  std::string allowed;   ///< range or form
};

}  // namespace gossipmonger
