// Bytes as printable ASCII, for lines that people read. A pure function.
#pragma once

#include <string>
#include <string_view>

namespace gossipmonger {

/// `bytes`, with each that is not printable ASCII, and each backslash, as \xNN. So the text has no
/// control character, and bytes that differ give texts that differ.
[[nodiscard]] std::string printable(std::string_view bytes);

}  // namespace gossipmonger
