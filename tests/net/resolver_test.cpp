#include "gossipmonger/resolver.hpp"

#include <net/if.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "name_service.hpp"
#include "resolved.hpp"

namespace gossipmonger {

TEST_CASE("resolver: numeric endpoints come back as they are") {
  const endpoints v4 = resolved("192.0.2.7:65535");
  REQUIRE(v4);
  REQUIRE(v4->size() == 1);
  CHECK(v4->front() == endpoint::v4(192, 0, 2, 7, 65535));

  const endpoints v6 = resolved("[2001:db8::5]:7000");
  REQUIRE(v6);
  REQUIRE(v6->size() == 1);
  CHECK(v6->front().to_string() == "[2001:db8::5]:7000");
}

TEST_CASE("resolver: localhost is loopback, each address once, with the port asked for") {
  const endpoints found = resolved("localhost:7000");

  REQUIRE(found);
  REQUIRE_FALSE(found->empty());
  for (std::size_t i = 0; i < found->size(); ++i) {
    CHECK((*found)[i].is_loopback());
    CHECK((*found)[i].port == 7000);
    for (std::size_t j = 0; j < i; ++j) {
      CHECK((*found)[i] != (*found)[j]);
    }
  }
}

TEST_CASE("resolver: all addresses of a name are given, IPv4 and IPv6") {
  const endpoints found = resolved("both.test:7000");

  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK(found->front() == endpoint::v4(127, 0, 0, 1, 7000));
  CHECK(found->back().to_string() == "[::1]:7000");
}

TEST_CASE("resolver: of very many addresses 256 are drawn, so that each has its turn") {
  static_assert(crowd_addresses > 256);
  std::set<endpoint> seen;
  // One is left out of a draw with 44 in 300, and of 40 draws with less than 1e-33.
  for (int look_up = 0; look_up < 40; ++look_up) {
    const endpoints found = resolved("crowd.test:7000");

    REQUIRE(found);
    CHECK(found->size() == 256);
    CHECK(std::is_sorted(found->begin(), found->end()));  // in the order in which they came
    seen.insert(found->begin(), found->end());
  }
  CHECK(seen.size() == crowd_addresses);
}

TEST_CASE("resolver: the interface of a link-local address may be named") {
  const endpoints found = resolved("[fe80::1%lo]:7000");

  REQUIRE(found);
  REQUIRE(found->size() == 1);
  endpoint expected = endpoint::parse("[fe80::1]:7000").value_or(endpoint());
  expected.scope = ::if_nametoindex("lo");
  CHECK(found->front() == expected);
  CHECK_FALSE(resolved("[fe80::1%nosuchinterface]:7000"));
}

TEST_CASE("resolver: anything but HOST:PORT or a service is an invalid argument") {
  for (const char* text : {"",
                           "localhost",
                           ":7000",
                           "localhost:",
                           "localhost:70000",
                           "localhost:-1",
                           "localhost:7x",
                           "localhost:7000 ",
                           "localhost:http",
                           "2001:db8::5",
                           "2001:db8::5:7000",
                           "[]:7000",
                           "[localhost]:7000",
                           "[::1:7000",
                           "::1]:7000",
                           "[::1]",
                           "*:7000",
                           "dnssrv+",
                           "dnssrv+host:7000",
                           "dnssrv+a host"}) {
    CAPTURE(std::string(text));
    const endpoints found = resolved(text);
    REQUIRE_FALSE(found);
    CHECK(found.error() == std::errc::invalid_argument);
  }
}

TEST_CASE("resolver: an unknown name is the resolver's error") {
  // A label of 64 bytes is longer than DNS has (RFC 1035): no server needs to be asked.
  const endpoints found = resolved(std::string(64, 'a') + ":7000");

  REQUIRE_FALSE(found);
  CHECK(found.error() != std::errc::invalid_argument);
  CHECK(found.error() != errc::cancelled);
}

TEST_CASE("resolver: cancellation ends the wait, and the lookup lets go later") {
  const hanging_resolver resolver;
  asio::io_context context;
  asio::cancellation_signal signal;
  endpoints found;
  bool is_over = false;
  asio::co_spawn(
      context, keep_resolved("hang.test:7000", found),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { is_over = true; }));
  while (hanging_resolver::count() == 0) context.run_for(std::chrono::milliseconds(1));

  signal.emit(asio::cancellation_type::terminal);
  while (!is_over) {
    context.run_one();
  }
  REQUIRE_FALSE(found);
  CHECK(found.error() == errc::cancelled);
  context.run();
}

}  // namespace gossipmonger
