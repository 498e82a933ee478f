#include "figures.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "core/exchange/packer.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/checker.hpp"
#include "sim/scenario.hpp"
#include "sim/simulation.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

/// Five nodes with rounds of one second, each of which writes a key every minute.
scenario five_nodes(std::chrono::hours length) {
  scenario of;
  of.nodes.resize(5);
  for (std::size_t i = 0; i < of.nodes.size(); ++i) {
    of.nodes[i].settings.name = "n" + std::to_string(i);
    if (i > 0) of.nodes[i].seeds.push_back(0);
    decision& start = of.decisions.emplace_back();
    start.kind = decision_kind::start;
    start.node = i;
  }
  for (std::chrono::seconds at{60}; at < length; at += std::chrono::seconds{12}) {
    decision& write = of.decisions.emplace_back();
    write.at = at;
    write.kind = decision_kind::write;
    write.node = static_cast<std::size_t>(at.count() / 12) % of.nodes.size();
    write.count = 1;
    write.keys = 10;
    write.bytes = 50;
  }
  return of;
}

/// Node-hours a minute of processor time.
double measure_five(const scenario& of, bool is_checked) {
  simulation_options how;
  how.is_checked = is_checked;
  const double begin = processor_seconds();
  const simulation_report report = simulate(of, how);
  const double took = processor_seconds() - begin;
  if (report.fault) std::printf("%s: %s\n", report.fault->rule.c_str(), report.fault->text.c_str());
  return std::chrono::duration<double>(report.node_time).count() / 3600 / (took / 60);
}

struct bare_row {
  bare_row() = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t version = 0;
  std::uint64_t heartbeat = 0;
};

/// The same exchanges over plain arrays: a digest is copied, compared row by row, and what is newer
/// at the receiver is copied back and taken over. No datagrams, checks, detectors or timers.
class bare_loop {
 public:
  explicit bare_loop(std::size_t nodes)
      : known_(nodes, std::vector<bare_row>(nodes)), draws_(1), sent_(nodes) {
    for (std::vector<bare_row>& rows : known_) {
      for (std::size_t i = 0; i < nodes; ++i) rows[i].name_hash = i;
    }
  }

  void run(std::size_t rounds) {
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t from = 0; from < known_.size(); ++from) exchange_from(from);
    }
  }

  [[nodiscard]] bool has_spread() const { return known_.front().back().heartbeat != 0; }

 private:
  void exchange_from(std::size_t from) {
    std::vector<bare_row>& mine = known_[from];
    ++mine[from].heartbeat;
    std::vector<bare_row>& theirs = known_[static_cast<std::size_t>(draws_.below(known_.size()))];
    std::copy(mine.begin(), mine.end(), sent_.begin());
    replied_.clear();
    for (std::size_t i = 0; i < sent_.size(); ++i) {
      if (sent_[i].heartbeat > theirs[i].heartbeat) theirs[i] = sent_[i];
      if (sent_[i].heartbeat < theirs[i].heartbeat) replied_.push_back(theirs[i]);
    }
    for (const bare_row& row : replied_) {
      bare_row& held = mine[static_cast<std::size_t>(row.name_hash)];
      held.heartbeat = std::max(held.heartbeat, row.heartbeat);
    }
  }

  std::vector<std::vector<bare_row>> known_;
  random_source draws_;
  std::vector<bare_row> sent_;
  std::vector<bare_row> replied_;
};

/// Processor time of rounds of a cluster at rest, every digest of which tells of everybody, and of
/// as many of the bare loop. Joining is not counted. The two take turns of a few rounds, and each
/// turn is held against the one beside it: what else the machine does meets both.
void print_large(std::size_t datagram_bytes_max, bool is_checked, std::size_t turns) {
  constexpr std::size_t nodes = 1000;
  constexpr std::size_t rounds = 100;  // the seconds are scaled to these
  constexpr std::size_t rounds_a_turn = 5;

  world where(1);
  std::optional<checker> watched;
  if (is_checked) where.observer = &watched.emplace(where, true);
  config settings;
  settings.datagram_bytes_max = datagram_bytes_max;
  settings.digest_datagrams_max = 1024;
  settings.exchange_bytes_max = std::max(settings.exchange_bytes_max, datagram_bytes_max);
  for (std::size_t i = 0; i < nodes; ++i) {
    settings.name = "n" + std::to_string(i);
    where.add(settings, i == 0 ? std::nullopt : std::optional<std::size_t>(0));
  }
  where.run_for(std::chrono::seconds{60});
  bare_loop bare(nodes);
  bare.run(20);  // until heartbeats are spread as they stay

  double bare_seconds = 0;
  double seconds = 0;
  std::vector<double> ratios;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    const double begin = processor_seconds();
    bare.run(rounds_a_turn);
    const double between = processor_seconds();
    where.run_for(std::chrono::seconds{rounds_a_turn});
    const double end = processor_seconds();
    bare_seconds += between - begin;
    seconds += end - between;
    ratios.push_back((end - between) / (between - begin));
  }
  std::sort(ratios.begin(), ratios.end());

  if (!bare.has_spread()) std::printf("the bare loop spread nothing\n");
  for (std::size_t i = 0; i < nodes; ++i) {
    if (where[i].peers().size() != nodes - 1) std::printf("n%zu does not know everybody\n", i);
  }
  if (watched && watched->fault()) std::printf("%s\n", watched->fault()->text.c_str());
  const double scale = static_cast<double>(rounds) / static_cast<double>(turns * rounds_a_turn);
  std::printf(
      "  datagrams of %5zu bytes, %s checks: %.2f s, bare loop %.2f s; by turns %.1f x "
      "(%.1f to %.1f)\n",
      datagram_bytes_max, is_checked ? "with" : "without", seconds * scale, bare_seconds * scale,
      ratios[ratios.size() / 2], ratios.front(), ratios.back());
  std::fflush(stdout);
}

}  // namespace

void print_figures() {
  const scenario of = five_nodes(std::chrono::hours{10});
  double best_off = 0;
  double best_on = 0;
  for (int i = 0; i < 3; ++i) {
    best_off = std::max(best_off, measure_five(of, false));
    best_on = std::max(best_on, measure_five(of, true));
  }
  std::printf("5 nodes: %.0f node-hours a minute without checks, %.0f with them; ratio %.2f\n",
              best_off, best_on, best_off / best_on);
  std::printf("1000 nodes, 100 rounds, full digests:\n");
  std::fflush(stdout);
  constexpr std::size_t turns = 20;
  print_large(datagram_bytes_ceiling, false, turns);
  print_large(datagram_bytes_floor, false, turns);
  print_large(datagram_bytes_floor, true, 2);
}

}  // namespace gossipmonger
