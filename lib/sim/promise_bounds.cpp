#include "sim/promise_bounds.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include "core/liveness/freshness.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// A heartbeat's interval counts up to so many expected gaps.
constexpr std::size_t gaps_counted = 16;
/// A datagram with sums has room for so many rows beside them, at least.
constexpr std::size_t rows_told_by_sums = 3;
/// With sums a rival's heartbeat is awaited for no more rounds than this.
constexpr std::size_t awaited_by_sums = 64;

std::size_t levels_of(const scenario& of) {
  const std::size_t nodes = std::max<std::size_t>(2, of.nodes.size());
  return static_cast<std::size_t>(std::bit_width(nodes - 1));
}

double jitter_of(const scenario& of) {
  double jitter = 0;
  for (const scenario_node& one : of.nodes) jitter = std::max(jitter, one.settings.jitter);
  return jitter;
}

nanoseconds longest_interval(const scenario& of) {
  nanoseconds longest{};
  for (const scenario_node& one : of.nodes) {
    longest = std::max<nanoseconds>(longest, one.settings.gossip_interval);
  }
  return longest;
}

/// The longest interval between two advances of a heartbeat that counts, in rounds: 16 gaps. A
/// node that tells sums expects three rows a datagram.
std::size_t counted_rounds(const scenario& of) {
  std::size_t rows = rows_told;
  for (const scenario_node& one : of.nodes) {
    const bool has_sums = of.nodes.size() > one.settings.sums_peers_min;
    if (one.settings.suspicion_rounds > 0 && has_sums) rows = rows_told_by_sums;
  }
  return gaps_counted * (1 + of.nodes.size() / rows);
}

std::size_t rounded_up(double rounds) { return static_cast<std::size_t>(std::ceil(rounds)); }

/// How often a node asks a peer before it asks in a wire version that the peer reads.
std::size_t tries_max(const scenario& of) {
  std::vector<wire_range> spoken;
  for (const scenario_node& one : of.nodes) spoken.push_back(one.wire);
  for (const decision& one : of.decisions) {
    if (one.wire) spoken.push_back(*one.wire);
  }
  const bool is_same = std::all_of(spoken.begin(), spoken.end(),
                                   [&](const wire_range& one) { return one == spoken.front(); });
  std::size_t versions = 1;
  for (const wire_range& one : spoken) {
    versions = std::max<std::size_t>(versions, one.highest - one.lowest + 1U);
  }
  return is_same ? 1 : versions;
}

}  // namespace

std::size_t agreement_rounds_max(const scenario& of) {
  constexpr std::size_t back_off_rounds = 16;
  std::size_t rounds = 4 * levels_of(of) + 10 + back_off_rounds * tries_max(of);
  nanoseconds grace = std::chrono::hours{1};
  std::size_t seed_every = 0;
  for (const scenario_node& one : of.nodes) {
    grace = std::min<nanoseconds>(grace, one.settings.dead_peer_grace);
    seed_every = std::max(seed_every, one.settings.seed_every_rounds);
  }
  const bool may_run_out = !of.decisions.empty() && of.decisions.back().at >= grace / 2;
  if (may_run_out) rounds += 2 * seed_every;
  return rounds;
}

std::size_t address_rounds_max(const scenario& of) { return 4 * levels_of(of) + 10; }

std::size_t completion_rounds_max(const scenario& of) {
  std::size_t fanout = std::numeric_limits<std::size_t>::max();
  for (const scenario_node& one : of.nodes) fanout = std::min(fanout, one.settings.fanout);
  const std::size_t rounds = 2 * (of.nodes.size() - 1) / fanout + 4;
  return rounded_up(static_cast<double>(rounds) * (1 + jitter_of(of)));
}

std::size_t backlog_rounds_max(std::span<const backlog_part> running) {
  std::size_t bytes = 0;
  std::size_t moved = config().exchange_bytes_max;  // in a round, by an exchange
  std::size_t datagram = config().exchange_bytes_max;
  std::size_t waiting = 0;
  std::size_t fanout = 1;
  bool parks_all = true;
  for (const backlog_part& one : running) fanout = std::max(fanout, one.settings.fanout);
  const std::size_t peers = std::max<std::size_t>(2, running.size()) - 1;
  for (const backlog_part& one : running) {
    const config& settings = one.settings;
    bytes += one.entry_bytes;
    moved = std::min(moved, settings.exchange_bytes_max);
    moved = std::min(moved, settings.exchange_datagrams_max * settings.datagram_bytes_max);
    if (settings.parked_bytes_max < settings.exchange_bytes_max) parks_all = false;
    datagram = std::min(datagram, settings.datagram_bytes_max);
    if (settings.send_bytes_per_interval == 0) continue;
    const std::size_t answer_bytes = one.answers_waiting * settings.datagram_bytes_max;
    waiting = std::max(waiting, 2 * answer_bytes / settings.send_bytes_per_interval);
    const std::size_t half = settings.send_bytes_per_interval / 2;
    const bool has_bulk = half > fanout * settings.datagram_bytes_max;
    moved = std::min(moved, has_bulk ? half : half / peers);
  }
  if (!parks_all) moved = std::min(moved, datagram);
  return 2 * bytes / moved + 1 + waiting;
}

