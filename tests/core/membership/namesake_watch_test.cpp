#include "core/membership/namesake_watch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// A peer whose newer run came in at my heartbeat 100; copies settle in 8 s, a lapse is 20 s.
class watched_peer {
 public:
  watched_peer() { watch.begin(100); }

  bool hear(std::uint64_t seen_heartbeat, std::chrono::nanoseconds last_advance) {
    return watch.hear(seen_heartbeat, last_advance, 8s, 20s, now);
  }

  namesake_watch watch;
  std::chrono::nanoseconds now = 1000s;
};

}  // namespace

TEST_CASE("namesake_watch: both runs go on, so two nodes live under that name") {
  watched_peer peer;
  CHECK_FALSE(peer.hear(101, 1000s));
  peer.now += 8s;
  CHECK_FALSE(peer.hear(109, 1008s));
  peer.now += 1s;

  CHECK(peer.hear(110, 1009s));

  CHECK(peer.watch.is_shared(1028s));
  CHECK_FALSE(peer.watch.is_shared(1029s));
}

TEST_CASE("namesake_watch: a datagram from before the newer run is no sign that the older lives") {
  watched_peer peer;
  for (int i = 0; i < 40; ++i) {
    peer.now += 1s;
    CHECK_FALSE(peer.hear(100, peer.now));
    CHECK_FALSE(peer.hear(0, peer.now));
  }
}

TEST_CASE("namesake_watch: beside a restarted node the run that is held makes no progress") {
  watched_peer peer;
  for (std::uint64_t round = 1; round < 40; ++round) {
    // Copies of one relic differ, and so it seems to advance until they are equal.
    const auto last_advance = std::min<std::chrono::nanoseconds>(peer.now, 1009s);
    peer.now += 1s;
    CHECK_FALSE(peer.hear(100 + round, last_advance));
  }
}

TEST_CASE("namesake_watch: after a lapse, and with another run, the watch begins anew") {
  watched_peer peer;
  CHECK_FALSE(peer.hear(101, 1000s));
  peer.now += 20s + 1ns;
  CHECK_FALSE(peer.hear(121, peer.now));
  peer.now += 9s;
  CHECK(peer.hear(130, peer.now));

  peer.watch.begin(130);
  CHECK_FALSE(peer.watch.is_shared(peer.now));
  CHECK_FALSE(peer.hear(130, peer.now));
  CHECK_FALSE(peer.hear(131, peer.now));
}

TEST_CASE("namesake_watch: it is told once a grace, whichever run is held") {
  watched_peer peer;
  CHECK(peer.watch.may_tell(1000s, 60s));
  peer.watch.begin(200);
  CHECK_FALSE(peer.watch.may_tell(1059s, 60s));
  CHECK(peer.watch.may_tell(1060s, 60s));
}

}  // namespace gossipmonger
