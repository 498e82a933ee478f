#include "sim/swarm.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

class swarm_drawing {
 public:
  explicit swarm_drawing(std::uint64_t seed)
      : draws_(seed * 0x9e3779b97f4a7c15 + 1),
        address_draws_(seed * 0x9e3779b97f4a7c15 + 2),
        sums_draws_(seed * 0x9e3779b97f4a7c15 + 7) {
    drawn_.seed = seed;
  }

  scenario draw() {
    choose_faults();
    has_advertised_ = address_draws_.below(3) == 0;
    draw_nodes();
    draw_starts();
    const std::uint64_t steps = is_large_ ? 12 : 20 + below(60);
    for (std::uint64_t step = 0; step < steps; ++step) {
      now_ += milliseconds(below(is_large_ ? 3000 : 1500));
      happen();
      if (has_advertised_ && address_draws_.below(8) == 0) advertise();
    }
    now_ += milliseconds(below(5000));
    decide(decision_kind::heal, 0);
    if (has_advertised_) advertise();
    draw_crashes();
    return std::move(drawn_);
  }

 private:
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return draws_.below(bound); }
  [[nodiscard]] bool chance(std::uint64_t one_in) { return draws_.below(one_in) == 0; }
  [[nodiscard]] double percent(std::uint64_t below_this) {
    return static_cast<double>(1 + below(below_this)) / 100.0;
  }
  decision& decide(decision_kind kind, std::size_t node) {
    decision& made = drawn_.decisions.emplace_back();
    made.at = now_;
    made.kind = kind;
    made.node = node;
    return made;
  }
  [[nodiscard]] std::size_t any_node() {
    return static_cast<std::size_t>(below(drawn_.nodes.size()));
  }

  void choose_faults() {
    is_large_ = chance(40);
    for (bool* fault :
         {&has_bad_links_,      &has_cuts_,           &has_damage_,       &has_mtu_,
          &has_pauses_,         &has_clocks_,         &has_crashes_,      &has_bad_disks_,
          &has_storage_faults_, &has_slow_readers_,   &has_moves_,        &has_late_joins_,
          &has_leaves_,         &has_mixed_settings_, &has_small_tables_, &has_large_values_,
          &has_ttls_,           &has_forgettings_,    &has_changes_,      &has_wire_mix_}) {
      *fault = chance(3);
    }
    has_crowds_ = chance(4);
    has_duplicate_ = chance(12);
    has_mutator_ = chance(12);
    has_short_grace_ = chance(3);
    has_quick_restarts_ = chance(6);
    has_sums_ = sums_draws_.below(3) == 0;
    // Where one node alone reads the versions of two others, and bears the name of one of them, it
    // does not relay that one.
    if (has_duplicate_) has_wire_mix_ = false;
  }

  void draw_nodes() {
    const std::size_t count =
        is_large_ ? 60 : 2 + static_cast<std::size_t>(below(chance(2) ? 4 : 8));
    keys_ = chance(2) ? 1 + below(40) : 200;
    for (std::size_t i = 0; i < count; ++i) {
      scenario_node& node = drawn_.nodes.emplace_back();
      node.settings.name = "n" + std::to_string(i);
      node.settings.gossip_interval = 200ms;
      if (i > 0) node.seeds.push_back(0);
      if (i > 1 && chance(3)) node.seeds.push_back(1);
      if (has_short_grace_) node.settings.dead_peer_grace = 20s;
      if (has_mixed_settings_) mix_settings(node.settings);
      if (has_small_tables_) shrink_tables(node.settings, count);
      if (has_crowds_ && chance(2)) prepare_for_crowds(node.settings, count);
      if (has_wire_mix_) node.wire = any_release();
      // Small clusters tell sums too, and some of their nodes rows.
      if (has_sums_ && sums_draws_.below(6) != 0) {
        node.settings.sums_peers_min = 1 + static_cast<std::size_t>(sums_draws_.below(3));
      }
      if (has_large_values_ && chance(2)) {
        node.settings.partial_bytes_max = node.settings.value_bytes_max;
      }
      if (has_slow_readers_ && chance(2)) {
        node.read_interval = milliseconds(500 + below(20'000));
        if (!chance(4)) node.settings.retired_max = 64;
      }
    }
    if (has_duplicate_ && count > 2) drawn_.nodes.back().settings.name = "n1";
  }

  void mix_settings(config& settings) {
    if (chance(2)) settings.gossip_interval = milliseconds(100 + 100 * below(3));
    if (chance(3)) settings.fanout = 1 + static_cast<std::size_t>(below(3));
    if (chance(4)) settings.digest_datagrams_max = 1;
    if (chance(3)) settings.datagram_bytes_max = 1200 + static_cast<std::size_t>(below(900)) * 8;
    if (chance(6)) settings.exchange_datagrams_max = 1 + static_cast<std::size_t>(below(12));
    if (chance(4)) settings.exchange_bytes_max = 1200 + static_cast<std::size_t>(below(8)) * 1200;
    settings.exchange_bytes_max =
        std::max(settings.exchange_bytes_max, settings.datagram_bytes_max);
    if (chance(4)) settings.seed_every_rounds = 4;
    if (chance(4)) settings.detector_window = 8;
    if (chance(3)) settings.suspicion_rounds = any_suspicion();
    if (chance(4)) settings.dead_peer_phi = 40;
  }
  [[nodiscard]] std::size_t any_suspicion() {
    return chance(4) ? 0 : 4 + static_cast<std::size_t>(below(17));
  }
  /// Of releases that speak wire version 1, 1 and 2, or 2.
  [[nodiscard]] wire_range any_release() {
    const auto release = below(3);
    return {static_cast<std::uint8_t>(release == 2 ? 2 : 1),
            static_cast<std::uint8_t>(release == 0 ? 1 : 2)};
  }

  void shrink_tables(config& settings, std::size_t count) {
    if (chance(3)) settings.parked_bytes_max = static_cast<std::size_t>(below(4)) * 2000;
    if (chance(3)) settings.retired_max = 64;
    if (chance(6)) settings.peers_max = 1 + static_cast<std::size_t>(below(count));
    if (chance(6)) settings.keys_per_peer_max = 10 + static_cast<std::size_t>(below(40));
    if (chance(6)) settings.bytes_per_peer_max = 1024 * (1 + static_cast<std::size_t>(below(16)));
    if (chance(3)) settings.unverified_addresses_max = 1 + static_cast<std::size_t>(below(4));
  }

  /// A book of addresses that can be filled, and a budget that makes answers wait.
  void prepare_for_crowds(config& settings, std::size_t count) {
    if (chance(2)) settings.peers_max = count;
    if (chance(3)) return;
    const std::size_t least =
        std::max<std::size_t>(is_large_ ? 24'000 : 12'000, 2 * settings.datagram_bytes_max);
    settings.send_bytes_per_interval = least * (1 + static_cast<std::size_t>(below(3)));
  }

  void draw_starts() {
    for (std::size_t i = 0; i < drawn_.nodes.size(); ++i) {
      if (i > 0 && has_late_joins_ && chance(2)) {
        late_.push_back(i);
        continue;
      }
      decide(decision_kind::start, i);
      now_ += milliseconds(below(is_large_ ? 20 : 300));
    }
  }

  /// One datagram again and again, from its sender or from anywhere; or addresses of nobody, as
  /// many as fill the book.
  void happen_to_crowds() {
    const std::size_t node = any_node();
    if (chance(3)) {
      const std::uint64_t times = 1 + below(7);
      for (std::uint64_t i = 0; i < times; ++i) {
        decide(decision_kind::join, node).count = 64;
        now_ += milliseconds(1500);
      }
      return;
    }
    const bool is_flood = chance(2);
    decide(is_flood ? decision_kind::flood : decision_kind::replay, node).count = 40 + below(500);
  }

  void happen() {
    if (has_crowds_ && chance(6)) happen_to_crowds();
    if (!late_.empty() && chance(4)) {
      decide(decision_kind::start, late_.back());
      late_.pop_back();
    }
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return happen_to_keys();
      case 10:
        return happen_to_large_values();
      case 11:
        return happen_by_operators();
      case 3:
      case 4:
        return happen_to_links();
      case 5:
      case 6:
        return happen_to_runs();
      case 7:
        return happen_to_time();
      default:
        return happen_to_parts();
    }
  }

  /// Enough erasures at once for a compaction, and what it kept is written again.
  void churn(std::size_t node) {
    decision& erased = decide(decision_kind::wipe, node);
    erased.count = 150 + below(150);
    erased.keys = keys_;
    erased.salt = below(1'000'000);
    decision& written = decide(decision_kind::write, node);
    written.count = 100;
    written.keys = keys_;
    written.bytes = 50 + below(300);
    written.salt = below(1'000'000);
    // The floor waits for a value that takes many datagrams.
    if (has_large_values_ && chance(2)) write_large(node);
  }

  /// A value that spans many datagrams.
  decision& write_large(std::size_t node) {
    decision& made = decide(decision_kind::write, node);
    made.count = 1;
    made.keys = 1 + below(3);
    made.bytes = 5000 + below(60'000);
    made.salt = below(1'000'000);
    return made;
  }

  /// Few keys of few values, the empty one among them, and of several nodes the same.
  void happen_to_few_values() {
    const std::size_t node = any_node();
    const std::uint64_t times = 1 + below(3);
    for (std::uint64_t i = 0; i < times; ++i) {
      const bool is_erased = chance(3);
      decision& made = decide(is_erased ? decision_kind::erase : decision_kind::set, node);
      made.key = chance(2) ? "few" : "fewer";
      if (is_erased) continue;
      const std::uint64_t value = below(3);
      if (value > 0) made.value = value == 1 ? "a" : "b";
      now_ += milliseconds(below(1000));
    }
  }

  /// One key with a time to live and its set, equal or not, its erasure, and others that expire.
  void happen_to_leases() {
    const std::size_t node = any_node();
    const milliseconds ttl(1 + below(chance(2) ? 1000 : 10'000));
    if (chance(3)) {
      decision& made = decide(decision_kind::write, node);
      made.count = 1 + below(chance(4) ? 200 : 12);
      made.keys = keys_;
      made.bytes = below(20);
      made.salt = below(1'000'000);
      made.length = ttl;
      return;
    }
    const bool is_erased = chance(6);
    const bool is_plain = chance(3);
    decision& made = decide(is_erased  ? decision_kind::erase
                            : is_plain ? decision_kind::set
                                       : decision_kind::set_ttl,
                            node);
    made.key = "lease";
    if (is_erased) return;
    made.value = chance(3) ? "other" : "held";
    if (!is_plain) made.length = ttl;
  }

  /// A value that spans many datagrams; while it is on its way it is displaced, or the owner or
  /// somebody who has half of it starts anew.
  void happen_to_large_values() {
    if (!has_large_values_) return;
    const std::size_t node = any_node();
    if (has_crashes_ && chance(3)) return write_in_two_runs(node);
    const decision first = write_large(node);
    if (chance(2)) {
      // Of two owners at once, so that they share the room for what is under way.
      const std::size_t other = any_node();
      decide(decision_kind::write, other) = first;
      drawn_.decisions.back().node = other;
    }
    now_ += milliseconds(below(600));
    if (chance(2)) {
      decide(decision_kind::write, node) = first;
      drawn_.decisions.back().at = now_;
      if (chance(2)) drawn_.decisions.back().bytes = below(2000);
    } else if (has_crashes_) {
      decision& restarted = decide(decision_kind::restart, chance(2) ? node : any_node());
      restarted.salt = below(1'000'000);
    }
  }

  /// Two runs that begin with as large a value, and so have it at the same version.
  void write_in_two_runs(std::size_t node) {
    decide(decision_kind::restart, node).disk = disk_state::lost;
    const decision first = write_large(node);
    now_ += milliseconds(500 + below(3000));
    decide(decision_kind::restart, node).disk = disk_state::lost;
    decide(decision_kind::write, node) = first;
    drawn_.decisions.back().at = now_;
  }

  void happen_by_operators() {
    if (has_forgettings_ && drawn_.nodes.size() > 1 && chance(2)) {
      if (has_clocks_ && chance(3)) return forget_a_wrong_date();
      const std::size_t node = any_node();
      decision& made = decide(decision_kind::forget, node);
      made.other = any_node();
      return;
    }
    if (has_changes_) change_options(any_node());
  }

  /// One that crashed is forgotten by somebody, and comes back with a date of the day after
  /// tomorrow, which is refused; the others still have what it was before.
  void forget_a_wrong_date() {
    const std::size_t node = any_node();
    decide(decision_kind::crash, node);
    now_ += milliseconds(below(3000));
    decision& forgotten = decide(decision_kind::forget, any_node());
    forgotten.other = node;
    decide(decision_kind::clock, node).length = milliseconds(200'000'000 + below(1'000'000));
    now_ += milliseconds(below(1000));
    decide(decision_kind::restart, node).salt = below(1'000'000);
  }

  void change_options(std::size_t node) {
    decision& made = decide(decision_kind::change, node);
    const std::uint64_t least_budget = is_large_ ? 24'000 : 6000;
    const auto change = [&made](const char* name, std::uint64_t to) {
      made.options.emplace_back(name, to);
    };
    if (chance(2)) change("interval", 100 + 100 * below(5));
    if (chance(3)) change("fanout", 1 + below(3));
    if (chance(3)) {
      // The smallest is about what a cluster of a dozen needs for membership alone, or less.
      const bool has_none = chance(3);
      const std::uint64_t times = has_none ? 0 : 1 + below(4);
      change("budget", times == 1 && !is_large_ ? 1500 : least_budget * times);
    }
    if (chance(4)) change("exchange", 8400 + 1200 * below(8));
    if (chance(4)) change("exchange_datagrams", 8 + below(120));
    if (chance(4)) change("digests", 1 + below(8));
    if (chance(4)) change("suspicion", any_suspicion());
    if (chance(4)) change("seed_rounds", 4 + below(12));
    // The first one stays: a node that knows no other seed must find the others.
    if (chance(4) || made.options.empty()) made.seeds = {0, any_node()};
  }

  void happen_to_keys() {
    if (has_ttls_ && chance(2)) return happen_to_leases();
    if (chance(5)) return happen_to_few_values();
    if (keys_ > 100 && chance(4)) return churn(any_node());
    const bool is_wipe = chance(2);
    decision& made = decide(is_wipe ? decision_kind::wipe : decision_kind::write, any_node());
    const bool is_many = keys_ > 100 || chance(4);
    made.count = 1 + below(is_many ? 200 : 12);
    made.keys = keys_;
    made.bytes = is_wipe ? 0 : below(chance(5) ? 900 : 20);
    made.salt = below(1'000'000);
    if (!is_wipe && has_large_values_ && chance(2)) {
      made.count = 1 + below(4);
      made.bytes = 2000 + below(30'000);
    }
  }

  /// A node hears no other, or no other hears it, or that ends.
  void happen_to_hearing() {
    const std::size_t node = any_node();
    const bool is_deaf = chance(2);
    decision& made = decide(decision_kind::link, is_deaf ? decision::everybody : node);
    made.other = is_deaf ? node : decision::everybody;
    made.way.is_cut = !chance(3);
  }

  void happen_to_links() {
    if (has_cuts_ && chance(4)) return happen_to_hearing();
    if (!has_bad_links_ && !has_cuts_ && !has_damage_ && !has_mtu_) return;
    const bool is_all = chance(3);
    decision& made = decide(decision_kind::link, is_all ? decision::everybody : any_node());
    made.other = is_all ? decision::everybody : any_node();
    if (chance(4)) return;  // this link heals
    if (has_bad_links_) {
      if (chance(2)) made.way.loss = percent(50);
      if (chance(2)) made.way.duplication = percent(30);
      if (chance(3)) made.way.late_max = milliseconds(below(30'000));
      if (chance(2)) made.way.delay_max = milliseconds(2 + below(800));
      if (chance(4)) made.way.inbox_datagrams_max = 1 + static_cast<std::size_t>(below(8));
    }
    if (has_damage_) {
      if (chance(2)) made.way.corruption = percent(20);
      if (chance(2)) made.way.garbling = percent(30);
      if (chance(3)) made.way.truncation = percent(20);
    }
    if (has_mtu_ && chance(2)) made.way.mtu_bytes = 500 + static_cast<std::size_t>(below(700));
    if (has_cuts_ && !is_all) made.way.is_cut = chance(2);
  }

  /// Several runs one after the other, each before the others could agree on the last. Without a
  /// disk all begin at one date, or at one that was put back.
  void restart_quickly() {
    const std::size_t node = any_node();
    const bool is_put_back = chance(2);
    const std::uint64_t runs = 2 + below(4);
    for (std::uint64_t i = 0; i < runs; ++i) {
      if (!is_put_back || i == 0) {
        // The date at which the schedule began, or an hour before the present one.
        decide(decision_kind::clock, node).length = is_put_back ? milliseconds(-3'600'000) : -now_;
      }
      decision& made = decide(decision_kind::restart, node);
      made.salt = below(1'000'000);
      made.generation = generation_state::lost;
      if (chance(2)) made.disk = disk_state::lost;
      decision& written = decide(decision_kind::write, node);
      written.count = 1 + below(6);
      written.keys = 6;
      written.bytes = below(20);
      written.salt = below(1'000'000);
      if (i + 1 < runs) now_ += milliseconds(40 + below(chance(4) ? 3000 : 640));
    }
  }

  void happen_to_runs() {
    if (has_quick_restarts_ && chance(2)) return restart_quickly();
    const std::size_t node = any_node();
    if (has_crashes_ && chance(2)) {
      if (has_bad_links_ && chance(4)) return crash_before_its_copies(node);
      if (chance(2)) {
        decide(decision_kind::crash, node);
        return;
      }
      if (chance(2)) write_before_restart(node);
      decision& made = decide(decision_kind::restart, node);
      made.salt = below(1'000'000);
      if (has_wire_mix_ && chance(2)) made.wire = any_release();
      if (has_bad_disks_) {
        made.disk = static_cast<disk_state>(below(4));
        made.count = made.disk == disk_state::stale ? 1 + below(20) : 0;
        made.generation = static_cast<generation_state>(below(3));
      }
      return;
    }
    if (has_wire_mix_ && chance(3)) decide(decision_kind::restart, node).wire = any_release();
    if (has_leaves_ && chance(6)) decide(decision_kind::leave, node);
    if (has_moves_ && chance(3) && node > 0) {
      decide(decision_kind::move, node);
      if (!chance(3)) return;
      // As behind a NAT that binds to the former port again.
      now_ += milliseconds(below(6000));
      decide(decision_kind::back, node);
    }
  }

  /// The last writes of a run are on a long way to the others when the next run begins.
  void write_before_restart(std::size_t node) {
    if (has_bad_links_) {
      decision& slow = decide(decision_kind::link, any_node());
      slow.other = decision::everybody;
      slow.way.delay_max = milliseconds(200 + below(1200));
    }
    decision& written = decide(decision_kind::write, node);
    written.count = 1 + below(60);
    written.keys = keys_;
    written.bytes = below(200);
    written.salt = below(1'000'000);
    now_ += milliseconds(below(600));
  }

  /// A node crashes on a long path. Copies of its last datagrams come after the others declared it
  /// dead, and some of them would still count as fresh.
  void crash_before_its_copies(std::size_t node) {
    decision& slow = decide(decision_kind::link, node);
    slow.other = decision::everybody;
    slow.way.duplication = 0.5;
    slow.way.delay_max = 800ms;
    slow.way.late_max = milliseconds(3000 + below(3000));
    now_ += milliseconds(2000 + below(2000));
    decide(decision_kind::crash, node);
    now_ += milliseconds(4000);
  }

  void happen_to_time() {
    const std::size_t node = any_node();
    if (has_pauses_ && chance(2)) {
      decide(decision_kind::pause, node).length = milliseconds(below(10'000));
    } else if (has_clocks_) {
      decision& made = decide(decision_kind::clock, node);
      made.length = milliseconds(static_cast<std::int64_t>(below(400'000)) - 200'000);
      if (chance(20)) made.length *= 1000;  // more than a day
      if (chance(2)) made.ppm = static_cast<std::int64_t>(below(200'000)) - 100'000;
    }
  }

  void happen_to_parts() {
    const std::size_t node = any_node();
    if (has_storage_faults_ && has_forgettings_ && chance(3)) return forget_while_failing();
    if (has_storage_faults_ && chance(2)) {
      decision& made = decide(decision_kind::storage, node);
      if (chance(3)) return;
      made.storage.failure = chance(2) ? percent(60) : 0;
      made.storage.delay = milliseconds(chance(2) ? below(20) : 0);
    } else if (has_slow_readers_) {
      decide(decision_kind::reader, node).length = milliseconds(chance(2) ? below(20'000) : 0);
    } else if (has_mutator_) {
      decide(decision_kind::mutate, drawn_.nodes.size() - 1).part = percent(40);
    }
  }

  /// A node forgets a peer while entries that its storage refused wait for a few rounds.
  void forget_while_failing() {
    const std::size_t node = any_node();
    const std::size_t other = any_node();
    decide(decision_kind::storage, node).storage.failure = 0.9;
    decision& written = decide(decision_kind::write, other);
    written.count = 1 + below(20);
    written.keys = keys_;
    written.bytes = below(20);
    written.salt = below(1'000'000);
    now_ += milliseconds(below(1500));
    decide(decision_kind::forget, node).other = other;
    if (chance(2)) decide(decision_kind::crash, other);
    now_ += milliseconds(below(1500));
    decide(decision_kind::storage, node);
  }

  /// A running node other than the first, which the others have for a seed.
  void advertise() {
    const std::uint64_t others = drawn_.nodes.size() - 1;
    decide(decision_kind::advertise, 1 + static_cast<std::size_t>(address_draws_.below(others)));
  }

  /// After all has healed: some crash or become deaf, never the first one, which the others have
  /// for a seed.
  void draw_crashes() {
    if (chance(3)) return;
    const std::size_t count = 1 + static_cast<std::size_t>(below((drawn_.nodes.size() + 2) / 4));
    for (std::size_t i = 0; i < count; ++i) {
      decide(decision_kind::crash, 1 + static_cast<std::size_t>(below(drawn_.nodes.size() - 1)));
    }
    if (chance(3)) {
      decision& deafened = decide(decision_kind::link, decision::everybody);
      deafened.other = 1 + static_cast<std::size_t>(below(drawn_.nodes.size() - 1));
      deafened.way.is_cut = true;
    }
    decide(decision_kind::detect, 0);
  }

  scenario drawn_;
  random_source draws_;
  // Addresses that running nodes advertise are drawn apart: seeds without them keep their traces.
  random_source address_draws_;
  random_source sums_draws_;  // apart too: all else that a seed draws stays as it was
  milliseconds now_{};
  std::uint64_t keys_ = 0;
  std::vector<std::size_t> late_;
  bool is_large_ = false;
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
  bool has_large_values_ = false;
  bool has_ttls_ = false;
  bool has_forgettings_ = false;
  bool has_changes_ = false;
  bool has_wire_mix_ = false;
  bool has_crowds_ = false;
  bool has_duplicate_ = false;
  bool has_mutator_ = false;
  bool has_short_grace_ = false;
  bool has_quick_restarts_ = false;
  bool has_sums_ = false;
  bool has_advertised_ = false;
};

}  // namespace

scenario draw_scenario(std::uint64_t seed) { return swarm_drawing(seed).draw(); }

}  // namespace gossipmonger
