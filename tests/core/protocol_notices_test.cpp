// Notices of a node about itself: it is alone, a peer refuses it, options do not fit.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/exchange/packer.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t two_days_ms = 2 * 86'400'000;

endpoint host(int number) {
  return endpoint::v4(10, 0, 7, static_cast<std::uint8_t>(number), 7000);
}

/// An `error` event as "peer: text".
std::vector<std::string> errors(protocol& from, change_cursor& cursor) {
  std::vector<std::string> told;
  while (const std::optional<event_view> seen = from.poll_event(cursor)) {
    if (seen->kind != event_kind::error) continue;
    told.push_back(std::string(seen->peer) + ": " + std::string(seen->text));
  }
  return told;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A node "a" whose events were read, alone with its seeds.
class node_alone {
 public:
  explicit node_alone(config settings = make_config("a")) : node(world.add(settings)) {
    static_cast<void>(read());
  }

  std::vector<std::string> read() { return errors(node, cursor); }
  std::vector<std::string> read_after(int rounds) {
    for (int i = 0; i < rounds; ++i) world.round("a");
    return read();
  }

  small_cluster world;
  protocol& node;
  change_cursor cursor;
};

/// A node "a" whose events were read, and its member "p".
class node_and_member {
 public:
  explicit node_and_member(config settings = make_config("a"))
      : node(world.add(settings)), p(world, "a", "p", 1) {
    p.enter();
    static_cast<void>(read());
  }

  std::vector<std::string> read() { return errors(node, cursor); }

  /// "p" sends a digest that says how often it gossips.
  void say(std::chrono::milliseconds interval) {
    p.heartbeat += 1;
    p.begin(message_kind::digest).interval =
        interval == 0ms ? interval_code() : interval_code(interval);
    static_cast<void>(p.send());
  }
  std::vector<std::string> read_after_saying(std::chrono::milliseconds interval, int times) {
    for (int i = 0; i < times; ++i) say(interval);
    return read();
  }

  /// "p" answers, and refuses "a".
  std::vector<std::string> read_after_refusing(int reason) {
    p.begin(message_kind::reply).refused = static_cast<refusal>(reason);
    static_cast<void>(p.send());
    return read();
  }

  small_cluster world;
  protocol& node;
  puppet p;
  change_cursor cursor;
};

/// The reason in the answer to a digest of `who`.
refusal answer_to(puppet& who) {
  const letters answers = who.verify();
  REQUIRE(answers.size() == 1);
  return answers.front().content.refused;
}

}  // namespace

// ---------------------------------------------------------------------------------------- alone

TEST_CASE("protocol notices: after 16 rounds with seeds and without peers a node says so, once") {
  config settings = make_config("a");
  settings.cluster_name = "prod";
  settings.seeds = {"db.example:7000"};
  node_alone given(settings);
  given.node.set_seeds({host(5)});

  CHECK(given.read_after(15).empty());
  const std::vector<std::string> told = given.read_after(1);

  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with(": nobody is known after 16 rounds"));
  CHECK(has(told[0], "\"prod\""));
  CHECK(has(told[0], "db.example:7000"));
  CHECK(given.read_after(1200).empty());
}

TEST_CASE("protocol notices: a node that is alone no more says so, once, and may be alone again") {
  config settings = make_config("a");
  settings.dead_peer_grace = 3600s;
  node_alone given(settings);
  given.node.set_seeds({host(5)});
  CHECK(given.read_after(16).size() == 1);
  puppet p(given.world, "a", "p", 1);

  p.enter();
  const std::vector<std::string> told = given.read_after(1);

  CHECK(told == std::vector<std::string>{"p: this node is alone no more: this peer is known"});
  CHECK(given.read_after(20).empty());
  REQUIRE(given.node.forget("p"));
  CHECK(given.read_after(15).empty());
  CHECK(given.read_after(1).size() == 1);
}

