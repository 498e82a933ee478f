// A node that owns its socket, and the calls of the face that are sugar.
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/asio_endpoint.hpp"
#include "gossipmonger/gossipmonger.hpp"

#include "node_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

config settings_of(std::string name) {
  config made;
  made.name = std::move(name);
  made.gossip_interval = 20ms;
  return made;
}

/// The error of a node that cannot be opened; an empty one where it can.
start_error refused(config settings, std::string_view listen) {
  asio::io_context io;
  const auto made = node::open(io.get_executor(), std::move(settings), listen);
  return made ? start_error() : made.error();
}

/// The call behind `open`, without a socket.
struct opener : node_base {
  using node_base::open_at;
};

/// The result of `open_at` for `listen`, with one answer of the system for each address.
struct answered {
  answered(std::string_view listen, const std::vector<std::error_code>& answers) {
    const auto opened = opener::open_at(listen, [&](const endpoint& address) -> result<void> {
      asked.push_back(address.to_string());
      const std::error_code answer = answers.at(asked.size() - 1);
      if (answer) return tl::unexpected<std::error_code>(answer);
      return {};
    });
    if (!opened) error = opened.error().code;
  }

  std::vector<std::string> asked;
  std::error_code error;
};

}  // namespace

TEST_CASE(
    "node: one that opened its own socket meets another, and closes the socket when it goes") {
  asio::io_context io;
  auto one = node::open(io.get_executor(), settings_of("one"), "localhost:0").value();
  const std::string address = one->advertised_endpoint().to_string();
  CHECK(one->carrier().local_endpoint().is_loopback());
  config other_settings = settings_of("two");
  other_settings.seeds = {address};
  auto two = node::open(io.get_executor(), other_settings, "127.0.0.1:0").value();
  for (const auto* each : {&one, &two}) {
    asio::co_spawn(io, (*each)->run(), [](std::exception_ptr thrown, const result<void>&) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  std::optional<std::size_t> live;
  asio::co_spawn(io, two->wait_live(1), [&](std::exception_ptr, const result<std::size_t>& how) {
    live = how.value();
    one->stop();
    two->stop();
  });
  io.run_for(20s);

  CHECK(live == 1);
  one.reset();
  CHECK(refused(settings_of("again"), address).option.empty());  // the port is free
}

TEST_CASE("node: open on all addresses needs a seed or an address to advertise") {
  CHECK(refused(settings_of("a"), "*:0").option == "advertise");
  config seeded = settings_of("a");
  seeded.seeds = {"127.0.0.1:9"};
  CHECK(refused(seeded, "*:0").option.empty());
  CHECK(refused(seeded, "0.0.0.0:0").option.empty());
}

TEST_CASE("node: open refuses any other text, by name, value and what is allowed") {
  for (const std::string text : {"", "nowhere", "example.test:7000", "127.0.0.1", "127.0.0.1:70000",
                                 "*", "*:", "*:x", "localhost", "localhost:-1", "localhost :1"}) {
    CAPTURE(text);
    const start_error error = refused(settings_of("a"), text);
    CHECK(error.option == "listen");
    CHECK(error.value == text);
    CHECK(error.code == std::errc::invalid_argument);
    CHECK(error.message() == "listen: " + text +
                                 " is not allowed; allowed: 1.2.3.4:PORT, [V6]:PORT, "
                                 "localhost:PORT, or *:PORT for all addresses; port 0: the system "
                                 "chooses one");
  }
}

TEST_CASE("node: a localhost port in use is refused, and not opened for the other IP version") {
  asio::io_context io;
  const auto one = node::open(io.get_executor(), settings_of("one"), "localhost:0").value();
  const std::string same = "localhost:" + std::to_string(one->advertised_endpoint().port);

  const start_error error = refused(settings_of("two"), same);

  CHECK(error.option == "listen");
  CHECK(error.value == same);
  CHECK(error.code == std::errc::address_in_use);
}

TEST_CASE("node: open takes another IP version only where the system lacks the first") {
  using addresses = std::vector<std::string>;
  const std::error_code opened;
  const auto no_family = std::make_error_code(std::errc::address_family_not_supported);
  const auto no_address = std::make_error_code(std::errc::address_not_available);
  const auto taken = std::make_error_code(std::errc::address_in_use);
  for (const std::error_code missing : {no_family, no_address}) {
    const answered local("localhost:7", {missing, opened});
    CHECK(local.asked == addresses{"127.0.0.1:7", "[::1]:7"});
    CHECK_FALSE(local.error);
    const answered every("*:7", {missing, opened});
    CHECK(every.asked == addresses{"[::]:7", "0.0.0.0:7"});
    CHECK_FALSE(every.error);
    // The address that is there has the error that tells.
    CHECK(answered("*:7", {missing, taken}).error == taken);
  }
  const answered refused_at_once("localhost:7", {taken, opened});
  CHECK(refused_at_once.asked == addresses{"127.0.0.1:7"});
  CHECK(refused_at_once.error == taken);
  CHECK(answered("*:7", {taken, opened}).error == taken);
}

TEST_CASE("node: open names an option that is not allowed, and the system's reason for a socket") {
  config wrong = settings_of("a");
  wrong.fanout = 0;
  CHECK(refused(wrong, "localhost:0").message() == "fanout: 0 is not allowed; allowed: 1 to 16");

  asio::io_context io;
  udp_transport taken(io.get_executor());
  REQUIRE(taken.open(endpoint::v4(127, 0, 0, 1, 0)));
  const std::string address = taken.local_endpoint().to_string();
  const start_error error = refused(settings_of("a"), address);
  CHECK(error.code == std::errc::address_in_use);
  CHECK(error.message().starts_with("listen: " + address + " is not possible (" +
                                    error.code.message() + "); allowed: "));
}

TEST_CASE("node: several pairs are set by a list, with consecutive versions") {
  node_world world;
  memory_node& one = world.add();

  CHECK(one.set({{"role", "leader"}, {"zone", "b"}}).value() == 2);
  CHECK(one.set({{"one", "1"}}).value() == 3);
  CHECK(one.set({{"short", "x"}, {"lived", "y"}}, 5s).value() == 5);
  CHECK(one.get("n0", "zone")->value == "b");
  world.driver.run_for(5s);

  CHECK_FALSE(one.get("n0", "lived"));
  CHECK(one.get("n0", "role"));
}

TEST_CASE("node: with key_scope::live the keys of a dead peer are not shown") {
  node_world world;
  memory_node& one = world.add();
  REQUIRE(world.add().set("k", "v"));
  REQUIRE(one.set("mine", "v"));
  world.driver.run_for(10s);
  const auto count = [&one](std::string_view peer, key_scope scope) {
    std::size_t keys = 0;
    one.for_each(peer, [&keys](const entry_view&) { ++keys; }, scope);
    return keys;
  };
  CHECK(one.get("n1", "k", key_scope::live));
  CHECK(count("n1", key_scope::live) == 1);

  world.nodes[1]->stop();
  world.driver.run_for(60s);

  REQUIRE(one.stats().peers_live == 0);
  CHECK(one.get("n1", "k"));
  CHECK_FALSE(one.get("n1", "k", key_scope::live));
  CHECK(count("n1", key_scope::all) == 1);
  CHECK(count("n1", key_scope::live) == 0);
  CHECK(count("n0", key_scope::live) == 1);
  CHECK_FALSE(one.get("nobody", "k", key_scope::live));
}

TEST_CASE("asio_endpoint: endpoints of both families and of an interface go there and back") {
  for (const std::string text : {"127.0.0.1:7000", "[::1]:7000", "[fe80::1%3]:9", "[::]:0"}) {
    CAPTURE(text);
    const endpoint from = endpoint::parse(text).value();
    CHECK(to_asio(from).address().is_v4() == from.is_v4());
    CHECK(to_asio(from).port() == from.port);
    CHECK(from_asio(to_asio(from)) == from);
  }
}

}  // namespace gossipmonger
