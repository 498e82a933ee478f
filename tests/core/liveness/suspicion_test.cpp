// Rounds of one second, jitter 0.1, twelve rounds from suspicion to declaration.
#include "core/liveness/suspicion.hpp"

#include <doctest/doctest.h>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

const suspicion_rules rules(1s, 0.1, 12);

suspicion alive_at(std::chrono::nanoseconds time, std::uint64_t heartbeat) {
  suspicion known;
  known.handle_alive(heartbeat, time);
  return known;
}

}  // namespace

TEST_CASE("suspicion: a suspicion counts if it is later than the sign of life, or there is none") {
  suspicion unknown;
  CHECK(unknown.suspect(5s, 7, 5s));
  CHECK_FALSE(unknown.handle_heartbeat(22, rules));  // 7 and 16 rounds on its way
  CHECK(unknown.handle_heartbeat(23, rules));
  CHECK(unknown.suspect(5s, 7, 5s));
  CHECK(unknown.handle_alive(1, 6s));

  suspicion known = alive_at(10s, 7);
  CHECK_FALSE(known.suspect(9s, 7, 12s));
  CHECK_FALSE(known.suspect(10s, 7, 12s));
  CHECK_FALSE(known.is_suspect());
  CHECK(known.suspect(11s, 7, 12s));
  CHECK(known.is_suspect());
}

TEST_CASE("suspicion: a later sign of life ends it; a delayed datagram is none") {
  suspicion known = alive_at(10s, 7);
  REQUIRE(known.suspect(11s, 7, 12s));

  CHECK_FALSE(known.handle_alive(6, 13s));
  CHECK(known.is_suspect());
  CHECK(known.handle_alive(7, 13s));  // the same round of its, heard again
  CHECK_FALSE(known.is_suspect());
}

TEST_CASE("suspicion: what others claim of its heartbeat does not make its own word old") {
  suspicion known = alive_at(10s, 7);
  known.adopt(heartbeat_max, 10s);
  REQUIRE(known.suspect(11s, 8, 12s));

  CHECK_FALSE(known.handle_alive(6, 13s));  // older than what it said itself
  CHECK(known.is_suspect());
  CHECK(known.handle_alive(8, 13s));
  CHECK(known.is_alive_after(13s));
}

TEST_CASE(
    "suspicion: another's sign of life counts if its heartbeat is higher and its time is later") {
  suspicion known = alive_at(10s, 7);
  REQUIRE(known.suspect(11s, 7, 12s));

  CHECK_FALSE(known.adopt(7, 13s));  // the heartbeat held, grown younger on its way
  CHECK(known.is_suspect());
  CHECK_FALSE(known.adopt(8, 10s + 900ms));  // newer, but from before the suspicion
  CHECK(known.is_suspect());
  CHECK(known.adopt(9, 11s));
  CHECK_FALSE(known.is_suspect());
  CHECK_FALSE(known.suspect(11s, 7, 14s));  // and it is immune against what was refuted
}

TEST_CASE("suspicion: of several suspicions the earliest stands") {
  suspicion known = alive_at(10s, 7);
  REQUIRE(known.suspect(14s, 7, 15s));

  CHECK_FALSE(known.suspect(12s, 7, 16s));
  CHECK_FALSE(known.suspect(13s, 7, 16s));

  known.handle_asked(20s);
  CHECK_FALSE(known.is_ripe(24s - 1ns, rules));
  CHECK(known.is_ripe(24s, rules));
}

