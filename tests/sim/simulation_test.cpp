#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "sim/promises.hpp"
#include "sim/simulation.hpp"

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
    const bool is_told_beside =
        event.kind == event_kind::peer_live || event.kind == event_kind::peer_complete;
    if (node != 0 || event.peer != "n1" || is_told_beside) return;
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

// Found by gossip_sim: a short leg named the run that its sender holds of the receiver, and not the
// later one that it refuses. So that was sent in answer, each time, with all its keys.
TEST_CASE("simulation: a run of a wrong date is not sent to who refuses it, whatever asks for it") {
  const simulation_report report = run_text(
      "seed 813\n"
      "node n0 interval=200ms retired=64 wire=2 reads=8951ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "node n2 seeds=n0 interval=200ms retired=64 wire=2 reads=18641ms\n"
      "node n3 seeds=n0 interval=200ms wire=1-2\n"
      "at 0ms start n0\n"
      "at 41ms start n2\n"
      "at 159ms start n3\n"
      "at 22037ms move n2\n"
      "at 23510ms write n2 count=1 keys=1 salt=470924\n"
      "at 29796ms clock n2 200767685ms\n"
      "at 30208ms restart n2 disk=intact generation=kept salt=525580\n"
      "at 37599ms move n3\n"
      "at 49249ms heal\n");

  CHECK(rule_of(report) == "none");
}

TEST_CASE("simulation: a key with a time to live is gone everywhere, and a plain set keeps it") {
  std::vector<std::string> seen;
  simulation_options how;
  how.on_event = [&seen](std::size_t node, const event_view& event) {
    if (node != 1 || event.peer != "n0" || event.key.empty()) return;
    seen.push_back(std::string(to_string(event.kind)) + " " + std::string(event.key));
  };
  const auto read = parse_scenario(
      "node n0\n"
      "node n1 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 5s set-ttl n0 10s lock held\n"
      "at 10s set-ttl n0 10s kept held\n"
      "at 14s set n0 kept held\n"
      "at 30s set-ttl n0 100s late held\n"
      "at 40s heal\n");
  REQUIRE(read);

  const simulation_report report = simulate(*read, how);

  CHECK(rule_of(report) == "none");
  CHECK(seen == std::vector<std::string>{"update lock", "update kept", "removed lock",
                                         "update late", "removed late"});
  CHECK(report.sums.expired == 2);
}

TEST_CASE("simulation: who crashed is found within the bound, and the bound follows the options") {
  const std::string_view text =
      "node n0\n"
      "node n1 seeds=n0\n"
      "node n2 seeds=n0\n"
      "node n3 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 0ms start n2\n"
      "at 0ms start n3\n"
      "at 20s heal\n"
      "at 20s crash n2\n"
      "at 20s crash n3\n"
      "at 20s detect\n";
  const auto read = parse_scenario(text);
  REQUIRE(read);

  const simulation_report report = run_text(text);

  CHECK(rule_of(report) == "none");
  CHECK(report.sums.detected == 4);
  CHECK(report.rounds_to_detect > 12);
  // 2 * 3 until it is asked, 1, 4 + 2 * 2 + 4 + 12 / 3 to tell all, 2; and a tenth.
  CHECK(detection_rounds_max(*read) == 28);
  CHECK(report.rounds_to_detect <= 28);
}

TEST_CASE("simulation: where phi alone decides, no time is demanded for a crash") {
  const simulation_report report = run_text(
      "node n0 suspicion=0\n"
      "node n1 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 20s heal\n"
      "at 20s crash n1\n"
      "at 20s detect\n");

  CHECK(rule_of(report) == "none");
  CHECK(report.rounds_to_detect < 0);
}

