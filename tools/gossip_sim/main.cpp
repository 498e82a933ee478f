// `gossip_sim`: runs simulated clusters under faults and holds them to the invariants. Exit status:
// 0 where all held, 1 where one did not, 2 for a bad option.

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "expected_trace.hpp"
#include "figures.hpp"
#include "gossipmonger/sim/shrink.hpp"
#include "gossipmonger/sim/simulation.hpp"
#include "gossipmonger/sim/swarm.hpp"
#include "seed_runs.hpp"

namespace {

using namespace gossipmonger;

struct sim_options {
  sim_options() = default;

  std::optional<std::uint64_t> seed;
  std::string seeds;
  std::size_t jobs = 1;
  std::string time_budget;
  std::string trace_file;
  std::string replay_file;
  std::vector<std::string> expected_files;
  bool is_rewriting = false;
  bool has_figures = false;
  bool is_shrinking = false;
  bool is_printing = false;
  bool has_hashes = false;
  bool is_unchecked = false;
  bool stops_at_failure = false;
};

void print_failure(const seed_outcome& of, const std::string& replay) {
  std::printf("seed %" PRIu64 ": %s at %" PRIu64 " ms: %s\n  replay: gossip_sim %s\n", of.seed,
              of.rule.c_str(), of.at_ms, of.text.c_str(), replay.c_str());
}

struct tally {
  tally() = default;

