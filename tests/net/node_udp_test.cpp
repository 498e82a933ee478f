// Real sockets on loopback, real time.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/gossipmonger.hpp"

#include "udp_world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

struct udp_cluster : udp_world {
  explicit udp_cluster(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      config settings;
      settings.name = "n" + std::to_string(i);
      settings.gossip_interval = 200ms;
      if (i > 0) settings.seeds.push_back(nodes[0]->advertised_endpoint().to_string());
      add(settings);
    }
  }

  /// Whether every node holds `keys` keys of every other, and sees it live.
  [[nodiscard]] bool has_agreed(std::size_t keys) const {
    for (const auto& one : nodes) {
      if (one->stats().peers_live != nodes.size() - 1) return false;
      for (const auto& owner : nodes) {
        std::size_t count = 0;
        one->for_each(owner->name(), [&count](const entry_view&) { ++count; });
        if (count != keys) return false;
      }
    }
    return true;
  }
};

}  // namespace

TEST_CASE("node over UDP: 50 nodes agree on 20 keys each within 60 rounds of 200 ms") {
  udp_cluster cluster(50);
  for (const auto& one : cluster.nodes) {
    for (int key = 0; key < 20; ++key) {
      REQUIRE(one->set("key-" + std::to_string(key), std::string(one->name())));
    }
  }

  const auto end = std::chrono::steady_clock::now() + 60 * 200ms;
  while (!cluster.has_agreed(20) && std::chrono::steady_clock::now() < end) {
    cluster.context.run_for(100ms);
  }

  CHECK(cluster.has_agreed(20));
  CHECK(cluster.nodes[49]->get("n7", "key-19")->value == "n7");
  for (const auto& one : cluster.nodes) CHECK(one->stats().declared_dead == 0);
}

TEST_CASE("node over UDP: a seed may be a host name") {
  udp_cluster cluster(1);
  udp_transport transport(cluster.context.get_executor());
  REQUIRE(transport.open(endpoint::v4(127, 0, 0, 1, 0)));
  config settings;
  settings.name = "joiner";
  settings.gossip_interval = 50ms;
  settings.seeds.push_back("localhost:" +
                           std::to_string(cluster.nodes[0]->advertised_endpoint().port));
  auto joiner = node::create(settings, transport);
  REQUIRE(joiner);
  bool has_joined = false;
  const auto body = [](node& of, bool& joined) -> asio::awaitable<void> {
    const result<std::size_t> live = co_await of.wait_live(1, 10s);
    joined = live.has_value();
    of.stop();
  };
  asio::co_spawn(cluster.context, body(**joiner, has_joined), [](std::exception_ptr) {});
  bool has_ended = false;
  asio::co_spawn(cluster.context, (*joiner)->run(),
                 [&has_ended](std::exception_ptr, result<void>) { has_ended = true; });

  while (!has_ended) cluster.context.run_one_for(10s);

  CHECK(has_joined);
}

TEST_CASE("node over UDP: a wildcard address becomes the local address of the route to the seed") {
  udp_cluster cluster(1);
  udp_transport transport(cluster.context.get_executor());
  REQUIRE(transport.open(endpoint::v4(0, 0, 0, 0, 0)));
  config settings;
  settings.name = "joiner";
  settings.gossip_interval = 50ms;
  settings.seeds.push_back(cluster.nodes[0]->advertised_endpoint().to_string());
  auto joiner = node::create(settings, transport);
  REQUIRE(joiner);
  bool has_ended = false;
  asio::co_spawn(cluster.context, (*joiner)->run(),
                 [&has_ended](std::exception_ptr, result<void>) { has_ended = true; });

  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!cluster.nodes[0]->is_known("joiner") && std::chrono::steady_clock::now() < end) {
    cluster.context.run_for(50ms);
  }

  CHECK(cluster.nodes[0]->is_known("joiner"));
  CHECK((*joiner)->advertised_endpoint() ==
        endpoint::v4(127, 0, 0, 1, transport.local_endpoint().port));
  (*joiner)->stop();
  while (!has_ended) cluster.context.run_one_for(10s);
}

namespace {

/// A node on `listen`, in rounds of 20 ms.
config quick(std::string name, std::vector<std::string> seeds = {}) {
  config settings;
  settings.name = std::move(name);
  settings.gossip_interval = 20ms;
  settings.seeds = std::move(seeds);
  return settings;
}

/// The texts of the events of that kind above what was read.
std::vector<std::string> texts(subscription& events, event_kind kind) {
  std::vector<std::string> found;
  while (const std::optional<event_view> seen = events.try_next_view()) {
    if (seen->kind == kind) found.emplace_back(seen->text);
  }
  return found;
}

bool are_live(const udp_world& world) {
  return std::all_of(world.nodes.begin(), world.nodes.end(), [&](const auto& one) {
    return one->stats().peers_live == world.nodes.size() - 1;
  });
}

const endpoint any_v4 = endpoint::v4(0, 0, 0, 0, 0);

/// A port that is free on all addresses of this host, or was a moment ago.
std::uint16_t free_port(asio::io_context& context) {
  udp_transport probe(context.get_executor());
  REQUIRE(probe.open(any_v4));
  return probe.local_endpoint().port;
}

}  // namespace