TEST_CASE("simulation: who left without being heard is found dead before all is said to be well") {
  std::vector<std::string> seen;
  simulation_options how;
  how.on_event = [&seen](std::size_t node, const event_view& event) {
    if (event.peer != "n2" || event.kind == event_kind::new_peer) return;
    seen.push_back("n" + std::to_string(node) + " " + std::string(to_string(event.kind)));
  };
  // It stands still when it is told to leave, and is ended before it goes on. By phi alone that
  // takes longer than anything else that is demanded.
  const auto read = parse_scenario(
      "node n0 suspicion=0\n"
      "node n1 seeds=n0 suspicion=0\n"
      "node n2 seeds=n0 suspicion=0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 0ms start n2\n"
      "at 20s pause n2 5s\n"
      "at 21s leave n2\n"
      "at 22s heal\n");
  REQUIRE_MESSAGE(read, read.error());

  const simulation_report report = simulate(*read, how);

  CHECK(rule_of(report) == "none");
  std::sort(seen.begin(), seen.end());
  CHECK(seen == std::vector<std::string>{"n0 peer_complete", "n0 peer_dead", "n0 peer_live",
                                         "n1 peer_complete", "n1 peer_dead", "n1 peer_live"});
}

TEST_CASE("simulation: a sign of life that is on its way when a node crashes is no revival") {
  // n1 is suspected over slow links, crashes, and is declared dead before its last word arrives.
  const simulation_report report = run_text(
      "seed 4001721\n"
      "node n0 interval=200ms datagram=5408 wire=2\n"
      "node n1 seeds=n0 interval=200ms fanout=3 datagram=7952 digests=1 exchange=7952\n"
      "node n2 seeds=n0 interval=200ms\n"
      "node n3 seeds=n0,n1 interval=200ms datagram=7024 exchange=7200 suspicion=0 seed_rounds=4 "
      "wire=1-2\n"
      "node n4 seeds=n0,n1 interval=100ms fanout=2 seed_rounds=4 wire=1-2\n"
      "at 0ms start n0\n"
      "at 147ms start n1\n"
      "at 237ms start n2\n"
      "at 354ms start n3\n"
      "at 740ms start n4\n"
      "at 1853ms write n1 count=100 keys=200 bytes=110 salt=429128\n"
      "at 5865ms set n1 fewer \"\"\n"
      "at 8597ms link n0 n4 loss=14% delay=1ms..501ms\n"
      "at 13105ms link * * loss=13% corruption=20% delay=1ms..23ms\n"
      "at 17240ms restart n4 disk=intact generation=reused salt=401334 wire=2\n"
      "at 17357ms link * * duplication=15% late=16028ms corruption=7% delay=1ms..409ms\n"
      "at 18359ms link n1 * duplication=50% late=4245ms delay=1ms..800ms\n"
      "at 21618ms crash n1\n"
      "at 28062ms link n3 n1 late=17149ms\n");

  CHECK(rule_of(report) == "none");
}

TEST_CASE("simulation: a forgotten peer is back with its next heartbeat, and options go on") {
  const simulation_report report = run_text(
      "node n0\n"
      "node n1 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 10s forget n0 n1\n"
      "at 20s change n0 interval=400ms budget=6000\n"
      "at 30s restart n0 disk=intact generation=kept\n"
      "at 31s change n1 interval=400ms\n"
      "at 32s change n1 peers=3\n"
      "at 40s heal\n");

  CHECK(rule_of(report) == "none");
  CHECK(report.sums.forgotten == 1);
  // How many peers there may be is settled at the start.
  CHECK(report.sums.changes == 2);
}

TEST_CASE("simulation: peers that do not follow a node to its new address in time are named") {
  const std::string nodes =
      "node n0\n"
      "node n1 seeds=n0\n"
      "node n2 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 0ms start n2\n"
      "at 10s advertise n2\n"
      "at 20s heal\n";
  const simulation_report followed = run_text(nodes + "at 20s advertise n1\n");
  const simulation_report apart = run_text(nodes +
                                           "at 20s link n1 * cut=yes\n"
                                           "at 20s advertise n1\n");

  CHECK(rule_of(followed) == "none");
  CHECK(followed.sums.advertised == 2);
  CHECK(followed.sums.followed == 1);
  CHECK(rule_of(apart) ==
        "address: n0 of n1: at 10.0.0.2:7000; it advertises 10.0.0.5:7000, 18 rounds after it was "
        "advertised");
  CHECK(apart.sums.followed == 0);
}

