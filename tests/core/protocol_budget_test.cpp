// A byte budget that is spent: what waits stays bounded, and a node that unverified addresses flood
// still gossips.
#include <doctest/doctest.h>

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/exchange/packer.hpp"

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

void limit(small_cluster& world, std::size_t bytes_per_interval) {
  config settings = world["a"].settings();
  settings.send_bytes_per_interval = bytes_per_interval;
  REQUIRE(world["a"].change(settings, world.now()));
}

/// All that waits, as time lets it out; by address. No round runs meanwhile.
std::map<endpoint, std::size_t> drain(small_cluster& world, message_kind kind) {
  std::map<endpoint, std::size_t> sent;
  for (int seconds = 0; seconds < 5000; ++seconds) {
    world.steady += 1s;
    for (const letter& one : world.collect("a")) sent[one.to] += one.content.kind == kind ? 1 : 0;
  }
  return sent;
}

}  // namespace

TEST_CASE("budget: members that ask for more every round have one digest each waiting") {
  small_cluster world;
  protocol& a = world.add("a");
  std::list<puppet> members;
  for (std::uint8_t i = 1; i <= 16; ++i) {
    members.emplace_back(world, "a", "p" + std::to_string(i), i).enter();
  }
  limit(world, 1200);

  for (int round = 0; round < 300; ++round) {
    world.steady += 1s;
    world.wall += 1s;
    a.handle_timeout(world.now());
    for (puppet& one : members) {
      one.heartbeat += 1;
      one.begin(message_kind::reply).more = true;
      static_cast<void>(one.send());
    }
  }

  std::size_t waiting = 0;
  for (const auto& [to, digests] : drain(world, message_kind::digest)) {
    CHECK(digests <= 1);
    waiting += digests;
  }
  CHECK(waiting <= 16);
}

TEST_CASE("budget: digests to whoever was joined wait in a bounded queue") {
  small_cluster world;
  config settings = make_config("a");
  settings.unverified_addresses_max = 64;
  protocol& a = world.add(settings);
  limit(world, 1200);

  for (std::uint8_t round = 0; round < 10; ++round) {
    for (std::uint8_t i = 0; i < 64; ++i) a.join(endpoint::v4(10, 1, round, i, 7000));
    world.steady += 1s;
    world.wall += 1s;
    a.handle_timeout(world.now());
  }

  const std::size_t waiting = drain(world, message_kind::digest).size();
  CHECK(waiting >= 250);  // a few went out meanwhile
  CHECK(waiting <= outbox::digests_max);
}

TEST_CASE("budget: a first contact is counted with all of its padding") {
  small_cluster world;
  config settings = make_config("a");
  settings.unverified_addresses_max = 64;
  protocol& a = world.add(settings);
  limit(world, 1500);  // an eighth of which is no whole number of words
  for (std::uint8_t i = 0; i < 64; ++i) a.join(endpoint::v4(10, 1, 0, i, 7000));
  world.steady += 1s;
  a.handle_timeout(world.now());

  std::size_t bytes = 0;
  std::size_t bytes_max = 0;
  for (int tenths = 0; tenths < 50; ++tenths) {
    for (const letter& one : world.collect("a")) {
      bytes += one.bytes;
      bytes_max = std::max(bytes_max, one.bytes);
    }
    world.steady += 100ms;
  }

  // A full bucket and 4.9 intervals, of which a quarter of a bucket is left to signs of life.
  constexpr std::size_t allowed = 1500 + 7350 - 375;
  CHECK(bytes_max == 184);  // 1500 / 8, in whole words
  CHECK(bytes >= allowed);
  CHECK(bytes < allowed + bytes_max);
}

TEST_CASE("budget: what waits is written in a version that its receiver reads by then") {
  small_cluster world;
  protocol& a = world.add("a");
  a.set_wire_versions(wire_range(1, 2));
  puppet p(world, "a", "p", 1);
  p.enter();  // it reads version 1 alone
  world.steady += 1s;
  world.wall += 1s;
  a.handle_timeout(world.now());  // a digest for p waits

  p.heartbeat += 1;
  p.begin(message_kind::reply).versions = wire_range(2, 2);
  const letters sent = p.send();

  REQUIRE(sent.size() == 1);
  CHECK(sent.front().content.wire_version == 2);
}

