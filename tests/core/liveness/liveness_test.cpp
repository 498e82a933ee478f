#include "core/liveness/liveness.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t peer_generation = 1000;

endpoint address_of(std::size_t host) {
  return endpoint::v4(10, 0, 0, static_cast<std::uint8_t>(host), 7000);
}

/// A node at 10.0.0.1 with an interval of 1 s that began at 100 s, and what its liveness decides
/// by. Peers are known by the last byte of their address, which is the hash of their name too.
class watcher {
 public:
  watcher() {
    settings.jitter = 0;
    settings.suspicion_rounds = 6;
    static_cast<void>(add_row(1));
    peers.self().set_status(peer_status::self);
    alive.update_expectation(10);
  }

  /// A peer with a verified address, which advanced to `heartbeat` now.
  slot_index add(std::size_t host, peer_status status, std::uint64_t heartbeat = 10) {
    const slot_index slot = add_row(host);
    static_cast<void>(addresses.handle_verified(address_of(host), 1));
    peers.begin(slot, peer_generation, heartbeat - 1, clock.now(), clock.now());
    peers.restart_silence(slot, clock.now());
    peers.advance(slot, heartbeat, clock.now(), alive.expected(), settings.detector_window);
    peers[slot].set_status(status);
    alive.begin(slot);
    return slot;
  }

  /// Moves the time on, and runs one round. Returns whom it probes, as "2 3", and carries out what
  /// it polls: every probe is sent at once, and each status is set.
  std::string run(std::chrono::nanoseconds later = 1s) {
    now += later;
    static_cast<void>(clock.observe(moment(now, 0s), now, 1h));
    alive.begin_round(++round);
    std::string probed = start_probes();
    alive.ask_more();
    probed += start_probes();
    alive.begin_declaring();
    while (alive.is_declaring()) {
      if (const std::optional<slot_index> dead = alive.poll_dead()) {
        alive.handle_death(*dead);
        peers[*dead].set_status(peer_status::dead);
        peers.reset_detector(*dead, clock.now());
        peers[*dead].reset_advances();
      }
      probed += start_probes();
    }
    return probed;
  }
  std::string start_probes() {
    std::string probed;
    while (const std::optional<wanted_probe> one = alive.poll_probe(draws)) {
      probed += (probed.empty() ? "" : " ") + std::to_string(one->to.address.back());
      if (one->told && one->told->is_probe_request) probed += '?';
      if (is_sending) alive.handle_asked(one->remote_hash);
      alive.handle_started(*one, is_sending);
    }
    return probed;
  }
  /// A peer that bears `heartbeat` says so itself.
  void hear(slot_index slot, std::uint64_t heartbeat) {
    if (const std::optional<peer_status> status =
            alive.handle_heartbeat(slot, entry_of(slot, heartbeat))) {
      peers[slot].set_status(*status);
    }
    alive.handle_alive(slot, heartbeat);
  }
  [[nodiscard]] digest_entry entry_of(slot_index slot, std::uint64_t heartbeat) const {
    digest_entry entry = peers[slot].entry();
    entry.heartbeat = heartbeat;
    return entry;
  }
  /// Suspected for `age` sixteenths of a round; never heard directly.
  [[nodiscard]] suspicion_entry suspicion_of(slot_index slot, std::uint16_t age) const {
    suspicion_entry told;
    told.name_hash = peers[slot].name_hash();
    told.generation = peer_generation;
    told.heartbeat = peers[slot].heartbeat();
    told.suspicion_age = age;
    return told;
  }
  void tell(const suspicion_entry& told) {
    static_cast<void>(alive.handle_evidence(told));
    alive.handle_suspicion(told, 9, address_of(9));
  }

  config settings;
  peer_table peers{64};
  address_book addresses{64, 1h, 1};
  node_clock clock{moment(100s, 0s)};
  random_source draws{1};
  liveness alive{settings, peers, addresses, clock};
  bool is_sending = true;

 private:
  slot_index add_row(std::size_t host) {
    const std::optional<slot_index> slot = peers.try_add("n" + std::to_string(host), host);
    peers.details(*slot).address = address_of(host);
    return *slot;
  }

  std::chrono::nanoseconds now = 100s;
  std::uint64_t round = 0;
};

}  // namespace

TEST_CASE("liveness: a new peer is live after its second advance, by other peers' word") {
  watcher node;
  const slot_index peer = node.add(2, peer_status::introduced);

  CHECK(node.alive.handle_heartbeat(peer, node.entry_of(peer, 11)) == peer_status::live);
  CHECK(node.alive.handle_heartbeat(peer, node.entry_of(peer, 11)) == std::nullopt);
}

