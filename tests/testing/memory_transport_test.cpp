#include "gossipmonger/testing/memory_transport.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../net/memory_fixture.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

struct arrival {
  arrival() = default;
  arrival(manual_clock::duration arrived_at, int with_number)
      : time(arrived_at), number(with_number) {}
  friend bool operator==(const arrival&, const arrival&) = default;

  manual_clock::duration time{};
  int number = 0;
};

/// Sends the numbers 0 to count - 1, one byte each, in one batch.
asio::awaitable<void> send_numbers(memory_transport& from, endpoint to, int count) {
  std::vector<std::byte> numbers(static_cast<std::size_t>(count));
  std::vector<outbound> out(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<std::byte>(i);
    out[i].bytes = std::span<const std::byte>(numbers).subspan(i, 1);
    out[i].destination = to;
  }
  const auto taken = co_await from.send(out);
  CHECK(taken.value_or(0) == out.size());
}

/// The bytes 0, 1, 2, …
std::vector<std::byte> counted_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

/// As UDP adds them up, but for the carries, which damage of a word pair does not change.
std::uint32_t sum_of_words(const std::vector<std::byte>& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += (std::to_integer<std::uint32_t>(bytes[i]) << 8) +
           std::to_integer<std::uint32_t>(bytes[i + 1]);
  }
  return sum;
}

/// Sends datagrams of these sizes in one batch, each with counted bytes.
asio::awaitable<void> send_bytes(memory_transport& from, endpoint to,
                                 std::vector<std::size_t> sizes) {
  const std::vector<std::byte> bytes = counted_bytes(25);
  std::vector<outbound> out(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    out[i].bytes = std::span<const std::byte>(bytes).first(sizes[i]);
    out[i].destination = to;
  }
  const auto taken = co_await from.send(out);
  CHECK(taken.value_or(0) == out.size());
}

/// Notes what comes until the transport is closed.
asio::awaitable<void> note_arrivals(memory_transport& at, std::vector<arrival>& seen) {
  std::array<std::uint64_t, 12> room{};  // 24 bytes each
  std::array<inbound, 4> in;
  for (std::size_t i = 0; i < in.size(); ++i) {
    in[i].buffer = std::as_writable_bytes(std::span(room).subspan(3 * i, 3));
  }
  for (;;) {
    const auto count = co_await at.receive(in);
    if (!count) {
      CHECK(count.error() == errc::stopped);
      co_return;
    }
    for (std::size_t i = 0; i < *count; ++i) {
      seen.emplace_back(manual_clock::now().time_since_epoch(),
                        std::to_integer<int>(in[i].buffer[0]));
    }
  }
}

/// Arrivals at B, over an hour, of `count` numbers that A sends at once.
std::vector<arrival> arrivals_of(memory_world& world, int count) {
  const auto a = world.open(1);
  const auto b = world.open(2);
  std::vector<arrival> seen;
  asio::co_spawn(world.context, note_arrivals(*b, seen), [](std::exception_ptr) {});
  world.run(send_numbers(*a, b->local_endpoint(), count));
  world.driver.run_for(1h);
  b->close();
  world.driver.settle();
  return seen;
}

}  // namespace

TEST_CASE("memory transport: an endpoint is taken once, and free again after close") {
  memory_world world;
  const auto first = world.open(1);
  memory_transport second(world.context.get_executor(), world.network);

  CHECK(second.open(first->local_endpoint()).error() == std::errc::address_in_use);
  first->close();
  CHECK(second.open(first->local_endpoint()).has_value());
  CHECK(second.open(first->local_endpoint()).error() == asio::error::already_open);
  CHECK(first->open(first->local_endpoint()).error() == errc::stopped);
}

TEST_CASE("memory transport: port 0 takes the next free dynamic port") {
  memory_world world;
  memory_transport first(world.context.get_executor(), world.network);
  memory_transport second(world.context.get_executor(), world.network);

  REQUIRE(first.open(endpoint::v4(10, 0, 0, 1, 0)));
  REQUIRE(second.open(endpoint::v4(10, 0, 0, 1, 0)));

  CHECK(first.local_endpoint() == endpoint::v4(10, 0, 0, 1, 49152));
  CHECK(second.local_endpoint() == endpoint::v4(10, 0, 0, 1, 49153));
}

