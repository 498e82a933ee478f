#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "gossipmonger/sim/simulation.hpp"

namespace gossipmonger {

namespace {

simulation_report run_text(std::string_view text) {
  const auto read = parse_scenario(text);
  REQUIRE_MESSAGE(read, read.error());
  return simulate(*read, simulation_options());
}

std::string rule_of(const simulation_report& report) {
  return report.fault ? report.fault->rule + ": " + report.fault->text : "none";
}

}  // namespace

TEST_CASE("simulation: who does not heal in time is named, and rounds are counted") {
  // n0 and n1 know nobody: there is nothing that could bring them together.
  const simulation_report apart = run_text(
      "node n0 interval=200ms\n"
      "node n1 interval=200ms\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 1s heal\n");
  const simulation_report together = run_text(
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 1s heal\n");

  CHECK(rule_of(apart).starts_with("progress: n1 of n0: unknown"));
  CHECK(rule_of(together) == "none");
  CHECK(together.rounds_to_agree == doctest::Approx(0));
}

TEST_CASE("simulation: an application sets again what its disk still has") {
  simulation_options how;
  std::vector<std::string> seen;
  how.on_event = [&seen](std::size_t node, const event_view& event) {
    if (node != 0 || event.peer != "n1" || event.kind == event_kind::peer_live) return;
    seen.push_back(std::string(to_string(event.kind)) + " " + std::string(event.key) +
                   std::string(event.value));
  };
  const auto read = parse_scenario(
      "node n0\n"
      "node n1 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 1s set n1 a 1\n"
      "at 8s set n1 b 1\n"
      "at 14s set n1 b 2\n"
      "at 25s restart n1 disk=stale generation=kept count=1\n"
      "at 45s restart n1 disk=lost generation=kept\n"
      "at 65s heal\n");
  REQUIRE(read);

  const simulation_report report = simulate(*read, how);

  CHECK(rule_of(report) == "none");
  CHECK(seen == std::vector<std::string>{"new_peer ", "update a1", "update b1", "update b2",
                                         "peer_restarted ", "update a1", "update b1",
                                         "peer_restarted "});
}

// What gossip_sim found, as it was cut down.

TEST_CASE("simulation: whose entries are over the capacity of a peer stops sending them to it") {
  const simulation_report report = run_text(
      "seed 161\n"
      "node n0 interval=200ms grace=20s peers=2 keys=38\n"
      "node n1 seeds=n0 interval=200ms\n"
      "at 74ms start n1\n"
      "at 13417ms write n1 count=46 keys=100 salt=465592\n"
      "at 53987ms heal\n");

  CHECK(rule_of(report) == "none");
}

}  // namespace gossipmonger
