#include "core/membership/completeness.hpp"

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

/// A peer in slot 1 that turned live when its heartbeat 10 was known.
class live_peer {
 public:
  live_peer() {
    state.begin(1);
    state.handle_status(1, peer_status::live, 10);
  }

  completeness state;
};

}  // namespace

TEST_CASE("completeness: a peer is complete once all is held that it said it has, and once only") {
  live_peer peer;
  peer.state.handle_word(1, 10, 5);

  CHECK_FALSE(peer.state.try_complete(1, 4));
  CHECK(peer.state.try_complete(1, 5));

  CHECK_FALSE(peer.state.try_complete(1, 6));
}

TEST_CASE("completeness: later words of the peer are waited for, as they may replace keys") {
  live_peer peer;
  peer.state.handle_word(1, 10, 5);

  peer.state.handle_word(1, 11, 9);

  CHECK(peer.state.told_version(1) == 9);
  CHECK_FALSE(peer.state.try_complete(1, 8));
  CHECK(peer.state.try_complete(1, 9));
}

TEST_CASE("completeness: a peer that said nothing itself is not complete") {
  live_peer peer;

  CHECK_FALSE(peer.state.try_complete(1, 100));
}

TEST_CASE(
    "completeness: a word from before the peer turned live says what it had, not what it has") {
  live_peer peer;

  peer.state.handle_word(1, 9, 3);
  CHECK_FALSE(peer.state.try_complete(1, 3));
  CHECK(peer.state.told_version(1) == 3);
  peer.state.handle_word(1, 10, 4);

  CHECK_FALSE(peer.state.try_complete(1, 3));
  CHECK(peer.state.try_complete(1, 4));
}

TEST_CASE("completeness: a peer that dies before is not complete, and is anew when it is back") {
  live_peer peer;
  peer.state.handle_word(1, 10, 5);

  peer.state.handle_status(1, peer_status::dead, 10);
  CHECK_FALSE(peer.state.try_complete(1, 5));
  peer.state.handle_status(1, peer_status::live, 40);
  CHECK_FALSE(peer.state.try_complete(1, 5));
  peer.state.handle_word(1, 40, 6);

  CHECK_FALSE(peer.state.try_complete(1, 5));
  CHECK(peer.state.try_complete(1, 6));
}

TEST_CASE("completeness: a new incarnation has told nothing") {
  live_peer peer;
  peer.state.handle_word(1, 10, 5);

  peer.state.begin(1);

  CHECK(peer.state.told_version(1) == 0);
  CHECK_FALSE(peer.state.try_complete(1, 5));
}

TEST_CASE("completeness: a late word does not lower what the peer is known to have") {
  live_peer peer;
  peer.state.handle_word(1, 12, 9);

  peer.state.handle_word(1, 11, 8);

  CHECK(peer.state.told_version(1) == 9);
}

}  // namespace gossipmonger
