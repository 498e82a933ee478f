// Operations that happen at once, as documented, take no time of the clock at an interval of a
// minute. Awaited operations leave nothing behind in the node, however they end.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include "core/model/message.hpp"
#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using clock = manual_clock;

/// Nodes with an interval of a minute: whatever waits for a round takes a good part of that.
struct minute_world : node_world {
  static config minute_settings(std::size_t index) {
    config made = settings(index);
    made.gossip_interval = 60s;
    made.jitter = 0;
    return made;
  }

  memory_node& add_minute() { return node_world::add(minute_settings(nodes.size())); }

  explicit minute_world(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) add_minute();
    driver.run_for(30min + 10s);
    for (const auto& one : nodes) REQUIRE(one->stats().peers_live == count - 1);
  }
};

std::string key_of(std::size_t number) { return "key " + std::to_string(1000 + number); }

bool is_same(const table_sizes& one, const table_sizes& other) {
  return std::memcmp(&one, &other, sizeof one) == 0;  // sizes alone, without padding
}

/// How an awaited operation shall end.
enum class ending : std::uint8_t { done, timed_out, cancelled };

/// Runs `body` until it ends so; it is cancelled after `wait`.
std::error_code run_to(node_world& world, asio::awaitable<std::error_code> body, ending wanted,
                       std::chrono::nanoseconds wait) {
  asio::cancellation_signal cancel;
  std::optional<std::error_code> ended;
  asio::co_spawn(world.context, std::move(body),
                 asio::bind_cancellation_slot(
                     cancel.slot(), [&ended](std::exception_ptr thrown, std::error_code error) {
                       if (thrown) std::rethrow_exception(thrown);
                       ended = error;
                     }));
  world.driver.run_for(wait);
  if (wanted == ending::cancelled) cancel.emit(asio::cancellation_type::terminal);
  world.driver.settle();
  REQUIRE(ended);
  return *ended;
}

asio::awaitable<std::error_code> replicated_of(memory_node& of, std::uint64_t version,
                                               replication_policy policy,
                                               std::chrono::nanoseconds timeout) {
  const result<replication> reached = co_await of.replicated(version, policy, timeout);
  co_return reached ? std::error_code() : reached.error();
}

asio::awaitable<std::error_code> wait_for_of(memory_node& of, std::string key,
                                             std::chrono::nanoseconds timeout) {
  const result<std::string> seen = co_await of.wait_for("n0", key, timeout);
  co_return seen ? std::error_code() : seen.error();
}

asio::awaitable<std::error_code> wait_live_of(memory_node& of, std::size_t count,
                                              std::chrono::nanoseconds timeout) {
  const result<std::size_t> live = co_await of.wait_live(count, timeout);
  co_return live ? std::error_code() : live.error();
}

asio::awaitable<std::error_code> writable_of(memory_node& of, std::chrono::nanoseconds timeout) {
  const result<void> open = co_await of.writable(timeout);
  co_return open ? std::error_code() : open.error();
}

asio::awaitable<std::error_code> next_of(subscription of, std::chrono::nanoseconds timeout) {
  const result<event> seen = co_await of.next(timeout);
  co_return seen ? std::error_code() : seen.error();
}

/// Begins where all is read, and shows nothing that this node writes.
subscription read_out(memory_node& of) {
  event_filter others;
  others.peer = "nobody";
  subscription from = of.subscribe(others);
  while (from.try_next_view()) {
  }
  return from;
}

/// Digests that tell of everybody, from one node to an address, in so much time.
std::size_t whole_digests(node_world& world, memory_node& from, const endpoint& to,
                          std::chrono::nanoseconds time) {
  std::size_t count = 0;
  from.on_message([&](message_direction direction, const endpoint& remote, const message& what) {
    const bool is_sent = direction == message_direction::sent && remote == to;
    if (!is_sent || what.kind != message_kind::digest) return;
    const digest& known = what.known;
    const std::size_t rows = known.range.size() + known.extra.size() + known.unwanted.size();
    if (rows > 3) ++count;  // a short leg names its two ends
  });
  for (const auto end = clock::now() + time; clock::now() < end;) world.driver.run_for(1s);
  from.on_message(nullptr);
  return count;
}

