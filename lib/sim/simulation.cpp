#include "gossipmonger/sim/simulation.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <numbers>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gossipmonger/core/freshness.hpp"
#include "gossipmonger/core/random.hpp"
#include "gossipmonger/sim/application.hpp"
#include "gossipmonger/sim/run_hash.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// For so long after it was found a deaf node is watched.
constexpr std::int64_t deaf_rounds_watched = 40;

class simulation {
 public:
  simulation(const scenario& of, const simulation_options& how)
      : scenario_(of), how_(how), world_(of.seed) {
    const auto has = [&of](decision_kind kind) {
      return std::any_of(of.decisions.begin(), of.decisions.end(),
                         [kind](const decision& one) { return one.kind == kind; });
    };
    has_liar_ = has(decision_kind::mutate);
    if (how.is_checked) checker_ = std::make_unique<checker>(world_, !has_liar_);
    world_.idle_steps_max = how.idle_steps_max;
    world_.keeps_digests = has(decision_kind::replay) || has(decision_kind::flood);
    members_.resize(of.nodes.size());
    for (std::size_t i = 0; i < of.nodes.size(); ++i) {
      world_.add_stopped(of.nodes[i].settings);
      world_.set_wire_versions(i, of.nodes[i].wire);
      members_[i].settings = of.nodes[i].settings;
      members_[i].read_interval = of.nodes[i].read_interval;
      set_reader(i);
    }
    for (std::size_t i = 0; i < of.nodes.size(); ++i) world_.set_seeds(i, of.nodes[i].seeds);
    if (checker_) {
      checker_->on_fault = how.on_fault;
      checker_->on_event = [this](std::size_t node, const event_view& seen) {
        show_event(node, seen);
      };
    }
    if (how.on_trace) {
      world_.on_delivery = [this](std::size_t to, std::span<const std::byte> datagram) {
        trace("n" + std::to_string(to) + " gets " + std::to_string(datagram.size()) + " bytes");
      };
    }
  }

  simulation_report run() {
    for (const decision& next : scenario_.decisions) {
      run_to(start_ + next.at);
      if (has_failed()) break;
      if (how_.on_decision) how_.on_decision(&next);
      if (how_.on_trace) trace(to_text(next));
      ++report_.decisions;
      make(next);
      if (has_failed()) break;
    }
    if (how_.on_decision) how_.on_decision(nullptr);
    for (std::size_t i = 0; i < members_.size(); ++i) add_up(i);
    if (checker_) report_.sums.expired = checker_->expired();
    if (checker_) report_.fault = checker_->fault();
    if (world_.stuck() && !report_.fault) report_stuck();
    hash_.add(world_.trace_hash());
    report_.trace_hash = hash_.value();
    report_.time = world_.time() - start_;
    report_.counters = world_.counters();
    return report_;
  }

 private:
  struct participant {
    participant() = default;

    application app;
    config settings;  // as they are now
    /// When keys of this run expire, unless they are set again.
    std::map<std::string, nanoseconds> leases;
    std::uint64_t convictions_before = 0;  // what it had convicted when all had healed
    milliseconds read_interval{};
    nanoseconds next_read{};
    nanoseconds ends_at{};  // after it left
    bool has_started = false;
    bool has_left = false;
    std::uint64_t generation = 0;  // of the last run
    std::size_t conflicts = 0;     // that its run told of
  };

  [[nodiscard]] bool has_failed() const {
    return world_.stuck() || (checker_ && checker_->fault());
  }
  void trace(const std::string& what) const {
    if (!how_.on_trace) return;
    how_.on_trace(std::to_string((world_.time() - start_) / milliseconds{1}) + "ms " + what);
  }
  void show_event(std::size_t node, const event_view& seen) {
    if (seen.kind == event_kind::conflict) ++members_[node].conflicts;
    hash_.add(node);
    hash_.add(static_cast<std::uint64_t>(world_.time().count()));
    hash_.add(seen);
    if (how_.on_event) how_.on_event(node, seen);
    if (!how_.on_trace) return;
    std::string line = "n" + std::to_string(node) + " reads " + std::string(to_string(seen.kind)) +
                       " " + std::string(seen.peer);
    if (!seen.key.empty()) {
      line += " " + std::string(seen.key) + " @" + std::to_string(seen.version);
    }
    trace(line);
  }

  /// Found with the checks and without them.
  void report_stuck() {
    violation& found = report_.fault.emplace();
    found.rule = "livelock";
    found.text = "n" + std::to_string(*world_.stuck()) + " took " +
                 std::to_string(world_.idle_steps_max) + " steps in which no time passed";
    found.at = world_.time();
    found.nodes = {*world_.stuck()};
    if (how_.on_fault) how_.on_fault(found);
  }

