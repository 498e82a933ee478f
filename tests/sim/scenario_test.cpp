#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include "gossipmonger/sim/scenario.hpp"
#include "gossipmonger/sim/swarm.hpp"

namespace gossipmonger {

TEST_CASE("scenario: the text form of any drawn scenario is read back to the same") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const std::string text = to_text(draw_scenario(seed));

    const auto read = parse_scenario(text);

    REQUIRE_MESSAGE(read, "seed " << seed << ": " << read.error());
    CHECK(to_text(*read) == text);
  }
}

TEST_CASE("scenario: comments and empty lines are skipped, and reading ends at three dashes") {
  const auto read = parse_scenario(
      "# two nodes\n"
      "\n"
      "seed 4\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 grace=20s reads=1500ms\n"
      "at 1s link n0 * loss=20% delay=1ms..400ms cut=yes\n"
      "at 2s clock n1 -90s ppm=-50\n"
      "---\n"
      "anything\n");

  REQUIRE(read);
  CHECK(read->seed == 4);
  REQUIRE(read->nodes.size() == 2);
  CHECK(read->nodes[0].settings.gossip_interval == std::chrono::milliseconds{200});
  CHECK(read->nodes[1].settings.dead_peer_grace == std::chrono::seconds{20});
  CHECK(read->nodes[1].read_interval == std::chrono::milliseconds{1500});
  REQUIRE(read->decisions.size() == 2);
  CHECK(read->decisions[0].other == decision::everybody);
  CHECK(read->decisions[0].way.loss == doctest::Approx(0.2));
  CHECK(read->decisions[0].way.delay_max == std::chrono::milliseconds{400});
  CHECK(read->decisions[0].way.is_cut);
  CHECK(read->decisions[1].length == std::chrono::seconds{-90});
  CHECK(read->decisions[1].ppm == -50);
}

TEST_CASE("scenario: what cannot be read is named with its line") {
  const auto error_of = [](std::string_view text) {
    const auto read = parse_scenario(text);
    return read ? std::string("none") : read.error();
  };

  CHECK(error_of("seed x") == "line 1: not a number: x");
  CHECK(error_of("\nfault n0") == "line 2: neither seed, node nor at");
  CHECK(error_of("node n1") == "line 1: nodes are numbered in order: n0, n1, …");
  CHECK(error_of("node n0 colour=red") == "line 1: no such option: colour=red");
  CHECK(error_of("node n0\nat 1 start n0") == "line 2: not a time, such as 20s or 150ms: 1");
  CHECK(error_of("node n0\nat 1s begin n0") == "line 2: no such decision: begin");
  CHECK(error_of("node n0\nat 1s set n0 key") == "line 2: something is missing at its end");
  CHECK(error_of("node n0\nat 1s start n1") == "at 1s start n1: no such node");
  CHECK(error_of("node n0\nat 2s start n0\nat 1s crash n0") ==
        "at 1s crash n0: earlier than the one before");
  CHECK(error_of("node n0 interval=1ms") == "node n0: not allowed");
}

}  // namespace gossipmonger
