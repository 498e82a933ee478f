// Runs a scenario: applications that write and keep a disk, readers of events, the faults, and what
// is demanded after they healed. Pure: the same scenario gives the same report, on every compiler.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gossipmonger/sim/checker.hpp"
#include "gossipmonger/sim/scenario.hpp"
#include "gossipmonger/sim/world.hpp"

namespace gossipmonger {

struct simulation_options {
  simulation_options() = default;

  bool is_checked = true;
  /// Gets a line for each decision, event and datagram delivered.
  std::function<void(std::string_view line)> on_trace;
  /// Gets each decision before it is made, and nothing for the end.
  std::function<void(const decision* next)> on_decision;
  /// Told of a fault where it is found, inside the step: a broken node may not come to its end.
  std::function<void(const violation& found)> on_fault;
  /// Gets each event as a reader sees it.
  std::function<void(std::size_t node, const event_view& seen)> on_event;
};

struct simulation_report {
  simulation_report() = default;

  std::optional<violation> fault;
  std::uint64_t trace_hash = 0;
  std::chrono::nanoseconds time{};       ///< simulated
  std::chrono::nanoseconds node_time{};  ///< of all nodes that ran, added up
  std::uint64_t decisions = 0;
  double rounds_to_agree = -1;  ///< after the last heal; -1: there was none
  world_counters counters;
};

[[nodiscard]] simulation_report simulate(const scenario& of, const simulation_options& how);

/// What must be there so many rounds after everything healed: entries and generations agree.
[[nodiscard]] std::size_t agreement_rounds_max(const scenario& of);

}  // namespace gossipmonger