  // Time.
  void run_to(nanoseconds end) {
    while (world_.time() < end && !has_failed()) {
      nanoseconds next = end;
      for (const participant& one : members_) {
        if (one.read_interval.count() != 0) next = std::min(next, one.next_read);
        if (one.ends_at.count() != 0) next = std::min(next, one.ends_at);
      }
      next = std::max(next, world_.time() + milliseconds{1});
      count_node_time(next - world_.time());
      world_.run_for(next - world_.time());
      handle_due();
    }
  }
  void handle_due() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      participant& one = members_[i];
      if (one.read_interval.count() != 0 && one.next_read <= world_.time()) {
        if (checker_) checker_->read_events(i);
        one.next_read = world_.time() + one.read_interval;
      }
      if (one.ends_at.count() != 0 && one.ends_at <= world_.time()) {
        one.ends_at = {};
        stop(i);
      }
    }
  }
  void count_node_time(nanoseconds length) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (world_.is_running(i)) report_.node_time += length;
    }
  }

  // Decisions.
  void make(const decision& what) {
    const std::size_t node = what.node;
    switch (what.kind) {
      case decision_kind::start:
        return start(node);
      case decision_kind::crash:
        return stop(node);
      case decision_kind::restart:
        return restart(what);
      case decision_kind::heal:
        return heal();
      case decision_kind::detect:
        return demand_detection();
      case decision_kind::link:
        return set_link(what);
      case decision_kind::move:
        return world_.move(node);
      case decision_kind::back:
        return world_.move_back(node);
      case decision_kind::pause:
        return world_.pause(node, what.length);
      case decision_kind::clock:
        world_.set_wall_offset(node, what.length);
        return world_.set_wall_drift(node, what.ppm);
      case decision_kind::storage:
        return world_.set_storage(node, what.storage);
      case decision_kind::mutate:
        return world_.set_mutation(node, what.part);
      case decision_kind::replay:
      case decision_kind::flood:
        if (!world_.is_running(node)) return;
        return world_.replay(node, what.count, what.kind == decision_kind::flood);
      case decision_kind::reader:
        members_[node].read_interval = what.length;
        return set_reader(node);
      default:
        return command(what);
    }
  }
  void set_reader(std::size_t node) {
    participant& one = members_[node];
    const bool is_prompt = one.read_interval.count() == 0;
    one.next_read = world_.time() + one.read_interval;
    if (!checker_) return;
    checker_->set_prompt(node, is_prompt);
    if (is_prompt) checker_->read_events(node);
  }
  void set_link(const decision& what) {
    if (what.node == decision::everybody && what.other == decision::everybody) {
      world_.conditions = what.way;
      world_.links.clear();
      return;
    }
    for (std::size_t from = 0; from < members_.size(); ++from) {
      if (what.node != decision::everybody && what.node != from) continue;
      for (std::size_t to = 0; to < members_.size(); ++to) {
        if (what.other != decision::everybody && what.other != to) continue;
        world_.links[std::pair(from, to)] = what.way;
      }
    }
  }

  void start(std::size_t node) {
    participant& started = members_[node];
    if (world_.is_running(node)) return;
    if (started.has_started) {
      decision usual;
      usual.kind = decision_kind::restart;
      usual.node = node;
      return restart(usual);
    }
    started.has_started = true;
    world_.restart(node);
    set_again(node);
  }
  void stop(std::size_t node) {
    if (!world_.is_running(node)) return;
    add_up(node);
    members_[node].generation = world_[node].generation();
    members_[node].leases.clear();
    members_[node].conflicts = 0;
    world_.crash(node);
  }
  /// What this run did, which ends with it.
  void add_up(std::size_t node) {
    if (!world_.is_running(node)) return;
    const protocol_stats stats = world_[node].stats();
    hash_.add(node);
    hash_.add(stats);
    const auto drops = [&stats](drop_reason why) {
      return stats.drops[static_cast<std::size_t>(why)];
    };
    report_.sums.fragments += stats.fragments_applied;
    report_.sums.fragments_bad += drops(drop_reason::fragment);
    report_.sums.unreadable += drops(drop_reason::wire_version);
    report_.sums.doubts_refuted += stats.doubts_refuted;
    report_.sums.convictions += stats.convictions;
  }
  void restart(const decision& how) {
    const std::size_t node = how.node;
    participant& one = members_[node];
    if (!one.has_started) return;
    stop(node);
    static_cast<void>(one.app.lose(how));
    one.ends_at = {};
    one.has_left = false;
    config settings = one.settings;
    if (how.wire) world_.set_wire_versions(node, *how.wire);
    const std::uint64_t last = one.generation;
    if (how.generation == generation_state::kept) settings.generation_last = last;
    if (how.generation == generation_state::reused) {
      settings.generation_last = last - 1;
      const nanoseconds wall = world_.now(node).wall;
      const nanoseconds wanted = milliseconds(static_cast<std::int64_t>(last)) - milliseconds{1};
      offsets_[node] += wanted - wall;
      world_.set_wall_offset(node, offsets_[node]);
    }
    world_.restart(node, settings);
    set_again(node);
  }
  void set_again(std::size_t node) {
    if (checker_) checker_->begin_command(node);
    for (const auto& [key, value] : members_[node].app.disk()) {
      static_cast<void>(world_[node].set(key, value));
    }
    if (checker_) checker_->end_command(node);
  }

  void command(const decision& what) {
    const std::size_t node = what.node;
    if (!world_.is_running(node)) return;
    if (checker_) checker_->begin_command(node);
    random_source draws(what.salt);
    switch (what.kind) {
      case decision_kind::set:
        set(node, what.key, what.value);
        break;
      case decision_kind::set_ttl:
        set_ttl(node, what.key, what.value, what.length);
        break;
      case decision_kind::erase:
        erase(node, what.key);
        break;
      case decision_kind::write:
        for (std::uint64_t i = 0; i < what.count; ++i) {
          const std::string key = "k" + std::to_string(draws.below(what.keys));
          const auto padding = static_cast<std::size_t>(draws.below(what.bytes + 1));
          const std::string value = std::to_string(++written_) + std::string(padding, 'x');
          if (what.length.count() == 0) {
            set(node, key, value);
          } else {
            set_ttl(node, key, value, what.length);
          }
        }
        break;
      case decision_kind::wipe:
        for (std::uint64_t i = 0; i < what.count; ++i) {
          erase(node, "k" + std::to_string(draws.below(what.keys)));
        }
        break;
      case decision_kind::leave:
        leave(node);
        break;
      case decision_kind::join:
        for (std::uint64_t i = 0; i < what.count; ++i) world_[node].join(world_.vacant_address());
        break;
      case decision_kind::forget:
        if (world_[node].forget(members_[what.other].settings.name)) ++report_.sums.forgotten;
        break;
      case decision_kind::change:
        change(what);
        break;
      default:
        break;
    }
    if (checker_) checker_->end_command(node);
    world_.reschedule(node);
  }
  void set(std::size_t node, const std::string& key, const std::string& value) {
    if (!world_[node].set(key, value)) return;
    members_[node].app.set(key, value);
    lease(node, key, std::nullopt);
  }
  /// What has a time to live is for this run only: it is on no disk.
  void set_ttl(std::size_t node, const std::string& key, const std::string& value,
               milliseconds ttl) {
    if (!world_[node].set(key, value, ttl, world_.now(node))) return;
    members_[node].app.erase(key);
    lease(node, key, world_.time() + ttl);
  }
  void erase(std::size_t node, const std::string& key) {
    if (!world_[node].erase(key)) return;
    members_[node].app.erase(key);
    lease(node, key, std::nullopt);
  }
  void lease(std::size_t node, const std::string& key, std::optional<nanoseconds> deadline) {
    members_[node].leases.erase(key);
    if (deadline) members_[node].leases.emplace(key, *deadline);
    if (checker_) checker_->expect_expiry(node, key, deadline);
  }
  void leave(std::size_t node) {
    world_[node].leave(world_.now(node));
    members_[node].has_left = true;
    members_[node].leases.clear();  // whoever has left writes no more
    members_[node].ends_at = world_.time() + 3 * members_[node].settings.gossip_interval;
  }
  void change(const decision& what) {
    // A process that stands still takes no command.
    if (world_.paused_until(what.node) > world_.time()) return;
    config settings = world_.settings(what.node);
    apply_options(what.options, settings);
    if (!what.seeds.empty()) world_.set_seeds(what.node, what.seeds);
    if (!world_.try_change(what.node, settings)) return;
    ++report_.sums.changes;
    // Its application starts it so from now on.
    apply_options(what.options, members_[what.node].settings);
  }

  // After the faults.
  [[nodiscard]] nanoseconds round() const {
    nanoseconds longest{};
    for (const participant& one : members_) {
      longest = std::max<nanoseconds>(longest, one.settings.gossip_interval);
    }
    return longest;
  }
  /// The scenario with the options that its nodes have now.
  [[nodiscard]] scenario present() const {
    scenario now = scenario_;
    for (std::size_t i = 0; i < members_.size(); ++i) now.nodes[i].settings = members_[i].settings;
    return now;
  }
  void heal();
  void end_faults();
  /// Of two nodes that run under one name, the one with the lower generation must know it, and
  /// write no more; the other one and the rest of the nodes must know it too.
  void demand_conflict(std::size_t one, std::size_t other);
  /// Whether nothing but one name twice keeps nodes apart.
  [[nodiscard]] bool is_plain() const;
  [[nodiscard]] bool has_one_interval() const;
  /// Whether the ages of proofs that nodes tell from now on are true. A pause, or intervals that
  /// differ, make a proof look younger.
  [[nodiscard]] bool tells_true_ages() const;
  void share_wire_versions();
  void demand_progress();
  /// When the last key that may expire has done so.
  [[nodiscard]] nanoseconds last_lease() const;
  void demand_expired();
  void demand_detection();
  /// Nobody goes on showing as live or new who left.
  void demand_departures();
  /// Who stopped by crashing, or after it left, where nobody runs under its name.
  [[nodiscard]] std::vector<std::size_t> stopped(bool has_left) const;
  /// Whether it runs beside others, and nothing that they send arrives there.
  [[nodiscard]] bool is_deaf(std::size_t node) const;
  [[nodiscard]] std::vector<std::size_t> deaf_nodes() const;
  /// In rounds of the slowest node: for so long a deaf node's words are fresh.
  [[nodiscard]] std::size_t stale_rounds() const;
  /// How often `node` may declare one deaf node dead anew. Where intervals differ, a slower node
  /// goes on taking the deaf one's words, for as many of its own rounds, and vouches for it: that
  /// brings it back. Each verdict takes all rounds of suspicion.
  ///   expects: suspicion is on
  [[nodiscard]] std::size_t revivals_max(std::size_t node) const;
  /// Who is not found yet. Of one generation, or of any (0).
  [[nodiscard]] std::string undetected(std::size_t gone, std::uint64_t generation) const;
  [[nodiscard]] std::string undetected(const std::vector<std::size_t>& gone) const;
  /// Likewise, of the last runs alone: of a run that it refused, a node may know the one before.
  [[nodiscard]] std::string undetected_runs(const std::vector<std::size_t>& gone) const;
  /// Who holds the run that left, and does not show that.
  [[nodiscard]] std::string unheard(std::size_t leaver) const;
  /// Somebody shows that it left, and goes on telling that for so long.
  [[nodiscard]] bool is_told_to_leave(std::size_t leaver, nanoseconds length) const;
  /// Within so many rounds phi alone convicts whoever is silent.
  [[nodiscard]] std::size_t silence_rounds_max() const;
  [[nodiscard]] std::optional<peer_view> find_row(std::size_t node, const std::string& name) const;
  /// Whether membership needs more than half of some node's byte budget. Signs of life and
  /// membership go before entries: these may wait for ever then, and nothing is promised of them.
  [[nodiscard]] bool is_starved() const;
  [[nodiscard]] std::size_t backlog_rounds() const;
  [[nodiscard]] std::size_t waiting_rounds() const;
  void run_to_joined();
  /// Fewer than `entries_max` entries go out, or none at all.
  void demand_idle(std::uint64_t entries_max);
  struct traffic {
    traffic() = default;

    std::uint64_t rounds = 0;
    std::uint64_t digests = 0;
    std::uint64_t replies = 0;
  };
  [[nodiscard]] std::vector<traffic> count_traffic() const;
  /// No more datagrams than rounds and their answers have a reason for.
  void demand_quiet(const std::vector<traffic>& before, bool is_silent);
  [[nodiscard]] bool must_agree(std::size_t owner, std::size_t replica,
                                std::optional<slot_index> slot) const;
  /// The row that `replica` has of `owner`.  expects: both run
  [[nodiscard]] std::optional<slot_index> find_slot(std::size_t replica, std::size_t owner) const {
    const protocol& source = world_[owner];
    return world_[replica].peers().find_name(source.name(), source.peers().self().name_hash());
  }
  [[nodiscard]] std::string disagreement(bool with_verdicts) const;
  /// A key that a replica holds otherwise than its owner, though their versions agree.
  [[nodiscard]] std::string difference() const;
  [[nodiscard]] std::string difference(std::size_t owner, std::size_t replica,
                                       slot_index slot) const;
  /// Rounds, besides those of an agreement, until each name is its last run's again.
  [[nodiscard]] std::size_t name_rounds() const;
  /// Whoever must agree holds the same keys with the same values, not the same versions alone.
  void demand_same_entries();
  /// Whether each node that runs holds each other in its present run, or refuses that.
  [[nodiscard]] bool have_met() const;
  /// Two nodes that need not agree meet as late as others do.
  void run_to_met();

  const scenario& scenario_;
  const simulation_options& how_;
  world world_;
  std::unique_ptr<checker> checker_;  // none: unchecked
  std::vector<participant> members_;
  std::map<std::size_t, nanoseconds> offsets_;
  nanoseconds start_ = world_.time();
  std::uint64_t written_ = 0;
  run_hash hash_;  // of events and counters
  bool has_liar_ = false;
  bool has_agreed_ = false;  // since the last heal, and by demand
  bool is_starved_ = false;  // and so without progress
  simulation_report report_;
};

