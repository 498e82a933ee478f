// A node that goes before its run has returned: its destructor is `stop`, and what is late ends by
// itself. Address checkers are the judges of most of it.
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/node.hpp"

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// How a run, or a wait, ended: none while it goes on.
using ending = std::optional<std::error_code>;

template <class Node>
void spawn_run(asio::io_context& context, Node& node, ending& ended) {
  asio::co_spawn(context, node.run(), [&ended](std::exception_ptr thrown, result<void> how) {
    if (thrown) std::rethrow_exception(thrown);
    ended = how ? std::error_code() : how.error();
  });
}

template <class Node>
void spawn_wait(asio::io_context& context, Node& node, ending& ended) {
  asio::co_spawn(context, node.wait_live(9, 1h),
                 [&ended](std::exception_ptr thrown, result<std::size_t> how) {
                   if (thrown) std::rethrow_exception(thrown);
                   ended = how ? std::error_code() : how.error();
                 });
}

/// A node over UDP that runs, and one that waits for it.
struct udp_world {
  udp_world() {
    REQUIRE(transport->open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = "a";
    settings.gossip_interval = 20ms;
    settings.seeds = {"127.0.0.1:9", "localhost:9"};
    made = std::move(node::create(settings, *transport).value());
    spawn_run(*context, *made, ended);
    spawn_wait(*context, *made, waited);
  }

  ending ended;
  ending waited;
  std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>(1);
  std::unique_ptr<udp_transport> transport =
      std::make_unique<udp_transport>(context->get_executor());
  std::unique_ptr<node> made;
};

}  // namespace

TEST_CASE("node: one that goes before its run has returned ends it, and so does its transport") {
  udp_world world;
  world.context->run_for(50ms);

  world.made.reset();
  world.transport.reset();
  world.context->run();

  REQUIRE(world.ended);
  CHECK_FALSE(*world.ended);
  REQUIRE(world.waited);
  CHECK(*world.waited == errc::stopped);
}

TEST_CASE("node: one that goes before its run has begun ends it with stopped") {
  udp_world world;

  world.made.reset();
  world.transport.reset();
  world.context->run();

  REQUIRE(world.ended);
  CHECK(*world.ended == errc::stopped);
  REQUIRE(world.waited);
  CHECK(*world.waited == errc::stopped);
}

TEST_CASE(
    "node: one that goes after its run began, and before its loops did, touches no transport") {
  for (int handlers = 1; handlers < 8; ++handlers) {
    CAPTURE(handlers);
    udp_world world;
    for (int i = 0; i < handlers; ++i) world.context->run_one();

    world.made.reset();
    world.transport.reset();
    world.context->run();

    REQUIRE(world.ended);
    REQUIRE(world.waited);
    CHECK(*world.waited == errc::stopped);
  }
}

TEST_CASE("node: one over memory, too, may go before its run has returned") {
  manual_clock::reset();
  memory_network network(1);
  asio::io_context context;
  manual_clock_driver driver(context);
  ending ended;
  {
    memory_transport transport(context.get_executor(), network);
    REQUIRE(transport.open(endpoint::v4(10, 0, 0, 1, 7000)));
    auto made = memory_node::create(node_world::settings(0), transport).value();
    spawn_run(context, *made, ended);
    driver.run_for(1s);
  }
  driver.settle();

  REQUIRE(ended);
  CHECK_FALSE(*ended);
}

TEST_CASE("node: an io_context that is stopped for good takes a running node's loops with it") {
  SUBCASE("the node goes first, then the io_context, then the transport's own end") {
    udp_world world;
    world.context->run_for(50ms);
    world.context->stop();

    world.made.reset();
    world.transport.reset();
    world.context.reset();

    CHECK_FALSE(world.ended);
    CHECK_FALSE(world.waited);
  }
  SUBCASE("stop, and nothing runs any more") {
    udp_world world;
    world.context->run_for(50ms);

    world.made->stop();
    world.made.reset();
    world.transport.reset();
    world.context.reset();

    CHECK_FALSE(world.ended);
  }
  SUBCASE("over memory") {
    manual_clock::reset();
    memory_network network(1);
    ending ended;
    auto context = std::make_unique<asio::io_context>();
    auto transport = std::make_unique<memory_transport>(context->get_executor(), network);
    REQUIRE(transport->open(endpoint::v4(10, 0, 0, 1, 7000)));
    auto made = memory_node::create(node_world::settings(0), *transport).value();
    spawn_run(*context, *made, ended);
    context->poll();

    made.reset();
    transport.reset();
    context.reset();

    CHECK_FALSE(ended);
  }
}

