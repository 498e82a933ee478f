// Received messages: exchanges, identities, this node's own name, verification. Two nodes exchange
// them without delay, or a puppet makes them up.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/membership/address_book.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t day_ms = 86'400'000;

std::uint64_t wall_ms(const small_cluster& world) {
  return static_cast<std::uint64_t>(world.wall / 1ms);
}

/// A node "a" and a puppet "p" that it knows.
class node_and_puppet {
 public:
  explicit node_and_puppet(const config& settings = make_config("a"))
      : node(world.add(settings)), p(world, "a", "p", 1) {
    p.enter();
    REQUIRE(node.is_known("p"));
    static_cast<void>(read());
  }

  std::string read() { return read_events(node, cursor); }
  [[nodiscard]] member seen() const { return *node.find_member("p", world.now()); }

  /// The puppet's identity with one thing changed, from the puppet itself.
  template <class Change>
  void tell_identity(Change change) {
    identity_view who = p.identity();
    change(who);
    p.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(p.send());
  }

  small_cluster world;
  protocol& node;
  puppet p;
  change_cursor cursor;
};

/// A peer "far" that "a" knows by the word of a puppet alone.
struct relayed_peer : node_and_puppet {
  explicit relayed_peer(const config& settings = make_config("a")) : node_and_puppet(settings) {
    tell_identity([](identity_view& who) { who.name = "far"; });
  }

  /// Its status once the puppet told of that heartbeat.
  peer_status relay(std::uint64_t heartbeat) {
    digest_entry entry;
    entry.name_hash = hash_of("far");
    entry.generation = p.generation;
    entry.heartbeat = heartbeat;
    p.begin(message_kind::reply).heartbeats.push_back(entry);
    static_cast<void>(p.send());
    return node.find_member("far", world.now())->status;
  }

  /// Live by heartbeats up to 13, and then silent until it is dead.
  void die() {
    for (const std::uint64_t heartbeat : {11U, 12U, 13U}) static_cast<void>(relay(heartbeat));
    world.run_for(60s);
    p.cookie = 0;
    static_cast<void>(p.verify());
    REQUIRE(relay(13) == peer_status::dead);
  }
};

/// The heartbeat up to which the node's next digest says that it does not want `hash`, if it does.
std::optional<std::uint64_t> unwanted_upto(small_cluster& world, std::string_view node,
                                           std::uint64_t hash) {
  std::optional<std::uint64_t> told;
  world.on_send = [&](const letter& sent) {
    for (const packed_entry& entry : sent.content.known.unwanted) {
      if (entry.name_hash == hash) told = entry.heartbeat();
    }
    return false;
  };
  world.find(node).core.join(endpoint::v4(10, 0, 77, 77, 7000));
  world.round(node);
  world.on_send = nullptr;
  return told;
}

bool is_unwanted(small_cluster& world, std::string_view node, std::uint64_t hash) {
  return unwanted_upto(world, node, hash).has_value();
}

}  // namespace

// ------------------------------------------------------------------------------- an exchange

TEST_CASE("protocol: three legs bring both sides level") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  REQUIRE(a.set("ka", "va"));
  REQUIRE(b.set("kb", "vb"));
  REQUIRE(b.set("lb", "wb"));
  std::vector<message_kind> kinds;
  world.on_send = [&](const letter& sent) {
    kinds.push_back(sent.content.kind);
    return true;
  };

  world.exchange("a", "b");

  CHECK(kinds ==
        std::vector<message_kind>{message_kind::digest, message_kind::reply, message_kind::deltas});
  CHECK(value_of(a, "b", "kb") == "vb");
  CHECK(value_of(a, "b", "lb") == "wb");
  CHECK(value_of(b, "a", "ka") == "va");
  CHECK(a.find_member("b", world.now())->max_version == 2);
  CHECK(b.find_member("a", world.now())->max_version == 1);
}

TEST_CASE("protocol: level nodes exchange one digest and one empty reply") {
  small_cluster world;
  world.add("a");
  world.add("b");
  REQUIRE(world["a"].set("k", "v"));
  world.exchange("a", "b");
  std::vector<std::size_t> bytes;
  world.on_send = [&](const letter& sent) {
    bytes.push_back(sent.bytes);
    return true;
  };

  world.round("a");

  // A digest of two; a reply, with the heartbeat of none but the sender, in the frame.
  CHECK(bytes == std::vector<std::size_t>{72 + 8 + 2 * 24, 96});
}

TEST_CASE("protocol: what a third node knows comes along") {
  small_cluster world;
  for (const char* name : {"a", "b", "c"}) world.add(name);
  REQUIRE(world["c"].set("k", "v"));
  world.exchange("c", "b");

  world.exchange("a", "b");

  CHECK(value_of(world["a"], "c", "k") == "v");
  CHECK(world["a"].find_member("c", world.now())->address == world["c"].address());
}

TEST_CASE("protocol: the cookie of an answer verifies the address, and is echoed from then on") {
  small_cluster world;
  world.add("a");
  world.add("b");
  world.exchange("a", "b");
  std::vector<std::uint64_t> echoes;
  world.on_send = [&](const letter& sent) {
    echoes.push_back(sent.content.cookie_echo);
    CHECK(sent.content.cookie != 0);
    CHECK(sent.content.padded_bytes == 0);
    return true;
  };

  world.round("a");

  CHECK(echoes.size() == 2);
  CHECK(std::count(echoes.begin(), echoes.end(), 0) == 0);
}

// ------------------------------------------------------------------------------------ deltas

TEST_CASE("protocol: a delta that starts where I am is applied") {
  node_and_puppet both;

  static_cast<void>(both.p.tell(0, 2, {make_entry("k", "1", 1), make_entry("l", "2", 2)}));

  CHECK(both.read() == "update p k=1@1\nupdate p l=2@2\n");
  CHECK(both.seen().max_version == 2);
}

TEST_CASE("protocol: a delta may reach beyond its last entry") {
  node_and_puppet both;

  static_cast<void>(both.p.tell(0, 9, {make_entry("k", "1", 1)}));

  CHECK(both.seen().max_version == 9);
}

TEST_CASE("protocol: a delta after a gap is parked, and applied when the gap is filled") {
  node_and_puppet both;

  static_cast<void>(both.p.tell(1, 2, {make_entry("l", "2", 2)}));
  CHECK(both.read() == "");
  CHECK(both.seen().max_version == 0);
  CHECK(both.node.stats().deltas_parked == 1);
  CHECK(both.node.stats().parked_bytes > 0);

  static_cast<void>(both.p.tell(0, 1, {make_entry("k", "1", 1)}));
  CHECK(both.read() == "update p k=1@1\nupdate p l=2@2\n");
  CHECK(both.seen().max_version == 2);
  CHECK(both.node.stats().parked_bytes == 0);
}

TEST_CASE("protocol: a chain of parked deltas is applied to its end, in whatever order it came") {
  node_and_puppet both;
  for (const std::uint64_t after : {3U, 1U, 2U}) {
    const std::string key = "k" + std::to_string(after);
    static_cast<void>(both.p.tell(after, after + 1, {make_entry(key, "v", after + 1)}));
  }

  static_cast<void>(both.p.tell(0, 1, {make_entry("k0", "v", 1)}));

  CHECK(both.seen().max_version == 4);
  CHECK(both.read() == "update p k0=v@1\nupdate p k1=v@2\nupdate p k2=v@3\nupdate p k3=v@4\n");
}

