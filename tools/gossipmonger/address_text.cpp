#include "address_text.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

std::string address_fault(std::string_view text) {
  const std::size_t bracket = text.find(']');
  const bool has_bracket = text.starts_with('[');
  if (has_bracket && bracket == std::string_view::npos) return "the closing ] is missing";
  const std::size_t percent = text.substr(0, bracket).find('%');
  const bool has_interface = has_bracket && percent != std::string_view::npos;
  const std::optional<endpoint> alone =
      has_interface ? endpoint::parse(std::string(text.substr(0, percent)) + "]:1") : std::nullopt;
  if (alone && !alone->is_link_local()) {
    return "only a link-local address, fe80::..., has an interface";
  }
  const std::size_t colon = text.find(':', has_bracket ? bracket : 0);
  if (!has_bracket && colon != std::string_view::npos &&
      text.find(':', colon + 1) != std::string_view::npos) {
    return "an IPv6 address stands in brackets: [V6]:PORT";
  }
  if (text.empty()) return "host and port are missing";
  if (colon == std::string_view::npos || colon + 1 == text.size()) return "the port is missing";
  if (colon == 0) return "the host is missing";
  const std::string_view port = text.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool is_port = error == std::errc() && end == port.data() + port.size();
  return is_port ? "" : "the port is not a number from 0 to 65535";
}

}  // namespace gossipmonger
