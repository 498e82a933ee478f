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

#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/core/random.hpp"
#include "gossipmonger/sim/checker.hpp"
#include "gossipmonger/sim/scenario.hpp"
#include "gossipmonger/sim/simulation.hpp"
#include "gossipmonger/sim/world.hpp"

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

/// Processor time of `rounds` rounds of a cluster at rest, every digest of which tells of
/// everybody; joining is not counted.
double measure_large(std::size_t nodes, std::size_t rounds, std::size_t datagram_bytes_max,
                     bool is_checked) {
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
  const double begin = processor_seconds();
  where.run_for(std::chrono::seconds{rounds});
  const double took = processor_seconds() - begin;
  for (std::size_t i = 0; i < nodes; ++i) {
    if (where[i].peers().size() != nodes - 1) std::printf("n%zu does not know everybody\n", i);
  }
  if (watched && watched->fault()) std::printf("%s\n", watched->fault()->text.c_str());
  return took;
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
double measure_bare(std::size_t nodes, std::size_t rounds) {
  std::vector<std::vector<bare_row>> known(nodes, std::vector<bare_row>(nodes));
  for (std::vector<bare_row>& rows : known) {
    for (std::size_t i = 0; i < nodes; ++i) rows[i].name_hash = i;
  }
  random_source draws(1);
  std::vector<bare_row> sent(nodes);
  std::vector<bare_row> replied;
  const double begin = processor_seconds();
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t from = 0; from < nodes; ++from) {
      std::vector<bare_row>& mine = known[from];
      ++mine[from].heartbeat;
      std::vector<bare_row>& theirs = known[static_cast<std::size_t>(draws.below(nodes))];
      std::copy(mine.begin(), mine.end(), sent.begin());
      replied.clear();
      for (std::size_t i = 0; i < nodes; ++i) {
        if (sent[i].heartbeat > theirs[i].heartbeat) theirs[i] = sent[i];
        if (sent[i].heartbeat < theirs[i].heartbeat) replied.push_back(theirs[i]);
      }
      for (const bare_row& row : replied) {
        bare_row& held = mine[static_cast<std::size_t>(row.name_hash)];
        held.heartbeat = std::max(held.heartbeat, row.heartbeat);
      }
    }
  }
  const double took = processor_seconds() - begin;
  if (known[0][nodes - 1].heartbeat == 0) std::printf("the bare loop spread nothing\n");
  return took;
}

void print_large() {
  constexpr std::size_t nodes = 1000;
  constexpr std::size_t rounds = 100;
  constexpr std::size_t checked_rounds = 10;  // scaled to 100 below
  const double bare = measure_bare(nodes, rounds);
  std::printf("1000 nodes, 100 rounds, full digests: bare loop %.2f s\n", bare);
  std::fflush(stdout);
  for (const std::size_t bytes : {std::size_t{1200}, datagram_bytes_ceiling}) {
    const double off = measure_large(nodes, rounds, bytes, false);
    std::printf("  datagrams of %zu bytes, without checks: %.2f s, %.1f x the bare loop\n", bytes,
                off, off / bare);
    std::fflush(stdout);
  }
  const double on = measure_large(nodes, checked_rounds, 1200, true) * rounds / checked_rounds;
  std::printf("  datagrams of 1200 bytes, with checks: %.2f s, %.1f x the bare loop\n", on,
              on / bare);
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
  std::fflush(stdout);
  print_large();
}

}  // namespace gossipmonger
