// Seeds that are names: looked up each by itself, with a resolver that hangs when the test wants
// it.
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/resolver.hpp"

#include "name_service.hpp"
#include "udp_world.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

namespace {

/// Adds "b" with a seed that leads to nobody so far.
void add_alone(pair_of_nodes& both, const std::string& seed,
               std::chrono::milliseconds resolve_interval = 1s) {
  both.add("b", {seed}, resolve_interval);
  both.context.run_for(100ms);
  REQUIRE(both.nodes[1]->stats().peers_live == 0);
}

}  // namespace

TEST_CASE("seeds: a name whose look-up hangs holds up no other, be that numeric or a name") {
  const hanging_resolver resolver;
  for (const std::string host : {"127.0.0.1:", "found.test:"}) {
    CAPTURE(host);
    pair_of_nodes both;
    both.add("b", {"hang.test:7000", host + both.port});

    CHECK(both.meet());
    CHECK(hanging_resolver::count() > 0);
  }  // and with the nodes' end the io_context's work ends, though the look-ups still hang
  CHECK(hanging_resolver::count() == 2);
}

TEST_CASE("seeds: other seeds are followed at once, though a look-up of the former ones hangs") {
  const hanging_resolver resolver;
  pair_of_nodes both;
  add_alone(both, "hang.test:7000");

  config other = both.nodes[1]->settings();
  other.seeds = {"found.test:" + both.port};
  REQUIRE(both.nodes[1]->change(other));

  CHECK(both.meet());
}

TEST_CASE("seeds: a name that is not found is named with the cause, and the others are used") {
  pair_of_nodes both;
  both.add("b", {"gone.test:7000", "found.test:" + both.port});
  subscription events = both.nodes[1]->subscribe();
  CHECK_FALSE(events.try_next_view());  // it begins here

  CHECK(both.meet());

  std::vector<std::string> told;
  while (const std::optional<event_view> seen = events.try_next_view()) {
    // On a slow machine it also says that it is alone.
    const bool is_of_seed = seen->kind == event_kind::error && seen->text.starts_with("seed ");
    if (is_of_seed) told.emplace_back(seen->text);
  }
  const std::error_code cause = asio::error::host_not_found;
  CHECK(told == std::vector<std::string>{"seed gone.test:7000: " + cause.message()});
}

TEST_CASE("seeds: a name is looked up again, and who is found at its new address is met") {
  pair_of_nodes both;
  add_alone(both, "moved.test:" + both.port);  // nobody is there

  move_host();

  CHECK(both.meet());
}

TEST_CASE("seeds: while nobody is live a name is looked up again soon, whatever the interval") {
  pair_of_nodes both;
  add_alone(both, "late.test:" + both.port, 1h);  // found at an address where nobody is

  move_late_host();

  CHECK(both.meet());
}

TEST_CASE("seeds: of a name with hundreds of addresses the one that lives is found in seconds") {
  udp_world world;
  config settings;
  settings.name = "a";
  settings.gossip_interval = 20ms;
  // Beyond the first 256, so that it is not in every draw.
  static_assert(crowd_addresses == 300);
  world.add(settings, endpoint::v4(127, 1, 1, 99, 0));
  settings.name = "b";
  settings.resolve_interval = 1h;
  settings.seeds = {"crowd.test:" + std::to_string(world.nodes[0]->advertised_endpoint().port)};
  world.add(settings);

  CHECK(world.run_until([&] { return world.nodes[1]->stats().peers_live == 1; }));
}

TEST_CASE(
    "seeds: a name that appears after the start is found by back-off, not an interval later") {
  pair_of_nodes both;
  config settings;
  settings.name = "b";
  settings.gossip_interval = 20ms;
  settings.seeds = {"appears.test:" + both.port};
  settings.resolve_interval = 10min;
  both.udp_world::add(settings);
  both.context.run_for(200ms);  // the first look-up found nothing
  REQUIRE(both.nodes[1]->stats().peers_live == 0);

  appear_host();

  CHECK(both.meet());  // within 20 s
}

TEST_CASE("resolver: an io_context goes while a look-up hangs, and the look-up ends later") {
  bool has_ended = false;
  const hanging_resolver resolver;
  {
    asio::io_context context;
    asio::co_spawn(context, resolve("hang.test:7000"),
                   [&has_ended](std::exception_ptr, const result<std::vector<endpoint>>&) {
                     has_ended = true;
                   });
    while (hanging_resolver::count() == 0) context.run_for(1ms);
  }
  CHECK_FALSE(has_ended);
}

}  // namespace gossipmonger
