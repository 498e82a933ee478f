#include "core/membership/partners.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using why = partner::why;

endpoint address_of(std::size_t host) {
  return endpoint::v4(10, 0, 0, static_cast<std::uint8_t>(host), 7000);
}

/// A node at 10.0.0.1 with an interval of 1 s, and the peers that its choice refers to. Every start
/// works, but for those to addresses in `busy` and `refused`.
class chooser {
 public:
  chooser() {
    settings.jitter = 0;
    settings.seed_every_rounds = 1000;  // the stagger of hash 1,001 is round 1
    settings.live_peers_min = 0;
    static_cast<void>(add_row(1, peer_status::self));
  }

  /// A peer at 10.0.0.`host`, in the ring of its status.
  slot_index add(std::size_t host, peer_status status) {
    const slot_index slot = add_row(host, status);
    if (status == peer_status::live) rings.live.add(slot, draws);
    if (status == peer_status::introduced) rings.newcomers.add(slot, draws);
    if (peers[slot].is_gone()) rings.gone.push_back(slot);
    return slot;
  }
  /// Runs the choice of one round, and returns the partners that were started, as "member 2".
  std::string run(bool has_left = false, std::size_t lacking_leave = 0) {
    partner_round round;
    round.number = ++number;
    round.has_left = has_left;
    round.lacking_leave = lacking_leave;
    partly.begin_round(round);
    const auto is_holding = [this](slot_index slot) { return holding.contains(slot); };
    std::string started;
    while (const std::optional<partner> chosen = partly.poll_partner(rings, draws, is_holding)) {
      const std::size_t host = chosen->to.address.back();
      const bool is_started = !busy.contains(host) && !refused.contains(host);
      if (is_started) started += (started.empty() ? "" : ", ") + text_of(*chosen, host);
      partly.handle_started(is_started            ? start_outcome::started
                            : busy.contains(host) ? start_outcome::waiting
                                                  : start_outcome::refused);
    }
    return started;
  }

  config settings;
  peer_table peers{16};
  member_rings rings;
  random_source draws{1};
  partners partly{settings, peers, 100s};
  std::set<slot_index> holding;
  std::set<std::size_t> busy;
  std::set<std::size_t> refused;
  std::uint64_t number = 1;

 private:
  slot_index add_row(std::size_t host, peer_status status) {
    const slot_index slot = *peers.try_add(std::to_string(host), 1000 + host);
    peers[slot].set_status(status);
    peers.details(slot).address = address_of(host);
    return slot;
  }
  static std::string text_of(const partner& chosen, std::size_t host) {
    const std::string host_text = std::to_string(host);
    switch (chosen.reason) {
      case why::member:
        return "member " + host_text;
      case why::dead:
        return "dead " + host_text;
      case why::seed:
        return "seed " + host_text + (chosen.name_hash == 0 ? "" : " known");
      case why::joined:
        return "joined " + host_text;
    }
    return {};
  }
};

}  // namespace

TEST_CASE("partners: each live peer is met once in a turn of the ring") {
  chooser node;
  for (std::size_t host = 2; host <= 5; ++host) node.add(host, peer_status::live);

  std::set<std::string> met;
  for (int round = 0; round < 4; ++round) met.insert(node.run());

  CHECK(met == std::set<std::string>{"member 2", "member 3", "member 4", "member 5"});
}

TEST_CASE("partners: live peers and newcomers take turns while there are both") {
  chooser node;
  node.add(2, peer_status::live);
  node.add(3, peer_status::introduced);

  CHECK(node.run() == "member 3");
  CHECK(node.run() == "member 2");
  CHECK(node.run() == "member 3");
  node.settings.fanout = 2;
  CHECK(node.run() == "member 2, member 3");
}

TEST_CASE("partners: a member with which no exchange starts costs no start") {
  chooser node;
  for (std::size_t host = 2; host <= 4; ++host) node.add(host, peer_status::live);
  node.settings.fanout = 2;
  node.busy = {2};

  for (int round = 0; round < 3; ++round) {
    const std::string started = node.run();
    CHECK((started == "member 3, member 4" || started == "member 4, member 3" ||
           started == "member 3, member 3" || started == "member 4, member 4"));
  }
  node.refused = {3, 4};
  CHECK(node.run() == "");
}

TEST_CASE("partners: while a version is preferred, a peer that lacks it comes first") {
  chooser node;
  node.holding = {node.add(2, peer_status::live), node.add(3, peer_status::live)};
  node.add(4, peer_status::introduced);

  node.partly.prefer_lacking(7);
  for (int round = 0; round < 4; ++round) CHECK(node.run() == "member 4");
  node.busy = {4};
  CHECK(node.run() != "");  // nobody else lacks it: the others take their turn

  node.busy = {};
  node.partly.prefer_lacking(0);
  const std::string both = node.run() + ", " + node.run();
  CHECK((both.starts_with("member 4") != both.ends_with("member 4")));
}

