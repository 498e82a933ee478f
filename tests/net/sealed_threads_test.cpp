// Sealed nodes on an io_context that several threads run. All take copies of one keyring, so that
// they share its keys, and each changes to others under load. TSan is the judge.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include "gossipmonger/node.hpp"

#include "../seal/seal_sample.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// The stages of a rotation, of two keys in all.
std::vector<keyring> shared_stages() {
  const std::shared_ptr<const seal_key> old_key = sample_key(0x10);
  const std::shared_ptr<const seal_key> new_key = sample_key(0x80);
  std::vector<keyring> stages(2);
  stages[0].keys = {old_key, new_key};
  stages[1].keys = {new_key, old_key};
  return stages;
}

/// A sealed node on a strand of its own.
struct sealed_node {
  sealed_node(asio::io_context& context, std::string name, std::vector<std::string> seeds,
              const keyring& ring) {
    transport = std::make_unique<udp_transport>(asio::make_strand(context));
    REQUIRE(transport->open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = 20ms;
    settings.seeds = std::move(seeds);
    made = std::move(node::create(settings, *transport).value());
    REQUIRE(made->set_keyring(ring));
  }

  std::unique_ptr<udp_transport> transport;
  std::unique_ptr<node> made;
  seal_counters last;
  std::atomic<bool> has_replicated = false;
  std::atomic<bool> has_ended = false;
};

/// `in_use` counts the nodes that have not replicated yet: nobody leaves before.
asio::awaitable<void> use(sealed_node& one, const std::vector<keyring>& stages,
                          std::atomic<std::size_t>& in_use) {
  node& self = *one.made;
  subscription events = self.subscribe();
  for (std::size_t i = 0; i < 100; ++i) {
    static_cast<void>(self.set("k" + std::to_string(i % 10), std::string(300, 'v')));
    if (i % 5 == 0) REQUIRE(self.set_keyring(stages[i / 5 % 2]));
    if (i == 50) self.renew_seal();
    static_cast<void>(co_await events.next(2ms));
  }
  const result<replication> held = co_await self.replicated(self.version(), all_live(), 20s);
  one.has_replicated = held.has_value();
  --in_use;
  while (in_use > 0) static_cast<void>(co_await events.next(2ms));
  one.last = self.seals();
  static_cast<void>(co_await self.leave(5s));
  self.stop();
}

}  // namespace

TEST_CASE("node: several sealed nodes on strands share threads and keys, and rotate under load") {
  const std::vector<keyring> stages = shared_stages();
  asio::io_context context;
  std::vector<std::unique_ptr<sealed_node>> nodes;
  for (const char* const name : {"a", "b", "c"}) {
    std::vector<std::string> seeds;
    if (!nodes.empty()) seeds.push_back(nodes.front()->made->advertised_endpoint().to_string());
    nodes.push_back(std::make_unique<sealed_node>(context, name, seeds, stages[0]));
  }
  std::atomic<std::size_t> in_use = nodes.size();
  for (const auto& one : nodes) {
    const asio::any_io_executor strand = one->made->get_executor();
    asio::co_spawn(strand, one->made->run(),
                   [&one = *one](std::exception_ptr thrown, result<void> how) {
                     one.has_ended = thrown == nullptr && how.has_value();
                   });
    asio::co_spawn(strand, use(*one, stages, in_use), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&context] { context.run(); });
  for (int i = 0; i < 100; ++i) {
    for (const auto& one : nodes) {
      asio::post(one->made->get_executor(), [&one = *one] {
        static_cast<void>(one.made->seals());
        static_cast<void>(one.made->members());
      });
    }
  }
  for (std::thread& one : threads) one.join();

  for (const auto& one : nodes) {
    CHECK(one->has_ended);
    CHECK(one->has_replicated);
    // Both keys were in use, and no datagram was lost to a rotation.
    REQUIRE(one->last.keys.size() == 2);
    for (const seal_key_counters& key : one->last.keys) {
      CHECK(key.sealed > 0);
      CHECK(key.opened > 0);
    }
    for (const std::uint64_t count : one->last.drops) CHECK(count == 0);
  }
}

}  // namespace gossipmonger
