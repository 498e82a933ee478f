#include "deafness.hpp"

#include <bit>
#include <map>
#include <span>
#include <utility>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "core/liveness/freshness.hpp"
#include "gossipmonger/testing/random.hpp"
#include "sim/promises.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// A crash is found so soon with the default options.
std::size_t crash_rounds(std::size_t nodes) {
  scenario of;
  of.nodes.resize(nodes);
  return detection_rounds_max(of);
}
std::size_t heal_rounds(std::size_t nodes) {
  return 4 * static_cast<std::size_t>(std::bit_width(nodes - 1)) + 10 + 16;
}
std::size_t deaf_rounds(std::size_t nodes) {
  return crash_rounds(nodes) + static_cast<std::size_t>(fresh_rounds_max(nodes, 1s, 0));
}

bool tells_sums(std::size_t nodes) { return nodes > config().sums_peers_min; }

/// How often a run looks whether it is done: to compare all pairs of many nodes takes a while.
nanoseconds step_of(std::size_t nodes) { return nodes < 300 ? 100ms : 1s; }

/// A datagram that comes again.
struct copy {
  copy() = default;

  endpoint source;
  std::size_t destination = 0;
  std::vector<std::byte> datagram;
};

}  // namespace

bool see(const world& where, const std::vector<std::size_t>& by, const std::vector<std::size_t>& of,
         peer_status status) {
  for (const std::size_t observer : by) {
    for (const std::size_t subject : of) {
      if (observer == subject) continue;
      if (status_at(where, observer, name_of(subject)) != status) return false;
    }
  }
  return true;
}

std::vector<std::size_t> numbers(std::size_t from, std::size_t to) {
  std::vector<std::size_t> counted;
  for (; from < to; ++from) counted.push_back(from);
  return counted;
}

void check_one_way(std::size_t nodes, std::size_t faulty, bool is_deaf, nanoseconds watched_for) {
  CAPTURE(nodes);
  CAPTURE(faulty);
  CAPTURE(is_deaf);
  world cluster(nodes + 100 * faulty + (is_deaf ? 7 : 0));
  status_watch watch(cluster);
  add_cluster(cluster, nodes);
  const nanoseconds step = step_of(nodes);
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s, step));
  CHECK(all_tell_sums(cluster) == tells_sums(nodes));
  const std::vector<std::size_t> good = numbers(0, nodes - faulty);
  const std::vector<std::size_t> bad = numbers(nodes - faulty, nodes);
  const std::vector<std::size_t> all = numbers(0, nodes);
  REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s, step));
  cluster.observer = &watch;
  cluster.run_for(1s);

  cluster.is_cut = [&](std::size_t from, std::size_t to) {
    return (is_deaf ? to : from) >= nodes - faulty;
  };

  const auto bound = static_cast<std::int64_t>(deaf_rounds(nodes)) * 1s;
  const auto cut_at = cluster.time();
  CHECK(cluster.run_until([&] { return see(cluster, good, bad, peer_status::dead); }, bound, step));
  const auto found_after = (cluster.time() - cut_at) / 1s;
  CHECK(see(cluster, good, good, peer_status::live));
  cluster.run_for(watched_for);
  CHECK(see(cluster, good, bad, peer_status::dead));
  CHECK(watch.most() <= 1);

  cluster.is_cut = nullptr;
  const auto healed = static_cast<std::int64_t>(heal_rounds(nodes)) * 1s;
  const auto healed_at = cluster.time();
  CHECK(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, healed, step));
  if (nodes >= 300) {
    MESSAGE(nodes << " nodes, " << faulty << (is_deaf ? " deaf" : " mute") << ": dead after "
                  << found_after << " of " << bound / 1s << " rounds, live after "
                  << (cluster.time() - healed_at) / 1s << " of " << healed / 1s);
  }
  cluster.run_for(100s);
  CHECK(see(cluster, all, all, peer_status::live));
  CHECK(watch.most() <= 2);
}

