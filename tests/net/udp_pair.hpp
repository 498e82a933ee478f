// Two nodes over UDP on loopback, which meet by a seed.
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

#include "gossipmonger/net/node.hpp"

namespace gossipmonger {

/// Two nodes over UDP; the first is `port` of any seed that is to find it.
struct pair_of_nodes {
  pair_of_nodes() {
    add("a", {});
    port = std::to_string(nodes[0]->local_endpoint().port);
  }
  pair_of_nodes(const pair_of_nodes&) = delete;
  pair_of_nodes& operator=(const pair_of_nodes&) = delete;
  ~pair_of_nodes() {
    for (const auto& one : nodes) one->stop();
    context.restart();
    context.run();
  }

  void add(std::string name, std::vector<std::string> seeds) {
    transports.push_back(std::make_unique<udp_transport>(context.get_executor()));
    REQUIRE(transports.back()->open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = std::chrono::milliseconds(20);
    settings.seeds = std::move(seeds);
    settings.resolve_interval = std::chrono::seconds(1);
    nodes.push_back(std::move(node::create(settings, *transports.back()).value()));
    asio::co_spawn(context, nodes.back()->run(), [](std::exception_ptr thrown, result<void>) {
      if (thrown) std::rethrow_exception(thrown);
    });
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

  asio::io_context context{1};
  std::vector<std::unique_ptr<udp_transport>> transports;
  std::vector<std::unique_ptr<node>> nodes;
  std::string port;
};

}  // namespace gossipmonger