TEST_CASE("node: an exception on its way through main is not covered by a running node's end") {
  ending ended;
  const auto program = [&ended] {
    asio::io_context context(1);
    udp_transport transport(context.get_executor());
    REQUIRE(transport.open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = "a";
    const auto made = node::create(settings, transport).value();
    spawn_run(context, *made, ended);
    asio::post(context, [] { throw std::runtime_error("the real error"); });
    context.run();
  };

  CHECK_THROWS_WITH_AS(program(), "the real error", std::runtime_error);
  CHECK_FALSE(ended);
}

TEST_CASE("node: a transport that ends by itself ends run with transport_failed, and an event") {
  udp_world world;
  subscription events = world.made->subscribe();
  CHECK_FALSE(events.try_next_view());  // it begins here
  world.context->run_for(50ms);
  REQUIRE_FALSE(world.ended);

  world.transport->close();
  world.context->run();

  REQUIRE(world.ended);
  CHECK(*world.ended == errc::transport_failed);
  REQUIRE(world.waited);
  CHECK(*world.waited == errc::stopped);
  std::string told;
  while (const std::optional<event_view> seen = events.try_next_view()) {
    if (seen->kind == event_kind::error) told += seen->text;
  }
  CHECK(told == "the transport ended: " + make_error_code(errc::stopped).message());
}

TEST_CASE("node: a transport that is not open is refused, by name") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  config settings;
  settings.name = "a";
  settings.advertise = endpoint::v4(127, 0, 0, 1, 7000);

  const auto made = node::create(settings, transport);

  REQUIRE_FALSE(made);
  CHECK(made.error().option == "transport");
  CHECK(made.error().value == "not open");
}

namespace {

/// Runs `of`, and then waits for an hour; says how its own coroutine stood before and after.
struct caller {
  caller() = default;

  bool threw_before = false;
  bool throws_after = false;
  ending ended;
  bool is_waiting = false;
  ending waited;

  asio::awaitable<void> run(memory_node& of, bool throws) {
    co_await asio::this_coro::throw_if_cancelled(throws);
    threw_before = co_await asio::this_coro::throw_if_cancelled();
    const result<void> how = co_await of.run();
    ended = how ? std::error_code() : how.error();
    throws_after = co_await asio::this_coro::throw_if_cancelled();
    // A coroutine that goes on after a cancellation does this.
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    asio::basic_waitable_timer<manual_clock> alarm(co_await asio::this_coro::executor, 1h);
    is_waiting = true;
    std::error_code woken;
    co_await alarm.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    waited = woken;
  }
};

struct caller_world : node_world {
  explicit caller_world(bool throws) {
    made = std::move(memory_node::create(settings(0), *transport).value());
    asio::co_spawn(context, one.run(*made, throws),
                   asio::bind_cancellation_slot(cancel.slot(), [this](std::exception_ptr thrown) {
                     has_ended = true;
                     if (thrown) std::rethrow_exception(thrown);
                   }));
    driver.run_for(1s);
  }

  std::unique_ptr<memory_transport> transport = open(9);
  std::unique_ptr<memory_node> made;
  caller one;
  asio::cancellation_signal cancel;
  bool has_ended = false;
};

}  // namespace

