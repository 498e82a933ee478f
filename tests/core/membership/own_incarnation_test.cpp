#include "core/membership/own_incarnation.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using what = own_name_outcome::what;

constexpr std::uint32_t my_instance = 7;

/// A node of generation 1,000 that has run for 50 rounds of 1 s. The longest interval is 16 s.
class own_node {
 public:
  own_node() {
    run.generation = 1000;
    run.max_version = 3;
    run.heartbeat = 50;
    run.instance = my_instance;
    run.generation_limit = 100'000;
  }

  /// The word of a live peer.
  own_name_outcome hear(std::uint64_t generation, std::uint64_t heartbeat,
                        std::uint32_t instance = 0, bool is_by_peer = true) {
    own_word word;
    word.held.generation = generation;
    word.held.heartbeat = heartbeat;
    word.instance = instance;
    word.is_by_peer = is_by_peer;
    return hear(word);
  }
  own_name_outcome hear(const own_word& word) {
    const own_name_outcome outcome = own.handle(word, run, 16s, now);
    if (outcome.kind == what::refute) run.generation = outcome.generation + 1;
    return outcome;
  }
  /// The first higher run is refuted at once; then one of 2,000 lives until the conflict begins.
  void begin_conflict(bool is_by_peer = true) {
    REQUIRE(hear(1500, 1, 0, is_by_peer).kind == what::refute);
    for (std::uint64_t heartbeat = 1; heartbeat <= 9; ++heartbeat) {
      const what kind = hear(2000, heartbeat, 0, is_by_peer).kind;
      REQUIRE(kind == (heartbeat == 9 ? what::conflict_begins : what::nothing));
      if (heartbeat < 9) now += 1s;
    }
  }
  [[nodiscard]] bool is_displaced() const { return own.is_displaced(16s, now); }

  own_run run;
  std::chrono::nanoseconds now = 100s;
  own_incarnation own;
};

own_word left_word(std::uint64_t generation) {
  own_word word;
  word.held.generation = generation;
  word.held.has_left = true;
  return word;
}

}  // namespace