TEST_CASE("protocol notices: a peer found before the 16th round ends the count") {
  node_alone given;
  given.node.set_seeds({host(5)});
  CHECK(given.read_after(15).empty());
  puppet p(given.world, "a", "p", 1);
  p.enter();
  CHECK(given.read_after(1).empty());

  REQUIRE(given.node.forget("p"));

  CHECK(given.read_after(15).empty());
}

TEST_CASE("protocol notices: without seeds, or with addresses of its own, a node may be alone") {
  node_alone given;
  CHECK(given.read_after(40).empty());
  given.node.set_seeds({given.node.address()});
  CHECK(given.read_after(40).empty());

  // Another address of this machine: what is sent there comes back.
  given.node.set_seeds({given.node.address(), host(6)});
  given.world.on_send = [&](const letter& sent) {
    if (sent.to == host(6)) {
      given.node.handle_message(sent.content, host(6), sent.bytes, given.world.now());
    }
    return true;
  };
  CHECK(given.read_after(40).empty());
  CHECK(drops(given.node, drop_reason::reflected) > 0);
  // Looked up again, it is the same.
  for (int i = 0; i < 40; ++i) {
    given.node.set_seeds({given.node.address(), host(6)});
    CHECK(given.read_after(1).empty());
  }

  given.node.set_seeds({given.node.address(), host(6), host(7)});
  CHECK(given.read_after(16).size() == 1);
}

TEST_CASE("protocol notices: of many seeds four are named") {
  node_alone given;
  given.node.set_seeds({host(1), host(2), host(3), host(4), host(5), host(6)});

  const std::vector<std::string> told = given.read_after(16);

  REQUIRE(told.size() == 1);
  CHECK(has(told[0], "(10.0.7.1:7000, 10.0.7.2:7000, 10.0.7.3:7000, 10.0.7.4:7000 and 2 more)"));
}

TEST_CASE("protocol notices: a node that left is not told that it is alone") {
  node_alone given;
  given.node.set_seeds({host(5)});
  given.node.leave(given.world.now());

  CHECK(given.read_after(40).empty());
}

// ------------------------------------------------------------------------------ another cluster

TEST_CASE("protocol notices: an address of another cluster is named once a grace") {
  config settings = make_config("a");
  settings.dead_peer_grace = 20s;
  node_alone given(settings);

  for (int i = 0; i < 100; ++i) given.node.handle_foreign(host(5));
  const std::vector<std::string> told = given.read();

  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with(": the node at 10.0.7.5:7000 belongs to another cluster"));
  CHECK(has(told[0], "\"default\""));
  CHECK(drops(given.node, drop_reason::cluster) == 100);
  given.world.run_for(19s);
  given.node.handle_foreign(host(5));
  CHECK(given.read().empty());
  given.world.run_for(2s);
  given.node.handle_foreign(host(5));
  CHECK(given.read().size() == 1);
}

TEST_CASE(
    "protocol notices: 64 addresses of other clusters are named, and keep nobody else unnamed") {
  node_alone given;

  for (int i = 0; i < 200; ++i) given.node.handle_foreign(host(i));

  CHECK(given.read().size() == 64);
  CHECK(given.node.tables().reported_clusters == 64);
  given.node.handle_unreadable(wire_range(8, 9), host(201));
  CHECK(given.read().size() == 1);
}

// ------------------------------------------------------------------------------------- refusals

TEST_CASE("protocol notices: a node whose date is refused is told by a peer, once, and moves not") {
  small_cluster world;
  protocol& a = world.add("a");
  config settings = make_config("b");
  settings.generation_last =
      static_cast<std::uint64_t>(world.wall / std::chrono::milliseconds{1}) + two_days_ms;
  protocol& b = world.add(settings);
  const std::uint64_t generation = b.generation();
  change_cursor cursor;
  static_cast<void>(errors(b, cursor));

  for (int i = 0; i < 3; ++i) world.exchange("b", "a");
  const std::vector<std::string> told = errors(b, cursor);

  REQUIRE_FALSE(a.is_known("b"));
  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with("a: this peer refuses this node"));
  CHECK(has(told[0], "clock"));
  world.run_for(100s);
  CHECK(errors(b, cursor).empty());
  CHECK(b.generation() == generation);
  CHECK(b.stats().refutations == 0);
  CHECK(a.stats().refutations == 0);
  CHECK(b.find_member("a", world.now())->status == peer_status::live);
}

