// A node takes a peer for live by another's word, or does not: a node among peers whose every word
// the test chooses.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// "a" knows a teller, which hears it; "a" does not know `other`, which the teller holds live.
struct told_node {
  told_node() : teller(world, "a", "teller", 1), other(world, "a", "other", 2) {
    world.add("a");
    teller.enter();
    other.heartbeat = 50;
    static_cast<void>(read_events(world["a"], cursor));
  }

  [[nodiscard]] identity_view other_identity() const {
    identity_view who = other.identity();
    who.is_live = true;
    return who;
  }
  void tell(const identity_view& who) {
    teller.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(teller.send());
  }
  /// `teller` goes on; "a" has its rounds, and nobody else says a word.
  letters pass_round() {
    letters sent = world.collect_round("a");
    ++teller.heartbeat;
    teller.begin(message_kind::digest);
    sent.splice(sent.end(), teller.send());
    return sent;
  }
  [[nodiscard]] peer_status status() {
    return world["a"].find_member("other", world.now())->status;
  }
  void pass_until(peer_status expected) {
    for (int round = 0; round < 60 && status() != expected; ++round) pass_round();
    REQUIRE(status() == expected);
  }

  small_cluster world;
  puppet teller;
  puppet other;
  change_cursor cursor;
};

std::size_t count_told(const letters& all, const puppet& about) {
  std::size_t told = 0;
  for (const letter& one : all) {
    for (const suspicion_entry& suspicion : one.content.suspicions) {
      if (suspicion.name_hash == about.hash()) ++told;
    }
  }
  return told;
}

}  // namespace

// ------------------------------------------------------------------------------- the live bit

TEST_CASE("protocol live: a peer that its teller holds live is live at once") {
  told_node given;

  given.tell(given.other_identity());

  CHECK(read_events(given.world["a"], given.cursor) == "new_peer other\npeer_live other\n");
  CHECK(given.world["a"].live_peers() == 2);
}

TEST_CASE("protocol live: one that its teller suspects, or holds dead, is new") {
  told_node given;

  given.tell(given.other.identity());

  CHECK(read_events(given.world["a"], given.cursor) == "new_peer other\n");
}

TEST_CASE("protocol live: a deaf teller vouches for nobody") {
  told_node given;
  const std::uint64_t heard = given.world["a"].peers().self().heartbeat();
  for (int i = 0; i < 14; ++i) given.pass_round();

  message& told = given.teller.begin(message_kind::reply);
  told.receiver.heartbeat = heard;
  told.identities.push_back(given.other_identity());
  static_cast<void>(given.teller.send());

  CHECK(given.status() == peer_status::introduced);
}

TEST_CASE("protocol live: a peer that left is no live one, whatever its identity says") {
  told_node given;
  identity_view who = given.other_identity();
  who.has_left = true;

  given.tell(who);

  CHECK(given.status() == peer_status::left);
}

TEST_CASE("protocol live: a run that was forgotten here is new again, and no live one") {
  told_node given;
  given.tell(given.other.identity());
  REQUIRE(given.world["a"].forget("other"));
  identity_view who = given.other_identity();

  given.tell(who);
  CHECK_FALSE(given.world["a"].is_known("other"));  // as it was forgotten
  who.heartbeat += 1;
  given.tell(who);
  CHECK(given.status() == peer_status::introduced);

  REQUIRE(given.world["a"].forget("other"));
  who.generation += 1;
  given.tell(who);
  CHECK(given.status() == peer_status::live);
}

TEST_CASE("protocol live: an identity that was recorded before makes no ghost") {
  told_node given;
  given.tell(given.other_identity());
  identity_view restarted = given.other_identity();
  restarted.generation += 1;
  given.tell(restarted);
  REQUIRE(given.world["a"].forget("other"));

  given.tell(given.other_identity());
  given.tell(restarted);

  CHECK_FALSE(given.world["a"].is_known("other"));
}

