// `run`, and each awaited call, is an awaitable: co_spawn gives it to any completion token.
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_future.hpp>
#include <gossipmonger/gossipmonger.hpp>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<node> open_node(asio::io_context& io) {
  config settings;
  settings.name = "one";
  settings.gossip_interval = 50ms;
  auto made = node::open(io.get_executor(), settings, "localhost:0");
  REQUIRE(made);
  return std::move(*made);
}

}  // namespace

TEST_CASE("completion tokens: a future, for a thread that waits") {
  asio::io_context io;
  const std::unique_ptr<node> self = open_node(io);
  std::future<result<void>> ended = asio::co_spawn(io, self->run(), asio::use_future);
  std::future<result<std::string>> value =
      asio::co_spawn(io, self->wait_for("one", "key"), asio::use_future);
  std::thread runner([&io] { io.run(); });

  // The node belongs to the thread of the io_context: others get there by post.
  asio::post(io, [&self] { static_cast<void>(self->set("key", "value")); });
  CHECK(value.get().value() == "value");
  asio::post(io, [&self] { self->stop(); });
  CHECK(ended.get().has_value());
  runner.join();
}

TEST_CASE("completion tokens: a callback, which gets exception and result") {
  asio::io_context io;
  const std::unique_ptr<node> self = open_node(io);
  std::optional<result<void>> ended;
  asio::co_spawn(io, self->run(), [&ended](std::exception_ptr thrown, result<void> how) {
    if (thrown) std::rethrow_exception(thrown);
    ended = how;
  });
  asio::co_spawn(io, self->wait_live(1, 100ms),
                 [&self](std::exception_ptr, const result<std::size_t>& live) {
                   CHECK(live.error() == errc::timed_out);
                   self->stop();
                 });
  io.run();

  REQUIRE(ended);
  CHECK(ended->has_value());
}

TEST_CASE("completion tokens: detached, where nobody asks how it ended") {
  asio::io_context io;
  const std::unique_ptr<node> self = open_node(io);
  asio::co_spawn(io, self->run(), asio::detached);
  io.run_for(100ms);

  CHECK(self->stats().rounds > 0);
  self->stop();
  io.run();
}
