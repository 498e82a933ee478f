// How soon a crash is found, and how often a live peer is declared dead, in the simulated world:
// the figures of tools/DEPLOYMENT.md. Same options, same figures, on every machine.
//
//     liveness [--nodes N] [--loss PERCENT] [--rounds R] [--crashes C] [--at-once K] [--seed S]
//              [--seconds T] [--budget BYTES] [--fanout F]
//
// Runs N nodes until they agree. Then come R rounds in which nobody fails, and it counts the nodes
// declared dead. Then come C crashes, one or K at a time. Every other node sees each through before
// those that crashed come back. T bounds what it may take: it stops early, and its line says what
// was run. BYTES is the byte budget of each node in a round (`send_bytes_per_interval`), once all
// know each other.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gossipmonger/testing/random.hpp"
#include "sim/world.hpp"

namespace {

using namespace gossipmonger;
using namespace std::chrono_literals;

struct options {
  options() = default;

  std::size_t nodes = 30;
  double loss_percent = 5;
  std::size_t rounds = 1000;
  std::size_t crashes = 10;
  std::size_t at_once = 1;
  std::uint64_t seed = 1;
  double seconds = 1e9;
  std::size_t suspicion_rounds = config().suspicion_rounds;
  std::size_t budget = 0;
  std::size_t fanout = config().fanout;
};

struct figures {
  figures() = default;

  std::uint64_t node_rounds = 0;
  std::uint64_t declared_dead = 0;  // of live peers
  std::vector<double> detections;   // rounds, of every observer and crash
  std::vector<double> last;         // of each crash, the last observer
  std::uint64_t suspicions_raised = 0;
  double bytes_a_node_round = 0;
};

class measurement {
 public:
  explicit measurement(const options& chosen)
      : chosen_(chosen),
        world_(chosen.seed),
        draws_(chosen.seed + 1),
        began_(std::chrono::steady_clock::now()) {
    for (std::size_t node = 0; node < chosen.nodes; ++node) {
      config settings;
      settings.name = name_of(node);
      settings.suspicion_rounds = chosen.suspicion_rounds;
      settings.fanout = chosen.fanout;
      world_.add(settings, node == 0 ? std::nullopt : std::optional<std::size_t>(0));
    }
  }

  figures run() {
    if (!world_.run_until([this] { return world_.has_agreed(); }, 600s, 5s)) {
      std::fputs("the nodes did not agree\n", stderr);
      std::exit(1);
    }
    world_.conditions.loss = chosen_.loss_percent / 100;
    set_budget();
    world_.run_for(30s);
    run_quiet();
    while (measured_.last.size() < chosen_.crashes && !is_late()) run_crashes();
    std::sort(measured_.detections.begin(), measured_.detections.end());
    std::sort(measured_.last.begin(), measured_.last.end());
    return measured_;
  }

 private:
  static std::string name_of(std::size_t node) { return "n" + std::to_string(node); }

  /// From now on, and after a restart.
  void set_budget() {
    if (chosen_.budget == 0) return;
    for (std::size_t node = 0; node < chosen_.nodes; ++node) {
      config settings = world_.settings(node);
      settings.send_bytes_per_interval = chosen_.budget;
      if (world_.try_change(node, settings)) continue;
      std::fprintf(stderr, "a budget of %zu bytes is not allowed\n", chosen_.budget);
      std::exit(2);
    }
  }

  [[nodiscard]] bool is_late() const {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began_;
    return spent.count() > chosen_.seconds;
  }

  [[nodiscard]] std::uint64_t sum(std::uint64_t protocol_stats::* counter) const {
    std::uint64_t all = 0;
    for (std::size_t node = 0; node < chosen_.nodes; ++node) all += world_[node].stats().*counter;
    return all;
  }

  void run_quiet() {
    const std::uint64_t declared_dead = sum(&protocol_stats::declared_dead);
    const std::uint64_t suspicions = sum(&protocol_stats::suspicions_raised);
    const std::uint64_t bytes = world_.counters().bytes;
    constexpr std::size_t step = 10;
    for (std::size_t round = 0; round < chosen_.rounds && !is_late(); round += step) {
      world_.run_for(step * 1s);
      measured_.node_rounds += step * chosen_.nodes;
    }
    measured_.declared_dead = sum(&protocol_stats::declared_dead) - declared_dead;
    measured_.suspicions_raised = sum(&protocol_stats::suspicions_raised) - suspicions;
    if (measured_.node_rounds == 0) return;
    measured_.bytes_a_node_round = static_cast<double>(world_.counters().bytes - bytes) /
                                   static_cast<double>(measured_.node_rounds);
  }

