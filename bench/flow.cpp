// The effect of flow control, in the simulated world. The mode `capacity` finds how fast one node
// may write so that all others keep up, and how much of that a writer gets that awaits `writable`.
// The mode `value` finds in how many rounds a large value is everywhere, and the bytes sent for it.
// Last, `compaction` finds the bytes that a compaction sends again.
//
//     flow capacity   --nodes N [--budget B] [--rounds R]
//     flow writer     --nodes N [--budget B] [--rounds R]    (the latter part of that alone)
//     flow value      --nodes N [--budget B] --bytes V [--loss P]
//     flow compaction --nodes N [--budget B] --bytes V [--values K]
//
// N nodes with rounds of 1 s, default options, and B bytes an interval each (0: no limit).

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/world.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

struct options {
  options() = default;

  std::string_view what;
  std::size_t nodes = 8;
  std::size_t budget = 0;
  std::size_t rounds = 200;
  std::size_t bytes = 65536;
  std::size_t values = 16;
  double loss = 0;
};

std::string name_of(std::size_t node) { return "n" + std::to_string(node); }

config settings_of(std::size_t node, const options& chosen) {
  config settings;
  settings.name = name_of(node);
  settings.send_bytes_per_interval = chosen.budget;
  settings.value_bytes_max = std::size_t{(1U << 24U) - 1};
  return settings;
}

/// A cluster at rest: how its nodes meet is not what is measured, and the budget counts after that.
bool start_cluster(world& where, const options& chosen) {
  options unlimited = chosen;
  unlimited.budget = 0;
  for (std::size_t node = 0; node < chosen.nodes; ++node) {
    where.add(settings_of(node, unlimited),
              node == 0 ? std::nullopt : std::optional<std::size_t>(0));
  }
  if (!where.run_until([&] { return where.has_agreed(); }, 200s, 1s)) return false;
  where.run_for(10s);
  for (std::size_t node = 0; node < chosen.nodes; ++node) {
    if (!where[node].change(settings_of(node, chosen), where.now(node))) return false;
  }
  where.run_for(10s);
  return true;
}

std::uint64_t held_by(const world& where, std::size_t node) {
  const auto seen = where[node].find_member(name_of(0), where.now(node));
  return seen ? seen->max_version : 0;
}

/// How many rounds ago the node that is furthest behind had all: `written` holds the writer's
/// version at the end of each round.
std::size_t lag_rounds(const world& where, const std::vector<std::uint64_t>& written) {
  std::uint64_t least = written.back();
  for (std::size_t node = 1; node < where.size(); ++node) {
    least = std::min(least, held_by(where, node));
  }
  const auto place = std::upper_bound(written.begin(), written.end(), least);
  return static_cast<std::size_t>(written.end() - place);
}

// An entry of 12 + 200 bytes, 5 in a datagram; its key returns after 50,000 others.
constexpr std::size_t value_bytes = 200;
constexpr std::size_t entry_bytes_written = 12 + value_bytes;

