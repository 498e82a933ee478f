// Nodes that hear nobody, or that nobody hears; datagrams that come late, or again; long paths.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/core/freshness.hpp"
#include "gossipmonger/core/random.hpp"
#include "gossipmonger/sim/simulation.hpp"
#include "gossipmonger/sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// Counts, for each observer and subject, how often the status changed between live and dead.
class status_watch : public world_observer {
 public:
  explicit status_watch(const world& watched) : watched_(watched) {}

  void handle_start(node_index) override {}
  void handle_stop(node_index) override {}
  void handle_arrival(node_index, const endpoint&, const message&, std::size_t) override {}
  void handle_send(node_index, const endpoint&, const message&, std::size_t) override {}
  void handle_step(node_index node, bool) override {
    for (const peer_view row : watched_[node].peers().by_hash()) {
      if (row.slot() == self_slot || row.status() == peer_status::unjudged) continue;
      const auto [place, is_new] =
          last_.try_emplace(std::pair(node, row.name_hash()), row.status());
      if (is_new || place->second == row.status()) continue;
      if (row.status() == peer_status::live) ++revivals_;
      if (row.status() == peer_status::dead) ++deaths_;
      place->second = row.status();
      ++changes_[place->first];
    }
  }

  [[nodiscard]] std::size_t most() const {
    std::size_t most = 0;
    for (const auto& [pair, count] : changes_) most = std::max(most, count);
    return most;
  }
  [[nodiscard]] std::size_t deaths() const { return deaths_; }
  [[nodiscard]] std::size_t revivals() const { return revivals_; }
  void clear() {
    changes_.clear();
    deaths_ = revivals_ = 0;
  }

 private:
  const world& watched_;
  std::map<std::pair<node_index, std::uint64_t>, peer_status> last_;
  std::map<std::pair<node_index, std::uint64_t>, std::size_t> changes_;
  std::size_t deaths_ = 0;
  std::size_t revivals_ = 0;
};

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

/// A datagram that comes again.
struct copy {
  copy() = default;

  endpoint source;
  endpoint destination;
  std::vector<std::byte> datagram;
};

/// Whether each node in `by` sees each in `of`, itself excepted, with that status.
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

std::vector<std::size_t> range(std::size_t from, std::size_t to) {
  std::vector<std::size_t> numbers;
  for (; from < to; ++from) numbers.push_back(from);
  return numbers;
}

/// The last `faulty` of `nodes` hear nobody, or are heard by nobody, and hear again later.
void check_one_way(std::size_t nodes, std::size_t faulty, bool is_deaf, nanoseconds watched_for) {
  CAPTURE(nodes);
  CAPTURE(faulty);
  CAPTURE(is_deaf);
  world cluster(nodes + 100 * faulty + (is_deaf ? 7 : 0));
  status_watch watch(cluster);
  add_cluster(cluster, nodes);
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
  const std::vector<std::size_t> good = range(0, nodes - faulty);
  const std::vector<std::size_t> bad = range(nodes - faulty, nodes);
  const std::vector<std::size_t> all = range(0, nodes);
  REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s));
  cluster.observer = &watch;
  cluster.run_for(1s);

  cluster.is_cut = [&](std::size_t from, std::size_t to) {
    return (is_deaf ? to : from) >= nodes - faulty;
  };

  const auto bound = static_cast<std::int64_t>(deaf_rounds(nodes)) * 1s;
  CHECK(cluster.run_until([&] { return see(cluster, good, bad, peer_status::dead); }, bound));
  CHECK(see(cluster, good, good, peer_status::live));
  cluster.run_for(watched_for);
  CHECK(see(cluster, good, bad, peer_status::dead));
  CHECK(watch.most() <= 1);

  cluster.is_cut = nullptr;
  const auto healed = static_cast<std::int64_t>(heal_rounds(nodes)) * 1s;
  CHECK(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, healed));
  cluster.run_for(100s);
  CHECK(see(cluster, all, all, peer_status::live));
  CHECK(watch.most() <= 2);
}

}  // namespace

