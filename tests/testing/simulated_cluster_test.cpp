#include "gossipmonger/testing/simulated_cluster.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>
#include <asio/basic_waitable_timer.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>

#include "gossipmonger/resolver.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// `count` nodes that know the first one and have met.
void add_met(simulated_cluster& cluster, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) cluster.add();
  REQUIRE(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
}

template <class Timer>
asio::awaitable<void> wait_an_hour(simulated_node* node, bool* has_waited = nullptr) {
  Timer timer(node->get_executor(), 1h);
  co_await timer.async_wait(asio::use_awaitable);
  if (has_waited != nullptr) *has_waited = true;
}

asio::awaitable<void> look_up(std::string name) {
  [[maybe_unused]] const auto found = co_await resolve(std::move(name));
}

peer_status status_at(const simulated_cluster& cluster, std::size_t node, std::string_view name) {
  for (const member& peer : cluster[node].members()) {
    if (peer.name == name) return peer.status;
  }
  return peer_status::self;  // not known
}

std::uint64_t drops(const simulated_node& node, drop_reason reason) {
  return node.stats().drops[static_cast<std::size_t>(reason)];
}

/// Says how often it was started, and dies at its time.
asio::awaitable<void> counted(int* starts, simulated_node* node) {
  ++*starts;
  static_cast<void>(node->set("starts", std::to_string(*starts)));
  asio::basic_waitable_timer<manual_clock> never(node->get_executor(), 24h);
  co_await never.async_wait(asio::use_awaitable);
}

asio::awaitable<void> broken(simulated_node* node) {
  asio::basic_waitable_timer<manual_clock> later(node->get_executor(), 5s);
  co_await later.async_wait(asio::use_awaitable);
  throw std::runtime_error("the service broke");
}

asio::awaitable<void> await_copies(simulated_node* node, std::error_code* ended) {
  const result<replication> held = co_await node->replicated(1, at_least(1), 1h);
  *ended = held ? std::error_code() : held.error();
}

std::uint64_t trace_of(std::uint64_t seed) {
  simulated_cluster cluster(seed);
  memory_network_options bad = cluster.network().options();
  bad.loss = 0.1;
  bad.duplication = 0.1;
  bad.corruption = 0.1;
  bad.truncation = 0.1;
  cluster.network().set_options(bad);
  for (int i = 0; i < 4; ++i) cluster.add();
  CHECK(cluster[2].set("a", "1"));
  cluster.run_for(20s);
  cluster.restart(1);
  cluster.run_for(20s);
  return cluster.trace_hash();
}

}  // namespace

TEST_CASE("simulated cluster: one seed gives one schedule, to the byte, and another another") {
  const std::uint64_t first = trace_of(1);

  CHECK(first == trace_of(1));
  CHECK(first != trace_of(2));
}

TEST_CASE("simulated cluster: a wrong option throws what names it") {
  simulated_cluster cluster(1);
  config settings;
  settings.fanout = 0;

  CHECK_THROWS_WITH_AS(cluster.add(settings), "fanout: 0 is not allowed; allowed: 1 to 16",
                       std::invalid_argument);
  CHECK(cluster.size() == 0);
}

TEST_CASE("simulated cluster: a service starts with each run of its node, and goes with it") {
  simulated_cluster cluster(1);
  int starts = 0;
  const auto service = [&starts](simulated_node& node) { return counted(&starts, &node); };
  cluster.add();
  cluster.add(config(), service);
  const auto first_knows = [&cluster](std::string_view count) {
    const auto held = cluster[0].get("n1", "starts");
    return held && held->value == count;
  };
  REQUIRE(cluster.run_until([&] { return first_knows("1"); }, 10s));

  cluster.crash(1);
  CHECK_FALSE(cluster.is_running(1));
  cluster.run_for(5s);
  CHECK(starts == 1);
  cluster.restart(1);

  CHECK(cluster.run_until([&] { return first_knows("2"); }, 60s));
}

