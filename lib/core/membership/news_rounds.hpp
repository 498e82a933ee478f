// How long news takes. A pure function.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

/// The rounds after which a change that some node made is everywhere, with a margin: twice the
/// logarithm of the number of nodes, which is at least 1.
[[nodiscard]] inline std::uint64_t news_rounds(std::size_t nodes) {
  return 2 * static_cast<std::uint64_t>(std::bit_width(std::max<std::size_t>(1, nodes) - 1));
}

}  // namespace gossipmonger