TEST_CASE("liveness: a relayed heartbeat that cannot be is refused, and counted") {
  watcher node;
  const slot_index peer = node.add(2, peer_status::live);

  CHECK(node.alive.accepts(peer, node.entry_of(peer, 10 + 64)));
  CHECK_FALSE(node.alive.accepts(peer, node.entry_of(peer, 1'000'000)));

  CHECK(node.alive.counters().heartbeats_refused == 1);
}

TEST_CASE("liveness: a peer that does not answer is asked again, with indirect probes") {
  watcher node;
  const slot_index silent = node.add(2, peer_status::live);
  node.add(3, peer_status::live);
  node.alive.expect_answer(silent, peer_generation);

  const std::string probed = node.run();

  CHECK(probed.starts_with("2"));
  CHECK(probed.find("3?") != std::string::npos);
  CHECK(node.alive.counters().probes_unanswered == 1);
}

TEST_CASE("liveness: an indirect probe is drawn after the one before it has started") {
  watcher node;
  const slot_index silent = node.add(2, peer_status::live);
  std::vector<slot_index> thirds;
  for (std::size_t host = 3; host < 10; ++host) {
    thirds.push_back(node.add(host, peer_status::live));
  }
  node.alive.expect_answer(silent, peer_generation);
  node.alive.begin_round(1);

  std::size_t requests = 0;
  while (const std::optional<wanted_probe> one = node.alive.poll_probe(node.draws)) {
    if (one->told) {
      ++requests;
      for (const slot_index third : thirds) node.peers[third].set_status(peer_status::left);
    }
    node.alive.handle_started(*one, true);
  }

  CHECK(requests == 1);
}

TEST_CASE("liveness: nothing is missed where the byte budget keeps the probe back") {
  watcher node;
  node.settings.send_bytes_per_interval = 2000;
  node.is_sending = false;
  const slot_index silent = node.add(2, peer_status::live);
  node.add(3, peer_status::live);
  node.alive.expect_answer(silent, peer_generation);

  for (int i = 0; i < 10; ++i) CHECK(node.run() == "2");

  CHECK_FALSE(node.peers[silent].is_suspect());
}

TEST_CASE("liveness: an unanswered probe becomes a suspicion, and then a death") {
  watcher node;
  const slot_index silent = node.add(2, peer_status::live);
  node.add(3, peer_status::live);
  node.alive.expect_answer(silent, peer_generation);

  std::size_t rounds = 0;
  while (!node.peers[silent].is_suspect() && rounds < 20) ++rounds, node.run();
  CHECK(rounds <= prober::tries_max + 1);
  CHECK(node.alive.suspicions_told() == 1);
  while (node.peers[silent].status() == peer_status::live && rounds < 40) ++rounds, node.run();

  CHECK(rounds <= prober::tries_max + 1 + node.settings.suspicion_rounds + 1);
  CHECK(node.alive.counters().declared_dead == 1);
}

TEST_CASE("liveness: a sign of life from before a probe ends no suspicion that the probe raised") {
  watcher node;
  node.settings.dead_peer_phi = 1000;  // silence alone kills nobody
  const slot_index silent = node.add(2, peer_status::live);
  node.add(3, peer_status::live);
  // Others suspect it since before this node asked it, and then it dies.
  node.tell(node.suspicion_of(silent, 16));
  node.run();
  node.alive.expect_answer(silent, peer_generation);
  for (int i = 0; i < 3; ++i) node.run();
  REQUIRE(node.peers[silent].is_suspect());

  // Somebody had a word of it in between.
  suspicion_entry late = node.suspicion_of(silent, suspicion_entry::no_suspicion);
  late.alive_age = 16 * 4 - 8;
  static_cast<void>(node.alive.handle_evidence(late));
  REQUIRE_FALSE(node.peers[silent].is_suspect());
  node.run();

  CHECK(node.peers[silent].is_suspect());
  for (int i = 0; i < 12; ++i) node.run();
  CHECK(node.peers[silent].status() == peer_status::dead);
}

TEST_CASE("liveness: a sign of life from after a probe ends the suspicion that the probe raised") {
  watcher node;
  node.settings.dead_peer_phi = 1000;  // silence alone kills nobody
  const slot_index peer = node.add(2, peer_status::live);
  node.add(3, peer_status::live);
  node.alive.expect_answer(peer, peer_generation);
  for (int i = 0; i < 3; ++i) node.run();
  REQUIRE(node.peers[peer].is_suspect());
  const std::uint64_t raised = node.alive.counters().suspicions_raised;

  suspicion_entry late = node.suspicion_of(peer, suspicion_entry::no_suspicion);
  late.alive_age = 4;
  static_cast<void>(node.alive.handle_evidence(late));
  for (int i = 0; i < 12; ++i) node.run();

  CHECK_FALSE(node.peers[peer].is_suspect());
  CHECK(node.peers[peer].status() == peer_status::live);
  CHECK(node.alive.counters().suspicions_raised == raised);
}

