#include <algorithm>
#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include "sim/shrink.hpp"
#include "sim/swarm.hpp"

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

TEST_CASE("shrink: times to live, options and releases that a failure does not need go too") {
  const auto read = parse_scenario(
      "node n0\n"
      "node n1 seeds=n0 wire=1-2\n"
      "node n2 seeds=n0\n"
      "at 1s write n0 count=1 keys=1 ttl=2s\n"
      "at 2s set-ttl n0 2s key value\n"
      "at 3s forget n0 n1\n"
      "at 4s change n0 interval=400ms fanout=2 seeds=n0,n2\n"
      "at 5s restart n2 disk=intact generation=kept wire=1-2\n"
      "at 6s heal\n"
      "at 6s crash n2\n"
      "at 6s detect\n");
  REQUIRE(read);
  const auto fails = [](const scenario& candidate) {
    std::size_t found = 0;
    for (const decision& one : candidate.decisions) {
      const bool is_fanout =
          std::any_of(one.options.begin(), one.options.end(),
                      [](const option_value& option) { return option.name == "fanout"; });
      const bool is_needed = one.kind == decision_kind::write || one.kind == decision_kind::set ||
                             one.kind == decision_kind::set_ttl ||
                             one.kind == decision_kind::restart ||
                             one.kind == decision_kind::detect || is_fanout;
      found += is_needed ? 1 : 0;
    }
    return found == 5;
  };

  const scenario small = shrunk(*read, fails);

  CHECK(to_text(small) ==
        "seed 1\n"
        "node n0\n"
        "node n1 seeds=n0\n"
        "at 1s write n0 count=1 keys=1\n"
        "at 2s set n0 key value\n"
        "at 4s change n0 fanout=2\n"
        "at 5s restart n1 disk=intact generation=kept\n"
        "at 6s detect\n");
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
