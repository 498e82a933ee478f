#include "gossipmonger/node.hpp"

#include <chrono>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

asio::awaitable<void> expect_value(memory_node& of, std::string peer, std::string key,
                                   std::string value) {
  const result<std::string> seen = co_await of.wait_for(peer, key, value, 10s);
  if (!seen) throw std::runtime_error(peer + " " + key + ": " + seen.error().message());
}

}  // namespace

TEST_CASE("node: two nodes run 1,000 rounds on a hand-moved clock in a second of the processor") {
  node_world world;
  memory_node& one = world.add();
  memory_node& other = world.add();
  REQUIRE(one.set("role", "first"));

  const std::clock_t began = std::clock();
  world.driver.run_for(200s);

  // Each interval varies by a tenth, so a node may come a little short of 1,000.
  CHECK(one.stats().rounds >= 980);
  CHECK(other.stats().rounds <= 1020);
  CHECK(other.get("n0", "role")->value == "first");
  CHECK(std::clock() - began < CLOCKS_PER_SEC);
}

TEST_CASE("node: what one sets, erases and sets again is what the others get") {
  node_world world;
  for (int i = 0; i < 5; ++i) world.add();
  REQUIRE(world.nodes[1]->set("a", "1"));
  REQUIRE(world.nodes[1]->set("b", "2"));
  world.driver.run_for(5s);
  REQUIRE(world.nodes[4]->get("n1", "b"));
  CHECK(world.nodes[4]->get("n1", "b")->value == "2");

  CHECK(world.nodes[1]->erase("b").value().value() == 3);
  CHECK(world.nodes[1]->set("a", "one").value() == 4);
  world.driver.run_for(5s);

  for (std::size_t i = 0; i < 5; ++i) {
    CHECK_FALSE(world.nodes[i]->get("n1", "b"));
    CHECK(world.nodes[i]->get("n1", "a")->value == "one");
  }
  std::vector<std::string> keys;
  world.nodes[3]->for_each("n1",
                           [&keys](const entry_view& entry) { keys.emplace_back(entry.key); });
  CHECK(keys == std::vector<std::string>{"a"});
}

TEST_CASE("node: a time to live that ends between two rounds ends on time, everywhere a round on") {
  node_world world;
  for (int i = 0; i < 3; ++i) world.add();
  world.driver.run_for(5s);
  REQUIRE(world.nodes[0]->set("k", "v"));
  world.driver.run_for(2s);
  REQUIRE(world.nodes[2]->get("n0", "k"));

  REQUIRE(world.nodes[0]->set("k", "v", 50ms));
  world.driver.run_for(49ms);
  CHECK(world.nodes[0]->get("n0", "k"));
  world.driver.run_for(1ms);

  CHECK_FALSE(world.nodes[0]->get("n0", "k"));
  world.driver.run_for(1s);
  CHECK_FALSE(world.nodes[2]->get("n0", "k"));
  CHECK(world.nodes[0]->set("k", "v", 0s).error() == errc::ttl_invalid);
  CHECK(world.nodes[0]->set({{"k", "v"}}, 366 * 24h).error() == errc::ttl_invalid);
}

TEST_CASE("node: what is forgotten is gone at once, and a live peer is back soon") {
  node_world world;
  for (int i = 0; i < 3; ++i) world.add();
  world.driver.run_for(5s);

  CHECK(world.nodes[0]->forget("n2"));
  CHECK_FALSE(world.nodes[0]->is_known("n2"));
  CHECK(world.nodes[0]->forget("n2").error() == errc::unknown_peer);
  CHECK(world.nodes[0]->forget("n0").error() == errc::own_name);
  world.driver.run_for(2s);

  CHECK(world.nodes[0]->is_known("n2"));
}

TEST_CASE("node: interval and seeds change while it runs, at once") {
  node_world world;
  config slow = node_world::settings(0);
  slow.gossip_interval = 60s;
  memory_node& first = world.add(slow);
  config lonely = node_world::settings(1);
  lonely.seeds.clear();
  memory_node& second = world.add(lonely);
  world.driver.run_for(5s);
  REQUIRE(first.stats().rounds == 1);
  REQUIRE_FALSE(second.is_known("n0"));

  slow.gossip_interval = 200ms;
  REQUIRE(first.change(slow));
  world.driver.run_for(2s);
  CHECK(first.stats().rounds >= 9);
  lonely.seeds = {"10.0.0.1:7000"};
  REQUIRE(second.change(lonely));
  world.driver.run_for(4s);  // a round asks a seed while too few live

  CHECK(second.is_known("n0"));
  CHECK(first.is_known("n1"));
  slow.name = "other";
  CHECK(first.change(slow).error().option == "name");
}

