// The swarm of real nodes over many seeds, and that all it is made for really happened to them.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "real_swarm.hpp"

namespace gossipmonger {

namespace {

/// Of links, of processes, of disks and storages, of settings, of operators; and what was demanded.
constexpr std::string_view wanted[] = {
    "lost",
    "duplicated",
    "reordered",
    "corrupted",
    "garbled",
    "checksum",
    "truncated",
    "cut",
    "deaf",
    "mute",
    "over a silent MTU",
    "over a reported MTU",
    "full queue",
    "link",
    "pause",
    "late timer",
    "wrong date",
    "crash",
    "move",
    "address advertised",
    "address followed",
    "late join",
    "leave",
    "namesake seen",
    "name taken",
    "quick restart",
    "mutated",
    "disk intact",
    "disk lost",
    "disk stale",
    "disk torn",
    "generation kept",
    "generation lost",
    "generation reused",
    "storage refused a write",
    "storage refused an entry",
    "storage was slow",
    "reader lagged",
    "compaction",
    "fragments",
    "no room for a write",
    "no room for an entry",
    "roll-out",
    "unreadable",
    "expired",
    "empty value",
    "large value of two runs",
    "large value behind a compaction",
    "forgotten by hand",
    "forgotten while the storage failed",
    "options changed",
    "stop while a reader pauses",
    "seed with little room",
    "seed with a liar",
};

/// SWARM_SEED=N: that seed alone, as a failure says.
std::optional<std::uint64_t> chosen_seed() {
  const char* const number = std::getenv("SWARM_SEED");
  return number == nullptr ? std::nullopt : std::optional(std::strtoull(number, nullptr, 10));
}

}  // namespace

TEST_CASE("real swarm: whatever happened to nodes, all agree and every reader saw it") {
  const std::optional<std::uint64_t> chosen = chosen_seed();
  fault_counts sums;
  for (std::uint64_t seed = chosen.value_or(1); seed <= chosen.value_or(40); ++seed) {
    real_swarm swarm(seed);
    const std::string fault = swarm.run();
    CHECK_MESSAGE(fault.empty(), fault << "; again: SWARM_SEED=" << seed
                                       << " tests/testing/testing_test -tc='real swarm*'");
    for (const auto& [name, times] : swarm.faults()) sums[name] += times;
  }
  if (chosen) return;

  for (const std::string_view one : wanted) {
    INFO(std::string(one));
    CHECK(sums.contains(one));
  }
  CHECK(sums["seed that had to agree"] >= 25);
  CHECK(sums["fold compared"] >= 200);
}

}  // namespace gossipmonger
