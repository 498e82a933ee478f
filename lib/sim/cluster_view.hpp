// Compares what the nodes of a simulated cluster hold of each other, with what each of them
// publishes. Reads only; the world and the participants outlive it. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/membership/peer_table.hpp"
#include "gossipmonger/config.hpp"
#include "sim/application.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

/// A node of a schedule across its runs, with its application. A value.
struct participant {
  participant() = default;

  application app;
  config settings;  ///< as they are now
  /// When keys of this run expire, unless they are set again.
  std::map<std::string, std::chrono::nanoseconds> leases;
  std::chrono::milliseconds read_interval{};
  std::chrono::nanoseconds next_read{};
  std::chrono::nanoseconds ends_at{};  ///< after it left
  bool has_started = false;
  bool has_left = false;
  std::uint64_t generation = 0;  ///< of the last run
  std::size_t conflicts = 0;     ///< `conflict` events of the present run
};

class cluster_view {
 public:
  cluster_view(const world& of, const std::vector<participant>& members)
      : world_(of), members_(members) {}

  // One node.

  [[nodiscard]] bool is_running(std::size_t node) const { return world_.is_running(node); }
  /// It runs, and no operator told it to leave.
  [[nodiscard]] bool is_staying(std::size_t node) const;
  /// It runs beside others, and every link towards it is cut.
  [[nodiscard]] bool is_deaf(std::size_t node) const;
  [[nodiscard]] std::vector<std::size_t> deaf_nodes() const;
  /// The nodes that crashed, or with `has_left` those that left, while nobody runs under their
  /// name.
  [[nodiscard]] std::vector<std::size_t> stopped(bool has_left) const;

  // Agreement: the empty text if there is nothing to tell, else the first pair of nodes.

  /// Whether the replica takes the owner's run. It refuses one that it has no room for, and one
  /// whose date is too far ahead.
  ///   slot:    the replica's row of the owner; nullopt: it has none
  ///   expects: both run
  [[nodiscard]] bool must_agree(std::size_t owner, std::size_t replica,
                                std::optional<slot_index> slot) const;
  /// The row that `replica` has of `owner`.  expects: both run
  [[nodiscard]] std::optional<slot_index> find_slot(std::size_t replica, std::size_t owner) const;
  /// The replica has all versions of the owner's run.  expects: both run
  [[nodiscard]] bool is_level(std::size_t owner, std::size_t replica) const;
  /// A replica that does not show an owner's run as live, whatever it has of the entries.
  [[nodiscard]] std::string estrangement() const;
  /// The first node that does not hold `owner` at the address that it advertises, and why.
  [[nodiscard]] std::string not_following(std::size_t owner) const;
  /// A replica that lacks versions or the generation of an owner, or, with `with_statuses`, does
  /// not show it as live.
  [[nodiscard]] std::string disagreement(bool with_statuses) const;
  /// A key that a replica holds otherwise than its owner, though their versions agree.
  [[nodiscard]] std::string difference() const;
  /// A replica that shows an owner's present run as live and has all of it, and does not say so.
  [[nodiscard]] std::string incompleteness() const;
  /// Each node that runs holds each other in its present run, or refuses that run.
  [[nodiscard]] bool have_met() const;

  // Departures and crashes.

  /// A node that does not show `gone` as dead yet. Of one generation, or of any (0).
  [[nodiscard]] std::string undetected(std::size_t gone, std::uint64_t generation) const;
  [[nodiscard]] std::string undetected(const std::vector<std::size_t>& gone) const;
  /// The same, for the last run of each only: a node that refused the last run may know the run
  /// before it.
  [[nodiscard]] std::string undetected_runs(const std::vector<std::size_t>& gone) const;
  /// A node that holds the run that left, and does not show it as left.
  [[nodiscard]] std::string unheard(std::size_t leaver) const;
  /// Some node shows that the leaver left, and goes on telling that for `length`.
  [[nodiscard]] bool is_told_to_leave(std::size_t leaver, std::chrono::nanoseconds length) const;

 private:
  [[nodiscard]] std::optional<peer_view> find_row(std::size_t node, const std::string& name) const;
  [[nodiscard]] std::string difference(std::size_t owner, std::size_t replica,
                                       slot_index slot) const;

  const world& world_;
  const std::vector<participant>& members_;
};

}  // namespace gossipmonger
