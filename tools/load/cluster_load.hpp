// A cluster of real nodes in this process, over UDP on 127.0.0.1, and a load of updates that each
// node delivers to a reader of its own. Measures how long delivery takes, and its costs.
//
// A time of delivery begins where the update was due, not where it was written: a process that is
// too busy to write in time shows that as latency.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "latency_histogram.hpp"

namespace gossipmonger {

struct load_options {
  load_options() = default;

  std::size_t nodes = 20;                    ///< 2 - 1,000
  std::size_t rate = 1000;                   ///< 1 - 1,000,000 updates a second, of all nodes
  std::chrono::milliseconds interval{100};   ///< 10 ms - 10 s between the rounds of a node
  std::chrono::milliseconds length{10'000};  ///< 1 s - 10 min of updates
  std::size_t value_bytes = 50;              ///< 16 - 1,000 of each value
  std::size_t fanout = 1;                    ///< 1 - 16 live peers a round
  std::size_t threads = 0;                   ///< 1 - 64; 0: one a core, at most one a node
  std::size_t crashes = 0;                   ///< 0 - nodes / 2 that stop without a word at the end
};

/// `candidate` with the count of threads filled in, or a line that names the option, its value and
/// the values that are allowed.
[[nodiscard]] tl::expected<load_options, std::string> validated(load_options candidate);

/// How far a run is, for a line on a terminal.
struct load_progress {
  load_progress() = default;

  std::string_view phase;  ///< "meeting", "at rest", "updates", "last deliveries", "crashes"
  double part = 0;         ///< of the phase, 0 - 1
  std::size_t nodes_met = 0;
  std::uint64_t written = 0;
  std::uint64_t delivered = 0;
};

/// Counts over a span of time, summed over all nodes.
struct load_costs {
  load_costs() = default;

  double wall_seconds = 0;
  double cpu_seconds = 0;  ///< of the process, system time included
  std::uint64_t delivered = 0;
  std::uint64_t rounds = 0;
  std::uint64_t rounds_late = 0;  ///< started more than an interval after they were due
  std::uint64_t datagrams = 0;    ///< sent
  std::uint64_t bytes = 0;        ///< sent

  [[nodiscard]] double cores() const;
  [[nodiscard]] double datagrams_a_round() const;
  [[nodiscard]] double bytes_a_round() const;
};

struct load_report {
  load_report() = default;

  load_options options;
  double meeting_seconds = 0;  ///< until each node saw all others live
  load_costs rest;             ///< before the first update
  load_costs load;             ///< from the first update to the last
  std::uint64_t written = 0;
  std::uint64_t delivered = 0;        ///< pairs of an update and a node other than its writer
  std::uint64_t entries_applied = 0;  ///< by the nodes' own stats, over the same updates
  std::uint64_t lagged = 0;           ///< times a reader lost its place
  std::uint64_t kernel_drops = 0;
  std::uint64_t declared_dead = 0;  ///< nodes that another one declared dead, all being alive
  latency_histogram latency;
  latency_histogram detection;  ///< from a crash until a node that lives declares it dead

  [[nodiscard]] std::uint64_t deliveries_due() const { return written * (options.nodes - 1); }
  [[nodiscard]] double delivered_part() const;
  [[nodiscard]] std::uint64_t detections_due() const {
    return options.crashes * (options.nodes - options.crashes);
  }
  [[nodiscard]] double cpu_us_a_delivery() const;
  /// Rounds that ran in the load, of those that the interval allows.
  [[nodiscard]] double rounds_part() const;
};

/// Runs the load to its end. Blocks, and calls `show` a few times a second on the caller's thread.
///
///   errors:  a line that names the refusal of the system, or says that the nodes did not meet.
///   expects: `options` are validated.
[[nodiscard]] tl::expected<load_report, std::string> run_load(
    const load_options& options, const std::function<void(const load_progress&)>& show);

}  // namespace gossipmonger
