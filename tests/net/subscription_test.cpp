#include "gossipmonger/subscription.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// All that can be read now, as "kind peer key=value".
std::vector<std::string> drain(subscription& events) {
  std::vector<std::string> seen;
  while (const std::optional<event_view> one = events.try_next_view()) {
    std::string line = std::string(to_string(one->kind)) + " " + std::string(one->peer);
    if (!one->key.empty()) line += " " + std::string(one->key) + "=" + std::string(one->value);
    seen.push_back(line);
  }
  return seen;
}

using lines = std::vector<std::string>;

}  // namespace

TEST_CASE("subscription: a new one begins with a snapshot and goes on without a gap") {
  node_world world;
  memory_node& one = world.add();
  memory_node& other = world.add();
  REQUIRE(one.set("a", "1"));
  REQUIRE(one.set("b", "2"));
  REQUIRE(one.set("a", "3"));
  world.driver.run_for(5s);

  subscription events = other.subscribe();
  CHECK(drain(events) ==
        lines{"new_peer n0", "peer_live n0", "update n0 b=2", "update n0 a=3", "peer_complete n0"});

  REQUIRE(one.erase("b"));
  world.driver.run_for(2s);
  CHECK(drain(events) == lines{"removed n0 b="});
}

TEST_CASE("subscription: one that reads slowly sees the latest value of each key, once") {
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();
  REQUIRE(node.set("a", "0"));
  CHECK(drain(events) == lines{"update n0 a=0"});

  for (int i = 1; i <= 1000; ++i) REQUIRE(node.set("a", std::to_string(i)));
  REQUIRE(node.set("b", "x"));

  CHECK(drain(events) == lines{"update n0 a=1000", "update n0 b=x"});
}

TEST_CASE("subscription: filters by peer, by key prefix, and without self") {
  node_world world;
  memory_node& one = world.add();
  memory_node& other = world.add();
  world.add();
  event_filter by_peer;
  by_peer.peer = "n1";
  event_filter by_key;
  by_key.key_prefix = "job/";
  event_filter without_self;
  without_self.is_without_self = true;
  subscription of_peer = one.subscribe(by_peer);
  subscription of_jobs = one.subscribe(by_key);
  subscription of_others = one.subscribe(without_self);
  REQUIRE(one.set("job/1", "mine"));
  REQUIRE(other.set("job/2", "theirs"));
  REQUIRE(other.set("role", "worker"));
  world.driver.run_for(5s);

  lines peer = drain(of_peer);
  REQUIRE_FALSE(peer.empty());
  CHECK(peer.front() == "new_peer n1");
  std::sort(peer.begin(), peer.end());
  CHECK(peer == lines{"new_peer n1", "peer_complete n1", "peer_live n1", "update n1 job/2=theirs",
                      "update n1 role=worker"});
  const lines jobs = drain(of_jobs);
  CHECK(std::count(jobs.begin(), jobs.end(), "update n0 job/1=mine") == 1);
  CHECK(std::count(jobs.begin(), jobs.end(), "update n1 job/2=theirs") == 1);
  CHECK(std::count(jobs.begin(), jobs.end(), "update n1 role=worker") == 0);
  const lines others = drain(of_others);
  CHECK(std::count(others.begin(), others.end(), "update n0 job/1=mine") == 0);
  CHECK(std::count(others.begin(), others.end(), "update n1 role=worker") == 1);
}

TEST_CASE("subscription: setting identical bytes is no event") {
  node_world world;
  memory_node& node = world.add();
  REQUIRE(node.set("a", "[1]"));
  subscription events = node.subscribe();
  CHECK(drain(events).size() == 1);

  CHECK(node.set("a", "[1]").value() == 1);
  CHECK(drain(events).empty());
  CHECK(node.set("a", "[1,2]").value() == 2);
  CHECK(drain(events) == lines{"update n0 a=[1,2]"});
}

