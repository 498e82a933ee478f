// The rules of suspicion, between a node and peers whose every word the test chooses.
#include <algorithm>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

peer_status status_of(small_cluster& world, std::string_view node, std::string_view peer) {
  return world[node].find_member(peer, world.now())->status;
}

bool is_suspect(small_cluster& world, std::string_view node, std::string_view peer) {
  return world[node].find_member(peer, world.now())->is_suspect;
}

/// The first suspicion of `about` in `all`, if there is one.
std::optional<suspicion_entry> told_of(const letters& all, const puppet& about) {
  for (const letter& one : all) {
    for (const suspicion_entry& suspicion : one.content.suspicions) {
      if (suspicion.name_hash == about.hash()) return suspicion;
    }
  }
  return std::nullopt;
}

std::size_t count_to(const letters& all, const endpoint& to) {
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](const letter& one) { return one.to == to; }));
}

/// It beats and is heard by "a".
void beat(puppet& who) {
  ++who.heartbeat;
  who.begin(message_kind::digest);
  static_cast<void>(who.send());
}

/// A node "a" that knows a teller and a suspect, both live, and a suspicion of now about the
/// suspect.
struct suspected {
  suspected() : teller(world, "a", "teller", 1), suspect(world, "a", "suspect", 2) {
    config settings = make_config("a");
    settings.dead_peer_phi = 1000;
    world.add(settings);
    teller.enter();
    suspect.enter();
    world.steady += 500ms;
  }

  small_cluster world;
  puppet teller;
  puppet suspect;
};

}  // namespace

TEST_CASE(
    "suspicion: a suspicion later than what I heard makes a suspect, an earlier one does not") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 16, 32));  // a round ago: I heard it since
  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));

  const letters answers = tell(given.teller, make_suspicion(given.suspect, 0, 32));

  CHECK(is_suspect(given.world, "a", "suspect"));
  CHECK(given.world["a"].stats().peers_suspect == 1);
  CHECK(status_of(given.world, "a", "suspect") == peer_status::live);
  CHECK(count_to(answers, given.suspect.address) == 1);  // and I look for myself, at once
}

TEST_CASE("suspicion: who knows better answers with the sign of life") {
  suspected given;

  const letters answers = tell(given.teller, make_suspicion(given.suspect, 16, 32));

  const std::optional<suspicion_entry> answer = told_of(answers, given.suspect);
  REQUIRE(answer);
  CHECK(answer->suspicion_age == suspicion_entry::no_suspicion);
  CHECK(answer->alive_age == 8);  // half a round
  CHECK(answer->heartbeat == given.suspect.heartbeat);
}

TEST_CASE("suspicion: the declaration comes twelve rounds after the suspicion, by silence alone") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  const auto suspicion_at = given.world.steady;

  while (status_of(given.world, "a", "suspect") == peer_status::live) {
    REQUIRE(given.world.steady - suspicion_at < 20s);
    given.world.collect_round("a");
    beat(given.teller);
  }

  CHECK(given.world.steady - suspicion_at >= 12s);
  CHECK(given.world.steady - suspicion_at < 13s);
  CHECK(given.world["a"].stats().declared_dead == 1);
  CHECK(status_of(given.world, "a", "teller") == peer_status::live);
}

TEST_CASE("suspicion: the suspect's own word refutes, and is passed on") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  for (int i = 0; i < 10; ++i) given.world.collect_round("a");

  beat(given.suspect);

  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));
  CHECK(given.world["a"].stats().suspicions_refuted == 1);
  given.teller.begin(message_kind::digest);
  const std::optional<suspicion_entry> told = told_of(given.teller.send(), given.suspect);
  REQUIRE(told);
  CHECK(told->alive_age == 0);
}

TEST_CASE("suspicion: another's later sign of life refutes, if its heartbeat is higher") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  given.world.collect_round("a");

  suspicion_entry alive = make_suspicion(given.suspect, suspicion_entry::no_suspicion, 0);
  tell(given.teller, alive);
  CHECK(is_suspect(given.world, "a", "suspect"));
  alive.heartbeat += 1;
  tell(given.teller, alive);
  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));
}

