// A node that writes and erases for ever, and replicas that watch it through a bad network. Both
// the hour of every run and the week of the long ones use it. Test code only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gossipmonger {

struct deletes_plan {
  deletes_plan() = default;

  std::uint64_t seed = 1;
  std::chrono::minutes length{60};
  std::size_t samples = 120;
  std::size_t live_keys = 3000;  ///< a compaction comes each time that so many were erased
  std::size_t exchange_bytes_max = 131072;
};

/// The outcome of a run. `violation` is empty if no rule was broken.
struct deletes_report {
  deletes_report() = default;

  std::uint64_t writes = 0;
  std::uint64_t erases = 0;
  std::uint64_t versions = 0;     ///< the owner's, in the end
  std::uint64_t compactions = 0;  ///< the owner's
  std::uint64_t events = 0;       ///< updates and removals, over all replicas
  std::size_t live_max = 0;       ///< keys of the owner
  std::size_t held_max = 0;       ///< entries of the owner at any node, tombstones included
  std::size_t held_bytes_max = 0;
  std::size_t tombstones_max = 0;
  std::size_t retired_max = 0;
  std::size_t parked_bytes_max = 0;
  std::size_t rss_settled = 0;  ///< bytes of this process, after a quarter of the time
  std::size_t rss_max = 0;      ///< from then on
  bool has_agreed = false;      ///< after everything healed
  std::string violation;
};

/// Runs the plan, and samples memory `samples` times. 100 keys are written and 100 erased a second,
/// half of them under names never used again. The network loses, duplicates and reorders. Replicas
/// are cut off for up to about two minutes, and one once for ten. Another joins at half-time.
[[nodiscard]] deletes_report run_deletes(const deletes_plan& plan);

}  // namespace gossipmonger