TEST_CASE("simulation: releases without a version in common are upgraded when all heals") {
  const simulation_report report = run_text(
      "node n0 wire=1\n"
      "node n1 seeds=n0 wire=2\n"
      "node n2 seeds=n0 wire=1-2\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 0ms start n2\n"
      "at 9s set n1 key value\n"
      "at 30s heal\n");

  CHECK(rule_of(report) == "none");
  CHECK(report.sums.unreadable > 0);
}

TEST_CASE("simulation: a livelock is reported with its node, with the checks and without them") {
  const auto read = parse_scenario(
      "node n0\n"
      "node n1 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 9s replay n1 count=300\n"
      "at 20s heal\n");
  REQUIRE_MESSAGE(read, read.error());
  for (const bool is_checked : {true, false}) {
    simulation_options how;
    how.is_checked = is_checked;
    CHECK(rule_of(simulate(*read, how)) == "none");
    std::size_t told = 0;
    how.on_fault = [&told](const violation&) { ++told; };
    how.idle_steps_max = 200;

    const simulation_report report = simulate(*read, how);

    CHECK(rule_of(report) == "livelock: n1 took 200 steps in which no time passed");
    CHECK(told == 1);
  }
}

TEST_CASE(
    "simulation: who is back at its own address, and few and empty values, have a text form") {
  const std::string text =
      "seed 1\n"
      "node n0\n"
      "node n1 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 5s move n1\n"
      "at 9s set n1 few \"\"\n"
      "at 14s back n1\n"
      "at 20s erase n1 few\n"
      "at 30s heal\n";
  std::vector<std::string> seen;
  simulation_options how;
  how.on_event = [&seen](std::size_t node, const event_view& event) {
    if (node != 0 || event.key.empty()) return;
    seen.push_back(std::string(to_string(event.kind)) + " [" + std::string(event.value) + "]");
  };
  const auto read = parse_scenario(text);
  REQUIRE_MESSAGE(read, read.error());
  CHECK(to_text(*read) == text);

  const simulation_report report = simulate(*read, how);

  CHECK(rule_of(report) == "none");
  CHECK(seen == std::vector<std::string>{"update []", "removed []"});
}

// Faults that gossip_sim found, in scenarios that it cut down.

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

TEST_CASE("simulation: a node is not sent the entries of a former run of its own") {
  // The former run's date is too far ahead for the node to refute it, and its peer read that date.
  const simulation_report report = run_text(
      "seed 43\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 101ms start n1\n"
      "at 23914ms clock n0 200694698ms\n"
      "at 31186ms clock n1 200716923ms\n"
      "at 60377ms restart n0 disk=intact generation=kept salt=481299\n"
      "at 60377ms write n0 count=1 keys=1 salt=82412\n"
      "at 60691ms clock n0 -60691ms\n"
      "at 60691ms restart n0 disk=intact generation=lost salt=205862\n"
      "at 86629ms heal\n");

  CHECK(rule_of(report) == "none");
}

TEST_CASE(
    "simulation: a seed that reads one of two wire versions may be asked in the other first") {
  // While it was away, n1 came to ask it every 16th round only, in its versions by turns.
  const simulation_report report = run_text(
      "seed 4372\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms wire=1-2\n"
      "at 0ms start n0\n"
      "at 839ms start n1\n"
      "at 43323ms restart n0 disk=intact generation=kept wire=2\n"
      "at 43323ms leave n0\n"
      "at 43404ms restart n1 disk=intact generation=kept salt=331146\n"
      "at 52690ms heal\n");

  CHECK(rule_of(report) == "none");
  CHECK(report.rounds_to_agree > 31);
}

