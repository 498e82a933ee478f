#include "cluster_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <vector>

#include <tl/expected.hpp>

#include "../text/duration.hpp"
#include "../text/nearest.hpp"
#include "cluster_load.hpp"

namespace gossipmonger {
namespace {

constexpr std::string_view help =
    R"(Runs a cluster of real nodes in this process over UDP on 127.0.0.1. The nodes write
updates, and each node reads those of all others. A table tells the time of delivery, and its costs.

Options:
  --nodes N          2 to 1000 nodes [20]
  --rate N           1 to 1000000 updates a second, of all nodes together [1000]
  --interval TIME    10ms to 10s between the rounds of a node [100ms]
  --seconds N        1 to 600 seconds of updates, after the nodes have met [10]
  --value-bytes N    16 to 1000 bytes of each value [50]
  --fanout N         1 to 16 live peers to gossip with in each round [1]
  --crashes N        0 to half of the nodes that stop without a word at the end [0]
  --threads N        1 to 64 threads for the nodes; 0: one a core [0]
  --json             one JSON object instead of the table
  --help             this text

A time of delivery begins where the update was due: a process that is too busy to write in time
shows that as latency. A process without enough processor time runs fewer rounds than are due: the
lines `rounds run` and `late rounds` tell. Then the figures are those of the machine, not of gossip.
)";

struct command_line {
  command_line() = default;

