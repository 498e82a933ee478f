// The limits of suspicions: short intervals, the end of suspicion, and peers that lie.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

using std::chrono::milliseconds;

/// It beats and is heard by "a".
void beat(puppet& who) {
  ++who.heartbeat;
  who.begin(message_kind::digest);
  static_cast<void>(who.send());
}

/// Live peers of "a" that answer whatever digest reaches them.
class crowd {
 public:
  crowd(small_cluster& world, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      peers_.push_back(std::make_unique<puppet>(world, "a", "p" + std::to_string(i),
                                                static_cast<std::uint8_t>(i + 10)));
      peers_.back()->enter();
    }
  }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

  void answer(letters asked) {
    while (!asked.empty()) {
      puppet* const to = find(asked.front().to);
      const bool is_digest = asked.front().content.kind == message_kind::digest;
      asked.pop_front();
      if (to == nullptr || !is_digest) continue;
      ++to->heartbeat;
      to->begin(message_kind::reply);
      asked.splice(asked.end(), to->send());
    }
  }
  [[nodiscard]] puppet* find(const endpoint& address) {
    for (const std::unique_ptr<puppet>& one : peers_) {
      if (one->address == address) return one.get();
    }
    return nullptr;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<puppet>>& all() const { return peers_; }

 private:
  std::vector<std::unique_ptr<puppet>> peers_;
};

/// A node "a", where only suspicions kill, that knows a teller and a suspect, both live.
struct watched {
  explicit watched(milliseconds interval, std::size_t rounds = 12)
      : teller(world, "a", "teller", 1), suspect(world, "a", "suspect", 2) {
    config settings = make_config("a");
    settings.gossip_interval = interval;
    settings.suspicion_rounds = rounds;
    settings.dead_peer_phi = 1000;
    world.add(settings);
    teller.enter();
    suspect.enter();
  }

  [[nodiscard]] protocol& node() { return world["a"]; }
  /// The next round of "a", and all it has to say in it.
  letters round() { return world.collect_round("a"); }
  [[nodiscard]] peer_status status(const puppet& of) {
    return node().find_member(of.name, world.now())->status;
  }
  [[nodiscard]] bool is_suspect(const puppet& who) {
    return node().find_member(who.name, world.now())->is_suspect;
  }

  small_cluster world;
  puppet teller;
  puppet suspect;
};

}  // namespace

// -------------------------------------------------------------------------------------- intervals

TEST_CASE("suspicion: its age is a sixteenth of a round, also where that is no whole millisecond") {
  for (const milliseconds interval : {10ms, 20ms, 50ms, 1000ms}) {
    CAPTURE(interval.count());
    watched given(interval);
    given.round();
    beat(given.suspect);
    given.world.steady += interval * 8 / 10;
    tell(given.teller, make_suspicion(given.suspect, 8, 32));  // 0.3 rounds after the beat
    REQUIRE(given.is_suspect(given.suspect));

    // Older than the suspicion: of a heartbeat that came from before it.
    suspicion_entry alive = make_suspicion(given.suspect, suspicion_entry::no_suspicion, 9);
    ++alive.heartbeat;
    tell(given.teller, alive);
    CHECK(given.is_suspect(given.suspect));
    // And a later one ends it.
    ++alive.heartbeat;
    alive.alive_age = 7;
    tell(given.teller, alive);
    CHECK_FALSE(given.is_suspect(given.suspect));
  }
}

TEST_CASE("suspicion: the declaration comes as many rounds after it, whatever a round takes") {
  for (const milliseconds interval : {10ms, 20ms, 1000ms}) {
    CAPTURE(interval.count());
    watched given(interval);
    given.round();
    given.world.steady += interval * 9 / 10;
    beat(given.suspect);
    given.round();
    beat(given.teller);
    given.world.steady += std::chrono::nanoseconds(interval) * 32 / 100;
    // 6 ages ago is shortly before the last round: due in the twelfth from that one, not in the
    // thirteenth.
    tell(given.teller, make_suspicion(given.suspect, 6, 32));
    REQUIRE(given.is_suspect(given.suspect));

    std::size_t rounds = 0;
    while (given.status(given.suspect) == peer_status::live) {
      REQUIRE(++rounds < 20);
      given.round();
      beat(given.teller);
    }
    CHECK(rounds == 12);
  }
}

TEST_CASE(
    "suspicion: to switch suspicion off declares nobody dead, and ends every suspicion and "
    "probe request") {
  watched given(1000ms);
  puppet other(given.world, "a", "other", 3);
  other.enter();
  given.world.steady += 500ms;
  tell(given.teller, make_suspicion(given.suspect, 0, 32));
  suspicion_entry request = make_suspicion(other, 0, 32);
  request.is_probe_request = true;
  tell(given.teller, request);
  given.round();
  REQUIRE(given.is_suspect(given.suspect));

  config off = given.node().settings();
  off.suspicion_rounds = 0;
  REQUIRE(given.node().change(off, given.world.now()));
  CHECK_FALSE(given.is_suspect(given.suspect));
  beat(other);  // nobody is told of it
  for (int i = 0; i < 20; ++i) {
    for (const letter& sent : given.round()) CHECK(sent.content.suspicions.empty());
  }

  CHECK(given.status(given.suspect) == peer_status::live);
  CHECK(given.node().stats().declared_dead == 0);
  CHECK(given.node().stats().peers_suspect == 0);
}