void simulation::heal() {
  has_agreed_ = false;
  is_starved_ = false;
  end_faults();
  // News goes through whoever takes everybody in: with a table too small, nothing is promised but
  // that the refused is not sent again and again.
  constexpr std::size_t keys_enough = 1000;
  constexpr std::size_t bytes_enough = std::size_t{1} << 24;
  const auto is_small = [this](const participant& one) {
    return one.settings.peers_max + 1 < scenario_.nodes.size() ||
           one.settings.keys_per_peer_max < keys_enough ||
           one.settings.bytes_per_peer_max < bytes_enough;
  };
  if (std::any_of(members_.begin(), members_.end(), is_small)) {
    run_to(std::max(world_.time(), last_lease()) + 60 * round());
    // A refusal lasts for a grace; then it is tried once more, by each that is too small.
    const auto refusing =
        static_cast<std::uint64_t>(std::count_if(members_.begin(), members_.end(), is_small));
    std::uint64_t entries = 1;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (world_.is_running(i)) entries += world_.storage_of(i).usage(self_slot).live_keys + 64;
    }
    return demand_idle(refusing * entries);
  }
  if (has_liar_) {
    // What a liar said of others stays believed: nothing is promised but that nobody breaks.
    run_to(world_.time() + 20 * round());
    return;
  }
  report_.rounds_to_agree = -1;
  demand_progress();
  if (last_lease() > world_.time()) {
    run_to(last_lease() + round());
    if (!has_failed()) demand_progress();
  }
  if (is_starved_) return;
  if (!has_failed()) demand_expired();
  if (!has_failed()) demand_departures();
  if (!has_failed()) run_to_met();
  if (!has_failed()) demand_idle(0);
  if (!has_failed()) demand_same_entries();
  has_agreed_ = !has_failed();
  if (checker_ && tells_true_ages()) checker_->expect_true_proofs();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) members_[i].convictions_before = world_[i].stats().convictions;
  }
}