TEST_CASE("protocol notices: the reason is for a verified sender alone, and for its own run") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  CHECK(answer_to(p) == refusal::none);
  p.enter();
  CHECK(answer_to(p) == refusal::none);

  p.generation += two_days_ms;
  p.enter();
  CHECK(answer_to(p) == refusal::far_future);
  p.generation -= 1;  // of that run nothing is known
  CHECK(answer_to(p) == refusal::none);

  p.generation += 1;
  p.cookie = 0;
  CHECK(answer_to(p) == refusal::none);
  puppet q(world, "a", "q", 2);
  static_cast<void>(q.verify());
  CHECK(answer_to(q) == refusal::none);
}

TEST_CASE("protocol notices: who has no room, or takes no further entries, says so") {
  config settings = make_config("a");
  settings.peers_max = 1;
  settings.keys_per_peer_max = 2;
  small_cluster world;
  world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  puppet q(world, "a", "q", 2);
  q.enter();

  CHECK(answer_to(q) == refusal::no_room);
  CHECK(answer_to(p) == refusal::none);
  std::vector<entry_view> entries;
  for (std::uint64_t i = 1; i <= 8; ++i) entries.push_back(make_entry("k", "v", i));
  const std::vector<std::string> keys{"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"};
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].key = keys[i];
  static_cast<void>(p.tell(0, 8, entries));
  CHECK(answer_to(p) == refusal::capacity);
  p.generation -= 1;  // a former run is not the one whose entries are too many
  CHECK(answer_to(p) == refusal::none);
}

TEST_CASE("protocol notices: each reason is told once, and again after a grace without it") {
  config settings = make_config("a");
  settings.dead_peer_grace = 60s;
  node_and_member given(settings);
  for (int reason = 1; reason <= 4; ++reason) {
    const std::vector<std::string> told = given.read_after_refusing(reason);
    REQUIRE(told.size() == 1);
    CHECK(told[0].starts_with("p: "));
    CHECK(given.read_after_refusing(reason).empty());
  }
  const auto keep_live = [&given] {
    given.world.run_for(1s);
    given.say(1000ms);
  };

  for (int i = 0; i < 50; ++i) keep_live();
  CHECK(given.read_after_refusing(1).empty());
  for (int i = 0; i < 59; ++i) keep_live();
  CHECK(given.read_after_refusing(1).empty());
  CHECK(given.read_after_refusing(2).size() == 1);
  for (int i = 0; i < 61; ++i) keep_live();
  CHECK(given.read_after_refusing(1).size() == 1);
}

TEST_CASE(
    "protocol notices: a refusal of a later release, or from an unverified address, is not told") {
  node_and_member given;

  CHECK(given.read_after_refusing(5).empty());
  CHECK(given.read_after_refusing(255).empty());
  given.p.cookie = 0;
  CHECK(given.read_after_refusing(1).empty());
  CHECK(drops(given.node, drop_reason::unverified) == 1);
}

TEST_CASE("protocol notices: a refusal by who is not known names its address, and moves nothing") {
  node_and_member given;
  puppet outsider(given.world, "a", "s", 3);
  static_cast<void>(outsider.verify());
  const std::uint64_t generation = given.node.generation();

  outsider.begin(message_kind::reply).refused = refusal::far_future;
  static_cast<void>(outsider.send());

  const std::vector<std::string> told = given.read();
  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with(": this peer refuses this node"));
  CHECK(has(told[0], "10.0.9.3:7000"));
  CHECK(given.node.generation() == generation);
  CHECK(given.node.stats().refutations == 0);
}

