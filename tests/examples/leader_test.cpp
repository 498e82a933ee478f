// A leader without votes: the live node with the smallest name. For a while two nodes may lead, as
// long as a crash or a cut is not known everywhere. So a leader may start work, but may not be the
// only guard of it.
#include <chrono>
#include <string>

#include <doctest/doctest.h>
#include <asio/awaitable.hpp>
#include <gossipmonger/gossipmonger.hpp>
#include <gossipmonger/testing/simulated_cluster.hpp>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

std::string leader_of(const node_base& self, const membership_view& view) {
  std::string leader(self.name());
  for (const auto& [name, row] : view.rows()) {
    if (row.status == peer_status::live && name < leader) leader = name;
  }
  return leader;
}

/// Publishes whom this node follows, whenever that changes.
asio::awaitable<void> follow(node_base& self) {
  subscription events = self.subscribe();
  membership_view view;
  for (;;) {
    const result<event> seen = co_await events.next();
    if (!seen) co_return;
    view.apply(*seen);
    const result<std::uint64_t> version = self.set("follows", leader_of(self, view));
    if (!version) co_return;
  }
}

/// Whether all nodes that run, from `first` on, follow `leader`.
bool all_follow(simulated_cluster& cluster, const std::string& leader, std::size_t first = 0) {
  for (std::size_t i = first; i < cluster.size(); ++i) {
    const auto follows = cluster[i].get(cluster[i].name(), "follows");
    if (!follows || follows->value != leader) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("leader: all follow the smallest name, and the next one when it crashes") {
  simulated_cluster cluster(1);
  for (int i = 0; i < 5; ++i) cluster.add(config(), follow);
  CHECK(cluster.run_until([&] { return all_follow(cluster, "n0"); }, 60s));
  cluster.run_for(10s);  // by then the nodes know each other, not their seed alone

  cluster.crash(0);
  CHECK(cluster.run_until([&] { return all_follow(cluster, "n1", 1); }, 120s));

  cluster.restart(0);
  CHECK(cluster.run_until([&] { return all_follow(cluster, "n0"); }, 60s));
}
