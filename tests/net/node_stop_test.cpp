// Stopping, cancelling and outliving: every way in which a run or a pending operation ends.
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/experimental/awaitable_operators.hpp>

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Spawns `body`; what it returned stands in `out` once it ended.
template <class T>
void spawn_into(node_world& world, asio::awaitable<T> body, std::optional<T>& out) {
  asio::co_spawn(world.context, std::move(body), [&out](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    out = std::move(value);
  });
}

asio::awaitable<result<event>> next_of(subscription* of) {
  result<event> seen = co_await of->next();
  co_return seen;
}

// ------------------------------------- how each awaited operation ended; none of them can succeed

template <class T>
std::error_code error_of(const result<T>& ended) {
  return ended ? std::error_code() : ended.error();
}

asio::awaitable<std::error_code> wait_live_of(memory_node& of) {
  const result<std::size_t> ended = co_await of.wait_live(9, 1h);
  co_return error_of(ended);
}

asio::awaitable<std::error_code> replicated_of(memory_node& of) {
  const result<replication> ended = co_await of.replicated(1, at_least(9), 1h);
  co_return error_of(ended);
}

asio::awaitable<std::error_code> wait_for_of(memory_node& of) {
  auto is_wanted = [](std::string_view) { return true; };
  const result<std::string> ended = co_await of.wait_for("nobody", "x", is_wanted, 1h);
  co_return error_of(ended);
}

asio::awaitable<std::error_code> writable_of(memory_node& of) {
  const result<void> ended = co_await of.writable(1h);
  co_return error_of(ended);
}

asio::awaitable<std::error_code> leave_of(memory_node& of) {
  const result<leave_result> ended = co_await of.leave(1h);
  co_return error_of(ended);
}

/// A subscription that has read all events there are.
subscription read_out(memory_node& of) {
  subscription from = of.subscribe();
  while (from.try_next_view()) {
  }
  return from;
}

asio::awaitable<std::error_code> next_event_of(subscription from) {
  const result<event> ended = co_await from.next();
  co_return error_of(ended);
}

asio::awaitable<std::error_code> wait_of(subscription from) {
  const result<void> ended = co_await from.wait();
  co_return error_of(ended);
}

/// Each awaited operation of a node: `leave` comes last, since it ends writing.
std::vector<asio::awaitable<std::error_code>> all_awaited(memory_node& of) {
  std::vector<asio::awaitable<std::error_code>> all;
  all.push_back(wait_live_of(of));
  all.push_back(replicated_of(of));
  all.push_back(wait_for_of(of));
  all.push_back(writable_of(of));
  all.push_back(next_event_of(read_out(of)));
  all.push_back(wait_of(read_out(of)));
  all.push_back(leave_of(of));
  return all;
}

/// A node that knows another, and then nobody hears anybody: what it awaits does not come.
struct waiting_world : node_world {
  waiting_world() {
    config slow = settings(0);
    slow.exchange_bytes_max = 4096;  // the bytes to write in an interval, at first
    add(slow);
    add();
    driver.run_for(30s);
    REQUIRE(node().stats().peers_live == 1);
    memory_network_options cut;
    cut.loss = 1;
    network.set_options(cut);
    for (std::size_t i = 0; i < 2000; ++i) {
      REQUIRE(node().set("key " + std::to_string(i), std::string(62, 'v')));
    }
  }

  memory_node& node() { return *nodes[0]; }
};

}  // namespace

TEST_CASE("node: stop ends run, and everything that is awaited, with stopped") {
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();
  std::optional<result<event>> pending_event;
  std::optional<result<std::size_t>> pending_live;
  spawn_into(world, next_of(&events), pending_event);
  spawn_into(world, node.wait_live(1, 1h), pending_live);
  world.driver.run_for(1s);
  REQUIRE_FALSE(pending_event);

  node.stop();
  node.stop();
  world.driver.settle();

  CHECK(*world.ended[0]);
  REQUIRE(pending_event);
  CHECK(pending_event->error() == errc::stopped);
  REQUIRE(pending_live);
  CHECK(pending_live->error() == errc::stopped);
  CHECK(node.set("x", "1").error() == errc::stopped);
}