TEST_CASE(
    "suspicion: a suspicion of another incarnation, of an unknown peer or of myself is none") {
  suspected given;
  suspicion_entry other_run = make_suspicion(given.suspect, 0, 32);
  other_run.generation -= 1;
  tell(given.teller, other_run);
  other_run.generation += 2;
  tell(given.teller, other_run);
  suspicion_entry unknown = make_suspicion(given.suspect, 0, 32);
  unknown.name_hash = 4711;
  tell(given.teller, unknown);
  suspicion_entry mine = make_suspicion(given.suspect, 0, 32);
  mine.name_hash = hash_of("a");
  mine.generation = given.world["a"].generation();
  tell(given.teller, mine);

  CHECK(given.world["a"].stats().peers_suspect == 0);
}

TEST_CASE("suspicion: an unverified address raises no suspicion") {
  suspected given;
  given.teller.cookie = 0;

  tell(given.teller, make_suspicion(given.suspect, 0, 32));

  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));
}

TEST_CASE("suspicion: with suspicion_rounds 0 nobody is suspected, nor asked twice") {
  small_cluster world;
  config settings = make_config("a");
  settings.suspicion_rounds = 0;
  settings.dead_peer_phi = 1000;
  world.add(settings);
  puppet teller(world, "a", "teller", 1);
  puppet suspect(world, "a", "suspect", 2);
  teller.enter();
  suspect.enter();
  world.steady += 500ms;

  tell(teller, make_suspicion(suspect, 0, 32));
  for (int i = 0; i < 30; ++i) CHECK(world.collect_round("a").size() <= 1);

  CHECK(world["a"].stats().peers_suspect == 0);
  CHECK(world["a"].stats().probes_unanswered == 0);
  CHECK(world["a"].stats().declared_dead == 0);
}

TEST_CASE("suspicion: switched off while digests wait for their turn, none awaits an answer") {
  suspected given;
  protocol& a = given.world["a"];
  for (int i = 0; i < 4; ++i) {
    beat(given.teller);
    beat(given.suspect);
    given.world.collect_round("a");
  }
  const auto due = a.next_deadline();
  given.world.wall += due - given.world.steady;
  given.world.steady = due;
  a.handle_timeout(given.world.now());  // its digest is not polled yet
  config settings = a.settings();
  settings.suspicion_rounds = 0;
  REQUIRE(a.change(settings, given.world.now()));
  const std::uint64_t unanswered = a.stats().probes_unanswered;
  CHECK_FALSE(given.world.collect("a").empty());

  for (int i = 0; i < 30; ++i) given.world.collect_round("a");

  CHECK(a.stats().probes_unanswered == unanswered);
  CHECK(a.stats().suspicions_raised == 0);
}

TEST_CASE(
    "suspicion: a probe request is answered by a node that heard the peer, and spreads nothing") {
  suspected given;
  suspicion_entry request = make_suspicion(given.suspect, 16, 32);
  request.is_probe_request = true;

  const letters at_once = tell(given.teller, request);

  REQUIRE(told_of(at_once, given.suspect));
  CHECK(told_of(at_once, given.suspect)->alive_age == 8);
  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));
}

TEST_CASE(
    "suspicion: a node that did not hear the peer probes it on request, and tells when it hears") {
  suspected given;
  suspicion_entry request = make_suspicion(given.suspect, 0, 32);
  request.is_probe_request = true;

  const letters asked = tell(given.teller, request);
  CHECK(count_to(asked, given.suspect.address) == 1);
  CHECK_FALSE(told_of(asked, given.suspect));  // not known to me
  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));

  ++given.suspect.heartbeat;
  given.suspect.begin(message_kind::reply);
  const letters told = given.suspect.send();
  CHECK(count_to(told, given.teller.address) == 1);
  REQUIRE(told_of(told, given.suspect));
  CHECK(told_of(told, given.suspect)->heartbeat == given.suspect.heartbeat);
  CHECK(told_of(told, given.suspect)->alive_age == 0);
}

