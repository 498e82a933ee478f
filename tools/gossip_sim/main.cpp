// `gossip_sim`: runs simulated clusters under faults and holds them to the invariants. Exit status:
// 0 where all held, 1 where one did not or not all were run, 2 for a bad option. Failures stand on
// standard error with the command that replays each: standard output is for programs, too.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "../text/duration.hpp"
#include "expected_trace.hpp"
#include "figures.hpp"
#include "seed_runs.hpp"
#include "sim/shrink.hpp"
#include "sim/simulation.hpp"
#include "sim/swarm.hpp"

namespace {

using namespace gossipmonger;

struct sim_options {
  sim_options() = default;

  std::optional<std::string> seed_text;
  std::optional<std::uint64_t> seed;
  std::string seeds;
  std::size_t jobs = 1;
  std::optional<std::string> time_budget_text;
  std::optional<std::chrono::milliseconds> time_budget;
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

std::string failure_text(const seed_outcome& of) {
  return "seed " + std::to_string(of.seed) + ": " + of.rule + " at " + std::to_string(of.at_ms) +
         " ms: " + of.text;
}

void print_failure(const seed_outcome& of, const std::string& replay) {
  std::fprintf(stderr, "%s\n  replay: gossip_sim %s\n", failure_text(of).c_str(), replay.c_str());
}

int refuse(const std::string& why) {
  std::fprintf(stderr, "gossip_sim: %s\n", why.c_str());
  return 2;
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
    const std::pair<const char*, std::uint64_t> deeds[] = {
        {"fragments applied", s.fragments},
        {"fragments refused", s.fragments_bad},
        {"keys expired", s.expired},
        {"peers forgotten", s.forgotten},
        {"options changed", s.changes},
        {"wire version unread", s.unreadable},
        {"suspicions refuted", s.suspicions_refuted},
        {"declared dead", s.declared_dead},
        {"crashes found on demand", s.detected},
        {"addresses advertised", s.advertised},
        {"addresses followed on demand", s.followed}};
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

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "7..90", or one number.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_range(const std::string& text) {
  const std::size_t dots = text.find("..");
  const auto first = parse_number(std::string_view(text).substr(0, dots));
  const auto last =
      dots == std::string::npos ? first : parse_number(std::string_view(text).substr(dots + 2));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair(*first, *last);
}

int run_range(const sim_options& options, std::uint64_t first, std::uint64_t last) {
  seed_range range;
  range.first = first;
  range.last = last;
  range.jobs = options.jobs;
  range.is_checked = !options.is_unchecked;
  range.stops_at_failure = options.stops_at_failure;
  range.time_budget = options.time_budget;
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
  std::fflush(stdout);
  // The count is what was asked for; nothing but a time budget, or a failure, may cut it short.
  const std::uint64_t asked = last - first + 1;
  const bool may_be_short =
      options.time_budget ? all.seeds > 0 : options.stops_at_failure && all.failed > 0;
  const bool is_short = all.seeds != asked && !may_be_short;
  if (is_short) {
    std::fprintf(stderr, "gossip_sim: only %" PRIu64 " of %" PRIu64 " seeds were run\n", all.seeds,
                 asked);
  }
  return all.failed == 0 && !is_short ? 0 : 1;
}

int run_one(const sim_options& options, const scenario& of, const std::string& replay) {
  if (options.is_printing) {
    std::fputs(to_text(of).c_str(), stdout);
    return 0;
  }
  std::ofstream trace;
  line_sink on_trace;
  if (!options.trace_file.empty()) {
    trace.open(options.trace_file);
    if (!trace) return refuse("--trace " + options.trace_file + ": cannot be written");
    // Line by line, since an assertion ends the process that writes.
    on_trace = [&trace](std::string_view line) { trace << line << std::endl; };
  }
  const seed_outcome outcome = run_apart(of, !options.is_unchecked, on_trace);
  if (outcome.rule.empty()) {
    std::printf("seed %" PRIu64 ": all held; trace %016" PRIx64 "\n", of.seed, outcome.trace_hash);
    return 0;
  }
  print_failure(outcome, replay);
  if (!options.is_shrinking) return 1;
  const scenario small = shrunk(of, [&](const scenario& candidate) {
    return run_apart(candidate, true).rule == outcome.rule;
  });
  // A scenario file, for --replay.
  std::printf("# %s\n%s", failure_text(run_apart(small, true)).c_str(), to_text(small).c_str());
  return 1;
}

int replay(const sim_options& options) {
  std::ifstream file(options.replay_file);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const tl::expected<scenario, std::string> read = parse_scenario(text);
  if (!file || !read) {
    return refuse("--replay " + options.replay_file + ": " +
                  (file ? read.error() : "cannot be read"));
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
  // The ways to run: one of them.
  CLI::Option* const what[] = {
      app.add_option("--seed", options.seed_text, "run one seed"),
      app.add_option("--seeds", options.seeds, "run a range of seeds, as 1..2000"),
      app.add_option("--replay", options.replay_file, "run a scenario file"),
      app.add_option("--expect", options.expected_files,
                     "run scenario files and compare their events"),
      app.add_flag("--figures", options.has_figures, "how fast the simulator is")};
  for (CLI::Option* one : what) {
    for (CLI::Option* other : what) {
      if (one != other) one->excludes(other);
    }
  }
  app.add_option("--jobs", options.jobs, "processes")->check(CLI::Range(1, 64));
  app.add_option("--time-budget", options.time_budget_text,
                 "end a range after so long, as 240s or 4m");
  app.add_option("--trace", options.trace_file, "write every step of one run to this file");
  app.add_flag("--rewrite", options.is_rewriting, "with --expect: write down what was seen");
  app.add_flag("--shrink", options.is_shrinking,
               "cut a failing run down, and print it as a scenario file");
  app.add_flag("--print", options.is_printing, "print the scenario, and do not run it");
  app.add_flag(
      "--hashes", options.has_hashes,
      "print a hash of each seed: of each datagram delivered, each event read and the final "
      "counters of each node");
  app.add_flag("--unchecked", options.is_unchecked, "without the checks, to see what they cost");
  app.add_flag("--stop", options.stops_at_failure, "end at the first failure");
}

/// The first fault in the options, named as the command line has it; empty for none.
std::string check(sim_options& options) {
  if (options.seed_text) {
    options.seed = parse_number(*options.seed_text);
    if (!options.seed) return "--seed " + *options.seed_text + " is no number of 64 bits";
  }
  if (options.time_budget_text) {
    options.time_budget = parse_duration(*options.time_budget_text);
    if (!options.time_budget || options.time_budget->count() == 0) {
      return "--time-budget " + *options.time_budget_text +
             " is no time such as 500ms, 240s, 4m or 1h";
    }
  }
  if (!parse_range(options.seeds))
    return "--seeds " + options.seeds + " is no range such as 1..2000";
  const bool is_one_run = options.seed || !options.replay_file.empty();
  const std::pair<const char*, bool> of_one_run[] = {{"--trace", !options.trace_file.empty()},
                                                     {"--shrink", options.is_shrinking},
                                                     {"--print", options.is_printing}};
  for (const auto& [name, is_given] : of_one_run) {
    if (is_given && !is_one_run) return std::string(name) + " is for one run: --seed or --replay";
  }
  if (options.is_rewriting && options.expected_files.empty()) return "--rewrite is for --expect";
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulated clusters under faults, held to the invariants of gossipmonger.");
  sim_options options;
  options.seeds = "1..100";
  describe(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return refuse(error.what());
  }
  if (const std::string wrong = check(options); !wrong.empty()) return refuse(wrong);
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
  const auto range = parse_range(options.seeds);
  return run_range(options, range->first, range->second);
}
