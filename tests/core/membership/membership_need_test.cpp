#include "core/membership/membership_need.hpp"

#include <doctest/doctest.h>

#include <cstddef>

namespace gossipmonger {

namespace {

using outcome = membership_need::outcome;

/// A round with one digest of mine, and nothing else.
outcome run_round(membership_need& need, std::size_t whole, std::size_t budget) {
  need.handle_digests(1);
  return need.end_round(whole, budget);
}

}  // namespace

TEST_CASE("membership_need: is a round's bytes, digests counted whole, and a mean over rounds") {
  membership_need need;
  CHECK(need.bytes_per_interval() == 0);

  need.handle_digests(2);
  need.handle_other(300);
  CHECK(need.end_round(1000, 0) == outcome::unchanged);
  CHECK(need.bytes_per_interval() == 2300);

  // A sixteenth of the way from 2,300 to 700.
  need.handle_other(700);
  CHECK(need.end_round(1000, 0) == outcome::unchanged);
  CHECK(need.bytes_per_interval() == 2200);
}

TEST_CASE("membership_need: a digest that came smaller than whole is answered by as much more") {
  membership_need half;
  // Two digests, in three datagrams of 500 bytes all together, where whole ones have 1,000 each.
  half.handle_asked(200, true, 100);
  half.handle_asked(150, false, 50);
  half.handle_asked(150, true, 150);
  CHECK(half.end_round(1000, 0) == outcome::unchanged);
  CHECK(half.bytes_per_interval() == 300 * 2000 / 500);

  membership_need whole;  // theirs are larger than mine: as they are
  whole.handle_asked(2000, true, 700);
  CHECK(whole.end_round(1000, 0) == outcome::unchanged);
  CHECK(whole.bytes_per_interval() == 700);
}

TEST_CASE("membership_need: a budget below it is told after 16 rounds, once, and so is its end") {
  membership_need need;
  for (int round = 0; round < 15; ++round) {
    CHECK(run_round(need, 1000, 999) == outcome::unchanged);
  }
  CHECK(run_round(need, 1000, 999) == outcome::falls_short);
  for (int round = 0; round < 40; ++round) {
    CHECK(run_round(need, 1000, 999) == outcome::unchanged);
  }

  for (int round = 0; round < 15; ++round) {
    CHECK(run_round(need, 1000, 1000) == outcome::unchanged);
  }
  CHECK(run_round(need, 1000, 1000) == outcome::suffices);
  for (int round = 0; round < 40; ++round) {
    CHECK(run_round(need, 1000, 1000) == outcome::unchanged);
  }
}

TEST_CASE("membership_need: fewer rounds than 16 in a row tell nothing; no budget, at once") {
  membership_need need;
  for (int round = 0; round < 100; ++round) {
    CHECK(run_round(need, 1000, round % 16 == 15 ? 1000 : 999) == outcome::unchanged);
  }
  for (int round = 0; round < 20; ++round) static_cast<void>(run_round(need, 1000, 999));

  CHECK(run_round(need, 1000, 0) == outcome::suffices);
}

}  // namespace gossipmonger