void check_half_deaf(std::size_t nodes) {
  CAPTURE(nodes);
  world cluster(nodes);
  add_cluster(cluster, nodes);
  const std::vector<std::size_t> all = numbers(0, nodes);
  const std::vector<std::size_t> good = numbers(0, nodes / 2);
  const nanoseconds step = step_of(nodes);
  REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s, step));
  CHECK(all_tell_sums(cluster) == tells_sums(nodes));

  cluster.is_cut = [&](std::size_t, std::size_t to) { return to >= nodes / 2; };
  cluster.run_for(static_cast<std::int64_t>(deaf_rounds(nodes)) * 1s);

  std::size_t late = 0;
  for (const std::size_t observer : good) {
    for (std::size_t subject = nodes / 2; subject < nodes; ++subject) {
      if (!see(cluster, {observer}, {subject}, peer_status::dead)) ++late;
    }
  }
  MESSAGE(nodes << " nodes: " << late << " of " << nodes * nodes / 4 << " pairs are found late");
  CHECK(late <= nodes * nodes / 4 / 1000);
  CHECK(see(cluster, good, good, peer_status::live));
  cluster.is_cut = nullptr;
  const auto healed = static_cast<std::int64_t>(heal_rounds(nodes)) * 1s;
  CHECK(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, healed, step));
}

void check_cut_links(std::size_t nodes, std::size_t senders, nanoseconds watched_for) {
  CAPTURE(nodes);
  CAPTURE(senders);
  world cluster(nodes);
  status_watch watch(cluster);
  add_cluster(cluster, nodes);
  const std::vector<std::size_t> all = numbers(0, nodes);
  REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s,
                            step_of(nodes)));
  CHECK(all_tell_sums(cluster) == tells_sums(nodes));
  cluster.observer = &watch;

  cluster.is_cut = [&](std::size_t from, std::size_t to) {
    return from >= 1 && from <= senders && to == nodes - 1;
  };
  cluster.run_for(watched_for);

  CHECK(watch.most() == 0);
  CHECK(see(cluster, all, all, peer_status::live));
}

void check_late_copies(std::size_t nodes, std::uint64_t seed) {
  CAPTURE(nodes);
  CAPTURE(seed);
  world cluster(seed);
  status_watch watch(cluster);
  add_cluster(cluster, nodes);
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s, step_of(nodes)));
  CHECK(all_tell_sums(cluster) == tells_sums(nodes));
  std::map<endpoint, std::size_t> at;
  for (std::size_t node = 0; node + 1 < nodes; ++node) at.emplace(cluster.address(node), node);
  random_source draws(seed);
  std::multimap<nanoseconds, copy> late;
  cluster.on_send = [&](std::size_t from, const endpoint& to, std::span<const std::byte> datagram) {
    if (draws.below(3) != 0) return;
    const auto after = static_cast<std::int64_t>(draws.below(120'000'000'000));
    const auto receiver = at.find(to);
    if (receiver == at.end()) return;
    copy& kept = late.emplace(cluster.time() + nanoseconds{after}, copy())->second;
    kept.source = cluster.address(from);
    kept.destination = receiver->second;
    kept.datagram.assign(datagram.begin(), datagram.end());
  };
  cluster.run_for(30s);
  cluster.observer = &watch;

  cluster.crash(nodes - 1);
  std::size_t again = 0;
  for (int step = 0; step < 1500; ++step) {
    cluster.run_for(100ms);
    while (!late.empty() && late.begin()->first <= cluster.time()) {
      const copy next = std::move(late.begin()->second);
      late.erase(late.begin());
      cluster.inject(next.destination, next.source, next.datagram);
      ++again;
    }
  }

  if (nodes >= 300) MESSAGE(nodes << " nodes: " << again << " late copies");
  CHECK(again > 0);
  CHECK(watch.revivals() == 0);
  CHECK(watch.deaths() == nodes - 1);
  CHECK(all_see(cluster, name_of(nodes - 1), peer_status::dead));
}

}  // namespace gossipmonger
