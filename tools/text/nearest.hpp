// The word that a mistyped one was meant to be. A pure function.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace gossipmonger {

/// The first of those words that are nearest to `typed`: fewest letters inserted, dropped or
/// replaced, or two neighbours exchanged. nullopt where more than a third of the letters differ.
[[nodiscard]] std::optional<std::string_view> nearest_word(std::string_view typed,
                                                           std::span<const std::string_view> words);

}  // namespace gossipmonger
