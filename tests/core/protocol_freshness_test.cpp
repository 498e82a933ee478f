// Deaf is mute: a datagram whose entry of the node is old is no sign of life. A node, and peers
// whose every word the test chooses.
#include <algorithm>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// With one or two peers an entry of "a" is fresh for twelve rounds at most.
constexpr int rounds_until_stale = 14;

member seen(small_cluster& world, const puppet& who) {
  return *world["a"].find_member(who.name, world.now());
}

/// "a" and two peers: `deaf` is what the test is about, `other` hears "a" and is live.
struct deaf_peer {
  deaf_peer() : deaf(world, "a", "deaf", 1), other(world, "a", "other", 2) {
    world.add("a");
    deaf.enter();
    other.enter();
    heard = world["a"].peers().self().heartbeat();
  }

  /// `deaf` hears nothing more; its heartbeat goes on.
  void pass_rounds(int count) {
    for (int i = 0; i < count; ++i) {
      static_cast<void>(world.collect_round("a"));
      ++deaf.heartbeat;
      ++other.heartbeat;
      other.begin(message_kind::reply);
      static_cast<void>(other.send());
    }
  }
  /// A word of `deaf` with the entry of "a" that it heard last.
  message& begin_stale(message_kind kind) {
    message& told = deaf.begin(kind);
    told.receiver.heartbeat = heard;
    return told;
  }
  digest_entry entry_of(const puppet& who, std::uint64_t heartbeat) const {
    digest_entry entry;
    entry.name_hash = who.hash();
    entry.generation = who.generation;
    entry.heartbeat = heartbeat;
    return entry;
  }
  /// Silent until "a" has declared it dead.
  void die() {
    for (int i = 0; i < 200 && seen(world, deaf).status != peer_status::dead; ++i) {
      static_cast<void>(world.collect_round("a"));
      ++other.heartbeat;
      other.begin(message_kind::reply);
      static_cast<void>(other.send());
    }
    REQUIRE(seen(world, deaf).status == peer_status::dead);
  }

  small_cluster world;
  puppet deaf;
  puppet other;
  std::uint64_t heard = 0;  // of "a", by `deaf`
};

std::size_t count_short_legs(const letters& all, const endpoint& to) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const letter& one) {
    return one.to == to && one.content.kind == message_kind::digest &&
           one.content.known.lo > one.content.known.hi;
  }));
}

}  // namespace

// --------------------------------------------------------------------------------- the echo

TEST_CASE("freshness: a reply echoes the heartbeat of the digest that it answers, to anybody") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  p.heartbeat = 77;

  const letters to_unverified = p.verify();
  p.enter();
  p.heartbeat = 99;
  p.begin(message_kind::digest).receiver = digest_entry();  // stale: nothing of it is taken
  const letters to_deaf = p.send();

  REQUIRE(to_unverified.size() == 1);
  CHECK(to_unverified.front().content.receiver.name_hash == p.hash());
  CHECK(to_unverified.front().content.receiver.generation == p.generation);
  CHECK(to_unverified.front().content.receiver.heartbeat == 77);
  CHECK(to_unverified.front().content.receiver_instance == 0);
  REQUIRE(!to_deaf.empty());
  CHECK(to_deaf.front().content.receiver.heartbeat == 99);
  CHECK(seen(world, p).heartbeat == 77);
}

TEST_CASE("freshness: leg 3 echoes the heartbeat of the reply that it answers") {
  small_cluster world;
  REQUIRE(world.add("a").set("k", "v"));
  puppet p(world, "a", "p", 1);
  p.enter();
  p.heartbeat = 50;
  message& asked = p.begin(message_kind::reply);
  asked.receiver = digest_entry();
  digest_entry wanted;
  wanted.name_hash = hash_of("a");
  asked.requests.push_back(wanted);

  const letters answers = p.send();

  const auto deltas = std::find_if(answers.begin(), answers.end(), [](const letter& one) {
    return one.content.kind == message_kind::deltas;
  });
  REQUIRE(deltas != answers.end());
  CHECK(deltas->content.receiver.heartbeat == 50);
}

