#include "duration.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace gossipmonger {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::uint32_t count = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
  if (unit == "ms") return std::chrono::milliseconds(count);
  if (unit == "s") return std::chrono::seconds(count);
  if (unit == "m") return std::chrono::minutes(count);
  if (unit == "h") return std::chrono::hours(count);
  if (unit == "d") return std::chrono::days(count);
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text) {
  constexpr double seconds_max = 1e9;
  double count = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool is_number = error == std::errc() && rest == text.data() + text.size();
  if (!is_number || !(count >= 0 && count <= seconds_max)) return std::nullopt;  // nor a NaN
  return std::chrono::milliseconds(static_cast<std::int64_t>(count * 1000));
}

bool is_without_unit(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

}  // namespace gossipmonger
