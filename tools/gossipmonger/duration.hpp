// Lengths of time as people write them. Pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace gossipmonger {

/// "200ms", "1s", "5m" or "1h"; a whole number.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace gossipmonger