TEST_CASE("own_incarnation: what is known of my own run, or of a former one, moves nothing") {
  own_node mine;
  own_word same;
  same.held.generation = 1000;
  same.held.heartbeat = 50;
  same.held.max_version = 3;
  same.instance = my_instance;

  CHECK(mine.hear(same).kind == what::nothing);
  CHECK(mine.hear(999, 10'000).kind == what::nothing);
}

TEST_CASE("own_incarnation: a higher generation, a version or a heartbeat that I never had") {
  own_word ahead;
  ahead.held.generation = 1000;
  ahead.held.max_version = 4;

  CHECK(own_node().hear(1001, 0).kind == what::refute);
  CHECK(own_node().hear(1000, 51).kind == what::refute);
  CHECK(own_node().hear(ahead).kind == what::refute);
  CHECK(own_node().hear(ahead).generation == 1000);
}

TEST_CASE("own_incarnation: a generation of a far future moves nothing") {
  own_node mine;

  CHECK(mine.hear(100'001, 0).kind == what::far_future);
  CHECK(mine.hear(100'000, 0).kind == what::refute);
}

// --------------------------------------------------------------------------- equal generations

TEST_CASE(
    "own_incarnation: another run of my generation is left at once, though I refuted before") {
  own_node mine;
  REQUIRE(mine.hear(1000, 0, my_instance + 1).kind == what::refute);
  CHECK(mine.hear(mine.run.generation, 0, my_instance).kind == what::nothing);

  // Peers add my heartbeats to their copy of the other run: it is no rival for that.
  CHECK(mine.hear(mine.run.generation, 50, my_instance + 1).kind == what::refute);
  mine.now += 1s;
  mine.run.heartbeat = 51;
  CHECK(mine.hear(mine.run.generation, 51, my_instance + 2).kind == what::refute);
}

TEST_CASE("own_incarnation: a peer that makes such runs up moves me four times an interval") {
  own_node mine;
  std::size_t refutations = 0;
  for (int round = 0; round < 170; ++round) {
    const own_name_outcome outcome = mine.hear(mine.run.generation, 0, my_instance + 1);
    if (outcome.kind == what::refute) ++refutations;
    CHECK(outcome.kind != what::conflict_begins);
    mine.now += 100ms;
  }

  // 17 s: one interval, and the beginning of the next.
  CHECK(refutations == 2 * own_incarnation::refutations_at_once_max);
}

TEST_CASE("own_incarnation: another run of my generation does not use up the first bid") {
  own_node mine;
  REQUIRE(mine.hear(1000, 0, my_instance + 1).kind == what::refute);

  CHECK(mine.hear(2000, 500).kind == what::refute);
}

// ------------------------------------------------------------------------------------ conflict

TEST_CASE("own_incarnation: a rival whose heartbeat rises is a conflict, told once") {
  own_node mine;
  REQUIRE(mine.hear(1500, 1).kind == what::refute);
  std::size_t conflicts = 0;

  for (std::uint64_t heartbeat = 1; heartbeat <= 60; ++heartbeat) {
    mine.now += 1s;
    const own_name_outcome outcome = mine.hear(2000, heartbeat);
    CHECK(outcome.kind != what::refute);
    if (outcome.kind == what::conflict_begins) ++conflicts;
    // First heard of at 101 s: not before half of the longest interval has passed.
    if (mine.now < 109s) CHECK(conflicts == 0);
  }

  CHECK(conflicts == 1);
}

TEST_CASE("own_incarnation: a second relic is refuted when its heartbeat stood still") {
  own_node mine;
  REQUIRE(mine.hear(1500, 1).kind == what::refute);

  CHECK(mine.hear(2000, 7).kind == what::nothing);
  mine.now += 16s;
  CHECK(mine.hear(2000, 7).kind == what::nothing);
  mine.now += 1ns;
  const own_name_outcome outcome = mine.hear(2000, 7);
  CHECK(outcome.kind == what::refute);
  CHECK_FALSE(outcome.ends_conflict);
}

TEST_CASE("own_incarnation: a rival that stands still for the longest interval ends the conflict") {
  own_node mine;
  mine.begin_conflict();

  mine.now += 16s;
  CHECK(mine.hear(2000, 9).kind == what::nothing);
  mine.now += 1ns;
  const own_name_outcome outcome = mine.hear(2000, 9);

  CHECK(outcome.kind == what::refute);
  CHECK(outcome.generation == 2000);
  CHECK(outcome.ends_conflict);
}

TEST_CASE("own_incarnation: a rival that left ends the conflict at once") {
  own_node mine;
  mine.begin_conflict();

  const own_name_outcome outcome = mine.hear(left_word(2000));

  CHECK(outcome.kind == what::refute);
  CHECK(outcome.ends_conflict);
}

TEST_CASE("own_incarnation: a rival that takes a higher generation is the same conflict") {
  own_node mine;
  mine.begin_conflict();

  CHECK(mine.hear(3000, 1).kind == what::nothing);
  CHECK(mine.is_displaced());
  for (std::uint64_t heartbeat = 2; heartbeat < 40; ++heartbeat) {
    mine.now += 1s;
    CHECK(mine.hear(3000, heartbeat).kind == what::nothing);
  }
}

TEST_CASE("own_incarnation: a conflict of which nobody knows any more ends") {
  own_node mine;
  mine.begin_conflict();

  // Those that held the rival forgot it, and took this run in.
  mine.now += 16s;
  CHECK(mine.hear(mine.run.generation, 50, my_instance).kind == what::nothing);
  mine.now += 1ns;
  CHECK(mine.hear(mine.run.generation, 50, my_instance).kind == what::conflict_ends);
  CHECK(mine.hear(mine.run.generation, 50, my_instance).kind == what::nothing);
}

TEST_CASE("own_incarnation: while another peer holds the rival live, this run is displaced") {
  own_node mine;
  CHECK_FALSE(mine.is_displaced());
  mine.begin_conflict();

  CHECK(mine.is_displaced());
  mine.now += 16s;
  CHECK(mine.is_displaced());
  mine.now += 1ns;
  CHECK_FALSE(mine.is_displaced());
}

TEST_CASE("own_incarnation: the rival alone, or an unknown peer, displaces nobody") {
  own_node mine;
  mine.begin_conflict(false);

  CHECK_FALSE(mine.is_displaced());
  // As high as the rival itself says already.
  CHECK(mine.hear(2000, 9).kind == what::nothing);
  CHECK(mine.is_displaced());
}

// --------------------------------------------------------------------------------------- leaving

TEST_CASE(
    "own_incarnation: a node that is said to have left refutes once in the longest interval") {
  own_node mine;
  REQUIRE(mine.hear(left_word(1000)).kind == what::refute);

  mine.now += 16s;
  CHECK(mine.hear(left_word(mine.run.generation)).kind == what::nothing);
  mine.now += 1ns;
  CHECK(mine.hear(left_word(mine.run.generation)).kind == what::refute);
}

TEST_CASE("own_incarnation: a node that left takes its name from nobody") {
  own_node mine;
  mine.run.has_left = true;

  CHECK(mine.hear(2000, 1).kind == what::nothing);
  CHECK(mine.hear(1000, 0, my_instance + 1).kind == what::nothing);
}

// ------------------------------------------------------------------------------------- older runs

TEST_CASE("own_incarnation: an older run that lives is told once a grace") {
  own_node mine;
  const auto hear_older = [&](std::uint64_t generation, std::chrono::nanoseconds now) {
    return mine.own.handle_older(generation, 16s, 60s, now);
  };

  // While the two outbid each other, nothing is told.
  CHECK_FALSE(hear_older(800, 100s));
  CHECK_FALSE(hear_older(900, 107s));
  CHECK_FALSE(hear_older(900, 114s));
  CHECK(hear_older(900, 115s));
  CHECK_FALSE(hear_older(900, 174s));
  CHECK_FALSE(mine.own.may_tell_older(60s, 174s));
  CHECK(mine.own.may_tell_older(60s, 175s));
  CHECK_FALSE(hear_older(900, 176s));
}

TEST_CASE("own_incarnation: what I sent with my former generation is no older run that lives") {
  own_node mine;
  REQUIRE(mine.hear(1500, 1).kind == what::refute);  // from generation 1,000

  for (int i = 0; i < 40; ++i) {
    CHECK_FALSE(mine.own.handle_older(1000, 16s, 60s, mine.now));
    mine.now += 1s;
  }
}

}  // namespace gossipmonger
