#include "core/exchange/flight_log.hpp"

#include <doctest/doctest.h>

namespace gossipmonger {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t remote = 7;
constexpr std::uint64_t owner = 8;
constexpr std::uint64_t generation = 9;

}  // namespace

TEST_CASE("flight_log: what was sent is on its way until it is due") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);

  const flight_answer soon = log.handle_held(remote, owner, generation, 20, 5, 13s);
  CHECK(soon.after == 100);
  CHECK_FALSE(soon.was_lost);
  CHECK_FALSE(soon.has_arrived);

  const flight_answer late = log.handle_held(remote, owner, generation, 20, 5, 14s);
  CHECK(late.after == 20);
  CHECK(late.was_lost);
  CHECK(log.is_empty());
}

TEST_CASE(
    "flight_log: whoever has seen a later heartbeat of mine has what went before it, or lost it") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);

  const flight_answer seen = log.handle_held(remote, owner, generation, 20, 6, 10s);
  CHECK(seen.after == 20);
  CHECK(seen.was_lost);
}

TEST_CASE("flight_log: what arrived is forgotten, and what follows goes on from it") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);

  const flight_answer all = log.handle_held(remote, owner, generation, 100, 5, 10s);
  CHECK(all.after == 100);
  CHECK(all.has_arrived);
  CHECK_FALSE(all.was_lost);
  CHECK(log.is_empty());
}

TEST_CASE("flight_log: of what goes on being sent, each round's part counts by itself") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);
  log.handle_sent(remote, owner, generation, 150, 6, 15s);
  log.handle_sent(remote, owner, generation, 200, 6, 15s);

  SUBCASE("it came: the rest is still on its way") {
    const flight_answer seen = log.handle_held(remote, owner, generation, 120, 6, 14s);
    CHECK(seen.after == 200);
    CHECK(seen.has_arrived);
  }
  SUBCASE("it did not: everything is sent again from there") {
    const flight_answer seen = log.handle_held(remote, owner, generation, 99, 6, 13s);
    CHECK(seen.after == 99);
    CHECK(seen.was_lost);
    CHECK_FALSE(seen.has_arrived);
  }
  SUBCASE("a part of it came, and the next was lost: that is a loss alone") {
    const flight_answer seen = log.handle_held(remote, owner, generation, 120, 7, 13s);
    CHECK(seen.after == 120);
    CHECK(seen.was_lost);
    CHECK_FALSE(seen.has_arrived);
  }
}

TEST_CASE("flight_log: the sendings of nine rounds take eight marks, and none is lost sight of") {
  flight_log log(4);
  for (std::uint64_t round = 1; round <= 9; ++round) {
    log.handle_sent(remote, owner, generation, 100 * round, round, 20s);
  }

  // The eighth mark holds the ninth too.
  CHECK(log.handle_held(remote, owner, generation, 799, 9, 10s).after == 900);
  CHECK(log.handle_held(remote, owner, generation, 799, 10, 10s).was_lost);
}

TEST_CASE("flight_log: what is sent again after a loss begins anew") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);
  log.handle_sent(remote, owner, generation, 60, 6, 15s);

  CHECK(log.handle_held(remote, owner, generation, 20, 6, 14s).after == 60);
}

TEST_CASE("flight_log: another run of the owner, another remote or owner: nothing is on its way") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);

  CHECK(log.handle_held(remote + 1, owner, generation, 20, 5, 10s).after == 20);
  CHECK(log.handle_held(remote, owner + 1, generation, 20, 5, 10s).after == 20);
  CHECK(log.handle_held(remote, owner, generation, 20, 5, 10s).after == 100);
  CHECK(log.handle_held(remote, owner, generation + 1, 20, 5, 10s).after == 20);
  CHECK(log.is_empty());
}

TEST_CASE("flight_log: when it is full, the flow that was added to least recently goes") {
  flight_log log(2);
  log.handle_sent(1, owner, generation, 100, 5, 14s);
  log.handle_sent(2, owner, generation, 100, 5, 14s);
  log.handle_sent(1, owner, generation, 110, 5, 14s);
  log.handle_sent(3, owner, generation, 100, 5, 14s);

  CHECK(log.size() == 2);
  CHECK(log.handle_held(1, owner, generation, 0, 5, 10s).after == 110);
  CHECK(log.handle_held(2, owner, generation, 0, 5, 10s).after == 0);
  CHECK(log.handle_held(3, owner, generation, 0, 5, 10s).after == 100);
}

TEST_CASE("flight_log: parts of a value stand between what is before it and all of it") {
  const flight_place before(100);
  const flight_place begun(100, position(105, 1000));
  const flight_place further(100, position(105, 2000));
  const flight_place all(105);

  CHECK(before < begun);
  CHECK(begun < further);
  CHECK(further < all);
  CHECK_FALSE(begun < before);
  CHECK_FALSE(all < further);
}

TEST_CASE("flight_log: parts of a value that are on their way are gone on from, by offset") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, flight_place(100, position(105, 1000)), 5, 14s);
  log.handle_sent(remote, owner, generation, flight_place(100, position(105, 9000)), 5, 14s);

  SUBCASE("none has come yet") {
    const flight_answer seen = log.handle_held(remote, owner, generation, 100, 5, 10s);
    CHECK(seen.after == 100);
    CHECK(seen.part == position(105, 9000));
    CHECK_FALSE(seen.was_lost);
  }
  SUBCASE("some have") {
    const flight_answer seen =
        log.handle_held(remote, owner, generation, flight_place(100, position(105, 4000)), 5, 10s);
    CHECK(seen.part == position(105, 9000));
  }
  SUBCASE("some have, and the rest is lost: from where they end") {
    const flight_answer seen =
        log.handle_held(remote, owner, generation, flight_place(100, position(105, 4000)), 6, 10s);
    CHECK(seen.was_lost);
    CHECK(seen.after == 100);
    CHECK(seen.part == position(105, 4000));
  }
  SUBCASE("all have") {
    const flight_answer seen =
        log.handle_held(remote, owner, generation, flight_place(100, position(105, 9000)), 6, 10s);
    CHECK(seen.has_arrived);
    CHECK(log.is_empty());
  }
  SUBCASE("what lies before the value is there by another") {
    const flight_answer seen = log.handle_held(remote, owner, generation, 104, 5, 10s);
    CHECK(seen.after == 104);
    CHECK(seen.part == position(105, 9000));
    CHECK_FALSE(seen.was_lost);
  }
  SUBCASE("the value is whole there by another") {
    CHECK(log.handle_held(remote, owner, generation, 105, 5, 10s).has_arrived);
    CHECK(log.is_empty());
  }
}

TEST_CASE("flight_log: going on within a round does not put off when the first of it is due") {
  flight_log log(4);
  log.handle_sent(remote, owner, generation, 100, 5, 14s);
  log.handle_sent(remote, owner, generation, 200, 5, 15s);

  CHECK_FALSE(log.handle_held(remote, owner, generation, 20, 5, 13s).was_lost);
  CHECK(log.handle_held(remote, owner, generation, 20, 5, 14s).was_lost);
}

}  // namespace gossipmonger