TEST_CASE("memory transport: a fixed delay is kept to the nanosecond, and the order with it") {
  memory_network_options options;
  options.delay_min = options.delay_max = 7ms;
  memory_world world(1, options);

  const auto seen = arrivals_of(world, 6);

  const std::vector<arrival> expected{{7ms, 0}, {7ms, 1}, {7ms, 2}, {7ms, 3}, {7ms, 4}, {7ms, 5}};
  CHECK(seen == expected);
}

TEST_CASE("memory transport: uniform delays stay within their bounds, reach both, and overtake") {
  memory_network_options options;
  options.delay_min = manual_clock::duration(10);
  options.delay_max = manual_clock::duration(13);
  memory_world world(1, options);

  const auto seen = arrivals_of(world, 200);

  REQUIRE(seen.size() == 200);
  CHECK(seen.front().time == manual_clock::duration(10));
  CHECK(seen.back().time == manual_clock::duration(13));
  bool overtook = false;
  for (std::size_t i = 1; i < seen.size(); ++i) {
    CHECK(seen[i - 1].time <= seen[i].time);
    overtook = overtook || seen[i - 1].number > seen[i].number;
    // Equal times keep the order they were sent in.
    CHECK((seen[i - 1].time < seen[i].time || seen[i - 1].number < seen[i].number));
  }
  CHECK(overtook);
}

TEST_CASE("memory transport: the same seed gives the same run, another seed another") {
  memory_network_options options;
  options.loss = 0.3;
  options.duplication = 0.2;
  options.delay_max = 50ms;
  const auto run = [&](std::uint64_t seed) {
    memory_world world(seed, options);
    return arrivals_of(world, 100);
  };

  CHECK(run(7) == run(7));
  CHECK(run(7) != run(8));
}

TEST_CASE("memory transport: every datagram is accounted for") {
  memory_network_options options;
  options.loss = 0.25;
  options.duplication = 0.5;
  memory_world world(3, options);

  const auto seen = arrivals_of(world, 250);

  const memory_network_counters& counted = world.network.counters();
  CHECK(counted.sent == 250);
  CHECK(counted.delivered == seen.size());
  CHECK(counted.sent + counted.duplicated == counted.delivered + counted.lost);
  // Five standard deviations of the binomial around the mean: 62 +- 35, 94 +- 43.
  CHECK(counted.lost > 27);
  CHECK(counted.lost < 97);
  CHECK(counted.duplicated > 51);
  CHECK(counted.duplicated < 137);
}

TEST_CASE("memory transport: a loss of one cuts the network, and of zero heals it") {
  memory_world world;
  const auto a = world.open(1);
  const auto b = world.open(2);
  memory_network_options cut;
  cut.loss = 1.0;

  world.network.set_options(cut);
  world.run(send_numbers(*a, b->local_endpoint(), 5));
  CHECK(world.network.counters().lost == 5);

  world.network.set_options(memory_network_options());
  world.run(send_numbers(*a, b->local_endpoint(), 5));
  CHECK(world.network.counters().lost == 5);
}

TEST_CASE("memory transport: a full queue drops what comes, and says so") {
  memory_network_options options;
  options.queue_datagrams_max = 3;
  memory_world world(1, options);
  const auto a = world.open(1);
  const auto b = world.open(2);
  std::vector<arrival> seen;

  world.run(send_numbers(*a, b->local_endpoint(), 5));
  asio::co_spawn(world.context, note_arrivals(*b, seen), [](std::exception_ptr) {});
  world.driver.settle();

  CHECK(world.network.counters().overflowed == 2);
  CHECK(seen == std::vector<arrival>{{0ms, 0}, {0ms, 1}, {0ms, 2}});
  b->close();
  world.driver.settle();
}

TEST_CASE("memory transport: what comes to a closed or unknown endpoint is unreachable") {
  memory_network_options options;
  options.delay_min = options.delay_max = 1ms;
  memory_world world(1, options);
  const auto a = world.open(1);
  const auto b = world.open(2);

  world.run(send_numbers(*a, endpoint::v4(10, 0, 0, 9, 7000), 2));
  CHECK(world.network.counters().unreachable == 2);

  world.run(send_numbers(*a, b->local_endpoint(), 4));
  b->close();
  CHECK(world.network.counters().unreachable == 6);
}