TEST_CASE("node: run leaves its caller's cancellation as it was, after stop and after cancelling") {
  for (const bool is_cancelled : {false, true}) {
    for (const bool throws : {false, true}) {
      CAPTURE(is_cancelled);
      CAPTURE(throws);
      caller_world world(throws);

      if (is_cancelled) world.cancel.emit(asio::cancellation_type::terminal);
      if (!is_cancelled) world.made->stop();
      world.driver.run_for(1s);

      REQUIRE(world.one.ended);
      CHECK_FALSE(*world.one.ended);
      CHECK(world.one.threw_before == throws);
      CHECK(world.one.throws_after == throws);
      CHECK(world.one.is_waiting);
      CHECK_FALSE(world.has_ended);

      world.cancel.emit(asio::cancellation_type::terminal);
      world.driver.settle();

      CHECK(world.has_ended);
      REQUIRE(world.one.waited);
      CHECK(*world.one.waited == asio::error::operation_aborted);
    }
  }
}

TEST_CASE("node: a timeout of duration::max() is for ever, and one below 0 is over") {
  node_world world;
  memory_node& self = world.add();
  world.driver.run_for(1s);  // a clock at 0 would not overflow
  ending for_ever;
  ending for_centuries;
  ending over;
  const auto spawn = [&world, &self](std::chrono::nanoseconds timeout, ending& ended) {
    asio::co_spawn(world.context, self.wait_live(9, timeout),
                   [&ended](std::exception_ptr, result<std::size_t> how) { ended = how.error(); });
  };

  spawn(std::chrono::nanoseconds::max(), for_ever);
  spawn(std::chrono::hours(24 * 365 * 292), for_centuries);
  spawn(std::chrono::nanoseconds::min(), over);
  world.driver.run_for(1h);

  CHECK_FALSE(for_ever);
  CHECK_FALSE(for_centuries);
  REQUIRE(over);
  CHECK(*over == errc::timed_out);
  self.stop();
  world.driver.settle();
  REQUIRE(for_ever);
  CHECK(*for_ever == errc::stopped);
}

namespace {

/// A coroutine that was cancelled and goes on. It notes how each wait ends: none may hang.
struct late {
  late() = default;

  ending next;
  ending live;
  ending run;

  asio::awaitable<void> use(memory_node& of, memory_node& unrun) {
    co_await asio::this_coro::throw_if_cancelled(false);
    asio::basic_waitable_timer<manual_clock> alarm(co_await asio::this_coro::executor, 1h);
    std::error_code woken;
    co_await alarm.async_wait(asio::redirect_error(asio::use_awaitable, woken));

    subscription events = of.subscribe();
    const result<event> seen = co_await events.next();
    next = seen.error();
    const result<std::size_t> live_peers = co_await of.wait_live(9, 1h);
    live = live_peers.error();
    const result<void> ended = co_await unrun.run();
    run = ended ? std::error_code() : ended.error();
  }
};

}  // namespace

TEST_CASE("node: what a coroutine awaits that was cancelled before ends at once") {
  node_world world;
  memory_node& self = world.add();
  const auto transport = world.open(9);
  const auto unrun = memory_node::create(node_world::settings(8), *transport).value();
  late one;
  asio::cancellation_signal cancel;
  asio::co_spawn(world.context, one.use(self, *unrun),
                 asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr thrown) {
                   if (thrown) std::rethrow_exception(thrown);
                 }));
  world.driver.run_for(1s);

  cancel.emit(asio::cancellation_type::terminal);
  world.driver.settle();

  REQUIRE(one.next);
  CHECK(*one.next == errc::cancelled);
  REQUIRE(one.live);
  CHECK(*one.live == errc::cancelled);
  REQUIRE(one.run);  // cancellation means stop
  CHECK_FALSE(*one.run);
}

TEST_CASE("node: wait_for without a predicate waits for any value") {
  node_world world;
  memory_node& self = world.add();
  std::string got;
  asio::co_spawn(world.context, self.wait_for("n0", "k", 1h),
                 [&got](std::exception_ptr thrown, result<std::string> value) {
                   if (!thrown) got = value.value();
                 });
  world.driver.run_for(1s);

  REQUIRE(self.set("k", "v"));
  world.driver.run_for(1s);

  CHECK(got == "v");
}

}  // namespace gossipmonger
