#include "gossipmonger/udp_transport.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;
using count_or_error = result<std::size_t>;

const endpoint loopback = endpoint::v4(127, 0, 0, 1, 0);

/// The system's calls, with errors planted before them.
class planted_calls : public udp_system_calls {
 public:
  int receive(int socket, std::span<mmsghdr> messages) override {
    ++receives;
    if (receive_errors > 0) {
      --receive_errors;
      errno = receive_error;
      return -1;
    }
    return system().receive(socket, messages);
  }

  int send(int socket, std::span<mmsghdr> messages) override {
    ++sends;
    if (!send_errors.empty()) {
      errno = send_errors.front();
      send_errors.erase(send_errors.begin());
      return -1;
    }
    if (is_full) {
      errno = EAGAIN;
      return -1;
    }
    return system().send(socket, messages);
  }

  int receives = 0;
  int sends = 0;
  int receive_errors = 0;
  int receive_error = 0;
  std::vector<int> send_errors;
  bool is_full = false;
};

/// Room for `count` datagrams of `bytes` bytes.
struct room {
  room(std::size_t count, std::size_t bytes) : words(count * ((bytes + 7) / 8)), in(count) {
    const std::size_t stride = (bytes + 7) / 8;
    for (std::size_t i = 0; i < count; ++i) {
      in[i].buffer =
          std::as_writable_bytes(std::span(words).subspan(i * stride, stride)).first(bytes);
    }
  }

  std::vector<std::uint64_t> words;
  std::vector<inbound> in;
};

asio::awaitable<void> keep_receive(udp_transport& from, std::span<inbound> in,
                                   std::optional<count_or_error>& got) {
  got = co_await from.receive(in);
}

asio::awaitable<void> keep_send(udp_transport& from, std::span<const outbound> out,
                                std::optional<count_or_error>& got) {
  got = co_await from.send(out);
}

/// Spawns `body` and lets the context run dry, or until 2 s have passed.
void run(asio::io_context& context, asio::awaitable<void> body) {
  std::exception_ptr failure;
  asio::co_spawn(context, std::move(body), [&](std::exception_ptr thrown) { failure = thrown; });
  context.restart();
  context.run_for(2s);
  if (failure) {
    std::rethrow_exception(failure);
  }
}

std::vector<outbound> batch_to(const endpoint& destination, std::span<const std::byte> bytes,
                               std::size_t count) {
  std::vector<outbound> out(count);
  for (outbound& one : out) {
    one.bytes = bytes;
    one.destination = destination;
  }
  return out;
}

/// Sends `count` datagrams of 8 bytes.
void send_some(asio::io_context& context, udp_transport& from, const endpoint& to,
               std::size_t count) {
  const std::array<std::byte, 8> bytes{};
  const auto out = batch_to(to, bytes, count);
  std::optional<count_or_error> sent;
  run(context, keep_send(from, out, sent));
  REQUIRE(sent.has_value());
  CHECK(sent->value_or(0) == count);
}

}  // namespace

TEST_CASE("udp transport: an address in use is the system's error, and opening can be repeated") {
  asio::io_context context;
  udp_transport first(context.get_executor());
  udp_transport second(context.get_executor());
  REQUIRE(first.open(loopback));

  const result<void> refused = second.open(first.local_endpoint());
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == std::errc::address_in_use);
  CHECK(refused.error().category() == std::system_category());

  CHECK(second.open(loopback).has_value());
  CHECK(second.open(loopback).error() == asio::error::already_open);
  second.close();
  CHECK(second.open(loopback).error() == errc::stopped);
}

TEST_CASE("udp transport: an address that is not this machine's cannot be opened") {
  asio::io_context context;
  udp_transport transport(context.get_executor());

  const result<void> refused = transport.open(endpoint::v4(192, 0, 2, 1, 0));  // TEST-NET-1

  REQUIRE_FALSE(refused);
  CHECK(refused.error() == std::errc::address_not_available);
}

TEST_CASE("udp transport: port 0 becomes the system's choice, in mapped form, and stays") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));

  const endpoint local = transport.local_endpoint();
  CHECK(local.is_v4());
  CHECK(local.is_loopback());
  CHECK(local.port != 0);
  transport.close();
  CHECK(transport.local_endpoint() == local);
}

TEST_CASE("udp transport: never opened is stopped") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  room space(1, 8);
  std::optional<count_or_error> got;

  run(context, keep_receive(transport, space.in, got));

  REQUIRE(got.has_value());
  CHECK(got->error() == errc::stopped);
}