void simulation::end_faults() {
  world_.conditions = network_conditions();
  world_.links.clear();
  std::map<std::string, std::size_t> owners;
  // Who is somebody's seed comes back, or nobody could find anybody.
  const auto is_seed = [this](std::size_t sought) {
    return std::ranges::any_of(scenario_.nodes, [sought](const scenario_node& one) {
      return std::ranges::find(one.seeds, sought) != one.seeds.end();
    });
  };
  for (std::size_t i = 0; i < members_.size(); ++i) {
    participant& one = members_[i];
    one.read_interval = {};
    set_reader(i);
    world_.set_mutation(i, 0);
    world_.set_storage(i, storage_conditions());
    world_.set_wall_drift(i, 0);
    world_.set_wall_offset(i, nanoseconds{0});
    offsets_.erase(i);
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (is_seed(i)) start(i);
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string& name = scenario_.nodes[i].settings.name;
    const auto [first, is_first] = owners.try_emplace(name, i);
    if (is_first) continue;
    demand_conflict(first->second, i);
    // Of two under one name, the operator ends one; and now and then starts the other anew.
    stop(i);
    if (scenario_.seed % 2 == 0) stop(first->second);
  }
  for (const auto& [name, node] : owners) {
    if (!members_[node].has_left || is_seed(node)) start(node);
  }
  share_wire_versions();
  // Nobody can end a pause early: what waits in the socket waits with the process. A late copy of a
  // digest is answered with entries.
  nanoseconds awake = std::max(world_.time(), world_.late_until());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) awake = std::max(awake, world_.paused_until(i));
  }
  run_to(awake);
}

bool simulation::tells_true_ages() const {
  const auto is_odd = [this](const decision& one) {
    return start_ + one.at >= world_.time() &&
           (one.kind == decision_kind::pause || one.kind == decision_kind::change);
  };
  return !has_failed() && !has_liar_ && has_one_interval() &&
         std::ranges::none_of(scenario_.decisions, is_odd);
}

bool simulation::is_plain() const {
  constexpr std::size_t nodes_max = 16;
  const auto is_odd = [](const decision& one) {
    return one.kind == decision_kind::clock || one.kind == decision_kind::mutate || one.wire;
  };
  const auto has_odd_settings = [this](const scenario_node& one) {
    return one.settings.peers_max + 1 < scenario_.nodes.size() ||
           one.wire != scenario_.nodes.front().wire;
  };
  return scenario_.nodes.size() <= nodes_max &&
         std::none_of(scenario_.decisions.begin(), scenario_.decisions.end(), is_odd) &&
         std::none_of(scenario_.nodes.begin(), scenario_.nodes.end(), has_odd_settings);
}

void simulation::demand_conflict(std::size_t one, std::size_t other) {
  const auto is_up = [this](std::size_t node) {
    return world_.is_running(node) && !members_[node].has_left;
  };
  std::optional<std::size_t> third;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (is_up(i) && members_[i].settings.name != members_[one].settings.name) third = i;
  }
  if (!checker_ || !is_up(one) || !is_up(other) || !third || !is_plain()) return;
  nanoseconds awake = world_.time();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) awake = std::max(awake, world_.paused_until(i));
  }
  // Until they are live, until the conflict is known, and until each has met each.
  const std::size_t rounds = 3 * (agreement_rounds_max(present()) + longest_rounds_max(present())) +
                             backlog_rounds() + 4 * members_.size();
  run_to(awake + static_cast<std::int64_t>(rounds) * round());
  if (has_failed()) return;
  const bool is_one_older = world_[one].generation() < world_[other].generation();
  const std::size_t older = is_one_older ? one : other;
  const std::string name = "n" + std::to_string(older) + " under a name that is taken ";
  const auto self = world_[older].find_member(world_[older].name(), world_.now(older));
  if (!self || self->status != peer_status::conflict) {
    return checker_->report("name", name + "knows of no conflict", {older});
  }
  checker_->begin_command(older);
  const result<std::uint64_t> written = world_[older].set("taken", std::to_string(++written_));
  checker_->end_command(older);
  if (written || written.error() != errc::name_taken) {
    return checker_->report("name", name + "goes on writing", {older});
  }
  for (const std::size_t node : {one, other, *third}) {
    if (members_[node].conflicts > 0) continue;
    const std::string text =
        "n" + std::to_string(node) + " tells nobody of two nodes under one name";
    return checker_->report("name", text, {node});
  }
}

void simulation::share_wire_versions() {
  // Whoever shares no version with somebody is replaced by a release that speaks all.
  wire_range all;
  wire_range common(1, 15);
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    const wire_range& spoken = world_.wire_versions(i);
    all.highest = std::max(all.highest, spoken.highest);
    common.lowest = std::max(common.lowest, spoken.lowest);
    common.highest = std::min(common.highest, spoken.highest);
  }
  if (common.lowest <= common.highest) return;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i) || world_.wire_versions(i) == all) continue;
    decision upgrade;
    upgrade.kind = decision_kind::restart;
    upgrade.node = i;
    upgrade.wire = all;
    restart(upgrade);
  }
}

nanoseconds simulation::last_lease() const {
  nanoseconds last{};
  for (const participant& one : members_) {
    for (const auto& [key, deadline] : one.leases) last = std::max(last, deadline);
  }
  return last;
}

