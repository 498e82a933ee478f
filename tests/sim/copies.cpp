#include "copies.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "gossipmonger/drop_reason.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

bool has_all(const world& where, const copy_plan& plan) {
  for (std::size_t node = 1; node <= plan.joiners; ++node) {
    const std::optional<member> seen = where[node].find_member(name_of(0), where.now(node));
    if (!seen || seen->max_version < plan.keys) return false;
  }
  return true;
}

}  // namespace

copy_costs run_copies(const copy_plan& plan) {
  world where(plan.seed);
  config common;
  common.send_bytes_per_interval = plan.budget;
  common.name = name_of(0);
  where.add(common);
  for (std::size_t i = 0; i < plan.keys; ++i) {
    // 37 bytes: with its frame, some 28 in a datagram.
    const std::string key = "key/" + std::to_string(10'000'000 + i);
    if (!where[0].set(key, std::string(25, 'v'))) return {};
  }
  where.conditions.loss = plan.loss;
  std::vector<std::uint64_t> node_bytes(plan.joiners + 1);
  where.on_send = [&](std::size_t from, const endpoint&, std::span<const std::byte> datagram) {
    node_bytes[from] += datagram.size();
  };
  for (std::size_t node = 1; node <= plan.joiners; ++node) {
    common.name = name_of(node);
    where.add(common, 0);
  }

  copy_costs costs;
  while (!has_all(where, plan) && costs.rounds < plan.rounds_max) {
    where.run_for(1s);
    ++costs.rounds;
  }
  costs.is_complete = has_all(where, plan);
  costs.bytes = where.counters().bytes;
  costs.node_bytes_max = *std::max_element(node_bytes.begin(), node_bytes.end());
  for (std::size_t node = 0; node <= plan.joiners; ++node) {
    const protocol_stats seen = where[node].stats();
    costs.entries_sent += seen.entries_sent;
    costs.entries_known += seen.entries_skipped;
    costs.deltas_dropped += seen.drops[static_cast<std::size_t>(drop_reason::gap)];
  }
  return costs;
}

}  // namespace gossipmonger
