#include "core/membership/membership.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "gossipmonger/hash.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using what = introduction::what;

const hash_key key = make_cluster_key("default");

identity_view make_identity(std::string_view name, std::uint64_t generation = 1000) {
  identity_view who;
  who.name = name;
  who.generation = generation;
  who.heartbeat = 10;
  who.address = endpoint::v4(10, 0, 0, 7, 7000);
  return who;
}

/// A node "a" at 10.0.0.1 with room for two peers and a grace of an hour, and what its membership
/// refers to. It is 2024-01-01.
class member_owner {
 public:
  member_owner() {
    const std::optional<slot_index> self = peers.try_add("a", siphash(key, "a"));
    peers[*self].set_generation(clock.date_generation());
    peers[*self].set_status(peer_status::self);
    peers.details(*self).address = endpoint::v4(10, 0, 0, 1, 7000);
  }

  introduction introduce(const identity_view& who) {
    return known.introduce(who, siphash(key, who.name), clock);
  }
  /// Takes the peer in, which has to be allowed.
  slot_index enter(const identity_view& who) {
    const introduction seen = introduce(who);
    REQUIRE((seen.kind == what::admitted || seen.kind == what::restarted));
    if (seen.evicted) forget(*seen.evicted);
    return known.enter(who, siphash(key, who.name), seen.is_vouched, clock.now(), draws);
  }
  slot_index enter(std::string_view name) { return enter(make_identity(name)); }
  void set_status(slot_index slot, peer_status status) {
    if (status == peer_status::live) peers.restart_silence(slot, clock.now());
    known.set_status(slot, status, clock.now(), draws);
  }
  void forget(slot_index slot) {
    known.forget(slot, peers[slot].heartbeat(), clock.now());
    peers.remove(slot);
  }
  void wait(std::chrono::nanoseconds length) {
    steady += length;
    static_cast<void>(clock.observe(moment(steady, wall + steady), steady, 1h));
  }

  config settings;
  peer_table peers{2};
  unwanted_peers unwanted{64};
  change_list changes{16};
  random_source draws{1};
  std::chrono::nanoseconds steady = 100s;
  static constexpr std::chrono::nanoseconds wall = 1'704'067'200s;
  node_clock clock{moment(steady, wall + steady)};
  membership known{set_limits(settings), peers, unwanted, changes};

 private:
  static const config& set_limits(config& settings) {
    settings.peers_max = 2;
    return settings;
  }
};

}  // namespace

TEST_CASE("membership: an unknown peer is admitted as a newcomer, and lives among the live") {
  member_owner node;

  const slot_index b = node.enter("b");
  CHECK(node.peers.details(b).name == "b");
  CHECK(node.peers[b].status() == peer_status::introduced);
  CHECK(node.known.rings().newcomers.size() == 1);

  node.set_status(b, peer_status::live);
  CHECK(node.known.rings().newcomers.size() == 0);
  CHECK(node.known.rings().live.size() == 1);
  node.set_status(b, peer_status::dead);
  CHECK(node.known.rings().live.size() == 0);
  CHECK(node.known.rings().gone == std::vector<slot_index>{b});
}

TEST_CASE("membership: an identity that has left is gone from the start") {
  member_owner node;
  identity_view left = make_identity("b");
  left.has_left = true;

  const slot_index b = node.enter(left);

  CHECK(node.peers[b].status() == peer_status::left);
  CHECK(node.known.rings().gone == std::vector<slot_index>{b});
  CHECK(node.known.rings().newcomers.size() == 0);
}

TEST_CASE("membership: of a known name, a higher generation restarts and a lower one is stale") {
  member_owner node;
  const slot_index b = node.enter("b");
  node.set_status(b, peer_status::live);

  CHECK(node.introduce(make_identity("b")).kind == what::known);
  CHECK(node.introduce(make_identity("b", 999)).reason == drop_reason::stale);
  CHECK(node.introduce(make_identity("a")).kind == what::about_self);

  const introduction seen = node.introduce(make_identity("b", 1001));
  CHECK(seen.kind == what::restarted);
  CHECK(seen.slot == b);
  CHECK(node.enter(make_identity("b", 1001)) == b);
  CHECK(node.peers[b].generation() == 1001);
  CHECK(node.known.rings().live.size() == 0);
  CHECK(node.known.rings().newcomers.size() == 1);
}

TEST_CASE("membership: a name whose hash another name has stays out, and an event tells") {
  member_owner node;
  static_cast<void>(node.enter("b"));

  const introduction seen = node.known.introduce(make_identity("c"), siphash(key, "b"), node.clock);

  CHECK(seen.kind == what::dropped);
  CHECK(seen.reason == drop_reason::name_conflict);
  CHECK(seen.notice == event_kind::conflict);
  CHECK(seen.text == "the hash of this name is taken by b");
}

TEST_CASE("membership: an address that nobody can reach is not taken in, and not refused") {
  member_owner node;
  identity_view who = make_identity("b");
  for (const endpoint& address : {endpoint(), endpoint::v4(127, 0, 0, 1, 7000)}) {
    CAPTURE(address.to_string());
    who.address = address;
    const introduction seen = node.introduce(who);
    CHECK(seen.reason == drop_reason::endpoint);
    CHECK_FALSE(seen.text.empty());
  }
  CHECK(node.unwanted.all().empty());

  node.peers.details(self_slot).address = endpoint::v4(127, 0, 0, 1, 7001);
  CHECK(node.introduce(who).kind == what::admitted);
}