TEST_CASE("protocol: without parking a delta after a gap is dropped and counted") {
  small_cluster world;
  config settings = make_config("a");
  settings.parked_bytes_max = 0;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();

  static_cast<void>(p.tell(1, 2, {make_entry("l", "2", 2)}));
  static_cast<void>(p.tell(0, 1, {make_entry("k", "1", 1)}));

  CHECK(drops(a, drop_reason::gap) == 1);
  CHECK(a.find_member("p", world.now())->max_version == 1);
}

TEST_CASE("protocol: what is parked for 16 rounds and not followed is dropped") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(1, 2, {make_entry("l", "2", 2)}));

  for (int i = 0; i < 16; ++i) both.world.round("a");
  CHECK(both.node.stats().parked_bytes > 0);
  both.world.round("a");
  CHECK(both.node.stats().parked_bytes == 0);
}

TEST_CASE("protocol: a delta up to what I hold, or below, changes nothing") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 3, {make_entry("k", "1", 3)}));
  static_cast<void>(both.read());

  static_cast<void>(both.p.tell(0, 3, {make_entry("k", "another", 3)}));
  static_cast<void>(both.p.tell(0, 2, {make_entry("j", "late", 2)}));

  CHECK(both.read() == "");
  CHECK(value_of(both.node, "p", "k") == "1");
  CHECK(value_of(both.node, "p", "j") == "-");
  CHECK(both.node.stats().entries_skipped == 2);
}

TEST_CASE("protocol: of a delta that overlaps, only what is above is applied") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 3, {make_entry("k", "1", 3)}));
  static_cast<void>(both.read());

  static_cast<void>(both.p.tell(1, 4, {make_entry("k", "another", 3), make_entry("l", "2", 4)}));

  CHECK(both.read() == "update p l=2@4\n");
  CHECK(both.node.stats().entries_skipped == 1);
}

TEST_CASE("protocol: the same bytes at a new version are no change of content") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 1, {make_entry("k", "1", 1)}));
  static_cast<void>(both.read());

  static_cast<void>(both.p.tell(1, 5, {make_entry("k", "1", 5)}));

  CHECK(both.read() == "");
  CHECK(both.node.get("p", "k")->version == 5);
}

TEST_CASE("protocol: a tombstone removes, and a value after it comes back") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 1, {make_entry("k", "1", 1)}));
  static_cast<void>(both.p.tell(1, 2, {make_tombstone("k", 2)}));
  CHECK(both.read() == "removed p k@2\n");
  CHECK(value_of(both.node, "p", "k") == "-");

  static_cast<void>(both.p.tell(2, 3, {make_entry("k", "1", 3)}));
  CHECK(both.read() == "update p k=1@3\n");
}

TEST_CASE("protocol: nobody else writes my entries") {
  node_and_puppet both;
  REQUIRE(both.node.set("k", "mine"));

  both.p.begin(message_kind::deltas);
  both.p.add_delta(1, 9, {make_entry("k", "theirs", 9)});
  both.p.draft.deltas[0].name_hash = hash_of("a");
  both.p.draft.deltas[0].generation = both.node.generation();
  static_cast<void>(both.p.send());

  CHECK(drops(both.node, drop_reason::about_self) == 1);
  CHECK(value_of(both.node, "a", "k") == "mine");
  CHECK(both.node.version() == 1);
}

TEST_CASE("protocol: deltas of unknown peers, and of generations I do not hold, are dropped") {
  node_and_puppet both;
  const auto tell_of = [&](std::uint64_t hash, std::uint64_t generation) {
    both.p.begin(message_kind::deltas);
    both.p.add_delta(0, 1, {make_entry("k", "1", 1)});
    both.p.draft.deltas[0].name_hash = hash;
    both.p.draft.deltas[0].generation = generation;
    static_cast<void>(both.p.send());
  };

  tell_of(hash_of("stranger"), both.p.generation);
  CHECK(drops(both.node, drop_reason::unknown_peer) == 1);
  tell_of(both.p.hash(), both.p.generation + 1);
  CHECK(drops(both.node, drop_reason::unknown_peer) == 2);
  tell_of(both.p.hash(), both.p.generation - 1);
  CHECK(drops(both.node, drop_reason::stale) == 1);
  CHECK(both.seen().max_version == 0);

  tell_of(both.p.hash(), both.p.generation);
  CHECK(both.seen().max_version == 1);
}

// -------------------------------------------------------------------------------- identities

TEST_CASE("protocol: a higher generation takes the place of the old state, which is cleared") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 5, {make_entry("old", "1", 5)}));
  static_cast<void>(both.p.tell(8, 9, {make_entry("parked", "1", 9)}));
  static_cast<void>(both.read());

  both.p.generation += 1;
  both.p.enter();

  CHECK(both.read() == "peer_restarted p\npeer_live p\npeer_complete p\n");
  CHECK(both.seen().max_version == 0);
  CHECK(value_of(both.node, "p", "old") == "-");
  CHECK(both.node.stats().parked_bytes == 0);
  CHECK(both.node.members(both.world.now()).size() == 2);
  static_cast<void>(both.p.tell(0, 1, {make_entry("new", "1", 1)}));
  CHECK(both.read() == "update p new=1@1\n");
}

TEST_CASE("protocol: an older or an equal generation changes nothing") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 5, {make_entry("k", "1", 5)}));
  static_cast<void>(both.read());

  both.tell_identity([](identity_view& who) { who.generation -= 1; });
  CHECK(drops(both.node, drop_reason::stale) == 1);
  both.tell_identity([](identity_view& who) { who.address.port = 1; });

  CHECK(both.read() == "");
  CHECK(both.seen().max_version == 5);
  CHECK(both.seen().address == both.p.address);
}

TEST_CASE("protocol: an identity of the generation that I hold brings its heartbeat") {
  // A node that took a peer for dead asks for it by a heartbeat, and gets an identity.
  node_and_puppet both;

  both.tell_identity([](identity_view& who) { who.heartbeat = 50; });
  CHECK(both.seen().heartbeat == 50);
  both.tell_identity([](identity_view& who) { who.heartbeat = 40; });
  CHECK(both.seen().heartbeat == 50);
}

TEST_CASE("protocol: a generation up to a day ahead of my clock is taken, one further is refused") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet near(world, "a", "near", 1);
  near.generation = wall_ms(world) + day_ms;
  near.enter();
  puppet far(world, "a", "far", 2);
  far.generation = wall_ms(world) + day_ms + 1;
  far.enter();

  CHECK(a.is_known("near"));
  CHECK_FALSE(a.is_known("far"));
  CHECK(drops(a, drop_reason::far_future) == 1);
}

TEST_CASE("protocol: who comes from the far future is named once, and told to be unwanted") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor cursor;
  CHECK(read_events(a, cursor) == "");
  puppet far(world, "a", "far", 2);
  far.generation = wall_ms(world) + 400 * day_ms;

  far.enter();
  far.enter();

  CHECK(read_events(a, cursor) == "error far\n");
  CHECK(is_unwanted(world, "a", far.hash()));
  CHECK_FALSE(is_unwanted(world, "a", hash_of("near")));
}

TEST_CASE("protocol: a known peer that restarts in the far future is named, and stays as it was") {
  node_and_puppet both;
  static_cast<void>(both.p.tell(0, 1, {make_entry("k", "1", 1)}));
  static_cast<void>(both.read());

  both.tell_identity([](identity_view& who) { who.generation += 400 * day_ms; });
  both.tell_identity([](identity_view& who) { who.generation += 400 * day_ms; });

  CHECK(both.read() == "error p\n");
  CHECK(drops(both.node, drop_reason::far_future) == 2);
  CHECK(value_of(both.node, "p", "k") == "1");
}

