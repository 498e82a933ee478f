// Real sockets on loopback, real time.
#include <chrono>
#include <memory>
#include <string>
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
      if (i > 0) settings.seeds.push_back(nodes[0]->local_endpoint().to_string());
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
  for (const auto& one : cluster.nodes) CHECK(one->stats().convictions == 0);
}

TEST_CASE("node over UDP: a seed may be a host name") {
  udp_cluster cluster(1);
  udp_transport transport(cluster.context.get_executor());
  REQUIRE(transport.open(endpoint::v4(127, 0, 0, 1, 0)));
  config settings;
  settings.name = "joiner";
  settings.gossip_interval = 50ms;
  settings.seeds.push_back("localhost:" + std::to_string(cluster.nodes[0]->local_endpoint().port));
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
  settings.seeds.push_back(cluster.nodes[0]->local_endpoint().to_string());
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
  CHECK((*joiner)->local_endpoint() == endpoint::v4(127, 0, 0, 1, transport.local_endpoint().port));
  (*joiner)->stop();
  while (!has_ended) cluster.context.run_one_for(10s);
}

}  // namespace gossipmonger
