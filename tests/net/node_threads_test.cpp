// An io_context that several threads run: each node, its transport and what uses it on a strand.
// TSan is the judge.
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include "gossipmonger/node.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// A node on a strand of its own.
struct stranded_node {
  stranded_node(asio::io_context& context, std::string name, std::vector<std::string> seeds) {
    transport = std::make_unique<udp_transport>(asio::make_strand(context));
    REQUIRE(transport->open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = 20ms;
    settings.seeds = std::move(seeds);
    made = std::move(node::create(settings, *transport).value());
  }

  std::unique_ptr<udp_transport> transport;
  std::unique_ptr<node> made;
  std::size_t events = 0;
  std::atomic<bool> has_replicated = false;
  std::atomic<bool> has_ended = false;
};

asio::awaitable<void> use(stranded_node& one) {
  node& self = *one.made;
  subscription events = self.subscribe();
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(self.set("k" + std::to_string(i % 10), std::to_string(i)));
    const result<event> seen = co_await events.next(2ms);
    one.events += seen ? 1U : 0U;
  }
  const result<replication> held = co_await self.replicated(self.version(), all_live(), 20s);
  one.has_replicated = held.has_value();
  const result<leave_result> left = co_await self.leave(5s);
  static_cast<void>(left);
  self.stop();
}

}  // namespace

TEST_CASE("node: several nodes on strands share the threads of an io_context") {
  asio::io_context context;
  stranded_node a(context, "a", {});
  const std::string port = std::to_string(a.made->advertised_endpoint().port);
  stranded_node b(context, "b", {"localhost:" + port});  // looked up on one more thread
  for (stranded_node* one : {&a, &b}) {
    const asio::any_io_executor strand = one->made->get_executor();
    asio::co_spawn(strand, one->made->run(), [one](std::exception_ptr thrown, result<void> how) {
      one->has_ended = thrown == nullptr && how.has_value();
    });
    asio::co_spawn(strand, use(*one), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&context] { context.run(); });
  for (int i = 0; i < 100; ++i) {
    asio::post(a.made->get_executor(), [&a] { static_cast<void>(a.made->stats()); });
  }
  for (std::thread& one : threads) one.join();

  CHECK(a.has_ended);
  CHECK(b.has_ended);
  CHECK(a.events > 0);
  CHECK(b.events > 0);
  // Who finishes last may find that the other has left.
  CHECK((a.has_replicated || b.has_replicated));
}

}  // namespace gossipmonger