TEST_CASE("udp transport: the wildcard of IPv6 talks to IPv4 both ways, unless told not to") {
  asio::io_context context;
  udp_transport both(context.get_executor());
  udp_transport v4(context.get_executor());
  REQUIRE(both.open(endpoint()));
  REQUIRE(v4.open(loopback));
  endpoint towards = loopback;
  towards.port = both.local_endpoint().port;
  room space(1, 8);
  std::optional<count_or_error> got;

  send_some(context, v4, towards, 1);
  run(context, keep_receive(both, space.in, got));
  REQUIRE(got.has_value());
  CHECK(space.in[0].source == v4.local_endpoint());

  got.reset();
  send_some(context, both, space.in[0].source, 1);
  run(context, keep_receive(v4, space.in, got));
  REQUIRE(got.has_value());
  CHECK(space.in[0].source == towards);

  udp_options options;
  options.v6_only = true;
  udp_transport only(context.get_executor());
  REQUIRE(only.open(endpoint(), options));
  send_some(context, only, v4.local_endpoint(), 1);
  CHECK(only.counters().sent == 0);
}

TEST_CASE("udp transport: an IPv6 destination of an IPv4 socket is counted and skipped") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));
  const std::array<std::byte, 8> bytes{};
  auto out = batch_to(transport.local_endpoint(), bytes, 3);
  out[1].destination = *endpoint::parse("[::1]:7000");
  std::optional<count_or_error> sent;

  run(context, keep_send(transport, out, sent));

  REQUIRE(sent.has_value());
  CHECK(sent->value_or(0) == 3);
  const udp_counters counted = transport.counters();
  CHECK(counted.sent == 2);
  CHECK(counted.sent_bytes == 16);
  CHECK(counted.send_errors[static_cast<std::size_t>(udp_send_error::address_family)] == 1);
}

TEST_CASE("udp transport: each refusal of a send is counted by its kind, and the rest goes out") {
  struct refusal {
    int error;
    udp_send_error kind;
  };
  const refusal refusals[] = {
      {ENOBUFS, udp_send_error::no_buffers},
      {ECONNREFUSED, udp_send_error::connection_refused},
      {EMSGSIZE, udp_send_error::message_size},
      {ENETUNREACH, udp_send_error::network_unreachable},
      {EHOSTUNREACH, udp_send_error::host_unreachable},
      {EACCES, udp_send_error::access_denied},
      {EPERM, udp_send_error::not_permitted},
      {EAFNOSUPPORT, udp_send_error::address_family},
      {EINVAL, udp_send_error::invalid},
      {EIO, udp_send_error::other},
  };
  for (const refusal& planted : refusals) {
    CAPTURE(std::string(to_string(planted.kind)));
    asio::io_context context;
    planted_calls calls;
    udp_transport transport(context.get_executor(), calls);
    REQUIRE(transport.open(loopback));
    calls.send_errors = {planted.error, EINTR, EAGAIN};

    send_some(context, transport, transport.local_endpoint(), 3);

    const udp_counters counted = transport.counters();
    CHECK(counted.sent == 2);
    for (std::size_t kind = 0; kind < udp_send_error_count; ++kind) {
      CHECK(counted.send_errors[kind] == (kind == static_cast<std::size_t>(planted.kind) ? 1 : 0));
    }
  }
}

TEST_CASE("udp transport: the system's own refusals are told apart") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));
  const std::vector<std::byte> too_long(65508);
  auto out = batch_to(transport.local_endpoint(), too_long, 1);
  std::optional<count_or_error> sent;

  run(context, keep_send(transport, out, sent));

  CHECK(transport.counters().send_errors[static_cast<std::size_t>(udp_send_error::message_size)] ==
        1);
}

