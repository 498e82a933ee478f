// Where peers reach a node: which local address its answers leave from, what it advertises and when
// that changes, and what it thinks of addresses that others advertise.
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "gossipmonger/testing/random.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

endpoint host(std::uint8_t last) { return endpoint::v4(10, 0, 9, last, 7000); }

/// The texts of the events of that kind above the cursor.
std::vector<std::string> texts(protocol& of, change_cursor& cursor, event_kind kind) {
  std::vector<std::string> found;
  while (const std::optional<event_view> seen = of.poll_event(cursor)) {
    if (seen->kind == kind) found.emplace_back(seen->text);
  }
  return found;
}

/// Local addresses that everything leaves from which `name` has to say.
std::vector<endpoint> sources(small_cluster& world, std::string_view name) {
  std::vector<endpoint> all;
  message out;
  while (world[name].poll_transmit(world.now(), out)) all.push_back(world[name].transmit_source());
  return all;
}

/// The puppet's draft comes to the address `local` of the node `a`.
void send_to(small_cluster& world, puppet& from, const endpoint& local) {
  const letter sent(from.draft, from.address, local);
  world["a"].handle_message(sent.content, from.address, sent.bytes, world.now(), local);
}

}  // namespace

TEST_CASE("protocol address: an answer leaves from the address that was asked") {
  small_cluster world;
  world.add("a");
  puppet asker(world, "a", "asker", 1);

  for (const endpoint& local : {host(100), host(101)}) {
    asker.begin(message_kind::digest).padded_bytes = 400;
    send_to(world, asker, local);
    CHECK(sources(world, "a") == std::vector<endpoint>{local});
  }
}

TEST_CASE("protocol address: what a node begins leaves from the source that its driver names") {
  small_cluster world;
  protocol& a = world.add("a");
  a.join(host(5));
  a.handle_timeout(world.now());
  CHECK(sources(world, "a") == std::vector<endpoint>{endpoint()});

  a.set_source(host(100));
  a.join(host(6));
  world.steady += 1s;
  a.handle_timeout(world.now());
  CHECK(sources(world, "a") == std::vector<endpoint>{host(100)});
}

TEST_CASE("protocol address: a cookie for another local address is not echoed from the source") {
  for (const bool is_asked_elsewhere : {false, true}) {
    CAPTURE(is_asked_elsewhere);
    small_cluster world;
    protocol& a = world.add("a");
    a.set_source(host(100));
    puppet peer(world, "a", "peer", 1);
    peer.enter();
    const std::uint64_t for_source = 815;
    peer.begin(message_kind::digest).cookie = for_source;
    send_to(world, peer, host(100));
    peer.begin(message_kind::digest).cookie = 4711;
    send_to(world, peer, is_asked_elsewhere ? host(101) : host(100));
    static_cast<void>(world.collect("a"));

    world.steady += 1s;
    a.handle_timeout(world.now());

    const letters begun = world.collect("a");
    REQUIRE(begun.size() == 1);
    CHECK(begun.front().content.cookie_echo == (is_asked_elsewhere ? for_source : 4711));
  }
}

TEST_CASE("protocol address: a node that answers from another address is named once, with both") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor cursor;
  CHECK(texts(a, cursor, event_kind::error).empty());
  a.join(host(5));
  a.handle_timeout(world.now());
  const letters asked = world.collect("a");
  REQUIRE(asked.size() == 1);
  puppet other(world, "a", "other", 6);
  other.begin(message_kind::reply).cookie_echo = asked.front().content.cookie;

  static_cast<void>(other.send());
  static_cast<void>(other.send());

  CHECK(texts(a, cursor, event_kind::error) ==
        std::vector<std::string>{"the node asked at 10.0.9.5:7000 answers from 10.0.9.6:7000: an "
                                 "answer verifies an address only if it comes from there"});
  CHECK(drops(a, drop_reason::unverified) == 2);
  // Its twin: a cookie that nobody was given is anybody's word.
  other.begin(message_kind::reply).cookie_echo = asked.front().content.cookie + 1;
  static_cast<void>(other.send());
  CHECK(texts(a, cursor, event_kind::error).empty());
}

TEST_CASE("protocol address: before the first round an address is told, and costs no generation") {
  small_cluster world;
  protocol& a = world.add("a");
  const std::uint64_t before = a.generation();
  change_cursor cursor;
  CHECK(texts(a, cursor, event_kind::advertised).empty());

  a.set_address(host(7));
  a.set_address(host(7));

  CHECK(a.address() == host(7));
  CHECK(a.generation() == before);
  CHECK(texts(a, cursor, event_kind::advertised) == std::vector<std::string>{"10.0.9.7:7000"});
}