// A second request about the same peer, or a suspicion, is no answer to the first.
TEST_CASE("suspicion: a probe request waits for a sign of life later than its suspicion") {
  suspected given;
  puppet other(given.world, "a", "other", 3);
  other.enter();
  suspicion_entry request = make_suspicion(given.suspect, 0, 32);
  request.is_probe_request = true;

  tell(given.teller, request);
  const letters asked = tell(other, request);
  CHECK(count_to(asked, given.teller.address) == 0);
  const letters suspected_aloud = tell(other, make_suspicion(given.suspect, 0, 32));
  CHECK(count_to(suspected_aloud, given.teller.address) == 0);

  ++given.suspect.heartbeat;
  given.suspect.begin(message_kind::reply);
  const letters told = given.suspect.send();
  for (const puppet* one : {&given.teller, &other}) CHECK(count_to(told, one->address) == 1);
}

TEST_CASE("suspicion: a suspicion that is older than the sign of life in the same entry is none") {
  suspected given;

  tell(given.teller, make_suspicion(given.suspect, 1, 0));
  CHECK_FALSE(is_suspect(given.world, "a", "suspect"));
  // As old as the sign of life, to a sixteenth of a round: the suspicion may be the later one.
  tell(given.teller, make_suspicion(given.suspect, 1, 1));
  CHECK(is_suspect(given.world, "a", "suspect"));
}

TEST_CASE("suspicion: a claim of the highest heartbeat makes nobody a suspect who answers") {
  suspected given;
  suspicion_entry alive = make_suspicion(given.suspect, suspicion_entry::no_suspicion, 0);
  alive.heartbeat = heartbeat_max;
  tell(given.teller, alive);

  for (int i = 0; i < 30; ++i) {
    given.world.collect_round("a");
    beat(given.teller);
    beat(given.suspect);
  }

  CHECK(given.world["a"].stats().suspicions_raised == 0);
  CHECK(status_of(given.world, "a", "suspect") == peer_status::live);
}

TEST_CASE(
    "suspicion: of a peer that left or is dead a suspicion is no news, and a probe request is "
    "ignored") {
  suspected given;
  puppet leaver(given.world, "a", "leaver", 3);
  leaver.enter();
  leaver.begin(message_kind::digest).sender.has_left = true;
  static_cast<void>(leaver.send());
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  for (int i = 0; i < 14; ++i) given.world.collect_round("a");
  REQUIRE(status_of(given.world, "a", "leaver") == peer_status::left);
  REQUIRE(status_of(given.world, "a", "suspect") == peer_status::dead);
  const std::uint64_t declared_dead = given.world["a"].stats().declared_dead;

  for (const puppet* about : {&leaver, &given.suspect}) {
    for (const bool is_probe_request : {false, true}) {
      suspicion_entry suspicion = make_suspicion(*about, 0, 32);
      suspicion.is_probe_request = is_probe_request;
      CHECK(count_to(tell(given.teller, suspicion), about->address) == 0);
    }
  }
  for (int i = 0; i < 5; ++i) {
    given.world.collect_round("a");
    beat(given.teller);
  }

  CHECK(status_of(given.world, "a", "leaver") == peer_status::left);
  CHECK(status_of(given.world, "a", "suspect") == peer_status::dead);
  CHECK_FALSE(is_suspect(given.world, "a", "leaver"));
  CHECK(given.world["a"].stats().declared_dead == declared_dead);
}

