// Bytes that anybody may have published, as text that is safe to print. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gossipmonger {

[[nodiscard]] bool is_utf8(std::string_view bytes);

/// RFC 4648, section 4, with padding.
[[nodiscard]] std::string base64(std::string_view bytes);

/// For a terminal: control characters and what is no UTF-8 become \xNN, so that no value can move
/// the cursor or end a line.
[[nodiscard]] std::string escaped(std::string_view bytes);

/// The same between quotation marks, and no longer than a line: beyond 64 bytes it is cut, and its
/// size stands behind it.
[[nodiscard]] std::string in_quotes(std::string_view bytes);

/// Columns that `text` takes on a terminal, one a character: wide ones are not known here.
[[nodiscard]] std::size_t columns(std::string_view text);

}  // namespace gossipmonger
