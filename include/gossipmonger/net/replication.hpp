// How far a write has come, and what a node awaits of it. Values.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first, as in all of net

#include <cstddef>

#include "gossipmonger/core/replication.hpp"

namespace gossipmonger {

/// When `replicated` is done. A value; made by `all_live` and `at_least`.
struct replication_policy {
  replication_policy() = default;

  std::size_t copies = 0;  ///< 0: every peer that is live then, and at least one
};

/// Every peer live at the moment of completion, and at least one.
[[nodiscard]] inline replication_policy all_live() { return {}; }
/// `copies` distinct peers, live or not.
[[nodiscard]] inline replication_policy at_least(std::size_t copies) {
  replication_policy policy;
  policy.copies = copies;
  return policy;
}

/// How many peers know that a node leaves. A value.
struct leave_result {
  leave_result() = default;

  std::size_t acknowledged = 0;  ///< live peers that know
  std::size_t live = 0;          ///< live peers
};

}  // namespace gossipmonger
