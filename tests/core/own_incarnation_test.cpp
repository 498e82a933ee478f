#include "gossipmonger/core/own_incarnation.hpp"

#include <chrono>

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

  own_name_outcome hear(std::uint64_t generation, std::uint64_t heartbeat,
                        std::uint32_t instance = 0) {
    digest_entry theirs;
    theirs.generation = generation;
    theirs.heartbeat = heartbeat;
    return hear(theirs, instance);
  }
  own_name_outcome hear(const digest_entry& theirs, std::uint32_t instance = 0) {
    const own_name_outcome outcome = own_.handle(theirs, instance, run, 16s, now);
    if (outcome.kind == what::refute) run.generation = outcome.generation + 1;
    return outcome;
  }

  own_run run;
  std::chrono::nanoseconds now = 100s;

 private:
  own_incarnation own_;
};

}  // namespace

TEST_CASE("own_incarnation: what is known of my own run, or of a former one, moves nothing") {
  own_node mine;
  digest_entry same;
  same.generation = 1000;
  same.heartbeat = 50;
  same.max_version = 3;

  CHECK(mine.hear(same, my_instance).kind == what::nothing);
  CHECK(mine.hear(999, 10'000).kind == what::nothing);
}

TEST_CASE("own_incarnation: a higher generation, a version or a heartbeat that I never had") {
  CHECK(own_node().hear(1001, 0).kind == what::refute);
  CHECK(own_node().hear(1000, 51).kind == what::refute);
  digest_entry ahead;
  ahead.generation = 1000;
  ahead.max_version = 4;
  CHECK(own_node().hear(ahead).kind == what::refute);
  CHECK(own_node().hear(ahead).generation == 1000);
}

TEST_CASE("own_incarnation: another run of my generation is told by its instance") {
  CHECK(own_node().hear(1000, 0, my_instance + 1).kind == what::refute);
  CHECK(own_node().hear(1000, 0, my_instance).kind == what::nothing);
}

TEST_CASE("own_incarnation: a generation of a far future moves nothing") {
  own_node mine;

  CHECK(mine.hear(100'001, 0).kind == what::far_future);
  CHECK(mine.hear(100'000, 0).kind == what::refute);
}

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
  CHECK(mine.hear(2000, 7).kind == what::refute);
}

TEST_CASE("own_incarnation: who is said to have left refutes once in the longest interval") {
  own_node mine;
  digest_entry left;
  left.generation = 1000;
  left.has_left = true;
  REQUIRE(mine.hear(left).kind == what::refute);

  left.generation = mine.run.generation;
  mine.now += 16s;
  CHECK(mine.hear(left).kind == what::nothing);
  mine.now += 1ns;
  CHECK(mine.hear(left).kind == what::refute);
}

}  // namespace gossipmonger