TEST_CASE("node: what it has to say of itself comes to who subscribed, with no call in between") {
  node_world world;
  config settings = node_world::settings(0);
  settings.cluster_name = "prod";
  memory_node& seed = world.add(settings);
  subscription at_seed = seed.subscribe();
  config mistyped = node_world::settings(1);
  mistyped.cluster_name = "pord";
  memory_node& alone = world.add(mistyped);
  subscription at_alone = alone.subscribe();

  world.driver.run_for(20s);

  const auto errors = [](subscription& from) {
    std::vector<std::string> told;
    while (const std::optional<event_view> seen = from.try_next_view()) {
      if (seen->kind == event_kind::error) told.emplace_back(seen->text);
    }
    return told;
  };
  const std::vector<std::string> seen = errors(at_seed);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].find("the node at 10.0.0.2:7000 belongs to another cluster") != std::string::npos);
  const std::vector<std::string> told = errors(at_alone);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("\"pord\" (10.0.0.1:7000)") != std::string::npos);
}

TEST_CASE("node: members() shows self first, then everybody as live and reachable") {
  node_world world;
  for (int i = 0; i < 4; ++i) world.add();
  world.driver.run_for(20s);

  const std::vector<member> seen = world.nodes[2]->members();

  REQUIRE(seen.size() == 4);
  CHECK(seen[0].name == "n2");
  CHECK(seen[0].status == peer_status::self);
  CHECK_FALSE(seen[0].phi);
  for (std::size_t i = 1; i < 4; ++i) {
    CHECK(seen[i].status == peer_status::live);
    CHECK(seen[i].is_reachable);
    CHECK(seen[i].phi);
  }
  CHECK(seen[1].name == "n0");
  CHECK(seen[1].address == endpoint::v4(10, 0, 0, 1, 7000));
}

TEST_CASE("node: wait_for returns at once, or when the value comes, or times out") {
  node_world world;
  memory_node& one = world.add();
  memory_node& other = world.add();

  world.run(expect_value(other, "n0", "x", "1"), [&] { REQUIRE(one.set("x", "1")); });
  world.run(expect_value(other, "n0", "x", "1"));

  const auto never = [](memory_node& of) -> asio::awaitable<void> {
    auto is_wanted = [](std::string_view) { return false; };
    const auto began = manual_clock::now();
    const result<std::string> seen = co_await of.wait_for("n0", "x", is_wanted, 3s);
    CHECK(seen.error() == errc::timed_out);
    CHECK(manual_clock::now() - began == 3s);
  };
  world.run(never(other));
}

TEST_CASE("node: wait_for takes a value, or a named predicate of which it keeps a copy") {
  node_world world;
  memory_node& one = world.add();
  memory_node& other = world.add();
  REQUIRE(one.set("x", "1"));

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    std::function<bool(std::string_view)> is_wanted =
        [want = std::string(40, '2')](std::string_view value) { return value == want; };
    asio::awaitable<result<std::string>> waiting = of.wait_for("n0", "x", is_wanted, 10s);
    is_wanted = [](std::string_view) { return true; };  // the call has its copy
    const result<std::string> second = co_await std::move(waiting);
    CHECK(second.value() == std::string(40, '2'));
    auto is_long = [least = std::string(30, ' ')](auto value) { return value > least; };
    const result<std::string> longer = co_await of.wait_for("n0", "x", is_long, 10s);
    CHECK(longer.value() == std::string(40, '2'));
    const std::function<bool(std::string_view)> is_any;
    const result<std::string> any = co_await of.wait_for("n0", "x", is_any, 10s);
    CHECK(any.value() == std::string(40, '2'));
    const result<std::string> other_value = co_await of.wait_for("n0", "x", "1", 3s);
    CHECK(other_value.error() == errc::timed_out);
  };
  world.run(body(other), [&] {
    world.driver.run_for(5s);
    REQUIRE(one.set("x", std::string(40, '2')));
  });
}