TEST_CASE("liveness: a word of the suspect itself refutes the suspicion") {
  watcher node;
  const slot_index peer = node.add(2, peer_status::live);
  node.tell(node.suspicion_of(peer, 16));
  REQUIRE(node.peers[peer].is_suspect());

  node.hear(peer, 11);

  CHECK_FALSE(node.peers[peer].is_suspect());
  CHECK(node.alive.counters().suspicions_refuted == 1);
}

TEST_CASE("liveness: a suspect dies only after this node has asked it") {
  watcher node;
  node.settings.dead_peer_phi = 1000;  // silence alone kills nobody
  const slot_index peer = node.add(2, peer_status::live);
  node.is_sending = false;
  node.tell(node.suspicion_of(peer, 16));

  for (int i = 0; i < 20; ++i) node.run();
  CHECK(node.peers[peer].status() == peer_status::live);

  node.is_sending = true;
  for (int i = 0; i < 3; ++i) node.run();
  CHECK(node.peers[peer].status() == peer_status::dead);
}

TEST_CASE("liveness: an observer asks nothing of a suspect that is no seed") {
  for (const bool is_seed : {true, false}) {
    CAPTURE(is_seed);
    watcher node;
    node.settings.is_observer = true;
    node.settings.dead_peer_phi = 1000;  // silence alone kills nobody
    const slot_index peer = node.add(2, peer_status::live);
    if (!is_seed) node.peers.details(peer).address = address_of(77);  // never verified
    node.is_sending = false;
    node.tell(node.suspicion_of(peer, 16));

    for (int i = 0; i < 20; ++i) node.run();

    CHECK(node.peers[peer].status() == (is_seed ? peer_status::live : peer_status::dead));
  }
}

TEST_CASE("liveness: a probe request is answered once there is a sign of life") {
  watcher node;
  const slot_index peer = node.add(2, peer_status::live);
  suspicion_entry request = node.suspicion_of(peer, 8);
  request.is_probe_request = true;

  node.tell(request);
  CHECK(node.start_probes() == "2");  // the peer is probed for the node that requests it
  node.hear(peer, 11);

  CHECK(node.start_probes() == "9");
}

TEST_CASE("liveness: a peer that others suspect is asked, if the own sign of its life is old") {
  for (const int rounds : {2, 6}) {
    CAPTURE(rounds);
    watcher given;
    const slot_index silent = given.add(2, peer_status::live);
    given.hear(silent, 11);
    for (int i = 0; i < rounds; ++i) given.run();

    // Suspected for a round longer than since that sign.
    given.tell(given.suspicion_of(silent, static_cast<std::uint16_t>(16 * (rounds + 1))));

    CHECK(given.start_probes() == (rounds == 6 ? "2" : ""));
    CHECK(given.alive.pending_probes() == (rounds == 6 ? 1 : 0));
  }
}

TEST_CASE("liveness: a suspicion that a heartbeat outran makes this node look for itself") {
  watcher node;
  const slot_index silent = node.add(2, peer_status::live);
  node.hear(silent, 11);
  for (int round = 0; round < 8; ++round) node.run();
  // It beat nine times since the sign of life, so it lived well after it was suspected.
  static_cast<void>(node.alive.handle_heartbeat(silent, node.entry_of(silent, 20)));

  node.tell(node.suspicion_of(silent, 16 * 6));

  CHECK(node.start_probes() == "2");
  CHECK(node.alive.pending_probes() == 1);
  node.run();
  node.run();
  CHECK(node.peers[silent].is_suspect());  // since now
}

TEST_CASE("liveness: who names the dead is told of their suspicions, and of nobody else's") {
  watcher given;
  const slot_index dead = given.add(2, peer_status::live);
  const slot_index suspect = given.add(3, peer_status::live);
  given.add(4, peer_status::dead);  // by phi: there is no suspicion
  given.tell(given.suspicion_of(dead, 16));
  for (int i = 0; i < 12 && given.peers[dead].status() == peer_status::live; ++i) given.run();
  REQUIRE(given.peers[dead].status() == peer_status::dead);
  given.tell(given.suspicion_of(suspect, 16));
  std::vector<packed_entry> named;
  for (slot_index slot = 1; slot < 4; ++slot) named.push_back(given.peers[slot].entry());
  named.emplace_back().name_hash = 99;  // unknown

  std::vector<suspicion_entry> told;
  given.alive.tell_dead(named, told);
  given.alive.tell_dead(named, told);  // once each

  REQUIRE(told.size() == 1);
  CHECK(told[0].name_hash == 2);
  CHECK(told[0].suspicion_age != suspicion_entry::no_suspicion);
}