TEST_CASE("udp transport: close and cancellation end a send that waits for room") {
  asio::io_context context;
  planted_calls calls;
  udp_transport transport(context.get_executor(), calls);
  REQUIRE(transport.open(loopback));
  calls.is_full = true;
  const std::array<std::byte, 8> bytes{};
  const auto out = batch_to(transport.local_endpoint(), bytes, 1);

  std::optional<count_or_error> cancelled;
  asio::cancellation_signal signal;
  asio::co_spawn(context, keep_send(transport, out, cancelled),
                 asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
  asio::steady_timer soon(context, 5ms);
  soon.async_wait([&](auto) { signal.emit(asio::cancellation_type::terminal); });
  context.run_for(2s);
  REQUIRE(cancelled.has_value());
  CHECK(cancelled->error() == errc::cancelled);

  std::optional<count_or_error> stopped;
  soon.expires_after(5ms);
  soon.async_wait([&](auto) { transport.close(); });
  run(context, keep_send(transport, out, stopped));
  REQUIRE(stopped.has_value());
  CHECK(stopped->error() == errc::stopped);
  CHECK(calls.sends > 1);
}

namespace {

/// Sends 130 datagrams in runs of equal length to two receivers by turns, and checks what comes.
void check_runs(asio::io_context& context, udp_transport& from, const endpoint& to_one,
                udp_transport& one, const endpoint& to_other, udp_transport& other) {
  constexpr std::size_t count = 130;
  std::vector<std::vector<std::byte>> contents;
  std::vector<outbound> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    // 1200 bytes; each tenth one is shorter, each 40th empty, and each 25th longer.
    const std::size_t bytes = i % 40 == 39 ? 0 : i % 25 == 24 ? 1300 : i % 10 == 9 ? 700 : 1200;
    contents.emplace_back(bytes, std::byte(i));
  }
  for (std::size_t i = 0; i < count; ++i) {
    out[i].bytes = contents[i];
    out[i].destination = i / 30 % 2 == 0 ? to_one : to_other;
  }
  for (std::size_t part = 0; part < count; part += 65) {  // within a receive buffer
    std::optional<count_or_error> sent;
    run(context, keep_send(from, std::span(out).subspan(part, 65), sent));
    REQUIRE(sent.has_value());
    CHECK(sent->value_or(0) == 65);
    for (udp_transport* const at : {&one, &other}) {
      std::vector<std::size_t> wanted;
      for (std::size_t i = part; i < part + 65; ++i) {
        const bool is_of_one = i / 30 % 2 == 0;
        if (is_of_one == (at == &one)) wanted.push_back(i);
      }
      std::size_t seen = 0;
      while (seen < wanted.size()) {
        room space(65, 2048);
        std::optional<count_or_error> got;
        run(context, keep_receive(*at, space.in, got));
        REQUIRE(got.has_value());
        REQUIRE(got->has_value());
        for (std::size_t i = 0; i < **got; ++i, ++seen) {
          REQUIRE(seen < wanted.size());
          const std::vector<std::byte>& content = contents[wanted[seen]];
          CHECK(space.in[i].size == content.size());
          CHECK(std::equal(content.begin(), content.end(), space.in[i].buffer.begin()));
        }
      }
    }
  }
}

/// The system's calls on sockets whose datagrams bear no checksum: Linux sends no runs of these.
class calls_without_checksum : public udp_system_calls {
 public:
  int receive(int socket, std::span<mmsghdr> messages) override {
    return system().receive(socket, messages);
  }
  int send(int socket, std::span<mmsghdr> messages) override {
    const int on = 1;
    REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
    return system().send(socket, messages);
  }
};

}  // namespace

TEST_CASE("udp transport: runs of equal length arrive as they were sent, whatever lies between") {
  for (const endpoint& listen : {loopback, endpoint::v4(0, 0, 0, 0, 0)}) {
    asio::io_context context;
    udp_transport from(context.get_executor());
    udp_transport one(context.get_executor());
    udp_transport other(context.get_executor());
    REQUIRE(from.open(listen));
    REQUIRE(one.open(loopback));
    REQUIRE(other.open(loopback));

    check_runs(context, from, one.local_endpoint(), one, other.local_endpoint(), other);

    CHECK(from.counters().sent == 130);
  }
}

TEST_CASE("udp transport: where the system refuses runs, datagrams go one by one") {
  asio::io_context context;
  calls_without_checksum calls;
  udp_transport from(context.get_executor(), calls);
  udp_transport one(context.get_executor());
  udp_transport other(context.get_executor());
  REQUIRE(from.open(loopback));
  REQUIRE(one.open(loopback));
  REQUIRE(other.open(loopback));

  check_runs(context, from, one.local_endpoint(), one, other.local_endpoint(), other);

  CHECK(from.counters().sent == 130);
}

TEST_CASE("udp transport: errors instead of datagrams are counted, and receive goes on") {
  asio::io_context context;
  planted_calls calls;
  udp_transport transport(context.get_executor(), calls);
  REQUIRE(transport.open(loopback));
  send_some(context, transport, transport.local_endpoint(), 1);
  calls.receive_errors = 3;
  calls.receive_error = ECONNREFUSED;
  room space(4, 8);
  std::optional<count_or_error> got;

  run(context, keep_receive(transport, space.in, got));

  REQUIRE(got.has_value());
  CHECK(got->value_or(0) == 1);
  CHECK(transport.counters().receive_errors == 3);
}

