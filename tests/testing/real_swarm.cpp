#include "real_swarm.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>

#include "sim/promises.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::size_t nodes_max = 9;
constexpr milliseconds read_delay_max = 1000ms;

asio::awaitable<void> tell_leaving(simulated_node* node) {
  // How many know of it in time is left to chance.
  static_cast<void>(co_await node->leave(10s));
}

/// The io_context of a process: stopped once nothing in it runs or waits any more.
const asio::io_context& context_of(simulated_node& node) {
  const asio::any_io_executor executor = node.get_executor();
  return static_cast<const asio::io_context&>(asio::query(executor, asio::execution::context));
}

std::string_view name_of(disk_state disk) {
  switch (disk) {
    case disk_state::intact:
      return "disk intact";
    case disk_state::lost:
      return "disk lost";
    case disk_state::stale:
      return "disk stale";
    case disk_state::torn:
      return "disk torn";
  }
  return {};
}

std::uint64_t entries_sent(simulated_cluster& cluster) {
  std::uint64_t sum = 0;
  for (std::size_t node = 0; node < cluster.size(); ++node) {
    if (cluster.is_running(node)) sum += cluster[node].stats().entries_sent;
  }
  return sum;
}

}  // namespace

real_swarm::real_swarm(std::uint64_t seed)
    : draws_(seed),
      address_draws_(seed * 7919 + 2),
      cluster_(seed * 7919 + 1),
      usual_(cluster_.network().options()) {}

std::string real_swarm::run() {
  choose_faults();
  const std::size_t size = 2 + below(6);
  for (std::size_t node = 0; node < size; ++node) add();
  if (has_namesake_ && size > 2) add(true);
  for (int step = 0; step < 60; ++step) {
    happen();
    if (has_advertised_ && address_draws_.below(8) == 0) static_cast<void>(try_advertise());
    cluster_.run_for(milliseconds(below(3000)));
  }
  heal();
  for (std::size_t node = 0; node < members_.size(); ++node) add_up(node);
  add_up_network();
  demand_end();
  return fault_;
}

void real_swarm::count(std::string_view what, std::uint64_t times) {
  if (times > 0) faults_[std::string(what)] += times;
}

void real_swarm::count_restart(std::string_view what) {
  if (!is_healed_) count(what);
}

void real_swarm::blame(const std::string& fault) {
  if (fault_.empty()) fault_ = fault;
}

// --------------------------------------------------------------------------------- what is drawn

double real_swarm::percent(std::uint64_t below_this) {
  return static_cast<double>(1 + below(below_this)) / 100.0;
}

std::size_t real_swarm::any_node() { return static_cast<std::size_t>(below(members_.size())); }

/// Of releases that speak wire version 1, 1 and 2, or 2.
wire_range real_swarm::any_release() {
  const std::uint64_t release = below(3);
  return {static_cast<std::uint8_t>(release == 2 ? 2 : 1),
          static_cast<std::uint8_t>(release == 0 ? 1 : 2)};
}

void real_swarm::choose_faults() {
  for (bool* fault :
       {&has_bad_links_,      &has_cuts_,         &has_damage_,         &has_mtu_,
        &has_pauses_,         &has_clocks_,       &has_crashes_,        &has_bad_disks_,
        &has_storage_faults_, &has_slow_readers_, &has_moves_,          &has_late_joins_,
        &has_leaves_,         &has_ttls_,         &has_mixed_settings_, &has_small_tables_,
        &has_large_values_,   &has_forgettings_,  &has_changes_,        &has_wire_mix_,
        &has_short_grace_}) {
    *fault = chance(3);
  }
  // With these little but safety is demanded.
  has_small_capacities_ = chance(8);
  has_liar_ = chance(6);
  has_namesake_ = chance(6);
  has_quick_restarts_ = chance(5);
  keys_ = chance(2) || has_slow_readers_ ? 200 : 1 + below(40);
  has_advertised_ = address_draws_.below(3) == 0;
}

