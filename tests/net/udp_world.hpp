// Nodes over UDP on loopback.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/node.hpp"

namespace gossipmonger {

/// Nodes on ports that the system chose; they run while `context` does, and stop at the end.
struct udp_world {
  udp_world() = default;
  udp_world(const udp_world&) = delete;
  udp_world& operator=(const udp_world&) = delete;
  ~udp_world() {
    for (const auto& one : nodes) one->stop();
    context.restart();
    context.run();
  }

  void add(const config& settings, const endpoint& listen = endpoint::v4(127, 0, 0, 1, 0)) {
    transports.push_back(std::make_unique<udp_transport>(context.get_executor()));
    REQUIRE(transports.back()->open(listen));
    auto made = node::create(settings, *transports.back());
    REQUIRE(made);
    nodes.push_back(std::move(*made));
    asio::co_spawn(context, nodes.back()->run(), [](std::exception_ptr thrown, result<void>) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  /// Runs until `holds`, but no longer than 20 s; whether it does.
  template <class Condition>
  [[nodiscard]] bool run_until(Condition holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      context.run_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  asio::io_context context{1};
  std::vector<std::unique_ptr<udp_transport>> transports;
  std::vector<std::unique_ptr<node>> nodes;
};

/// Two nodes; the first listens on `port`, and any seed that is to find it names that.
struct pair_of_nodes : udp_world {
  pair_of_nodes() {
    add("a", {});
    port = std::to_string(nodes[0]->advertised_endpoint().port);
  }

  void add(std::string name, std::vector<std::string> seeds,
           std::chrono::milliseconds resolve_interval = std::chrono::seconds(1)) {
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = std::chrono::milliseconds(20);
    settings.seeds = std::move(seeds);
    settings.resolve_interval = resolve_interval;
    udp_world::add(settings);
  }

  /// Whether both see each other live within a time that is long for them.
  [[nodiscard]] bool meet() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (nodes[0]->stats().peers_live == 0 || nodes[1]->stats().peers_live == 0) {
      if (std::chrono::steady_clock::now() > end) return false;
      context.run_for(std::chrono::milliseconds(20));
    }
    return true;
  }

  std::string port;
};

}  // namespace gossipmonger
