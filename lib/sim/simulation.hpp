// Runs a scenario: applications that write and keep a disk, readers of events, the faults, and the
// promises after they healed. Pure: the same scenario gives the same report, on every compiler.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sim/checker.hpp"
#include "sim/scenario.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

struct simulation_options {
  simulation_options() = default;

  bool is_checked = true;
  /// Steps in which no time passes, before the run is given up as a livelock.
  std::uint64_t idle_steps_max = 4'000'000;
  /// Gets a line for each decision, event and datagram delivered.
  std::function<void(std::string_view line)> on_trace;
  /// Gets each decision before it is made, and nothing for the end.
  std::function<void(const decision* next)> on_decision;
  /// Told of a fault where it is found, inside the step: a broken node may not come to its end.
  std::function<void(const violation& found)> on_fault;
  /// Gets each event as a reader sees it.
  std::function<void(std::size_t node, const event_view& seen)> on_event;
};

/// Counts over all runs of all nodes.
struct simulation_sums {
  simulation_sums() = default;

  std::uint64_t fragments = 0;           ///< parts of large values that brought something
  std::uint64_t fragments_bad = 0;       ///< parts that contradicted the held part of the value
  std::uint64_t expired = 0;             ///< own keys, by their time to live; 0 where unchecked
  std::uint64_t forgotten = 0;           ///< peers, by an operator
  std::uint64_t changes = 0;             ///< of options that were allowed
  std::uint64_t advertised = 0;          ///< other addresses, by a node that runs
  std::uint64_t followed = 0;            ///< of these, by all peers while that was demanded
  std::uint64_t unreadable = 0;          ///< datagrams in a wire version of others
  std::uint64_t suspicions_refuted = 0;  ///< by any node that shared the suspicion
  std::uint64_t declared_dead = 0;
  std::uint64_t detected = 0;  ///< peers declared dead while that was demanded
};

struct simulation_report {
  simulation_report() = default;

  std::optional<violation> fault;
  /// Of each datagram delivered, each event that was read (none where unchecked), and the final
  /// counters of each run of each node.
  std::uint64_t trace_hash = 0;
  std::chrono::nanoseconds time{};       ///< simulated
  std::chrono::nanoseconds node_time{};  ///< of all nodes that ran, added up
  std::uint64_t decisions = 0;
  double rounds_to_agree = -1;           ///< after the last heal; -1: there was none
  double rounds_to_detect = -1;          ///< the slowest crash after that was found; -1: none was
  std::size_t rounds_to_detect_max = 0;  ///< that bound
  simulation_sums sums;
  world_counters counters;
};

[[nodiscard]] simulation_report simulate(const scenario& of, const simulation_options& how);

}  // namespace gossipmonger