TEST_CASE("protocol address: another one later is another incarnation, which peers follow") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  CHECK(a.set("key", "value"));
  world.exchange("a", "b");
  world.run_for(10s);
  REQUIRE(value_of(b, "a", "key") == "value");
  const std::uint64_t before = a.generation();
  change_cursor of_a;
  change_cursor of_b;
  static_cast<void>(read_events(a, of_a));
  static_cast<void>(read_events(b, of_b));

  config settings = a.settings();
  settings.advertise = host(7);
  REQUIRE(a.change(settings, world.now()));
  world.find("a").address = host(7);
  world.run_for(10s);

  CHECK(a.generation() == before + 1);
  CHECK(a.stats().refutations == 0);
  CHECK(read_events(a, of_a) == "advertised a\n");
  CHECK(b.find_member("a", world.now())->address == host(7));
  CHECK(value_of(b, "a", "key") == "value");
  CHECK(read_events(b, of_b) ==
        "peer_restarted a\npeer_live a\nupdate a key=value@1\npeer_complete a\n");
}

TEST_CASE("protocol address: an identity on loopback is for nodes on loopback alone") {
  for (const bool is_local : {false, true}) {
    CAPTURE(is_local);
    small_cluster world;
    protocol& a = world.add("a");
    if (is_local) a.set_address(endpoint::v4(127, 0, 0, 1, 7000));
    change_cursor cursor;
    static_cast<void>(read_events(a, cursor));
    puppet peer(world, "a", "peer", 1);
    static_cast<void>(peer.verify());
    identity_view who = peer.identity();
    who.address = endpoint::v4(127, 0, 1, 1, 7001);

    peer.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(peer.send());

    CHECK(a.is_known("peer") == is_local);
    CHECK(drops(a, drop_reason::endpoint) == (is_local ? 0 : 1));
    const std::vector<std::string> told = texts(a, cursor, event_kind::error);
    if (!is_local) {
      CHECK(told == std::vector<std::string>{"this peer is not taken in: it advertises "
                                             "127.0.1.1:7001, which is loopback, and this node is "
                                             "on another host; set `advertise` there"});
    }
  }
}

TEST_CASE(
    "protocol address: who told of an address on loopback is not asked for it again at once") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet one(world, "a", "one", 1);
  puppet two(world, "a", "two", 2);
  one.enter();
  two.enter();
  identity_view lost = one.identity();
  lost.name = "lost";
  lost.address = endpoint::v4(127, 0, 0, 1, 7001);
  digest_entry row;
  row.name_hash = hash_of("lost");
  row.generation = lost.generation;
  row.heartbeat = lost.heartbeat;
  const auto is_requested_of = [&](puppet& teller) {
    teller.begin(message_kind::digest).known.extra.push_back(row);
    for (const letter& sent : teller.send()) {
      for (const digest_entry request : sent.content.requests) {
        if (request.name_hash == row.name_hash) return true;
      }
    }
    return false;
  };
  REQUIRE(is_requested_of(one));

  one.begin(message_kind::reply).identities.push_back(lost);
  static_cast<void>(one.send());

  REQUIRE(drops(a, drop_reason::endpoint) == 1);
  CHECK_FALSE(is_requested_of(one));
  CHECK(is_requested_of(two));
  ++row.generation;  // it was mended, and started again
  CHECK(is_requested_of(one));
  --row.generation;
  world.run_for(14s);
  CHECK_FALSE(is_requested_of(one));
  world.run_for(4s);
  CHECK(is_requested_of(one));
}

TEST_CASE("protocol address: a seed at my own link-local address is myself, by any interface") {
  small_cluster world;
  protocol& a = world.add("a");
  a.set_address(*endpoint::parse("[fe80::1%2]:7000"));
  a.set_seeds({*endpoint::parse("[fe80::1%9]:7000"), *endpoint::parse("[fe80::1]:7000")});
  a.handle_timeout(world.now());
  CHECK(world.collect("a").empty());

  a.set_seeds({*endpoint::parse("[fe80::2%9]:7000")});
  world.steady += 1s;
  a.handle_timeout(world.now());
  CHECK(world.collect("a").size() == 1);
}

