#include "refusal.hpp"

#include "gossipmonger/error.hpp"

namespace gossipmonger {

std::string refusal_of(std::error_code why, std::string_view value, const config& settings) {
  if (why == errc::value_too_large) {
    return "the value has " + std::to_string(value.size()) +
           " bytes, and value_bytes_max allows up to " + std::to_string(settings.value_bytes_max);
  }
  if (why == errc::capacity_reached) {
    return "this node holds as much as keys_per_peer_max (" +
           std::to_string(settings.keys_per_peer_max) + " keys) or bytes_per_peer_max (" +
           std::to_string(settings.bytes_per_peer_max) + " bytes) allows: erase some";
  }
  return why.message();
}

}  // namespace gossipmonger
