// Tests of nodes' notices over a network: alone, refused, of another cluster or interval.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// The `error` events of a node from when this began, as "peer: text".
class error_log {
 public:
  error_log(world& where, std::size_t node) : where_(where), node_(node) {
    static_cast<void>(read());
  }

  std::vector<std::string> read() {
    std::vector<std::string> told;
    while (const std::optional<event_view> seen = where_[node_].poll_event(cursor_)) {
      if (seen->kind != event_kind::error) continue;
      told.push_back(std::string(seen->peer) + ": " + std::string(seen->text));
    }
    return told;
  }

 private:
  world& where_;
  std::size_t node_;
  change_cursor cursor_;
};

std::size_t count_with(const std::vector<std::string>& told, std::string_view part) {
  return static_cast<std::size_t>(
      std::count_if(told.begin(), told.end(),
                    [part](const std::string& one) { return one.find(part) != one.npos; }));
}

config with_interval(std::size_t number, std::chrono::milliseconds interval) {
  config settings = named(name_of(number));
  settings.gossip_interval = interval;
  return settings;
}

}  // namespace

TEST_CASE("notices: a node that waits for its seed says so once, and when the seed is there") {
  world where(1);
  const std::size_t seed = where.add_stopped(named("seed"));
  const std::size_t node = where.add(named("node"), seed);
  error_log log(where, node);

  where.run_for(1200s);
  const std::vector<std::string> told = log.read();
  REQUIRE(told.size() == 1);
  CHECK(count_with(told, "nobody is known") == 1);
  CHECK(count_with(told, where.address(seed).to_string()) == 1);

  where.restart(seed);
  where.run_for(60s);
  CHECK(log.read() ==
        std::vector<std::string>{"seed: this node is alone no more: this peer is known"});
}

TEST_CASE("notices: a seed names the address of another cluster once, and who is there is alone") {
  world where(2);
  config settings = named("seed");
  settings.cluster_name = "prod";
  const std::size_t seed = where.add(settings);
  settings = named("node");
  settings.cluster_name = "pord";
  error_log at_seed(where, seed);
  const std::size_t node = where.add(settings, seed);
  error_log at_node(where, node);

  where.run_for(600s);

  const std::vector<std::string> seen = at_seed.read();
  REQUIRE(seen.size() == 1);
  CHECK(count_with(seen, "the node at " + where.address(node).to_string()) == 1);
  CHECK(count_with(seen, "\"prod\"") == 1);
  const std::vector<std::string> told = at_node.read();
  REQUIRE(told.size() == 1);
  CHECK(count_with(told, "no seed answers as a node of cluster \"pord\"") == 1);
}

TEST_CASE("notices: damaged datagrams name no other cluster") {
  world where(3);
  add_cluster(where, 3);
  error_log log(where, 0);
  where.conditions.corruption = 0.5;

  where.run_for(600s);

  CHECK(where[0].stats().drops[static_cast<std::size_t>(drop_reason::cluster)] > 0);
  CHECK(log.read().empty());
}

TEST_CASE(
    "notices: a node with a date of next year is told by one of its peers, and stays as it is") {
  world where(4);
  add_cluster(where, 5);
  where.run_for(20s);
  const std::size_t early = where.add_stopped(named("early"));
  where.set_wall_offset(early, std::chrono::hours(24 * 365));
  where.set_seeds(early, {0});
  where.restart(early);
  const std::uint64_t generation = where[early].generation();
  error_log log(where, early);

  where.run_for(600s);

  const std::vector<std::string> told = log.read();
  REQUIRE(told.size() == 1);
  CHECK(count_with(told, "this peer refuses this node") == 1);
  CHECK(where[early].live_peers() == 5);
  CHECK(where[early].generation() == generation);
  for (std::size_t node = 0; node < 5; ++node) {
    CHECK(!where[node].is_known("early"));
    CHECK(where[node].stats().refutations == 0);
  }
}

TEST_CASE("notices: who refuses everybody for its own date tells each of them once") {
  world where(5);
  add_cluster(where, 4);
  where.run_for(60s);
  where.crash(3);
  where.set_wall_offset(3, -72h);
  where.restart(3);
  error_log log(where, 0);

  where.run_for(300s);

  CHECK(count_with(log.read(), "n3: this peer refuses this node") == 1);
  CHECK(where[0].stats().refutations == 0);
}

TEST_CASE("notices: the owner of what a storage refuses is told, once, though it is tried again") {
  world where(8);
  add_cluster(where, 3);
  where.run_for(20s);
  storage_conditions broken;
  broken.failure = 1;
  where.set_storage(0, broken);
  error_log log(where, 1);

  REQUIRE(where[1].set("key", "value"));
  where.run_for(300s);

  CHECK(log.read() == std::vector<std::string>{
                          "n0: the storage of this peer refuses entries of this node: see the "
                          "events of that peer"});
}

TEST_CASE("notices: who allows fewer keys than a peer has tells that peer, once") {
  world where(9);
  config settings = named("small");
  settings.keys_per_peer_max = 10;
  where.add(settings);
  where.add(named("large"), 0);
  where.run_for(10s);
  error_log log(where, 1);

  for (int key = 0; key < 50; ++key) REQUIRE(where[1].set("key" + std::to_string(key), "x"));
  where.run_for(300s);

  const std::vector<std::string> told = log.read();
  REQUIRE(told.size() == 1);
  CHECK(count_with(told, "small: this peer takes nothing further of this node") == 1);
}

TEST_CASE("notices: peers of another interval are named once, by each, and nobody is called dead") {
  world where(6);
  for (std::size_t node = 0; node < 3; ++node) {
    where.add(with_interval(node, 100ms), node == 0 ? std::nullopt : std::optional<std::size_t>(0));
  }
  where.add(with_interval(3, 1000ms), 0);
  std::vector<error_log> logs;
  logs.reserve(4);
  for (std::size_t node = 0; node < 4; ++node) logs.emplace_back(where, node);

  where.run_for(120s);

  for (std::size_t node = 0; node < 3; ++node) {
    const std::vector<std::string> told = logs[node].read();
    CHECK(told.size() == 1);
    CHECK(count_with(told, "n3: this peer gossips about every 960 ms, this node every 100 ms") ==
          1);
    CHECK(where[node].stats().declared_dead == 0);
  }
  const std::vector<std::string> told = logs[3].read();
  CHECK(told.size() == 3);
  CHECK(count_with(told, "this peer gossips about every 96 ms, this node every 1000 ms") == 3);
}

TEST_CASE(
    "notices: a roll-out of another interval names nobody, but who was forgotten, at the end") {
  world where(7);
  add_cluster(where, 6);
  where.run_for(60s);
  std::vector<error_log> logs;
  logs.reserve(6);
  for (std::size_t node = 0; node < 6; ++node) logs.emplace_back(where, node);

  for (std::size_t node = 0; node < 5; ++node) {
    config settings = where.settings(node);
    settings.gossip_interval = 5000ms;
    REQUIRE(where.try_change(node, settings));
    where.run_for(30s);
  }
  for (error_log& one : logs) CHECK(one.read().empty());

  where.run_for(900s);
  for (std::size_t node = 0; node < 5; ++node) {
    const std::vector<std::string> told = logs[node].read();
    CHECK(told.size() == 1);
    CHECK(count_with(told, "n5: this peer gossips about every 960 ms") == 1);
  }
  CHECK(logs[5].read().size() == 5);
}

}  // namespace gossipmonger