std::size_t longest_rounds_max(const scenario& of) {
  const std::size_t by_rows = gaps_counted * (1 + of.nodes.size() / rows_told);
  const std::size_t rounds = std::max(by_rows, std::min(counted_rounds(of), awaited_by_sums)) + 1;
  return rounded_up(static_cast<double>(rounds) * (1 + jitter_of(of)));
}

std::size_t name_rounds_max(const scenario& of) {
  const std::size_t settled = longest_rounds_max(of) + agreement_rounds_max(of);
  std::size_t rounds = 0;
  std::set<std::size_t> lost;
  for (const decision& one : of.decisions) {
    const bool has_lost =
        one.kind == decision_kind::restart && one.generation != generation_state::kept;
    if (has_lost && !lost.insert(one.node).second) rounds = settled;
  }
  std::set<std::string> names;
  for (const scenario_node& one : of.nodes) {
    if (!names.insert(one.settings.name).second) return settled + detection_rounds_max(of);
  }
  return rounds;
}

std::size_t detection_rounds_max(const scenario& of) {
  const std::size_t nodes = std::max<std::size_t>(2, of.nodes.size());
  std::size_t fanout = std::numeric_limits<std::size_t>::max();  // the least of all
  std::size_t suspicion = 0;
  milliseconds shortest = std::chrono::hours{1};
  milliseconds longest{};
  for (const scenario_node& one : of.nodes) {
    fanout = std::min(fanout, one.settings.fanout);
    suspicion = std::max(suspicion, one.settings.suspicion_rounds);
    shortest = std::min(shortest, one.settings.gossip_interval);
    longest = std::max(longest, one.settings.gossip_interval);
  }
  constexpr std::size_t asked_surely = 21;  // e^-21 is 8e-10
  const std::size_t asked = std::min(2 * (nodes - 1) / fanout, asked_surely);
  const std::size_t told = 4 + 2 * levels_of(of) + 4 + suspicion / 3;
  std::size_t rounds = asked + 1 + std::max(suspicion, told) + 2;
  if (shortest != longest) rounds += suspicion;
  return rounded_up(static_cast<double>(rounds) * (1 + jitter_of(of)));
}

std::size_t silence_rounds_max(const scenario& of) {
  double phi = 0;
  for (const scenario_node& one : of.nodes) phi = std::max(phi, one.settings.dead_peer_phi);
  const auto mean = static_cast<double>(counted_rounds(of));
  const double rounds = phi * std::numbers::ln10 * mean * (1 + jitter_of(of));
  return rounded_up(rounds) + agreement_rounds_max(of);
}

std::size_t stale_rounds_max(const scenario& of) {
  nanoseconds longest{};
  for (const scenario_node& one : of.nodes) {
    const nanoseconds interval = one.settings.gossip_interval;
    const std::uint64_t rounds = fresh_rounds_max(of.nodes.size(), interval, 0);
    longest = std::max(longest, interval * static_cast<std::int64_t>(rounds + 1));
  }
  const nanoseconds round = longest_interval(of);
  return static_cast<std::size_t>((longest + round - nanoseconds{1}) / round);
}

bool has_one_interval(const scenario& of) {
  return std::ranges::all_of(of.nodes, [&of](const scenario_node& one) {
    return one.settings.gossip_interval == of.nodes.front().settings.gossip_interval;
  });
}

std::size_t revivals_max(const scenario& of, std::size_t node) {
  if (has_one_interval(of)) return 0;
  const config& settings = of.nodes[node].settings;
  const nanoseconds declaring =
      settings.gossip_interval * static_cast<std::int64_t>(settings.suspicion_rounds);
  const nanoseconds heard = static_cast<std::int64_t>(stale_rounds_max(of)) * longest_interval(of);
  return static_cast<std::size_t>(heard / declaring);
}

}  // namespace gossipmonger
