// A byte budget that is spent: what waits stays bounded, and whom strangers flood still gossips.
#include <doctest/doctest.h>

#include <list>
#include <map>
#include <string>

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
  settings.unproved_addresses_max = 64;
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

TEST_CASE("budget: a flood of strangers takes neither my digests nor a member's answers") {
  for (const int strangers : {0, 100, 1000}) {
    CAPTURE(strangers);
    small_cluster world;
    protocol& a = world.add("a");
    puppet p(world, "a", "p", 1);
    p.enter();
    for (int i = 0; i < 40; ++i) REQUIRE(a.set("key " + std::to_string(i), std::string(100, 'v')));
    limit(world, 24'000);
    puppet stranger(world, "a", "stranger", 2);

    std::size_t digests = 0;
    std::size_t answers = 0;
    std::size_t to_strangers = 0;
    for (int round = 0; round < 60; ++round) {
      world.steady += 1s;
      world.wall += 1s;
      const auto count_sent = [&] {
        bool is_answered = false;
        for (const letter& one : world.collect("a")) {
          if (one.to != p.address) {
            to_strangers += one.bytes;
          } else if (one.content.kind == message_kind::digest) {
            ++digests;
          } else {
            is_answered = true;
          }
        }
        answers += is_answered ? 1 : 0;
      };
      for (int i = 0; i < strangers; ++i) {
        stranger.address = endpoint::v4(10, 2, static_cast<std::uint8_t>(i / 256),
                                        static_cast<std::uint8_t>(i % 256), 7000);
        message& told = stranger.begin(message_kind::digest);
        told.padded_bytes = 400;
        told.known.lo = 0;
        told.known.hi = ~std::uint64_t{0};
        world.deliver(letter(told, stranger.address, a.address()));
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
    CHECK(a.stats().convictions == 0);
    CHECK(to_strangers <= 61 * 24'000 / 8 + 1200);
    CHECK((to_strangers > 0) == (strangers > 0));
  }
}
