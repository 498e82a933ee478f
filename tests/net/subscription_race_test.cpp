// Tests of a subscription in races: which waits may lose one without losing an event, which not.
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <doctest/doctest.h>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

using timer = asio::basic_waitable_timer<manual_clock>;
using keys = std::set<std::string>;

constexpr int count = 200;

/// One key a millisecond.
asio::awaitable<void> write(memory_node& to) {
  timer pause(co_await asio::this_coro::executor);
  for (int i = 0; i < count; ++i) {
    REQUIRE(to.set("k" + std::to_string(i), "v"));
    pause.expires_after(1ms);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

void take(const event& seen, keys& into) {
  if (seen.kind == event_kind::update) into.insert(seen.key);
}

/// All keys of a writer that a reader saw, which ran beside it with deadlines that came as often as
/// events did.
template <class Read>
keys seen_beside_a_writer(Read read) {
  node_world world;
  memory_node& node = world.add();
  keys seen;
  asio::co_spawn(world.context, write(node), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  world.run(read(node.subscribe(), seen));
  return seen;
}

asio::awaitable<void> read_with_timeout(subscription events, keys& seen) {
  const manual_clock::time_point end = manual_clock::now() + 2s;
  std::size_t timeouts = 0;
  while (manual_clock::now() < end) {
    const result<event> next = co_await events.next(1ms);
    if (next) take(*next, seen);
    if (!next && next.error() == errc::timed_out) ++timeouts;
  }
  CHECK(timeouts > 0);
}

asio::awaitable<void> read_by_waiting(subscription events, keys& seen) {
  timer deadline(co_await asio::this_coro::executor);
  const manual_clock::time_point end = manual_clock::now() + 2s;
  while (manual_clock::now() < end) {
    deadline.expires_after(1ms);
    auto first = deadline.async_wait(asio::use_awaitable);
    auto second = events.wait();
    co_await (std::move(first) || std::move(second));
    while (const std::optional<event> next = events.try_next()) take(*next, seen);
  }
}

}  // namespace

TEST_CASE("subscription: next with a timeout, as short as the pauses between events, loses none") {
  CHECK(seen_beside_a_writer(read_with_timeout).size() == count);
}

TEST_CASE("subscription: wait under || with a timer, and then try_next, loses none") {
  CHECK(seen_beside_a_writer(read_by_waiting).size() == count);
}

TEST_CASE("subscription: a next that loses under || has taken its event, a wait has not") {
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();
  REQUIRE(node.set("a", "1"));
  REQUIRE(node.set("b", "2"));

  const auto race = [](subscription& of) -> asio::awaitable<void> {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto first = asio::post(executor, asio::use_awaitable);
    auto second = of.next();
    const auto winner = co_await (std::move(first) || std::move(second));
    CHECK(winner.index() == 0);  // both were complete: this is what is lost
    std::optional<event> left = of.try_next();
    REQUIRE(left);
    CHECK(left->key == "b");
  };
  world.run(race(events));

  REQUIRE(node.set("c", "3"));
  const auto harmless = [](subscription& of) -> asio::awaitable<void> {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto first = asio::post(executor, asio::use_awaitable);
    auto second = of.wait();
    co_await (std::move(first) || std::move(second));
    std::optional<event> left = of.try_next();
    REQUIRE(left);
    CHECK(left->key == "c");
  };
  world.run(harmless(events));
}

TEST_CASE("subscription: a timeout is on the node's clock, for both") {
  node_world world;
  memory_node& node = world.add();
  event_filter nothing;
  nothing.peer = "nobody";
  const auto wait = [](subscription events) -> asio::awaitable<void> {
    const manual_clock::time_point begin = manual_clock::now();
    const result<void> ready = co_await events.wait(10s);
    CHECK(ready.error() == errc::timed_out);
    CHECK(manual_clock::now() - begin == 10s);
    const result<event> seen = co_await events.next(20s);
    CHECK(seen.error() == errc::timed_out);
    CHECK(manual_clock::now() - begin == 30s);
    const result<void> at_once = co_await events.wait(0s);
    CHECK(at_once.error() == errc::timed_out);
    CHECK(manual_clock::now() - begin == 30s);
  };
  world.run(wait(node.subscribe(nothing)));
}

TEST_CASE("subscription: wait ends at once while there is an event, and takes none") {
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();
  REQUIRE(node.set("a", "1"));
  const auto twice = [](subscription& of) -> asio::awaitable<void> {
    for (int i = 0; i < 2; ++i) {
      const result<void> ready = co_await of.wait(0s);
      CHECK(ready);
    }
    const std::optional<event_view> seen = of.try_next_view();
    REQUIRE(seen);
    CHECK(seen->value == "1");
    CHECK_FALSE(of.try_next());
  };
  world.run(twice(events));
}

}  // namespace gossipmonger