/// Six nodes, of which the last takes no value of 2,000 bytes: it lives and lacks that for ever.
struct lacking_world : node_world {
  lacking_world() {
    for (std::size_t i = 0; i < 5; ++i) add();
    config small = settings(5);
    small.bytes_per_peer_max = 1024;
    add(small);
    driver.run_for(20s);
    version = nodes[0]->set("x", std::string(2000, 'v')).value();
    driver.run_for(20s);
    REQUIRE(nodes[4]->get("n0", "x"));
    REQUIRE_FALSE(nodes[5]->get("n0", "x"));
    REQUIRE(nodes[0]->stats().peers_live == 5);
  }

  std::uint64_t version = 0;
};

}  // namespace

TEST_CASE("at once: who leaves is shown as left, and is told so, before any time passes") {
  minute_world world(5);
  const auto began = clock::now();

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    const result<leave_result> left = co_await of.leave(10min);
    REQUIRE(left);
    CHECK(left->live == 4);
    CHECK(left->acknowledged == 4);
  };
  world.run(body(*world.nodes[3]));

  CHECK(clock::now() == began);
  for (const std::size_t i : {0U, 1U, 2U, 4U}) {
    const std::vector<member> seen = world.nodes[i]->members();
    CHECK(std::any_of(seen.begin(), seen.end(), [](const member& one) {
      return one.name == "n3" && one.status == peer_status::left;
    }));
  }
}

TEST_CASE("at once: what is written, erased and forgotten here is read here before time passes") {
  minute_world world(2);
  memory_node& one = *world.nodes[0];
  subscription events = one.subscribe();
  while (events.try_next_view()) {
  }
  const auto began = clock::now();
  const auto next_kind = [&](const std::function<void()>& cause) {
    std::optional<event> seen;
    asio::co_spawn(world.context, events.next(),
                   [&seen](std::exception_ptr, result<event> got) { seen = *got; });
    world.driver.settle();
    CHECK_FALSE(seen);
    cause();
    world.driver.settle();
    REQUIRE(seen);
    return seen->kind;
  };

  CHECK(next_kind([&] { REQUIRE(one.set("a", "1")); }) == event_kind::update);
  CHECK(next_kind([&] { REQUIRE(one.erase("a")); }) == event_kind::removed);
  CHECK(next_kind([&] { REQUIRE(one.forget("n1")); }) == event_kind::peer_forgotten);
  world.run(
      [](memory_node& of) -> asio::awaitable<void> {
        CHECK_FALSE(co_await wait_for_of(of, "b", 10min));
      }(one),
      [&] { REQUIRE(one.set("b", "2")); });
  CHECK(clock::now() == began);
}

TEST_CASE("at once: a newcomer's first round brings it all, though the first answer is cut") {
  minute_world world(1);
  for (std::size_t i = 0; i < 200; ++i) {
    REQUIRE(world.nodes[0]->set(key_of(i), std::string(50, 'v')));
  }
  const auto began = clock::now();

  const memory_node& newcomer = world.add_minute();
  world.driver.settle();

  CHECK(clock::now() == began);
  for (std::size_t i = 0; i < 200; ++i) CHECK(newcomer.get("n0", key_of(i)));
  CHECK(newcomer.stats().rounds == 1);
}

TEST_CASE("at once: writable is told when there is room, not with the round after that") {
  minute_world world(1);
  config slow = minute_world::minute_settings(1);
  slow.exchange_bytes_max = 16384;  // a quarter of it in an interval at first
  memory_node& writer = world.add(slow);
  world.driver.run_for(20min + 5s);

  // Entries of 80 bytes: all that a full bucket holds, and a third of an interval's worth more.
  const std::size_t bytes = writer.stats().write_bytes_per_interval * 4 / 3;
  for (std::size_t i = 0; i <= bytes / 80; ++i)
    REQUIRE(writer.set(key_of(i), std::string(62, 'v')));
  const std::uint64_t rounds = writer.stats().rounds;
  CHECK_FALSE(run_to(world, writable_of(writer, 10min), ending::done, 30s));

  CHECK(writer.stats().rounds == rounds);
}