// ------------------------------------------------------------------------------------------ liars

TEST_CASE(
    "suspicion: a liar kills nobody that answers, however many it suspects and in how few rounds") {
  for (const std::size_t rounds : {4U, 5U, 6U, 12U}) {
    CAPTURE(rounds);
    watched given(1000ms, rounds);
    crowd peers(given.world, 80);
    for (std::size_t i = 0; i < rounds + 2; ++i) {
      beat(given.teller);
      beat(given.suspect);
      peers.answer(given.round());
    }
    given.world.steady += 500ms;
    // Suspicions that are ripe when they come, of all but those that were heard since.
    letters asked;
    for (const std::unique_ptr<puppet>& one : peers.all()) {
      const auto age = static_cast<std::uint16_t>(rounds * 16);
      asked.splice(asked.end(), tell(given.teller, make_suspicion(*one, age, age + 64U)));
    }
    REQUIRE(given.node().stats().peers_suspect > 60);

    peers.answer(std::move(asked));
    for (std::size_t i = 0; i < 2 * rounds + 4; ++i) {
      beat(given.teller);
      beat(given.suspect);
      peers.answer(given.round());
    }

    CHECK(given.node().stats().declared_dead == 0);
    CHECK(given.node().stats().peers_suspect == 0);
  }
}

TEST_CASE(
    "suspicion: suspects are asked in turn, and the dead do not keep a live one from its turn") {
  watched given(1000ms);
  crowd peers(given.world, 60);
  given.world.steady += 500ms;
  for (const std::unique_ptr<puppet>& one : peers.all()) {
    tell(given.teller, make_suspicion(*one, 0, 64));
  }
  for (int i = 0; i < 9; ++i) given.round();
  REQUIRE(given.node().stats().peers_suspect >= 60);

  std::vector<endpoint> asked;
  for (int i = 0; i < 4; ++i) {
    for (const letter& one : given.round()) {
      if (peers.find(one.to) == nullptr) continue;
      if (std::find(asked.begin(), asked.end(), one.to) == asked.end()) asked.push_back(one.to);
    }
  }
  CHECK(asked.size() == 60);
}

// A heartbeat that nobody can have reached: as a sign of life, and as what others tell of it.
TEST_CASE(
    "suspicion: who vouches for a crashed peer with the highest heartbeat does not keep it alive") {
  for (const bool is_valid_echo : {true, false}) {
    CAPTURE(is_valid_echo);
    watched given(1000ms);
    suspicion_entry vouched = make_suspicion(given.suspect, suspicion_entry::no_suspicion, 0);
    vouched.heartbeat = heartbeat_max;

    for (int i = 0; i < 40; ++i) {
      given.round();
      beat(given.teller);
      if (is_valid_echo) {
        tell(given.teller, vouched);
        continue;
      }
      digest_entry told;
      told.name_hash = given.suspect.hash();
      told.generation = given.suspect.generation;
      told.heartbeat = heartbeat_max;
      given.teller.begin(message_kind::reply).heartbeats.push_back(told);
      static_cast<void>(given.teller.send());
    }

    CHECK(given.status(given.suspect) == peer_status::dead);
    CHECK(drops(given.node(), drop_reason::field) == 40);
  }
}

TEST_CASE(
    "suspicion: who claims the highest heartbeat of a live peer does not hide that it beats") {
  watched given(1000ms);
  config settings = given.node().settings();
  settings.dead_peer_phi = 8;
  settings.suspicion_rounds = 0;
  REQUIRE(given.node().change(settings, given.world.now()));

  for (int i = 0; i < 100; ++i) {
    given.round();
    beat(given.teller);
    beat(given.suspect);
    digest_entry told;
    told.name_hash = given.suspect.hash();
    told.generation = given.suspect.generation;
    told.heartbeat = heartbeat_max;
    given.teller.begin(message_kind::reply).heartbeats.push_back(told);
    static_cast<void>(given.teller.send());
  }

  CHECK(given.node().stats().declared_dead == 0);
  CHECK(given.status(given.suspect) == peer_status::live);
}

TEST_CASE(
    "suspicion: what was missed is believed: after a silence, a pause, at another's faster "
    "rounds") {
  watched given(1000ms);
  const auto relay = [&](std::uint64_t heartbeat) {
    digest_entry told;
    told.name_hash = given.suspect.hash();
    told.generation = given.suspect.generation;
    told.heartbeat = heartbeat;
    given.teller.begin(message_kind::reply).heartbeats.push_back(told);
    static_cast<void>(given.teller.send());
    return given.node().find_member("suspect", given.world.now())->heartbeat;
  };
  std::uint64_t known = given.suspect.heartbeat;
  const auto start = given.world.steady;
  known = relay(known + 256);  // 16 rounds on its way, 16 beats each
  CHECK(known == given.suspect.heartbeat + 256);
  CHECK(relay(known + 257) == known);
  for (int i = 0; i < 10; ++i) given.round();
  const auto allowed = static_cast<std::uint64_t>(16 * (16 + (given.world.steady - start) / 1s));
  CHECK(relay(known + allowed + 1) == known);
  CHECK(relay(known + allowed) == known + allowed);
  known += allowed;

  given.world.steady += 1h;
  given.world.wall += 1h;
  given.round();
  CHECK(relay(known + 3600) == known + 3600);
}