  load_options load;
  bool is_json = false;
  bool is_help = false;
};

using parsed_line = tl::expected<command_line, std::string>;

template <class Number>
bool try_parse(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

/// Times out of range are left to the bounds of the load.
bool try_parse_time(std::string_view option, std::string_view text,
                    std::chrono::milliseconds& out) {
  const std::optional<std::chrono::milliseconds> time =
      option == "--interval" ? parse_duration(text) : parse_seconds(text);
  if (time) out = *time;
  return time.has_value();
}

constexpr std::array<std::string_view, 10> option_names{
    "--nodes",  "--rate",    "--interval", "--seconds", "--value-bytes",
    "--fanout", "--threads", "--crashes",  "--json",    "--help"};

/// Why an argument was refused that is no option, or one without a value.
std::string unknown(std::string_view argument) {
  std::string text = "'" + std::string(argument) + "' is no option";
  if (argument.starts_with("--")) {
    if (const auto nearest = nearest_word(argument, option_names)) {
      text += ": did you mean " + std::string(*nearest) + "?";
    }
  }
  return text + "; see --help";
}

/// The form of the value of each option that has one.
std::string_view form_of(std::string_view option) {
  if (option == "--interval") return duration_form;
  return option == "--seconds" ? "a number, such as 10 or 1.5" : "a whole number";
}

bool try_take(std::string_view option, std::string_view value, load_options& to) {
  if (option == "--nodes") return try_parse(value, to.nodes);
  if (option == "--rate") return try_parse(value, to.rate);
  if (option == "--value-bytes") return try_parse(value, to.value_bytes);
  if (option == "--fanout") return try_parse(value, to.fanout);
  if (option == "--threads") return try_parse(value, to.threads);
  if (option == "--crashes") return try_parse(value, to.crashes);
  return try_parse_time(option, value, option == "--interval" ? to.interval : to.length);
}

parsed_line parse(std::span<const char* const> arguments) {
  command_line line;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view option = arguments[i];
    std::optional<std::string_view> value;
    if (const std::size_t equals = option.find('='); equals != std::string_view::npos) {
      value = option.substr(equals + 1);
      option = option.substr(0, equals);
    }
    const bool is_known =
        std::find(option_names.begin(), option_names.end(), option) != option_names.end();
    if (!is_known) return tl::unexpected<std::string>(unknown(option));
    if (option == "--help" || option == "--json") {
      if (value) return tl::unexpected<std::string>(std::string(option) + " takes no value");
      (option == "--help" ? line.is_help : line.is_json) = true;
      continue;
    }
    if (!value && i + 1 < arguments.size()) value = arguments[++i];
    if (!value) return tl::unexpected<std::string>(std::string(option) + " needs a value");
    if (!try_take(option, *value, line.load)) {
      return tl::unexpected<std::string>(
          std::string(option) + ": '" + std::string(*value) +
          "' is not allowed; allowed: " + std::string(form_of(option)));
    }
  }
  tl::expected<load_options, std::string> checked = validated(line.load);
  if (!checked) return tl::unexpected<std::string>(checked.error());
  line.load = *checked;
  return line;
}

// ---------------------------------------------------------------------------------------- report

double ms_of(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1000; }

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

/// Percent, cut and not rounded: 100 % is only what is all.
double percent(double part) {
  return static_cast<double>(static_cast<std::uint64_t>(part * 1e5)) / 1e3;
}

void print_table(const load_report& report) {
  const load_options& options = report.options;
  const double interval_ms = static_cast<double>(options.interval.count());
  std::printf("%zu nodes in %zu threads, rounds of %lld ms, %s updates a second for %.1f s\n\n",
              options.nodes, options.threads, static_cast<long long>(options.interval.count()),
              with_commas(options.rate).c_str(), report.load.wall_seconds);
  const auto print_time = [&](const char* name, const latency_histogram& times, double part) {
    const double ms = ms_of(times.quantile(part));
    std::printf("%-22s %10.1f ms %10.2f rounds\n", name, ms, ms / interval_ms);
  };
  print_time("delivery, p50", report.latency, 0.5);
  print_time("delivery, p99", report.latency, 0.99);
  print_time("delivery, p999", report.latency, 0.999);
  std::printf("%-22s %10.3f %%  %s of %s\n", "delivered", percent(report.delivered_part()),
              with_commas(report.delivered).c_str(), with_commas(report.deliveries_due()).c_str());
  std::printf("%-22s %10.2f     %.2f at rest\n", "cores used", report.load.cores(),
              report.rest.cores());
  std::printf("%-22s %10.2f us\n", "CPU a delivery", report.cpu_us_a_delivery());
  std::printf("%-22s %10.1f     %.1f at rest\n", "datagrams a node-round",
              report.load.datagrams_a_round(), report.rest.datagrams_a_round());
  std::printf("%-22s %10s     %s at rest\n", "bytes a node-round",
              with_commas(static_cast<std::uint64_t>(report.load.bytes_a_round())).c_str(),
              with_commas(static_cast<std::uint64_t>(report.rest.bytes_a_round())).c_str());
  std::printf("%-22s %10.1f %%  of those due\n", "rounds run", percent(report.rounds_part()));
  std::printf("%-22s %10s     of %s\n", "late rounds", with_commas(report.load.rounds_late).c_str(),
              with_commas(report.load.rounds).c_str());
  std::printf("%-22s %10s     datagrams\n", "dropped by the kernel",
              with_commas(report.kernel_drops).c_str());
  std::printf("%-22s %10.1f s\n", "all met after", report.meeting_seconds);
  if (options.crashes > 0) {
    print_time("crash found, p50", report.detection, 0.5);
    print_time("crash found, last", report.detection, 1);
    std::printf("%-22s %10s     of %s\n", "crashes found",
                with_commas(report.detection.count()).c_str(),
                with_commas(report.detections_due()).c_str());
  }
  if (report.declared_dead > 0) {
    std::printf("%-22s %10s     times, all being alive\n", "declared dead",
                with_commas(report.declared_dead).c_str());
  }
}

void print_json(const load_report& report) {
  const load_options& options = report.options;
  const auto count = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  const auto ms = [&](double part) { return ms_of(report.latency.quantile(part)); };
  const double interval_ms = static_cast<double>(options.interval.count());
  std::printf(
      "{\"nodes\":%zu,\"threads\":%zu,\"interval_ms\":%lld,\"rate\":%zu,\"value_bytes\":%zu,"
      "\"fanout\":%zu,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
      "\"p50_rounds\":%.3f,\"p99_rounds\":%.3f,\"p999_rounds\":%.3f,",
      options.nodes, options.threads, static_cast<long long>(options.interval.count()),
      options.rate, options.value_bytes, options.fanout, report.load.wall_seconds, ms(0.5),
      ms(0.99), ms(0.999), ms(0.5) / interval_ms, ms(0.99) / interval_ms, ms(0.999) / interval_ms);
  std::printf(
      "\"written\":%llu,\"delivered\":%llu,\"deliveries_due\":%llu,\"delivered_percent\":%.3f,"
      "\"entries_applied\":%llu,\"lagged\":%llu,\"cores\":%.3f,\"cores_at_rest\":%.3f,"
      "\"cpu_us_a_delivery\":%.3f,",
      count(report.written), count(report.delivered), count(report.deliveries_due()),
      percent(report.delivered_part()), count(report.entries_applied), count(report.lagged),
      report.load.cores(), report.rest.cores(), report.cpu_us_a_delivery());
  std::printf(
      "\"rounds\":%llu,\"rounds_late\":%llu,\"rounds_percent\":%.2f,\"datagrams_a_round\":%.2f,"
      "\"bytes_a_round\":%.1f,"
      "\"datagrams_a_round_at_rest\":%.2f,\"bytes_a_round_at_rest\":%.1f,\"kernel_drops\":%llu,"
      "\"declared_dead\":%llu,\"meeting_seconds\":%.3f,",
      count(report.load.rounds), count(report.load.rounds_late), percent(report.rounds_part()),
      report.load.datagrams_a_round(), report.load.bytes_a_round(), report.rest.datagrams_a_round(),
      report.rest.bytes_a_round(), count(report.kernel_drops), count(report.declared_dead),
      report.meeting_seconds);
  std::printf(
      "\"crashes\":%zu,\"detections\":%llu,\"detections_due\":%llu,\"detection_p50_ms\":%.1f,"
      "\"detection_max_ms\":%.1f}\n",
      options.crashes, count(report.detection.count()), count(report.detections_due()),
      ms_of(report.detection.quantile(0.5)), ms_of(report.detection.quantile(1)));
}

void print_progress(const load_progress& now, std::size_t nodes) {
  std::fprintf(stderr, "\r\033[K%.*s %3.0f %%", static_cast<int>(now.phase.size()),
               now.phase.data(), 100 * now.part);
  if (now.nodes_met < nodes) std::fprintf(stderr, "  %zu of %zu nodes", now.nodes_met, nodes);
  if (now.written > 0) {
    std::fprintf(stderr, "  %s written, %s delivered", with_commas(now.written).c_str(),
                 with_commas(now.delivered).c_str());
  }
  std::fflush(stderr);
}

}  // namespace

int run_cluster_command(std::string_view program, std::span<const char* const> arguments) {
  const auto complain = [program](const std::string& why) {
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(program.size()), program.data(),
                 why.c_str());
  };
  const parsed_line line = parse(arguments);
  if (!line) {
    complain(line.error());
    return 2;
  }
  if (line->is_help) {
    std::printf("Usage: %.*s [OPTIONS]\n\n%.*s", static_cast<int>(program.size()), program.data(),
                static_cast<int>(help.size()), help.data());
    return 0;
  }

  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  const auto show = [&](const load_progress& now) {
    if (is_terminal) print_progress(now, line->load.nodes);
  };
  const tl::expected<load_report, std::string> report = run_load(line->load, show);
  if (is_terminal) std::fputs("\r\033[K", stderr);
  if (!report) {
    complain(report.error());
    return 1;
  }
  line->is_json ? print_json(*report) : print_table(*report);
  return 0;
}

}  // namespace gossipmonger
