// A service, and its test on a simulated cluster. lib/GUIDE.md shows this file.
#include <chrono>
#include <string>

#include <doctest/doctest.h>
#include <asio/awaitable.hpp>

#include "gossipmonger/testing/simulated_cluster.hpp"

using namespace std::chrono_literals;

namespace {

/// The service: the live node with the smallest name leads, and each says whom it follows. Written
/// for `node_base`, it runs over UDP (`gossipmonger::node`) and in the test below.
asio::awaitable<void> follow_leader(gossipmonger::node_base& self) {
  gossipmonger::subscription events = self.subscribe();
  for (;;) {
    const gossipmonger::result<gossipmonger::event> seen = co_await events.next();
    if (!seen) co_return;
    std::string leader(self.name());
    for (const gossipmonger::member& peer : self.members()) {
      if (peer.status == gossipmonger::peer_status::live && peer.name < leader) leader = peer.name;
    }
    static_cast<void>(self.set("follows", leader));
  }
}

}  // namespace

TEST_CASE("example: ten nodes follow one leader, the next when it crashes, one again when healed") {
  gossipmonger::simulated_cluster cluster(1);
  for (int i = 0; i < 10; ++i) {
    cluster.add(gossipmonger::config(), follow_leader);
  }
  const auto all_follow = [&cluster](std::string_view leader, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      const auto follows = cluster[i].get(cluster[i].name(), "follows");
      if (!follows || follows->value != leader) return false;
    }
    return true;
  };
  CHECK(cluster.run_until([&] { return all_follow("n0", 0, 10); }, 60s));
  cluster.run_for(10s);  // by then they know each other, not their seed alone

  cluster.crash(0);
  CHECK(cluster.run_until([&] { return all_follow("n1", 1, 10); }, 60s));

  cluster.partition({1, 2, 3});
  CHECK(cluster.run_until([&] { return all_follow("n1", 1, 4) && all_follow("n4", 4, 10); }, 60s));

  cluster.heal();
  cluster.restart(0);
  CHECK(cluster.run_until([&] { return all_follow("n0", 0, 10); }, 60s));
}
