// The large bulk copies: nine joiners at once, and a loss of a fifth.
#include "copies.hpp"

#include <cstdint>

#include <doctest/doctest.h>

namespace gossipmonger {

TEST_CASE("copies: nine joiners get 100,000 keys within 14 rounds, each of them once") {
  copy_plan plan;
  plan.joiners = 9;

  const copy_costs seen = run_copies(plan);

  MESSAGE(seen.rounds << " rounds, " << seen.bytes << " bytes");
  CHECK(seen.is_complete);
  CHECK(seen.rounds <= 14);
  CHECK(seen.entries_sent == 900'000);
  CHECK(seen.entries_known == 0);
}

TEST_CASE("copies: at a loss of a fifth 100,000 keys take 1.4 times the bytes at most") {
  const copy_costs whole = run_copies(copy_plan());
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    copy_plan plan;
    plan.seed = seed;
    plan.loss = 0.2;

    const copy_costs seen = run_copies(plan);

    MESSAGE(seen.rounds << " rounds, " << seen.bytes << " bytes of " << whole.bytes);
    CHECK(seen.is_complete);
    CHECK(seen.bytes <= whole.bytes * 14 / 10);
  }
}

}  // namespace gossipmonger