TEST_CASE("membership: a generation far ahead is refused until the clock agrees") {
  member_owner node;
  const identity_view who = make_identity("b", node.clock.generation_limit() + 1);
  digest_entry sender;
  sender.name_hash = siphash(key, "b");
  sender.generation = who.generation;

  CHECK(node.introduce(who).reason == drop_reason::far_future);
  CHECK(node.known.refusal_of(sender) == refusal::far_future);
  CHECK(node.introduce(who).reason == drop_reason::refused);  // and no second event
  node.known.end_refusals(node.clock);
  CHECK(node.introduce(who).reason == drop_reason::refused);

  node.wait(2ms);
  node.known.end_refusals(node.clock);
  CHECK(node.known.refusal_of(sender) == refusal::none);
  CHECK(node.introduce(who).kind == what::admitted);
}

TEST_CASE("membership: an identity that was silent for a grace stays out as it is") {
  member_owner node;
  identity_view who = make_identity("b");
  who.silent = 1h;

  CHECK(node.introduce(who).reason == drop_reason::refused);
  who.silent = 1h - 1ms;
  CHECK(node.introduce(who).reason == drop_reason::refused);  // its heartbeat is not above
  who.heartbeat += 1;
  CHECK(node.introduce(who).kind == what::admitted);
}

TEST_CASE("membership: a full table takes a peer in for one that is gone for longer") {
  member_owner node;
  const slot_index b = node.enter("b");
  const slot_index c = node.enter("c");
  digest_entry sender;
  sender.name_hash = siphash(key, "d");
  sender.generation = 1000;
  sender.heartbeat = 10;

  CHECK(node.introduce(make_identity("d")).reason == drop_reason::capacity);
  CHECK(node.known.refusal_of(sender) == refusal::no_room);
  node.set_status(b, peer_status::dead);
  node.set_status(c, peer_status::dead);
  // Only of c came an answer once: b goes first.
  node.peers.details(c).last_reply = 100s;
  node.wait(10s);
  node.known.end_refusals(node.clock);

  identity_view who = make_identity("d");
  who.silent = 10s;
  CHECK(node.introduce(who).reason == drop_reason::capacity);
  node.known.end_refusals(node.clock);
  CHECK(node.introduce(who).reason == drop_reason::refused);  // b has not been gone for longer yet
  ++who.heartbeat;
  who.silent = 9s;
  who.is_live = true;
  CHECK(node.introduce(who).evicted == b);
  CHECK(node.introduce(who).is_vouched);  // it was refused for want of room, and never gone
  CHECK(node.enter(who) == b);
  CHECK(node.peers.details(b).name == "d");
}

TEST_CASE("membership: of each message 16 newcomers are compared with a full table") {
  member_owner node;
  node.enter("b");
  node.enter("c");

  for (std::size_t messages = 1; messages <= 2; ++messages) {
    node.known.begin_message();
    for (int i = 0; i < 100; ++i) {
      const std::string name = "m" + std::to_string(messages) + " " + std::to_string(i);
      CHECK(node.introduce(make_identity(name)).reason == drop_reason::capacity);
    }
    CHECK(node.unwanted.all().size() == 16 * messages);
  }
}

TEST_CASE(
    "membership: a peer is forgotten a grace after it fell silent, and comes back by a beat") {
  member_owner node;
  const slot_index b = node.enter("b");
  node.set_status(b, peer_status::dead);
  node.wait(1h - 1ns);
  CHECK_FALSE(node.known.find_expired(node.clock.now()));
  node.wait(1ns);
  CHECK(node.known.find_expired(node.clock.now()) == b);

  node.forget(b);

  CHECK(node.known.rings().size() == 0);
  CHECK_FALSE(node.known.find_expired(node.clock.now()));
  identity_view who = make_identity("b");
  CHECK(node.introduce(who).reason == drop_reason::refused);
  who.heartbeat += 1;
  CHECK(node.introduce(who).kind == what::admitted);
}

TEST_CASE("membership: that a dead peer came back is news for as long as news takes") {
  member_owner node;
  node.enter("b");
  node.enter("c");
  CHECK_FALSE(node.known.is_return_news(10));

  node.known.handle_return(10);

  CHECK(node.known.is_return_news(14));  // twice the logarithm of three nodes, which is 2
  CHECK_FALSE(node.known.is_return_news(15));
}

TEST_CASE("membership: room that was added ends the refusals for capacity, and no others") {
  member_owner node;
  const slot_index b = node.enter("b");
  digest_entry sender;
  sender.name_hash = siphash(key, "b");
  sender.generation = 1000;
  node.peers[b].set_over_capacity(true);
  CHECK(node.known.refusal_of(sender) == refusal::capacity);
  node.peers[b].set_put_off(true);

  node.known.end_capacity_refusals();

  CHECK(node.known.refusal_of(sender) == refusal::storage);
  CHECK(node.peers.latest(1).front() == b);
}

}  // namespace gossipmonger
