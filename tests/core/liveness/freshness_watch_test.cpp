#include "core/liveness/freshness_watch.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t generation = 1000;
constexpr std::uint64_t heartbeat = 5000;

/// A node with an interval of 1 s that knows one peer: an echo is stale from 11 rounds on.
class watcher {
 public:
  watcher() {
    static_cast<void>(peers.try_add("self", 1));
    peers.begin(self_slot, generation, heartbeat, 0ns, 0ns);
    peers.self().set_status(peer_status::self);
    peer = *peers.try_add("peer", 2);
    peers.begin(peer, generation, 70, 0ns, 0ns);
    set_status(peer_status::live);
  }

  void set_status(peer_status status) { peers[peer].set_status(status); }
  /// Of the peer, whose entry of this node is `age` rounds old.
  [[nodiscard]] bool is_fresh(message_kind kind, std::uint64_t age) {
    return is_fresh_of(generation, heartbeat - age, kind);
  }
  [[nodiscard]] bool is_fresh_of(std::uint64_t run, std::uint64_t beat, message_kind kind,
                                 std::uint64_t of_peer = 70) {
    message received;
    received.kind = kind;
    received.sender.name_hash = 2;
    received.sender.heartbeat = of_peer;
    received.receiver.generation = run;
    received.receiver.heartbeat = beat;
    return watch.is_fresh(received);
  }

  config settings;
  peer_table peers{8};
  slot_index peer = 0;
  freshness_watch watch{settings, peers};
};

}  // namespace

TEST_CASE("freshness watch: a peer's word is fresh while its entry of me is") {
  watcher node;
  REQUIRE(node.watch.rounds_max() == 10);
  CHECK(node.is_fresh(message_kind::digest, 10));
  CHECK_FALSE(node.is_fresh(message_kind::digest, 11));
}

TEST_CASE("freshness watch: late answers show a long path, which a new run keeps") {
  watcher node;
  node.settings.gossip_interval = 10ms;
  CHECK_FALSE(node.is_fresh(message_kind::digest, 11));
  CHECK_FALSE(node.is_fresh(message_kind::digest, 11));  // digests show nothing of it
  CHECK(node.is_fresh(message_kind::reply, 12));         // three rounds of path, twice
  CHECK(node.is_fresh(message_kind::digest, 16));

  node.watch.begin(node.peer);
  CHECK(node.is_fresh(message_kind::digest, 16));
  node.watch.forget(node.peer);
  CHECK_FALSE(node.is_fresh(message_kind::digest, 16));
}

TEST_CASE("freshness watch: the dead return with an echo from after their death alone") {
  watcher node;
  node.watch.handle_death(node.peer, 80);
  node.set_status(peer_status::dead);
  CHECK_FALSE(node.is_fresh(message_kind::digest, 0));
  CHECK(node.is_fresh_of(generation, heartbeat + 1, message_kind::digest));

  node.set_status(peer_status::live);  // it is back, so its late datagrams count again
  CHECK(node.is_fresh(message_kind::digest, 0));

  node.set_status(peer_status::dead);
  node.watch.begin(node.peer);  // another run of it
  CHECK(node.is_fresh(message_kind::digest, 0));
}

TEST_CASE("freshness watch: an answer to a higher run of mine tells its age by its own heartbeat") {
  watcher node;
  CHECK(node.is_fresh_of(generation + 1, 0, message_kind::reply));
  CHECK_FALSE(node.is_fresh_of(generation + 1, 0, message_kind::digest));

  node.watch.handle_death(node.peer, 80);
  node.set_status(peer_status::dead);
  CHECK_FALSE(node.is_fresh_of(generation + 1, 0, message_kind::reply, 80));
  CHECK(node.is_fresh_of(generation + 1, 0, message_kind::reply, 81));
}

}  // namespace gossipmonger
