// The fixture of tests of nodes: a cluster over a memory network, on the manual clock.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>

#include "gossipmonger/testing/memory_node.hpp"

#include "memory_fixture.hpp"

namespace gossipmonger {

/// Nodes "n0", "n1", … that run; the first is the others' seed.
struct node_world : memory_world {
  using memory_world::memory_world;
  node_world(const node_world&) = delete;
  node_world& operator=(const node_world&) = delete;

  ~node_world() {
    for (const auto& one : nodes) one->stop();
    driver.settle();
  }

  static config settings(std::size_t index) {
    config made;
    made.name = "n" + std::to_string(index);
    made.gossip_interval = std::chrono::milliseconds(200);
    made.random_seed = index + 1;
    if (index > 0) made.seeds.push_back("10.0.0.1:7000");
    return made;
  }

  memory_node& add() { return add(settings(nodes.size())); }

  memory_node& add(config with) {
    transports.push_back(open(static_cast<std::uint8_t>(nodes.size() + 1)));
    auto made = memory_node::create(std::move(with), *transports.back());
    if (!made) throw std::runtime_error(made.error().message());
    nodes.push_back(std::move(*made));
    ended.push_back(std::make_unique<bool>(false));
    bool* has_ended = ended.back().get();
    asio::co_spawn(context, nodes.back()->run(),
                   [has_ended](std::exception_ptr thrown, result<void>) {
                     *has_ended = true;
                     if (thrown) std::rethrow_exception(thrown);
                   });
    return *nodes.back();
  }

  std::vector<std::unique_ptr<memory_transport>> transports;
  std::vector<std::unique_ptr<memory_node>> nodes;
  std::vector<std::unique_ptr<bool>> ended;  // whether the run of each has returned
};

}  // namespace gossipmonger