TEST_CASE("protocol: a clock of before 2020 refuses nobody's generation") {
  small_cluster world;
  world.wall = 1'577'836'799'000ms;  // one second before
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.generation = generation_max;
  p.enter();
  CHECK(a.is_known("p"));

  small_cluster later;
  later.wall = 1'577'836'800'000ms;
  protocol& b = later.add("b");
  puppet q(later, "b", "q", 1);
  q.generation = generation_max;
  q.enter();
  CHECK_FALSE(b.is_known("q"));
}

TEST_CASE(
    "protocol: an address that nobody can send to is named, and keeps nobody's incarnation away") {
  for (const endpoint& address :
       {endpoint::v4(0, 0, 0, 0, 7000), endpoint::v4(224, 0, 0, 1, 7000),
        endpoint::v4(10, 0, 0, 9, 0), endpoint::v4(255, 255, 255, 255, 7000)}) {
    small_cluster world;
    protocol& a = world.add("a");
    change_cursor cursor;
    CHECK(read_events(a, cursor) == "");
    puppet p(world, "a", "p", 1);
    static_cast<void>(p.verify());
    identity_view who = p.identity();
    who.address = address;
    p.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(p.send());

    CHECK_FALSE(a.is_known("p"));
    CHECK(drops(a, drop_reason::endpoint) == 1);
    CHECK(read_events(a, cursor) == "error p\n");
    CHECK_FALSE(is_unwanted(world, "a", p.hash()));

    // The sender of that identity may have been wrong, or have lied.
    p.enter();
    CHECK(a.is_known("p"));
    CHECK(read_events(a, cursor) == "new_peer p\npeer_live p\npeer_complete p\n");
  }
}

TEST_CASE("protocol: peers up to the capacity; one more is refused, and asked for again later") {
  small_cluster world;
  config settings = make_config("a");
  settings.peers_max = 2;
  settings.dead_peer_grace = 40s;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  puppet q(world, "a", "q", 2);
  puppet r(world, "a", "r", 3);
  p.enter();
  q.enter();
  r.enter();

  CHECK(a.is_known("q"));
  CHECK_FALSE(a.is_known("r"));
  CHECK(drops(a, drop_reason::capacity) == 1);
  CHECK(is_unwanted(world, "a", r.hash()));

  // The others die and are forgotten, which makes room.
  world.run_for(120s);
  CHECK_FALSE(a.is_known("p"));
  r.cookie = 0;
  r.enter();
  CHECK(a.is_known("r"));
}

TEST_CASE("protocol: where the table is full, who is gone makes room: first who never answered") {
  small_cluster world;
  config settings = make_config("a");
  settings.peers_max = 3;
  protocol& a = world.add(settings);
  puppet met(world, "a", "met", 1);
  puppet live(world, "a", "live", 2);
  met.enter();
  met.begin(message_kind::reply);  // it is known by now, and answers
  static_cast<void>(met.send());
  live.enter();
  identity_view relayed = live.identity();
  relayed.name = "relayed";
  live.begin(message_kind::reply).identities.push_back(relayed);
  static_cast<void>(live.send());
  const auto run = [&] {
    for (int i = 0; i < 120; ++i) {
      if (i % 30 == 0) live.cookie = 0;
      if (live.cookie == 0) static_cast<void>(live.verify());
      live.heartbeat += 1;
      live.begin(message_kind::reply);
      static_cast<void>(live.send());
      world.run_for(1s);
    }
  };
  run();
  REQUIRE(a.find_member("met", world.now())->status == peer_status::dead);
  REQUIRE(a.find_member("relayed", world.now())->status == peer_status::dead);

  puppet first(world, "a", "first", 3);
  first.enter();
  CHECK(a.is_known("first"));
  CHECK_FALSE(a.is_known("relayed"));
  CHECK(a.is_known("met"));

  puppet second(world, "a", "second", 4);
  second.enter();
  CHECK(a.is_known("second"));
  CHECK_FALSE(a.is_known("met"));

  // Those that are left live: nobody makes room.
  puppet third(world, "a", "third", 5);
  third.enter();
  CHECK_FALSE(a.is_known("third"));
  CHECK(a.is_known("live"));
  CHECK(drops(a, drop_reason::capacity) == 1);
}

TEST_CASE("protocol: where the table is full, the newcomer that fell silent first makes no room") {
  small_cluster world;
  config settings = make_config("a");
  settings.peers_max = 1;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  world.run_for(120s);
  REQUIRE(a.find_member("p", world.now())->status == peer_status::dead);
  puppet teller(world, "a", "teller", 2);
  static_cast<void>(teller.verify());
  const auto tell = [&](std::chrono::milliseconds silent, std::uint64_t heartbeat) {
    identity_view who = teller.identity();
    who.silent = silent;
    who.heartbeat = heartbeat;
    teller.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(teller.send());
    return a.is_known("teller");
  };

  CHECK_FALSE(tell(200s, 100));
  // Nobody is asked for it again while p has not been gone for longer than it.
  digest_entry row;
  row.name_hash = teller.hash();
  row.generation = teller.generation;
  row.heartbeat = 100;
  for (int round = 0; round < 20; ++round) {
    world.run_for(1s);
    teller.begin(message_kind::digest).known.extra.push_back(row);
    teller.draft.sender.heartbeat = 100;
    for (const letter& sent : teller.send()) CHECK(sent.content.requests.empty());
  }
  CHECK_FALSE(tell(220s, 100));
  CHECK(drops(a, drop_reason::capacity) == 1);
  CHECK(tell(60s, 101));  // it lives
}

TEST_CASE("protocol: a refusal for want of room holds for the incarnation, until there is room") {
  small_cluster world;
  config settings = make_config("a");
  settings.peers_max = 1;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  puppet q(world, "a", "q", 2);
  q.enter();
  REQUIRE(drops(a, drop_reason::capacity) == 1);

  q.heartbeat += 1;
  q.enter();
  CHECK(drops(a, drop_reason::capacity) == 1);
  CHECK(drops(a, drop_reason::refused) == 1);
  for (int i = 0; i < 600; ++i) {
    if (i % 30 == 0) p.cookie = 0;
    if (p.cookie == 0) static_cast<void>(p.verify());  // in small tables cookies age soon
    p.heartbeat += 1;
    p.begin(message_kind::reply);
    static_cast<void>(p.send());
    world.run_for(1s);
  }
  CHECK(is_unwanted(world, "a", q.hash()));

  REQUIRE(a.forget("p"));
  world.round("a");
  q.cookie = 0;
  q.enter();
  CHECK(a.is_known("q"));
}

TEST_CASE("protocol: a refused date is asked for again once mine agrees, and no sooner") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.generation += 2 * 86'400'000U;  // two days ahead
  p.enter();
  REQUIRE(drops(a, drop_reason::far_future) == 1);
  world.run_for(600s);
  CHECK(is_unwanted(world, "a", p.hash()));

  world.wall += 25h;
  world.round("a");
  CHECK_FALSE(is_unwanted(world, "a", p.hash()));
  p.cookie = 0;
  p.enter();
  CHECK(a.is_known("p"));
}

