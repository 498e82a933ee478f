#include "sim/table_limits.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

/// Capacities, by hand, of a node with these options that knows four peers.
config small_tables() {
  config settings;
  settings.peers_max = 10;
  settings.parked_bytes_max = 3000;
  settings.partial_bytes_max = 70'000;
  return settings;
}
table_sizes of_four_peers() {
  table_sizes held;
  held.peers = 4;
  held.announced_bytes = 500;
  return held;
}

using limit = std::pair<std::size_t table_sizes::*, std::size_t>;

const std::vector<limit>& limits() {
  static const std::vector<limit> all{
      {&table_sizes::partners, 4},         {&table_sizes::unwanted, 10 + 1024},
      {&table_sizes::addresses, 10 + 256}, {&table_sizes::joining, 64},
      {&table_sizes::reported_names, 64},  {&table_sizes::parked_deltas, 4 * 256},
      {&table_sizes::parked_bytes, 3000},  {&table_sizes::partial_values, 4},
      {&table_sizes::partial_bytes, 500},  {&table_sizes::announced_bytes, 70'000},
      {&table_sizes::put_off, 4},          {&table_sizes::transfers, 64},
      {&table_sizes::digests, 256},        {&table_sizes::answers, 256},
      {&table_sizes::unverified, 32},      {&table_sizes::flights, 1024},
      {&table_sizes::checksums, 64},       {&table_sizes::restarted, 256},
      {&table_sizes::probes, 64},          {&table_sizes::probe_requests, 64},
      {&table_sizes::round_trips, 64},     {&table_sizes::suspicions_told, 4},
      {&table_sizes::told_addresses, 64},  {&table_sizes::changes, 1024 + 12},
      {&table_sizes::kept_changes, 1024},
  };
  return all;
}

std::string overfull(const table_sizes& held) {
  return find_overfull(held, table_limits(small_tables(), held));
}

}  // namespace

TEST_CASE("table limits: each table may be full, and hold no more than that") {
  for (const auto& [table, most] : limits()) {
    table_sizes held = of_four_peers();

    held.*table = most;
    CHECK_MESSAGE(overfull(held).empty(), overfull(held));
    held.*table = most + 1;
    const std::string said = std::to_string(most + 1) + " ";
    CHECK_MESSAGE(overfull(held).starts_with(said), said << "is not found: " << overfull(held));
  }
}

TEST_CASE("table limits: the rows are those of the option, whatever hangs on their number") {
  table_sizes held;

  held.peers = 10;
  CHECK(overfull(held).empty());
  held.peers = 11;
  CHECK(overfull(held) == "11 peers, at most 10");
}

}  // namespace gossipmonger
