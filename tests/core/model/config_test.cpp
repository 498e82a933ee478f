// Each option from both sides of each bound.
#include "gossipmonger/config.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "gossipmonger/types.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

config good() {
  config made;
  made.name = "n1";
  return made;
}

/// The option that `validated` finds wrong after `change`; empty for none.
template <class Change>
std::string wrong_after(Change change) {
  config made = good();
  change(made);
  const auto checked = validated(made);
  return checked ? "" : checked.error().option;
}

template <class Number>
std::string wrong_with(Number config::* option, Number value) {
  return wrong_after([=](config& c) { c.*option = value; });
}

/// Whether `low` and `high` are allowed and the neighbours on the other side are named.
void check_count(std::size_t config::* option, const std::string& name, std::size_t low,
                 std::size_t high) {
  CAPTURE(name);
  CHECK(wrong_with(option, low) == "");
  CHECK(wrong_with(option, high) == "");
  if (low > 0) CHECK(wrong_with(option, low - 1) == name);
  CHECK(wrong_with(option, high + 1) == name);
}

std::string wrong_seed(const std::string& seed) {
  return wrong_after([&](config& c) { c.seeds = {seed}; });
}

}  // namespace

TEST_CASE("config: a name alone is enough, and none is not") {
  CHECK(validated(good()).has_value());
  CHECK(wrong_with(&config::name, std::string()) == "name");
}

TEST_CASE("config: names are 1 to 255 bytes of UTF-8") {
  CHECK(wrong_with(&config::name, std::string(255, 'n')) == "");
  CHECK(wrong_with(&config::name, std::string(256, 'n')) == "name");
  CHECK(wrong_with(&config::name, std::string("\xff")) == "name");
  CHECK(wrong_with(&config::cluster_name, std::string(255, 'c')) == "");
  CHECK(wrong_with(&config::cluster_name, std::string()) == "cluster_name");
}

TEST_CASE("config: what is advertised must be an address that peers can send to") {
  const auto advertise = [](const endpoint& address) {
    return wrong_after([&](config& c) { c.advertise = address; });
  };

  CHECK(advertise(endpoint::v4(10, 0, 0, 1, 7000)) == "");
  CHECK(advertise(endpoint::v4(0, 0, 0, 0, 7000)) == "advertise");
  CHECK(advertise(endpoint::v4(10, 0, 0, 1, 0)) == "advertise");
}

TEST_CASE("config: the last generation leaves room for one more") {
  CHECK(wrong_with(&config::generation_last, generation_max - 1) == "");
  CHECK(wrong_with(&config::generation_last, generation_max) == "generation_last");
}

TEST_CASE("config: 64 seeds are allowed, 65 are not") {
  const auto seeds = [](std::size_t count) {
    return wrong_after([&](config& c) { c.seeds.assign(count, "host:7000"); });
  };

  CHECK(seeds(64) == "");
  CHECK(seeds(65) == "seeds");
}

TEST_CASE("config: a seed is a host or a numeric address, with a port, or a service without") {
  for (const char* seed : {"host.example:7000", "1.2.3.4:1", "[::1]:65535", "[fe80::1%3]:7000",
                           "dnssrv+_gossip._udp.example.org"}) {
    CAPTURE(seed);
    CHECK(wrong_seed(seed) == "");
  }
  for (const char* seed : {"", "host", ":7000", "host:", "host:0", "host:65536", "host:7x", "::1:7",
                           "a host:7000", "0.0.0.0:7000", "host:-1", "[::1]", "host:700000",
                           "dnssrv+", "dnssrv+host:7000", "dnssrv+a host"}) {
    CAPTURE(seed);
    CHECK(wrong_seed(seed) == "seeds");
  }
}

TEST_CASE("config: durations are held to their bounds") {
  CHECK(wrong_with(&config::resolve_interval, 1000ms) == "");
  CHECK(wrong_with(&config::resolve_interval, 999ms) == "resolve_interval");
  CHECK(wrong_with(&config::resolve_interval, 86'400'000ms) == "");
  CHECK(wrong_with(&config::resolve_interval, 86'400'001ms) == "resolve_interval");

  CHECK(wrong_with(&config::gossip_interval, 10ms) == "");
  CHECK(wrong_with(&config::gossip_interval, 9ms) == "gossip_interval");
  CHECK(wrong_with(&config::gossip_interval, -1ms) == "gossip_interval");
  const auto hourly = [](std::chrono::milliseconds interval) {
    return wrong_after([=](config& c) {
      c.gossip_interval = interval;
      c.dead_peer_grace = 720h;
    });
  };
  CHECK(hourly(3'600'000ms) == "");
  CHECK(hourly(3'600'001ms) == "gossip_interval");
}