TEST_CASE("node: wait_live counts the others, and times out where they are too few") {
  node_world world;
  for (int i = 0; i < 3; ++i) world.add();

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    const result<std::size_t> live = co_await of.wait_live(2, 10s);
    CHECK(live.value() == 2);
    const result<std::size_t> more = co_await of.wait_live(3, 1s);
    CHECK(more.error() == errc::timed_out);
  };
  world.run(body(*world.nodes[0]));
}

TEST_CASE("node: replicated means that every live peer holds the version, or so many peers") {
  node_world world;
  for (int i = 0; i < 6; ++i) world.add();
  world.driver.run_for(10s);
  const result<std::uint64_t> version = world.nodes[0]->set("x", "1");
  REQUIRE(version);

  const auto body = [](memory_node& of, std::uint64_t wanted) -> asio::awaitable<void> {
    const result<replication> two = co_await of.replicated(wanted, at_least(2), 10s);
    REQUIRE(two);
    CHECK(two->holding >= 2);
    const result<replication> all = co_await of.replicated(wanted, all_live(), 20s);
    REQUIRE(all);
    CHECK(all->live == 5);
    CHECK(all->live_holding == 5);
    const result<replication> never = co_await of.replicated(wanted + 1, at_least(1), 2s);
    CHECK(never.error() == errc::timed_out);
  };
  world.run(body(*world.nodes[0], *version));
  for (std::size_t i = 1; i < 6; ++i) CHECK(world.nodes[i]->get("n0", "x"));
}

TEST_CASE("node: a cluster of one is never replicated to all who live") {
  node_world world;
  memory_node& alone = world.add();
  REQUIRE(alone.set("x", "1"));

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    const result<replication> all = co_await of.replicated(1, all_live(), 2s);
    CHECK(all.error() == errc::timed_out);
  };
  world.run(body(alone));
}

TEST_CASE("node: leave is known to every live peer when it returns, and ends writing") {
  node_world world;
  for (int i = 0; i < 5; ++i) world.add();
  world.driver.run_for(10s);

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    const result<leave_result> left = co_await of.leave(10s);
    REQUIRE(left);
    CHECK(left->live == 4);
    CHECK(left->acknowledged == 4);
  };
  world.run(body(*world.nodes[3]));

  CHECK(world.nodes[3]->set("x", "1").error() == errc::has_left);
  CHECK(world.nodes[3]->set("x", "1", 5s).error() == errc::has_left);
  CHECK(world.nodes[3]->erase("x").error() == errc::has_left);
  for (const std::size_t i : {0U, 1U, 2U, 4U}) {
    const std::vector<member> seen = world.nodes[i]->members();
    const auto place =
        std::find_if(seen.begin(), seen.end(), [](const member& one) { return one.name == "n3"; });
    REQUIRE(place != seen.end());
    CHECK(place->status == peer_status::left);
  }
}

TEST_CASE("node: leave gives up at its deadline, and says how many know") {
  node_world world;
  for (int i = 0; i < 5; ++i) world.add();
  world.driver.run_for(10s);
  memory_network_options cut;
  cut.loss = 1;
  world.network.set_options(cut);

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    const auto begin = manual_clock::now();
    const result<leave_result> left = co_await of.leave(2s);
    REQUIRE(left);
    CHECK(left->live == 4);
    CHECK(left->acknowledged == 0);
    CHECK(manual_clock::now() - begin >= 2s);
    CHECK(manual_clock::now() - begin <= 3s);
  };
  world.run(body(*world.nodes[3]));
}

TEST_CASE("node: a wildcard address without seeds or advertise is refused by name") {
  memory_world world;
  memory_transport anywhere(world.context.get_executor(), world.network);
  REQUIRE(anywhere.open(endpoint::v4(0, 0, 0, 0, 7000)));

  const auto made = memory_node::create(node_world::settings(0), anywhere);

  REQUIRE_FALSE(made);
  CHECK(made.error().option == "advertise");
}

TEST_CASE("node: a bad option is refused by name") {
  memory_world world;
  const auto transport = world.open(1);
  config settings = node_world::settings(0);
  settings.fanout = 0;

  const auto made = memory_node::create(settings, *transport);

  REQUIRE_FALSE(made);
  CHECK(made.error().message() == "fanout: 0 is not allowed; allowed: 1 to 16");
}

}  // namespace gossipmonger