void simulation::demand_expired() {
  if (!checker_) return;
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!world_.is_running(owner) || members_[owner].has_left) continue;
    for (const auto& [key, deadline] : members_[owner].leases) {
      for (std::size_t node = 0; node < members_.size(); ++node) {
        if (!world_.is_running(node) || deadline > world_.time()) continue;
        if (node != owner && !must_agree(owner, node, find_slot(node, owner))) continue;
        if (world_[node].get(members_[owner].settings.name, key)) {
          checker_->report("ttl",
                           "n" + std::to_string(node) + " still has " + key + " of n" +
                               std::to_string(owner) + ", which expired",
                           {owner, node});
        }
      }
    }
  }
}

std::vector<std::size_t> simulation::stopped(bool has_left) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string& name = members_[i].settings.name;
    bool is_down = members_[i].has_started && members_[i].has_left == has_left;
    for (std::size_t other = 0; other < members_.size(); ++other) {
      if (world_.is_running(other) && members_[other].settings.name == name) is_down = false;
    }
    if (is_down) found.push_back(i);
  }
  return found;
}

std::optional<peer_view> simulation::find_row(std::size_t node, const std::string& name) const {
  const peer_table& known = world_[node].peers();
  for (const peer_view one : known.by_hash()) {
    if (known.details(one.slot()).name == name) return one;
  }
  return std::nullopt;
}

bool simulation::is_deaf(std::size_t node) const {
  if (!world_.is_running(node)) return false;
  bool has_others = false;
  for (std::size_t from = 0; from < members_.size(); ++from) {
    if (from == node || !world_.is_running(from)) continue;
    const auto place = world_.links.find(std::pair(from, node));
    if (place == world_.links.end() || !place->second.is_cut) return false;
    has_others = true;
  }
  return has_others;
}

std::vector<std::size_t> simulation::deaf_nodes() const {
  std::vector<std::size_t> found;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (is_deaf(node)) found.push_back(node);
  }
  return found;
}

std::size_t simulation::stale_rounds() const {
  nanoseconds longest{};
  for (const participant& one : members_) {
    const nanoseconds interval = one.settings.gossip_interval;
    const std::uint64_t rounds = fresh_rounds_max(members_.size(), interval, 0);
    longest = std::max(longest, interval * static_cast<std::int64_t>(rounds + 1));
  }
  return static_cast<std::size_t>((longest + round() - nanoseconds{1}) / round());
}

bool simulation::has_one_interval() const {
  return std::ranges::all_of(members_, [this](const participant& one) {
    return one.settings.gossip_interval == members_.front().settings.gossip_interval;
  });
}

std::size_t simulation::revivals_max(std::size_t node) const {
  if (has_one_interval()) return 0;
  const config& settings = members_[node].settings;
  const nanoseconds verdict =
      settings.gossip_interval * static_cast<std::int64_t>(settings.suspicion_rounds);
  const nanoseconds heard = static_cast<std::int64_t>(stale_rounds()) * round();
  return static_cast<std::size_t>(heard / verdict);
}

std::string simulation::undetected(std::size_t gone, std::uint64_t generation) const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!world_.is_running(node) || is_deaf(node)) continue;
    const std::optional<peer_view> row = find_row(node, members_[gone].settings.name);
    // Who was never agreed upon, or was forgotten by now, is not listed as live.
    if (!row || !row->may_die()) continue;
    if (generation != 0 && row->generation() != generation) continue;
    return "n" + std::to_string(node) + " of n" + std::to_string(gone) + ": " +
           std::string(to_string(row->status()));
  }
  return {};
}

std::string simulation::undetected(const std::vector<std::size_t>& gone) const {
  for (const std::size_t one : gone) {
    std::string open = undetected(one, 0);
    if (!open.empty()) return open;
  }
  return {};
}

std::string simulation::undetected_runs(const std::vector<std::size_t>& gone) const {
  for (const std::size_t one : gone) {
    const bool is_running = world_.is_running(one);  // and deaf
    std::string open =
        undetected(one, is_running ? world_[one].generation() : members_[one].generation);
    if (!open.empty()) return open;
  }
  return {};
}

std::string simulation::unheard(std::size_t leaver) const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!world_.is_running(node)) continue;
    const std::optional<peer_view> row = find_row(node, members_[leaver].settings.name);
    if (!row || row->generation() != members_[leaver].generation) continue;
    if (row->status() == peer_status::left) continue;
    return "n" + std::to_string(node) + " of n" + std::to_string(leaver) +
           ", which left: " + std::string(to_string(row->status()));
  }
  return {};
}

bool simulation::is_told_to_leave(std::size_t leaver, nanoseconds length) const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!world_.is_running(node)) continue;
    const std::optional<peer_view> row = find_row(node, members_[leaver].settings.name);
    if (!row || row->status() != peer_status::left) continue;
    if (row->generation() != members_[leaver].generation) continue;
    // After half a grace nobody advertises it any more.
    const nanoseconds silent =
        world_.now(node).steady - world_[node].peers().silent_since(row->slot());
    if (silent + length < world_.settings(node).dead_peer_grace / 2) return true;
  }
  return false;
}

std::size_t simulation::silence_rounds_max() const {
  // Phi is elapsed / (mean * ln 10), and no mean is above the longest interval that counts: 16
  // expected gaps, each a round for as many nodes as one datagram tells of, graves or not.
  constexpr std::size_t rows_told = 16;
  constexpr std::size_t gaps_counted = 16;
  double phi = 0;
  double jitter = 0;
  for (const participant& one : members_) {
    phi = std::max(phi, one.settings.dead_peer_phi);
    jitter = std::max(jitter, one.settings.jitter);
  }
  const std::size_t mean = gaps_counted * (1 + members_.size() / rows_told);
  const double rounds = phi * std::numbers::ln10 * static_cast<double>(mean) * (1 + jitter);
  return static_cast<std::size_t>(std::ceil(rounds)) + agreement_rounds_max(present());
}

