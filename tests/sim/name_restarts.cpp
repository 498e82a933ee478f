#include "name_restarts.hpp"

#include <chrono>
#include <vector>

#include "cluster.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/promises.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr int starts = 4;

scenario cluster_of(std::size_t nodes) {
  scenario of;
  of.nodes.resize(nodes);
  return of;
}

}  // namespace

restart_outcome restart_quickly(std::uint64_t seed, std::size_t nodes, dates of) {
  world where(seed);
  random_source draws(seed);
  add_cluster(where, nodes);
  const std::size_t last = nodes - 1;
  const auto first_wall = where.now(last).wall;
  where.run_for(20s);
  std::vector<event_log> logs;
  for (std::size_t node = 0; node < last; ++node) logs.emplace_back(where, node);

  restart_outcome outcome;
  for (int start = 1; start <= starts; ++start) {
    if (of == dates::same) {
      where.set_wall_offset(last, {});
      where.set_wall_offset(last, first_wall - where.now(last).wall);
    } else if (start == 1) {
      where.set_wall_offset(last, -1h);
    }
    where.restart(last);
    outcome.generations += " " + std::to_string(where[last].generation());
    static_cast<void>(where[last].set("run", std::to_string(start)));
    const std::chrono::milliseconds wait(200 + draws.below(3000));
    if (start < starts) where.run_for(wait);
  }
  logs.emplace_back(where, last);
  const auto begin = where.time();
  const std::size_t limit = 4 * restart_rounds_max(nodes);
  static_cast<void>(where.run_until([&] { return where.has_agreed(); }, limit * 1s, 1s));
  outcome.has_sums = all_tell_sums(where);

  outcome.rounds = static_cast<std::size_t>((where.time() - begin + 999ms) / 1s);
  outcome.generations += ", then " + std::to_string(where[last].generation());
  for (event_log& log : logs) {
    log.read(where);
    outcome.conflicts += log.count(event_kind::conflict);
  }
  return outcome;
}

std::size_t restart_rounds_max(std::size_t nodes) {
  const scenario of = cluster_of(nodes);
  // The one for a peer that did not answer for long: here each does.
  constexpr std::size_t back_off_rounds = 16;
  const std::size_t agreed = agreement_rounds_max(of) - back_off_rounds;
  return longest_rounds_max(of) + 2 * agreed;
}

}  // namespace gossipmonger
