// Random scenarios under every fault; tools/gossip_sim runs thousands of them.
#include <cstdint>
#include <set>

#include <doctest/doctest.h>

#include "sim/simulation.hpp"
#include "sim/swarm.hpp"

namespace gossipmonger {

TEST_CASE("swarm: whatever happened, every invariant holds, and all agree after it healed") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    const simulation_report report = simulate(draw_scenario(seed), simulation_options());

    const violation fault = report.fault.value_or(violation());
    CHECK_MESSAGE(!report.fault, "seed " << seed << ": " << fault.rule << ": " << fault.text
                                         << "; replay: gossip_sim --seed " << seed);
  }
}

TEST_CASE("swarm: a seed gives the same trace again, and another seed another") {
  std::set<std::uint64_t> hashes;

  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const simulation_report first = simulate(draw_scenario(seed), simulation_options());
    const simulation_report again = simulate(draw_scenario(seed), simulation_options());

    CHECK(first.trace_hash == again.trace_hash);
    CHECK(first.counters.datagrams == again.counters.datagrams);
    hashes.insert(first.trace_hash);
  }

  CHECK(hashes.size() == 8);
}

TEST_CASE("swarm: over 300 seeds, every kind of decision is drawn") {
  std::set<decision_kind> drawn;

  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    for (const decision& one : draw_scenario(seed).decisions) drawn.insert(one.kind);
  }

  CHECK(drawn.size() == 25);
}

TEST_CASE("swarm: over 60 seeds, large values, expiry, changes, addresses and crashes are common") {
  simulation_sums sums;

  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const simulation_report report = simulate(draw_scenario(seed), simulation_options());
    sums.fragments += report.sums.fragments;
    sums.expired += report.sums.expired;
    sums.changes += report.sums.changes;
    sums.advertised += report.sums.advertised;
    sums.followed += report.sums.followed;
    sums.detected += report.sums.detected;
  }

  CHECK(sums.fragments > 1000);
  CHECK(sums.expired > 100);
  CHECK(sums.changes > 20);
  CHECK(sums.advertised > 60);
  CHECK(sums.followed > 8);
  CHECK(sums.detected > 50);
}

}  // namespace gossipmonger
