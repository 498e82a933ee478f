#include "sim/world.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

// Everything that can happen to a datagram happens.
std::uint64_t eventful_trace(std::uint64_t seed) {
  world where(seed);
  where.conditions.loss = 0.1;
  where.conditions.duplication = 0.1;
  where.conditions.corruption = 0.1;
  where.conditions.delay_max = 500ms;
  add_cluster(where, 8);
  for (std::size_t node = 0; node < 8; ++node) {
    CHECK(where[node].set("key", "value of " + name_of(node)));
  }
  where.run_for(10s);
  where.crash(3);
  where.pause(4, 5s);
  where.move(5);
  where.run_for(10s);
  where.restart(3);
  where.run_for(10s);
  return where.trace_hash();
}

/// As UDP adds up: 16-bit words, in one's complement (RFC 768).
std::uint32_t udp_sum(std::span<const std::byte> datagram) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < datagram.size(); i += 2) {
    sum += (std::to_integer<std::uint32_t>(datagram[i]) << 8) |
           std::to_integer<std::uint32_t>(datagram[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

}  // namespace

TEST_CASE("world: the same seed gives the same deliveries to the byte, another seed others") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const std::uint64_t first = eventful_trace(seed);
    CHECK(first == eventful_trace(seed));
    seen.insert(first);
  }
  CHECK(seen.size() == 8);
}

TEST_CASE("world: a network without faults delivers each datagram once, within its delays") {
  world where(1);
  where.conditions.delay_min = 10ms;
  where.conditions.delay_max = 30ms;
  add_cluster(where, 2);
  std::vector<std::chrono::nanoseconds> sent;
  std::vector<std::chrono::nanoseconds> arrived;
  where.on_send = [&](std::size_t, const endpoint&, std::span<const std::byte>) {
    sent.push_back(where.time());
  };
  where.on_delivery = [&](std::size_t, std::span<const std::byte>) {
    arrived.push_back(where.time());
  };

  where.run_for(20s);
  where.crash(0);
  where.crash(1);
  where.run_for(1s);

  REQUIRE(sent.size() >= 60);  // 20 rounds, each with a digest and a reply at least
  CHECK(where.counters().datagrams == sent.size());
  // The last ones found nobody.
  CHECK(arrived.size() + 4 >= sent.size());
  CHECK(where.counters().lost + where.counters().duplicated + where.counters().corrupted == 0);
  CHECK(arrived[0] - sent[0] >= 10ms);
  CHECK(arrived[0] - sent[0] < 30ms);
}