// A pause within a pause ended it early for the clock of the demands, and not for what waited for
// its end.
TEST_CASE(
    "simulation: who is told to stand still for less than it does stands still for all of it") {
  const simulation_report report = run_text(
      "seed 4900\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 426ms start n1\n"
      "at 46484ms pause n1 6993ms\n"
      "at 49188ms pause n1 3697ms\n"
      "at 50453ms write n1 count=1 keys=1 salt=305462 ttl=2033ms\n"
      "at 51777ms heal\n");

  CHECK(rule_of(report) == "none");
}

// On a way that reorders, each answer brings such a node its first datagram for sure, and no more.
TEST_CASE("simulation: a node that parks nothing has time for one datagram a round") {
  const simulation_report report = run_text(
      "seed 5053\n"
      "node n0 interval=200ms parked=0\n"
      "node n1 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 1s link n1 n0 cut=yes\n"
      "at 2s write n1 count=600 keys=600 bytes=400 salt=1\n"
      "at 9s heal\n");

  CHECK(rule_of(report) == "none");
}

// A refusal ended with the grace, though its peer was there all the time: it was sent again.
TEST_CASE("simulation: a run of a wrong date is refused for as long as it is told of") {
  const simulation_report report = run_text(
      "seed 3736\n"
      "node n0 interval=200ms grace=20s phi=40 seed_rounds=4 window=8 wire=2\n"
      "node n1 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 1597ms start n1\n"
      "at 10723ms clock n1 200593567ms\n"
      "at 11377ms restart n1 disk=intact generation=kept salt=540234\n"
      "at 28405ms restart n0 disk=intact generation=kept wire=1-2\n"
      "at 35541ms restart n0 disk=intact generation=kept\n"
      "at 54782ms change n1 interval=500ms\n"
      "at 65408ms write n1 count=1 keys=1 salt=910863\n"
      "at 70252ms heal\n");

  CHECK(rule_of(report) == "none");
}

// The one of the shorter grace forgot that it refused it, in each exchange.
TEST_CASE("simulation: who was silent for one node's grace is not sent to it by one of a longer") {
  const simulation_report report = run_text(
      "seed 2435\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms grace=20s\n"
      "node n2 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 516ms start n2\n"
      "at 18287ms write n2 count=1 keys=1 salt=120060\n"
      "at 26155ms clock n2 200874635ms\n"
      "at 27103ms restart n2 disk=intact generation=kept salt=734716\n"
      "at 61359ms heal\n");

  CHECK(rule_of(report) == "none");
}

// Nodes that need not agree count as agreed before they have met.
TEST_CASE("simulation: what two nodes tell each other when they meet late is no unrest") {
  const simulation_report report = run_text(
      "seed 5720\n"
      "node n0 interval=300ms digests=1 phi=40\n"
      "node n1 seeds=n0 interval=300ms digests=1 exchange=7200 suspicion=0 window=8\n"
      "node n2 seeds=n0,n1 interval=100ms fanout=2 wire=1-2 reads=2607ms\n"
      "at 0ms start n0\n"
      "at 36ms start n1\n"
      "at 172ms start n2\n"
      "at 1849ms write n1 count=1 keys=11 bytes=11430 salt=50297\n"
      "at 2207ms pause n0 8674ms\n"
      "at 2971ms forget n2 n1\n"
      "at 4283ms write n2 count=1 keys=1 bytes=18480 salt=533385\n"
      "at 4839ms set n2 lease held\n"
      "at 8592ms write n0 count=1 keys=3 bytes=15868 salt=767302\n"
      "at 8750ms write n1 count=1 keys=1 bytes=7934 salt=767302\n"
      "at 10260ms write n1 count=1 keys=1 bytes=26398 salt=275879\n"
      "at 13561ms write n0 count=1 keys=1 bytes=24751 salt=777964\n"
      "at 22668ms forget n1 n2\n"
      "at 22668ms clock n2 200119875ms\n"
      "at 43113ms crash n0\n"
      "at 44196ms clock n0 200126484ms\n"
      "at 44984ms restart n0 disk=intact generation=kept salt=416930\n"
      "at 53025ms write n0 count=1 keys=1 bytes=18710 salt=549272\n"
      "at 63470ms restart n2 disk=intact generation=kept wire=2\n"
      "at 67123ms heal\n");

  CHECK(rule_of(report) == "none");
}

