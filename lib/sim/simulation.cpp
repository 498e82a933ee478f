#include "gossipmonger/sim/simulation.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "gossipmonger/core/random.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// What an application had set, as its disk has it.
class application {
 public:
  void set(const std::string& key, const std::string& value) {
    remember(key);
    disk_[key] = value;
  }
  void erase(const std::string& key) {
    remember(key);
    disk_.erase(key);
  }
  void lose(const decision& how) {
    random_source draws(how.salt);
    switch (how.disk) {
      case disk_state::intact:
        break;
      case disk_state::lost:
        disk_.clear();
        break;
      case disk_state::torn:
        std::erase_if(disk_, [&draws](const auto&) { return draws.below(2) == 0; });
        break;
      case disk_state::stale:
        for (std::uint64_t i = 0; i < how.count && !history_.empty(); ++i) {
          auto& [key, value] = history_.back();
          if (value) {
            disk_[key] = std::move(*value);
          } else {
            disk_.erase(key);
          }
          history_.pop_back();
        }
        break;
    }
    history_.clear();
  }
  [[nodiscard]] const std::map<std::string, std::string>& disk() const { return disk_; }

 private:
  void remember(const std::string& key) {
    constexpr std::size_t history_max = 64;
    if (history_.size() == history_max) history_.erase(history_.begin());
    const auto held = disk_.find(key);
    history_.emplace_back(
        key, held == disk_.end() ? std::nullopt : std::optional<std::string>(held->second));
  }

  std::map<std::string, std::string> disk_;
  std::vector<std::pair<std::string, std::optional<std::string>>> history_;  // what it was before
};

