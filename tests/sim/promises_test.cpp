#include "sim/promises.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "sim/simulation.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

// Usual options: fan-out 1, 12 suspicion rounds, a tenth of jitter, phi 8, a seed every 16 rounds.
scenario nodes_of(std::size_t count) {
  scenario of;
  of.nodes.resize(count);
  for (std::size_t i = 0; i < count; ++i) of.nodes[i].settings.name = "n" + std::to_string(i);
  return of;
}

decision restart_of(std::size_t node, generation_state generation) {
  decision made;
  made.kind = decision_kind::restart;
  made.node = node;
  made.generation = generation;
  return made;
}

decision heal_at(std::chrono::milliseconds at) {
  decision made;
  made.at = at;
  return made;
}

// Four nodes whose rounds take 100 ms, and n1, whose rounds take 500 ms: it is asked so often that
// membership needs more than 750 bytes of its interval.
std::string cluster_text(std::size_t budget_of_n1, std::string_view options_of_n4 = "seeds=n0") {
  return "node n0 interval=100ms\n"
         "node n1 seeds=n0 interval=500ms budget=" +
         std::to_string(budget_of_n1) +
         "\n"
         "node n2 seeds=n0 interval=100ms\n"
         "node n3 seeds=n0 interval=100ms\n"
         "node n4 interval=100ms " +
         std::string(options_of_n4) +
         "\n"
         "at 0ms start n0\n"
         "at 0ms start n1\n"
         "at 0ms start n2\n"
         "at 0ms start n3\n"
         "at 0ms start n4\n";
}

simulation_report run_text(const std::string& text) {
  const auto read = parse_scenario(text);
  REQUIRE_MESSAGE(read, read.error());
  return simulate(*read, simulation_options());
}

std::string rule_of(const simulation_report& report) {
  return report.fault ? report.fault->rule + ": " + report.fault->text : "none";
}

}  // namespace

TEST_CASE("promises: agreement takes four times the rounds of news, and a turn of the back-off") {
  CHECK(agreement_rounds_max(nodes_of(2)) == 4 * 1 + 10 + 16);
  CHECK(agreement_rounds_max(nodes_of(9)) == 4 * 4 + 10 + 16);
  CHECK(agreement_rounds_max(nodes_of(60)) == 4 * 6 + 10 + 16);
}

TEST_CASE(
    "promises: a silent address is asked in each wire version by turns where releases differ") {
  scenario of = nodes_of(2);
  of.nodes[0].wire = wire_range(1, 2);
  of.nodes[1].wire = wire_range(1, 2);
  CHECK(agreement_rounds_max(of) == 30);

  of.nodes[1].wire = wire_range(2, 2);

  CHECK(agreement_rounds_max(of) == 4 * 1 + 10 + 2 * 16);
}

TEST_CASE(
    "promises: a seed may be forgotten once half a grace is over, and is asked in two turns") {
  scenario of = nodes_of(2);
  of.nodes[1].settings.dead_peer_grace = 20s;
  of.decisions.push_back(heal_at(9999ms));
  CHECK(agreement_rounds_max(of) == 30);

  of.decisions.push_back(heal_at(10s));

  CHECK(agreement_rounds_max(of) == 30 + 2 * 16);
}

TEST_CASE("promises: a heartbeat's longest interval is 16 gaps, of a round for 16 nodes each") {
  // 17 * 1.1 is 18.7; 16 * (1 + 1) + 1 is 33, and 33 * 1.1 is 36.3.
  CHECK(longest_rounds_max(nodes_of(2)) == 19);
  CHECK(longest_rounds_max(nodes_of(15)) == 19);
  CHECK(longest_rounds_max(nodes_of(17)) == 37);

  scenario even = nodes_of(2);
  for (scenario_node& one : even.nodes) one.settings.jitter = 0;
  CHECK(longest_rounds_max(even) == 17);
}