TEST_CASE("protocol address: while nobody is live each of many seeds is asked before any again") {
  small_cluster world;
  config settings = make_config("a");
  settings.unverified_addresses_max = 16;
  protocol& a = world.add(settings);
  std::vector<endpoint> seeds;
  for (std::uint8_t i = 0; i < 198; ++i) seeds.push_back(host(i));
  a.set_seeds(seeds);
  std::set<endpoint> asked;

  std::size_t rounds = 0;
  for (; rounds < 13; ++rounds) {
    a.handle_timeout(world.now());
    for (const letter& one : world.collect("a")) {
      const bool is_first = asked.insert(one.to).second;
      if (rounds < 12) CHECK(is_first);  // the thirteenth round has room to begin again
    }
    world.steady += 1s;
    if (asked.size() == seeds.size()) break;
    // The name is looked up again and again, and gives the same.
    a.set_seeds(seeds);
  }

  CHECK(asked.size() == 198);
  CHECK(rounds == 12);  // 12 * 16 = 192, and six in the thirteenth
}

TEST_CASE(
    "protocol address: a start without verification is short now and then, for paths that are") {
  small_cluster world;
  protocol& a = world.add("a");
  a.set_seeds({host(5)});
  std::vector<std::size_t> sizes;
  for (int round = 0; round < 60; ++round) {
    a.handle_timeout(world.now());
    for (const letter& one : world.collect("a")) sizes.push_back(one.bytes);
    world.steady += 1s;
  }

  REQUIRE(sizes.size() >= 8);
  sizes.resize(8);
  CHECK(sizes == std::vector<std::size_t>{400, 400, 176, 400, 400, 400, 176, 400});
}

namespace {

/// Two nodes that know each other; what `a` sends to `b` and takes more than `most` is swallowed.
struct narrow_world : small_cluster {
  narrow_world(std::size_t datagram_bytes_max, std::size_t most) {
    config settings = make_config("a");
    settings.datagram_bytes_max = datagram_bytes_max;
    add(settings);
    add("b");
    exchange("a", "b");
    run_for(5s);
    static_cast<void>(texts((*this)["a"], cursor, event_kind::error));
    on_send = [this, most](const letter& one) {
      return one.to != find("b").address || one.bytes <= most;
    };
  }

  change_cursor cursor;
};

const std::string swallowed = "large datagrams do not reach 10.0.0.2:7000, short ones do: ";

}  // namespace

TEST_CASE("protocol address: a path that swallows large datagrams is told once, in an event") {
  narrow_world world(1200, 1000);
  protocol& a = world["a"];
  for (int i = 0; i < 30; ++i) CHECK(a.set("key" + std::to_string(i), std::string(100, 'x')));

  world.run_for(100s);

  CHECK(texts(a, world.cursor, event_kind::error) ==
        std::vector<std::string>{swallowed +
                                 "a path must carry packets of 1228 bytes, or 1248 with IPv6"});
  CHECK(value_of(world["b"], "a", "key0") == "-");
}

TEST_CASE("protocol address: large datagrams become smaller where a path swallows them") {
  narrow_world world(9000, 1400);
  protocol& a = world["a"];
  // One that travels whole in 9000 bytes, and in parts in 1200.
  CHECK(a.set("long", std::string(5000, 'v')));
  for (int i = 0; i < 60; ++i) CHECK(a.set("key" + std::to_string(i), std::string(100, 'x')));

  world.run_for(100s);

  CHECK(texts(a, world.cursor, event_kind::error) ==
        std::vector<std::string>{swallowed + "it is sent 1200 bytes at most from now on"});
  CHECK(value_of(world["b"], "a", "long") == std::string(5000, 'v'));
  CHECK(value_of(world["b"], "a", "key59") == std::string(100, 'x'));
}

TEST_CASE("protocol address: a path that loses a fifth of all is not taken for a narrow one") {
  narrow_world world(1200, 100'000);
  protocol& a = world["a"];
  constexpr std::uint64_t seed = 1;
  CAPTURE(seed);
  random_source draws(seed);
  world.on_send = [&draws](const letter&) { return draws.below(5) != 0; };
  for (int i = 0; i < 300; ++i) {
    CHECK(a.set("key" + std::to_string(i % 40), std::string(100, static_cast<char>('a' + i % 26))));
    world.run_for(1s);
  }

  CHECK(texts(a, world.cursor, event_kind::error).empty());
}

TEST_CASE("protocol address: a sender is a verified peer while its cookie holds, by steady time") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  message& sent = p.begin(message_kind::digest);

  CHECK(a.is_from_verified_peer(sent, p.address, world.now()));
  CHECK_FALSE(a.is_from_verified_peer(sent, host(2), world.now()));
  ++sent.sender.generation;  // a run of it that is not known yet
  CHECK_FALSE(a.is_from_verified_peer(sent, p.address, world.now()));
  --sent.sender.generation;
  world.steady += 2 * secret_lifetime(a.settings());
  CHECK_FALSE(a.is_from_verified_peer(sent, p.address, world.now()));
}