TEST_CASE("freshness: a refused peer is echoed as well") {
  small_cluster world;
  config settings = make_config("a");
  settings.peers_max = 1;
  world.add(settings);
  puppet first(world, "a", "first", 1);
  first.enter();
  puppet refused(world, "a", "refused", 2);
  refused.enter();
  REQUIRE_FALSE(world["a"].is_known("refused"));
  refused.heartbeat = 41;
  refused.begin(message_kind::digest);

  const letters answers = refused.send();

  REQUIRE(!answers.empty());
  CHECK(answers.front().content.receiver.generation == refused.generation);
  CHECK(answers.front().content.receiver.heartbeat == 41);
}

TEST_CASE("freshness: of a higher run the reply names that run, with its own heartbeat") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  p.generation += 10;
  p.heartbeat = 500;
  p.enter();
  p.generation -= 10;  // a run that began later, by a clock that went back
  p.heartbeat = 900;
  p.begin(message_kind::digest);

  const letters answers = p.send();

  REQUIRE(!answers.empty());
  CHECK(answers.front().content.receiver.generation == p.generation + 10);
  CHECK(answers.front().content.receiver.heartbeat == 500);
}

// ------------------------------------------------------------------------------- stale words

TEST_CASE("freshness: a stale word is no sign of life, in whatever leg") {
  for (const message_kind kind :
       {message_kind::digest, message_kind::reply, message_kind::deltas}) {
    deaf_peer given;
    given.pass_rounds(rounds_until_stale);
    const std::uint64_t before = seen(given.world, given.deaf).heartbeat;
    const bool was_reachable = seen(given.world, given.deaf).is_reachable;

    given.begin_stale(kind);
    static_cast<void>(given.deaf.send());

    CHECK(seen(given.world, given.deaf).heartbeat == before);
    CHECK(seen(given.world, given.deaf).is_reachable == was_reachable);
    given.deaf.begin(kind);
    static_cast<void>(given.deaf.send());
    CHECK(seen(given.world, given.deaf).heartbeat == given.deaf.heartbeat);
  }
}

TEST_CASE("freshness: a node that goes on speaking, and hears nothing, is dead after a while") {
  deaf_peer given;
  int rounds = 0;
  while (seen(given.world, given.deaf).status == peer_status::live && rounds < 100) {
    ++rounds;
    given.pass_rounds(1);
    given.begin_stale(message_kind::digest);
    static_cast<void>(given.deaf.send());
  }

  CHECK(seen(given.world, given.deaf).status == peer_status::dead);
  CHECK(rounds >= 12 + 12);  // fresh for twelve rounds, suspected for twelve
  CHECK(rounds <= 40);
  for (int i = 0; i < 200; ++i) {
    given.pass_rounds(1);
    given.begin_stale(message_kind::digest);
    static_cast<void>(given.deaf.send());
    REQUIRE(seen(given.world, given.deaf).status == peer_status::dead);
  }
  CHECK_FALSE(seen(given.world, given.deaf).is_reachable);
}

TEST_CASE("freshness: a word that names a former run of mine, or none, is stale") {
  for (const bool is_former : {true, false}) {
    deaf_peer given;
    given.pass_rounds(1);
    message& told = given.deaf.begin(message_kind::digest);
    if (is_former) {
      --told.receiver.generation;
    } else {
      told.receiver = digest_entry();
    }

    static_cast<void>(given.deaf.send());

    CHECK(seen(given.world, given.deaf).heartbeat == 1);
  }
}