TEST_CASE("config: the grace is 10 intervals to 30 days") {
  CHECK(wrong_with(&config::dead_peer_grace, 10'000ms) == "");
  CHECK(wrong_with(&config::dead_peer_grace, 9'999ms) == "dead_peer_grace");
  CHECK(wrong_with(&config::dead_peer_grace, 2'592'000'000ms) == "");
  CHECK(wrong_with(&config::dead_peer_grace, 2'592'000'001ms) == "dead_peer_grace");
}

TEST_CASE("config: an interval of which ten are no number is refused as such") {
  CHECK(wrong_with(&config::gossip_interval, std::chrono::milliseconds::max()) ==
        "gossip_interval");
  CHECK(wrong_with(&config::gossip_interval, std::chrono::milliseconds::min()) ==
        "gossip_interval");
}

TEST_CASE("config: jitter is 0 to a half, and a number") {
  CHECK(wrong_with(&config::jitter, 0.0) == "");
  CHECK(wrong_with(&config::jitter, 0.5) == "");
  CHECK(wrong_with(&config::jitter, -0.01) == "jitter");
  CHECK(wrong_with(&config::jitter, 0.51) == "jitter");
  CHECK(wrong_with(&config::jitter, std::numeric_limits<double>::quiet_NaN()) == "jitter");
}

TEST_CASE("config: phi is 1 to 1000") {
  CHECK(wrong_with(&config::dead_peer_phi, 1.0) == "");
  CHECK(wrong_with(&config::dead_peer_phi, 1000.0) == "");
  CHECK(wrong_with(&config::dead_peer_phi, 0.99) == "dead_peer_phi");
  CHECK(wrong_with(&config::dead_peer_phi, 1000.5) == "dead_peer_phi");
}

TEST_CASE("config: suspicion lasts 4 to 1000 rounds, or there is none") {
  CHECK(wrong_with(&config::suspicion_rounds, std::size_t{0}) == "");
  CHECK(wrong_with(&config::suspicion_rounds, std::size_t{4}) == "");
  CHECK(wrong_with(&config::suspicion_rounds, std::size_t{1000}) == "");
  CHECK(wrong_with(&config::suspicion_rounds, std::size_t{3}) == "suspicion_rounds");
  CHECK(wrong_with(&config::suspicion_rounds, std::size_t{1001}) == "suspicion_rounds");
}

TEST_CASE("config: counts are held to their bounds") {
  check_count(&config::fanout, "fanout", 1, 16);
  check_count(&config::live_peers_min, "live_peers_min", 0, 1000);
  check_count(&config::seed_every_rounds, "seed_every_rounds", 1, 10'000);
  check_count(&config::unverified_addresses_max, "unverified_addresses_max", 1, 256);
  check_count(&config::digest_datagrams_max, "digest_datagrams_max", 1, 1024);
  check_count(&config::sums_peers_min, "sums_peers_min", 1, 65'536);
  check_count(&config::exchange_bytes_max, "exchange_bytes_max", 1200, std::size_t{1} << 30);
  check_count(&config::exchange_datagrams_max, "exchange_datagrams_max", 1, 65'536);
  check_count(&config::detector_window, "detector_window", 4, 1000);
  check_count(&config::peers_max, "peers_max", 1, 65'535);
  check_count(&config::keys_per_peer_max, "keys_per_peer_max", 1, std::size_t{1} << 31);
  check_count(&config::bytes_per_peer_max, "bytes_per_peer_max", 1024, std::size_t{1} << 40);
  check_count(&config::parked_bytes_max, "parked_bytes_max", 0, std::size_t{1} << 30);
  check_count(&config::retired_max, "retired_max", 64, std::size_t{1} << 24);
  check_count(&config::value_bytes_max, "value_bytes_max", 1024, (std::size_t{1} << 24) - 1);
  check_count(&config::partial_bytes_max, "partial_bytes_max", 65'536, std::size_t{1} << 30);
}

TEST_CASE("config: there must be room for one of the largest values under way") {
  const auto partial = [](std::size_t bytes) {
    return wrong_after([=](config& c) {
      c.value_bytes_max = 100'000;
      c.partial_bytes_max = bytes;
    });
  };

  CHECK(partial(100'000) == "");
  CHECK(partial(99'999) == "partial_bytes_max");
}

TEST_CASE("config: the budget of all sending is none, or at least a datagram an interval") {
  constexpr std::size_t most = std::size_t{1} << 40;
  const std::string name = "send_bytes_per_interval";

  CHECK(wrong_with(&config::send_bytes_per_interval, std::size_t{0}) == "");
  CHECK(wrong_with(&config::send_bytes_per_interval, std::size_t{1200}) == "");
  CHECK(wrong_with(&config::send_bytes_per_interval, most) == "");
  CHECK(wrong_with(&config::send_bytes_per_interval, std::size_t{1}) == name);
  CHECK(wrong_with(&config::send_bytes_per_interval, std::size_t{1199}) == name);
  CHECK(wrong_with(&config::send_bytes_per_interval, most + 1) == name);
}

TEST_CASE("config: a datagram is 1200 to 65504 bytes, a multiple of 8") {
  CHECK(wrong_with(&config::datagram_bytes_max, std::size_t{1200}) == "");
  CHECK(wrong_with(&config::datagram_bytes_max, std::size_t{65504}) == "");
  CHECK(wrong_with(&config::datagram_bytes_max, std::size_t{1192}) == "datagram_bytes_max");
  CHECK(wrong_with(&config::datagram_bytes_max, std::size_t{65512}) == "datagram_bytes_max");
  CHECK(wrong_with(&config::datagram_bytes_max, std::size_t{1204}) == "datagram_bytes_max");
}

TEST_CASE("config: an exchange must have room for one datagram") {
  const auto exchange = [](std::size_t bytes) {
    return wrong_after([=](config& c) {
      c.datagram_bytes_max = 9000;
      c.exchange_bytes_max = bytes;
    });
  };

  CHECK(exchange(9000) == "");
  CHECK(exchange(8999) == "exchange_bytes_max");
}

TEST_CASE("config: a message names option, value and what is allowed") {
  config made = good();
  made.gossip_interval = 5ms;
  made.fanout = 99;  // the first that is wrong is named

  const auto checked = validated(made);

  REQUIRE_FALSE(checked);
  CHECK(checked.error().message() == "gossip_interval: 5 ms is not allowed; allowed: 10 ms to 1 h");
}

TEST_CASE("config: messages speak in the unit and type of their option") {
  config made = good();
  made.jitter = 0.75;
  CHECK(validated(made).error().message() == "jitter: 0.75 is not allowed; allowed: 0 to 0.5");
  made = good();
  made.fanout = 17;
  CHECK(validated(made).error().message() == "fanout: 17 is not allowed; allowed: 1 to 16");
  made = good();
  made.resolve_interval = 2s - 1500ms;
  CHECK(validated(made).error().message() ==
        "resolve_interval: 500 ms is not allowed; allowed: 1 s to 1 day");
  made = good();
  made.dead_peer_grace = 1000h;
  CHECK(validated(made).error().message() ==
        "dead_peer_grace: 1000 h is not allowed; allowed: 10 s to 30 days");
  made.dead_peer_grace = 0ms;
  CHECK(validated(made).error().value == "0 ms");
  made = good();
  made.seeds = {"nowhere"};
  CHECK(validated(made).error().value == "\"nowhere\"");
}

TEST_CASE("config: what is allowed comes back as it was") {
  config made = good();
  made.fanout = 3;
  made.seeds = {"host:7000"};

  const auto checked = validated(made);

  REQUIRE(checked);
  CHECK(checked->name == "n1");
  CHECK(checked->fanout == 3);
  CHECK(checked->seeds == std::vector<std::string>{"host:7000"});
}

TEST_CASE("config: what a node is built for cannot be changed while it runs, the rest can") {
  config present;
  present.name = "a";
  const auto refused = [&present](const config& wanted) {
    const auto changed = validated_change(present, wanted);
    return changed ? std::string("none") : changed.error().option;
  };
  config wanted = present;
  wanted.gossip_interval = std::chrono::milliseconds(200);
  wanted.fanout = 3;
  wanted.exchange_bytes_max = 2400;
  wanted.seeds = {"seed:7000"};
  wanted.dead_peer_phi = 12;
  wanted.detector_window = 50;
  wanted.advertise = endpoint::v4(10, 0, 0, 1, 7000);
  CHECK(refused(wanted) == "none");

  const std::pair<std::string_view, void (*)(config&)> changes[] = {
      {"name", [](config& c) { c.name = "b"; }},
      {"cluster_name", [](config& c) { c.cluster_name = "other"; }},
      {"generation_last", [](config& c) { c.generation_last = 1; }},
      {"random_seed", [](config& c) { c.random_seed = 1; }},
      {"is_observer", [](config& c) { c.is_observer = true; }},
      {"datagram_bytes_max", [](config& c) { c.datagram_bytes_max = 1400; }},
      {"value_bytes_max", [](config& c) { c.value_bytes_max = 2000; }},
      {"partial_bytes_max", [](config& c) { c.partial_bytes_max += 1; }},
      {"peers_max", [](config& c) { c.peers_max = 5; }},
      {"parked_bytes_max", [](config& c) { c.parked_bytes_max = 0; }},
  };
  for (const auto& [option, change] : changes) {
    wanted = present;
    change(wanted);
    CHECK(refused(wanted) == option);
  }

  wanted = present;
  wanted.fanout = 0;
  CHECK(refused(wanted) == "fanout");
  wanted = present;
  wanted.peers_max = 5;
  CHECK(validated_change(present, wanted).error().message() ==
        "peers_max: 5 is not allowed; allowed: 4096, until the node is started anew");
}

TEST_CASE("config: each preset is allowed, and differs from the defaults as it says") {
  const config usual;
  const config lan = config::lan("a");
  const config wan = config::wan("a");
  const config local = config::local("a");

  for (const config& one : {lan, wan, local}) {
    CHECK(validated(one));
    CHECK(one.name == "a");
  }
  CHECK(lan.gossip_interval == usual.gossip_interval);
  CHECK(lan.fanout == usual.fanout);
  CHECK(lan.suspicion_rounds == usual.suspicion_rounds);
  CHECK(wan.gossip_interval == 2s);
  CHECK(wan.fanout == 2);
  CHECK(wan.suspicion_rounds == 24);
  CHECK(local.gossip_interval == 200ms);
  CHECK(local.fanout == usual.fanout);
}