TEST_CASE("node over UDP: a host with two addresses answers from the one that was asked") {
  // It may advertise either of the two, and the others may know either.
  for (const std::uint8_t advertised : {std::uint8_t{1}, std::uint8_t{2}}) {
    udp_world world;
    const std::uint16_t port = free_port(world.context);
    config settings = quick("a");
    settings.advertise = endpoint::v4(127, 0, 0, advertised, port);
    world.add(settings, endpoint::v4(0, 0, 0, 0, port));
    world.add(quick("b", {endpoint::v4(127, 0, 0, 2, port).to_string()}));
    world.add(quick("c", {endpoint::v4(127, 0, 0, 1, port).to_string()}));

    CHECK(world.run_until([&] { return are_live(world); }));
    world.context.run_for(500ms);
    for (const auto& one : world.nodes) {
      const protocol_stats stats = one->stats();
      CHECK(stats.peers_live == 2);
      CHECK(stats.drops[static_cast<std::size_t>(drop_reason::unverified)] == 0);
      for (const member& peer : one->members()) CHECK(peer.is_reachable);
    }
  }
}

TEST_CASE("node over UDP: the address that a route gives is told, and so is another one later") {
  udp_world world;
  world.add(quick("a"));
  const std::string seed = world.nodes[0]->advertised_endpoint().to_string();
  world.add(quick("b", {seed}), any_v4);
  node& b = *world.nodes[1];
  subscription events = b.subscribe();
  CHECK_FALSE(events.try_next_view());
  REQUIRE(world.run_until([&] { return are_live(world); }));
  const std::uint16_t port = world.transports[1]->local_endpoint().port;
  const std::string routed = endpoint::v4(127, 0, 0, 1, port).to_string();
  CHECK(texts(events, event_kind::advertised) == std::vector<std::string>{routed});

  config settings = b.settings();
  settings.advertise = endpoint::v4(127, 0, 0, 3, port);
  REQUIRE(b.change(settings));
  const auto is_followed = [&](const endpoint& address) {
    for (const member& peer : world.nodes[0]->members()) {
      if (peer.name == "b" && peer.address == address && peer.is_reachable) return true;
    }
    return false;
  };
  CHECK(world.run_until([&] { return is_followed(endpoint::v4(127, 0, 0, 3, port)); }));
  settings.advertise.reset();  // the route decides again
  REQUIRE(b.change(settings));
  CHECK(world.run_until([&] { return is_followed(endpoint::v4(127, 0, 0, 1, port)); }));
  CHECK(texts(events, event_kind::advertised) ==
        std::vector<std::string>{endpoint::v4(127, 0, 0, 3, port).to_string(), routed});

  settings.seeds.clear();
  settings.advertise = endpoint::v4(127, 0, 0, 3, port);
  REQUIRE(b.change(settings));
  settings.advertise.reset();  // and nothing would tell the address
  const auto refused = b.change(settings);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().option == "advertise");
}

TEST_CASE("node over UDP: a route of the other IP version gives no address") {
  udp_world world;
  world.add(quick("a"));
  const std::string seed = world.nodes[0]->advertised_endpoint().to_string();
  world.add(quick("b", {"[::1]:7000", seed}), any_v4);

  CHECK(world.run_until([&] { return are_live(world); }));
  CHECK(world.nodes[1]->advertised_endpoint().is_v4());
}

TEST_CASE("node over UDP: until it knows its address, a node answers nobody; its TTLs end") {
  udp_world world;
  world.add(quick("b", {"gone.test:7000"}), any_v4);
  node& b = *world.nodes[0];
  const std::uint16_t port = world.transports[0]->local_endpoint().port;
  world.add(quick("a", {endpoint::v4(127, 0, 0, 1, port).to_string()}));
  node& a = *world.nodes[1];
  REQUIRE(b.set("k", "v", 100ms));

  CHECK(world.run_until(
      [&] { return !b.get("b", "k") && world.transports[0]->counters().received > 5; }));

  CHECK(world.transports[0]->counters().sent == 0);
  CHECK(a.stats().drops[static_cast<std::size_t>(drop_reason::endpoint)] == 0);
  config settings = b.settings();
  settings.advertise = endpoint::v4(127, 0, 0, 1, port);
  REQUIRE(b.change(settings));
  CHECK(world.run_until([&] { return are_live(world); }));
}

TEST_CASE("node over UDP: loopback does not decide while a seed may be another host") {
  udp_world world;
  world.add(quick("a"));
  const std::string seed = world.nodes[0]->advertised_endpoint().to_string();
  world.add(quick("b", {seed, "gone.test:7000"}), any_v4);
  node& b = *world.nodes[1];

  world.context.run_for(200ms);
  CHECK(b.advertised_endpoint().is_wildcard());

  config settings = b.settings();
  settings.seeds = {seed};
  REQUIRE(b.change(settings));
  CHECK(world.run_until([&] { return are_live(world); }));
  CHECK(b.advertised_endpoint().is_loopback());
}

TEST_CASE("node over UDP: a seed that the socket's IP version cannot reach is named once") {
  udp_world world;
  world.add(quick("a"));
  const std::string seed = world.nodes[0]->advertised_endpoint().to_string();
  const endpoint v6 = endpoint::parse("[::1]:0").value_or(endpoint());
  world.add(quick("b", {seed, "both.test:7000"}), v6);
  subscription events = world.nodes[1]->subscribe();
  CHECK_FALSE(events.try_next_view());

  world.context.run_for(300ms);

  const std::string bound = world.transports[1]->local_endpoint().to_string();
  std::vector<std::string> told = texts(events, event_kind::error);
  // After 16 rounds without a peer it says that as well.
  std::erase_if(told, [](const std::string& one) { return one.starts_with("nobody is known"); });
  CHECK(told == std::vector<std::string>{"seed " + seed + ": a socket on " + bound +
                                         " cannot send to any of its addresses, such as " + seed +
                                         ", which are of the other IP version"});
}

}  // namespace gossipmonger
