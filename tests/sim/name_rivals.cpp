#include "name_rivals.hpp"

#include <bit>
#include <chrono>
#include <optional>
#include <string_view>

#include <doctest/doctest.h>

#include "sim/promises.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

two_of_one_name::two_of_one_name(std::uint64_t seed, const config& common, std::size_t nodes)
    : where(seed) {
  add_cluster(where, nodes, common);
  REQUIRE(where[1].set("of", "first"));
  const auto limit = nodes < 100 ? 20s : 60s;
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, limit));
  config settings = common;
  settings.name = "n1";
  second = where.add(settings, 0);
  REQUIRE(where[second].set("of", "second"));
  for (std::size_t node = 0; node < where.size(); ++node) logs.emplace_back(where, node);
}

void two_of_one_name::read() {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where.is_running(node)) logs[node].read(where);
  }
}

std::size_t two_of_one_name::older() const {
  return where[1].generation() < where[second].generation() ? 1 : second;
}

std::size_t two_of_one_name::newer() const { return older() == 1 ? second : 1; }

peer_status two_of_one_name::status_of(std::size_t node) const {
  return where[node].find_member("n1", where.now(node))->status;
}

void two_of_one_name::run_into_conflict() {
  REQUIRE(where.run_until([&] { return status_of(older()) == peer_status::conflict; }, 100s));
}

std::size_t survival_rounds_max(std::size_t nodes) {
  scenario of;
  of.nodes.resize(nodes);
  const std::size_t spreading = 4 * static_cast<std::size_t>(std::bit_width(nodes - 1)) + 10;
  return detection_rounds_max(of) + longest_rounds_max(of) + spreading;
}

void demand_survivor(std::size_t nodes, std::uint64_t seed, ending how, bool is_older_left) {
  CAPTURE(nodes);
  CAPTURE(seed);
  CAPTURE(static_cast<int>(how));
  CAPTURE(is_older_left);
  two_of_one_name both(seed, config(), nodes);
  world& where = both.where;
  both.run_into_conflict();
  where.run_for(5s);
  CHECK(all_tell_sums(where) == (nodes > config().sums_peers_min));
  const std::size_t survivor = is_older_left ? both.older() : both.newer();
  const std::size_t rival = is_older_left ? both.newer() : both.older();
  const auto begin = where.time();
  if (how == ending::pause) where.pause(rival, 1h);
  if (how == ending::leave) {
    where[rival].leave(where.now(rival));
    where.reschedule(rival);
    where.run_for(3s);
  }
  if (how != ending::pause) where.crash(rival);

  const auto has_all = [&](std::size_t node, std::string_view key, std::string_view value) {
    return node == survivor || node == rival || value_at(where, node, "n1", key) == value;
  };
  const std::string_view mine = survivor == 1 ? "first" : "second";
  const auto is_live_at = [&](std::size_t node) {
    if (node == survivor || node == rival) return true;
    const std::optional<member> seen = where[node].find_member("n1", where.now(node));
    return seen && seen->status == peer_status::live &&
           seen->generation == where[survivor].generation() && has_all(node, "of", mine);
  };
  const auto is_live = [&] {
    for (std::size_t node = 0; node < where.size(); ++node) {
      if (!is_live_at(node)) return false;
    }
    return both.status_of(survivor) == peer_status::self;
  };
  const std::size_t rounds_max = survival_rounds_max(where.size());
  const bool is_back = where.run_until(is_live, rounds_max * 1s);
  const auto rounds = (where.time() - begin) / 1s;
  CHECK_MESSAGE(is_back, rounds << " rounds");
  if (nodes >= 100) {
    MESSAGE(nodes << " nodes: live after " << rounds << " of " << rounds_max << " rounds");
  }

  // Keys that it writes from now on reach all.
  REQUIRE(where[survivor].set("later", "1"));
  where.run_for(30s);
  for (std::size_t node = 0; node < where.size(); ++node) CHECK(has_all(node, "later", "1"));
  both.logs[survivor].read(where);
  CHECK(both.logs[survivor].count(event_kind::conflict_ended) == (is_older_left ? 1 : 0));
}

}  // namespace gossipmonger
