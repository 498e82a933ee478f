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

/// By number. The first one's also shows in a binary that it was built with this file.
inline constexpr std::array<std::string_view, 64> defect_names{
    "planted_none",        "gap_applied",          "overlap_applied",      "stale_generation",
    "version_regression",  "self_delta",           "floor_at_once",        "order_moved",
    "version_skipped",     "outside_range",        "unwanted_ignored",     "state_kept",
    "no_checksum",         "replies_unlimited",    "graveyard_missing",    "tombstones_early",
    "generation_reused",   "heartbeat_regression", "seal_ignored",         "stale_identity",
    "capacity_ignored",    "forgetting_untold",    "forgotten_unburied",   "expiry_missing",
    "expiry_kept",         "convicted_at_once",    "proof_renewed",        "partial_shown",
    "version_unread",      "version_untried",      "verdict_untold",       "leave_unheard",
    "peers_unbounded",     "addresses_unbounded",  "unproved_unlimited",   "parked_unbounded",
    "partials_unbounded",  "retired_unbounded",    "own_capacity_ignored", "answers_unbounded",
    "strangers_unbounded", "exchange_unlimited",   "budget_ignored",       "answers_restart",
    "malformed_thrown",    "phi_prior_missing",    "joining_unbounded",    "deadline_kept",
    "grave_overwritten",   "deaf_believed",        "dead_revived",         "deaf_vouches",
    "alone_untold",        "refusal_untold",       "interval_untold",      "equal_run_kept",
    "conflict_endless",    "displaced_writes",     "former_counted",       "put_off_left",
    "checksum_kept",       "floor_stuck",          "empty_kept",           "route_kept"};

}  // namespace gossipmonger::planted