TEST_CASE(
    "protocol: a known peer's later run with a date far ahead is unwanted, the run held is not") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  static_cast<void>(p.tell(0, 1, {make_entry("k", "held", 1)}));
  const std::uint64_t right = p.generation;

  p.generation += 2 * 86'400'000U;
  p.enter();

  CHECK(drops(a, drop_reason::far_future) == 1);
  CHECK(a.find_member("p", world.now())->generation == right);
  CHECK(value_of(a, "p", "k") == "held");
  CHECK(is_unwanted(world, "a", p.hash()));
  // It says so, and is not asked for what it offers.
  const letters answers = p.verify();
  for (const letter& answer : answers) CHECK(answer.content.requests.empty());

  // A run between the two has the right date, and takes its place at once.
  p.generation = right + 1'000;
  p.cookie = 0;
  p.enter();
  CHECK(a.find_member("p", world.now())->generation == right + 1'000);
  CHECK_FALSE(is_unwanted(world, "a", p.hash()));
}

TEST_CASE("protocol: who has been silent for the whole grace is not taken in") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 100s;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  const auto tell = [&](const char* name, std::chrono::milliseconds silent) {
    identity_view who = p.identity();
    who.name = name;
    who.silent = silent;
    p.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(p.send());
  };

  tell("recent", 99'999ms);
  tell("gone", 100'000ms);

  CHECK(a.is_known("recent"));
  CHECK_FALSE(a.is_known("gone"));
  CHECK(drops(a, drop_reason::refused) == 1);
}

TEST_CASE("protocol: the time of silence that an identity tells counts for the grace") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 100s;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  identity_view who = p.identity();
  who.name = "far";
  who.silent = 60s;
  p.begin(message_kind::reply).identities.push_back(who);
  static_cast<void>(p.send());

  world.run_for(39s);
  CHECK(a.is_known("far"));
  world.run_for(2s);
  CHECK_FALSE(a.is_known("far"));
}

TEST_CASE("protocol: a forgotten incarnation comes back only by a higher heartbeat or generation") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 100s;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.heartbeat = 5;
  p.enter();
  world.run_for(150s);
  REQUIRE_FALSE(a.is_known("p"));
  REQUIRE(a.stats().peers_unwanted == 1);

  p.cookie = 0;
  p.enter();
  CHECK_FALSE(a.is_known("p"));
  CHECK(drops(a, drop_reason::refused) >= 1);

  p.heartbeat = 6;
  p.enter();
  CHECK(a.is_known("p"));
  CHECK(a.stats().peers_unwanted == 0);
}

TEST_CASE("protocol: a forgotten peer stays unwanted for one more grace") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 100s;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();

  std::chrono::nanoseconds forgotten{};
  while (a.is_known("p")) {
    world.round("a");
    forgotten = world.steady;
  }
  while (a.stats().peers_unwanted == 1) world.round("a");

  CHECK(world.steady - forgotten == 100s);
}

// ----------------------------------------------------------------------------------- capacity

TEST_CASE("protocol: a peer's keys up to the capacity, and no more of this generation") {
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 2;
  protocol& a = world.add(settings);
  change_cursor cursor;
  puppet p(world, "a", "p", 1);
  p.enter();
  static_cast<void>(p.tell(0, 2, {make_entry("k", "1", 1), make_entry("l", "2", 2)}));
  CHECK(drops(a, drop_reason::capacity) == 0);
  static_cast<void>(p.tell(2, 3, {make_entry("k", "3", 3)}));  // replaces
  static_cast<void>(read_events(a, cursor));

  static_cast<void>(p.tell(3, 6, {make_entry("l", "4", 4), make_entry("m", "6", 6)}));
  static_cast<void>(p.tell(4, 7, {make_entry("k", "7", 7)}));

  // The entries before the first one too many are a prefix, and stay (I2).
  CHECK(drops(a, drop_reason::capacity) == 2);
  CHECK(a.find_member("p", world.now())->max_version == 4);
  CHECK(value_of(a, "p", "k") == "3");
  CHECK(value_of(a, "p", "l") == "4");
  CHECK(value_of(a, "p", "m") == "-");
  CHECK(read_events(a, cursor) == "update p l=4@4\nerror p\n");
  CHECK(unwanted_upto(world, "a", p.hash()) == heartbeat_max);

  p.generation += 1;
  p.cookie = 0;
  p.enter();
  static_cast<void>(p.tell(0, 1, {make_entry("n", "1", 1)}));
  CHECK(value_of(a, "p", "n") == "1");
}

TEST_CASE("protocol: a peer's bytes up to the capacity, counted exactly") {
  small_cluster world;
  config settings = make_config("a");
  settings.bytes_per_peer_max = 1024;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  const std::string half(511, 'v');
  static_cast<void>(p.tell(0, 2, {make_entry("k", half, 1), make_entry("l", half, 2)}));
  CHECK(drops(a, drop_reason::capacity) == 0);
  CHECK(a.find_member("p", world.now())->max_version == 2);

  const std::string other(511, 'w');
  static_cast<void>(p.tell(2, 3, {make_entry("l", other, 3)}));
  CHECK(value_of(a, "p", "l") == other);
  const std::string more(512, 'v');
  static_cast<void>(p.tell(3, 4, {make_entry("l", more, 4)}));
  CHECK(drops(a, drop_reason::capacity) == 1);
  CHECK(value_of(a, "p", "l") == other);
}

TEST_CASE("protocol: a laggard takes what its owner may hold, though it holds what went before") {
  // Three keys are allowed, and the owner never has more; a replica that has not caught up would.
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 3;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  static_cast<void>(
      p.tell(0, 3, {make_entry("k", "1", 1), make_tombstone("old", 2), make_tombstone("ole", 3)}));

  // The owner compacts: k again, and the marker that names version 3. Then a key more.
  const std::string floor("\x03\0\0\0\0\0\0\0", 8);
  static_cast<void>(p.tell(3, 5, {make_entry("k", "1", 4), make_entry("", floor, 5)}, 6));
  static_cast<void>(p.tell(5, 6, {make_entry("new", "1", 6)}));

  CHECK(drops(a, drop_reason::capacity) == 0);
  CHECK(value_of(a, "p", "new") == "1");
  CHECK_FALSE(world.find("a").entries.find(1, "old").has_value());

  // The floor took effect, and the bound is what it was.
  static_cast<void>(p.tell(6, 7, {make_entry("third", "1", 7)}));
  CHECK(drops(a, drop_reason::capacity) == 0);
  static_cast<void>(p.tell(7, 8, {make_entry("beyond", "1", 8)}));
  CHECK(drops(a, drop_reason::capacity) == 1);
}

TEST_CASE("protocol: while a floor waits a peer may take twice its capacity, and no more") {
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 3;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  const std::string floor("\x01\0\0\0\0\0\0\0", 8);
  static_cast<void>(p.tell(0, 2, {make_entry("k", "1", 1), make_entry("", floor, 2)}, 100));

  // Six keys, and the marker that is none.
  for (std::uint64_t i = 3; i <= 8; ++i) {
    CHECK(drops(a, drop_reason::capacity) == 0);
    const std::string key = "k" + std::to_string(i);
    static_cast<void>(p.tell(i - 1, i, {make_entry(key, "1", i)}, 100));
  }

  CHECK(drops(a, drop_reason::capacity) == 1);
  CHECK(a.find_member("p", world.now())->max_version == 7);
}

// --------------------------------------------------------------------------------- liveness

TEST_CASE("protocol: a storage that refuses a peer's entries is said once, until it works again") {
  small_cluster world;
  protocol& a = world.add_with_room_for(1, "a");
  puppet p(world, "a", "p", 1);
  p.enter();
  change_cursor cursor;
  static_cast<void>(read_events(a, cursor));

  for (int i = 0; i < 3; ++i) {
    static_cast<void>(p.tell(0, 2, {make_entry("k", "1", 1), make_entry("l", "2", 2)}));
  }

  const std::string told = read_events(a, cursor);
  CHECK(drops(a, drop_reason::storage) == 3);
  const std::size_t first = told.find("error");
  REQUIRE(first != std::string::npos);
  CHECK(told.find("error", first + 1) == std::string::npos);
  CHECK(a.find_member("p", world.now())->max_version == 1);
}

