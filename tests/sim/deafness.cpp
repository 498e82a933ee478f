#include "deafness.hpp"

#include <algorithm>
#include <bit>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "core/liveness/freshness.hpp"
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
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
  const std::vector<std::size_t> good = numbers(0, nodes - faulty);
  const std::vector<std::size_t> bad = numbers(nodes - faulty, nodes);
  const std::vector<std::size_t> all = numbers(0, nodes);
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

}  // namespace gossipmonger