TEST_CASE("freshness: a sender that does not hear me vouches for nobody") {
  deaf_peer given;
  given.pass_rounds(rounds_until_stale);
  const std::uint64_t known = seen(given.world, given.other).heartbeat;

  // A heartbeat in a digest and in a reply, an identity of the run that I hold, a suspicion.
  given.begin_stale(message_kind::digest)
      .known.range.push_back(given.entry_of(given.other, known + 5));
  static_cast<void>(given.deaf.send());
  given.begin_stale(message_kind::reply)
      .heartbeats.push_back(given.entry_of(given.other, known + 6));
  static_cast<void>(given.deaf.send());
  identity_view who = given.other.identity();
  who.heartbeat = known + 7;
  given.begin_stale(message_kind::reply).identities.push_back(who);
  static_cast<void>(given.deaf.send());
  suspicion_entry suspected;
  suspected.name_hash = given.other.hash();
  suspected.generation = given.other.generation;
  suspected.heartbeat = known;
  suspected.suspicion_age = 0;
  suspected.alive_age = 64;
  given.world.steady += 500ms;
  given.begin_stale(message_kind::digest).suspicions.push_back(suspected);
  static_cast<void>(given.deaf.send());

  CHECK(seen(given.world, given.other).heartbeat == known);
  CHECK_FALSE(seen(given.world, given.other).is_suspect);
  given.deaf.begin(message_kind::digest).suspicions.push_back(suspected);
  static_cast<void>(given.deaf.send());
  CHECK(seen(given.world, given.other).is_suspect);
}

TEST_CASE("freshness: deltas, new runs, leaves and holdings are taken from it all the same") {
  deaf_peer given;
  REQUIRE(given.world["a"].set("k", "v"));
  given.pass_rounds(rounds_until_stale);

  message& told = given.begin_stale(message_kind::reply);
  given.deaf.add_delta(0, 1, {make_entry("own", "1", 1)});
  told.receiver.max_version = 1;
  told.receiver_instance = given.world["a"].peers().details(self_slot).instance;
  identity_view newer = given.other.identity();
  newer.generation += 1;
  told.identities.push_back(newer);
  static_cast<void>(given.deaf.send());

  CHECK(value_of(given.world["a"], "deaf", "own") == "1");
  CHECK(seen(given.world, given.other).generation == given.other.generation + 1);
  CHECK(given.world["a"].replicated(1).holding == 1);
  given.begin_stale(message_kind::digest).sender.has_left = true;
  static_cast<void>(given.deaf.send());
  CHECK(seen(given.world, given.deaf).status == peer_status::left);
}

TEST_CASE("freshness: a stale word that tells of a leaving is believed") {
  deaf_peer given;
  given.pass_rounds(rounds_until_stale);
  digest_entry left = given.entry_of(given.other, 1);
  left.has_left = true;

  given.begin_stale(message_kind::digest).known.range.push_back(left);
  static_cast<void>(given.deaf.send());

  CHECK(seen(given.world, given.other).status == peer_status::left);
}

TEST_CASE("freshness: a dead peer that holds a higher run of mine lives by its own heartbeat") {
  deaf_peer given;
  given.deaf.heartbeat = 50;
  given.deaf.begin(message_kind::reply);
  static_cast<void>(given.deaf.send());
  const auto begin = given.world.steady;
  given.die();
  const auto silent = static_cast<std::uint64_t>((given.world.steady - begin) / 1s);
  const auto answer_with = [&given](std::uint64_t heartbeat) {
    given.deaf.heartbeat = heartbeat;
    message& told = given.deaf.begin(message_kind::reply);
    told.receiver.generation = given.world["a"].generation() + 1;
    told.receiver.heartbeat = 1;
    static_cast<void>(given.deaf.send());
  };

  answer_with(50);
  CHECK(seen(given.world, given.deaf).status == peer_status::dead);
  answer_with(50 + silent - 1);  // it may have said that before it died
  CHECK(seen(given.world, given.deaf).status == peer_status::dead);
  answer_with(50 + silent + 10);
  CHECK(seen(given.world, given.deaf).status == peer_status::live);
}

// -------------------------------------------------------------------------------- asking back

