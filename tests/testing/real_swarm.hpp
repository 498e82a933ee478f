// Random faults on a cluster of real nodes, their applications and their readers. Then everything
// heals, and the swarm makes the demands of `simulate` that can be seen from outside of a node.
// A seed turns on a subset of the faults (swarm testing).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gossipmonger/config.hpp"
#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/testing/simulated_cluster.hpp"
#include "reader.hpp"
#include "sim/application.hpp"
#include "sim/scenario.hpp"

namespace gossipmonger {

/// Counts of occurrences by name: each counts where it took effect, not where it was asked for.
using fault_counts = std::map<std::string, std::uint64_t, std::less<>>;

/// A resource; one at a time in a thread, as the cluster in it.
class real_swarm {
 public:
  explicit real_swarm(std::uint64_t seed);
  real_swarm(const real_swarm&) = delete;
  real_swarm& operator=(const real_swarm&) = delete;

  /// The first broken rule, or nothing.
  [[nodiscard]] std::string run();
  [[nodiscard]] const fault_counts& faults() const { return faults_; }

 private:
  struct participant {
    participant() = default;

    application app;
    config settings;  // as they are now
    std::vector<std::size_t> seeds;
    wire_range wire;
    std::shared_ptr<reader> events;  // of this run
    std::chrono::milliseconds read_delay{};
    storage_conditions storage;
    /// When keys of this run expire, unless they are set again.
    std::map<std::string, std::chrono::nanoseconds> leases;
    std::chrono::nanoseconds wall_offset{};
    std::uint64_t generation = 0;  // of the last run
    bool has_left = false;
  };

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return draws_.below(bound); }
  [[nodiscard]] bool chance(std::uint64_t one_in) { return draws_.below(one_in) == 0; }
  [[nodiscard]] double percent(std::uint64_t below_this);
  [[nodiscard]] std::size_t any_node();
  [[nodiscard]] wire_range any_release();
  void count(std::string_view what, std::uint64_t times = 1);
  /// Of those after everything healed nothing is counted.
  void count_restart(std::string_view what);

  // Random settings and faults.
  void choose_faults();
  void add(bool is_namesake = false);
  [[nodiscard]] config draw_settings();
  void happen();
  void happen_to_keys(std::size_t node);
  void happen_to_leases(std::size_t node);
  void happen_to_few_values(std::size_t node);
  void happen_to_large_values(std::size_t node);
  void write_in_two_runs(std::size_t node);
  void forget_while_failing(std::size_t node);
  void deafen(std::size_t node);
  void happen_to_links(std::size_t node);
  void happen_to_runs(std::size_t node);
  void happen_to_time(std::size_t node);
  void happen_to_parts(std::size_t node);
  void happen_by_operators(std::size_t node);
  void change_options(std::size_t node);
  [[nodiscard]] decision draw_restart();
  void restart_quickly(std::size_t node);
  /// The node that advertises another address now, if the one that was drawn takes commands.
  [[nodiscard]] std::optional<std::size_t> try_advertise();

  // Actions on one node.
  void set(std::size_t node, const std::string& key, const std::string& value,
           std::chrono::milliseconds ttl = {});
  void erase(std::size_t node, const std::string& key);
  /// Of a write: anything but want of room and a broken storage is a fault.
  void handle_refusal(const std::error_code& why);
  void set_again(std::size_t node);
  void stop(std::size_t node);
  void restart(std::size_t node, const decision& how);
  void leave(std::size_t node);
  /// Counts what the node's run did, as the run ends.
  void add_up(std::size_t node);
  void add_up_network();

  // After the faults.
  void heal();
  void end_faults();
  void share_wire_versions();
  void await_readers();
  void demand_agreement();
  void demand_expired();
  void demand_idle(std::uint64_t entries_max);
  void demand_followed();
  /// Of the reader of a running node.
  void demand_fold(std::size_t node);
  void demand_bounds(std::size_t node);
  void demand_end();
  [[nodiscard]] std::chrono::nanoseconds round() const;
  /// The settings that nodes have now, for the bounds of `promise_bounds.hpp`.
  [[nodiscard]] scenario schedule() const;
  [[nodiscard]] std::size_t agreement_rounds() const;
  [[nodiscard]] bool is_starved() const;
  [[nodiscard]] std::size_t backlog_rounds() const;
  [[nodiscard]] bool is_small(const participant& one) const;
  void blame(const std::string& fault);

  random_source draws_;
  random_source address_draws_;       // apart: seeds without such draws keep their traces
  std::vector<participant> members_;  // before the cluster, whose services write there
  simulated_cluster cluster_;
  memory_network_options usual_;
  fault_counts faults_;
  std::string fault_;
  std::uint64_t written_ = 0;
  std::uint64_t keys_ = 40;
  bool is_healed_ = false;

  bool has_bad_links_ = false;
  bool has_cuts_ = false;
  bool has_damage_ = false;
  bool has_mtu_ = false;
  bool has_pauses_ = false;
  bool has_clocks_ = false;
  bool has_crashes_ = false;
  bool has_bad_disks_ = false;
  bool has_storage_faults_ = false;
  bool has_slow_readers_ = false;
  bool has_moves_ = false;
  bool has_late_joins_ = false;
  bool has_leaves_ = false;
  bool has_mixed_settings_ = false;
  bool has_small_tables_ = false;
  bool has_small_capacities_ = false;
  bool has_large_values_ = false;
  bool has_ttls_ = false;
  bool has_forgettings_ = false;
  bool has_changes_ = false;
  bool has_wire_mix_ = false;
  bool has_short_grace_ = false;
  bool has_namesake_ = false;
  bool has_liar_ = false;
  bool has_quick_restarts_ = false;
  bool has_advertised_ = false;
};

}  // namespace gossipmonger