TEST_CASE("promises: with sums a heartbeat's longest interval is 64 rounds, or as by rows") {
  // 65 * 1.1 is 71.5; 16 * (1 + 4) + 1 is 81, and 81 * 1.1 is 89.1.
  CHECK(longest_rounds_max(nodes_of(18)) == 72);
  CHECK(longest_rounds_max(nodes_of(64)) == 90);

  scenario few = nodes_of(4);
  few.nodes[2].settings.sums_peers_min = 3;
  // 16 * (1 + 1) + 1 is 33.
  CHECK(longest_rounds_max(few) == 37);
  few.nodes[2].settings.suspicion_rounds = 0;  // it tells rows
  CHECK(longest_rounds_max(few) == 19);
}

TEST_CASE("promises: a peer is complete once two turns of the ring let it speak for itself") {
  // 2 nodes: 2 + 4, and a tenth. 7 nodes: 12 + 4, and a tenth.
  CHECK(completion_rounds_max(nodes_of(2)) == 7);
  scenario of = nodes_of(7);
  CHECK(completion_rounds_max(of) == 18);

  for (scenario_node& one : of.nodes) one.settings.fanout = 3;

  // 12 / 3 + 4, and a tenth.
  CHECK(completion_rounds_max(of) == 9);
}

TEST_CASE("promises: a crash is found by a turn of the ring, a missing answer and a suspicion") {
  // 2 nodes: 2 + 1 + max(12, 4 + 2 + 4 + 4) + 2 = 19, and a tenth.
  CHECK(detection_rounds_max(nodes_of(2)) == 21);
  // 4 nodes: 6 + 1 + max(12, 4 + 4 + 4 + 4) + 2 = 25.
  CHECK(detection_rounds_max(nodes_of(4)) == 28);
  // 60 nodes: 21 + 1 + max(12, 4 + 12 + 4 + 4) + 2 = 48.
  CHECK(detection_rounds_max(nodes_of(60)) == 53);
}

TEST_CASE("promises: a crash is found later by long suspicions and by unequal intervals") {
  scenario of = nodes_of(4);
  of.nodes[2].settings.suspicion_rounds = 30;
  // 6 + 1 + max(30, 4 + 4 + 4 + 10) + 2 = 39, and a tenth.
  CHECK(detection_rounds_max(of) == 43);

  of.nodes[3].settings.gossip_interval = 200ms;

  // 39 + 30 = 69.
  CHECK(detection_rounds_max(of) == 76);
}

TEST_CASE("promises: a crash is found sooner where every node asks several a round") {
  scenario of = nodes_of(7);
  for (scenario_node& one : of.nodes) one.settings.fanout = 3;
  // 2 * 6 / 3 + 1 + max(12, 4 + 6 + 4 + 4) + 2 = 25, and a tenth.
  CHECK(detection_rounds_max(of) == 28);

  of.nodes[4].settings.fanout = 1;

  // 12 + 1 + 18 + 2 = 33.
  CHECK(detection_rounds_max(of) == 37);
}

TEST_CASE("promises: silence alone counts once phi's longest mean is over") {
  // 8 * 2.302585 * 16 * 1.1 is 324.2; with 60 nodes it is 21 times that, and 4 times by rows alone.
  CHECK(silence_rounds_max(nodes_of(2)) == 325 + 30);
  scenario large = nodes_of(60);
  CHECK(silence_rounds_max(large) == 6809 + 50);
  for (scenario_node& one : large.nodes) one.settings.suspicion_rounds = 0;
  CHECK(silence_rounds_max(large) == 1297 + 50);
}

TEST_CASE("promises: a name is its last run's at once, unless a node lost its generation twice") {
  scenario of = nodes_of(2);
  of.decisions.push_back(restart_of(0, generation_state::lost));
  of.decisions.push_back(restart_of(1, generation_state::lost));
  of.decisions.push_back(restart_of(0, generation_state::kept));
  CHECK(name_rounds_max(of) == 0);

  of.decisions.push_back(restart_of(0, generation_state::reused));

  CHECK(name_rounds_max(of) == 19 + 30);
}