TEST_CASE("node: stop, and stop again, ends each awaited operation with stopped") {
  waiting_world world;
  std::vector<asio::awaitable<std::error_code>> all = all_awaited(world.node());
  std::vector<std::optional<std::error_code>> ended(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) spawn_into(world, std::move(all[i]), ended[i]);
  world.driver.settle();
  for (const auto& one : ended) CHECK_FALSE(one);

  world.node().stop();
  world.node().stop();
  world.driver.settle();

  CHECK(*world.ended[0]);
  for (const auto& one : ended) {
    REQUIRE(one);
    CHECK(*one == errc::stopped);
  }
}

TEST_CASE("node: once stopped, all that is awaited is stopped, also where its condition holds") {
  node_world world;
  memory_node& node = world.add();
  memory_node& other = world.add();
  REQUIRE(node.set("k", "v"));
  world.driver.run_for(30s);
  REQUIRE(node.stats().peers_live == 1);
  std::optional<result<std::size_t>> live;
  std::optional<result<replication>> held;
  std::optional<result<std::string>> value;
  std::optional<result<void>> writable;
  std::optional<result<leave_result>> left;
  node.stop();

  spawn_into(world, node.wait_live(1), live);
  spawn_into(world, node.replicated(1, all_live()), held);
  spawn_into(world, node.wait_for("n0", "k"), value);
  spawn_into(world, node.writable(), writable);
  spawn_into(world, node.leave(), left);
  world.driver.settle();

  CHECK(live.value().error() == errc::stopped);
  CHECK(held.value().error() == errc::stopped);
  CHECK(value.value().error() == errc::stopped);
  CHECK(writable.value().error() == errc::stopped);
  CHECK(left.value().error() == errc::stopped);
  world.driver.run_for(5s);
  CHECK(other.find_member("n0")->status != peer_status::left);
  CHECK_FALSE(other.find_member("nobody"));
}

TEST_CASE("node: run ends when it is cancelled, and a second run is refused") {
  node_world world;
  const auto transport = world.open(9);
  auto made = memory_node::create(node_world::settings(8), *transport);
  REQUIRE(made);
  memory_node& node = **made;
  asio::cancellation_signal cancel;
  std::optional<bool> ended;
  asio::co_spawn(world.context, node.run(),
                 asio::bind_cancellation_slot(cancel.slot(),
                                              [&ended](std::exception_ptr thrown, result<void>) {
                                                ended = thrown == nullptr;
                                              }));
  world.driver.run_for(1s);
  REQUIRE_FALSE(ended);

  cancel.emit(asio::cancellation_type::terminal);
  world.driver.settle();

  REQUIRE(ended);
  CHECK(*ended);
  std::optional<result<void>> again;
  spawn_into(world, node.run(), again);
  world.driver.settle();
  REQUIRE(again);
  CHECK(again->error() == errc::stopped);
}

TEST_CASE("node: a second run is refused while the first runs, and that one goes on") {
  node_world world;
  memory_node& node = world.add();
  std::optional<result<void>> again;

  spawn_into(world, node.run(), again);
  world.driver.settle();

  REQUIRE(again);
  CHECK(again->error() == errc::already_running);
  const std::uint64_t rounds = node.stats().rounds;
  world.driver.run_for(5s);
  CHECK(node.stats().rounds > rounds);
}

TEST_CASE("node: a subscription outlives its node and ends after what is left") {
  node_world world;
  std::optional<subscription> events;
  {
    const auto transport = world.open(9);
    auto made = memory_node::create(node_world::settings(8), *transport);
    REQUIRE(made);
    events = (*made)->subscribe();
    REQUIRE((*made)->set("a", "1"));
    (*made)->stop();
  }

  std::optional<result<event>> first;
  spawn_into(world, next_of(&*events), first);
  world.driver.settle();
  REQUIRE(first);
  CHECK((*first)->key == "a");
  std::optional<result<event>> second;
  spawn_into(world, next_of(&*events), second);
  world.driver.settle();
  REQUIRE(second);
  CHECK(second->error() == errc::stopped);
}

