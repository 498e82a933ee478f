// Holds a simulated cluster to what it promises once its faults are over: within how many rounds
// its nodes agree, find a crash and fall silent (lib/sim/README.md, "Promises"). promise_bounds.hpp
// has the bounds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gossipmonger/config.hpp"
#include "sim/checker.hpp"
#include "sim/cluster_view.hpp"
#include "sim/promise_bounds.hpp"
#include "sim/scenario.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

/// How fast the promises were kept. A value.
struct promise_figures {
  promise_figures() = default;

  double rounds_to_agree = -1;           ///< after the last heal; -1: there was none
  double rounds_to_detect = -1;          ///< the slowest crash after that was found; -1: none was
  std::size_t rounds_to_detect_max = 0;  ///< that bound
  std::uint64_t detected = 0;            ///< peers declared dead while that was demanded
  std::uint64_t followed = 0;            ///< nodes to another address, while that was demanded
};

/// Lets time pass in a simulated cluster, and reports to its checker the first promise that is not
/// kept. A resource; all that it is given outlives it. Not thread-safe.
class promises {
 public:
  /// Lets the cluster run until that time of its world, or until it has failed.
  using runner = std::function<void(std::chrono::nanoseconds end)>;

  ///   checks:  nullptr: nothing is reported; time passes all the same
  promises(const scenario& of, world& watched, checker* checks,
           const std::vector<participant>& members, runner run_to);

  /// All promises of a cluster whose faults are over.
  void demand_healed();
  /// Every node finds what crashed or became deaf since `demand_healed`, and declares nobody else
  /// dead. Nothing is demanded where that failed, or a node has no suspicion.
  void demand_detection();
  /// Every node that knows `node` takes the address that it advertises now. Nothing is demanded
  /// where `demand_healed` failed or was not called, or `node` does not run.
  void demand_followed(std::size_t node);
  /// Two nodes run under one name. The one with the lower generation must know it and write no
  /// more. The other one and the rest must know it too.
  ///   value:   the older one tries to write it
  ///   returns: whether it tried
  bool demand_conflict(std::size_t one, std::size_t other, const std::string& value);

  [[nodiscard]] const promise_figures& figures() const { return figures_; }

 private:
  /// A node's rounds, and what it sent in them. A value.
  struct traffic {
    traffic() = default;

    std::uint64_t rounds = 0;
    std::uint64_t digests = 0;
    std::uint64_t replies = 0;
    std::uint64_t entries = 0;
    std::uint64_t deltas = 0;
  };

  [[nodiscard]] bool has_failed() const;
  /// Of the slowest node.
  [[nodiscard]] std::chrono::nanoseconds round() const;
  void run_rounds(std::size_t count);
  /// The schedule with the options that its nodes have now.
  [[nodiscard]] scenario present() const;
  [[nodiscard]] std::size_t backlog_rounds() const;
  /// When the last key that may expire has done so.
  [[nodiscard]] std::chrono::nanoseconds last_lease() const;
  /// The ages of signs of life that nodes tell from now on are true. A pause, or intervals that
  /// differ, make them look younger.
  [[nodiscard]] bool tells_true_ages() const;
  /// Nothing but one name twice keeps nodes apart.
  [[nodiscard]] bool is_plain() const;
  /// Some node says that membership needs more than half of its byte budget. Signs of life and
  /// membership go before entries: entries may wait for ever then.
  [[nodiscard]] bool is_starved() const;

  /// Runs until entries, generations and statuses agree, within the bound. A round in which the
  /// cluster is starved does not count towards it: then only membership is owed.
  ///   returns: whether they agree
  bool try_progress();
  void fail_progress(const std::string& open, std::size_t rounds);
  void demand_expired(bool has_entries);
  /// Each node comes to say that it has all of each live peer.
  void demand_complete();
  /// No node goes on showing a peer that left as live or new.
  void demand_departures();
  /// Two nodes that need not agree meet as late as others do.
  void run_to_met();
  void run_to_joined();
  /// Fewer than `entries_max` entries go out, or none at all.
  void demand_idle(std::uint64_t entries_max);
  /// No more datagrams than rounds and their answers have a reason for.
  void demand_quiet(const std::vector<traffic>& before, bool is_silent);
  [[nodiscard]] std::vector<traffic> count_traffic() const;
  /// Nodes that must agree hold the same keys with the same values, not the same versions alone.
  void demand_same_entries();

  const scenario& scenario_;
  world& world_;
  checker* checker_;
  const std::vector<participant>& members_;
  cluster_view view_;
  runner run_to_;
  const std::chrono::nanoseconds begin_ = world_.time();
  const bool has_liar_;                              // a node forges
  std::vector<std::uint64_t> declared_dead_before_;  // by node, when all had healed
  bool has_agreed_ = false;                          // since the last heal, and by demand
  promise_figures figures_;
};

}  // namespace gossipmonger