TEST_CASE("memory transport: a datagram above the limit is dropped, one at it is not") {
  memory_network_options options;
  options.datagram_bytes_max = 0;
  memory_world world(1, options);
  const auto a = world.open(1);

  world.run(send_numbers(*a, a->local_endpoint(), 1));
  CHECK(world.network.counters().too_large == 1);

  options.datagram_bytes_max = 1;
  world.network.set_options(options);
  world.run(send_numbers(*a, a->local_endpoint(), 1));
  CHECK(world.network.counters().too_large == 1);
}

TEST_CASE("memory transport: who sends above a limit that is reported is told, and goes on") {
  memory_network_options options;
  options.datagram_bytes_max = 3;
  options.reports_too_large = true;
  memory_world world(1, options);
  const auto a = world.open(1);

  world.run(send_bytes(*a, a->local_endpoint(), {4, 3, 5, 1}));

  const auto message_size = static_cast<std::size_t>(udp_send_error::message_size);
  CHECK(a->counters().send_errors[message_size] == 2);
  CHECK(a->counters().sent == 2);
  CHECK(a->counters().sent_bytes == 4);
  CHECK(world.network.counters().refused == 2);
  CHECK(world.network.counters().sent == 2);
  CHECK(world.network.counters().too_large == 0);
}

TEST_CASE("memory transport: it counts what a UDP transport counts") {
  memory_network_options options;
  options.queue_datagrams_max = 2;
  memory_world world(1, options);
  const auto a = world.open(1);
  const auto b = world.open(2);
  std::vector<arrival> seen;

  world.run(send_bytes(*a, b->local_endpoint(), {8, 25, 1}));
  asio::co_spawn(world.context, note_arrivals(*b, seen), [](std::exception_ptr) {});
  world.driver.settle();

  CHECK(a->counters().sent == 3);
  CHECK(a->counters().sent_bytes == 34);
  CHECK(a->counters().received == 0);
  CHECK(b->counters().received == 2);
  CHECK(b->counters().received_bytes == 33);
  CHECK(b->counters().truncated == 1);  // the room is 24 bytes
  CHECK(b->counters().kernel_drops == 1);
  b->close();
  world.driver.settle();
}

TEST_CASE("memory transport: what overtook is counted where it was overtaken") {
  memory_network_options options;
  options.delay_min = options.delay_max = 7ms;
  CHECK([&] {
    memory_world world(1, options);
    static_cast<void>(arrivals_of(world, 100));
    return world.network.counters().reordered;
  }() == 0);

  options.delay_max = 50ms;
  memory_world world(1, options);
  const std::vector<arrival> seen = arrivals_of(world, 100);

  std::uint64_t overtaken = 0;
  int highest = -1;
  for (const arrival& one : seen) {
    overtaken += one.number < highest ? 1 : 0;
    highest = std::max(highest, one.number);
  }
  CHECK(overtaken > 0);
  CHECK(world.network.counters().reordered == overtaken);
}

TEST_CASE("memory transport: a cut is counted apart from an address that nobody has") {
  memory_world world;
  const auto a = world.open(1);
  const auto b = world.open(2);
  world.network.is_cut = [&](const endpoint& from, const endpoint& to) {
    return from == a->local_endpoint() && to == b->local_endpoint();
  };

  world.run(send_numbers(*a, b->local_endpoint(), 3));
  world.run(send_numbers(*b, a->local_endpoint(), 2));

  CHECK(world.network.counters().cut == 3);
  CHECK(world.network.counters().unreachable == 0);
}