class simulation {
 public:
  simulation(const scenario& of, const simulation_options& how)
      : scenario_(of), how_(how), world_(of.seed) {
    const bool has_liar =
        std::any_of(of.decisions.begin(), of.decisions.end(),
                    [](const decision& one) { return one.kind == decision_kind::mutate; });
    if (how.is_checked) checker_ = std::make_unique<checker>(world_, !has_liar);
    has_liar_ = has_liar;
    members_.resize(of.nodes.size());
    for (std::size_t i = 0; i < of.nodes.size(); ++i) {
      world_.add_stopped(of.nodes[i].settings);
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
    if (checker_) report_.fault = checker_->fault();
    report_.trace_hash = world_.trace_hash();
    report_.time = world_.time() - start_;
    report_.counters = world_.counters();
    return report_;
  }

 private:
  struct participant {
    participant() = default;

    application app;
    milliseconds read_interval{};
    nanoseconds next_read{};
    nanoseconds ends_at{};  // after it left
    bool has_started = false;
    bool has_left = false;
    std::uint64_t generation = 0;  // of the last run
  };

  [[nodiscard]] bool has_failed() const { return checker_ && checker_->fault(); }
  void trace(const std::string& what) const {
    if (!how_.on_trace) return;
    how_.on_trace(std::to_string((world_.time() - start_) / milliseconds{1}) + "ms " + what);
  }
  void show_event(std::size_t node, const event_view& seen) const {
    if (how_.on_event) how_.on_event(node, seen);
    if (!how_.on_trace) return;
    std::string line = "n" + std::to_string(node) + " reads " + std::string(to_string(seen.kind)) +
                       " " + std::string(seen.peer);
    if (!seen.key.empty()) {
      line += " " + std::string(seen.key) + " @" + std::to_string(seen.version);
    }
    trace(line);
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
      case decision_kind::link:
        return set_link(what);
      case decision_kind::move:
        return world_.move(node);
      case decision_kind::pause:
        return world_.pause(node, what.length);
      case decision_kind::clock:
        world_.set_wall_offset(node, what.length);
        return world_.set_wall_drift(node, what.ppm);
      case decision_kind::storage:
        return world_.set_storage(node, what.storage);
      case decision_kind::mutate:
        return world_.set_mutation(node, what.part);
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
    members_[node].generation = world_[node].generation();
    world_.crash(node);
  }
  void restart(const decision& how) {
    const std::size_t node = how.node;
    participant& one = members_[node];
    if (!one.has_started) return;
    stop(node);
    one.app.lose(how);
    one.ends_at = {};
    one.has_left = false;
    config settings = scenario_.nodes[node].settings;
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
      case decision_kind::erase:
        erase(node, what.key);
        break;
      case decision_kind::write:
        for (std::uint64_t i = 0; i < what.count; ++i) {
          const std::string key = "k" + std::to_string(draws.below(what.keys));
          const auto padding = static_cast<std::size_t>(draws.below(what.bytes + 1));
          set(node, key, std::to_string(++written_) + std::string(padding, 'x'));
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
      default:
        break;
    }
    if (checker_) checker_->end_command(node);
  }
  void set(std::size_t node, const std::string& key, const std::string& value) {
    if (world_[node].set(key, value)) members_[node].app.set(key, value);
  }
  void erase(std::size_t node, const std::string& key) {
    if (world_[node].erase(key)) members_[node].app.erase(key);
  }
  void leave(std::size_t node) {
    world_[node].leave(world_.now(node));
    members_[node].has_left = true;
    members_[node].ends_at = world_.time() + 3 * scenario_.nodes[node].settings.gossip_interval;
  }

  // After the faults.
  [[nodiscard]] nanoseconds round() const {
    nanoseconds longest{};
    for (const scenario_node& one : scenario_.nodes) {
      longest = std::max<nanoseconds>(longest, one.settings.gossip_interval);
    }
    return longest;
  }
  void heal();
  void end_faults();
  void demand_progress();
  [[nodiscard]] std::size_t backlog_rounds() const;
  /// Fewer than `entries_max` entries go out, or none at all.
  void demand_idle(std::uint64_t entries_max);
  [[nodiscard]] bool must_agree(std::size_t owner, std::size_t replica, const peer* row) const;
  [[nodiscard]] std::string disagreement(bool with_verdicts) const;

  const scenario& scenario_;
  const simulation_options& how_;
  world world_;
  std::unique_ptr<checker> checker_;  // none: unchecked
  std::vector<participant> members_;
  std::map<std::size_t, nanoseconds> offsets_;
  nanoseconds start_ = world_.time();
  std::uint64_t written_ = 0;
  bool has_liar_ = false;
  simulation_report report_;
};

void simulation::heal() {
  end_faults();
  // News goes through whoever takes everybody in: with a table too small, nothing is promised but
  // that the refused is not sent again and again.
  constexpr std::size_t keys_enough = 1000;
  const auto is_small = [this](const scenario_node& one) {
    return one.settings.peers_max + 1 < scenario_.nodes.size() ||
           one.settings.keys_per_peer_max < keys_enough;
  };
  if (std::any_of(scenario_.nodes.begin(), scenario_.nodes.end(), is_small)) {
    run_to(world_.time() + 60 * round());
    // A refusal lasts for a grace; then it is tried once more.
    std::uint64_t entries = 1;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (world_.is_running(i)) entries += world_.storage_of(i).usage(self_slot).live_keys + 64;
    }
    return demand_idle(entries);
  }
  if (has_liar_) {
    // What a liar said of others stays believed: nothing is promised but that nobody breaks.
    run_to(world_.time() + 20 * round());
    return;
  }
  demand_progress();
  if (!has_failed()) demand_idle(0);
}

void simulation::end_faults() {
  world_.conditions = network_conditions();
  world_.links.clear();
  std::map<std::string, std::size_t> owners;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    participant& one = members_[i];
    world_.set_mutation(i, 0);
    world_.set_storage(i, storage_conditions());
    world_.set_wall_drift(i, 0);
    world_.set_wall_offset(i, nanoseconds{0});
    offsets_.erase(i);
    one.read_interval = {};
    set_reader(i);
    const std::string& name = scenario_.nodes[i].settings.name;
    const auto [first, is_first] = owners.try_emplace(name, i);
    if (!is_first) {
      // Of two under one name, the operator ends one and starts the other anew.
      stop(i);
      stop(first->second);
      continue;
    }
  }
  for (const auto& [name, node] : owners) {
    // Who is somebody's seed comes back, or nobody could find anybody.
    const auto knows = [sought = node](const scenario_node& one) {
      return std::find(one.seeds.begin(), one.seeds.end(), sought) != one.seeds.end();
    };
    const bool is_seed = std::any_of(scenario_.nodes.begin(), scenario_.nodes.end(), knows);
    if (!members_[node].has_left || is_seed) start(node);
  }
  // Nobody can end a pause early: what waits in the socket waits with the process.
  nanoseconds awake = world_.time();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) awake = std::max(awake, world_.paused_until(i));
  }
  run_to(awake);
}