TEST_CASE("partners: a node that leaves tells peers that lack its leave, sixteen a round at most") {
  chooser node;
  for (std::size_t host = 2; host <= 4; ++host) node.add(host, peer_status::live);
  node.holding = {1};

  const std::string started = node.run(true, 2);

  CHECK((started == "member 3, member 4" || started == "member 4, member 3" ||
         started == "member 3, member 3" || started == "member 4, member 4"));
  const std::string many = node.run(true, 40);
  CHECK(std::count(many.begin(), many.end(), 'm') == 2 * 16);  // two in each "member"
}

TEST_CASE("partners: a dead peer is asked for sure where nobody is live, one that left never") {
  chooser node;
  node.add(2, peer_status::dead);
  node.add(3, peer_status::left);
  for (int round = 0; round < 8; ++round) CHECK(node.run() == "dead 2");

  for (std::size_t host = 4; host <= 7; ++host) node.add(host, peer_status::live);
  int asked = 0;
  for (int round = 0; round < 100; ++round) asked += node.run().ends_with("dead 2") ? 1 : 0;
  CHECK(asked > 5);  // one in five
  CHECK(asked < 40);
}

TEST_CASE("partners: a seed is asked in its round, and in each while too few peers are live") {
  chooser node;
  node.partly.set_seeds({address_of(9)});
  node.add(2, peer_status::live);
  CHECK(node.run() == "member 2");
  CHECK_FALSE(node.partly.has_seed_to_ask());
  node.number = 1000;  // of 1,000 rounds the next one is its own
  CHECK(node.run() == "member 2, seed 9");

  node.settings.live_peers_min = 2;
  CHECK(node.run() == "member 2, seed 9");
  CHECK(node.partly.has_seed_to_ask());
  node.partly.handle_reflection(address_of(9));
  CHECK_FALSE(node.partly.has_seed_to_ask());
}

TEST_CASE("partners: while nobody is live, seeds take turns, as many as a round has room for") {
  chooser node;
  node.settings.live_peers_min = 1;
  node.settings.unverified_addresses_max = 2;
  node.partly.set_seeds({address_of(1), address_of(6), address_of(7), address_of(8)});
  node.refused = {1};  // its own address

  std::string all;
  for (int round = 0; round < 3; ++round) all += node.run() + ", ";

  for (const std::string seed : {"seed 6, ", "seed 7, ", "seed 8, "}) {
    CAPTURE(all);
    const std::size_t first = all.find(seed);
    REQUIRE(first != std::string::npos);
    CHECK(all.find(seed, first + 1) != std::string::npos);
  }
}

TEST_CASE("partners: a seed where one peer is known is asked by its name, and not where two are") {
  chooser node;
  node.settings.live_peers_min = 5;
  node.settings.fanout = 1;
  node.partly.set_seeds({address_of(2)});
  const slot_index b = node.add(2, peer_status::live);
  CHECK(node.run() == "member 2, seed 2 known");

  const slot_index c = node.add(3, peer_status::live);
  node.peers.details(c).address = address_of(2);
  CHECK(node.run().ends_with("seed 2 known"));  // the one that was found there before
  node.peers[b].set_status(peer_status::introduced);
  CHECK(node.run().ends_with("seed 2"));
}

TEST_CASE("partners: a joined address is asked once, and waits while there is no room") {
  chooser node;
  for (const std::size_t host : {1U, 5U, 6U, 7U}) node.partly.join(address_of(host));
  node.refused = {5};
  node.busy = {6};

  CHECK(node.run() == "joined 7");
  CHECK(node.partly.joining() == 1);
  node.refused = {};
  CHECK(node.run() == "joined 5");
  CHECK(node.partly.joining() == 0);

  for (std::size_t i = 0; i < 2 * partners::joining_max; ++i) node.partly.join(address_of(5));
  CHECK(node.partly.joining() == partners::joining_max);
}

TEST_CASE("partners: the next round is due an interval later, however late its timer came") {
  chooser node;

  node.partly.schedule_next(100s + 300ms, node.draws);
  CHECK(node.partly.next_round() == 101s);
  node.partly.schedule_next(101s + 700ms, node.draws);
  CHECK(node.partly.next_round() == 102s + 200ms);  // not sooner than half an interval
  node.partly.schedule_next(110s, node.draws);
  CHECK(node.partly.next_round() == 110s + 500ms);
}

TEST_CASE("partners: with jitter, an interval varies by that part") {
  chooser node;
  node.settings.jitter = 0.5;
  std::set<bool> is_longer;
  for (int i = 0; i < 20; ++i) {
    node.partly.set_next_round(100s);
    node.partly.schedule_next(100s, node.draws);
    const std::chrono::nanoseconds next = node.partly.next_round();
    CHECK(next >= 100s + 500ms);
    CHECK(next <= 101s + 500ms);
    is_longer.insert(next > 101s);
  }
  CHECK(is_longer.size() == 2);
}

}  // namespace gossipmonger