TEST_CASE("memory transport: what is garbled keeps its UDP sum, and only on its link") {
  memory_network_options garbling;
  garbling.garbling = 1.0;
  memory_world world;
  const auto a = world.open(1);
  const auto b = world.open(2);
  world.network.set_link_options(a->local_endpoint(), b->local_endpoint(), garbling);
  std::vector<std::vector<std::byte>> at_b;
  std::vector<std::vector<std::byte>> at_a;
  world.network.on_delivery = [&](const endpoint& to, const inbound& one) {
    const auto bytes = one.buffer.first(one.size);
    (to == b->local_endpoint() ? at_b : at_a).emplace_back(bytes.begin(), bytes.end());
  };
  std::vector<arrival> seen;
  asio::co_spawn(world.context, note_arrivals(*a, seen), [](std::exception_ptr) {});
  asio::co_spawn(world.context, note_arrivals(*b, seen), [](std::exception_ptr) {});

  world.run(send_bytes(*a, b->local_endpoint(), {8, 8, 8}));
  world.run(send_bytes(*b, a->local_endpoint(), {8, 8, 8}));

  CHECK(world.network.counters().garbled == 3);
  const std::vector<std::byte> sent = counted_bytes(8);
  CHECK(at_a == std::vector<std::vector<std::byte>>(3, sent));
  REQUIRE(at_b.size() == 3);
  for (const std::vector<std::byte>& bytes : at_b) {
    CHECK(bytes != sent);
    CHECK(sum_of_words(bytes) == sum_of_words(sent));
  }
  a->close();
  b->close();
  world.driver.settle();
}

TEST_CASE("memory transport: links follow an address that moves, and the others stay") {
  memory_network_options lossy;
  lossy.loss = 1.0;
  memory_world world;
  const auto a = world.open(1);
  const auto b = world.open(2);
  const endpoint moved = endpoint::v4(10, 0, 0, 9, 7000);
  world.network.set_link_options(a->local_endpoint(), b->local_endpoint(), lossy);

  REQUIRE(world.network.rebind(*b, moved));
  world.network.move_links(b->local_endpoint(), moved);
  world.run(send_numbers(*a, moved, 2));
  CHECK(world.network.counters().lost == 2);

  // A transport that gets the old address begins with the common options.
  const auto c = world.open(2);
  world.run(send_numbers(*a, c->local_endpoint(), 2));
  CHECK(world.network.counters().lost == 2);
}

TEST_CASE("memory transport: a delivery may inject the next datagrams") {
  memory_world world;
  const auto a = world.open(1);
  const auto b = world.open(2);
  std::vector<int> at_b;
  world.network.on_delivery = [&](const endpoint& to, const inbound& one) {
    at_b.push_back(std::to_integer<int>(one.buffer.front()));
    if (at_b.size() > 1) return;
    for (int i = 100; i < 164; ++i) {  // the queue moves
      const std::array<std::byte, 1> content{static_cast<std::byte>(i)};
      world.network.inject(a->local_endpoint(), to, content);
    }
  };

  world.run(send_numbers(*a, b->local_endpoint(), 3));
  std::array<std::byte, 16> room{};
  const auto read_all = [](memory_transport& from, std::span<std::byte> into,
                           std::size_t count) -> asio::awaitable<void> {
    for (std::size_t i = 0; i < count; ++i) {
      std::array<inbound, 1> slot;
      slot[0].buffer = into;
      const result<std::size_t> taken = co_await from.receive(slot);
      CHECK(taken.value_or(0) == 1);
    }
  };
  world.run(read_all(*b, room, 67));

  std::sort(at_b.begin(), at_b.end());
  std::vector<int> expected{0, 1, 2};
  for (int i = 100; i < 164; ++i) expected.push_back(i);
  CHECK(at_b == expected);
}

TEST_CASE("memory transport: what its sender mutates keeps its length; the too short stays") {
  memory_world world;
  const auto a = world.open(1);
  const auto b = world.open(2);
  a->set_mutation(1.0);
  std::vector<std::vector<std::byte>> at_b;
  world.network.on_delivery = [&](const endpoint&, const inbound& one) {
    const auto bytes = one.buffer.first(one.size);
    at_b.emplace_back(bytes.begin(), bytes.end());
  };
  std::vector<arrival> seen;
  asio::co_spawn(world.context, note_arrivals(*b, seen), [](std::exception_ptr) {});

  world.run(send_bytes(*a, b->local_endpoint(), {24, 8}));

  CHECK(world.network.counters().mutated == 1);
  REQUIRE(at_b.size() == 2);
  CHECK(at_b[0].size() == 24);
  CHECK(at_b[0] != counted_bytes(24));
  CHECK(at_b[1] == counted_bytes(8));
  b->close();
  world.driver.settle();
}

}  // namespace gossipmonger