TEST_CASE("at once: what waits for the byte budget goes when there is room, not with a round") {
  minute_world world(2);
  config limited = world.nodes[0]->settings();
  limited.send_bytes_per_interval = 12'000;
  REQUIRE(world.nodes[0]->change(limited));
  for (std::size_t i = 0; i < 40; ++i) {
    REQUIRE(world.nodes[0]->set(key_of(i), std::string(1000, 'v')));
  }
  world.driver.run_for(2min);
  std::set<clock::time_point> times;
  world.network.on_delivery = [&times](const endpoint& to, const inbound&) {
    if (to == endpoint::v4(10, 0, 0, 2, 7000)) times.insert(clock::now());
  };

  world.driver.run_for(1min);
  world.network.on_delivery = nullptr;

  // A datagram of 1,160 bytes in 6 s; rounds alone would make four at most.
  CHECK(times.size() >= 6);
}

TEST_CASE("at once: deadlines of a node that left wake it no more") {
  minute_world world(1);
  memory_node& one = *world.nodes[0];
  for (std::size_t i = 0; i < 10; ++i) {
    REQUIRE(one.set(key_of(i), "v", 3s + i * 1s));
  }
  CHECK(one.tables().deadlines == 10);
  world.driver.settle();
  REQUIRE(world.driver.next_timer() == clock::now() + 3s);

  const auto body = [](memory_node& of) -> asio::awaitable<void> {
    REQUIRE(co_await of.leave(1s));
  };
  world.run(body(one));
  world.driver.settle();

  CHECK(one.tables().deadlines == 0);
  CHECK(world.driver.next_timer() >= clock::now() + 30s);
  CHECK(one.get("n0", key_of(0)));
}

TEST_CASE("awaited: after replicated ended, timed out or was cancelled no round prefers anybody") {
  for (const ending how : {ending::done, ending::timed_out, ending::cancelled}) {
    CAPTURE(static_cast<int>(how));
    lacking_world world;
    memory_node& one = *world.nodes[0];
    const endpoint lacking = endpoint::v4(10, 0, 0, 6, 7000);

    // While it is awaited that one is asked in each of 100 rounds, else in one of five.
    const replication_policy policy = how == ending::done ? at_least(5) : all_live();
    std::optional<std::error_code> ended;
    asio::cancellation_signal cancel;
    asio::co_spawn(
        world.context, replicated_of(one, world.version, policy, 20s),
        asio::bind_cancellation_slot(
            cancel.slot(), [&ended](std::exception_ptr, std::error_code error) { ended = error; }));
    CHECK(whole_digests(world, one, lacking, 19s) >= 80);
    REQUIRE_FALSE(ended);
    if (how == ending::done) {
      world.add();  // a fifth that takes it
      world.driver.run_for(10s);
    } else if (how == ending::timed_out) {
      world.driver.run_for(1s);
    } else {
      cancel.emit(asio::cancellation_type::terminal);
      world.driver.settle();
    }
    REQUIRE(ended);

    CHECK(whole_digests(world, one, lacking, 20s) <= 40);
  }
}

TEST_CASE("awaited: however an operation ends, the tables of its node are as they were") {
  minute_world world(2);
  memory_node& one = *world.nodes[0];
  const std::uint64_t version = one.set("x", "1").value();
  world.driver.run_for(10min);
  const auto each = [&](ending how, std::error_code expected) {
    // `next` shows nothing, and so does not end by itself.
    const bool is_done = how == ending::done;
    const std::uint64_t wanted = is_done ? version : version + 1;
    const auto timeout = how == ending::timed_out ? 1s : 10min;
    std::vector<asio::awaitable<std::error_code>> all;
    all.push_back(replicated_of(one, wanted, all_live(), timeout));
    all.push_back(wait_for_of(one, is_done ? "x" : "y", timeout));
    all.push_back(wait_live_of(one, is_done ? 1 : 2, timeout));
    if (is_done) all.push_back(writable_of(one, timeout));
    if (!is_done) all.push_back(next_of(read_out(one), timeout));
    for (asio::awaitable<std::error_code>& awaited : all) {
      const table_sizes before = one.tables();
      const protocol_stats stats = one.stats();
      CHECK(run_to(world, std::move(awaited), how, 1s) == expected);
      CHECK(is_same(one.tables(), before));
      CHECK(one.stats().peers_live == stats.peers_live);
      CHECK(one.stats().backlog_max == stats.backlog_max);
      CHECK(one.stats().retired_entries == stats.retired_entries);
      CHECK(one.stats().rounds == stats.rounds);
    }
  };

  each(ending::done, {});
  world.driver.run_for(1min);
  each(ending::timed_out, make_error_code(errc::timed_out));
  world.driver.run_for(1min);
  each(ending::cancelled, make_error_code(errc::cancelled));
}