TEST_CASE("protocol: a storage that fails a second time is said again, and tried as soon again") {
  small_cluster world;
  protocol& a = world.add_with_room_for(2, "a");
  puppet p(world, "a", "p", 1);
  puppet q(world, "a", "q", 2);
  p.enter();
  q.enter();
  const slot_index slot = *a.peers().find(p.hash());
  const auto is_put_off = [&] { return a.peers()[slot].is_put_off(); };
  change_cursor cursor;
  static_cast<void>(p.tell(0, 1, {make_entry("k", "1", 1)}));
  static_cast<void>(q.tell(0, 1, {make_entry("k", "1", 1)}));
  static_cast<void>(read_events(a, cursor));

  // Full: the first time for a round, and then for two.
  for (const int rounds : {1, 2}) {
    static_cast<void>(p.tell(1, 2, {make_entry("l", "1", 2)}));
    for (int i = 0; i < rounds; ++i) {
      CHECK(is_put_off());
      world.round("a");
    }
    CHECK_FALSE(is_put_off());
  }
  CHECK(read_events(a, cursor) == "error p\n");
  // It works, and fails anew.
  REQUIRE(a.forget("q"));
  CHECK(read_events(a, cursor) == "peer_forgotten q\n");
  a.release_changes(a.last_change());
  static_cast<void>(p.tell(1, 2, {make_entry("l", "1", 2)}));
  CHECK(read_events(a, cursor) == "update p l=1@2\n");
  static_cast<void>(p.tell(2, 3, {make_entry("m", "1", 3)}));

  CHECK(read_events(a, cursor) == "error p\n");
  CHECK(is_put_off());
  world.round("a");
  CHECK_FALSE(is_put_off());
}

TEST_CASE(
    "protocol: a relayed peer is new at first, and live after two advances of its heartbeat") {
  node_and_puppet both;
  const auto relay = [&](std::uint64_t heartbeat) {
    digest_entry entry;
    entry.name_hash = hash_of("far");
    entry.generation = both.p.generation;
    entry.heartbeat = heartbeat;
    both.p.begin(message_kind::reply).heartbeats.push_back(entry);
    static_cast<void>(both.p.send());
    return both.read();
  };
  both.tell_identity([](identity_view& who) {
    who.name = "far";
    who.heartbeat = 10;
  });
  CHECK(both.read() == "new_peer far\n");

  CHECK(relay(10) == "");
  CHECK(relay(11) == "");
  CHECK(relay(9) == "");
  CHECK(relay(12) == "peer_live far\n");
}

TEST_CASE("protocol: the heartbeats in a verified digest are heard, in range and extra") {
  node_and_puppet both;
  for (const char* name : {"far", "wide"}) {
    both.tell_identity([name](identity_view& who) { who.name = name; });
  }
  const auto entry_of = [&](const char* name, std::uint64_t heartbeat) {
    digest_entry entry;
    entry.name_hash = hash_of(name);
    entry.generation = both.p.generation;
    entry.heartbeat = heartbeat;
    return entry;
  };

  message& told = both.p.begin(message_kind::digest);
  told.known.range.push_back(entry_of("far", 30));
  told.known.extra.push_back(entry_of("wide", 40));
  static_cast<void>(both.p.send());

  CHECK(both.node.find_member("far", both.world.now())->heartbeat == 30);
  CHECK(both.node.find_member("wide", both.world.now())->heartbeat == 40);
}

TEST_CASE("protocol: of a live peer that a message names more than once the highest counts, once") {
  for (const std::vector<std::uint64_t>& told :
       {std::vector<std::uint64_t>{20, 20}, {20, 15}, {20, 20, 14}}) {
    relayed_peer far;
    for (const std::uint64_t heartbeat : {11U, 12U, 13U}) static_cast<void>(far.relay(heartbeat));
    const slot_index slot = *far.node.peers().find(hash_of("far"));
    const peer_table& known = far.node.peers();
    REQUIRE(known[slot].status() == peer_status::live);
    const std::size_t before = known.detector(slot).samples();

    message& reply = far.p.begin(message_kind::reply);
    for (const std::uint64_t heartbeat : told) {
      digest_entry entry;
      entry.name_hash = hash_of("far");
      entry.generation = far.p.generation;
      entry.heartbeat = heartbeat;
      reply.heartbeats.push_back(entry);
    }
    static_cast<void>(far.p.send());

    CHECK(known[slot].heartbeat() == 20);
    CHECK(known.detector(slot).samples() == before + 1);
  }
}

// It died at heartbeat 13 without a suspicion. Its earlier datagrams are on their way for twelve
// rounds: an echo is fresh for so long among three nodes.
TEST_CASE("protocol: a relayed peer that died needs two advances again") {
  config settings = make_config("a");
  settings.suspicion_rounds = 0;
  relayed_peer far(settings);
  far.die();

  CHECK(far.relay(14) == peer_status::dead);
  CHECK(far.relay(15) == peer_status::dead);
  CHECK(far.relay(24) == peer_status::dead);
  CHECK(far.relay(25) == peer_status::dead);
  CHECK(far.relay(26) == peer_status::live);
}

TEST_CASE("protocol: with suspicion off, an outage is no interval of the detector either") {
  config settings = make_config("a");
  settings.suspicion_rounds = 0;
  relayed_peer far(settings);
  far.die();
  const slot_index slot = *far.node.peers().find(hash_of("far"));
  far.world.run_for(10s);
  far.p.cookie = 0;
  static_cast<void>(far.p.verify());

  CHECK(far.relay(25) == peer_status::dead);
  CHECK(far.node.peers().detector(slot).samples() == 0);
  CHECK(far.node.peers().detector(slot).last_advance() == far.world.steady);
  CHECK(far.relay(26) == peer_status::live);
  CHECK(far.node.peers().detector(slot).samples() == 1);
}

// The peer was never heard directly, and so was suspected at heartbeat 13. Earlier heartbeats may
// be on their way for 16 rounds: only a higher one is new.
TEST_CASE(
    "protocol: a relayed peer that died of a suspicion needs two advances from after the "
    "suspicion") {
  relayed_peer far;
  far.die();

  CHECK(far.relay(14) == peer_status::dead);
  CHECK(far.relay(15) == peer_status::dead);
  CHECK(far.relay(28) == peer_status::dead);
  CHECK(far.relay(29) == peer_status::dead);
  CHECK(far.relay(30) == peer_status::live);
}

TEST_CASE("protocol: a peer that leaves has left, and is not dead however silent it is") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 200s;
  world.add(settings);
  for (const char* name : {"b", "c"}) {
    settings.name = name;
    world.add(settings);
    world.exchange(name, "a");
  }
  world.run_for(5s);
  change_cursor cursor;
  static_cast<void>(read_events(world["a"], cursor));

  world["b"].leave(world.now());
  world.round("b");
  CHECK(world["b"].replicated(0, true).holding == 2);
  world.stop("b");
  world.run_for(100s);

  CHECK(read_events(world["a"], cursor) == "peer_left b\n");
  CHECK(world["a"].find_member("b", world.now())->status == peer_status::left);
  CHECK(world["c"].find_member("b", world.now())->status == peer_status::left);

  world.run_for(120s);
  CHECK(read_events(world["a"], cursor) == "peer_forgotten b\n");
}