// ------------------------------------------------------------------------------------ intervals

TEST_CASE("protocol notices: a peer of another interval is named once, after three digests") {
  node_and_member given;

  CHECK(given.read_after_saying(2304ms, 2).empty());
  const std::vector<std::string> told = given.read_after_saying(2304ms, 1);

  REQUIRE(told.size() == 1);
  CHECK(told[0] ==
        "p: this peer gossips about every 2304 ms, this node every 1000 ms: gossip_interval must "
        "be equal "
        "on all nodes");
  CHECK(given.read_after_saying(2304ms, 100).empty());
}

TEST_CASE("protocol notices: an interval that goes on to differ is not told again after a grace") {
  config settings = make_config("a");
  settings.dead_peer_grace = 20s;
  node_and_member given(settings);
  CHECK(given.read_after_saying(5000ms, 3).size() == 1);

  for (int i = 0; i < 60; ++i) {
    given.world.run_for(1s);
    CHECK(given.read_after_saying(5000ms, 1).empty());
  }

  // It was set right, and is wrong again.
  CHECK(given.read_after_saying(1000ms, 3).empty());
  CHECK(given.read_after_saying(5000ms, 3).empty());
  for (int i = 0; i < 310; ++i) {
    given.world.run_for(1s);
    given.say(5000ms);
  }
  CHECK(given.read().size() == 1);
}

TEST_CASE("protocol notices: up to twice the interval, or half of it, is nothing to tell") {
  node_and_member given;

  CHECK(given.read_after_saying(2000ms, 10).empty());
  given.world.run_for(400s);
  CHECK(given.read_after_saying(500ms, 10).empty());
  given.world.run_for(400s);
  CHECK(given.read_after_saying(0ms, 10).empty());  // it does not say
  given.world.run_for(400s);
  // The interval that it says changed just now.
  CHECK(given.read_after_saying(440ms, 10).empty());
  given.world.run_for(299s);
  CHECK(given.read_after_saying(440ms, 1).empty());
  given.world.run_for(2s);
  CHECK(given.read_after_saying(440ms, 1).size() == 1);
}

TEST_CASE("protocol notices: an interval counts from a verified sender alone") {
  node_and_member given;
  given.p.cookie = 0;

  CHECK(given.read_after_saying(10'000ms, 10).empty());
}

TEST_CASE("protocol notices: while intervals are changed node by node nobody is named") {
  node_and_member given;
  CHECK(given.read_after_saying(1000ms, 3).empty());
  config settings = given.node.settings();
  settings.gossip_interval = 10'000ms;
  REQUIRE(given.node.change(settings, given.world.now()));

  CHECK(given.read_after_saying(1000ms, 10).empty());
  given.world.run_for(290s);
  CHECK(given.read_after_saying(1000ms, 10).empty());
  given.world.run_for(20s);

  // It was forgotten in the roll-out.
  CHECK(given.read_after_saying(1000ms, 1).size() == 1);
  CHECK(given.read_after_saying(1000ms, 10).empty());
  CHECK(given.read_after_saying(10'000ms, 10).empty());
}

TEST_CASE(
    "protocol notices: 64 peers are named for their intervals, and keep nobody else unnamed") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor cursor;
  std::vector<std::unique_ptr<puppet>> peers;
  for (int i = 0; i < 70; ++i) {
    peers.push_back(std::make_unique<puppet>(world, "a", "p" + std::to_string(i),
                                             static_cast<std::uint8_t>(i)));
    peers.back()->enter();
  }
  static_cast<void>(errors(a, cursor));

  for (const auto& one : peers) {
    for (int i = 0; i < 3; ++i) {
      one->begin(message_kind::digest).interval = interval_code(5000ms);
      static_cast<void>(one->send());
    }
  }

  CHECK(errors(a, cursor).size() == 64);
  CHECK(a.tables().reported_intervals == 64);
}