TEST_CASE("simulated cluster: an exception of a service is thrown by whoever runs the cluster") {
  simulated_cluster cluster(1);
  cluster.add(config(), [](simulated_node& node) { return broken(&node); });

  cluster.run_for(4s);
  CHECK_THROWS_WITH_AS(cluster.run_for(2s), "the service broke", std::runtime_error);
}

TEST_CASE("simulated cluster: a service that waits on a real timer is told what to take") {
  simulated_cluster cluster(1);
  cluster.add(config(),
              [](simulated_node& node) { return wait_an_hour<asio::steady_timer>(&node); });

  CHECK_THROWS_WITH_AS(cluster.run_for(2s), doctest::Contains("simulated_cluster::timer"),
                       std::logic_error);
}

TEST_CASE("simulated cluster: a seed that is a name is refused: a look-up takes real time") {
  simulated_cluster cluster(1);
  config named;
  for (const std::string seed : {"a.test:7000", "localhost:7000", "dnssrv+gossip.test"}) {
    CAPTURE(seed);
    named.seeds = {cluster.size() > 0 ? cluster.address(0).to_string() : "10.0.0.1:7000", seed};
    CHECK_THROWS_WITH_AS(cluster.add(named), doctest::Contains(seed.c_str()),
                         std::invalid_argument);
  }
  CHECK(cluster.size() == 0);
  cluster.add();
  cluster.add();
  named = cluster.settings(1);
  named.seeds = {"a.test:7000"};

  CHECK_THROWS_WITH_AS(cluster.restart(1, named), doctest::Contains("looks up no names"),
                       std::invalid_argument);

  CHECK(cluster.is_running(1));
  CHECK(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));
}

#if ASIO_VERSION < 103100
TEST_CASE("simulated cluster: a look-up that waits for real time is named beside the timers") {
  simulated_cluster cluster(1);
  cluster.add(config(), [](simulated_node&) { return look_up("localhost:7000"); });

  CHECK_THROWS_WITH_AS(cluster.run_for(2s), doctest::Contains("A look-up of a name"),
                       std::logic_error);
}
#endif

TEST_CASE("simulated cluster: a service that waits on the cluster's timer goes on in its time") {
  simulated_cluster cluster(1);
  bool has_waited = false;
  cluster.add(config(), [&has_waited](simulated_node& node) {
    return wait_an_hour<simulated_cluster::timer>(&node, &has_waited);
  });

  cluster.run_for(59min);
  CHECK_FALSE(has_waited);
  cluster.run_for(2min);
  CHECK(has_waited);
}

TEST_CASE("simulated cluster: what is awaited when a node crashes ends as stopped") {
  simulated_cluster cluster(1);
  cluster.add();
  std::error_code ended = make_error_code(errc::timed_out);
  CHECK(cluster[0].set("a", "1"));
  cluster.spawn(0, await_copies(&cluster[0], &ended));
  cluster.run_for(5s);
  CHECK(ended == errc::timed_out);

  cluster.crash(0);

  CHECK(ended == errc::stopped);
}

TEST_CASE("simulated cluster: a crash says nothing, and is found by the silence") {
  simulated_cluster cluster(1);
  add_met(cluster, 3);

  cluster.crash(2);
  CHECK(status_at(cluster, 0, "n2") == peer_status::live);

  CHECK(cluster.run_until([&] { return status_at(cluster, 0, "n2") == peer_status::dead; }, 120s));
}

TEST_CASE("simulated cluster: a process that stood still declares nobody dead when it goes on") {
  simulated_cluster cluster(1);
  add_met(cluster, 3);
  const std::uint64_t rounds = cluster[1].stats().rounds;

  cluster.pause(1, 60s);
  cluster.run_for(59s);
  CHECK(cluster[1].stats().rounds == rounds);
  CHECK(status_at(cluster, 0, "n1") == peer_status::dead);
  cluster.run_for(2s);

  CHECK(cluster[1].stats().rounds > rounds);
  CHECK(cluster[1].stats().pauses == 1);
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
  CHECK(cluster[1].stats().declared_dead == 0);
}