TEST_CASE("protocol: an identity that has left brings no live peer") {
  node_and_puppet both;

  both.tell_identity([](identity_view& who) {
    who.name = "leaver";
    who.has_left = true;
  });

  CHECK(both.read() == "new_peer leaver\npeer_left leaver\n");
}

// ------------------------------------------------------------------------------ my own name

namespace {

/// The puppet tells the node what it holds of it.
void tell_own(node_and_puppet& both, std::uint64_t generation, std::uint64_t heartbeat) {
  digest_entry entry;
  entry.name_hash = hash_of("a");
  entry.generation = generation;
  entry.heartbeat = heartbeat;
  both.p.begin(message_kind::reply).heartbeats.push_back(entry);
  static_cast<void>(both.p.send());
}

}  // namespace

TEST_CASE("protocol: who hears of a newer self takes a generation above it") {
  node_and_puppet both;
  REQUIRE(both.node.set("k", "v"));
  const std::uint64_t first = both.node.generation();

  tell_own(both, first - 1, 99);
  CHECK(both.node.generation() == first);
  tell_own(both, first + 10, 0);

  CHECK(both.node.generation() > first + 11);
  CHECK(both.node.generation() <= first + 75);
  CHECK(both.node.stats().refutations == 1);
  CHECK(both.read().find("refuted a\n") != std::string::npos);
  CHECK(value_of(both.node, "a", "k") == "v");
}

TEST_CASE("protocol: versions or heartbeats of mine that I never reached are a newer self") {
  node_and_puppet both;
  const std::uint64_t first = both.node.generation();

  tell_own(both, first, 0);
  CHECK(both.node.generation() == first);
  tell_own(both, first, 1000);
  CHECK(both.node.generation() > first);
}

TEST_CASE("protocol: another run of my own generation is told by its instance") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  std::uint32_t instance = 0;
  p.begin(message_kind::digest).known.hi = ~std::uint64_t{0};
  p.draft.known.lo = 0;
  for (const letter& answer : p.send()) {
    for (const identity_view& who : answer.content.identities) instance = who.instance;
  }
  REQUIRE(instance != 0);
  REQUIRE(a.set("k", "v") == 1);
  const std::uint64_t first = a.generation();
  const auto hold = [&](std::uint32_t held) {
    message& told = p.begin(message_kind::reply);
    told.receiver.name_hash = hash_of("a");
    told.receiver.generation = a.generation();
    told.receiver.max_version = 1;
    told.receiver_instance = held;
    static_cast<void>(p.send());
  };

  hold(instance);
  CHECK(a.generation() == first);
  hold(instance + 1);
  CHECK(a.generation() > first);

  // And what is held of the other run is nothing of mine.
  CHECK(a.replicated(1).holding == 0);
  hold(instance + 1);
  CHECK(a.replicated(1).holding == 0);
  hold(instance);
  CHECK(a.replicated(1).holding == 1);
}

TEST_CASE("protocol: a namesake that lives ends in one conflict, and no further refutation") {
  node_and_puppet both;
  const std::uint64_t first = both.node.generation();
  tell_own(both, first + 10, 5);
  const std::uint64_t second = both.node.generation();

  // It refutes in turn, and its heartbeat goes on rising while I watch.
  for (std::uint64_t heartbeat = 6; heartbeat < 60; ++heartbeat) {
    tell_own(both, second + 1, heartbeat);
    both.world.round("a");
  }

  CHECK(both.node.generation() == second);
  CHECK(both.node.stats().refutations == 1);
  const std::string events = both.read();
  CHECK(events.find("conflict a\n") != std::string::npos);
  CHECK(events.find("conflict") == events.rfind("conflict"));
  CHECK(both.node.find_member("a", both.world.now())->status == peer_status::conflict);
}

TEST_CASE("protocol: while a live peer holds my rival live, nothing is written, and leave works") {
  node_and_puppet both;
  REQUIRE(both.node.set("k", "v"));
  tell_own(both, both.node.generation() + 10, 5);
  const std::uint64_t rival = both.node.generation() + 1;
  for (std::uint64_t heartbeat = 6; heartbeat < 20; ++heartbeat) {
    CHECK(both.node.set("k", std::to_string(heartbeat)));
    tell_own(both, rival, heartbeat);
    both.world.round("a");
    if (both.node.find_member("a", both.world.now())->status == peer_status::conflict) break;
  }
  REQUIRE(both.seen().status == peer_status::live);
  const std::uint64_t version = both.node.version();

  const result<std::uint64_t> written = both.node.set("k", "w");
  REQUIRE_FALSE(written);
  CHECK(written.error() == errc::name_taken);
  const result<std::optional<std::uint64_t>> erased = both.node.erase("k");
  REQUIRE_FALSE(erased);
  CHECK(erased.error() == errc::name_taken);
  CHECK(both.node.version() == version);

  // The rival leaves: the name is this node's again.
  digest_entry left;
  left.name_hash = hash_of("a");
  left.generation = rival;
  left.has_left = true;
  both.p.begin(message_kind::reply).heartbeats.push_back(left);
  static_cast<void>(both.p.send());
  CHECK(both.node.generation() > rival);
  CHECK(both.node.set("k", "w"));
  CHECK(both.read().find("refuted a\nconflict_ended a\n") != std::string::npos);
  CHECK(both.node.find_member("a", both.world.now())->status == peer_status::self);
}

TEST_CASE("protocol: an unknown peer that speaks of a rival silences no writer") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet outsider(world, "a", "stranger", 1);
  static_cast<void>(outsider.verify());
  const auto tell = [&](std::uint64_t generation, std::uint64_t heartbeat) {
    digest_entry entry;
    entry.name_hash = hash_of("a");
    entry.generation = generation;
    entry.heartbeat = heartbeat;
    outsider.begin(message_kind::reply).heartbeats.push_back(entry);
    static_cast<void>(outsider.send());
  };
  tell(a.generation() + 10, 5);
  const std::uint64_t rival = a.generation() + 1;
  for (std::uint64_t heartbeat = 6; heartbeat < 60; ++heartbeat) {
    tell(rival, heartbeat);
    world.round("a");
    CHECK(a.set("k", std::to_string(heartbeat)));
  }
  CHECK(a.find_member("a", world.now())->status == peer_status::conflict);
}

TEST_CASE("protocol: a peer says that an older run of my name lives, told once a grace") {
  node_and_puppet both;
  const auto say_shared = [&](std::uint64_t generation) {
    message& told = both.p.begin(message_kind::digest);
    told.receiver.name_hash = hash_of("a");
    told.receiver.generation = generation;
    told.receiver.heartbeat = both.node.find_member("a", both.world.now())->heartbeat;
    told.receiver_instance = both.node.peers().details(self_slot).instance;
    told.is_name_shared = true;
    static_cast<void>(both.p.send());
  };
  both.world.round("a");
  static_cast<void>(both.read());

  say_shared(both.node.generation() - 1);  // it has not heard of this run
  CHECK(both.read().find("conflict") == std::string::npos);
  say_shared(both.node.generation());
  CHECK(both.read().find("conflict a\n") != std::string::npos);
  say_shared(both.node.generation());
  CHECK(both.read().find("conflict") == std::string::npos);
  // The newer run writes as ever.
  CHECK(both.node.set("k", "v"));
  CHECK(both.node.find_member("a", both.world.now())->status == peer_status::self);
}

