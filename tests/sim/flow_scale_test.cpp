// A thousand nodes, more than a digest of 8 datagrams tells of: news goes everywhere all the same.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "core/model/message.hpp"
#include "sim/scale.hpp"
#include "sim/world.hpp"
#include "wire/codec.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Of how many peers the digests of each watched node told in `time`, to whomever they went.
std::vector<std::size_t> told_of(world& where, const std::vector<std::size_t>& watched,
                                 std::chrono::seconds time) {
  const codec wire(make_cluster_id("default"), 1200);
  message read;
  std::map<std::uint64_t, std::set<std::uint64_t>> told;
  for (const std::size_t node : watched) told[where[node].peers()[self_slot].name_hash()];
  where.on_delivery = [&](std::size_t, std::span<const std::byte> datagram) {
    if (!wire.decode(datagram, read) || read.kind != message_kind::digest) return;
    const auto by = told.find(read.sender.name_hash);
    if (by == told.end()) return;
    by->second.insert(read.receiver.name_hash);
    for (const packed_entry& one : read.known.range) by->second.insert(one.name_hash);
    for (const packed_entry& one : read.known.extra) by->second.insert(one.name_hash);
  };
  where.run_for(time);
  where.on_delivery = nullptr;
  std::vector<std::size_t> counts;
  for (auto& [teller, hashes] : told) {
    hashes.erase(teller);
    counts.push_back(hashes.size());
  }
  return counts;
}

}  // namespace

TEST_CASE(
    "scale: 1,000 nodes tell of all by rows in 5 rounds, and of news by sums in 10 within 3,000 "
    "bytes each") {
  constexpr std::size_t nodes = 1000;
  constexpr std::size_t budget = 3'000;
  constexpr std::size_t writers = 24;  // two a round
  world where(21);
  config common;
  common.detector_window = 16;  // memory: there are nodes * nodes of them
  common.sums_peers_min = 65'536;
  // Every node asks a seed each 16 rounds: one for all would have 62 exchanges a round, and no
  // budget left for its own.
  std::vector<std::size_t> seeds(16);
  for (std::size_t seed = 0; seed < seeds.size(); ++seed) seeds[seed] = seed;
  for (std::size_t node = 0; node < nodes; ++node) {
    common.name = name_of(node);
    where.add_stopped(common);
  }
  for (std::size_t node = 0; node < nodes; ++node) {
    where.set_seeds(node, seeds);
    where.restart(node);
  }
  const auto knows_all = [&] {
    for (std::size_t node = 0; node < nodes; ++node) {
      if (where[node].stats().peers_known != nodes - 1) return false;
    }
    return true;
  };
  REQUIRE(where.run_until(knows_all, 100s, 1s));

  // Without a budget each tells of all the others in 1,000 / 328 of its digests, one a round.
  for (const std::size_t count : told_of(where, {0, 17, 300, 555, 999}, 5s)) {
    CHECK(count == nodes - 1);
  }

  common.send_bytes_per_interval = budget;
  common.sums_peers_min = config().sums_peers_min;
  for (std::size_t node = 0; node < nodes; ++node) {
    common.name = name_of(node);
    REQUIRE(where[node].change(common, where.now(node)));
  }
  where.run_for(2s);

  const std::uint64_t bytes_before = where.counters().bytes;
  std::vector<bool> is_everywhere(writers);
  std::vector<std::size_t> rounds;
  const auto name_of_writer = [](std::size_t writer) {
    return name_of(writer * (nodes / writers));
  };
  std::size_t round = 0;
  for (; round < 32 && rounds.size() < writers; ++round) {
    const std::size_t written = std::min(writers, 2 * round + 2);
    for (std::size_t writer = 2 * round; writer < written; ++writer) {
      REQUIRE(where[writer * (nodes / writers)].set("key", std::to_string(writer)));
    }
    where.run_for(1s);
    for (std::size_t writer = 0; writer < written; ++writer) {
      const std::string value = std::to_string(writer);
      if (is_everywhere[writer] || !all_hold(where, name_of_writer(writer), "key", value)) continue;
      is_everywhere[writer] = true;
      rounds.push_back(round + 1 - writer / 2);
    }
  }
  std::sort(rounds.begin(), rounds.end());

  const std::uint64_t bytes = (where.counters().bytes - bytes_before) / nodes / round;
  REQUIRE(rounds.size() == writers);
  MESSAGE("news: median " << rounds[writers / 2] << ", worst " << rounds.back() << " rounds; "
                          << bytes << " bytes a node a round");
  CHECK(rounds.back() <= 10);  // log2 1,000
  CHECK(bytes <= budget);
}

TEST_CASE(
    "scale: 1,000 nodes send 700 bytes a round at rest, and a write is everywhere in 8 rounds") {
  scale_plan plan;
  plan.nodes = 1000;
  world where(plan.nodes);
  REQUIRE(try_start_cluster(where, plan));
  CHECK(all_tell_sums(where));

  const rest_costs rest = measure_rest(where, 100);
  const news_costs news = measure_news(where, 100, 1);

  const std::size_t p99 = quantile(news.rounds, 99);
  MESSAGE(rest.bytes << " bytes a node and round at rest, " << news.bytes << " with a write; p99 "
                     << p99 << ", worst " << quantile(news.rounds, 100) << " rounds");
  CHECK(rest.bytes <= 700);
  CHECK(news.missing == 0);
  CHECK(news.rounds.size() == 100);
  CHECK(p99 <= 8);
}

}  // namespace gossipmonger
