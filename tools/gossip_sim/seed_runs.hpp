// Runs seeds in child processes, so that a crash of one (an assertion, a sanitizer) is a finding
// like any other and ends no other run. Blocking; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sim/scenario.hpp"
#include "sim/simulation.hpp"

namespace gossipmonger {

/// The outcome of one seed. `rule` is empty where all held; "crash" where the process ended.
struct seed_outcome {
  seed_outcome() = default;

  std::uint64_t seed = 0;
  std::string rule;
  std::string text;
  std::uint64_t at_ms = 0;
  std::uint64_t trace_hash = 0;
  std::uint64_t node_ms = 0;
  std::uint64_t decisions = 0;
  double rounds_to_detect = -1;  ///< as in simulation_report
  std::size_t rounds_to_detect_max = 0;
  simulation_sums sums;
  world_counters counters;
};

struct seed_range {
  seed_range() = default;

  std::uint64_t first = 1;
  std::uint64_t last = 1;
  std::size_t jobs = 1;
  bool is_checked = true;
  bool stops_at_failure = false;
  std::optional<std::chrono::milliseconds> time_budget;
};

using line_sink = std::function<void(std::string_view line)>;

/// Runs every seed of the range; `on_outcome` is called as they end. Fewer where the time budget is
/// over, at a failure if told so, or where the system gives no processes or pipes.
void run_seeds(const seed_range& range, const std::function<void(const seed_outcome&)>& on_outcome);

/// One scenario in a process of its own. `on_trace` is called there, with each step and last with
/// the rule that was broken; what it buffers is lost with the process.
[[nodiscard]] seed_outcome run_apart(const scenario& of, bool is_checked,
                                     const line_sink& on_trace = nullptr);

}  // namespace gossipmonger