  void add(const seed_outcome& of) {
    ++seeds;
    if (!of.rule.empty()) ++failed;
    hashes[of.seed] = of.trace_hash;
    node_ms += of.node_ms;
    decisions += of.decisions;
    datagrams += of.counters.datagrams;
    const world_counters& c = of.counters;
    const std::pair<const char*, std::uint64_t> kinds[] = {{"lost", c.lost},
                                                           {"cut off", c.unreachable},
                                                           {"duplicated", c.duplicated},
                                                           {"corrupted", c.corrupted},
                                                           {"garbled", c.garbled},
                                                           {"truncated", c.truncated},
                                                           {"over the MTU", c.over_mtu},
                                                           {"mutated", c.mutated},
                                                           {"queue full", c.overflowed}};
    for (const auto& [kind, count] : kinds) faults[kind] += count;
    const simulation_sums& s = of.sums;
    const std::pair<const char*, std::uint64_t> deeds[] = {{"fragments applied", s.fragments},
                                                           {"fragments refused", s.fragments_bad},
                                                           {"keys expired", s.expired},
                                                           {"peers forgotten", s.forgotten},
                                                           {"options changed", s.changes},
                                                           {"wire version unread", s.unreadable},
                                                           {"doubts refuted", s.doubts_refuted},
                                                           {"convictions", s.convictions},
                                                           {"crashes found on demand", s.detected}};
    for (const auto& [deed, count] : deeds) done[deed] += count;
    if (of.rounds_to_detect < 0) return;
    rounds_to_detect = std::max(rounds_to_detect, of.rounds_to_detect);
    detection_part = std::max(detection_part,
                              of.rounds_to_detect / static_cast<double>(of.rounds_to_detect_max));
  }
  void print(double seconds) const {
    std::uint64_t all = 0;
    for (const auto& [seed, hash] : hashes) all = (all ^ hash) * 0x9e3779b97f4a7c15 + seed;
    std::printf("%" PRIu64 " seeds, %" PRIu64 " failed; %.1f node-hours, %" PRIu64
                " decisions, %" PRIu64 " datagrams in %.1f s; trace %016" PRIx64 "\n",
                seeds, failed, static_cast<double>(node_ms) / 3.6e6, decisions, datagrams, seconds,
                all);
    print("datagrams ", faults);
    print("nodes: ", done);
    std::printf("the slowest crash found after %.2f rounds; at most %.0f %% of its bound\n",
                rounds_to_detect, 100 * detection_part);
  }
  static void print(const char* what, const std::map<std::string, std::uint64_t>& counts) {
    std::printf("%s", what);
    const char* comma = "";
    for (const auto& [kind, count] : counts) {
      std::printf("%s%s %" PRIu64, comma, kind.c_str(), count);
      comma = ", ";
    }
    std::printf("\n");
  }

  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t node_ms = 0;
  std::uint64_t decisions = 0;
  std::uint64_t datagrams = 0;
  std::map<std::uint64_t, std::uint64_t> hashes;
  std::map<std::string, std::uint64_t> faults;
  std::map<std::string, std::uint64_t> done;
  double rounds_to_detect = 0;
  double detection_part = 0;
};

/// "7..90", or one number.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_range(const std::string& text) {
  const std::size_t dots = text.find("..");
  try {
    const std::uint64_t first = std::stoull(text.substr(0, dots));
    const std::uint64_t last =
        dots == std::string::npos ? first : std::stoull(text.substr(dots + 2));
    if (first > last) return std::nullopt;
    return std::pair(first, last);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

int run_range(const sim_options& options, std::uint64_t first, std::uint64_t last) {
  seed_range range;
  range.first = first;
  range.last = last;
  range.jobs = options.jobs;
  range.is_checked = !options.is_unchecked;
  range.stops_at_failure = options.stops_at_failure;
  if (!options.time_budget.empty()) {
    range.time_budget = std::chrono::seconds(std::atoi(options.time_budget.c_str()));
  }
  tally all;
  const auto begin = std::chrono::steady_clock::now();
  run_seeds(range, [&](const seed_outcome& of) {
    all.add(of);
    if (!of.rule.empty()) print_failure(of, "--seed " + std::to_string(of.seed));
    std::fflush(stdout);
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (options.has_hashes) {
    for (const auto& [seed, hash] : all.hashes) {
      std::printf("%" PRIu64 " %016" PRIx64 "\n", seed, hash);
    }
  }
  all.print(took.count());
  return all.failed == 0 ? 0 : 1;
}

int run_one(const sim_options& options, const scenario& of, const std::string& replay) {
  if (options.is_printing) {
    std::fputs(to_text(of).c_str(), stdout);
    return 0;
  }
  seed_outcome outcome;
  if (!options.trace_file.empty()) {
    std::ofstream file(options.trace_file);
    simulation_options how;
    how.is_checked = !options.is_unchecked;
    how.on_trace = [&file](std::string_view line) { file << line << '\n'; };
    const simulation_report report = simulate(of, how);
    if (report.fault) {
      file << report.fault->rule << ": " << report.fault->text << '\n';
      outcome.rule = report.fault->rule;
      outcome.text = report.fault->text;
      outcome.at_ms = static_cast<std::uint64_t>(report.fault->at / std::chrono::milliseconds{1});
    }
    outcome.trace_hash = report.trace_hash;
  } else {
    outcome = run_apart(of, !options.is_unchecked);
  }
  outcome.seed = of.seed;
  if (outcome.rule.empty()) {
    std::printf("seed %" PRIu64 ": all held; trace %016" PRIx64 "\n", of.seed, outcome.trace_hash);
    return 0;
  }
  print_failure(outcome, replay);
  if (!options.is_shrinking) return 1;
  const scenario small = shrunk(of, [&](const scenario& candidate) {
    return run_apart(candidate, true).rule == outcome.rule;
  });
  const seed_outcome last = run_apart(small, true);
  std::printf("# %s: %s\n%s", last.rule.c_str(), last.text.c_str(), to_text(small).c_str());
  return 1;
}

int replay(const sim_options& options) {
  std::ifstream file(options.replay_file);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const tl::expected<scenario, std::string> read = parse_scenario(text);
  if (!file || !read) {
    std::fprintf(stderr, "gossip_sim: %s: %s\n", options.replay_file.c_str(),
                 file ? read.error().c_str() : "cannot be read");
    return 2;
  }
  return run_one(options, *read, "--replay " + options.replay_file);
}

int check_files(const sim_options& options) {
  int failed = 0;
  for (const std::string& path : options.expected_files) {
    const std::string wrong = check_expected(path, options.is_rewriting);
    if (wrong.empty()) continue;
    std::printf("%s\n", wrong.c_str());
    ++failed;
  }
  std::printf("%zu scenarios, %d failed\n", options.expected_files.size(), failed);
  return failed == 0 ? 0 : 1;
}

void describe(CLI::App& app, sim_options& options) {
  app.add_option("--seed", options.seed, "run one seed");
  app.add_option("--seeds", options.seeds, "run a range of seeds, as 1..2000");
  app.add_option("--jobs", options.jobs, "processes")->check(CLI::Range(1, 64));
  app.add_option("--time-budget", options.time_budget, "end a range after so long, as 240s");
  app.add_option("--trace", options.trace_file, "write every step of one run to this file");
  app.add_option("--replay", options.replay_file, "run a scenario file");
  app.add_option("--expect", options.expected_files, "run scenario files and compare their events");
  app.add_flag("--rewrite", options.is_rewriting, "with --expect: write down what was seen");
  app.add_flag("--figures", options.has_figures, "how fast the simulator is");
  app.add_flag("--shrink", options.is_shrinking, "cut a failing run down, and print it");
  app.add_flag("--print", options.is_printing, "print the scenario, and do not run it");
  app.add_flag("--hashes", options.has_hashes, "print the trace hash of each seed");
  app.add_flag("--unchecked", options.is_unchecked, "without the checks, to see what they cost");
  app.add_flag("--stop", options.stops_at_failure, "end at the first failure");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulated clusters under faults, held to the invariants of gossipmonger.");
  sim_options options;
  describe(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.has_figures) {
    print_figures();
    return 0;
  }
  if (!options.expected_files.empty()) return check_files(options);
  if (!options.replay_file.empty()) return replay(options);
  if (options.seed) {
    return run_one(options, draw_scenario(*options.seed),
                   "--seed " + std::to_string(*options.seed));
  }
  const auto range = parse_range(options.seeds.empty() ? "1..100" : options.seeds);
  if (!range) {
    std::fprintf(stderr, "gossip_sim: --seeds %s is no range such as 1..2000\n",
                 options.seeds.c_str());
    return 2;
  }
  return run_range(options, range->first, range->second);
}