void write_one(world& where, std::uint64_t number) {
  const std::string key = "key/" + std::to_string(10'000'000 + number % 50'000);
  std::string value = std::to_string(number);
  value.resize(value_bytes, 'v');
  static_cast<void>(where[0].set(key, value));
}

struct outcome {
  outcome() = default;

  double bytes_a_round = 0;  // of keys and values, in the second half
  std::size_t lag_middle = 0;
  std::size_t lag_end = 0;  // the worst of the last quarter
  std::uint64_t slowed = 0;
  double bytes_sent = 0;  // by a node in a round of the second half
  double known = 0;       // part of the entries that came
};

/// Writes at a constant rate, or without one, as `is_writable` allows.
outcome write(const options& chosen, std::optional<double> rate) {
  world where(chosen.nodes + 1);
  outcome seen;
  if (!start_cluster(where, chosen)) return seen;
  where.conditions.loss = chosen.loss;
  std::vector<std::uint64_t> written;
  std::uint64_t number = 0;
  std::uint64_t half = 0;
  std::uint64_t bytes = 0;
  double allowed = 0;
  for (std::size_t round = 0; round < chosen.rounds; ++round) {
    for (int step = 0; step < 10; ++step) {
      if (rate) {
        allowed += *rate / 10;
        for (; allowed > 0; allowed -= entry_bytes_written) write_one(where, number++);
      } else {
        while (where[0].is_writable(where.now(0))) write_one(where, number++);
      }
      where.run_for(100ms);
    }
    written.push_back(where[0].version());
    if (round == chosen.rounds / 2) {
      half = number;
      bytes = where.counters().bytes;
    }
    const std::size_t lag = lag_rounds(where, written);
    if (round >= chosen.rounds / 2 && round < chosen.rounds * 3 / 4) {
      seen.lag_middle = std::max(seen.lag_middle, lag);
    }
    if (round >= chosen.rounds * 3 / 4) seen.lag_end = std::max(seen.lag_end, lag);
  }
  seen.bytes_a_round = static_cast<double>((number - half) * entry_bytes_written) /
                       static_cast<double>(chosen.rounds - chosen.rounds / 2);
  seen.slowed = where[0].stats().writes_slowed;
  seen.bytes_sent = static_cast<double>(where.counters().bytes - bytes) /
                    static_cast<double>(chosen.nodes * (chosen.rounds - chosen.rounds / 2));
  double applied = 0;
  double known = 0;
  for (std::size_t node = 0; node < where.size(); ++node) {
    applied += static_cast<double>(where[node].stats().entries_applied);
    known += static_cast<double>(where[node].stats().entries_skipped);
  }
  seen.known = known / (known + applied);
  return seen;
}

int measure_writer(const options& chosen) {
  const outcome obeyed = write(chosen, std::nullopt);
  std::printf(
      "%zu nodes, budget %zu: a writer that awaits `writable` writes %.0f bytes a round, behind by "
      "%zu, then %zu rounds, slowed %llu times\n",
      chosen.nodes, chosen.budget, obeyed.bytes_a_round, obeyed.lag_middle, obeyed.lag_end,
      static_cast<unsigned long long>(obeyed.slowed));
  return 0;
}

int measure_capacity(const options& chosen) {
  // Carried: nobody is further behind at the end than twice what news takes, and 4 rounds.
  const std::size_t lag_max = 4 * std::bit_width(chosen.nodes - 1) + 8;
  double low = 500;
  double high = 2'000'000;
  while (high / low > 1.08) {
    const double middle = low * std::min(4.0, std::sqrt(high / low));
    const outcome seen = write(chosen, middle);
    const bool is_carried = seen.lag_end <= lag_max;
    std::printf(
        "  at %.0f bytes a round: behind by %zu, then %zu rounds; a node sends %.0f, %.0f %% "
        "of what comes is known\n",
        middle, seen.lag_middle, seen.lag_end, seen.bytes_sent, 100 * seen.known);
    std::fflush(stdout);
    (is_carried ? low : high) = middle;
  }
  std::printf("%zu nodes, budget %zu: carried %.0f bytes a round\n", chosen.nodes, chosen.budget,
              low);
  return measure_writer(chosen);
}

int measure_value(const options& chosen) {
  world where(chosen.nodes + 1);
  if (!start_cluster(where, chosen)) return 1;
  where.conditions.loss = chosen.loss;
  where.run_for(5s);
  const std::uint64_t idle = where.counters().bytes;
  const auto start_of_idle = where.time();
  where.run_for(20s);
  const double idle_bytes = static_cast<double>(where.counters().bytes - idle) /
                            static_cast<double>((where.time() - start_of_idle) / 1s);
  const auto start = where.time();
  const std::uint64_t before = where.counters().bytes;
  if (!where[0].set("large", std::string(chosen.bytes, 'v'))) return 1;
  const std::uint64_t version = where[0].version();
  std::size_t rounds_of_first = 0;
  std::size_t rounds_of_half = 0;
  const auto count = [&] {
    std::size_t whole = 0;
    for (std::size_t node = 1; node < where.size(); ++node) {
      whole += held_by(where, node) >= version ? 1 : 0;
    }
    const auto round = static_cast<std::size_t>((where.time() - start + 1s - 1ns) / 1s);
    if (whole > 0 && rounds_of_first == 0) rounds_of_first = round;
    if (2 * whole >= where.size() - 1 && rounds_of_half == 0) rounds_of_half = round;
    return whole;
  };
  const bool is_everywhere =
      where.run_until([&] { return count() == where.size() - 1; }, 20'000s, 250ms);
  const double rounds = static_cast<double>((where.time() - start) / 250ms) / 4;
  const double bytes = static_cast<double>(where.counters().bytes - before) - idle_bytes * rounds;
  const double wanted = static_cast<double>(chosen.bytes * (chosen.nodes - 1));
  std::printf(
      "%zu nodes, budget %zu, a value of %zu bytes, loss %.0f %%: %s in %.2f rounds (at a first "
      "peer in %zu, at half of them in %zu); %.2f bytes sent a byte and peer\n",
      chosen.nodes, chosen.budget, chosen.bytes, 100 * chosen.loss,
      is_everywhere ? "everywhere" : "NOT everywhere", rounds, rounds_of_first, rounds_of_half,
      bytes / wanted);
  return is_everywhere ? 0 : 1;
}

int measure_compaction(const options& chosen) {
  world where(chosen.nodes + 1);
  if (!start_cluster(where, chosen)) return 1;
  for (std::size_t i = 0; i < chosen.values; ++i) {
    static_cast<void>(where[0].set("large " + std::to_string(i), std::string(chosen.bytes, 'v')));
  }
  for (int i = 0; i < 100; ++i) static_cast<void>(where[0].set(std::to_string(i), "small"));
  if (!where.run_until([&] { return where.has_agreed(); }, 20'000s, 1s)) return 1;
  const std::uint64_t before = where.counters().bytes;
  const auto start = where.time();
  for (int i = 0; i < 100; ++i) static_cast<void>(where[0].erase(std::to_string(i)));
  if (!where.run_until([&] { return where.has_agreed(); }, 20'000s, 1s)) return 1;
  std::printf(
      "%zu nodes, %zu values of %zu bytes: %llu compactions; all agree %lld rounds later, %.2f "
      "bytes sent a byte of live values and peer\n",
      chosen.nodes, chosen.values, chosen.bytes,
      static_cast<unsigned long long>(where[0].stats().compactions),
      static_cast<long long>((where.time() - start) / 1s),
      static_cast<double>(where.counters().bytes - before) /
          static_cast<double>(chosen.bytes * chosen.values * (chosen.nodes - 1)));
  return 0;
}

template <class Number>
bool try_parse(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

std::optional<options> parse(int count, char** arguments) {
  options chosen;
  if (count < 2 || count % 2 != 0) return std::nullopt;
  chosen.what = arguments[1];
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string_view option = arguments[i];
    const std::string_view value = arguments[i + 1];
    bool is_good = false;
    if (option == "--nodes") is_good = try_parse(value, chosen.nodes) && chosen.nodes >= 2;
    if (option == "--budget") is_good = try_parse(value, chosen.budget);
    if (option == "--rounds") is_good = try_parse(value, chosen.rounds) && chosen.rounds >= 8;
    if (option == "--bytes") is_good = try_parse(value, chosen.bytes) && chosen.bytes > 0;
    if (option == "--values") is_good = try_parse(value, chosen.values) && chosen.values > 0;
    if (option == "--loss") is_good = try_parse(value, chosen.loss);
    if (!is_good) return std::nullopt;
  }
  return chosen;
}

}  // namespace
}  // namespace gossipmonger

int main(int count, char** arguments) {
  const auto chosen = gossipmonger::parse(count, arguments);
  if (chosen && chosen->what == "capacity") return gossipmonger::measure_capacity(*chosen);
  if (chosen && chosen->what == "writer") return gossipmonger::measure_writer(*chosen);
  if (chosen && chosen->what == "value") return gossipmonger::measure_value(*chosen);
  if (chosen && chosen->what == "compaction") return gossipmonger::measure_compaction(*chosen);
  std::fprintf(stderr,
               "usage: flow capacity|writer|value|compaction [--nodes N] [--budget B] [--rounds R] "
               "[--bytes V] [--values K] [--loss P]\n");
  return 2;
}
