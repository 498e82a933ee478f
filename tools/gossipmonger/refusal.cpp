#include "refusal.hpp"

#include "gossipmonger/error.hpp"

namespace gossipmonger {

std::string refusal_of(std::error_code why, std::string_view value, const config& settings) {
  if (why != errc::value_too_large) return why.message();
  return "the value has " + std::to_string(value.size()) +
         " bytes, and value_bytes_max allows up to " + std::to_string(settings.value_bytes_max);
}

}  // namespace gossipmonger