TEST_CASE("awaited: a subscription that shows nothing, or is never read, keeps no removal") {
  minute_world world(1);
  memory_node& one = *world.nodes[0];
  const subscription unread = one.subscribe();
  event_filter nobody;
  nobody.peer = "nobody";
  subscription empty = one.subscribe(nobody);
  asio::co_spawn(world.context, empty.next(), [](std::exception_ptr, result<event>) {});
  auto slow = std::make_unique<subscription>(one.subscribe());
  static_cast<void>(slow->try_next_view());  // it begins, and reads no further
  const auto churn = [&one] {
    for (std::size_t i = 0; i < 300; ++i) {
      REQUIRE(one.set(key_of(i), "v"));
      REQUIRE(one.erase(key_of(i)));
    }
  };

  churn();
  world.driver.run_for(61s);
  CHECK(one.stats().retired_entries > 0);
  slow.reset();
  churn();
  world.driver.run_for(61s);

  CHECK(one.stats().retired_entries == 0);
}

namespace {

/// Throws where it is told to, and is a memory transport else.
class throwing_transport {
 public:
  using clock_type = manual_clock;

  explicit throwing_transport(memory_transport& over) : over_(over) {}

  [[nodiscard]] asio::any_io_executor get_executor() const { return over_.get_executor(); }
  [[nodiscard]] endpoint local_endpoint() const { return over_.local_endpoint(); }
  [[nodiscard]] asio::awaitable<result<std::size_t>> receive(std::span<inbound> in) {
    result<std::size_t> count = co_await over_.receive(in);
    if (throws_in_receive) throw std::runtime_error("receive");
    co_return count;
  }
  [[nodiscard]] asio::awaitable<result<std::size_t>> send(std::span<const outbound> out) {
    if (throws_in_send) throw std::runtime_error("send");
    result<std::size_t> count = co_await over_.send(out);
    co_return count;
  }
  void close() { over_.close(); }

  bool throws_in_receive = false;
  bool throws_in_send = false;

 private:
  memory_transport& over_;
};

}  // namespace

TEST_CASE("node: what a transport throws ends run with it, and what is awaited with stopped") {
  for (const std::string part : {"receive", "send"}) {
    CAPTURE(part);
    node_world world;
    world.add();
    const auto below = world.open(9);
    throwing_transport transport(*below);
    auto made =
        basic_node<memory_storage, throwing_transport>::create(node_world::settings(8), transport);
    REQUIRE(made);
    std::string thrown;
    asio::co_spawn((*made)->get_executor(), (*made)->run(),
                   [&thrown](std::exception_ptr failure, const result<void>&) {
                     try {
                       if (failure) std::rethrow_exception(failure);
                       thrown = "nothing";
                     } catch (const std::runtime_error& what) {
                       thrown = what.what();
                     }
                   });
    std::optional<std::error_code> live;
    std::optional<std::error_code> event_end;
    subscription events = (*made)->subscribe();
    while (events.try_next_view()) {
    }
    asio::co_spawn(world.context, (*made)->wait_live(9, 1h),
                   [&live](std::exception_ptr, const result<std::size_t>& how) {
                     live = how ? std::error_code() : how.error();
                   });
    world.driver.run_for(5s);
    REQUIRE(thrown.empty());
    REQUIRE((*made)->stats().peers_live == 1);
    while (events.try_next_view()) {
    }
    asio::co_spawn(world.context, events.next(),
                   [&event_end](std::exception_ptr, const result<event>& how) {
                     event_end = how ? std::error_code() : how.error();
                   });

    (part == "send" ? transport.throws_in_send : transport.throws_in_receive) = true;
    world.driver.run_for(2s);

    CHECK(thrown == part);
    CHECK(live == make_error_code(errc::stopped));
    CHECK(event_end == make_error_code(errc::stopped));
    CHECK((*made)->set("x", "1").error() == errc::stopped);
  }
}

}  // namespace gossipmonger