TEST_CASE("simulated cluster: a node's date is its own") {
  simulated_cluster cluster(1);
  cluster.add();
  cluster.add();
  CHECK(cluster[0].generation() == 1'704'067'200'000);  // 2024-01-01

  cluster.set_wall_offset(1, -1h);
  cluster.run_for(10s);
  cluster.restart(1);

  CHECK(cluster[1].generation() == 1'704'067'200'000 + 10'000 - 3'600'000);
  // The others know a newer one: it takes a generation above that.
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
  CHECK(cluster[1].generation() > 1'704'067'200'000);
}

TEST_CASE("simulated cluster: a node whose address changes is followed") {
  simulated_cluster cluster(1);
  add_met(cluster, 3);
  const endpoint before = cluster.address(1);

  cluster.move(1);
  CHECK(cluster.address(1) != before);
  CHECK(cluster[0].set("a", "1"));

  CHECK(cluster.run_until([&] { return cluster[1].get("n0", "a").has_value(); }, 60s));
  cluster.run_for(60s);
  CHECK(cluster.has_agreed());
}

TEST_CASE("simulated cluster: a cut is directed, and heals") {
  simulated_cluster cluster(1);
  add_met(cluster, 2);
  const std::uint64_t received = cluster[1].stats().digests_received;

  cluster.cut(0, 1);
  cluster.run_for(10s);
  // Asked by nobody, and without an answer; the other hears it all the same.
  CHECK(cluster[1].stats().digests_received == received);
  CHECK(cluster[0].stats().digests_received > received + 5);

  cluster.heal();
  cluster.run_for(10s);
  CHECK(cluster[1].stats().digests_received > received);
}

TEST_CASE("simulated cluster: a partition has two sides, which agree again when it heals") {
  simulated_cluster cluster(1);
  add_met(cluster, 6);

  cluster.partition({0, 1});
  CHECK(cluster[0].set("a", "1"));
  cluster.run_for(120s);
  CHECK(cluster[1].get("n0", "a").has_value());
  CHECK_FALSE(cluster[2].get("n0", "a").has_value());
  CHECK(status_at(cluster, 2, "n1") == peer_status::dead);
  CHECK(status_at(cluster, 2, "n5") == peer_status::live);

  cluster.heal();
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
}

TEST_CASE("simulated cluster: damage on the way is dropped by its reason") {
  simulated_cluster cluster(1);
  add_met(cluster, 2);
  memory_network_options bad = cluster.network().options();
  bad.corruption = 1;
  cluster.network().set_link_options(cluster.address(0), cluster.address(1), bad);

  cluster.run_for(30s);
  CHECK(cluster.network().counters().corrupted > 30);
  CHECK(drops(cluster[1], drop_reason::checksum) > 20);
  CHECK(drops(cluster[0], drop_reason::checksum) == 0);

  bad.corruption = 0;
  bad.truncation = 1;
  cluster.network().set_link_options(cluster.address(0), cluster.address(1), bad);
  cluster.run_for(30s);
  CHECK(cluster.network().counters().truncated > 10);
  CHECK(drops(cluster[1], drop_reason::length) > 10);

  cluster.network().clear_links();
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
}

TEST_CASE("simulated cluster: an MTU stops what is larger, told or not, and the rest goes on") {
  for (const bool is_told : {false, true}) {
    CAPTURE(is_told);
    simulated_cluster cluster(1);
    config large;
    large.datagram_bytes_max = 4096;
    cluster.add(large);
    cluster.add();
    cluster.run_for(10s);
    memory_network_options narrow = cluster.network().options();
    narrow.datagram_bytes_max = 1100;
    narrow.reports_too_large = is_told;
    cluster.network().set_options(narrow);
    for (int i = 0; i < 40; ++i) {
      CHECK(cluster[0].set("k" + std::to_string(i), std::string(60, 'x')));
    }

    cluster.run_for(30s);
    const memory_network_counters& seen = cluster.network().counters();
    CHECK((is_told ? seen.refused : seen.too_large) > 5);
    CHECK((is_told ? seen.too_large : seen.refused) == 0);
    CHECK(status_at(cluster, 1, "n0") == peer_status::live);
    CHECK_FALSE(cluster[1].get("n0", "k0").has_value());

    narrow.datagram_bytes_max = 65507;
    cluster.network().set_options(narrow);
    CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 10s));
  }
}