void simulation::demand_departures() {
  if (!checker_) return;
  // Who says that it leaves has a few rounds left for that.
  nanoseconds begin = world_.time();
  for (const participant& one : members_) begin = std::max(begin, one.ends_at);
  run_to(begin);
  const std::size_t told_limit = agreement_rounds_max(present());
  const std::size_t silence_limit = silence_rounds_max();
  const std::vector<std::size_t> leavers = stopped(true);
  std::vector<std::size_t> told;
  for (const std::size_t one : leavers) {
    const nanoseconds length = static_cast<std::int64_t>(told_limit) * round();
    if (is_told_to_leave(one, length)) told.push_back(one);
  }
  for (std::size_t rounds = 0; !has_failed(); ++rounds) {
    // Who never heard it finds it dead, like a crash.
    std::string open = undetected(leavers);
    std::string late = rounds >= silence_limit ? open : std::string();
    for (const std::size_t one : told) {
      const std::string untold = unheard(one);
      if (open.empty()) open = untold;
      if (rounds >= told_limit && late.empty()) late = untold;
    }
    if (open.empty()) return;
    if (!late.empty()) {
      const std::string text = late + ", " + std::to_string(rounds) + " rounds after it left";
      return checker_->report("departure", text, {});
    }
    run_to(begin + static_cast<std::int64_t>(rounds + 1) * round());
  }
}

void simulation::demand_detection() {
  if (!has_agreed_) return;
  const scenario now = present();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i) && members_[i].settings.suspicion_rounds == 0) return;
  }
  std::vector<std::size_t> crashes = stopped(false);
  const std::vector<std::size_t> deaf = deaf_nodes();
  crashes.insert(crashes.end(), deaf.begin(), deaf.end());
  const nanoseconds begin = world_.time();
  const std::size_t limit = detection_rounds_max(now) + (deaf.empty() ? 0 : stale_rounds());
  // A quarter of a round at a time, so that the figure is one.
  for (std::size_t quarters = 0; !has_failed(); ++quarters) {
    const std::string open = undetected_runs(crashes);
    if (open.empty() && quarters > 0) {
      if (crashes.empty()) break;
      report_.rounds_to_detect = static_cast<double>(quarters) / 4;
      report_.rounds_to_detect_max = limit;
      break;
    }
    if (quarters >= 4 * limit) {
      if (checker_) {
        checker_->report("detection",
                         open + ", " + std::to_string(limit) + " rounds after it crashed", {});
      }
      return;
    }
    run_to(begin + static_cast<std::int64_t>(quarters + 1) * round() / 4);
  }
  if (!deaf.empty() && !has_failed()) {
    // A deaf node goes on speaking: that brings it back to nobody.
    run_to(world_.time() + deaf_rounds_watched * round());
    const std::string open = undetected(deaf);
    if (!open.empty() && checker_) checker_->report("deafness", open + ", though it is deaf", {});
  }
  for (std::size_t node = 0; node < members_.size() && !has_failed(); ++node) {
    if (!world_.is_running(node) || is_deaf(node)) continue;
    const std::uint64_t verdicts =
        world_[node].stats().convictions - members_[node].convictions_before;
    report_.sums.detected += verdicts;
    if (verdicts > crashes.size() + deaf.size() * revivals_max(node) && checker_) {
      checker_->report("detection",
                       "n" + std::to_string(node) + " convicted " + std::to_string(verdicts) +
                           " peers, though " + std::to_string(crashes.size()) + " crashed",
                       {node});
    }
  }
}

bool simulation::is_starved() const {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::size_t budget = members_[i].settings.send_bytes_per_interval;
    if (!world_.is_running(i) || budget == 0) continue;
    if (2 * world_[i].stats().membership_bytes_per_interval > budget) return true;
  }
  return false;
}

std::size_t simulation::backlog_rounds() const {
  std::size_t bytes = 0;
  std::size_t budget = config().exchange_bytes_max;
  std::size_t datagram = config().exchange_bytes_max;
  bool parks_all = true;
  std::size_t running = 0;
  std::size_t fanout = 1;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    ++running;
    fanout = std::max(fanout, members_[i].settings.fanout);
  }
  const std::size_t peers = std::max<std::size_t>(2, running) - 1;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    const config& settings = members_[i].settings;
    bytes += world_.storage_of(i).usage(self_slot).bytes;
    budget = std::min(budget, settings.exchange_bytes_max);
    budget = std::min(budget, settings.exchange_datagrams_max * settings.datagram_bytes_max);
    // A node without room to park an exchange drops what overtakes: of each answer it surely takes
    // the first datagram only.
    if (settings.parked_bytes_max < settings.exchange_bytes_max) parks_all = false;
    datagram = std::min(datagram, settings.datagram_bytes_max);
    if (settings.send_bytes_per_interval == 0) continue;
    // Half of what all sends share is for the rounds themselves. In a round `fanout` peers ask a
    // node, on average, and the first datagram of each answer goes before bulk. Where these take
    // the other half, the copies for all peers advance side by side, and the last byte of each
    // comes after the bytes of all.
    const std::size_t half = settings.send_bytes_per_interval / 2;
    const bool has_bulk = half > fanout * settings.datagram_bytes_max;
    budget = std::min(budget, has_bulk ? half : half / peers);
  }
  if (!parks_all) budget = std::min(budget, datagram);
  // Datagrams are not filled to the brim.
  return 2 * bytes / budget + 1 + waiting_rounds();
}

std::size_t simulation::waiting_rounds() const {
  // What stands in a lane, as after a flood, goes before what comes behind it.
  std::size_t most = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const config& settings = members_[i].settings;
    if (!world_.is_running(i) || settings.send_bytes_per_interval == 0) continue;
    const std::size_t bytes = world_[i].tables().answers * settings.datagram_bytes_max;
    most = std::max(most, 2 * bytes / settings.send_bytes_per_interval);
  }
  return most;
}

void simulation::run_to_joined() {
  // Each address that an operator gave is tried once, so many in a round.
  constexpr int joined_rounds_max = 80;
  const auto is_joining = [this] {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (world_.is_running(i) && world_[i].tables().joining > 0) return true;
    }
    return false;
  };
  for (int i = 0; i < joined_rounds_max && is_joining() && !has_failed(); ++i) {
    run_to(world_.time() + round());
  }
}

bool simulation::must_agree(std::size_t owner, std::size_t replica,
                            std::optional<slot_index> slot) const {
  // Who ran by a clock of the day after tomorrow is refused until that day, whatever it says then.
  const auto tomorrow =
      std::chrono::duration_cast<milliseconds>(world_.now(replica).wall) + std::chrono::hours{24};
  const auto limit = static_cast<std::uint64_t>(tomorrow.count());
  if (world_[owner].generation() > limit) return false;
  if (!slot) return true;
  const peer_view row = world_[replica].peers()[*slot];
  return !row.is_over_capacity() && row.generation() <= limit;
}

