// Back-pressure on a writer: what `writable` waits for, and how it ends.
#include <chrono>
#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// A quarter of it in an interval of 200 ms at first, 4096 bytes: 51 entries of 80 bytes.
config slow_writer() {
  config made = node_world::settings(0);
  made.exchange_bytes_max = 16384;
  return made;
}

std::string key_of(std::size_t number) { return "key " + std::to_string(100'000 + number); }

/// Writes entries of 10 + 62 bytes, 80 with what the wire adds, whenever that is carried.
asio::awaitable<void> write_until(memory_node& of, manual_clock::time_point end,
                                  std::size_t& written) {
  while (manual_clock::now() < end) {
    const result<void> open = co_await of.writable(10s);
    if (!open) throw std::runtime_error(open.error().message());
    if (!of.set(key_of(written), std::string(62, 'v'))) throw std::runtime_error("set");
    ++written;
  }
}

void write_two_intervals(memory_node& of) {
  for (std::size_t i = 0; i < 100; ++i) REQUIRE(of.set(key_of(i), std::string(62, 'v')));
}

}  // namespace

TEST_CASE("node: a writer that awaits writable is held to its rate, and all of it arrives") {
  node_world world;
  memory_node& one = world.add(slow_writer());
  memory_node& other = world.add();
  world.driver.run_for(2s);

  std::size_t written = 0;
  world.run(write_until(one, manual_clock::now() + 2s, written));
  world.driver.run_for(5s);

  // A full bucket, ten intervals at 51 entries, and a ninth of that more in each than in the last.
  CHECK(written >= 51 * 8);
  CHECK(written <= 51 * 2 + 51 * 18);
  CHECK(other.get("n0", key_of(written - 1)));
}

TEST_CASE("node: writable is at once while there is room, times out while there is none") {
  node_world world;
  memory_node& one = world.add(slow_writer());
  const auto ask = [](memory_node& of, std::chrono::nanoseconds timeout,
                      std::error_code expected) -> asio::awaitable<void> {
    const result<void> open = co_await of.writable(timeout);
    const std::error_code error = open ? std::error_code() : open.error();
    CHECK(error == expected);
  };

  const auto began = manual_clock::now();
  world.run(ask(one, 1s, {}));
  CHECK(manual_clock::now() == began);

  write_two_intervals(one);
  world.run(ask(one, 10ms, make_error_code(errc::timed_out)));
  world.run(ask(one, 1s, {}));
  CHECK(manual_clock::now() - began > 100ms);
  CHECK(manual_clock::now() - began <= 400ms);
}

TEST_CASE("node: writable ends with stopped when the node stops, and at once afterwards") {
  node_world world;
  memory_node& one = world.add(slow_writer());
  const auto expect_stopped = [](memory_node& of) -> asio::awaitable<void> {
    const result<void> open = co_await of.writable(10s);
    CHECK(open.error() == errc::stopped);
  };
  write_two_intervals(one);

  world.run(expect_stopped(one), [&] { one.stop(); });
  world.run(expect_stopped(one));
}

}  // namespace gossipmonger
