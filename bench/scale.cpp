// The cost of gossip as the cluster grows, in the simulated world. Measured are the bytes that a
// node sends in a round, at rest and with one write a round in the whole cluster, or W writes, each
// of another node. Further, in how many rounds such a write is everywhere, and the CPU that the
// simulation takes.
//
//     scale [--nodes N,N,...] [--rounds R] [--digest-datagrams D] [--loss P] [--seeds S]
//           [--budget BYTES] [--writes W] [--sums-peers-min P] [--cut ROUNDS]
//
// Prints one line for each size. All nodes know each other before the count begins. With --cut the
// cluster falls into two halves for so many rounds: without writes, and again with W a round. The
// line then says after how many rounds it is one again.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <numeric>
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

  std::vector<std::size_t> nodes{10, 30, 100, 300, 1000};
  std::size_t rounds = 100;  ///< of each of the two parts
  std::size_t digest_datagrams = config().digest_datagrams_max;
  double loss = 0;
  std::size_t seeds = 1;   ///< each of which is a seed of all
  std::size_t budget = 0;  ///< send_bytes_per_interval, once all know each other
  std::size_t writes = 1;  ///< a round
  std::size_t sums_peers_min = config().sums_peers_min;
  std::size_t cut = 0;  ///< rounds
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string name_of(std::size_t node) { return "n" + std::to_string(node); }

/// A cluster whose nodes all know each other, at rest.
bool start_cluster(world& where, std::size_t nodes, const options& chosen) {
  std::vector<std::size_t> seeds(std::min(chosen.seeds, nodes));
  std::iota(seeds.begin(), seeds.end(), std::size_t{0});
  for (std::size_t node = 0; node < nodes; ++node) {
    config settings;
    settings.name = name_of(node);
    settings.digest_datagrams_max = chosen.digest_datagrams;
    settings.sums_peers_min = chosen.sums_peers_min;
    settings.detector_window = 16;  // memory: there are nodes * nodes of them
    where.add_stopped(settings);
    where.set_seeds(node, seeds);
  }
  for (std::size_t node = 0; node < nodes; ++node) where.restart(node);
  const auto knows_all = [&] {
    for (std::size_t node = 0; node < nodes; ++node) {
      if (where[node].stats().peers_known != nodes - 1) return false;
    }
    return true;
  };
  if (!where.run_until(knows_all, 600s, 1s)) return false;
  for (std::size_t node = 0; node < nodes; ++node) {
    config settings = where[node].settings();
    settings.send_bytes_per_interval = chosen.budget;
    if (!where[node].change(settings, where.now(node))) return false;
  }
  where.run_for(20s);
  return true;
}

/// One write of one node, until it is everywhere.
struct news {
  news(std::size_t at, std::size_t in_round) : writer(at), round(in_round) {}

  std::size_t writer;
  std::size_t round;
  std::uint64_t version = 0;
};

bool is_everywhere(const world& where, const news& one) {
  const std::string name = name_of(one.writer);
  for (std::size_t node = 0; node < where.size(); ++node) {
    const std::optional<entry_view> held = where[node].get(name, "key");
    if (!held || held->version < one.version) return false;
  }
  return true;
}

struct figures {
  figures() = default;

  double idle_bytes = 0;
  double idle_datagrams = 0;
  double write_bytes = 0;
  double cpu_us = 0;  // of a node and round
  std::vector<std::size_t> rounds;
  std::size_t missing = 0;
};

figures measure(world& where, const options& chosen) {
  figures seen;
  const double node_rounds = static_cast<double>(where.size() * chosen.rounds);
  const std::uint64_t bytes_before = where.counters().bytes;
  const std::uint64_t datagrams_before = where.counters().datagrams;
  const double cpu_before = cpu_seconds();
  where.run_for(chosen.rounds * 1s);
  seen.cpu_us = (cpu_seconds() - cpu_before) * 1e6 / node_rounds;
  seen.idle_bytes = static_cast<double>(where.counters().bytes - bytes_before) / node_rounds;
  seen.idle_datagrams =
      static_cast<double>(where.counters().datagrams - datagrams_before) / node_rounds;

  random_source draws(where.size());
  std::deque<news> on_its_way;
  const auto look = [&](std::size_t round) {
    std::erase_if(on_its_way, [&](const news& one) {
      if (!is_everywhere(where, one)) return false;
      seen.rounds.push_back(round - one.round);
      return true;
    });
  };
  const std::uint64_t bytes_at_rest = where.counters().bytes;
  std::uint64_t bytes_after = bytes_at_rest;
  for (std::size_t round = 0; round < chosen.rounds + 40; ++round) {
    if (round == chosen.rounds) bytes_after = where.counters().bytes;
    const std::size_t first = static_cast<std::size_t>(draws.below(where.size()));
    for (std::size_t i = 0; i < chosen.writes && round < chosen.rounds; ++i) {
      news& one = on_its_way.emplace_back((first + i) % where.size(), round);
      one.version = where[one.writer].set("key", std::to_string(round)).value_or(0);
    }
    where.run_for(1s);
    look(round + 1);
  }
  seen.missing = on_its_way.size();
  seen.write_bytes = static_cast<double>(bytes_after - bytes_at_rest) / node_rounds;
  std::sort(seen.rounds.begin(), seen.rounds.end());
  return seen;
}

/// How long a cluster takes to be one again.
struct heal {
  heal() = default;

  std::size_t values = 0;  ///< rounds until all nodes hold the same
  std::size_t live = 0;    ///< and until all are live for all
  double bytes = 0;        ///< that a node sent in the `live` rounds, a round
};

