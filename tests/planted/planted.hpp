// For the one build whose core may be made to err: which defect it has is chosen at run time.
// Stands in for lib/core/planted/none/planted.hpp by the include path.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "defect.hpp"

namespace gossipmonger::planted {

inline defect chosen = defect::none;

[[nodiscard]] inline bool is_on(defect asked) { return chosen == asked; }

/// By number; empty where a patch in defects/ has taken its place. The first one's also shows in a
/// binary that it was built with this file.
inline constexpr std::array<std::string_view, 64> defect_names{"planted_none",
                                                               "gap_applied",
                                                               "overlap_applied",
                                                               "stale_generation",
                                                               "version_regression",
                                                               "self_delta",
                                                               "floor_at_once",
                                                               "order_moved",
                                                               "version_skipped",
                                                               "outside_range",
                                                               "unwanted_ignored",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "seal_ignored",
                                                               "",
                                                               "capacity_ignored",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "partial_shown",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "parked_unbounded",
                                                               "partials_unbounded",
                                                               "",
                                                               "",
                                                               "answers_unbounded",
                                                               "strangers_unbounded",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "",
                                                               "put_off_left",
                                                               "checksum_kept",
                                                               "floor_stuck",
                                                               "empty_kept",
                                                               ""};

}  // namespace gossipmonger::planted