TEST_CASE("budget: a seed that is a partner of the round gets one digest in it") {
  small_cluster world;
  config settings = make_config("a");
  settings.live_peers_min = 8;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  a.set_seeds({p.address});
  for (int round = 0; round < 20; ++round) {
    std::size_t digests = 0;
    world.on_send = [&](const letter& sent) {
      digests += sent.to == p.address ? 1 : 0;
      return false;
    };
    world.round("a");
    CHECK(digests == 1);
    p.heartbeat += 1;
    p.begin(message_kind::reply);
    static_cast<void>(p.send());
  }
}

TEST_CASE(
    "budget: a flood from unverified addresses takes neither my digests nor a member's answers") {
  for (const int addresses : {0, 100, 1000}) {
    CAPTURE(addresses);
    small_cluster world;
    protocol& a = world.add("a");
    puppet p(world, "a", "p", 1);
    p.enter();
    for (int i = 0; i < 40; ++i) REQUIRE(a.set("key " + std::to_string(i), std::string(100, 'v')));
    limit(world, 24'000);
    puppet unverified(world, "a", "stranger", 2);

    std::size_t digests = 0;
    std::size_t answers = 0;
    std::size_t to_unverified = 0;
    for (int round = 0; round < 60; ++round) {
      world.steady += 1s;
      world.wall += 1s;
      const auto count_sent = [&] {
        bool is_answered = false;
        for (const letter& one : world.collect("a")) {
          if (one.to != p.address) {
            to_unverified += one.bytes;
          } else if (one.content.kind == message_kind::digest) {
            ++digests;
          } else {
            is_answered = true;
          }
        }
        answers += is_answered ? 1 : 0;
      };
      for (int i = 0; i < addresses; ++i) {
        unverified.address = endpoint::v4(10, 2, static_cast<std::uint8_t>(i / 256),
                                          static_cast<std::uint8_t>(i % 256), 7000);
        message& told = unverified.begin(message_kind::digest);
        told.padded_bytes = 400;
        told.known.lo = 0;
        told.known.hi = ~std::uint64_t{0};
        world.deliver(letter(told, unverified.address, a.address()));
        if (i % 10 == 0) count_sent();
      }
      a.handle_timeout(world.now());
      p.heartbeat += 1;
      p.begin(message_kind::digest);
      world.deliver(letter(p.draft, p.address, a.address()));
      count_sent();
    }

    CHECK(digests >= 58);
    CHECK(answers >= 58);
    CHECK(a.stats().declared_dead == 0);
    CHECK(to_unverified <= 61 * 24'000 / 8 + 1200);
    CHECK((to_unverified > 0) == (addresses > 0));
  }
}

namespace {

/// A node "a" with a peer "p" that it knows as live, and 40 rows besides.
struct crowded {
  explicit crowded(std::size_t fanout = 1) : p(world, "a", "p", 1) {
    config settings = make_config("a");
    settings.fanout = fanout;
    world.add(settings);
    p.enter();
    for (std::uint8_t i = 0; i < 40; ++i) {
      others
          .emplace_back(world, "a", "other " + std::to_string(i), static_cast<std::uint8_t>(2 + i))
          .enter();
    }
  }

  /// The peer asks by a digest that claims nobody, so that everybody is told of in answer; or by
  /// one without a claim.
  void ask(bool is_short, const endpoint& local = endpoint()) {
    p.heartbeat += 1;
    message& digest = p.begin(message_kind::digest);
    if (!is_short) {
      digest.known.lo = 0;
      digest.known.hi = ~std::uint64_t{0};
    }
    const letter sent(digest, p.address, world["a"].address());
    world["a"].handle_message(sent.content, p.address, sent.bytes, world.now(), local);
  }

  small_cluster world;
  puppet p;
  std::list<puppet> others;
};

std::vector<std::string> errors_of(protocol& from, change_cursor& cursor) {
  std::vector<std::string> told;
  while (const std::optional<event_view> seen = from.poll_event(cursor)) {
    if (seen->kind == event_kind::error) told.emplace_back(seen->text);
  }
  return told;
}

}  // namespace

TEST_CASE("budget: an answer that there is no room for goes as a sign of life, at once") {
  crowded given;
  limit(given.world, 9600);
  protocol& a = given.world["a"];
  std::vector<std::size_t> sizes;
  // The bucket holds 9,600 bytes. Membership leaves 2,400 to signs of life, and borrows a datagram.
  for (int i = 0; i < 12; ++i) {
    given.world.steady += 1ns;
    given.ask(true);
    given.ask(false);
    for (const letter& one : given.world.collect("a")) {
      CHECK(one.to == given.p.address);
      sizes.push_back(one.bytes);
    }
  }

  // Each short leg was answered, though the bucket has no room for more than that.
  const auto bare = std::count(sizes.begin(), sizes.end(), reply_frame_bytes);
  CHECK(bare >= 12);
  CHECK(a.stats().sends_delayed > 0);
}

TEST_CASE("budget: a bare sign of life leaves from the address that was asked") {
  crowded given;
  limit(given.world, 1200);
  protocol& a = given.world["a"];
  const endpoint asked = endpoint::v4(10, 9, 9, 9, 7000);

  std::size_t bare = 0;
  for (int i = 0; i < 12; ++i) {
    given.world.steady += 600ms;
    given.ask(false, asked);
    const letters sent = given.world.collect("a");
    if (sent.empty() || sent.back().bytes != reply_frame_bytes) continue;
    ++bare;
    CHECK(a.transmit_source() == asked);
  }

  CHECK(bare >= 3);
}

TEST_CASE("budget: a bare sign of life says why the node refuses the peer") {
  crowded given;
  protocol& a = given.world["a"];
  config settings = a.settings();
  settings.keys_per_peer_max = 1;
  REQUIRE(a.change(settings, given.world.now()));
  static_cast<void>(given.p.tell(0, 2, {make_entry("k1", "v", 1), make_entry("k2", "v", 2)}));
  limit(given.world, 1200);

  std::size_t bare = 0;
  for (int i = 0; i < 12; ++i) {
    given.world.steady += 600ms;
    given.ask(false);
    for (const letter& one : given.world.collect("a")) {
      if (one.content.identities.size() + one.content.heartbeats.size() > 0) continue;
      ++bare;
      CHECK(one.content.refused == refusal::capacity);
    }
  }

  CHECK(bare >= 3);
}

TEST_CASE("budget: a digest that has no room left still gives the sign that a suspicion asks for") {
  // At once, and when the bucket has room for more than signs again.
  for (const auto pause : {100ms, 900ms}) {
    CAPTURE(pause.count());
    crowded given;
    limit(given.world, 1200);
    protocol& a = given.world["a"];
    given.world.steady += 2s;
    given.world.wall += 2s;
    given.ask(false);  // its answer empties the bucket
    a.handle_timeout(given.world.now());
    // 600 bytes are the digest's share, which two datagrams use up. It stays in its queue until the
    // bucket fills.
    endpoint partner;
    for (int datagrams = 0; datagrams < 2; given.world.steady += 10ms) {
      for (const letter& one : given.world.collect("a")) {
        if (one.content.kind != message_kind::digest || one.content.known.range.empty()) continue;
        partner = one.to;
        ++datagrams;
      }
    }
    const auto is_partner = [&](const puppet& one) { return one.address == partner; };
    puppet* suspect = &given.p;
    if (!is_partner(given.p)) {
      suspect = &*std::find_if(given.others.begin(), given.others.end(), is_partner);
    }
    puppet& teller = suspect == &given.p ? given.others.front() : given.p;

    suspicion_entry suspicion;
    suspicion.name_hash = suspect->hash();
    suspicion.generation = suspect->generation;
    suspicion.heartbeat = suspect->heartbeat;
    suspicion.suspicion_age = 0;
    suspicion.alive_age = 64;
    teller.heartbeat += 1;
    message& told = teller.begin(message_kind::digest);
    told.known.extra.push_back(told.sender);
    told.suspicions.push_back(suspicion);
    given.world.deliver(letter(teller.draft, teller.address, a.address()));

    REQUIRE(a.find_member(suspect->name, given.world.now())->is_suspect);
    // The digest took its share of the budget before. The sign goes as soon as the bucket fills.
    std::size_t signs = 0;
    for (int i = 0; i < 5; ++i) {
      given.world.steady += pause;
      for (const letter& one : given.world.collect("a")) {
        const bool is_digest = one.content.kind == message_kind::digest;
        signs += is_digest && one.to == suspect->address ? 1 : 0;
      }
    }
    CHECK(signs == 1);
  }
}

TEST_CASE(
    "budget: however many ask, a digest of mine leaves in each round, and bears my heartbeat") {
  crowded given;
  limit(given.world, 1200);
  protocol& a = given.world["a"];
  std::size_t rounds = 0;
  std::uint64_t heard = 0;
  for (int tenth = 0; tenth < 600; ++tenth) {
    given.world.steady += 100ms;
    given.world.wall += 100ms;
    for (int i = 0; i < 4; ++i) given.ask(true);
    a.handle_timeout(given.world.now());
    for (const letter& one : given.world.collect("a")) {
      if (one.content.kind != message_kind::digest) continue;
      if (one.content.sender.heartbeat > heard) ++rounds;
      heard = std::max(heard, one.content.sender.heartbeat);
    }
  }

  CHECK(a.stats().rounds >= 58);
  CHECK(rounds + 2 >= a.stats().rounds);
}

TEST_CASE(
    "budget: whose own probes wait for it declares nobody dead, and does as soon as they go") {
  crowded given(16);  // probes a round: even their signs of life take more than the budget
  protocol& a = given.world["a"];
  const auto run = [&given, &a](int rounds) {
    for (int tenth = 0; tenth < 10 * rounds; ++tenth) {
      given.world.steady += 100ms;
      given.world.wall += 100ms;
      a.handle_timeout(given.world.now());
      static_cast<void>(given.world.collect("a"));
    }
  };

  limit(given.world, 1200);
  run(30);  // nobody says anything
  CHECK(a.stats().probes_delayed >= 28);
  CHECK(a.stats().declared_dead == 0);

  limit(given.world, 100'000);
  run(200);
  CHECK(a.stats().declared_dead == 41);
}

TEST_CASE("budget: below what membership needs, an error names both, once, and once its end") {
  crowded given;
  protocol& a = given.world["a"];
  change_cursor cursor;
  static_cast<void>(errors_of(a, cursor));
  limit(given.world, 1200);
  const auto run = [&given, &a](int rounds) {
    for (int round = 0; round < rounds; ++round) {
      given.world.steady += 1s;
      given.world.wall += 1s;
      for (puppet& one : given.others) {
        one.heartbeat += 1;
        one.begin(message_kind::digest);
        static_cast<void>(one.send());
      }
      a.handle_timeout(given.world.now());
      static_cast<void>(given.world.collect("a"));
    }
  };

  run(60);
  const std::vector<std::string> told = errors_of(a, cursor);
  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with("send_bytes_per_interval is 1200, but membership needs about "));
  CHECK(a.stats().membership_bytes_per_interval > 1200);

  limit(given.world, 100'000);
  run(60);
  const std::vector<std::string> ended = errors_of(a, cursor);
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].starts_with("send_bytes_per_interval is enough again: it is 100000, and "));
}

TEST_CASE(
    "budget: below what membership needs, a silent peer is asked as often as losses call for") {
  std::size_t asks = 0;
  for (std::size_t run = 0; run < 14; ++run) {
    crowded given;
    protocol& a = given.world["a"];
    limit(given.world, 1200);
    const auto count = [&](const letters& sent) {
      for (const letter& one : sent) {
        if (one.to == given.p.address && one.content.kind == message_kind::digest) ++asks;
      }
    };

    for (std::size_t i = 0; i < 2000 && a.stats().declared_dead == 0; ++i) {
      given.world.steady += 1s;
      given.world.wall += 1s;
      // The others speak once in 14 rounds, and answer nothing: most asks are lost.
      std::size_t turn = run + i;
      for (puppet& one : given.others) {
        if (turn++ % 14 != 0) continue;
        one.heartbeat += 1;
        one.begin(message_kind::digest);
        count(one.send());
      }
      a.handle_timeout(given.world.now());
      count(given.world.collect("a"));
    }
    CHECK(a.stats().membership_bytes_per_interval > 1200);
  }

  // 103 where a budget below the need does not raise the number.
  CHECK(asks >= 14 * 11);
}