TEST_CASE("protocol: a relic whose heartbeat stands still is refuted, and is no conflict") {
  node_and_puppet both;
  const std::uint64_t first = both.node.generation();
  tell_own(both, first + 10, 5);
  const std::uint64_t relic = both.node.generation() + 10;
  for (int i = 0; i < 60; ++i) {
    tell_own(both, relic, 7);
    both.world.round("a");
  }

  CHECK(both.node.stats().refutations == 2);
  CHECK(both.node.generation() > relic);
  CHECK(both.read().find("conflict") == std::string::npos);
}

TEST_CASE("protocol: copies of one relic that differ in heartbeat are no namesake that lives") {
  node_and_puppet both;
  const std::uint64_t first = both.node.generation();
  tell_own(both, first + 10, 5);

  const std::uint64_t relic = both.node.generation() + 10;
  for (const std::uint64_t heartbeat : {5U, 6U, 7U, 8U}) tell_own(both, relic, heartbeat);
  CHECK(both.read().find("conflict") == std::string::npos);
  for (int i = 0; i < 60; ++i) {
    tell_own(both, relic, 8);
    both.world.round("a");
  }

  CHECK(both.node.stats().refutations == 2);
  CHECK(both.node.generation() > relic);
  CHECK(both.read().find("conflict") == std::string::npos);
}

TEST_CASE("protocol: a newer self from the far future is not refuted") {
  node_and_puppet both;
  const std::uint64_t first = both.node.generation();

  tell_own(both, first + 400 * day_ms, 1);

  CHECK(both.node.generation() == first);
  CHECK(drops(both.node, drop_reason::far_future) == 1);
}

TEST_CASE("protocol: my own datagram that comes back is dropped, and answered by nobody") {
  small_cluster world;
  protocol& a = world.add("a");
  a.join(endpoint::v4(10, 0, 77, 77, 7000));
  a.handle_timeout(world.now());
  const letters sent = world.collect("a");
  REQUIRE(sent.size() == 1);
  const std::uint64_t generation = a.generation();

  a.handle_message(sent.front().content, sent.front().to, sent.front().bytes, world.now());

  CHECK(drops(a, drop_reason::reflected) == 1);
  CHECK(world.collect("a").empty());
  CHECK(a.generation() == generation);
}

TEST_CASE("protocol: what is meant for another node that had my address is dropped") {
  node_and_puppet both;
  const auto send_to = [&](std::uint64_t hash) {
    message& told = both.p.begin(message_kind::digest);
    told.receiver.name_hash = hash;
    told.receiver.generation = 1;
    return both.p.send().size();
  };

  CHECK(send_to(hash_of("another")) == 0);
  CHECK(drops(both.node, drop_reason::not_for_me) == 1);
  CHECK(send_to(hash_of("a")) == 1);
  CHECK(send_to(hash_of("a") & 0xffffffff) == 1);  // a reply carries half of the hash
}

// -------------------------------------------------------------------------------------
// verification

TEST_CASE("protocol: replies and deltas without a cookie of mine change nothing") {
  node_and_puppet both;
  const std::uint64_t generation = both.node.generation();
  for (const std::uint64_t cookie : {std::uint64_t{0}, both.p.cookie + 1}) {
    for (const message_kind kind : {message_kind::reply, message_kind::deltas}) {
      message& told = both.p.begin(kind);
      told.cookie_echo = cookie;
      told.sender.heartbeat = 500;
      told.receiver.name_hash = hash_of("a");
      told.receiver.generation = generation + 5;
      both.p.add_delta(0, 1, {make_entry("k", "1", 1)});
      identity_view outsider = both.p.identity();
      outsider.name = "stranger";
      told.identities.push_back(outsider);
      digest_entry wish;
      wish.name_hash = hash_of("a");
      told.requests.push_back(wish);
      CHECK(both.p.send().empty());
    }
  }

  CHECK(drops(both.node, drop_reason::unverified) == 4);
  CHECK(both.read() == "");
  CHECK(both.seen().max_version == 0);
  CHECK(both.seen().heartbeat == 1);
  CHECK_FALSE(both.node.is_known("stranger"));
  CHECK(both.node.generation() == generation);
}

TEST_CASE("protocol: a cookie is of no use from another address") {
  node_and_puppet both;
  both.p.address.port = 7001;

  CHECK(both.p.tell(0, 1, {make_entry("k", "1", 1)}).empty());

  CHECK(drops(both.node, drop_reason::unverified) == 1);
  CHECK(both.seen().max_version == 0);
}

TEST_CASE("protocol: an unverified digest is answered, but moves no heartbeat and no newer self") {
  node_and_puppet both;
  const std::uint64_t generation = both.node.generation();
  message& told = both.p.begin(message_kind::digest);
  told.cookie_echo = 0;
  told.sender.heartbeat = 500;
  told.known.range.push_back(told.sender);
  digest_entry newer;
  newer.name_hash = hash_of("a");
  newer.generation = generation + 5;
  told.known.range.push_back(newer);
  told.receiver = newer;

  CHECK(both.p.send().size() == 1);
  CHECK(both.seen().heartbeat == 1);
  CHECK(both.node.generation() == generation);
}

TEST_CASE(
    "protocol: whatever an unverified source sends, it gets three times as much back at most") {
  small_cluster world;
  protocol& a = world.add("a");
  for (int i = 0; i < 200; ++i) {
    REQUIRE(a.set("key " + std::to_string(i), std::string(500, 'v')));
  }
  puppet p(world, "a", "p", 1);

  std::size_t received = 0;
  std::size_t answered = 0;
  for (std::size_t padded = 0; padded <= 1160; padded += 8) {
    message& told = p.begin(message_kind::digest);
    told.cookie_echo = padded % 16 == 0 ? 0 : 12345;  // none, or a wrong one
    told.padded_bytes = padded;
    told.known.lo = 0;
    told.known.hi = ~std::uint64_t{0};
    const letter sent(told, p.address, a.address());
    received += sent.bytes;
    for (const letter& answer : p.send()) answered += answer.bytes;
    CHECK(answered <= 3 * received);
  }

  CHECK(answered > received);  // and it is used
  CHECK(a.stats().replies_cut > 0);
}

TEST_CASE("protocol: an answer cut by the 3x rule says so, a whole one and a verified one do not") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  const auto answers = [&] {
    message& told = p.begin(message_kind::digest);
    told.padded_bytes = 400;
    told.known.lo = 0;
    told.known.hi = ~std::uint64_t{0};
    bool is_cut = false;
    for (const letter& answer : p.send()) {
      is_cut = is_cut || answer.content.more;
      p.cookie = answer.content.cookie;
    }
    return is_cut;
  };
  CHECK_FALSE(answers());
  for (int i = 0; i < 10; ++i) {
    REQUIRE(a.set("key " + std::to_string(i), std::string(500, 'v')));
  }

  p.cookie = 0;
  CHECK(answers());
  CHECK_FALSE(answers());
}

TEST_CASE("protocol: an entry too large for three times what came is said to be more to ask for") {
  small_cluster world;
  config settings = make_config("a");
  settings.datagram_bytes_max = 9000;
  protocol& a = world.add(settings);
  REQUIRE(a.set("large", std::string(5000, 'v')));
  puppet p(world, "a", "p", 1);
  message& told = p.begin(message_kind::digest);
  told.padded_bytes = 400;
  digest_entry known;
  known.name_hash = hash_of("a");
  known.generation = a.generation();
  told.known.extra.push_back(known);

  const letters answers = p.send();

  REQUIRE(answers.size() == 1);
  CHECK(answers.front().content.more);
  CHECK(answers.front().content.entries.empty());
}

