// Flow control, in clusters of simulated nodes: what is sent stays within its budget, bulk copies
// do not delay news, what is on its way is not sent again, and a writer learns what can be carried.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/core/random.hpp"
#include "gossipmonger/sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// A key of 12 and a value of 58 bytes: 70 bytes of payload, 14 in a datagram.
void write_keys(world& where, std::size_t node, std::size_t count,
                const std::string& prefix = "key") {
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = prefix + "/" + std::to_string(10'000'000 + i);
    REQUIRE(where[node].set(key, std::string(58, 'v')));
  }
}

std::uint64_t held_by(const world& where, std::size_t node, const std::string& owner) {
  const auto seen = where[node].find_member(owner, where.now(node));
  return seen ? seen->max_version : 0;
}

/// Rounds until each of `count` fresh keys, one a round from nodes in turn, is everywhere among the
/// first `nodes`; sorted. Those that did not come in 40 rounds count as 99.
std::vector<std::size_t> spread_news(world& where, std::size_t nodes, std::size_t count) {
  std::map<std::string, std::size_t> begun;
  std::vector<std::size_t> rounds;
  for (std::size_t round = 0; round < count + 40; ++round) {
    if (round < count) {
      const std::string value = "news " + std::to_string(round);
      const std::size_t writer = 1 + round % (nodes - 1);
      REQUIRE(where[writer].set("key " + std::to_string(round), value));
      begun[value] = round;
    }
    where.run_for(1s);
    std::erase_if(begun, [&](const auto& one) {
      const std::size_t writer = 1 + one.second % (nodes - 1);
      for (std::size_t node = 0; node < nodes; ++node) {
        const std::string key = "key " + std::to_string(one.second);
        if (value_at(where, node, name_of(writer), key) != one.first) return false;
      }
      rounds.push_back(round + 1 - one.second);
      return true;
    });
  }
  rounds.insert(rounds.end(), begun.size(), 99);
  std::sort(rounds.begin(), rounds.end());
  return rounds;
}

}  // namespace

