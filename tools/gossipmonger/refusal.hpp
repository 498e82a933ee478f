// Why a node did not take a value, in words that say what would be taken. A pure function.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include "gossipmonger/config.hpp"

namespace gossipmonger {

/// The message of `why`. For a value that is too large it gives its size, the option and its limit.
[[nodiscard]] std::string refusal_of(std::error_code why, std::string_view value,
                                     const config& settings);

}  // namespace gossipmonger
