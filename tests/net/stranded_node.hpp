// Nodes on strands of their own, over real UDP on 127.0.0.1, that share the threads of an
// io_context.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include "gossipmonger/node.hpp"

namespace gossipmonger {

struct stranded_node {
  stranded_node(asio::io_context& context, std::string name, std::vector<std::string> seeds) {
    transport = std::make_unique<udp_transport>(asio::make_strand(context));
    REQUIRE(transport->open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = std::chrono::milliseconds(20);
    settings.seeds = std::move(seeds);
    made = std::move(node::create(settings, *transport).value());
  }

  /// Runs the node, and `use` beside it, on its strand.
  void spawn(asio::awaitable<void> use) {
    const asio::any_io_executor strand = made->get_executor();
    asio::co_spawn(strand, made->run(), [this](std::exception_ptr thrown, result<void> how) {
      has_ended = thrown == nullptr && how.has_value();
    });
    asio::co_spawn(strand, std::move(use), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  /// Awaits that the others hold what this node wrote. Then waits until all have come so far:
  /// `in_use` counts the nodes that have not. So nobody leaves before.
  asio::awaitable<void> replicate(subscription& events, std::atomic<std::size_t>& in_use) {
    using namespace std::chrono_literals;
    const result<replication> held = co_await made->replicated(made->version(), all_live(), 20s);
    has_replicated = held.has_value();
    --in_use;
    while (in_use > 0) static_cast<void>(co_await events.next(2ms));
  }

  std::unique_ptr<udp_transport> transport;
  std::unique_ptr<node> made;
  std::atomic<bool> has_replicated = false;
  std::atomic<bool> has_ended = false;
};

/// Runs the context on three threads until nothing is left to do; `meanwhile` runs on this one.
inline void run_on_threads(asio::io_context& context, const std::function<void()>& meanwhile) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&context] { context.run(); });
  meanwhile();
  for (std::thread& one : threads) one.join();
}

}  // namespace gossipmonger