TEST_CASE("flow: a node sends no more than its budget, and a copy takes all of it") {
  constexpr std::size_t budget = 20'000;
  world where(1);
  config common;
  common.send_bytes_per_interval = budget;
  add_cluster(where, 2, common);
  write_keys(where, 1, 10'000);  // 826 kB of datagrams: 42 rounds at the full budget
  REQUIRE(where.run_until([&] { return held_by(where, 0, "n1") == 10'000; }, 200s));
  std::map<std::int64_t, std::size_t> sent;  // by the second, of the one that gives
  where.on_send = [&](std::size_t from, const endpoint&, std::span<const std::byte> datagram) {
    if (from == 0) sent[where.time() / 1s] += datagram.size();
  };

  const std::size_t joiner = where.add(named("joiner"), 0);
  const auto start = where.time();
  std::size_t given = 0;
  const bool has_all =
      where.run_until([&] { return held_by(where, joiner, "n1") == 10'000; }, 200s, 100ms);
  const auto took = (where.time() - start) / 1s;
  for (const auto& [second, bytes] : sent) {
    given += bytes;
    // A full bucket, what comes in meanwhile, and what the last datagram borrows.
    CHECK(bytes <= 2 * budget + 1200);
  }

  CHECK(has_all);
  MESSAGE("copied in " << took << " rounds, " << given << " bytes from the seed");
  CHECK(given <= (static_cast<std::size_t>(took) + 2) * budget + 1200);
  // n1 gives a part, within a budget of its own.
  CHECK(took <= 45);
  CHECK(where[0].stats().sends_delayed > 0);
}

TEST_CASE(
    "flow: fresh keys go everywhere as fast while a joiner copies 20,000 keys at the budget") {
  constexpr std::size_t nodes = 16;
  std::vector<std::size_t> at_rest;
  std::vector<std::size_t> beside_copy;
  for (const bool has_joiner : {false, true}) {
    world where(3);
    config common;
    common.send_bytes_per_interval = 24'000;
    add_cluster(where, nodes, common);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
    config sole = named("source");
    sole.send_bytes_per_interval = 0;
    const std::size_t source = where.add(sole, 0);
    write_keys(where, source, 20'000);
    // Without limits until all hold them.
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 600s, 1s));
    if (has_joiner) where.add(named("joiner"), 0);

    (has_joiner ? beside_copy : at_rest) = spread_news(where, nodes, 60);

    if (has_joiner) {
      MESSAGE("the joiner holds " << held_by(where, where.size() - 1, "source") << " of 20,000");
    }
  }
  const auto p99 = [](const std::vector<std::size_t>& sorted) { return sorted[sorted.size() - 1]; };
  MESSAGE("rounds until everywhere, median and worst: at rest "
          << at_rest[30] << ", " << p99(at_rest) << "; beside the copy " << beside_copy[30] << ", "
          << p99(beside_copy));
  CHECK(beside_copy[30] <= at_rest[30] + 1);
  CHECK(p99(beside_copy) <= p99(at_rest) + 2);
  CHECK(p99(beside_copy) <= 4 + 4);  // log2 16, and 4
}

TEST_CASE("flow: 256 nodes spread news in log2 n + 4 rounds, each within 24,000 bytes a round") {
  constexpr std::size_t nodes = 256;
  constexpr std::size_t budget = 24'000;
  world where(8);
  config common;
  add_cluster(where, nodes, common);  // how they meet is not what is measured
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 100s, 1s));
  common.send_bytes_per_interval = budget;
  for (std::size_t node = 0; node < nodes; ++node) {
    common.name = name_of(node);
    REQUIRE(where[node].change(common, where.now(node)));
  }
  const std::uint64_t before = where.counters().bytes;
  const auto start = where.time();

  const std::vector<std::size_t> rounds = spread_news(where, nodes, 60);

  const auto length = static_cast<std::uint64_t>((where.time() - start) / 1s);
  const std::uint64_t bytes = (where.counters().bytes - before) / nodes / length;
  MESSAGE("median " << rounds[30] << ", worst " << rounds[59] << " rounds; " << bytes
                    << " bytes a node a round");
  CHECK(rounds[59] <= 8 + 4);
  CHECK(bytes <= budget);
}

TEST_CASE(
    "flow: what is still on its way is not sent again, though rounds are shorter than the way") {
  world where(4);
  where.conditions.delay_min = 120ms;
  where.conditions.delay_max = 120ms;  // in order, as in a socket's queue
  config common;
  common.gossip_interval = 50ms;
  common.exchange_bytes_max = std::size_t{1} << 20;
  common.exchange_datagrams_max = 1024;
  common.send_bytes_per_interval = 0;
  common.name = "source";
  const std::size_t source = where.add(common);
  write_keys(where, source, 20'000);
  common.name = "joiner";
  const std::size_t joiner = where.add(common, source);

  REQUIRE(where.run_until([&] { return held_by(where, joiner, "source") == 20'000; }, 60s, 50ms));
  where.run_for(2s);

  const protocol_stats seen = where[source].stats();
  MESSAGE(seen.entries_sent << " entries sent for 20,000");
  // The first exchange may be asked for twice before the way's length is known.
  CHECK(seen.entries_sent <= 2 * 20'000);
  CHECK(seen.entries_spared > 20'000);
  CHECK(where[joiner].stats().entries_skipped <= 20'000);
}

TEST_CASE("flow: exchanges shrink at a bottleneck, waste little there, and grow again after it") {
  // Whoever gets more than 40 datagrams in 10 ms loses the rest, as in a small socket buffer.
  constexpr std::size_t room = 40;
  world where(5);
  add_cluster(where, 2);
  write_keys(where, 1, 20'000);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 200s));
  const std::size_t joiner = where.add(named("joiner"), 0);
  bool is_narrow = true;
  std::int64_t slot = 0;
  std::size_t in_slot = 0;
  std::uint64_t lost = 0;
  where.is_cut = [&](std::size_t, std::size_t to) {
    if (!is_narrow || to != joiner) return false;
    if (where.time() / 10ms != slot) {
      slot = where.time() / 10ms;
      in_slot = 0;
    }
    const bool is_over = ++in_slot > room;
    lost += is_over ? 1 : 0;
    return is_over;
  };

  const auto start = where.time();
  REQUIRE(where.run_until([&] { return held_by(where, joiner, "n1") == 20'000; }, 300s, 1s));
  const std::uint64_t halved = where[0].stats().bursts_halved + where[1].stats().bursts_halved;
  MESSAGE("copied in " << (where.time() - start) / 1s << " rounds, " << lost << " of "
                       << 20'000 / 14 << " datagrams lost, halved " << halved << " times");
  CHECK(halved >= 1);
  CHECK(lost <= 20'000 / 14);

  is_narrow = false;
  write_keys(where, 1, 20'000, "more");
  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
}

TEST_CASE(
    "flow: a writer that obeys settles at what is carried, and nobody falls behind for long") {
  world where(6);
  config common;
  common.send_bytes_per_interval = 30'000;
  common.exchange_bytes_max = 20'000;
  add_cluster(where, 8, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
  std::uint64_t written = 0;
  std::vector<std::uint64_t> backlog;
  std::vector<std::uint64_t> rate;
  for (std::size_t step = 0; step < 3000; ++step) {
    while (where[0].is_writable(where.now(0))) {
      const std::string key = "key " + std::to_string(written++);  // each once: none is overtaken
      REQUIRE(where[0].set(key, std::to_string(written) + std::string(50, 'v')));
    }
    where.run_for(100ms);
    if (step % 10 != 9) continue;
    backlog.push_back(where[0].stats().backlog_max);
    rate.push_back(where[0].stats().write_bytes_per_interval);
  }

  // After the first hundred rounds it swings about what is carried, and does not creep up.
  const auto middle = *std::max_element(backlog.begin() + 100, backlog.begin() + 200);
  const auto last = *std::max_element(backlog.begin() + 200, backlog.end());
  const auto [low, high] = std::minmax_element(rate.begin() + 100, rate.end());
  MESSAGE((written / 300) << " keys a round; backlog at most " << middle
                          << " versions in rounds 100 to 200, " << last << " in 200 to 300; rate "
                          << *low << " to " << *high << " bytes a round, slowed "
                          << where[0].stats().writes_slowed << " times");
  CHECK(where[0].stats().writes_slowed > 0);
  CHECK(last <= middle + middle / 2);
  CHECK(last <= 30 * (written / 300));
  CHECK(written / 300 >= 20);
  const auto end = where.time();
  CHECK(where.run_until([&] { return where.has_agreed(); }, 120s, 1s));
  MESSAGE("all agreed " << (where.time() - end) / 1s << " rounds after the last write");
}

TEST_CASE("flow: a writer that ignores the rate does not hold up the others' news") {
  world where(7);
  config common;
  common.send_bytes_per_interval = 30'000;
  common.exchange_bytes_max = 20'000;
  add_cluster(where, 8, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s, 1s));
  std::uint64_t written = 0;
  // Four times the budget, each round.
  const auto flood = [&] {
    for (int i = 0; i < 1'700; ++i) {
      const std::string key = "key " + std::to_string(written++ % 20'000);
      REQUIRE(where[0].set(key, std::to_string(written) + std::string(50, 'v')));
    }
  };
  for (int round = 0; round < 20; ++round) {
    flood();
    where.run_for(1s);
  }
  std::vector<std::size_t> rounds;
  for (std::size_t news = 0; news < 20; ++news) {
    const std::size_t writer = 1 + news % 7;
    const std::string value = std::to_string(news);
    REQUIRE(where[writer].set("news", value));
    std::size_t round = 0;
    while (round < 40 && !all_hold(where, name_of(writer), "news", value)) {
      flood();
      where.run_for(1s);
      ++round;
    }
    rounds.push_back(round);
  }
  std::sort(rounds.begin(), rounds.end());

  MESSAGE("beside the flood news took, median and worst: " << rounds[10] << ", " << rounds[19]);
  CHECK_FALSE(where[0].is_writable(where.now(0)));
  CHECK(where[0].stats().backlog_max > 1'700);
  CHECK(rounds[19] <= 3 + 5);  // log2 8, and 5
}

}  // namespace gossipmonger
