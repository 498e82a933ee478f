// Lengths of time as people write them. Pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace gossipmonger {

/// "200ms", "1s", "5m", "1h" or "2d"; a whole number.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "90", "0.5"; 0 to 1,000,000,000 seconds, cut to milliseconds.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text);

/// How times are written, for messages.
inline constexpr std::string_view duration_form =
    "a time with a unit, such as 200ms, 1s, 5m, 2h or 1d";

/// Whether `text` is a time but for its unit.
[[nodiscard]] bool is_without_unit(std::string_view text);

}  // namespace gossipmonger
