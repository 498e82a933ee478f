#include "figures.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>

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

void measure_large(std::size_t nodes, std::size_t rounds) {
  world where(1);
  config settings;
  settings.digest_datagrams_max = 1024;  // full digests
  for (std::size_t i = 0; i < nodes; ++i) {
    settings.name = "n" + std::to_string(i);
    where.add(settings, i == 0 ? std::nullopt : std::optional<std::size_t>(0));
  }
  const double joining = processor_seconds();
  where.run_for(std::chrono::seconds{60});
  const double begin = processor_seconds();
  where.run_for(std::chrono::seconds{rounds});
  const double took = processor_seconds() - begin;
  std::size_t known_least = nodes;
  for (std::size_t i = 0; i < nodes; ++i)
    known_least = std::min(known_least, where[i].peers().size());
  std::printf(
      "%zu nodes, %zu rounds: %.2f s; the 60 rounds of joining before: %.2f s; "
      "peers known to each at least: %zu\n",
      nodes, rounds, took, begin - joining, known_least);
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
  measure_large(1000, 100);
}

}  // namespace gossipmonger
