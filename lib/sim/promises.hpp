// The promises that a cluster keeps once its faults are over: within how many rounds its nodes
// agree, find a crash and fall silent. First the bounds, each with its formula and its reason. Then
// the class that holds a simulated cluster to them (lib/sim/README.md, "Promises").
//
// All bounds are in rounds of the slowest node. n is the number of nodes, L = ceil(log2 n).
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
#include "sim/scenario.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

// ---- Bounds: pure functions of the options that the nodes have.

/// Until entries and generations agree, for few entries. The sum of
///   4 L + 10   news takes about L rounds there and L back; twice that, and a margin
///   16 t       a node asks an address that was silent every 16th round only. t is 1, or the number
///              of wire versions that a node tries by turns where releases differ
///   2 s        if half a grace passes before the last decision: a seed may have been forgotten,
///              and each node asks a seed every s-th round (`seed_every_rounds`)
[[nodiscard]] std::size_t agreement_rounds_max(const scenario& of);

/// The part of one running node in a backlog. A value.
struct backlog_part {
  backlog_part() = default;

  config settings;
  std::size_t entry_bytes = 0;      ///< of its own entries
  std::size_t answers_waiting = 0;  ///< legs that wait for its byte budget
};

/// Besides agreement, until all entries have been sent: 2 B / m + 1 + w for
///   B   bytes of all entries. Twice, since datagrams are not filled to the brim.
///   m   the bytes that an exchange surely moves in a round: the least of what a node allows.
///         - `exchange_bytes_max`, and `exchange_datagrams_max` full datagrams.
///         - One datagram, if any node has no room to park an exchange. Such a node drops each
///           datagram that overtakes another: of an answer it surely takes the first one only.
///         - Half of a byte budget: the other half is for the rounds themselves. In a round
///           `fanout` peers ask a node, on average, and the first datagram of each answer goes
///           before bulk. If these take the whole half, all n - 1 copies advance side by side, and
///           each has its part of the half only.
///   w   the rounds in which the waiting answers leave the lane of a byte budget, as after a flood:
///       2 * answers * datagram size / budget, of the slowest node.
///   expects: at least one part
[[nodiscard]] std::size_t backlog_rounds_max(std::span<const backlog_part> running);

/// Until all peers hold the address that a running node advertises now, once nodes agree.
///   4 L + 10   news takes about L rounds there and L back; twice that, and a margin
[[nodiscard]] std::size_t address_rounds_max(const scenario& of);

/// Until each node holds a peer as complete, once they agree: the two have to meet. It is
///   (2 (n - 1) / f + 4) (1 + jitter)
/// with the least fan-out f: two turns of one node's ring, the round under way, and a margin.
[[nodiscard]] std::size_t completion_rounds_max(const scenario& of);

/// The longest interval between two advances of a heartbeat that counts. A run whose heartbeat
/// stands still for longer is a relic, or its node is gone. With r = 1 + n / 16 rounds for an
/// expected gap (a datagram tells of 16 rows at least, rows of refused peers included) it is
///   (16 r + 1) (1 + jitter)
[[nodiscard]] std::size_t longest_rounds_max(const scenario& of);

/// Besides agreement, until each name is its last run's again: the sum of `longest_rounds_max` and
/// `agreement_rounds_max`, or 0. A node refutes the first relic of its name at once, and another
/// one after it stood still. So only a node that lost its generation twice needs that time. Where
/// two nodes bear one name, `detection_rounds_max` is added: the one that was ended is found dead
/// first.
[[nodiscard]] std::size_t name_rounds_max(const scenario& of);

/// After a crash, in a network that loses nothing, until every other node has found it, where all
/// have suspicion on. With the least fan-out f and the most suspicion rounds S it is the sum of
///   min(2 (n - 1) / f, 21)        until a node asks the crashed one: two turns of one node's ring
///                                 at most. All n nodes leave it out for k rounds with the
///                                 probability e^-k only
///   1                             for the answer that is missing, which dates the suspicion
///   max(S, 4 + 2 L + 4 + S / 3)   for the suspicion. A node that hears of it late waits for a
///   third
///                                 of it: 4 tries before it is public, 2 L + 4 rounds to tell all
///   2                             for the round in which it ends, and the one under way
/// times 1 + jitter. Ages in a datagram are in rounds. Where intervals differ, a clock of another
/// length reads them, and a sign of life that is read as too young may end a suspicion once. Then
/// one more S is added.
[[nodiscard]] std::size_t detection_rounds_max(const scenario& of);

/// Until phi alone declares a silent peer dead, after agreement: agreement + phi ln(10) m (1 +
/// jitter). Phi is elapsed / (mean * ln 10). No mean is above m = 16 (1 + n / 16), the longest
/// interval that counts.
[[nodiscard]] std::size_t silence_rounds_max(const scenario& of);

/// How long the words of a deaf node stay fresh (core/freshness.hpp), by the slowest reader.
[[nodiscard]] std::size_t stale_rounds_max(const scenario& of);

/// How often `node` may declare one deaf node dead anew: `stale_rounds_max` / (its suspicion
/// rounds), or 0 where all intervals are equal. A slower node takes the deaf one's words for as
/// many of its own rounds, and vouches for it, which revives it. Each time the suspicion takes all
/// of its rounds.
///   expects: suspicion is on
[[nodiscard]] std::size_t revivals_max(const scenario& of, std::size_t node);

// ---- Demands.

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