TEST_CASE("protocol: a first contact with a backlog begins anew once, and then holds all") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  for (int i = 0; i < 50; ++i) {
    REQUIRE(b.set("key " + std::to_string(i), std::string(500, 'v')));
  }
  std::vector<message_kind> from_a;
  world.on_send = [&](const letter& sent) {
    if (sent.from == a.address()) from_a.push_back(sent.content.kind);
    return true;
  };

  world.exchange("a", "b");

  CHECK(std::count(from_a.begin(), from_a.end(), message_kind::digest) == 2);
  CHECK(a.find_member("b", world.now())->max_version == 50);
  CHECK(world.bytes_max_seen <= 1160);
}

TEST_CASE("protocol: answers that say more again and again begin anew once a round") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  const auto say_more = [&] {
    p.begin(message_kind::reply).more = true;
    std::size_t digests = 0;
    for (const letter& answer : p.send()) {
      digests += answer.content.kind == message_kind::digest ? 1 : 0;
    }
    return digests;
  };

  CHECK(say_more() == 1);
  CHECK(say_more() == 0);
  a.handle_timeout(moment(world.steady, world.wall));
  static_cast<void>(world.collect("a"));
  CHECK(say_more() == 1);
}

TEST_CASE("protocol: exchanges begun anew keep to an option that became smaller within the round") {
  small_cluster world;
  protocol& a = world.add("a");
  const auto begun_anew = [&](std::uint8_t host) {
    puppet p(world, "a", "p" + std::to_string(host), host);
    p.enter();
    p.begin(message_kind::reply).more = true;
    static_cast<void>(p.send());
    return a.tables().restarted;
  };
  REQUIRE(begun_anew(1) == 1);
  REQUIRE(begun_anew(2) == 2);
  REQUIRE(begun_anew(3) == 3);

  config settings = make_config("a");
  settings.unverified_addresses_max = 2;
  REQUIRE(a.change(settings, world.now()));

  CHECK(begun_anew(4) == 3);
}

TEST_CASE(
    "protocol: once an address is verified, the rest of a digest that was cut follows at once") {
  for (const std::size_t peers : {10U, 199U}) {
    small_cluster world;
    protocol& a = world.add("a");
    puppet teller(world, "a", "teller", 1);
    teller.enter();
    for (std::size_t i = 0; i < peers; ++i) {
      const std::string name = "peer " + std::to_string(i);
      identity_view who = teller.identity();
      who.name = name;
      teller.begin(message_kind::reply).identities.push_back(who);
      static_cast<void>(teller.send());
    }
    puppet fresh(world, "a", "fresh", 2);
    a.join(fresh.address);
    world.on_send = [&](const letter& sent) {
      if (sent.to == fresh.address) fresh.cookie = sent.content.cookie;
      return false;
    };
    world.round("a");
    REQUIRE(fresh.cookie != 0);

    fresh.begin(message_kind::reply);
    std::size_t digests = 0;
    for (const letter& answer : fresh.send()) {
      digests += answer.content.kind == message_kind::digest ? 1 : 0;
    }

    CHECK(digests == (peers == 10 ? 0 : 5));
  }
}

TEST_CASE(
    "protocol: answers to unverified addresses wait in a bounded queue, and the oldest goes") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  const message& told = p.begin(message_kind::digest);

  for (int i = 0; i < 32; ++i) a.handle_message(told, p.address, 400, world.now());
  CHECK(a.stats().answers_dropped == 0);
  a.handle_message(told, p.address, 400, world.now());

  CHECK(a.stats().answers_dropped == 1);
  CHECK(world.collect("a").size() == 32);
}

TEST_CASE("protocol: answers to a member wait in a bounded queue, and the oldest goes") {
  node_and_puppet both;
  const message& told = both.p.begin(message_kind::digest);

  for (int i = 0; i < 256; ++i)
    both.node.handle_message(told, both.p.address, 400, both.world.now());
  CHECK(both.node.stats().answers_dropped == 0);
  both.node.handle_message(told, both.p.address, 400, both.world.now());

  CHECK(both.node.stats().answers_dropped == 1);
  CHECK(both.world.collect("a").size() == 256);
}

TEST_CASE("protocol: a peer is followed to the address that it verifies, and reached there") {
  node_and_puppet both;
  both.p.address.port = 9999;
  both.p.cookie = 0;
  static_cast<void>(both.p.verify());
  both.p.heartbeat = 2;
  both.p.begin(message_kind::reply);
  static_cast<void>(both.p.send());

  std::vector<endpoint> to;
  both.world.on_send = [&](const letter& sent) {
    to.push_back(sent.to);
    return false;
  };
  both.world.round("a");
  CHECK(std::count(to.begin(), to.end(), both.p.address) == 1);
  CHECK(both.seen().address.port == 7000);
}

TEST_CASE(
    "protocol: after a change to a longer interval, cookies given before age by the new one") {
  config settings = make_config("a");
  settings.peers_max = 8;  // so a secret lasts for 80 rounds, and what it gave for two such times
  node_and_puppet both(settings);
  settings.gossip_interval = 10s;
  REQUIRE(both.node.change(settings, both.world.now()));

  both.world.run_for(500s);
  both.p.begin(message_kind::reply);
  static_cast<void>(both.p.send());

  CHECK(drops(both.node, drop_reason::unverified) == 0);
}

TEST_CASE("protocol: who is silent for longer than my grace is refused once, while others tell") {
  config settings = make_config("a");
  settings.dead_peer_grace = 20s;
  node_and_puppet both(settings);
  const auto tell = [&] {
    digest_entry dead;
    dead.name_hash = hash_of("dead");
    dead.generation = both.p.generation;
    dead.heartbeat = 7;
    ++both.p.heartbeat;
    message& told = both.p.begin(message_kind::digest);
    told.known.extra.push_back(told.sender);
    told.known.extra.push_back(dead);
    std::size_t requests = 0;
    for (const letter& answer : both.p.send()) requests += answer.content.requests.size();
    return requests;
  };
  REQUIRE(tell() == 1);

  both.tell_identity([](identity_view& who) {
    who.name = "dead";
    who.heartbeat = 7;
    who.silent = 25s;
  });

  CHECK(drops(both.node, drop_reason::refused) == 1);
  CHECK(unwanted_upto(both.world, "a", hash_of("dead")) == 7);
  // Twice the grace: who tells of it keeps it for longer.
  for (int i = 0; i < 40; ++i) {
    both.world.run_for(1s);
    both.p.cookie = 0;
    static_cast<void>(both.p.verify());
    CHECK(tell() == 0);
  }
  both.tell_identity([](identity_view& who) {
    who.name = "dead";
    who.heartbeat = 8;
  });
  CHECK(both.node.is_known("dead"));
}

TEST_CASE("protocol: a refused date is not asked for again while its peer is heard of") {
  config settings = make_config("a");
  settings.dead_peer_grace = 20s;
  small_cluster world;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.generation += 2 * day_ms;
  p.enter();
  REQUIRE(drops(a, drop_reason::far_future) == 1);

  std::size_t requests = 0;
  for (int i = 0; i < 60; ++i) {
    world.run_for(1s);
    ++p.heartbeat;
    message& told = p.begin(message_kind::digest);
    told.known.extra.push_back(told.sender);
    for (const letter& answer : p.send()) requests += answer.content.requests.size();
  }

  CHECK(requests == 0);
  CHECK(is_unwanted(world, "a", p.hash()));
  world.run_for(21s);
  CHECK_FALSE(is_unwanted(world, "a", p.hash()));
}
