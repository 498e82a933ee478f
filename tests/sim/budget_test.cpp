// A byte budget below what membership needs: nobody who lives is declared dead, and crashes are
// found.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Nodes, fan-out, and half of the bytes that membership then needs of a node in a round.
struct starved_cluster {
  starved_cluster(std::size_t of_nodes, std::size_t with_fanout, std::size_t with_budget)
      : nodes(of_nodes), fanout(with_fanout), budget(with_budget) {}

  std::size_t nodes;
  std::size_t fanout;
  std::size_t budget;
};

std::uint64_t sum_declared_dead(const world& where) {
  std::uint64_t all = 0;
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where.is_running(node)) all += where[node].stats().declared_dead;
  }
  return all;
}

void set_budget(world& where, std::size_t budget) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    config settings = where.settings(node);
    settings.send_bytes_per_interval = budget;
    REQUIRE(where.try_change(node, settings));
  }
}

}  // namespace

TEST_CASE(
    "budget: with half of what membership needs nobody is declared dead, and crashes are found") {
  // 30 nodes with fan-out 1 need no more than the least budget that is allowed.
  for (const starved_cluster& of : {starved_cluster(30, 2, 1250), starved_cluster(100, 1, 2230)}) {
    CAPTURE(of.nodes);
    world where(31);
    config common;
    common.fanout = of.fanout;
    common.sums_peers_min = 65'536;  // by sums both need less than any budget that is allowed
    add_cluster(where, of.nodes, common);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
    event_log told(where, 1);
    set_budget(where, of.budget);

    where.run_for(200s);
    CHECK(sum_declared_dead(where) == 0);
    told.read(where);
    CHECK(told.count(event_kind::error) == 1);

    const std::size_t victim = of.nodes - 1;
    where.crash(victim);
    const bool is_found = where.run_until(
        [&] { return all_see(where, name_of(victim), peer_status::dead); }, 50s, 1s);
    CHECK(is_found);
    CHECK(sum_declared_dead(where) == of.nodes - 1);
    where.restart(victim);
    CHECK(where.run_until([&] { return all_see(where, name_of(victim), peer_status::live); }, 100s,
                          1s));
  }
}

}  // namespace gossipmonger
