// The library's own: no defect is planted, and asking costs nothing.
#pragma once

#include "defect.hpp"

namespace gossipmonger::planted {

[[nodiscard]] constexpr bool is_on(defect) { return false; }

}  // namespace gossipmonger::planted