// All peers name the newer run to the older one: none of their words bears a heartbeat of its own.
TEST_CASE("simulation: an older run that was deaf finds its peers again, and writes nothing") {
  const simulation_report report = run_text(
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "node n2 seeds=n0 interval=200ms\n"
      "node n3 name=n1 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 138ms start n1\n"
      "at 376ms start n2\n"
      "at 656ms start n3\n"
      "at 9s link * n1 cut=yes\n"
      "at 9s link * n3 cut=yes\n"
      "at 18s link * n1\n"
      "at 18s link * n3\n"
      "at 36s heal\n");

  CHECK(rule_of(report) == "none");
}

// The seed was down when the conflict was demanded: the two could not know of each other.
TEST_CASE("simulation: two nodes of one name meet once their seed is back") {
  const simulation_report report = run_text(
      "seed 165\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "node n2 seeds=n0 interval=200ms\n"
      "node n3 name=n1 seeds=n0 interval=200ms\n"
      "at 16ms start n1\n"
      "at 457ms start n2\n"
      "at 535ms start n3\n"
      "at 52786ms heal\n");

  CHECK(rule_of(report) == "none");
}

// A digest waited for the budget, and was written as to a peer that did not answer.
TEST_CASE("simulation: what waits for a budget is written as its receiver reads by then") {
  const simulation_report report = run_text(
      "seed 1068\n"
      "node n0 interval=200ms wire=2\n"
      "node n1 seeds=n0 interval=200ms wire=1-2\n"
      "node n2 seeds=n0 interval=200ms wire=1-2\n"
      "at 0ms start n0\n"
      "at 63ms start n1\n"
      "at 161ms start n2\n"
      "at 502ms write n2 count=57 keys=50 bytes=165 salt=694884\n"
      "at 663ms restart n2 disk=intact generation=kept salt=943512\n"
      "at 914ms pause n0 7631ms\n"
      "at 6412ms change n2 budget=1500\n"
      "at 7863ms restart n1 disk=intact generation=kept wire=2\n"
      "at 7863ms move n1\n"
      "at 9545ms flood n1 count=1\n");

  CHECK(rule_of(report) == "none");
}

// With so small a budget the first datagrams of answers take what there is.
TEST_CASE("simulation: within a small budget the copies of a large value advance side by side") {
  const simulation_report report = run_text(
      "seed 2001628\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms\n"
      "node n2 seeds=n0 interval=200ms\n"
      "node n3 seeds=n0 interval=200ms\n"
      "at 687ms start n3\n"
      "at 44123ms write n3 count=1 keys=1 bytes=34803 salt=280873\n"
      "at 44804ms change n3 budget=1500\n"
      "at 66025ms heal\n");

  CHECK(rule_of(report) == "none");
}

// A cookie of a moment ago was out of date at once, so its bearer was told no reason.
TEST_CASE("simulation: whoever is refused is told why after a change to a shorter interval") {
  const simulation_report report = run_text(
      "seed 2001602\n"
      "node n0 interval=200ms\n"
      "node n1 seeds=n0 interval=200ms peers=2 parked=0\n"
      "node n2 seeds=n0 interval=200ms\n"
      "node n3 seeds=n0 interval=200ms\n"
      "at 0ms start n0\n"
      "at 160ms start n1\n"
      "at 243ms start n2\n"
      "at 379ms start n3\n"
      "at 31965ms change n1 interval=300ms\n"
      "at 45133ms change n1 interval=100ms\n"
      "at 47559ms set n2 fewer a\n");

  CHECK(rule_of(report) == "none");
}

}  // namespace gossipmonger
