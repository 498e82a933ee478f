#include "deletes.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <unordered_map>
#include <vector>

#include "cluster.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t writer = 0;
constexpr auto step = 100ms;
constexpr std::size_t writes_a_step = 10;
constexpr std::size_t name_pool = 20000;   // names used again and again
constexpr std::uint64_t age_max = 95'000;  // of a key that lives, in writes: 950 s

std::size_t resident_bytes() {
  std::ifstream pages("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  pages >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Checks one replica's subscription. It may show a write once, and none after a later one of its
/// key or after its removal. Writes are numbered, and the number is the value.
class watcher {
 public:
  explicit watcher(std::size_t node) : node_(node) {}

  void read(world& where, deletes_report& report) {
    while (const std::optional<event_view> seen = where[node_].poll_event(cursor_)) {
      if (seen->kind == event_kind::lagged || seen->kind == event_kind::peer_forgotten) {
        shown_.clear();
      }
      if (seen->peer != name_of(writer)) continue;
      if (seen->kind == event_kind::update) take_update(where, *seen, report);
      if (seen->kind == event_kind::removed) take_removal(*seen, report);
    }
    where[node_].release_changes(cursor_.sequence);
  }

 private:
  // The latest write shown of a name that is used again, and of which it was removed.
  struct of_name {
    of_name() = default;

    std::uint64_t write = 0;
    std::uint64_t version = 0;
    bool is_removed = false;
  };

  of_name& find(std::string_view key) {
    of_name& found = shown_[std::string(key)];
    return found;
  }

  void take_update(const world& where, const event_view& seen, deletes_report& report) {
    ++report.events;
    std::uint64_t write = 0;
    std::from_chars(seen.value.data(), seen.value.data() + seen.value.size(), write);
    of_name& last = find(seen.key);
    const bool is_young = write + age_max > report.writes;  // nothing else lives so long
    const bool is_later = is_young && write > last.write && seen.version > last.version;
    if (!is_later && report.violation.empty()) {
      report.violation = name_of(node_) + " shows " + std::string(seen.key) + "=" +
                         std::string(seen.value) + "@" + std::to_string(seen.version) + " after " +
                         std::to_string(last.write) + "@" + std::to_string(last.version) +
                         (last.is_removed ? " was removed" : "") + ", at " +
                         std::to_string(where.time() / 1s) + " s";
    }
    last.write = write;
    last.version = seen.version;
    last.is_removed = false;
  }

  void take_removal(const event_view& seen, deletes_report& report) {
    ++report.events;
    of_name& last = find(seen.key);
    if (last.is_removed && last.version >= seen.version && report.violation.empty()) {
      report.violation = name_of(node_) + " removes " + std::string(seen.key) + " twice";
    }
    last.version = std::max(last.version, seen.version);
    last.is_removed = true;
    // Names that are never used again are let go of 100,000 removals later, 1,000 s at least: by
    // then whatever shows them is caught by its age.
    gone_.push_back(std::string(seen.key));
    if (gone_.size() > 200'000) {
      for (std::size_t i = 0; i < 100'000; ++i) {
        if (gone_[i].front() == 'u') shown_.erase(gone_[i]);
      }
      gone_.erase(gone_.begin(), gone_.begin() + 100'000);
    }
  }

  std::size_t node_;
  change_cursor cursor_;
  std::unordered_map<std::string, of_name> shown_;
  std::vector<std::string> gone_;
};

/// Cuts one replica off now and then.
class partitions {
 public:
  explicit partitions(random_source& draws) : draws_(draws) {}

  void update(const world& where, std::chrono::nanoseconds half) {
    if (where.time() < next_) return;
    if (away_ != 0) {
      away_ = 0;
      next_ = where.time() + std::chrono::seconds(30 + draws_.below(120));
      return;
    }
    away_ = 1 + static_cast<std::size_t>(draws_.below(where.size() - 1));
    const bool is_long = !has_been_long_ && where.time() > half + 300s;
    has_been_long_ = has_been_long_ || is_long;
    next_ = where.time() + (is_long ? 600s : std::chrono::seconds(5 + draws_.below(120)));
  }
  void heal() { away_ = 0; }
  [[nodiscard]] bool is_cut(std::size_t from, std::size_t to) const {
    return away_ != 0 && (from == away_) != (to == away_);
  }

 private:
  random_source& draws_;
  std::size_t away_ = 0;
  bool has_been_long_ = false;
  std::chrono::nanoseconds next_ = 60s;
};

void sample(const world& where, bool is_settled, deletes_report& report) {
  const storage_usage own = where[writer].usage(name_of(writer));
  report.live_max = std::max(report.live_max, own.live_keys);
  for (std::size_t node = 0; node < where.size(); ++node) {
    const storage_usage used = where[node].usage(name_of(writer));
    const protocol_stats stats = where[node].stats();
    report.held_max = std::max(report.held_max, used.live_keys + used.tombstones);
    report.held_bytes_max = std::max(report.held_bytes_max, used.bytes);
    report.tombstones_max = std::max(report.tombstones_max, used.tombstones);
    report.retired_max = std::max(report.retired_max, stats.retired_entries);
    report.parked_bytes_max = std::max(report.parked_bytes_max, stats.parked_bytes);
  }
  if (!is_settled) return;
  const std::size_t resident = resident_bytes();
  if (report.rss_settled == 0) report.rss_settled = resident;
  report.rss_max = std::max(report.rss_max, resident);
}

/// Writes and erases of one step; a random one of the living is erased.
void write_step(protocol& owner, random_source& draws, std::vector<std::string>& living,
                std::size_t live_keys, deletes_report& report) {
  for (std::size_t i = 0; i < writes_a_step; ++i) {
    const std::uint64_t number = ++report.writes;
    const bool is_unique = number % 2 == 0;
    std::string key =
        is_unique ? "u" + std::to_string(number) : "r" + std::to_string(number % name_pool);
    const bool is_new = !owner.get(owner.name(), key).has_value();
    if (!owner.set(key, std::to_string(number))) report.violation = "a set was refused";
    if (is_new) living.push_back(std::move(key));
    if (living.size() < live_keys) continue;
    const std::size_t chosen = static_cast<std::size_t>(draws.below(living.size()));
    if (!owner.erase(living[chosen])) report.violation = "an erase was refused";
    ++report.erases;
    living[chosen] = std::move(living.back());
    living.pop_back();
  }
}

}  // namespace

deletes_report run_deletes(const deletes_plan& plan) {
  deletes_report report;
  world where(plan.seed);
  random_source draws(plan.seed + 1);
  where.conditions.loss = 0.05;
  where.conditions.duplication = 0.05;
  where.conditions.delay_max = 400ms;
  partitions cuts(draws);
  where.is_cut = [&cuts](std::size_t from, std::size_t to) { return cuts.is_cut(from, to); };
  config common;
  common.exchange_bytes_max = plan.exchange_bytes_max;
  add_cluster(where, 4, common);
  std::vector<watcher> watchers;
  for (std::size_t node = 0; node < 4; ++node) watchers.emplace_back(node);

  std::vector<std::string> living;
  const auto steps = static_cast<std::size_t>(plan.length / step);
  for (std::size_t i = 0; i < steps && report.violation.empty(); ++i) {
    if (i == steps / 2) {
      common.name = "late";
      watchers.emplace_back(where.add(common, writer));
    }
    cuts.update(where, plan.length / 2);
    write_step(where[writer], draws, living, plan.live_keys, report);
    where.run_for(step);
    // Some read at once, some only now and then.
    for (std::size_t w = 0; w < watchers.size(); ++w) {
      if (i % (1 + 20 * w) == 0) watchers[w].read(where, report);
    }
    if (i % (steps / plan.samples) == 0) sample(where, i >= steps / 4, report);
  }
  cuts.heal();
  where.conditions.loss = 0;
  report.has_agreed = where.run_until([&] { return where.has_agreed(); }, 200s);
  for (watcher& one : watchers) one.read(where, report);
  report.versions = where[writer].version();
  report.compactions = where[writer].stats().compactions;
  return report;
}

}  // namespace gossipmonger