TEST_CASE("node: a subscription that goes while its next is pending leaves it pending until stop") {
  node_world world;
  memory_node& node = world.add();
  std::optional<result<event>> seen;
  {
    auto events = std::make_unique<subscription>(node.subscribe());
    spawn_into(world, events->next(), seen);
    world.driver.settle();
  }

  node.stop();
  world.driver.settle();

  REQUIRE(seen);
  CHECK(seen->error() == errc::stopped);
}

TEST_CASE("node: a second pending next is refused, and the first goes on") {
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();
  std::optional<result<event>> first;
  std::optional<result<event>> second;
  spawn_into(world, next_of(&events), first);
  spawn_into(world, next_of(&events), second);
  world.driver.settle();
  REQUIRE(second);
  CHECK(second->error() == errc::already_waiting);

  REQUIRE(node.set("a", "1"));
  world.driver.settle();

  REQUIRE(first);
  CHECK((*first)->value == "1");
}

TEST_CASE("node: the user's own || ends the loser as cancelled and loses no event") {
  using namespace asio::experimental::awaitable_operators;
  node_world world;
  memory_node& node = world.add();
  subscription events = node.subscribe();

  const auto race = [](memory_node& of, subscription& reader) -> asio::awaitable<void> {
    asio::basic_waitable_timer<manual_clock> alarm(co_await asio::this_coro::executor, 1s);
    auto winner = co_await (reader.next() || alarm.async_wait(asio::use_awaitable));
    CHECK(winner.index() == 1);

    REQUIRE(of.set("a", "1"));
    const result<event> seen = co_await reader.next();
    CHECK(seen->key == "a");
  };
  world.run(race(node, events));
}

TEST_CASE("node: cancelling each awaited operation gives cancelled") {
  waiting_world world;
  const auto cancelled = [&world](asio::awaitable<std::error_code> body) {
    asio::cancellation_signal cancel;
    std::optional<std::error_code> error;
    asio::co_spawn(world.context, std::move(body),
                   asio::bind_cancellation_slot(
                       cancel.slot(), [&error](std::exception_ptr thrown, std::error_code code) {
                         if (!thrown) error = code;
                       }));
    world.driver.settle();
    CHECK_FALSE(error);
    cancel.emit(asio::cancellation_type::terminal);
    world.driver.settle();
    return error.value_or(std::error_code());
  };
  for (asio::awaitable<std::error_code>& one : all_awaited(world.node())) {
    CHECK(cancelled(std::move(one)) == errc::cancelled);
  }
}

TEST_CASE("node: destroying node and io_context with operations pending frees everything") {
  manual_clock::reset();
  memory_network network(1);
  auto context = std::make_unique<asio::io_context>();
  auto transport = std::make_unique<memory_transport>(context->get_executor(), network);
  REQUIRE(transport->open(endpoint::v4(10, 0, 0, 1, 7000)));
  config settings = node_world::settings(0);
  settings.exchange_bytes_max = 4096;
  auto made = memory_node::create(settings, *transport);
  REQUIRE(made);
  for (std::size_t i = 0; i < 200; ++i) {
    REQUIRE((*made)->set("key " + std::to_string(i), std::string(62, 'v')));
  }
  std::size_t ended = 0;
  for (asio::awaitable<std::error_code>& one : all_awaited(**made)) {
    asio::co_spawn(*context, std::move(one),
                   [&ended](std::exception_ptr, std::error_code) { ++ended; });
  }
  context->poll();
  CHECK(ended == 1);  // there is nobody who must know that it leaves

  // Leak and address checkers are the judges; here it only must not crash.
  made->reset();
  transport.reset();
  context.reset();
  CHECK(ended == 1);
  CHECK(network.counters().sent == 0);
}

}  // namespace gossipmonger
