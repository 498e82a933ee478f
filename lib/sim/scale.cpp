#include "sim/scale.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <string>

#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

std::string name_of(std::size_t node) { return "n" + std::to_string(node); }

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

}  // namespace

bool try_start_cluster(world& where, const scale_plan& plan) {
  const std::size_t nodes = plan.nodes;
  std::vector<std::size_t> seeds(std::min(plan.seeds, nodes));
  std::iota(seeds.begin(), seeds.end(), std::size_t{0});
  for (std::size_t node = 0; node < nodes; ++node) {
    config settings;
    settings.name = name_of(node);
    settings.digest_datagrams_max = plan.digest_datagrams;
    settings.sums_peers_min = plan.sums_peers_min;
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
    settings.send_bytes_per_interval = plan.budget;
    if (!where[node].change(settings, where.now(node))) return false;
  }
  where.run_for(20s);
  return true;
}

rest_costs measure_rest(world& where, std::size_t rounds) {
  rest_costs seen;
  const double node_rounds = static_cast<double>(where.size() * rounds);
  const std::uint64_t bytes_before = where.counters().bytes;
  const std::uint64_t datagrams_before = where.counters().datagrams;
  where.run_for(rounds * 1s);
  seen.bytes = static_cast<double>(where.counters().bytes - bytes_before) / node_rounds;
  seen.datagrams = static_cast<double>(where.counters().datagrams - datagrams_before) / node_rounds;
  return seen;
}

news_costs measure_news(world& where, std::size_t rounds, std::size_t writes) {
  news_costs seen;
  const double node_rounds = static_cast<double>(where.size() * rounds);
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
  for (std::size_t round = 0; round < rounds + 40; ++round) {
    if (round == rounds) bytes_after = where.counters().bytes;
    const std::size_t first = static_cast<std::size_t>(draws.below(where.size()));
    for (std::size_t i = 0; i < writes && round < rounds; ++i) {
      news& one = on_its_way.emplace_back((first + i) % where.size(), round);
      one.version = where[one.writer].set("key", std::to_string(round)).value_or(0);
    }
    where.run_for(1s);
    look(round + 1);
  }
  seen.missing = on_its_way.size();
  seen.bytes = static_cast<double>(bytes_after - bytes_at_rest) / node_rounds;
  std::sort(seen.rounds.begin(), seen.rounds.end());
  return seen;
}

heal_costs measure_heal(world& where, std::size_t cut_rounds, std::size_t writes) {
  constexpr std::size_t rounds_max = 300;
  random_source draws(where.size());
  where.is_cut = [](std::size_t from, std::size_t to) { return from % 2 != to % 2; };
  for (std::size_t round = 0; round < cut_rounds; ++round) {
    for (std::size_t i = 0; i < writes; ++i) {
      const auto writer = static_cast<std::size_t>(draws.below(where.size()));
      static_cast<void>(where[writer].set("key", std::to_string(round)));
    }
    where.run_for(1s);
  }
  where.is_cut = nullptr;
  heal_costs seen;
  const std::uint64_t before = where.counters().bytes;
  bool is_same = false;
  seen.values = rounds_max;
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

}  // namespace gossipmonger