TEST_CASE("liveness: where nobody answers for four rounds, more are asked than the ring does") {
  for (const bool is_answered : {false, true}) {
    CAPTURE(is_answered);
    watcher given;
    std::vector<slot_index> ring;
    for (std::size_t host = 2; host < 40; ++host) {
      ring.push_back(given.add(host, peer_status::live));
    }
    // Two are asked a round; one of them answers, or none.
    for (std::size_t i = 0; i < 12; i += 2) {
      given.alive.expect_answer(ring[i], peer_generation);
      given.alive.expect_answer(ring[i + 1], peer_generation);
      if (is_answered) given.hear(ring[i], 12);
      given.run();
    }

    CHECK((given.alive.pending_probes() > (is_answered ? 6 : 12)) == !is_answered);
  }
}

TEST_CASE("liveness: a peer that could not be asked is not missed") {
  watcher given;
  const slot_index silent = given.add(2, peer_status::live);
  given.hear(silent, 11);
  for (int i = 0; i < 6; ++i) given.run();
  given.is_sending = false;

  given.tell(given.suspicion_of(silent, 16 * 7));

  CHECK(given.start_probes() == "2");
  CHECK(given.alive.pending_probes() == 0);
}

TEST_CASE("liveness: a pause ends what was awaited, and no peer dies before two rounds") {
  watcher node;
  const slot_index peer = node.add(2, peer_status::live);
  node.alive.expect_answer(peer, peer_generation);

  node.alive.suspend(2);

  CHECK(node.alive.pending_probes() == 0);
  node.run(1h);
  CHECK(node.peers[peer].status() == peer_status::live);
  node.run();
  CHECK(node.peers[peer].status() == peer_status::dead);
}

TEST_CASE("liveness: under too small a budget a silent peer dies only after this node asked it") {
  for (const bool is_starved : {false, true}) {
    CAPTURE(is_starved);
    watcher node;
    node.settings.send_bytes_per_interval = 2000;
    node.alive.handle_budget(is_starved);
    node.is_sending = false;
    const slot_index peer = node.add(2, peer_status::live);

    // Phi alone, over an hour of silence.
    node.run(1h);
    CHECK(node.peers[peer].status() == (is_starved ? peer_status::live : peer_status::dead));
    if (!is_starved) continue;
    for (int i = 0; i < 20; ++i) CHECK(node.run() == "2");
    CHECK(node.peers[peer].status() == peer_status::live);

    node.is_sending = true;
    std::size_t rounds = 0;
    while (node.peers[peer].status() == peer_status::live && rounds < 20) ++rounds, node.run();
    CHECK(rounds == prober().asks_needed() + 1);
    CHECK(node.alive.counters().declared_dead == 1);
  }
}

TEST_CASE(
    "liveness: under a budget a suspect is asked twice, under too small a one as losses need") {
  for (const bool is_starved : {false, true}) {
    CAPTURE(is_starved);
    watcher node;
    node.settings.dead_peer_phi = 1000;  // silence alone kills nobody
    node.settings.send_bytes_per_interval = 2000;
    node.alive.handle_budget(is_starved);
    node.is_sending = false;
    const slot_index peer = node.add(2, peer_status::live);
    node.tell(node.suspicion_of(peer, 16));
    for (int i = 0; i < 20; ++i) node.run();
    REQUIRE(node.peers[peer].status() == peer_status::live);

    node.is_sending = true;
    std::size_t asks = 0;
    while (node.peers[peer].status() == peer_status::live && asks < 20) {
      if (node.run() == "2") ++asks;
    }

    CHECK(asks == (is_starved ? prober().asks_needed() : 2));
  }
  CHECK(prober().asks_needed() > 2);
}

TEST_CASE("liveness: a dead peer is not revived by a heartbeat from before it fell silent") {
  watcher node;
  const slot_index peer = node.add(2, peer_status::live);
  node.run(1h);
  REQUIRE(node.peers[peer].status() == peer_status::dead);

  CHECK(node.alive.handle_heartbeat(peer, node.entry_of(peer, 11)) == std::nullopt);
  CHECK(node.peers[peer].heartbeat() == 11);
  CHECK(node.alive.handle_heartbeat(peer, node.entry_of(peer, 200)) == std::nullopt);
  CHECK(node.alive.handle_heartbeat(peer, node.entry_of(peer, 201)) == peer_status::live);
}

}  // namespace gossipmonger