TEST_CASE(
    "subscription: an error between its beginning and its first event is shown, and pins nothing") {
  node_world world;
  config alone = node_world::settings(0);
  alone.seeds = {"10.0.0.9:7000"};
  memory_node& node = world.add(alone);
  subscription events = node.subscribe();
  REQUIRE(node.set("gone", "1"));
  REQUIRE(node.set("k", "1"));
  world.driver.run_for(5s);  // nobody is known for more than 16 rounds
  REQUIRE(node.erase("gone"));
  world.driver.run_for(20s);

  subscription late = node.subscribe();

  CHECK(node.stats().retired_entries == 0);
  CHECK(drain(events) == lines{"update n0 k=1", "error "});
  CHECK(drain(events).empty());
  CHECK(drain(late) == lines{"update n0 k=1"});
}

TEST_CASE("subscription: a moved one goes on where it stood") {
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();
  REQUIRE(node.set("a", "1"));
  CHECK(drain(events).size() == 1);

  subscription moved = std::move(events);
  REQUIRE(node.set("b", "2"));

  CHECK(drain(moved) == lines{"update n0 b=2"});
}

TEST_CASE("subscription: whatever happens after a wait, it shows what one that never waited does") {
  struct change {
    std::string what;
    std::function<void(node_world&)> make;
  };
  const std::vector<change> changes = {
      {"nothing", [](node_world&) {}},
      {"another key", [](node_world& at) { CHECK(at.nodes[0]->set("b", "2")); }},
      {"the same key", [](node_world& at) { CHECK(at.nodes[0]->set("a", "22")); }},
      {"the key goes", [](node_world& at) { CHECK(at.nodes[0]->erase("a")); }},
      {"enough to move all",
       [](node_world& at) {
         for (int i = 0; i < 3000; ++i) CHECK(at.nodes[0]->set("k" + std::to_string(i % 90), "x"));
       }},
      {"more removals than are kept",
       [](node_world& at) {
         for (int i = 0; i < 200; ++i) CHECK(at.nodes[0]->set("k" + std::to_string(i), "x"));
         for (int i = 0; i < 200; ++i) CHECK(at.nodes[0]->erase("k" + std::to_string(i)));
       }},
      {"another option",
       [](node_world& at) {
         config wanted = at.nodes[0]->settings();
         wanted.fanout = 2;
         CHECK(at.nodes[0]->change(wanted));
       }},
      {"a round", [](node_world& at) { at.driver.run_for(1s); }},
      {"a stop", [](node_world& at) { at.nodes[0]->stop(); }},
  };
  for (const change& then : changes) {
    CAPTURE(then.what);
    node_world world;
    config settings = node_world::settings(0);
    settings.retired_max = 64;
    memory_node& node = world.add(settings);
    REQUIRE(node.set("a", "0"));
    subscription events = node.subscribe();
    subscription never_waited = node.subscribe();
    CHECK(drain(events) == drain(never_waited));
    REQUIRE(node.set("a", "1"));
    const auto wait = [](subscription& of) -> asio::awaitable<void> {
      const result<void> ready = co_await of.wait();
      CHECK(ready);
    };
    world.run(wait(events));

    then.make(world);

    subscription moved = std::move(events);
    CHECK(drain(moved) == drain(never_waited));
    CHECK(drain(moved).empty());
  }
}

TEST_CASE("subscription: a peer forgotten after a wait takes its event along") {
  node_world world;
  memory_node& one = world.add();
  memory_node& other = world.add();
  world.driver.run_for(5s);
  subscription events = one.subscribe();
  CHECK_FALSE(drain(events).empty());
  REQUIRE(other.set("a", "1"));
  world.driver.run_for(1s);
  const auto wait = [](subscription& of) -> asio::awaitable<void> {
    const result<void> ready = co_await of.wait();
    CHECK(ready);
  };
  other.stop();
  world.run(wait(events));

  world.driver.run_for(60s);  // it is dead
  REQUIRE(one.forget("n1"));

  CHECK(drain(events) == lines{"peer_forgotten n1"});
}

}  // namespace gossipmonger