TEST_CASE("udp transport: a socket that reports errors for ever takes no whole core") {
  asio::io_context context;
  planted_calls calls;
  udp_transport transport(context.get_executor(), calls);
  REQUIRE(transport.open(loopback));
  send_some(context, transport, transport.local_endpoint(), 1);  // readable all the time
  calls.receive_errors = 1'000'000'000;
  calls.receive_error = EIO;
  room space(1, 8);
  std::optional<count_or_error> got;

  asio::steady_timer soon(context, 50ms);
  soon.async_wait([&](auto) { transport.close(); });
  run(context, keep_receive(transport, space.in, got));

  REQUIRE(got.has_value());
  CHECK(got->error() == errc::stopped);
  CHECK(calls.receives <= 60);  // one a millisecond, and not one every few microseconds
}

TEST_CASE("udp transport: what was received and cut is counted") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));
  send_some(context, transport, transport.local_endpoint(), 3);
  room space(8, 4);
  std::optional<count_or_error> got;

  run(context, keep_receive(transport, space.in, got));

  REQUIRE(got.has_value());
  CHECK(got->value_or(0) == 3);
  const udp_counters counted = transport.counters();
  CHECK(counted.received == 3);
  CHECK(counted.received_bytes == 24);
  CHECK(counted.truncated == 3);
}

TEST_CASE("udp transport: what the kernel drops is counted, also after close") {
  asio::io_context context;
  udp_options options;
  options.receive_buffer_bytes = 4096;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback, options));
  CHECK(transport.receive_buffer_bytes() >= 1024);
  CHECK(transport.receive_buffer_bytes() <= 8192);

  send_some(context, transport, transport.local_endpoint(), 100);

  const udp_counters before = transport.counters();
  CHECK(before.kernel_drops > 0);
  CHECK(before.kernel_drops < 100);
  transport.close();
  CHECK(transport.counters().kernel_drops == before.kernel_drops);
}

TEST_CASE("udp transport: the receive buffer is as large as asked, or as the system allows") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));

  CHECK(transport.receive_buffer_bytes() > 64 * 1024);
  CHECK(transport.receive_buffer_bytes() <= udp_options().receive_buffer_bytes);
}

TEST_CASE("udp transport: a child after fork that unwinds leaves its parent's socket alone") {
  asio::io_context context;
  auto transport = std::make_unique<udp_transport>(context.get_executor());
  REQUIRE(transport->open(loopback));
  const endpoint local = transport->local_endpoint();
  room space(1, 8);
  std::optional<count_or_error> got;
  asio::co_spawn(context, keep_receive(*transport, space.in, got), [](std::exception_ptr) {});
  context.run_for(5ms);  // the socket is in the epoll set, which a child shares

  const pid_t child = ::fork();
  if (child == 0) {
    transport.reset();
    ::_exit(0);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  udp_transport other(context.get_executor());
  REQUIRE(other.open(loopback));
  send_some(context, other, local, 1);

  REQUIRE(got.has_value());
  CHECK(got->value_or(0) == 1);
}

TEST_CASE("udp transport: a source that the host has lost is left out, and the datagram goes out") {
  asio::io_context context;
  udp_transport from(context.get_executor());
  udp_transport to(context.get_executor());
  REQUIRE(from.open(endpoint::v4(0, 0, 0, 0, 0)));
  REQUIRE(to.open(loopback));
  const std::array<std::byte, 8> bytes{};
  auto out = batch_to(to.local_endpoint(), bytes, 3);
  out[0].source = endpoint::v4(127, 0, 0, 9, 0);
  out[1].source = endpoint::v4(192, 0, 2, 1, 0);  // TEST-NET-1
  std::optional<count_or_error> sent;
  run(context, keep_send(from, out, sent));
  room space(4, 8);
  std::optional<count_or_error> got;

  run(context, keep_receive(to, space.in, got));

  REQUIRE(got.has_value());
  CHECK(got->value_or(0) == 3);
  const std::uint16_t port = from.local_endpoint().port;
  CHECK(space.in[0].source == endpoint::v4(127, 0, 0, 9, port));
  CHECK(space.in[1].source == endpoint::v4(127, 0, 0, 1, port));
  CHECK(space.in[2].source == endpoint::v4(127, 0, 0, 1, port));
  CHECK(from.counters().send_errors == udp_counters().send_errors);
}

TEST_CASE("udp transport: a busy socket lets other work of the executor run") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));
  send_some(context, transport, transport.local_endpoint(), 300);

  room space(10, 8);
  std::size_t received = 0;
  std::optional<std::size_t> received_when_other_ran;
  const auto drain = [&]() -> asio::awaitable<void> {
    asio::post(context, [&] { received_when_other_ran = received; });
    while (received < 300) {
      const auto count = co_await transport.receive(space.in);
      received += count.value_or(300);
    }
  };
  run(context, drain());

  CHECK(received == 300);
  REQUIRE(received_when_other_ran.has_value());
  CHECK(*received_when_other_ran <= 266);  // 256, and the rest of the batch that reached it
}

}  // namespace gossipmonger