TEST_CASE("suspicion: an unanswered probe is asked again and around, and then suspected aloud") {
  small_cluster world;
  world.add("a");
  std::vector<std::unique_ptr<puppet>> peers;
  for (std::uint8_t i = 0; i < 5; ++i) {
    peers.push_back(std::make_unique<puppet>(world, "a", "p" + std::to_string(i), i + 1));
    peers.back()->enter();
  }
  world.steady += 10ms;
  letters sent = world.collect_round("a");
  REQUIRE(sent.size() == 1);
  const endpoint silent = sent.front().to;
  const auto about = std::find_if(peers.begin(), peers.end(),
                                  [&](const auto& one) { return one->address == silent; });
  const auto others_speak = [&] {
    for (const auto& one : peers) {
      if (one->address != silent) beat(*one);
    }
  };

  others_speak();
  sent = world.collect_round("a");
  CHECK(count_to(sent, silent) == 1);
  CHECK(world["a"].stats().probes_unanswered == 1);
  std::size_t requests = 0;
  for (const letter& one : sent) {
    for (const suspicion_entry& suspicion : one.content.suspicions) {
      CHECK(suspicion.is_probe_request);
      CHECK(suspicion.name_hash == (*about)->hash());
      CHECK(suspicion.suspicion_age == 0);
      ++requests;
    }
  }
  CHECK(requests >= 1);
  CHECK(requests <= 3);
  CHECK_FALSE(is_suspect(world, "a", (*about)->name));

  others_speak();
  sent = world.collect_round("a");
  CHECK(is_suspect(world, "a", (*about)->name));
  CHECK(world["a"].stats().suspicions_raised == 1);
  const std::optional<suspicion_entry> told = told_of(sent, **about);
  REQUIRE(told);
  CHECK(told->suspicion_age == 16);  // since the answer was missed, a round ago
  CHECK_FALSE(told->is_probe_request);
}

TEST_CASE("suspicion: an answer within the private round ends it") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  world.steady += 10ms;
  world.collect_round("a");
  world.collect_round("a");
  REQUIRE(world["a"].stats().probes_unanswered == 1);

  beat(p);
  world.collect_round("a");

  CHECK(world["a"].stats().suspicions_raised == 0);
  CHECK_FALSE(is_suspect(world, "a", "p"));
}

TEST_CASE("suspicion: what a suspect said before it fell silent does not bring it back") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  for (int i = 0; i < 14; ++i) given.world.collect_round("a");
  REQUIRE(status_of(given.world, "a", "suspect") == peer_status::dead);

  const auto relay = [&](std::uint64_t heartbeat) {
    message& reply = given.teller.begin(message_kind::reply);
    digest_entry entry;
    entry.name_hash = given.suspect.hash();
    entry.generation = given.suspect.generation;
    entry.heartbeat = heartbeat;
    reply.heartbeats.push_back(entry);
    static_cast<void>(given.teller.send());
  };
  // Alive half a round before the suspicion, so 2 more are what a peer at rest may show.
  relay(given.suspect.heartbeat + 1);
  relay(given.suspect.heartbeat + 1);
  CHECK(status_of(given.world, "a", "suspect") == peer_status::dead);

  relay(given.suspect.heartbeat + 10);
  relay(given.suspect.heartbeat + 11);
  CHECK(status_of(given.world, "a", "suspect") == peer_status::live);
}

TEST_CASE("suspicion: after a pause a suspicion is confirmed anew before a peer is declared dead") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  for (int i = 0; i < 11; ++i) given.world.collect_round("a");
  REQUIRE(status_of(given.world, "a", "suspect") == peer_status::live);

  given.world.steady += 1h;
  given.world.wall += 1h;
  std::size_t rounds = 0;
  while (status_of(given.world, "a", "suspect") == peer_status::live) {
    REQUIRE(++rounds < 20);
    given.world.collect_round("a");
  }

  CHECK(rounds >= 4);
}

TEST_CASE("suspicion: a refuted one is told a few times, and then no more") {
  suspected given;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  std::size_t told = 0;
  const auto count = [&](const letters& all) {
    for (const letter& one : all) {
      for (const suspicion_entry& suspicion : one.content.suspicions) {
        if (suspicion.name_hash == given.suspect.hash()) ++told;
      }
    }
  };
  const auto round_of_all = [&] {
    count(given.world.collect_round("a"));
    for (puppet* one : {&given.teller, &given.suspect}) {
      ++one->heartbeat;
      one->begin(message_kind::digest);
      count(one->send());
    }
  };
  round_of_all();
  REQUIRE_FALSE(is_suspect(given.world, "a", "suspect"));
  told = 0;

  for (int i = 0; i < 20; ++i) round_of_all();

  // Three times as often as three nodes have bits, less what the first round told.
  CHECK(told > 0);
  CHECK(told <= 6);
  told = 0;
  for (int i = 0; i < 40; ++i) round_of_all();
  CHECK(told == 0);
}