TEST_CASE("simulated cluster: a node that has crashed cannot be used, and is named") {
  simulated_cluster cluster(1);
  cluster.add();
  cluster.crash(0);

  CHECK_THROWS_WITH_AS(static_cast<void>(cluster[0]),
                       "simulated_cluster: process 0 (n0) has crashed, and was not started again",
                       std::logic_error);
  CHECK_THROWS_AS(static_cast<void>(cluster[1]), std::out_of_range);
  cluster.restart(0);
  CHECK(cluster[0].name() == "n0");
}

TEST_CASE("simulated cluster: a link keeps its options when an end of it moves") {
  simulated_cluster cluster(1);
  add_met(cluster, 3);
  memory_network_options lossy = cluster.network().options();
  lossy.loss = 1;
  cluster.set_link(0, 1, lossy);
  cluster.set_link(2, 1, lossy);
  cluster.move(1);
  cluster.crash(2);
  cluster.move(2);
  cluster.restart(2);

  const std::uint64_t received = cluster[1].stats().digests_received;
  cluster.run_for(30s);
  CHECK(cluster[1].stats().digests_received == received);
  CHECK(cluster.network().counters().lost > 10);

  cluster.network().clear_links();
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
}

TEST_CASE("simulated cluster: what a lying node sends is told apart, also after it restarts") {
  simulated_cluster cluster(1);
  add_met(cluster, 2);
  const auto refused = [](const simulated_node& node) {
    std::uint64_t sum = 0;
    for (const std::uint64_t one : node.stats().drops) sum += one;
    return sum;
  };
  cluster.set_mutation(1, 1);

  cluster.run_for(30s);
  CHECK(cluster.network().counters().mutated > 20);
  CHECK(refused(cluster[0]) > 10);
  CHECK(drops(cluster[0], drop_reason::checksum) == 0);

  const std::uint64_t before = cluster.network().counters().mutated;
  cluster.restart(1);
  cluster.run_for(10s);
  CHECK(cluster.network().counters().mutated > before);

  cluster.set_mutation(1, 0);
  const std::uint64_t last = cluster.network().counters().mutated;
  cluster.run_for(10s);
  CHECK(cluster.network().counters().mutated == last);
}

TEST_CASE("simulated cluster: a storage that fails refuses writes, its own and others'") {
  simulated_cluster cluster(1);
  add_met(cluster, 2);
  storage_conditions broken;
  broken.failure = 1;
  cluster.set_storage(1, broken);

  CHECK(cluster[1].set("a", "1").error() == errc::storage_failed);
  CHECK(cluster[0].set("b", "1"));
  cluster.run_for(10s);
  CHECK(drops(cluster[1], drop_reason::storage) > 0);
  CHECK_FALSE(cluster[1].get("n0", "b").has_value());
  cluster.restart(1);
  CHECK(cluster[1].set("a", "1").error() == errc::storage_failed);

  cluster.set_storage(1, storage_conditions());
  CHECK(cluster[1].set("a", "1"));
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
  CHECK(cluster[1].get("n0", "b").has_value());
}

