// An io_context that several threads run: each node, its transport and what uses it on a strand.
// TSan is the judge.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

#include <doctest/doctest.h>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "stranded_node.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

asio::awaitable<void> use(stranded_node& one, std::size_t& seen_events,
                          std::atomic<std::size_t>& in_use) {
  node& self = *one.made;
  subscription events = self.subscribe();
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(self.set("k" + std::to_string(i % 10), std::to_string(i)));
    const result<event> seen = co_await events.next(2ms);
    seen_events += seen ? 1U : 0U;
  }
  co_await one.replicate(events, in_use);
  static_cast<void>(co_await self.leave(5s));
  self.stop();
}

}  // namespace

TEST_CASE("node: several nodes on strands share the threads of an io_context") {
  asio::io_context context;
  stranded_node a(context, "a", {});
  const std::string port = std::to_string(a.made->advertised_endpoint().port);
  stranded_node b(context, "b", {"localhost:" + port});  // looked up on one more thread
  std::atomic<std::size_t> in_use = 2;
  std::size_t events_of_a = 0;
  std::size_t events_of_b = 0;
  a.spawn(use(a, events_of_a, in_use));
  b.spawn(use(b, events_of_b, in_use));

  run_on_threads(context, [&a] {
    for (int i = 0; i < 100; ++i) {
      asio::post(a.made->get_executor(), [&a] { static_cast<void>(a.made->stats()); });
    }
  });

  CHECK(events_of_a > 0);
  CHECK(events_of_b > 0);
  for (const stranded_node* one : {&a, &b}) {
    CHECK(one->has_ended);
    CHECK(one->has_replicated);
  }
}

}  // namespace gossipmonger