TEST_CASE("freshness: a stale word of a dead peer is asked back once, by a short leg") {
  deaf_peer given;
  given.die();
  static_cast<void>(given.world.collect_round("a"));

  ++given.deaf.heartbeat;
  given.begin_stale(message_kind::digest);
  const letters asked = given.deaf.send();
  given.deaf.heartbeat = seen(given.world, given.deaf).heartbeat;
  given.begin_stale(message_kind::digest);
  const letters repeated = given.deaf.send();

  CHECK(count_short_legs(asked, given.deaf.address) == 1);
  CHECK(count_short_legs(repeated, given.deaf.address) == 0);  // no heartbeat above the one held
  CHECK(seen(given.world, given.deaf).status == peer_status::dead);
}

TEST_CASE("freshness: a stale word of a live peer that nobody suspects is not asked back") {
  deaf_peer given;
  given.pass_rounds(rounds_until_stale);
  given.deaf.begin(message_kind::reply);
  static_cast<void>(given.deaf.send());
  REQUIRE_FALSE(seen(given.world, given.deaf).is_suspect);

  ++given.deaf.heartbeat;
  given.begin_stale(message_kind::digest);

  CHECK(count_short_legs(given.deaf.send(), given.deaf.address) == 0);
}

// ------------------------------------------------------------------------------------ revival

TEST_CASE("freshness: a dead peer is live again by a word that echoes a heartbeat from after") {
  deaf_peer given;
  given.die();
  const std::uint64_t died_at = given.world["a"].peers().self().heartbeat();
  given.deaf.heartbeat += 100;

  given.deaf.begin(message_kind::reply).receiver.heartbeat = died_at;
  static_cast<void>(given.deaf.send());
  CHECK(seen(given.world, given.deaf).status == peer_status::dead);
  static_cast<void>(given.world.collect_round("a"));
  given.deaf.begin(message_kind::reply).receiver.heartbeat = died_at + 1;
  static_cast<void>(given.deaf.send());

  CHECK(seen(given.world, given.deaf).status == peer_status::live);
}

TEST_CASE("freshness: no claim of others keeps a peer dead that is heard itself") {
  deaf_peer given;
  given.die();
  static_cast<void>(given.world.collect_round("a"));
  for (std::uint64_t claimed = 60; claimed <= 6000; claimed += 60) {
    given.other.begin(message_kind::reply)
        .heartbeats.push_back(given.entry_of(given.deaf, claimed));
    static_cast<void>(given.other.send());
  }

  ++given.deaf.heartbeat;
  given.deaf.begin(message_kind::reply);
  static_cast<void>(given.deaf.send());

  CHECK(seen(given.world, given.deaf).status == peer_status::live);
}

TEST_CASE("freshness: no claim of others keeps a forgotten peer away") {
  deaf_peer given;
  given.pass_rounds(1);
  for (std::uint64_t claimed = 60; claimed <= 6000; claimed += 60) {
    given.other.begin(message_kind::reply)
        .heartbeats.push_back(given.entry_of(given.deaf, claimed));
    static_cast<void>(given.other.send());
  }
  REQUIRE(seen(given.world, given.deaf).heartbeat == 6000);

  REQUIRE(given.world["a"].forget("deaf"));
  given.deaf.heartbeat = 1000;  // above what it can have reached: 1 + 64 and 16 a round
  given.deaf.enter();

  CHECK(given.world["a"].is_known("deaf"));
}

TEST_CASE("freshness: a peer that is suspect, dead or left is not reachable") {
  deaf_peer given;
  REQUIRE(seen(given.world, given.deaf).is_reachable);
  while (!seen(given.world, given.deaf).is_suspect) given.pass_rounds(1);
  CHECK(seen(given.world, given.deaf).status == peer_status::live);
  CHECK_FALSE(seen(given.world, given.deaf).is_reachable);
  given.die();
  CHECK_FALSE(seen(given.world, given.deaf).is_reachable);
  CHECK(given.world["a"].stats().peers_reachable == 1);
  given.other.begin(message_kind::digest).sender.has_left = true;
  static_cast<void>(given.other.send());
  CHECK_FALSE(seen(given.world, given.other).is_reachable);
}