TEST_CASE("protocol live: a peer that is dead here is not live by an identity of that run") {
  told_node given;
  given.tell(given.other_identity());
  given.pass_until(peer_status::dead);

  identity_view who = given.other_identity();
  given.tell(who);
  CHECK(given.status() == peer_status::dead);

  who.generation += 1;
  given.tell(who);
  CHECK(given.status() == peer_status::live);
}

TEST_CASE("protocol live: a joiner counts the silence that its teller tells of") {
  told_node given;
  identity_view who = given.other_identity();
  who.silent = 30s;

  given.tell(who);

  const member seen = *given.world["a"].find_member("other", given.world.now());
  REQUIRE(seen.phi);
  // Thirty seconds of a mean of two, in powers of ten.
  CHECK(*seen.phi == doctest::Approx(30 / (2 * 2.302585)).epsilon(0.01));
}

TEST_CASE("protocol live: an identity says live of the live alone, and not of a suspect") {
  told_node given;
  given.tell(given.other_identity());
  puppet joiner(given.world, "a", "joiner", 3);
  const auto is_told_live = [&](std::string_view name) {
    joiner.cookie = 0;
    static_cast<void>(joiner.verify());
    joiner.begin(message_kind::digest);
    joiner.draft.known.lo = 0;
    joiner.draft.known.hi = ~std::uint64_t{0};
    joiner.draft.known.range.push_back(joiner.draft.sender);
    std::vector<bool> live;
    for (const letter& answer : joiner.send()) {
      for (const identity_view& who : answer.content.identities) {
        if (who.name == name) live.push_back(who.is_live);
      }
    }
    REQUIRE(live.size() == 1);
    return static_cast<bool>(live.front());
  };

  CHECK(is_told_live("a"));
  CHECK(is_told_live("other"));
  tell(given.teller, make_suspicion(given.other, 0, 32));
  REQUIRE(given.world["a"].find_member("other", given.world.now())->is_suspect);
  CHECK_FALSE(is_told_live("other"));
  given.pass_until(peer_status::dead);
  CHECK_FALSE(is_told_live("other"));
  given.world["a"].leave(given.world.now());
  CHECK_FALSE(is_told_live("a"));
}

// ---------------------------------------------------------------------- what follows from it

TEST_CASE("protocol live: a live peer that never spoke is asked in each version") {
  told_node given;
  given.world["a"].set_wire_versions(wire_range(1, 2));
  given.tell(given.other_identity());
  std::vector<std::uint8_t> versions;

  for (int round = 0; round < 60; ++round) {
    for (const letter& sent : given.pass_round()) {
      if (sent.to == given.other.address) versions.push_back(sent.content.wire_version);
    }
  }

  // Twice in the lowest, since a datagram may be lost. Then by turns.
  REQUIRE(versions.size() >= 4);
  CHECK(versions[0] == 1);
  CHECK(versions[1] == 1);
  CHECK(std::find(versions.begin(), versions.end(), 2) != versions.end());
}

TEST_CASE("protocol live: a new peer that does not answer is suspected, and declared dead") {
  told_node given;
  given.tell(given.other.identity());

  for (int round = 0; round < 25 && given.status() != peer_status::dead; ++round) {
    given.pass_round();
  }

  CHECK(given.status() == peer_status::dead);
  CHECK(given.world["a"].stats().declared_dead == 0);  // it was never live
}

TEST_CASE("protocol live: a node that declares a peer dead tells its suspicion again") {
  told_node given;
  given.tell(given.other_identity());
  std::size_t told = 0;  // in the round of the declaration, and after it
  for (int round = 0; round < 60 && given.status() != peer_status::dead; ++round) {
    told = count_told(given.pass_round(), given.other);
  }
  REQUIRE(given.status() == peer_status::dead);

  for (int round = 0; round < 20; ++round) told += count_told(given.pass_round(), given.other);

  CHECK(told == 6);  // three times the bits of three nodes
}