bool is_same_everywhere(const world& where) {
  // Tables stand in the order of hashes, which is the same on all nodes that know each other.
  std::vector<std::uint64_t> written;
  for (const peer_view row : where[0].peers().by_hash()) {
    const std::string& name = where[0].peers().details(row.slot()).name;
    written.push_back(where[std::stoul(name.substr(1))].version());
  }
  for (std::size_t node = 0; node < where.size(); ++node) {
    std::size_t place = 0;
    for (const peer_view row : where[node].peers().by_hash()) {
      if (row.max_version() != written[place++]) return false;
    }
  }
  return true;
}

bool is_all_live(const world& where) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where[node].stats().peers_live != where.size() - 1) return false;
  }
  return true;
}

heal measure_heal(world& where, const options& chosen, std::size_t writes) {
  constexpr std::size_t rounds_max = 300;
  random_source draws(where.size());
  where.is_cut = [](std::size_t from, std::size_t to) { return from % 2 != to % 2; };
  for (std::size_t round = 0; round < chosen.cut; ++round) {
    for (std::size_t i = 0; i < writes; ++i) {
      const auto writer = static_cast<std::size_t>(draws.below(where.size()));
      static_cast<void>(where[writer].set("key", std::to_string(round)));
    }
    where.run_for(1s);
  }
  where.is_cut = nullptr;
  heal seen;
  const std::uint64_t before = where.counters().bytes;
  bool is_same = false;
  std::size_t round = 0;
  for (; round < rounds_max; ++round) {
    if (!is_same && is_same_everywhere(where)) {
      is_same = true;
      seen.values = round;
    }
    if (is_same && is_all_live(where)) break;
    where.run_for(1s);
  }
  seen.live = round;
  seen.bytes = static_cast<double>(where.counters().bytes - before) /
               static_cast<double>(where.size() * std::max<std::size_t>(1, round));
  where.run_for(60s);
  return seen;
}

std::size_t quantile(const std::vector<std::size_t>& sorted, std::size_t percent) {
  return sorted.empty() ? 0 : sorted[(sorted.size() * percent + 99) / 100 - 1];
}

int run(const options& chosen) {
  std::printf(
      "nodes  bytes/node/round idle  datagrams  with a write a round  rounds to all p50 p99 max "
      "missing  us/node/round\n");
  for (const std::size_t nodes : chosen.nodes) {
    world where(nodes);
    if (!start_cluster(where, nodes, chosen)) {
      std::fprintf(stderr, "scale: %zu nodes did not all meet\n", nodes);
      return 1;
    }
    where.conditions.loss = chosen.loss;
    if (chosen.cut != 0) {
      for (const std::size_t writes : {std::size_t{0}, chosen.writes}) {
        const heal seen = measure_heal(where, chosen, writes);
        std::printf(
            "%5zu cut for %zu rounds, %zu writes a round: values agree after %zu, all live "
            "after %zu, %.0f bytes/node/round\n",
            nodes, chosen.cut, writes, seen.values, seen.live, seen.bytes);
        std::fflush(stdout);
      }
      continue;
    }
    const figures seen = measure(where, chosen);
    std::printf("%5zu %22.0f %10.2f %21.0f %17zu %3zu %3zu %7zu %14.1f\n", nodes, seen.idle_bytes,
                seen.idle_datagrams, seen.write_bytes, quantile(seen.rounds, 50),
                quantile(seen.rounds, 99), quantile(seen.rounds, 100), seen.missing, seen.cpu_us);
    std::fflush(stdout);
  }
  return 0;
}

template <class Number>
bool try_parse(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

bool try_parse_list(std::string_view text, std::vector<std::size_t>& out) {
  out.clear();
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    if (!try_parse(one, out.emplace_back()) || out.back() < 2 || out.back() > 4096) return false;
    text.remove_prefix(std::min(one.size() + 1, text.size()));
  }
  return !out.empty();
}

std::optional<options> parse(int count, char** arguments) {
  options chosen;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view option = arguments[i];
    const std::string_view value = arguments[i + 1];
    bool is_good = false;
    if (option == "--nodes") is_good = try_parse_list(value, chosen.nodes);
    if (option == "--rounds") is_good = try_parse(value, chosen.rounds) && chosen.rounds > 0;
    if (option == "--digest-datagrams") is_good = try_parse(value, chosen.digest_datagrams);
    if (option == "--loss") is_good = try_parse(value, chosen.loss);
    if (option == "--seeds") is_good = try_parse(value, chosen.seeds) && chosen.seeds > 0;
    if (option == "--budget") is_good = try_parse(value, chosen.budget);
    if (option == "--writes") is_good = try_parse(value, chosen.writes) && chosen.writes > 0;
    if (option == "--cut") is_good = try_parse(value, chosen.cut);
    if (option == "--sums-peers-min") is_good = try_parse(value, chosen.sums_peers_min);
    if (!is_good) return std::nullopt;
  }
  if (count % 2 == 0) return std::nullopt;
  return chosen;
}

}  // namespace
}  // namespace gossipmonger

int main(int count, char** arguments) {
  const auto chosen = gossipmonger::parse(count, arguments);
  if (!chosen) {
    std::fprintf(stderr,
                 "usage: scale [--nodes N,N,...] [--rounds R] [--digest-datagrams D] [--loss P] "
                 "[--seeds S] [--budget BYTES] [--writes W] [--sums-peers-min P] "
                 "[--cut ROUNDS]\n");
    return 2;
  }
  return gossipmonger::run(*chosen);
}