  /// `at_once` crashes within five rounds, so that a large cluster is not run for one of them only.
  void run_crashes() {
    struct crash {
      std::size_t victim = 0;
      std::chrono::nanoseconds at{};
      std::vector<std::size_t> waiting;
    };
    std::vector<std::size_t> order(chosen_.nodes);
    for (std::size_t node = 0; node < order.size(); ++node) order[node] = node;
    draws_.shuffle(std::span<std::size_t>(order));
    std::vector<crash> crashes(std::min(chosen_.at_once, order.size() / 2));
    const std::vector<std::size_t> observers(
        order.begin() + static_cast<std::ptrdiff_t>(crashes.size()), order.end());
    for (std::size_t i = 0; i < crashes.size(); ++i) {
      world_.run_for(std::chrono::milliseconds(draws_.below(10'000 / crashes.size())));
      crashes[i].victim = order[i];
      crashes[i].at = world_.time();
      crashes[i].waiting = observers;
      world_.crash(order[i]);
    }
    for (bool is_waiting = true; is_waiting;) {
      world_.run_for(100ms);
      is_waiting = false;
      for (crash& one : crashes) {
        if (one.waiting.empty()) continue;
        observe(one.victim, std::chrono::duration<double>(world_.time() - one.at) / 1s,
                one.waiting);
        is_waiting = is_waiting || !one.waiting.empty();
      }
    }
    for (const crash& one : crashes) world_.restart(one.victim);
    world_.run_for(30s);
  }

  void observe(std::size_t victim, double rounds, std::vector<std::size_t>& waiting) {
    const std::string name = name_of(victim);
    std::erase_if(waiting, [&](std::size_t node) {
      const std::optional<member> seen = world_[node].find_member(name, world_.now(node));
      if (seen && seen->status != peer_status::dead) return false;
      measured_.detections.push_back(rounds);
      return true;
    });
    if (waiting.empty()) measured_.last.push_back(rounds);
    if (rounds < 5000) return;
    std::fputs("a crash was not found in 5,000 rounds\n", stderr);
    std::exit(1);
  }

  options chosen_;
  world world_;
  random_source draws_;
  std::chrono::steady_clock::time_point began_;
  figures measured_;
};

double quantile(const std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

options read_options(int count, char** words) {
  options chosen;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const double value = std::atof(words[i + 1]);
    if (name == "--nodes")
      chosen.nodes = static_cast<std::size_t>(value);
    else if (name == "--loss")
      chosen.loss_percent = value;
    else if (name == "--rounds")
      chosen.rounds = static_cast<std::size_t>(value);
    else if (name == "--crashes")
      chosen.crashes = static_cast<std::size_t>(value);
    else if (name == "--at-once")
      chosen.at_once = std::max<std::size_t>(1, static_cast<std::size_t>(value));
    else if (name == "--seed")
      chosen.seed = static_cast<std::uint64_t>(value);
    else if (name == "--seconds")
      chosen.seconds = value;
    else if (name == "--suspicion-rounds")
      chosen.suspicion_rounds = static_cast<std::size_t>(value);
    else if (name == "--fanout")
      chosen.fanout = static_cast<std::size_t>(value);
    else if (name == "--budget")
      chosen.budget = static_cast<std::size_t>(value);
    else {
      std::fprintf(stderr, "unknown option: %s\n", words[i]);
      std::exit(2);
    }
  }
  return chosen;
}

}  // namespace

int main(int count, char** words) {
  const options chosen = read_options(count, words);
  measurement measuring(chosen);
  const figures f = measuring.run();
  const double millions = static_cast<double>(f.node_rounds) / 1e6;
  std::printf(
      "nodes %zu loss %g%% | node-rounds %.3f M, live nodes declared dead %llu, suspicions aloud "
      "%llu, "
      "bytes a node-round %.0f | crashes %zu, pairs %zu, median %.1f, p99 %.1f, worst %.1f; last "
      "observer median %.1f, worst %.1f rounds\n",
      chosen.nodes, chosen.loss_percent, millions, static_cast<unsigned long long>(f.declared_dead),
      static_cast<unsigned long long>(f.suspicions_raised), f.bytes_a_node_round, f.last.size(),
      f.detections.size(), quantile(f.detections, 0.5), quantile(f.detections, 0.99),
      f.detections.empty() ? 0 : f.detections.back(), quantile(f.last, 0.5),
      f.last.empty() ? 0 : f.last.back());
  return 0;
}
