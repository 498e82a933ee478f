#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "sim/scenario.hpp"
#include "sim/swarm.hpp"

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

TEST_CASE("scenario: times to live, forgetting, other options and releases have a text form") {
  const std::string text =
      "seed 1\n"
      "node n0 wire=1-2\n"
      "node n1 seeds=n0 budget=9000 suspicion=0 phi=40 wire=2\n"
      "at 1s set-ttl n0 1500ms lock held\n"
      "at 2s write n1 count=3 keys=9 salt=4 ttl=2s\n"
      "at 3s forget n0 n1\n"
      "at 4s change n1 interval=400ms fanout=2 seeds=n0,n1\n"
      "at 5s restart n0 disk=lost generation=kept wire=2\n"
      "at 5s advertise n1\n"
      "at 6s heal\n"
      "at 6s crash n1\n"
      "at 6s detect\n";

  const auto read = parse_scenario(text);

  REQUIRE_MESSAGE(read, read.error());
  CHECK(to_text(*read) == text);
  CHECK(read->nodes[0].wire == wire_range(1, 2));
  CHECK(read->nodes[1].wire == wire_range(2, 2));
  CHECK(read->nodes[1].settings.suspicion_rounds == 0);
  CHECK(read->decisions[0].length == std::chrono::milliseconds{1500});
  CHECK(read->decisions[1].length == std::chrono::seconds{2});
  CHECK(read->decisions[2].other == 1);
  CHECK(read->decisions[3].seeds == std::vector<std::size_t>{0, 1});
  config changed;
  apply_options(read->decisions[3].options, changed);
  CHECK(changed.gossip_interval == std::chrono::milliseconds{400});
  CHECK(changed.fanout == 2);
  CHECK(read->decisions[4].wire == wire_range(2, 2));
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
  CHECK(error_of("node n0 wire=2-1") == "line 1: not wire versions, such as 2 or 1-2: 2-1");
  CHECK(error_of("node n0 wire=16") == "line 1: not wire versions, such as 2 or 1-2: 16");
  CHECK(error_of("node n0\nat 1s set-ttl n0 lock held") ==
        "line 2: not a time, such as 20s or 150ms: lock");
  CHECK(error_of("node n0\nat 1s forget n0 n1") == "at 1s forget n0 n1: no such node");
  CHECK(error_of("node n0\nat 1s change n0 colour=1") == "line 2: no such option: colour=1");
  CHECK(error_of("node n0\nat 1s change n0 seeds=n3") == "at 1s change n0 seeds=n3: no such node");
}

}  // namespace gossipmonger