config real_swarm::draw_settings() {
  config settings;
  if (has_short_grace_) settings.dead_peer_grace = 20s;
  if (has_mixed_settings_) {
    if (chance(2)) settings.gossip_interval = chance(2) ? 200ms : 2000ms;
    if (chance(2)) settings.datagram_bytes_max = 1200 + static_cast<std::size_t>(below(900)) * 8;
    if (chance(3)) settings.fanout = 1 + static_cast<std::size_t>(below(3));
    if (chance(3)) settings.suspicion_rounds = chance(2) ? 0 : 4 + below(17);
  } else if (has_mtu_ && chance(2)) {
    settings.datagram_bytes_max = 4096;
  }
  if (has_small_tables_) {
    if (chance(2)) settings.parked_bytes_max = static_cast<std::size_t>(below(4)) * 2000;
    if (chance(2)) settings.retired_max = 64;
  }
  if (has_small_capacities_) {
    if (chance(2)) settings.peers_max = 1 + static_cast<std::size_t>(below(3));
    if (chance(2)) settings.keys_per_peer_max = 10 + static_cast<std::size_t>(below(40));
  }
  return settings;
}

void real_swarm::add(bool is_namesake) {
  const std::size_t node = members_.size();
  participant& added = members_.emplace_back();
  added.settings = draw_settings();
  added.settings.name = is_namesake ? "n1" : "n" + std::to_string(node);
  if (node > 0) added.settings.seeds = {cluster_.address(0).to_string()};
  if (has_slow_readers_ && chance(2)) {
    added.read_delay = chance(2) ? 100ms : read_delay_max;
    added.settings.retired_max = 64;
  }
  if (has_wire_mix_) added.wire = any_release();
  cluster_.add(added.settings, [this, node](simulated_node& self) {
    members_[node].events = std::make_shared<reader>(members_[node].read_delay);
    return reader::read(members_[node].events, &self);
  });
  if (added.wire == wire_range()) return;
  cluster_.set_wire_versions(node, added.wire);
  cluster_.restart(node);
}

void real_swarm::happen() {
  const std::size_t node = any_node();
  if (has_late_joins_ && members_.size() < nodes_max && chance(12)) {
    count("late join");
    add();
  }
  switch (below(8)) {
    case 0:
    case 1: {
      const bool is_paused = cluster_.paused_until(node) > cluster_.time();
      happen_to_keys(node);
      if (is_paused || members_[node].storage.delay == 0ns) return;
      cluster_.run_for(0s);
      if (cluster_.paused_until(node) > cluster_.time()) count("storage was slow");
      return;
    }
    case 2:
      return happen_to_links(node);
    case 3:
    case 4:
      return happen_to_runs(node);
    case 5:
      return happen_to_time(node);
    case 6:
      return happen_to_parts(node);
    default:
      return happen_by_operators(node);
  }
}