TEST_CASE("simulated cluster: a process stands still for each write of a slow storage") {
  simulated_cluster cluster(1);
  add_met(cluster, 2);
  storage_conditions slow;
  slow.delay = 3s;
  cluster.set_storage(1, slow);
  const std::chrono::nanoseconds begin = cluster.time();

  CHECK(cluster[1].set("a", "1"));
  CHECK(cluster[1].set("b", "1"));
  cluster.run_for(0s);
  CHECK(cluster.paused_until(1) == begin + 6s);
  cluster.run_for(5s);
  CHECK_FALSE(cluster[0].get("n1", "a").has_value());

  CHECK(cluster.run_until([&] { return cluster[0].get("n1", "b").has_value(); }, 10s));
}

TEST_CASE("simulated cluster: a restarted node has the options that it is given") {
  simulated_cluster cluster(1);
  add_met(cluster, 2);
  config kept = cluster.settings(1);
  CHECK(kept.name == "n1");
  kept.generation_last = cluster[1].generation() + 1'000'000'000;
  kept.fanout = 2;

  cluster.restart(1, kept);

  CHECK(cluster[1].generation() == kept.generation_last + 1);
  CHECK(cluster[1].settings().fanout == 2);
  kept.fanout = 0;
  CHECK_THROWS_WITH_AS(cluster.restart(1, kept), "fanout: 0 is not allowed; allowed: 1 to 16",
                       std::invalid_argument);
  CHECK(cluster[1].settings().fanout == 2);
  CHECK(cluster.settings(1).fanout == 2);
}

TEST_CASE("simulated cluster: releases without a version in common agree once one speaks both") {
  simulated_cluster cluster(1);
  cluster.add();
  cluster.add();
  cluster.set_wire_versions(1, wire_range(2, 2));
  cluster.restart(1);

  cluster.run_for(60s);
  CHECK(drops(cluster[0], drop_reason::wire_version) > 0);
  CHECK_FALSE(cluster.has_agreed());

  cluster.set_wire_versions(0, wire_range(1, 2));
  cluster.restart(0);
  CHECK(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
}

namespace {

/// Two nodes, of which one crashes and starts anew; the hash of what happened.
std::uint64_t eventful_run(std::FILE* events_to) {
  simulated_cluster cluster(7);
  cluster.add();
  if (events_to != nullptr) cluster.print_events(events_to);
  cluster.add();
  REQUIRE(cluster[1].set("role", "web"));
  cluster.run_for(10s);
  REQUIRE(cluster[1].erase("role"));
  cluster.crash(1);
  cluster.run_for(60s);
  cluster.restart(1);
  cluster.run_for(10s);
  return cluster.trace_hash();
}

}  // namespace

TEST_CASE(
    "simulated_cluster: events are printed with their times, and the schedule stays the same") {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  CHECK(eventful_run(file) == eventful_run(nullptr));

  std::string text(static_cast<std::size_t>(std::ftell(file)), ' ');
  std::rewind(file);
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  CHECK(text.find(" s  n0: update n1 role=web @1\n") != std::string::npos);
  CHECK(text.find(" s  n1: removed n1 role @2\n") != std::string::npos);
  CHECK(text.find(" s  n0: peer_dead n1\n") != std::string::npos);
  CHECK(text.find(" s  n1: peer_live n0\n") < text.rfind(" s  n1: peer_live n0\n"));
}

TEST_CASE("simulated_cluster: a service waits on the node's timer, by either of its names") {
  simulated_cluster cluster(1);
  std::size_t turns = 0;
  cluster.add(config(), [&turns](simulated_node& self) -> asio::awaitable<void> {
    simulated_node::timer pause(self.get_executor());
    static_assert(std::is_same_v<simulated_node::timer, simulated_cluster::timer>);
    for (;;) {
      pause.expires_after(1s);
      co_await pause.async_wait(asio::use_awaitable);
      ++turns;
    }
  });
  cluster.run_for(60s);
  CHECK(turns == 60);
}

}  // namespace gossipmonger
