// Tests of a node on a hostile operating system: it refuses each send, hands out errors instead of
// datagrams, has no room. Errors are planted at the one seam for system calls, or provoked where
// that takes no privilege. A real node goes on, over loopback and in real time.
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/gossipmonger.hpp"

#include "loopback_node.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

const endpoint loopback = endpoint::v4(127, 0, 0, 1, 0);

/// The system's calls, or the error that is planted in their place.
class failing_calls : public udp_system_calls {
 public:
  int receive(int socket, std::span<mmsghdr> messages) override {
    ++receives;
    if (receive_error == 0) return system().receive(socket, messages);
    errno = receive_error;
    return -1;
  }

  int send(int socket, std::span<mmsghdr> messages) override {
    ++sends;
    if (send_error == 0) return system().send(socket, messages);
    errno = send_error;
    return -1;
  }

  int receives = 0;
  int sends = 0;
  int receive_error = 0;
  int send_error = 0;
};

/// A node whose system calls fail on demand, and one beside it that knows it.
class pair_of_nodes {
 public:
  pair_of_nodes()
      : first(context_, calls, "first", 10ms, {}),
        second(context_, "second", 10ms, {first.address().to_string()}) {}
  pair_of_nodes(const pair_of_nodes&) = delete;
  pair_of_nodes& operator=(const pair_of_nodes&) = delete;

  ~pair_of_nodes() {
    calls.send_error = 0;
    first->stop();
    second->stop();
    context_.restart();
    context_.run_for(10s);
  }

  [[nodiscard]] bool wait_until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!holds() && std::chrono::steady_clock::now() < end) {
      context_.restart();
      context_.run_for(5ms);
    }
    return holds();
  }

  [[nodiscard]] bool has_met() {
    return first->stats().peers_live == 1 && second->stats().peers_live == 1;
  }

 private:
  asio::io_context context_;

 public:
  failing_calls calls;
  loopback_node first;
  loopback_node second;
};

struct refused_call {
  std::string_view name;
  int error;
  udp_send_error counter;
};

}  // namespace

TEST_CASE("system: whatever the system says to a send, rounds go on, and it is counted") {
  const refused_call refusals[] = {
      {"ENOBUFS", ENOBUFS, udp_send_error::no_buffers},
      {"ENOMEM", ENOMEM, udp_send_error::no_buffers},
      {"ECONNREFUSED", ECONNREFUSED, udp_send_error::connection_refused},
      {"EMSGSIZE", EMSGSIZE, udp_send_error::message_size},
      {"ENETUNREACH", ENETUNREACH, udp_send_error::network_unreachable},
      {"ENETDOWN", ENETDOWN, udp_send_error::network_unreachable},
      {"EHOSTUNREACH", EHOSTUNREACH, udp_send_error::host_unreachable},
      {"EHOSTDOWN", EHOSTDOWN, udp_send_error::host_unreachable},
      {"EACCES", EACCES, udp_send_error::access_denied},
      {"EPERM", EPERM, udp_send_error::not_permitted},
      {"EAFNOSUPPORT", EAFNOSUPPORT, udp_send_error::address_family},
      {"EINVAL", EINVAL, udp_send_error::invalid},
      {"EADDRNOTAVAIL", EADDRNOTAVAIL, udp_send_error::invalid},
      {"EIO", EIO, udp_send_error::other},
  };
  for (const refused_call& planted : refusals) {
    CAPTURE(std::string(planted.name));
    pair_of_nodes nodes;
    nodes.calls.send_error = planted.error;
    const std::size_t counter = static_cast<std::size_t>(planted.counter);

    CHECK(nodes.wait_until([&] { return nodes.first.counters().send_errors[counter] >= 3; }));

    const udp_counters counted = nodes.first.counters();
    CHECK(counted.sent == 0);
    for (std::size_t other = 0; other < udp_send_error_count; ++other) {
      if (other != counter) CHECK(counted.send_errors[other] == 0);
    }
    const std::uint64_t rounds = nodes.first->stats().rounds;
    CHECK(nodes.wait_until([&] { return nodes.first->stats().rounds > rounds + 2; }));
    CHECK_FALSE(nodes.first.has_ended());
    nodes.calls.send_error = 0;
    CHECK(nodes.wait_until([&] { return nodes.has_met(); }));
  }
}

TEST_CASE("system: errors in place of datagrams are counted, and the node hears again after them") {
  for (const int error : {ECONNREFUSED, ENETDOWN, ENOMEM, EIO}) {
    CAPTURE(error);
    pair_of_nodes nodes;
    nodes.calls.receive_error = error;

    CHECK(nodes.wait_until([&] { return nodes.first.counters().receive_errors >= 3; }));
    CHECK(nodes.first->stats().peers_live == 0);
    CHECK_FALSE(nodes.first.has_ended());

    nodes.calls.receive_error = 0;
    CHECK(nodes.wait_until([&] { return nodes.has_met(); }));
  }
}

TEST_CASE("system: stop inside a round, while the socket has no room, ends the run") {
  pair_of_nodes nodes;
  REQUIRE(nodes.wait_until([&] { return nodes.has_met(); }));
  nodes.calls.send_error = EAGAIN;
  const int sends = nodes.calls.sends;
  REQUIRE(nodes.wait_until([&] { return nodes.calls.sends > sends; }));

  nodes.first->stop();

  CHECK(nodes.wait_until([&] { return nodes.first.has_ended(); }));
}

TEST_CASE("system: a broadcast address is refused by the system itself (EACCES)") {
  asio::io_context context;
  udp_transport transport(context.get_executor());
  REQUIRE(transport.open(loopback));
  const std::array<std::byte, 8> bytes{};
  outbound one;
  one.bytes = bytes;
  one.destination = endpoint::v4(255, 255, 255, 255, 7000);
  std::optional<result<std::size_t>> sent;
  const auto body = [](udp_transport& from, const outbound& what,
                       std::optional<result<std::size_t>>& out) -> asio::awaitable<void> {
    out = co_await from.send(std::span(&what, 1));
  };
  asio::co_spawn(context, body(transport, one, sent), [](std::exception_ptr) {});

  context.run_for(2s);

  REQUIRE(sent.has_value());
  const udp_counters counted = transport.counters();
  CHECK(counted.send_errors[static_cast<std::size_t>(udp_send_error::access_denied)] == 1);
  CHECK(counted.sent == 0);
}

}  // namespace gossipmonger