std::string simulation::disagreement(bool with_verdicts) const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!world_.is_running(owner) || members_[owner].has_left) continue;
    const peer_view source = world_[owner].peers()[self_slot];
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (!world_.is_running(replica) || replica == owner || members_[replica].has_left) continue;
      const peer_table& known = world_[replica].peers();
      const std::optional<slot_index> slot = find_slot(replica, owner);
      if (!must_agree(owner, replica, slot)) continue;
      const std::string pair = "n" + std::to_string(replica) + " of n" + std::to_string(owner);
      if (!slot) return pair + ": unknown";
      const peer_view row = known[*slot];
      if (row.generation() != source.generation() || row.max_version() != source.max_version()) {
        return pair + ": generation " + std::to_string(row.generation()) + ", version " +
               std::to_string(row.max_version()) + "; it has " +
               std::to_string(source.generation()) + ", " + std::to_string(source.max_version());
      }
      if (with_verdicts && row.status() != peer_status::live) {
        return pair + ": " + std::string(to_string(row.status()));
      }
    }
  }
  return {};
}

std::string simulation::difference(std::size_t owner, std::size_t replica, slot_index slot) const {
  const simulated_storage& source = world_.storage_of(owner);
  const simulated_storage& copy = world_.storage_of(replica);
  const auto next_live = [](const simulated_storage& of, slot_index at, std::uint64_t above) {
    std::optional<entry_view> held = of.first_above(at, above);
    while (held && (held->is_tombstone || held->key == floor_key)) {
      held = of.first_above(at, held->version);
    }
    return held;
  };
  std::optional<entry_view> theirs = next_live(source, self_slot, 0);
  std::optional<entry_view> mine = next_live(copy, slot, 0);
  while (theirs || mine) {
    const bool is_equal = theirs && mine && theirs->version == mine->version &&
                          theirs->key == mine->key && theirs->value == mine->value;
    if (!is_equal) {
      const entry_view& shown = theirs ? *theirs : *mine;
      return "n" + std::to_string(replica) + " of n" + std::to_string(owner) +
             ": equal versions, but not " + std::string(shown.key) + " @" +
             std::to_string(shown.version);
    }
    theirs = next_live(source, self_slot, theirs->version);
    mine = next_live(copy, slot, mine->version);
  }
  return {};
}

std::string simulation::difference() const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!world_.is_running(owner) || members_[owner].has_left) continue;
    const std::uint64_t name_hash = world_[owner].peers()[self_slot].name_hash();
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (!world_.is_running(replica) || replica == owner || members_[replica].has_left) continue;
      const std::optional<slot_index> slot =
          world_[replica].peers().find_name(world_[owner].name(), name_hash);
      if (!slot || !must_agree(owner, replica, slot)) continue;
      // A storage that failed may have let something expire late: then the versions are not equal.
      const peer_view held = world_[replica].peers()[*slot];
      const bool is_level = held.generation() == world_[owner].generation() &&
                            held.max_version() == world_[owner].version();
      if (!is_level) continue;
      std::string found = difference(owner, replica, *slot);
      if (!found.empty()) return found;
    }
  }
  return {};
}

std::size_t simulation::name_rounds() const {
  const scenario now = present();
  const std::size_t settled = longest_rounds_max(now) + agreement_rounds_max(now);
  std::size_t rounds = 0;
  std::set<std::size_t> lost;
  for (const decision& one : now.decisions) {
    const bool has_lost =
        one.kind == decision_kind::restart && one.generation != generation_state::kept;
    // The first relic is refuted at once, another one when it stood still.
    if (has_lost && !lost.insert(one.node).second) rounds = settled;
  }
  std::set<std::string> names;
  for (const scenario_node& one : now.nodes) {
    if (!names.insert(one.settings.name).second) return settled + detection_rounds_max(now);
  }
  return rounds;
}

void simulation::demand_same_entries() {
  if (!checker_) return;
  const std::string found = difference();
  if (!found.empty()) checker_->report("agreement", found, {});
}

bool simulation::have_met() const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!world_.is_running(owner) || members_[owner].has_left) continue;
    const peer_view source = world_[owner].peers().self();
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (!world_.is_running(replica) || replica == owner || members_[replica].has_left) continue;
      const std::optional<slot_index> slot = world_[replica].peers().find(source.name_hash());
      const bool is_held =
          slot && world_[replica].peers()[*slot].generation() == source.generation();
      const graveyard& graves = world_[replica].graves();
      if (is_held || graves.refuses(source.name_hash(), source.generation(), source.heartbeat())) {
        continue;
      }
      return false;
    }
  }
  return true;
}

void simulation::run_to_met() {
  const nanoseconds end =
      world_.time() + static_cast<std::int64_t>(agreement_rounds_max(present())) * round();
  while (world_.time() < end && !have_met() && !has_failed()) run_to(world_.time() + round());
}

void simulation::demand_progress() {
  const nanoseconds begin = world_.time();
  const std::size_t limit = agreement_rounds_max(present()) + backlog_rounds() + name_rounds();
  // Until a peer is live again it must answer, or advance twice.
  const std::size_t verdict_limit = limit + 20;
  bool has_agreed = false;
  for (std::size_t rounds = 0; !has_failed(); ++rounds) {
    if (!has_agreed && disagreement(false).empty()) {
      has_agreed = true;
      if (report_.rounds_to_agree < 0) report_.rounds_to_agree = static_cast<double>(rounds);
    }
    std::string open = disagreement(has_agreed);
    if (open.empty()) open = difference();
    if (open.empty()) break;
    if (rounds >= (has_agreed ? verdict_limit : limit) && checker_) {
      is_starved_ = is_starved();
      if (is_starved_) return;
      checker_->report("progress",
                       open + ", " + std::to_string(rounds) + " rounds after all healed", {});
      return;
    }
    if (rounds > 4 * verdict_limit) return;
    run_to(begin + static_cast<std::int64_t>(rounds + 1) * round());
  }
}