TEST_CASE("deafness: a node that hears nobody is dead for all, once, until it hears again") {
  for (const std::size_t nodes : {2U, 3U, 4U, 8U, 30U}) check_one_way(nodes, 1, true, 500s);
  check_one_way(100, 1, true, 60s);
}

TEST_CASE("deafness: a node that nobody hears is dead for all, once, until it is heard again") {
  for (const std::size_t nodes : {2U, 3U, 4U, 8U, 30U}) check_one_way(nodes, 1, false, 500s);
  check_one_way(100, 1, false, 60s);
}

TEST_CASE("deafness: the deaf do not keep each other alive") {
  check_one_way(8, 4, true, 300s);
  check_one_way(30, 15, true, 100s);
}

TEST_CASE("deafness: a cut of one link, one way, kills nobody") {
  for (const std::size_t nodes : {3U, 4U, 8U}) {
    CAPTURE(nodes);
    world cluster(nodes);
    status_watch watch(cluster);
    add_cluster(cluster, nodes);
    const std::vector<std::size_t> all = range(0, nodes);
    REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s));
    cluster.observer = &watch;

    cluster.is_cut = [&](std::size_t from, std::size_t to) { return from == 1 && to == nodes - 1; };
    cluster.run_for(1000s);

    CHECK(watch.most() == 0);
    CHECK(see(cluster, all, all, peer_status::live));
  }
}

TEST_CASE("deafness: rounds far shorter than the path kill nobody") {
  for (const auto path : {200ms, 1000ms, 2000ms}) {
    CAPTURE(path.count());
    world cluster(3);
    status_watch watch(cluster);
    config common;
    common.gossip_interval = 10ms;
    cluster.conditions.delay_min = path;
    cluster.conditions.delay_max = path + 10ms;
    constexpr std::size_t nodes = 8;
    add_cluster(cluster, nodes, common);
    const std::vector<std::size_t> all = range(0, nodes);
    REQUIRE(cluster.run_until([&] { return see(cluster, all, all, peer_status::live); }, 120s));
    cluster.run_for(10 * path);
    cluster.observer = &watch;

    cluster.run_for(20s);

    CHECK(watch.deaths() == 0);
  }
}

TEST_CASE("deafness: a path that delivers copies late revives no crashed node") {
  std::size_t deaths = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    world cluster(seed);
    status_watch watch(cluster);
    constexpr std::size_t nodes = 5;
    add_cluster(cluster, nodes);
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
    // Of every third datagram a second copy comes, up to two minutes after the first.
    random_source draws(seed);
    std::multimap<nanoseconds, copy> late;
    cluster.on_send = [&](std::size_t from, const endpoint& to,
                          std::span<const std::byte> datagram) {
      if (draws.below(3) != 0) return;
      const auto after = static_cast<std::int64_t>(draws.below(120'000'000'000));
      copy& kept = late.emplace(cluster.time() + nanoseconds{after}, copy())->second;
      kept.source = cluster.address(from);
      kept.destination = to;
      kept.datagram.assign(datagram.begin(), datagram.end());
    };
    cluster.run_for(30s);
    cluster.observer = &watch;

    cluster.crash(4);
    for (int step = 0; step < 1500; ++step) {
      cluster.run_for(100ms);
      while (!late.empty() && late.begin()->first <= cluster.time()) {
        const copy again = std::move(late.begin()->second);
        late.erase(late.begin());
        for (std::size_t to = 0; to < 4; ++to) {
          if (cluster.address(to) != again.destination) continue;
          cluster.inject(to, again.source, again.datagram);
        }
      }
    }

    CHECK(watch.revivals() == 0);
    deaths += watch.deaths();
    CHECK(all_see(cluster, "n4", peer_status::dead));
  }
  CHECK(deaths == 80);
}

}  // namespace gossipmonger
