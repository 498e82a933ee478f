#include "core/liveness/round_trips.hpp"

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Peers in the slots 1 and 2, of which nothing is known.
class two_peers {
 public:
  two_peers() {
    trips.begin(1);
    trips.begin(2);
  }

  round_trips trips;
};

}  // namespace

TEST_CASE("round_trips: the first sample is taken as it is, later ones by an eighth") {
  two_peers of;
  CHECK_FALSE(of.trips.smoothed(1));

  of.trips.handle_sent(1, 10, 100ms);
  of.trips.handle_reply(1, 10, 180ms);
  CHECK(of.trips.smoothed(1) == 80ms);
  of.trips.handle_sent(1, 11, 200ms);
  of.trips.handle_reply(1, 11, 216ms);

  CHECK(of.trips.smoothed(1) == 72ms);  // 80 + (16 - 80) / 8
  CHECK_FALSE(of.trips.smoothed(2));
}

TEST_CASE("round_trips: a leg is answered once, by a reply that knows of it") {
  two_peers of;
  of.trips.handle_sent(1, 10, 100ms);

  of.trips.handle_reply(1, 9, 110ms);  // written before the leg arrived
  of.trips.handle_reply(2, 10, 120ms);
  of.trips.handle_reply(1, 0, 130ms);  // of another run of mine
  CHECK_FALSE(of.trips.smoothed(1));
  of.trips.handle_reply(1, 10, 150ms);
  of.trips.handle_reply(1, 10, 400ms);  // its second datagram

  CHECK(of.trips.smoothed(1) == 50ms);
  CHECK(of.trips.awaited() == 0);
}

TEST_CASE("round_trips: a path longer than a round is measured by the legs' own heartbeats") {
  two_peers of;
  of.trips.handle_sent(1, 10, 0ms);
  of.trips.handle_sent(1, 11, 100ms);
  of.trips.handle_sent(1, 12, 200ms);

  of.trips.handle_reply(1, 10, 250ms);
  CHECK(of.trips.smoothed(1) == 250ms);
  of.trips.handle_reply(1, 11, 350ms);

  CHECK(of.trips.smoothed(1) == 250ms);
  CHECK(of.trips.awaited() == 1);
}

TEST_CASE("round_trips: a lost reply does not lengthen the next") {
  two_peers of;
  of.trips.handle_sent(1, 10, 0ms);
  of.trips.handle_sent(1, 20, 1000ms);

  of.trips.handle_reply(1, 20, 1030ms);

  CHECK(of.trips.smoothed(1) == 30ms);
  CHECK(of.trips.awaited() == 0);
}

TEST_CASE("round_trips: two legs at one heartbeat measure nothing, for either may be answered") {
  two_peers of;
  of.trips.handle_sent(1, 10, 0ms);
  of.trips.handle_sent(1, 10, 90ms);

  of.trips.handle_reply(1, 10, 100ms);

  CHECK_FALSE(of.trips.smoothed(1));
  CHECK(of.trips.awaited() == 0);
}

TEST_CASE("round_trips: of too many awaited legs the oldest goes") {
  two_peers of;
  of.trips.handle_sent(1, 1, 0ms);
  for (std::uint64_t heartbeat = 2; heartbeat < 2 + round_trips::awaited_max; ++heartbeat) {
    of.trips.handle_sent(2, heartbeat, 0ms);
  }

  CHECK(of.trips.awaited() == round_trips::awaited_max);
  of.trips.handle_reply(1, 100, 10ms);

  CHECK_FALSE(of.trips.smoothed(1));
}

TEST_CASE("round_trips: a new incarnation has none, and answers nothing that was sent before") {
  two_peers of;
  of.trips.handle_sent(1, 10, 0ms);
  of.trips.handle_reply(1, 10, 5ms);
  of.trips.handle_sent(1, 11, 10ms);

  of.trips.begin(1);
  CHECK_FALSE(of.trips.smoothed(1));
  of.trips.handle_reply(1, 11, 20ms);

  CHECK_FALSE(of.trips.smoothed(1));
}

}  // namespace gossipmonger