std::size_t simulation::backlog_rounds() const {
  std::size_t bytes = 0;
  std::size_t budget = config().exchange_bytes_max;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    bytes += world_.storage_of(i).usage(self_slot).bytes;
    budget = std::min(budget, scenario_.nodes[i].settings.exchange_bytes_max);
  }
  // Datagrams are not filled to the brim.
  return 2 * bytes / budget + 1;
}

bool simulation::must_agree(std::size_t owner, std::size_t replica, const peer* row) const {
  // Who ran by a clock of the day after tomorrow is refused until that day, whatever it says then.
  const auto tomorrow =
      std::chrono::duration_cast<milliseconds>(world_.now(replica).wall) + std::chrono::hours{24};
  const auto limit = static_cast<std::uint64_t>(tomorrow.count());
  if (world_[owner].generation() > limit) return false;
  return row == nullptr || (!row->is_over_capacity && row->generation <= limit);
}

std::string simulation::disagreement(bool with_verdicts) const {
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!world_.is_running(owner) || members_[owner].has_left) continue;
    const peer& source = world_[owner].peers()[self_slot];
    for (std::size_t replica = 0; replica < members_.size(); ++replica) {
      if (!world_.is_running(replica) || replica == owner || members_[replica].has_left) continue;
      const peer_table& known = world_[replica].peers();
      const std::optional<slot_index> slot =
          known.find_name(world_[owner].name(), source.name_hash);
      const peer* row = slot ? &known[*slot] : nullptr;
      if (!must_agree(owner, replica, row)) continue;
      const std::string pair = "n" + std::to_string(replica) + " of n" + std::to_string(owner);
      if (row == nullptr) return pair + ": unknown";
      if (row->generation != source.generation || row->max_version != source.max_version) {
        return pair + ": generation " + std::to_string(row->generation) + ", version " +
               std::to_string(row->max_version) + "; it has " + std::to_string(source.generation) +
               ", " + std::to_string(source.max_version);
      }
      if (with_verdicts && row->status != peer_status::live) {
        return pair + ": " + std::string(to_string(row->status));
      }
    }
  }
  return {};
}

void simulation::demand_progress() {
  const nanoseconds begin = world_.time();
  const std::size_t limit = agreement_rounds_max(scenario_) + backlog_rounds();
  // Until a peer is live again it must answer, or advance twice.
  const std::size_t verdict_limit = limit + 20;
  bool has_agreed = false;
  for (std::size_t rounds = 0; !has_failed(); ++rounds) {
    if (!has_agreed && disagreement(false).empty()) {
      has_agreed = true;
      report_.rounds_to_agree = static_cast<double>(rounds);
    }
    const std::string open = disagreement(has_agreed);
    if (open.empty()) break;
    if (rounds >= (has_agreed ? verdict_limit : limit) && checker_) {
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
  // A few rounds for what was under way; then nobody sends what the other has.
  constexpr int settling_rounds = 10;
  constexpr int idle_rounds = 6;
  run_to(world_.time() + settling_rounds * round());
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
  const std::uint64_t entries_before = entries;
  const std::uint64_t deltas_before = deltas;
  run_to(world_.time() + idle_rounds * round());
  count();
  const bool is_silent = entries == entries_before && deltas == deltas_before;
  if (!is_silent && entries - entries_before >= entries_max) {
    checker_->report("idle",
                     std::to_string(entries - entries_before) + " entries and " +
                         std::to_string(deltas - deltas_before) + " deltas sent though all agree",
                     {});
  }
}

}  // namespace

std::size_t agreement_rounds_max(const scenario& of) {
  const std::size_t nodes = std::max<std::size_t>(2, of.nodes.size());
  const auto levels = static_cast<std::size_t>(std::bit_width(nodes - 1));
  // Whoever was silent for long is asked every 16th round only, until it answers.
  constexpr std::size_t back_off_rounds = 16;
  std::size_t rounds = 4 * levels + 10 + back_off_rounds;
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

simulation_report simulate(const scenario& of, const simulation_options& how) {
  return simulation(of, how).run();
}

}  // namespace gossipmonger