void simulation::demand_idle(std::uint64_t entries_max) {
  if (!checker_) return;
  // A few rounds for what was under way, and what waits for a budget is sent though others were
  // faster; then nobody sends what the other has.
  constexpr std::size_t settling_rounds = 10;
  constexpr int idle_rounds = 6;
  run_to_joined();
  const bool has_budget = std::any_of(members_.begin(), members_.end(), [](const participant& one) {
    return one.settings.send_bytes_per_interval != 0;
  });
  const std::size_t settling = settling_rounds + (has_budget ? backlog_rounds() : 0);
  run_to(world_.time() + static_cast<std::int64_t>(settling) * round());
  std::uint64_t entries = 0;
  std::uint64_t deltas = 0;
  const auto count = [&] {
    entries = deltas = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!world_.is_running(i)) continue;
      const protocol_stats stats = world_[i].stats();
      entries += stats.entries_sent;
      deltas += stats.deltas_sent;
    }
  };
  count();
  const std::vector<traffic> traffic_before = count_traffic();
  const std::uint64_t entries_before = entries;
  const std::uint64_t deltas_before = deltas;
  run_to(world_.time() + idle_rounds * round());
  count();
  const bool is_silent = entries == entries_before && deltas == deltas_before;
  demand_quiet(traffic_before, is_silent);
  if (!is_silent && entries - entries_before >= entries_max) {
    checker_->report("idle",
                     std::to_string(entries - entries_before) + " entries and " +
                         std::to_string(deltas - deltas_before) + " deltas sent though all agree",
                     {});
  }
}

std::vector<simulation::traffic> simulation::count_traffic() const {
  std::vector<traffic> counted(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    const protocol_stats stats = world_[i].stats();
    counted[i].rounds = stats.rounds;
    counted[i].digests = stats.digests_sent;
    counted[i].replies = stats.replies_sent;
  }
  return counted;
}

void simulation::demand_quiet(const std::vector<traffic>& before, bool is_silent) {
  // Each round a node starts an exchange with `fanout` live peers, one dead and one seed. Each is a
  // leg of as many datagrams as it takes to tell of all rows and graves, 16 at least in each.
  constexpr std::size_t rows_told = 16;
  // At rest only those that stopped are doubted: three are asked about each, and ask it.
  constexpr std::size_t legs_a_doubt = 8;
  constexpr std::size_t legs_told = 2;
  std::size_t down = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) down += world_.is_running(i) ? 0 : 1;
  const std::vector<traffic> now = count_traffic();
  std::uint64_t digests = 0;
  std::uint64_t replies = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    const std::size_t rows = members_.size() + world_[i].graves().all().size();
    const config& settings = world_.settings(i);
    const std::size_t a_leg = std::min(settings.digest_datagrams_max, 1 + rows / rows_told);
    const std::size_t most = (settings.fanout + 2) * a_leg + legs_told + legs_a_doubt * down;
    const std::uint64_t rounds = now[i].rounds - before[i].rounds + 1;
    const std::uint64_t sent = now[i].digests - before[i].digests;
    digests += sent;
    replies += now[i].replies - before[i].replies;
    if (sent <= rounds * most) continue;
    checker_->report("idle",
                     "n" + std::to_string(i) + " sent " + std::to_string(sent) + " digests in " +
                         std::to_string(rounds) + " rounds, though all agree",
                     {i});
  }
  // A digest is answered, and the answer is, where it requests something; entries take more.
  if (!is_silent || replies <= 2 * digests) return;
  checker_->report("idle",
                   std::to_string(replies) + " answers to " + std::to_string(digests) +
                       " digests, though all agree",
                   {});
}

/// How often one is asked before it is asked in a wire version that it reads.
std::size_t tries_max(const scenario& of) {
  std::vector<wire_range> spoken;
  for (const scenario_node& one : of.nodes) spoken.push_back(one.wire);
  for (const decision& one : of.decisions) {
    if (one.wire) spoken.push_back(*one.wire);
  }
  const bool is_same = std::all_of(spoken.begin(), spoken.end(),
                                   [&](const wire_range& one) { return one == spoken.front(); });
  std::size_t versions = 1;
  for (const wire_range& one : spoken) {
    versions = std::max<std::size_t>(versions, one.highest - one.lowest + 1U);
  }
  return is_same ? 1 : versions;
}

}  // namespace

std::size_t agreement_rounds_max(const scenario& of) {
  const std::size_t nodes = std::max<std::size_t>(2, of.nodes.size());
  const auto levels = static_cast<std::size_t>(std::bit_width(nodes - 1));
  // Whoever was silent for long is asked every 16th round only, until it answers; and so is a
  // storage that failed.
  constexpr std::size_t back_off_rounds = 16;
  std::size_t rounds = 4 * levels + 10 + back_off_rounds * tries_max(of);
  nanoseconds grace = std::chrono::hours{1};
  std::size_t seed_every = 0;
  for (const scenario_node& one : of.nodes) {
    grace = std::min<nanoseconds>(grace, one.settings.dead_peer_grace);
    seed_every = std::max(seed_every, one.settings.seed_every_rounds);
  }
  const bool may_run_out = !of.decisions.empty() && of.decisions.back().at >= grace / 2;
  if (may_run_out) rounds += 2 * seed_every;
  return rounds;
}

std::size_t longest_rounds_max(const scenario& of) {
  // 16 expected gaps, each a round for as many nodes as one datagram tells of, graves or not.
  constexpr std::size_t rows_told = 16;
  constexpr std::size_t gaps_counted = 16;
  double jitter = 0;
  for (const scenario_node& one : of.nodes) jitter = std::max(jitter, one.settings.jitter);
  const std::size_t rounds = gaps_counted * (1 + of.nodes.size() / rows_told) + 1;
  return static_cast<std::size_t>(std::ceil(static_cast<double>(rounds) * (1 + jitter)));
}

std::size_t detection_rounds_max(const scenario& of) {
  const std::size_t nodes = std::max<std::size_t>(2, of.nodes.size());
  const auto levels = static_cast<std::size_t>(std::bit_width(nodes - 1));
  std::size_t fanout = config().fanout;
  std::size_t suspicion = 0;
  double jitter = 0;
  milliseconds shortest = std::chrono::hours{1};
  milliseconds longest{};
  for (const scenario_node& one : of.nodes) {
    fanout = std::min(fanout, one.settings.fanout);
    suspicion = std::max(suspicion, one.settings.suspicion_rounds);
    jitter = std::max(jitter, one.settings.jitter);
    shortest = std::min(shortest, one.settings.gossip_interval);
    longest = std::max(longest, one.settings.gossip_interval);
  }
  constexpr std::size_t asked_surely = 21;  // e^-21 is 8e-10
  const std::size_t asked = std::min(2 * (nodes - 1) / fanout, asked_surely);
  const std::size_t told = 4 + 2 * levels + 4 + suspicion / 3;
  std::size_t rounds = asked + 1 + std::max(suspicion, told) + 2;
  if (shortest != longest) rounds += suspicion;
  return static_cast<std::size_t>(std::ceil(static_cast<double>(rounds) * (1 + jitter)));
}

simulation_report simulate(const scenario& of, const simulation_options& how) {
  return simulation(of, how).run();
}

}  // namespace gossipmonger