TEST_CASE("promises: of two nodes of one name, the one that was ended is found dead first") {
  scenario of = nodes_of(3);
  CHECK(name_rounds_max(of) == 0);

  of.nodes[2].settings.name = "n1";

  // 19, and 4 * 2 + 10 + 16 = 34. Detection: 4 + 1 + max(12, 4 + 4 + 4 + 4) + 2 = 23, and a tenth.
  CHECK(name_rounds_max(of) == 19 + 34 + 26);
}

TEST_CASE("promises: a deaf node's words are fresh for twice the rounds of news, and a margin") {
  CHECK(stale_rounds_max(nodes_of(2)) == 2 * 1 + 8 + 1);
  CHECK(stale_rounds_max(nodes_of(9)) == 2 * 4 + 8 + 1);
  CHECK(stale_rounds_max(nodes_of(60)) == 2 * 6 + 8 + 1);
}

TEST_CASE("promises: only a slower node's word brings a deaf node back, as often as it is fresh") {
  scenario of = nodes_of(60);
  CHECK(revivals_max(of, 0) == 0);
  for (scenario_node& one : of.nodes) one.settings.gossip_interval = 100ms;
  CHECK(revivals_max(of, 0) == 0);

  of.nodes[1].settings.gossip_interval = 200ms;

  // Fresh for 21 * 200 ms. A suspicion takes 12 * 100 ms, or 12 * 200 ms.
  CHECK(revivals_max(of, 0) == 3);
  CHECK(revivals_max(of, 1) == 1);
}

TEST_CASE("promises: a backlog moves twice its bytes, an exchange a round") {
  std::vector<backlog_part> running(2);
  CHECK(backlog_rounds_max(running) == 1);

  // 2,000,000 / 131,072 is 15.3.
  running[0].entry_bytes = 600'000;
  running[1].entry_bytes = 400'000;
  CHECK(backlog_rounds_max(running) == 16);

  // 10 datagrams of 1,200 bytes: 166.7.
  running[1].settings.exchange_datagrams_max = 10;
  CHECK(backlog_rounds_max(running) == 167);

  // A node that parks nothing surely takes one datagram: 1,666.7.
  running[0].settings.parked_bytes_max = 0;
  CHECK(backlog_rounds_max(running) == 1667);
}

TEST_CASE(
    "promises: a byte budget moves half of it, or a copy's part where answers take that half") {
  std::vector<backlog_part> running(4);
  running[0].entry_bytes = 30'000;
  running[1].settings.send_bytes_per_interval = 6000;
  CHECK(backlog_rounds_max(running) == 60'000 / 3000 + 1);

  // Three peers ask in a round: 3 * 1,200 bytes are more than the half.
  running[2].settings.fanout = 3;
  CHECK(backlog_rounds_max(running) == 60'000 / 1000 + 1);

  // 10 answers of 1,200 bytes leave the lane in 2 * 12,000 / 6,000 rounds.
  running[1].answers_waiting = 10;
  CHECK(backlog_rounds_max(running) == 61 + 4);
}

// Membership may leave nothing of a budget. Then entries wait, and every other promise is kept.
TEST_CASE("promises: where membership needs a budget, entries may wait, and a crash is found") {
  const std::string end = "at 9s set n1 large " + std::string(5000, 'x') +
                          "\nat 9s heal\nat 9s crash n3\nat 9s detect\n";

  const simulation_report starved = run_text(cluster_text(1500) + end);
  const simulation_report fed = run_text(cluster_text(24000) + end);

  CHECK(rule_of(starved) == "none");
  CHECK(starved.rounds_to_agree < 0);
  CHECK(starved.sums.detected == 4);
  CHECK(rule_of(fed) == "none");
  CHECK(fed.rounds_to_agree >= 0);
  CHECK(fed.sums.detected == 4);
}

TEST_CASE("promises: where membership needs a budget, nodes must know each other all the same") {
  // n4 has no seed, and is no seed.
  const simulation_report apart = run_text(cluster_text(1500, "") + "at 9s heal\n");

  CHECK(rule_of(apart).starts_with("progress: n4 of n0: unknown"));
}

}  // namespace gossipmonger
