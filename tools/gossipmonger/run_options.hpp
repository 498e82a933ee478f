// The options of a running node, by the names of `config`, as text and back. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "gossipmonger/config.hpp"

namespace gossipmonger {

/// Every option that can be changed while a node runs, with its value, in the order of `config`.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> named_options(const config& of);

/// `of` with one option read from text: a whole number, a number, a time such as 200ms, or, of
/// `seeds`, addresses with commas between. Whether the value is allowed, the node says.
///   errors: no such option, or text that is none of these
[[nodiscard]] tl::expected<config, config_error> with_option(config of, std::string_view name,
                                                             std::string_view text);

}  // namespace gossipmonger