TEST_CASE("suspicion: ripe after its rounds, and a third of them before my own eyes") {
  suspicion early = alive_at(10s, 7);
  REQUIRE(early.suspect(11s, 7, 11s));
  CHECK_FALSE(early.is_nearly_ripe(19s - 1ns, rules));
  CHECK(early.is_nearly_ripe(19s, rules));  // 11 + 12 - 4
  CHECK_FALSE(early.is_ripe(23s, rules));   // not without having asked it
  early.handle_asked(22s);
  CHECK_FALSE(early.is_ripe(23s - 1ns, rules));
  CHECK(early.is_ripe(23s, rules));

  // Asked just now, it had no time to answer; to be asked again takes none of that away.
  suspicion hasty = alive_at(10s, 7);
  REQUIRE(hasty.suspect(11s, 7, 11s));
  hasty.handle_asked(23s);
  hasty.handle_asked(23s + 400ms);
  CHECK_FALSE(hasty.is_ripe(23s + 500ms - 1ns, rules));
  CHECK(hasty.is_ripe(23s + 500ms, rules));

  // Told of a suspicion that is ripe already: one liar declares nobody dead at once.
  suspicion late = alive_at(10s, 7);
  REQUIRE(late.suspect(11s, 7, 30s));
  CHECK(late.is_nearly_ripe(30s, rules));
  late.handle_asked(30s);
  CHECK_FALSE(late.is_ripe(34s - 1ns, rules));
  CHECK(late.is_ripe(34s, rules));

  // A pause is no time in which I could have heard anything.
  early.handle_pause(40s);
  CHECK_FALSE(early.is_ripe(44s, rules));
  early.handle_asked(41s);
  CHECK_FALSE(early.is_ripe(44s - 1ns, rules));
  CHECK(early.is_ripe(44s, rules));
}

TEST_CASE("suspicion: a heartbeat that only the living reach refutes") {
  suspicion known = alive_at(10s, 100);
  // 16 rounds from the sign of life: 100 + 16 + 2, and ceil(2.4 * 0.1 * sqrt(16)) = 1 for jitter.
  CHECK(known.heartbeat_after(26s, rules) == 119);
  REQUIRE(known.suspect(26s, 7, 27s));

  CHECK_FALSE(known.handle_heartbeat(118, rules));
  CHECK(known.is_suspect());
  CHECK(known.handle_heartbeat(119, rules));
  CHECK_FALSE(known.is_suspect());
}

TEST_CASE("suspicion: it is told in sixteenths of a round, and comes back as it went") {
  suspicion known = alive_at(10s, 7);
  CHECK(known.entry(12s, 1s).suspicion_age == suspicion_entry::no_suspicion);
  REQUIRE(known.suspect(11s, 7, 11s));

  const suspicion_entry told = known.entry(12s + 32ms, 1s);  // 1.032 s is 16.5 sixteenths: the next

  CHECK(told.heartbeat == 7);
  CHECK(told.suspicion_age == 17);
  CHECK(told.alive_age == 33);
  CHECK_FALSE(told.is_probe_request);
  CHECK(known.entry(12s, 1s, 11s + 500ms).suspicion_age == 8);
}

TEST_CASE("suspicion: ages that do not fit saturate, and a suspicion stays one") {
  suspicion known = alive_at(0s, 7);
  REQUIRE(known.suspect(1s, 7, 1s));

  const suspicion_entry told = known.entry(2'000'000s, 1s);

  CHECK(told.suspicion_age == suspicion_entry::no_suspicion - 1);
  CHECK(told.alive_age == suspicion_entry::alive_age_max);
  CHECK(suspicion().entry(5s, 1s).alive_age == suspicion_entry::alive_age_max);
}

TEST_CASE("suspicion: a second one waits for an answer of its own, like the first") {
  suspicion state;
  REQUIRE_FALSE(state.handle_alive(1, 0s));
  REQUIRE(state.suspect(1s, 1, 1s));
  state.handle_asked(9s);
  REQUIRE(state.handle_alive(2, 10s));

  REQUIRE(state.suspect(11s, 2, 11s));

  CHECK(state.is_nearly_ripe(30s, rules));
  CHECK_FALSE(state.is_ripe(30s, rules));
  state.handle_asked(30s);
  CHECK_FALSE(state.is_ripe(30s + 499ms, rules));
  CHECK(state.is_ripe(30s + 500ms, rules));
}
