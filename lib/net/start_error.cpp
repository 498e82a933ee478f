#include "gossipmonger/start_error.hpp"

#include <utility>

namespace gossipmonger {

start_error::start_error(config_error wrong)
    : code(std::make_error_code(std::errc::invalid_argument)),
      option(std::move(wrong.option)),
      value(std::move(wrong.value)),
      allowed(std::move(wrong.allowed)) {}

std::string start_error::message() const {
  const bool is_refused = code && code != std::errc::invalid_argument;
  const std::string why =
      is_refused ? " is not possible (" + code.message() + ")" : std::string(" is not allowed");
  return option + ": " + value + why + "; allowed: " + allowed;
}

}  // namespace gossipmonger