TEST_CASE("world: loss, duplication and corruption come as often as asked") {
  world where(2);
  where.conditions.loss = 0.2;
  where.conditions.duplication = 0.3;
  where.conditions.corruption = 0.1;
  add_cluster(where, 20);

  where.run_for(200s);

  const world_counters& counted = where.counters();
  const auto sent = static_cast<double>(counted.datagrams);
  const auto passed = static_cast<double>(counted.datagrams - counted.lost);
  REQUIRE(counted.datagrams > 8'000);
  CHECK(static_cast<double>(counted.lost) / sent == doctest::Approx(0.2).epsilon(0.1));
  CHECK(static_cast<double>(counted.duplicated) / passed == doctest::Approx(0.3).epsilon(0.1));
  CHECK(static_cast<double>(counted.corrupted) / (1.3 * passed) ==
        doctest::Approx(0.1).epsilon(0.1));

  // Each flipped bit was found out by the node it came to.
  std::uint64_t found = 0;
  for (std::size_t node = 0; node < 20; ++node) {
    const drop_counters drops = where[node].stats().drops;
    for (const drop_reason reason :
         {drop_reason::length, drop_reason::magic, drop_reason::wire_version, drop_reason::cluster,
          drop_reason::checksum, drop_reason::kind, drop_reason::malformed, drop_reason::field}) {
      found += drops[static_cast<std::size_t>(reason)];
    }
  }
  CHECK(counted.corrupted - found <= 4);  // those still on their way
}

TEST_CASE("world: what is garbled has other bytes and the same UDP sum, and is counted") {
  world where(12);
  where.conditions.garbling = 0.5;
  where.conditions.delay_max = where.conditions.delay_min;  // they arrive in order
  add_cluster(where, 3);
  std::deque<std::vector<std::byte>> on_way;
  where.on_send = [&](std::size_t, const endpoint&, std::span<const std::byte> datagram) {
    on_way.emplace_back(datagram.begin(), datagram.end());
  };
  std::size_t arrived = 0;
  std::size_t changed = 0;
  std::size_t other_sums = 0;
  where.on_delivery = [&](std::size_t, std::span<const std::byte> datagram) {
    const std::vector<std::byte> sent = on_way.front();
    on_way.pop_front();
    ++arrived;
    if (!std::equal(datagram.begin(), datagram.end(), sent.begin(), sent.end())) ++changed;
    if (udp_sum(datagram) != udp_sum(sent)) ++other_sums;
  };

  where.run_for(200s);

  REQUIRE(arrived > 800);
  CHECK(static_cast<double>(changed) / static_cast<double>(arrived) ==
        doctest::Approx(0.5).epsilon(0.1));
  CHECK(other_sums == 0);
  CHECK(where.counters().garbled - changed <= on_way.size());  // those still on their way
}

TEST_CASE("world: a cut works in its direction only") {
  world where(3);
  add_cluster(where, 2);
  where.run_for(5s);
  std::array<std::size_t, 2> deliveries{};
  where.on_delivery = [&](std::size_t to, std::span<const std::byte>) { ++deliveries[to]; };

  where.is_cut = [](std::size_t from, std::size_t to) { return from == 0 && to == 1; };
  where.run_for(100ms);  // datagrams on their way arrive
  deliveries = {};
  where.run_for(20s);

  CHECK(deliveries[0] >= 8);
  CHECK(deliveries[1] == 0);
  CHECK(where.counters().unreachable >= 10);
  where.is_cut = nullptr;
  where.run_for(20s);
  CHECK(deliveries[1] >= 10);
}

TEST_CASE("world: a paused node gets nothing, and then what its socket held, up to its capacity") {
  world where(4);
  where.conditions.inbox_datagrams_max = 3;
  add_cluster(where, 4);
  where.run_for(10s);
  std::size_t deliveries = 0;
  where.on_delivery = [&](std::size_t to, std::span<const std::byte>) {
    if (to == 3) ++deliveries;
  };

  where.pause(3, 10s);
  const std::uint64_t rounds = where[3].stats().rounds;
  where.run_for(9900ms);
  CHECK(deliveries == 0);
  CHECK(where[3].stats().rounds == rounds);
  CHECK(where.counters().overflowed >= 1);

  where.run_for(100ms);
  CHECK(deliveries == 3);
  CHECK(where[3].stats().rounds == rounds + 1);
}

TEST_CASE("world: a link may have a smaller queue at its end than the others") {
  world where(13);
  add_cluster(where, 4);
  where.run_for(10s);
  network_conditions narrow;
  narrow.inbox_datagrams_max = 0;
  where.links[std::pair<std::size_t, std::size_t>(0, 3)] = narrow;
  where.run_for(5s);
  CHECK(where.counters().overflowed == 0);  // a node that reads has no queue
  std::map<endpoint, std::size_t> sent;
  where.on_send = [&](std::size_t from, const endpoint& to, std::span<const std::byte>) {
    if (to == where.address(3)) ++sent[where.address(from)];
  };
  std::size_t deliveries = 0;
  where.on_delivery = [&](std::size_t to, std::span<const std::byte>) {
    if (to == 3) ++deliveries;
  };

  where.pause(3, 10s);
  where.run_for(9900ms);
  const std::size_t from_first = sent[where.address(0)];
  const std::size_t from_others = sent[where.address(1)] + sent[where.address(2)];
  where.is_cut = [](std::size_t, std::size_t) { return true; };
  where.run_for(100ms);  // datagrams on their way arrive

  REQUIRE(from_first >= 3);
  REQUIRE(from_others >= 3);
  CHECK(where.counters().overflowed == from_first);
  CHECK(deliveries == from_others);
}

TEST_CASE("world: what a paused process had not read goes with it") {
  world where(5);
  add_cluster(where, 4);
  where.run_for(10s);
  where.pause(3, 10s);
  where.run_for(5s);
  std::size_t deliveries = 0;

  where.restart(3);
  where.is_cut = [](std::size_t, std::size_t) { return true; };
  where.run_for(100ms);
  where.on_delivery = [&](std::size_t to, std::span<const std::byte>) {
    if (to == 3) ++deliveries;
  };
  where.run_for(10s);

  CHECK(deliveries == 0);
}

TEST_CASE("world: a crash ends a node, a restart is a new run with an empty map") {
  world where(6);
  add_cluster(where, 2);
  REQUIRE(where[1].set("key", "value"));
  const std::uint64_t generation = where[1].generation();
  const endpoint address = where.address(1);
  where.run_for(3s);

  where.crash(1);
  CHECK(!where.is_running(1));
  const std::uint64_t delivered = where.counters().delivered;
  where.on_delivery = [](std::size_t to, std::span<const std::byte>) { CHECK(to == 0); };
  where.run_for(3s);
  CHECK(where.counters().delivered == delivered);

  where.restart(1);
  CHECK(where.is_running(1));
  CHECK(where[1].version() == 0);
  CHECK(where[1].generation() == generation + 6000);  // six seconds later, by its clock
  CHECK(where.address(1) == address);
}

TEST_CASE("world: a node that moved is reached at its new address only, and does not know it") {
  world where(7);
  add_cluster(where, 2);
  where.run_for(5s);
  const endpoint before = where.address(1);

  where.move(1);

  CHECK(where.address(1) != before);
  CHECK(where[1].address() == before);
  std::size_t deliveries = 0;
  where.on_delivery = [&](std::size_t to, std::span<const std::byte>) {
    if (to == 1) ++deliveries;
  };
  const std::array<std::byte, 64> noise{};
  where.inject(1, where.address(0), noise);
  CHECK(deliveries == 1);
  where.restart(1);
  CHECK(where[1].address() == where.address(1));
}

TEST_CASE("world: a clock that is off changes what a node takes for the date, and nothing else") {
  world where(8);
  add_cluster(where, 2);
  where.set_wall_offset(1, -24h);

  CHECK(where.now(0).wall - where.now(1).wall == 24h);
  CHECK(where.now(0).steady == where.now(1).steady);
  where.run_for(2s);
  CHECK(where.now(0).wall - where.now(1).wall == 24h);
}

TEST_CASE("world: an injected datagram arrives at once and in its size") {
  world where(9);
  add_cluster(where, 1);
  for (std::size_t size = 0; size <= 1300; ++size) {
    std::size_t got = 9999;
    where.on_delivery = [&](std::size_t, std::span<const std::byte> datagram) {
      got = datagram.size();
    };
    const std::vector<std::byte> zeros(size);
    where.inject(0, endpoint::v4(192, 0, 2, 1, 9), zeros);
    CHECK(got == size);
  }
}

TEST_CASE("world: the last digest comes again to the byte, and is read") {
  world where(9);
  where.keeps_digests = true;
  add_cluster(where, 2);
  where.run_for(5s);
  std::vector<std::byte> last;
  where.on_delivery = [&](std::size_t to, std::span<const std::byte> datagram) {
    if (to == 0) last.assign(datagram.begin(), datagram.end());
  };
  const std::uint64_t before = where[0].stats().digests_received;
  REQUIRE(where.run_until([&] { return where[0].stats().digests_received > before; }, 10s, 1ms));
  const std::vector<std::byte> digest = last;
  const std::uint64_t read = where[0].stats().digests_received;
  std::vector<std::vector<std::byte>> again;
  where.on_delivery = [&](std::size_t to, std::span<const std::byte> datagram) {
    REQUIRE(to == 0);
    again.emplace_back(datagram.begin(), datagram.end());
  };

  where.replay(0, 3, false);

  CHECK(again == std::vector<std::vector<std::byte>>(3, digest));
  CHECK(where[0].stats().digests_received == read + 3);
}

TEST_CASE("world: run_until ends when it is done, and gives up at its limit") {
  world where(10);
  const auto start = where.time();

  CHECK(where.run_until([&] { return where.time() - start >= 500ms; }, 10s));
  CHECK(where.time() - start == 500ms);
  CHECK(!where.run_until([] { return false; }, 1s, 300ms));
  CHECK(where.time() - start == 1500ms);
}

TEST_CASE("world: has_agreed means every entry of every running node, and nobody dead") {
  world where(11);
  add_cluster(where, 3);
  CHECK(!where.has_agreed());  // they have not met
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  REQUIRE(where[2].set("key", "value"));
  CHECK(!where.has_agreed());
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  REQUIRE(where[2].erase("key"));
  CHECK(!where.has_agreed());
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  where.crash(2);
  CHECK(where.has_agreed());  // of those that run
  where.restart(2);
  CHECK(!where.has_agreed());
}

TEST_CASE("world: a pause within a pause does not end it early") {
  world where(12);
  add_cluster(where, 2);
  where.run_for(10s);
  where.pause(1, 5s);
  const std::uint64_t rounds = where[1].stats().rounds;

  where.pause(1, 1s);
  where.run_for(4999ms);
  CHECK(where[1].stats().rounds == rounds);
  where.run_for(2s);
  CHECK(where[1].stats().rounds > rounds);
}

TEST_CASE("world: a node that moved is back at the address it started from") {
  world where(13);
  add_cluster(where, 2);
  const endpoint home = where.address(1);
  where.move(1);
  REQUIRE(where.address(1) != home);

  where.move_back(1);
  CHECK(where.address(1) == home);

  // A run that starts elsewhere is at home there; who does not run is nowhere else.
  where.move(1);
  const endpoint other = where.address(1);
  where.restart(1);
  where.move(1);
  where.move_back(1);
  CHECK(where.address(1) == other);
  where.move(1);
  where.crash(1);
  const endpoint last = where.address(1);
  where.move_back(1);
  CHECK(where.address(1) == last);
}

TEST_CASE("world: so many steps that take no time are the last, and the node is named") {
  world where(14);
  where.keeps_digests = true;
  add_cluster(where, 2);
  where.run_for(10s);
  REQUIRE_FALSE(where.stuck());
  // Each replayed digest is answered: a step.
  where.idle_steps_max = 100;
  where.replay(1, 50, false);
  CHECK_FALSE(where.stuck());
  where.run_for(1s);
  where.replay(1, 50, false);
  CHECK_FALSE(where.stuck());

  where.replay(1, 60, false);

  REQUIRE(where.stuck());
  CHECK(*where.stuck() == 1);
  const std::uint64_t rounds = where[0].stats().rounds;
  const auto at = where.time();
  where.run_for(10s);
  CHECK(where[0].stats().rounds == rounds);
  CHECK(where.time() == at + 10s);
}

}  // namespace gossipmonger
