// HOST:PORT as people write it. A pure function.
#pragma once

#include <string>
#include <string_view>

namespace gossipmonger {

/// Which part of `text` makes it no "HOST:PORT": "the port is missing", ...; empty where both parts
/// are there. Whether the host can be found is another question.
[[nodiscard]] std::string address_fault(std::string_view text);

}  // namespace gossipmonger
