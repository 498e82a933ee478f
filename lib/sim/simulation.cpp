#include "sim/simulation.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gossipmonger/testing/random.hpp"
#include "sim/cluster_view.hpp"
#include "sim/promises.hpp"
#include "sim/run_hash.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

bool has(const scenario& of, decision_kind kind) {
  return std::ranges::any_of(of.decisions,
                             [kind](const decision& one) { return one.kind == kind; });
}

std::unique_ptr<checker> make_checker(const scenario& of, const simulation_options& how,
                                      world& watched) {
  if (!how.is_checked) return nullptr;
  return std::make_unique<checker>(watched, !has(of, decision_kind::mutate));
}

/// Plays a schedule on a world: it makes the decisions at their times, gives commands for the
/// applications, and ends the faults. A resource.
class simulation {
 public:
  simulation(const scenario& of, const simulation_options& how)
      : scenario_(of),
        how_(how),
        world_(of.seed),
        checker_(make_checker(of, how, world_)),
        members_(of.nodes.size()),
        promises_(of, world_, checker_.get(), members_, [this](nanoseconds end) { run_to(end); }) {
    world_.idle_steps_max = how.idle_steps_max;
    world_.keeps_digests = has(of, decision_kind::replay) || has(of, decision_kind::flood);
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
    const promise_figures& kept = promises_.figures();
    report_.rounds_to_agree = kept.rounds_to_agree;
    report_.rounds_to_detect = kept.rounds_to_detect;
    report_.rounds_to_detect_max = kept.rounds_to_detect_max;
    report_.sums.detected = kept.detected;
    report_.sums.followed = kept.followed;
    if (world_.stuck() && !report_.fault) report_stuck();
    hash_.add(world_.trace_hash());
    report_.trace_hash = hash_.value();
    report_.time = world_.time() - start_;
    report_.counters = world_.counters();
    return report_;
  }

 private:
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
        return promises_.demand_detection();
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
  /// Adds the counters of this run, which end with it.
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
    report_.sums.suspicions_refuted += stats.suspicions_refuted;
    report_.sums.declared_dead += stats.declared_dead;
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
      case decision_kind::advertise:
        advertise(node);
        break;
      default:
        break;
    }
    if (checker_) checker_->end_command(node);
    world_.reschedule(node);
    if (what.kind == decision_kind::advertise) promises_.demand_followed(node);
  }
  void set(std::size_t node, const std::string& key, const std::string& value) {
    if (!world_[node].set(key, value)) return;
    members_[node].app.set(key, value);
    lease(node, key, std::nullopt);
  }
  /// A key with a time to live is for this run only: it is on no disk.
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
    members_[node].leases.clear();  // a node that has left writes no more
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
    // From now on its application starts it with these options.
    apply_options(what.options, members_[what.node].settings);
  }
  void advertise(std::size_t node) {
    if (world_.paused_until(node) > world_.time() || members_[node].has_left) return;
    world_.advertise(node);
    ++report_.sums.advertised;
  }

  // The faults end.
  void heal();
  void end_faults();
  void share_wire_versions();

  const scenario& scenario_;
  const simulation_options& how_;
  world world_;
  std::unique_ptr<checker> checker_;  // none: unchecked
  std::vector<participant> members_;
  promises promises_;
  std::map<std::size_t, nanoseconds> offsets_;  // of wall clocks that a restart set back
  nanoseconds start_ = world_.time();
  std::uint64_t written_ = 0;
  run_hash hash_;  // of events and counters
  simulation_report report_;
};

void simulation::heal() {
  end_faults();
  promises_.demand_healed();
}

void simulation::end_faults() {
  world_.conditions = network_conditions();
  world_.links.clear();
  std::map<std::string, std::size_t> owners;
  // A seed comes back, or the others could not find each other.
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
    const std::string value = std::to_string(written_ + 1);
    if (promises_.demand_conflict(first->second, i, value)) ++written_;
    // The operator ends one of two nodes under one name, and now and then starts the other anew.
    stop(i);
    if (scenario_.seed % 2 == 0) stop(first->second);
  }
  for (const auto& [name, node] : owners) {
    if (!members_[node].has_left || is_seed(node)) start(node);
  }
  share_wire_versions();
  // No pause ends early: datagrams in the socket wait with the process. A late copy of a digest is
  // answered with entries.
  nanoseconds awake = std::max(world_.time(), world_.late_until());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) awake = std::max(awake, world_.paused_until(i));
  }
  run_to(awake);
}

void simulation::share_wire_versions() {
  // If the releases share no wire version, one that speaks all of them replaces each.
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

}  // namespace

simulation_report simulate(const scenario& of, const simulation_options& how) {
  return simulation(of, how).run();
}

}  // namespace gossipmonger