void real_swarm::happen_to_keys(std::size_t node) {
  if (has_ttls_ && chance(2)) return happen_to_leases(node);
  if (chance(4)) return happen_to_few_values(node);
  if (has_large_values_ && chance(2)) return happen_to_large_values(node);
  if (keys_ > 100 && chance(2)) {
    // Enough erasures for a compaction, which leaves slow readers behind; some are written again.
    for (std::uint64_t key = 0; key < keys_; ++key) erase(node, "k" + std::to_string(key));
    if (has_large_values_ && chance(2)) {
      // The floor waits for a value that takes many datagrams.
      count("large value behind a compaction");
      return set(node, "k0", std::to_string(++written_) + std::string(5000 + below(60'000), 'x'));
    }
  }
  for (std::uint64_t i = 1 + below(200); i > 0; --i) {
    const std::string key = "k" + std::to_string(below(keys_));
    if (chance(4)) {
      erase(node, key);
    } else {
      set(node, key, std::to_string(++written_) + std::string(below(40), 'x'));
    }
  }
}

/// Few keys of few values, the empty one among them, and of several nodes the same.
void real_swarm::happen_to_few_values(std::size_t node) {
  for (std::uint64_t i = 1 + below(3); i > 0; --i) {
    const std::string key = chance(2) ? "few" : "fewer";
    const std::uint64_t value = below(4);
    if (value == 0) {
      erase(node, key);
    } else {
      if (value == 1) count("empty value");
      set(node, key, value == 1 ? "" : value == 2 ? "a" : "b");
    }
    cluster_.run_for(milliseconds(below(1500)));
  }
}

/// A value that spans many datagrams; while it is on its way it may be displaced.
void real_swarm::happen_to_large_values(std::size_t node) {
  if (has_crashes_ && chance(3)) return write_in_two_runs(node);
  const std::string key = "k" + std::to_string(below(3));
  set(node, key, std::to_string(++written_) + std::string(5000 + below(60'000), 'x'));
  cluster_.run_for(milliseconds(below(1500)));
  if (chance(2)) set(node, key, std::to_string(++written_));
}

/// Two runs that begin with as large a value, and so have it at the same version.
void real_swarm::write_in_two_runs(std::size_t node) {
  count("large value of two runs");
  const std::string rest(5000 + below(60'000), 'x');
  decision how;
  how.disk = disk_state::lost;
  for (const char* const first : {"1", "2"}) {
    restart(node, how);
    set(node, "k0", first + rest);
    cluster_.run_for(milliseconds(500 + below(3000)));
  }
}

/// A peer's entries that the node's storage refuses wait for some rounds: meanwhile that peer is
/// forgotten.
void real_swarm::forget_while_failing(std::size_t node) {
  const std::size_t other = any_node();
  const storage_conditions before = members_[node].storage;
  members_[node].storage.failure = 0.9;
  cluster_.set_storage(node, members_[node].storage);
  for (std::uint64_t i = 1 + below(20); i > 0; --i) {
    set(other, "k" + std::to_string(below(keys_)), std::to_string(++written_));
  }
  cluster_.run_for(milliseconds(below(3000)));
  if (cluster_.is_running(node) && cluster_[node].forget(members_[other].settings.name)) {
    count("forgotten while the storage failed");
  }
  cluster_.run_for(milliseconds(below(3000)));
  members_[node].storage = before;
  cluster_.set_storage(node, before);
}

/// One key with a time to live and its set, or its erasure, and others that expire.
void real_swarm::happen_to_leases(std::size_t node) {
  const milliseconds ttl(1 + below(chance(2) ? 2000 : 20'000));
  switch (below(4)) {
    case 0:
      return erase(node, "lease");
    case 1:
      return set(node, "lease", "held");
    case 2:
      return set(node, "lease", chance(3) ? "other" : "held", ttl);
    default:
      for (std::uint64_t i = 1 + below(12); i > 0; --i) {
        set(node, "k" + std::to_string(below(keys_)), std::to_string(++written_), ttl);
      }
      return;
  }
}

/// It hears nobody, and all hear it; or the other way round.
void real_swarm::deafen(std::size_t node) {
  const bool is_deaf = chance(2);
  count(is_deaf ? "deaf" : "mute");
  for (std::size_t other = 0; other < members_.size(); ++other) {
    if (other == node) continue;
    cluster_.cut(is_deaf ? other : node, is_deaf ? node : other);
  }
}

void real_swarm::happen_to_links(std::size_t node) {
  if (has_cuts_ && chance(2)) {
    if (chance(3)) return cluster_.heal();
    if (chance(3)) return deafen(node);
    if (chance(2)) return cluster_.partition({node});
    return cluster_.cut(node, any_node());
  }
  if (!has_bad_links_ && !has_damage_ && !has_mtu_) return;
  memory_network_options way = usual_;
  if (has_bad_links_) {
    if (chance(2)) way.loss = percent(50);
    if (chance(2)) way.duplication = percent(30);
    if (chance(2)) way.delay_max = milliseconds(2 + below(800));
    if (chance(3)) way.queue_datagrams_max = 1 + static_cast<std::size_t>(below(4));
  }
  if (has_damage_) {
    if (chance(2)) way.corruption = percent(20);
    if (chance(2)) way.garbling = percent(30);
    if (chance(3)) way.truncation = percent(20);
  }
  if (has_mtu_ && chance(2)) {
    way.datagram_bytes_max = 500 + static_cast<std::size_t>(below(1000));
    way.reports_too_large = chance(2);
  }
  if (chance(4)) way = usual_;  // it heals
  if (chance(3)) {
    cluster_.network().clear_links();
    return cluster_.network().set_options(way);
  }
  count("link");
  cluster_.set_link(node, any_node(), way);
}

decision real_swarm::draw_restart() {
  decision how;
  how.salt = below(1'000'000);
  if (!has_bad_disks_) return how;
  how.disk = static_cast<disk_state>(below(4));
  how.count = 1 + below(20);
  how.generation = static_cast<generation_state>(below(3));
  return how;
}

/// Several runs one after the other, each before the others could agree on the last, without a
/// disk: all from one date, or from one that was put back.
void real_swarm::restart_quickly(std::size_t node) {
  const bool is_put_back = chance(2);
  participant& one = members_[node];
  const std::uint64_t runs = 2 + below(4);
  for (std::uint64_t run = 0; run < runs; ++run) {
    if (!is_put_back || run == 0) {
      one.wall_offset = is_put_back ? nanoseconds(-1h) : -cluster_.time();
      cluster_.set_wall_offset(node, one.wall_offset);
    }
    decision how;
    how.salt = below(1'000'000);
    how.generation = generation_state::lost;
    how.disk = chance(2) ? disk_state::lost : disk_state::intact;
    restart(node, how);
    count("quick restart");
    for (std::uint64_t key = 1 + below(6); key > 0; --key) {
      set(node, "k" + std::to_string(key), std::to_string(++written_));
    }
    if (run + 1 < runs) cluster_.run_for(milliseconds(200 + below(3000)));
  }
}

void real_swarm::happen_to_runs(std::size_t node) {
  if (has_quick_restarts_ && chance(2)) return restart_quickly(node);
  const bool is_up = cluster_.is_running(node);
  if (has_wire_mix_ && chance(4)) {
    decision how = draw_restart();
    how.wire = any_release();
    return restart(node, how);
  }
  if (has_leaves_ && is_up && chance(4)) return leave(node);
  if (has_moves_ && node > 0 && chance(3)) {
    // The first is everybody's seed, and stays where it is.
    count("move");
    return cluster_.move(node);
  }
  if (!has_crashes_ && !has_bad_disks_) return;
  if (is_up && chance(2)) {
    count("crash");
    return stop(node);
  }
  // The run's last writes are on their way to others when the next run begins.
  if (is_up && chance(2)) happen_to_keys(node);
  restart(node, draw_restart());
}

/// A running node is given another address. The first is everybody's seed, and stays where it is.
std::optional<std::size_t> real_swarm::try_advertise() {
  const auto node = 1 + static_cast<std::size_t>(address_draws_.below(members_.size() - 1));
  const bool takes_commands = cluster_.is_running(node) && !members_[node].has_left &&
                              cluster_.paused_until(node) <= cluster_.time();
  if (!takes_commands) return std::nullopt;
  cluster_.move(node);
  config wanted = cluster_[node].settings();
  wanted.advertise = cluster_.address(node);
  if (!cluster_[node].change(std::move(wanted))) blame("an address that is refused");
  if (cluster_[node].advertised_endpoint() != cluster_.address(node)) {
    blame("an address that is not advertised");
  }
  count("address advertised");
  return node;
}

void real_swarm::happen_to_time(std::size_t node) {
  if (!cluster_.is_running(node)) return;
  if (has_pauses_ && chance(2)) {
    count("pause");
    cluster_.pause(node, milliseconds(below(20'000)));
  } else if (has_clocks_) {
    count("wrong date");
    members_[node].wall_offset = milliseconds(below(400'000)) - 200s;
    cluster_.set_wall_offset(node, members_[node].wall_offset);
  }
}

void real_swarm::happen_to_parts(std::size_t node) {
  if (has_storage_faults_ && has_forgettings_ && chance(3)) return forget_while_failing(node);
  if (has_storage_faults_ && (!has_liar_ || chance(2))) {
    members_[node].storage = storage_conditions();
    if (!chance(3)) {
      members_[node].storage.failure = chance(2) ? percent(60) : 0;
      members_[node].storage.delay = milliseconds(chance(2) ? below(20) : 0);
    }
    cluster_.set_storage(node, members_[node].storage);
  } else if (has_liar_) {
    cluster_.set_mutation(1, percent(40));
  }
}

void real_swarm::happen_by_operators(std::size_t node) {
  if (!cluster_.is_running(node)) return;
  if (has_forgettings_ && chance(2)) {
    if (cluster_[node].forget(members_[any_node()].settings.name)) count("forgotten by hand");
  } else if (has_changes_ && !members_[node].has_left) {
    change_options(node);
  }
}

void real_swarm::change_options(std::size_t node) {
  // A process that stands still takes no command.
  if (cluster_.paused_until(node) > cluster_.time()) return;
  std::vector<option_value> options;
  if (chance(2)) options.emplace_back("interval", 200 + 200 * below(8));
  if (chance(3)) options.emplace_back("fanout", 1 + below(3));
  if (chance(3)) {
    const std::uint64_t times = chance(3) ? 0 : 1 + below(4);
    // The smallest is about what membership alone needs.
    const bool is_small = times == 1 && chance(2);
    options.emplace_back("budget", is_small ? 1500 : 8000 * times);
  }
  if (chance(4)) options.emplace_back("exchange_datagrams", 8 + below(120));
  if (chance(4)) options.emplace_back("digests", 1 + below(8));
  if (chance(4)) options.emplace_back("suspicion", chance(4) ? 0 : 4 + below(17));
  config wanted = cluster_[node].settings();
  apply_options(options, wanted);
  // The first one stays: who knows nobody else must find the others.
  wanted.seeds = {cluster_.address(0).to_string()};
  if (chance(4)) wanted.seeds.push_back(cluster_.address(any_node()).to_string());
  participant& one = members_[node];
  const std::vector<std::string> seeds = wanted.seeds;
  if (!cluster_[node].change(std::move(wanted))) return;
  count("options changed");
  // Its application starts it so from now on.
  apply_options(options, one.settings);
  one.settings.seeds = seeds;
}

// --------------------------------------------------------------------------- what nodes are told

void real_swarm::handle_refusal(const std::error_code& why) {
  if (why == errc::storage_failed) {
    count("storage refused a write");
  } else if (why == errc::capacity_reached) {
    count("no room for a write");
  } else if (why == errc::name_taken && has_namesake_) {
    count("name taken");
  } else {
    blame("a write that is refused: " + why.message());
  }
}

void real_swarm::set(std::size_t node, const std::string& key, const std::string& value,
                     milliseconds ttl) {
  participant& one = members_[node];
  if (!cluster_.is_running(node) || one.has_left) return;
  const bool has_ttl = ttl.count() > 0;
  const result<std::uint64_t> written =
      has_ttl ? cluster_[node].set(key, value, ttl) : cluster_[node].set(key, value);
  if (!written) return handle_refusal(written.error());
  one.leases.erase(key);
  if (has_ttl) {
    // It is for this run only: it is on no disk.
    one.app.erase(key);
    one.leases.emplace(key, cluster_.time() + ttl);
  } else {
    one.app.set(key, value);
  }
}

void real_swarm::erase(std::size_t node, const std::string& key) {
  participant& one = members_[node];
  if (!cluster_.is_running(node) || one.has_left) return;
  const auto erased = cluster_[node].erase(key);
  if (!erased) return handle_refusal(erased.error());
  one.app.erase(key);
  one.leases.erase(key);
}

void real_swarm::set_again(std::size_t node) {
  for (const auto& [key, value] : members_[node].app.disk()) {
    const result<std::uint64_t> written = cluster_[node].set(key, value);
    if (!written) handle_refusal(written.error());
  }
}

void real_swarm::leave(std::size_t node) {
  members_[node].has_left = true;
  members_[node].leases.clear();  // a node that has left writes no more
  count("leave");
  cluster_.spawn(node, tell_leaving(&cluster_[node]));
}

void real_swarm::stop(std::size_t node) {
  if (!cluster_.is_running(node)) return;
  cluster_.run_for(0s);
  demand_fold(node);
  demand_bounds(node);
  add_up(node);
  members_[node].generation = cluster_[node].generation();
  members_[node].leases.clear();
  cluster_.crash(node);
}

void real_swarm::restart(std::size_t node, const decision& how) {
  participant& one = members_[node];
  stop(node);
  const bool was_empty = one.app.disk().empty();
  const bool has_lost = one.app.lose(how);
  if (has_lost || (how.disk == disk_state::intact && !was_empty)) count_restart(name_of(how.disk));
  one.has_left = false;
  if (how.wire) {
    if (*how.wire != one.wire) count_restart("roll-out");
    one.wire = *how.wire;
    cluster_.set_wire_versions(node, one.wire);
  }
  config settings = one.settings;
  const std::uint64_t last = one.generation;
  if (how.generation == generation_state::kept) settings.generation_last = last;
  if (how.generation == generation_state::reused) {
    settings.generation_last = last - 1;
    manual_clock::set_wall_offset(nanoseconds{0});
    one.wall_offset = milliseconds(static_cast<std::int64_t>(last) - 1) - manual_clock::wall();
    cluster_.set_wall_offset(node, one.wall_offset);
  }
  cluster_.restart(node, settings);
  if (cluster_[node].generation() == last) {
    count_restart("generation reused");
  } else if (how.generation != generation_state::reused) {
    const bool is_kept = how.generation == generation_state::kept;
    count_restart(is_kept ? "generation kept" : "generation lost");
  }
  set_again(node);
}

void real_swarm::add_up(std::size_t node) {
  if (!cluster_.is_running(node)) return;
  const protocol_stats stats = cluster_[node].stats();
  const auto drops = [&stats](drop_reason why) {
    return stats.drops[static_cast<std::size_t>(why)];
  };
  count("late timer", stats.pauses);
  count("fragments", stats.fragments_applied);
  count("compaction", stats.compactions);
  count("storage refused an entry", drops(drop_reason::storage));
  count("no room for an entry", drops(drop_reason::capacity));
  count("unreadable", drops(drop_reason::wire_version));
  count("checksum", drops(drop_reason::checksum));
  count("reader lagged", members_[node].events->lags());
  count("namesake seen", members_[node].events->conflicts());
}

void real_swarm::add_up_network() {
  const memory_network_counters& of = cluster_.network().counters();
  count("lost", of.lost);
  count("duplicated", of.duplicated);
  count("reordered", of.reordered);
  count("corrupted", of.corrupted);
  count("garbled", of.garbled);
  count("truncated", of.truncated);
  count("cut", of.cut);
  count("over a silent MTU", of.too_large);
  count("over a reported MTU", of.refused);
  count("full queue", of.overflowed);
  count("mutated", of.mutated);
}

// ------------------------------------------------------------------------------ after the faults

nanoseconds real_swarm::round() const {
  nanoseconds longest{};
  for (const participant& one : members_) {
    longest = std::max<nanoseconds>(longest, one.settings.gossip_interval);
  }
  return longest;
}

bool real_swarm::is_small(const participant& one) const {
  constexpr std::size_t keys_enough = 1000;
  return one.settings.peers_max + 1 < members_.size() ||
         one.settings.keys_per_peer_max < keys_enough;
}

void real_swarm::heal() {
  end_faults();
  const auto refusing = static_cast<std::uint64_t>(std::count_if(
      members_.begin(), members_.end(), [this](const participant& one) { return is_small(one); }));
  if (refusing > 0) {
    // News goes through whoever takes everybody in: with a table too small, nothing is promised but
    // that the refused is not sent again and again.
    cluster_.run_for(60 * round());
    std::uint64_t entries = 1;
    for (std::size_t node = 0; node < members_.size(); ++node) {
      if (!cluster_.is_running(node)) continue;
      entries += 64;
      cluster_[node].for_each(cluster_[node].name(), [&](const entry_view&) { ++entries; });
    }
    demand_idle(refusing * entries);
    count("seed with little room");
  } else if (has_liar_) {
    // A liar's claims about others stay believed: the one promise is that no node breaks.
    cluster_.run_for(20 * round());
    count("seed with a liar");
  } else {
    demand_agreement();
    demand_expired();
    demand_agreement();
    demand_idle(1);
    demand_followed();
    count("seed that had to agree");
  }
  await_readers();
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    demand_fold(node);
    demand_bounds(node);
  }
}

void real_swarm::end_faults() {
  is_healed_ = true;
  cluster_.heal();
  cluster_.network().clear_links();
  cluster_.network().set_options(usual_);
  std::map<std::string, std::size_t> owners;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    cluster_.set_mutation(node, 0);
    cluster_.set_storage(node, storage_conditions());
    cluster_.set_wall_offset(node, 0ns);
    members_[node].wall_offset = 0ns;
    const auto [first, is_first] = owners.try_emplace(members_[node].settings.name, node);
    if (is_first) continue;
    // Of two under one name, the operator ends one and starts the other anew.
    stop(node);
    stop(first->second);
  }
  for (const auto& [name, node] : owners) {
    if (!cluster_.is_running(node) || members_[node].has_left) restart(node, decision());
  }
  share_wire_versions();
  // Nobody can end a pause early: what waits in the socket waits with the process.
  nanoseconds awake = cluster_.time();
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    awake = std::max(awake, cluster_.paused_until(node));
    members_[node].events->set_delay(std::min<milliseconds>(members_[node].read_delay, 1ms));
  }
  cluster_.run_for(awake - cluster_.time());
}

void real_swarm::share_wire_versions() {
  // If no version is common to all nodes, each gets a release that speaks all.
  wire_range all;
  wire_range common(1, 15);
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    all.highest = std::max(all.highest, members_[node].wire.highest);
    common.lowest = std::max(common.lowest, members_[node].wire.lowest);
    common.highest = std::min(common.highest, members_[node].wire.highest);
  }
  if (common.lowest <= common.highest) return;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node) || members_[node].wire == all) continue;
    decision upgrade;
    upgrade.wire = all;
    restart(node, upgrade);
  }
}

/// Rounds in which exchanges carry all entries that there are, as `simulate` bounds them.
std::size_t real_swarm::backlog_rounds() const {
  std::size_t bytes = 0;
  std::size_t budget = config().exchange_bytes_max;
  std::size_t running = 0;
  std::size_t fanout = 1;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    ++running;
    fanout = std::max(fanout, members_[node].settings.fanout);
  }
  const std::size_t peers = std::max<std::size_t>(2, running) - 1;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    const config& settings = members_[node].settings;
    cluster_[node].for_each(cluster_[node].name(), [&bytes](const entry_view& entry) {
      bytes += entry.key.size() + entry.value.size();
    });
    budget = std::min(budget, settings.exchange_datagrams_max * settings.datagram_bytes_max);
    if (settings.send_bytes_per_interval == 0) continue;
    // Half of what all sends share is for the rounds themselves; where the first datagrams of
    // answers take the rest, the copies for all peers advance side by side.
    const std::size_t half = settings.send_bytes_per_interval / 2;
    const bool has_bulk = half > fanout * settings.datagram_bytes_max;
    budget = std::min(budget, has_bulk ? half : half / peers);
  }
  return 2 * bytes / budget + 1;  // datagrams are not filled to the brim
}

scenario real_swarm::schedule() const {
  scenario present;
  for (const participant& one : members_) {
    scenario_node& row = present.nodes.emplace_back();
    row.settings = one.settings;
    row.wire = one.wire;
  }
  decision healed;
  healed.at = std::chrono::duration_cast<milliseconds>(cluster_.time());
  present.decisions.push_back(healed);
  return present;
}

std::size_t real_swarm::agreement_rounds() const {
  const scenario present = schedule();
  // Until a peer is live again it must answer, or advance twice.
  constexpr std::size_t status_rounds = 20;
  const std::size_t agreed = agreement_rounds_max(present);
  // The second relic of a name is refuted when it stood still.
  const bool has_relics = has_quick_restarts_ || has_bad_disks_;
  const std::size_t relic_rounds = has_relics ? longest_rounds_max(present) + agreed : 0;
  return agreed + backlog_rounds() + status_rounds + relic_rounds;
}

void real_swarm::demand_agreement() {
  const nanoseconds limit = static_cast<std::int64_t>(agreement_rounds()) * round();
  if (!cluster_.run_until([this] { return cluster_.has_agreed(); }, limit)) {
    blame("no agreement after everything healed");
  }
}

void real_swarm::demand_expired() {
  nanoseconds last = cluster_.time();
  for (const participant& one : members_) {
    for (const auto& [key, deadline] : one.leases) last = std::max(last, deadline);
  }
  // A storage that failed is asked again every 16th round at most.
  cluster_.run_for(last - cluster_.time() + 16 * round());
  for (std::size_t node = 0; node < members_.size(); ++node) {
    for (const auto& [key, deadline] : members_[node].leases) {
      count("expired");
      if (cluster_[node].get(cluster_[node].name(), key)) blame(key + " outlives its time");
    }
  }
}

void real_swarm::demand_idle(std::uint64_t entries_max) {
  // A few rounds for what was under way, and what waits for a budget is sent though others were
  // faster; then nobody sends what the other has.
  cluster_.run_for(static_cast<std::int64_t>(10 + backlog_rounds()) * round());
  const std::uint64_t before = entries_sent(cluster_);
  cluster_.run_for(6 * round());
  const std::uint64_t sent = entries_sent(cluster_) - before;
  if (sent >= entries_max) blame(std::to_string(sent) + " entries sent though all agree");
}

bool real_swarm::is_starved() const {
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    const std::size_t budget = members_[node].settings.send_bytes_per_interval;
    const std::size_t needed = cluster_[node].stats().membership_bytes_per_interval;
    if (budget != 0 && 2 * needed > budget) return true;
  }
  return false;
}

/// All nodes take the address that one of them advertises now. A round in which a byte budget
/// starves membership does not count.
void real_swarm::demand_followed() {
  if (!has_advertised_) return;
  const std::optional<std::size_t> moved = try_advertise();
  if (!moved) return;
  const auto have_followed = [this, moved] {
    for (std::size_t node = 0; node < members_.size(); ++node) {
      if (node == *moved || !cluster_.is_running(node)) continue;
      const std::vector<member> known = cluster_[node].members();
      const bool has_followed = std::ranges::any_of(known, [&](const member& one) {
        return one.name == members_[*moved].settings.name && one.status == peer_status::live &&
               one.address == cluster_.address(*moved);
      });
      if (!has_followed) return false;
    }
    return true;
  };
  const std::size_t limit = address_rounds_max(schedule());
  std::size_t starved = 0;
  for (std::size_t rounds = 0; !have_followed(); ++rounds) {
    if (rounds - starved >= limit) return blame("an address that peers do not follow");
    if (is_starved()) ++starved;
    cluster_.run_for(round());
  }
  count("address followed");
}

void real_swarm::await_readers() {
  const auto have_read = [this] {
    for (std::size_t node = 0; node < members_.size(); ++node) {
      if (cluster_.is_running(node) && !members_[node].events->is_waiting()) return false;
    }
    return true;
  };
  if (!cluster_.run_until(have_read, 120s)) blame("a reader that does not come to an end");
}

void real_swarm::demand_bounds(std::size_t node) {
  const simulated_node& one = cluster_[node];
  const std::vector<member> peers = one.members();
  if (peers.size() - 1 > one.settings().peers_max) blame("more peers than there is room for");
  for (const member& peer : peers) {
    std::size_t keys = 0;
    one.for_each(peer.name, [&keys](const entry_view&) { ++keys; });
    // Of others twice as much, while this one is behind or a floor waits for its time.
    const std::size_t most = one.settings().keys_per_peer_max;
    const std::size_t allowed = peer.status == peer_status::self ? most : 2 * most + 2;
    if (keys > allowed) blame("more keys than there is room for");
  }
}

void real_swarm::demand_fold(std::size_t node) {
  const reader& events = *members_[node].events;
  if (!events.order_fault().empty()) blame(events.order_fault());
  // The reader of a paused node, or a slow reader, may not have read all yet.
  if (!events.is_waiting() || cluster_.paused_until(node) > cluster_.time()) return;
  count("fold compared");
  const std::string fault = events.fold_fault(cluster_[node]);
  if (!fault.empty()) blame(fault);
}

/// While everything is still there, so that what has ended has done so by itself.
void real_swarm::demand_end() {
  std::vector<std::size_t> running;
  std::vector<const asio::io_context*> processes;
  for (std::size_t node = 0; node < members_.size(); ++node) {
    if (!cluster_.is_running(node)) continue;
    running.push_back(node);
    processes.push_back(&context_of(cluster_[node]));
    // The slow ones have something to read, and stand in their pause.
    members_[node].events->set_delay(members_[node].read_delay);
    static_cast<void>(cluster_[node].set("last", "1"));
  }
  cluster_.run_for(0s);
  for (const std::size_t node : running) {
    if (!members_[node].events->is_waiting()) count("stop while a reader pauses");
    cluster_[node].stop();
  }
  cluster_.run_for(0s);
  for (std::size_t i = 0; i < running.size(); ++i) {
    const participant& one = members_[running[i]];
    if (one.read_delay > 0ms) continue;
    if (one.events->is_running()) blame("a reader that outlives its node's stop");
    if (!processes[i]->stopped()) blame("a run that outlives its node's stop");
  }
  cluster_.run_for(read_delay_max);
  for (std::size_t i = 0; i < running.size(); ++i) {
    if (members_[running[i]].events->is_running()) {
      blame("a slow reader that outlives its node's stop");
    }
    if (!processes[i]->stopped()) blame("something that outlives its node's stop");
  }
}

}  // namespace gossipmonger
