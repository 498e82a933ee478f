#include <algorithm>
#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include "gossipmonger/sim/shrink.hpp"
#include "gossipmonger/sim/swarm.hpp"

namespace gossipmonger {

TEST_CASE("shrink: what a failure does not need goes: decisions, nodes, keys, faults") {
  const auto read = parse_scenario(
      "node n0\n"
      "node n1 seeds=n0 grace=20s\n"
      "node n2 seeds=n0,n1\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 0ms start n2\n"
      "at 1s write n1 count=40 keys=90 bytes=200 salt=5\n"
      "at 2s link n0 n2 loss=20% duplication=10%\n"
      "at 3s crash n0\n"
      "at 4s wipe n2 count=64 keys=9 salt=5\n"
      "at 5s heal\n");
  REQUIRE(read);
  const auto fails = [](const scenario& candidate) {
    return std::any_of(candidate.decisions.begin(), candidate.decisions.end(),
                       [](const decision& one) {
                         return one.kind == decision_kind::wipe && one.count >= 5;
                       }) &&
           std::any_of(candidate.decisions.begin(), candidate.decisions.end(),
                       [](const decision& one) {
                         return one.kind == decision_kind::link && one.way.loss > 0;
                       });
  };

  const scenario small = shrunk(*read, fails);

  // n1 is not needed: n2 becomes the second. 64 halves to 32, 16, 8; 4 would not do.
  CHECK(to_text(small) ==
        "seed 1\n"
        "node n0\n"
        "node n1 seeds=n0\n"
        "at 2s link n0 n1 loss=20%\n"
        "at 4s wipe n1 count=8 keys=1 salt=5\n");
}

TEST_CASE("shrink: it asks no more often than it may") {
  std::size_t asked = 0;
  const auto fails = [&asked](const scenario&) {
    ++asked;
    return false;
  };
  const scenario drawn = draw_scenario(3);

  const scenario small = shrunk(drawn, fails, 7);

  CHECK(asked == 7);
  CHECK(to_text(small) == to_text(drawn));
}

}  // namespace gossipmonger
