#include "core/membership/notices.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

const endpoint elsewhere = endpoint::v4(10, 0, 0, 9, 7000);

/// A node "a" with an interval of 1 s and a grace of an hour, and what its notices refer to.
class teller {
 public:
  teller() { static_cast<void>(add("a", 1)); }

  slot_index add(std::string_view name, std::uint64_t name_hash) {
    const slot_index slot = *peers.try_add(name, name_hash);
    peers[slot].set_generation(7);
    return slot;
  }
  /// The events since the last call, as "error b 7: text", one a line.
  std::string read() {
    std::string told;
    while (const change_item* item = changes.first_above(read_upto_, read_upto_)) {
      told += std::string(to_string(item->told->event)) + " " + item->told->name + " " +
              std::to_string(item->told->generation) + ": " + item->told->text + "\n";
    }
    return told;
  }
  /// The same, after the peer said so often that it gossips at that interval.
  std::string read_after_saying(slot_index slot, std::chrono::milliseconds interval, int times) {
    for (int i = 0; i < times; ++i) own.handle_interval(slot, interval_code(interval), now);
    return read();
  }

  config settings;
  peer_table peers{4};
  change_list changes{128};
  notices own{settings, peers, changes};
  std::chrono::nanoseconds now = 100s;

 private:
  std::uint64_t read_upto_ = 0;
};

/// A peer that is told of.
identity_view peer_b() {
  identity_view who;
  who.name = "b";
  who.generation = 3;
  return who;
}

}  // namespace

TEST_CASE("notices: a subject is told once a grace, also where it is the only one") {
  teller node;
  const identity_view who = peer_b();

  node.own.report_once(event_kind::error, who, 1, "text", node.now);
  node.own.report_once(event_kind::error, who, 1, "text", node.now + 1h - 1ns);
  CHECK(node.read() == "error b 3: text\n");

  node.own.report_once(event_kind::error, who, 1, "text", node.now + 1h);
  CHECK(node.read() == "error b 3: text\n");
  CHECK(node.own.reported_names() == 1);
}

TEST_CASE("notices: of more subjects than the table holds, the rest are told a grace later") {
  teller node;
  const identity_view who = peer_b();

  node.own.report_once(event_kind::error, who, 1, "text", node.now);
  node.own.report_once(event_kind::error, who, 1, "text", node.now);
  CHECK(node.read() == "error b 3: text\n");

  for (std::uint64_t subject = 2; subject <= 100; ++subject) {
    node.own.report_once(event_kind::conflict, who, subject, "other", node.now);
  }
  static_cast<void>(node.read());
  CHECK(node.own.reported_names() == 64);
  node.now += 1h - 1ns;
  node.own.report_once(event_kind::error, who, 100, "text", node.now);
  CHECK(node.read() == "");
  node.now += 1ns;
  node.own.report_once(event_kind::error, who, 100, "text", node.now);
  node.own.report_once(event_kind::error, who, 1, "text", node.now);
  CHECK(node.read() == "error b 3: text\nerror b 3: text\n");
  CHECK(node.own.reported_names() == 2);
}

TEST_CASE("notices: a node of another cluster is named once a grace, with both names") {
  teller node;
  node.own.handle_foreign(elsewhere, node.now);
  const std::string told = node.read();
  CHECK(told.starts_with("error  0: the node at 10.0.0.9:7000 belongs to another cluster"));
  CHECK(told.find("\"default\"") != std::string::npos);

  node.own.handle_foreign(elsewhere, node.now + 1h - 1ns);
  CHECK(node.read() == "");
  node.own.handle_foreign(elsewhere, node.now + 1h);
  CHECK(node.read() == told);
  CHECK(node.own.reported_clusters() == 1);
}

TEST_CASE("notices: a sender is named that speaks no version of this node, and no other") {
  teller node;
  node.peers.details(node.add("b", 2)).address = elsewhere;

  node.own.handle_unreadable(wire_range(2, 4), wire_range(1, 2), elsewhere, node.now);
  CHECK(node.read() == "");
  node.own.handle_unreadable(wire_range(3, 4), wire_range(1, 2), elsewhere, node.now);
  CHECK(node.read() ==
        "error b 7: the node at 10.0.0.9:7000 speaks wire versions 3 to 4, this one 1 to 2: "
        "neither can read the other\n");
  node.own.handle_unreadable(wire_range(3, 4), wire_range(1, 2), elsewhere, node.now);
  CHECK(node.read() == "");
}

TEST_CASE("notices: a refusal is told once, and again after a grace without it") {
  teller node;
  static_cast<void>(node.add("b", 2));
  const auto refuse = [&](std::uint64_t name_hash) {
    node.own.handle_refusal(refusal::no_room, name_hash, elsewhere, node.now);
    return node.read();
  };

  CHECK(refuse(2).starts_with("error b 7: this peer has no room for this node"));
  node.now += 1h - 1ns;
  CHECK(refuse(2) == "");
  node.now += 1h - 1ns;
  CHECK(refuse(2) == "");
  node.now += 1h;
  CHECK(refuse(5).ends_with("raise peers_max there (it is at 10.0.0.9:7000)\n"));

  node.own.handle_refusal(static_cast<refusal>(200), 2, elsewhere, node.now);
  CHECK(node.read() == "");
}

TEST_CASE("notices: a peer is named once after three words of a far interval") {
  teller node;
  const slot_index b = node.add("b", 2);

  CHECK(node.read_after_saying(b, 500ms, 5) == "");  // not more than twice
  node.now += 5min;
  CHECK(node.read_after_saying(b, 250ms, 2) == "");
  node.now += 5min;  // an interval moved, and others may follow until then
  CHECK(
      node.read_after_saying(b, 250ms, 1).starts_with("error b 7: this peer gossips about every"));
  CHECK(node.read_after_saying(b, 250ms, 9) == "");
  CHECK(node.own.reported_intervals() == 1);
}

TEST_CASE("notices: a peer that restarted is watched anew, and named once a grace all the same") {
  teller node;
  const slot_index b = node.add("b", 2);
  CHECK(node.read_after_saying(b, 100ms, 3) != "");

  node.own.forget(b);
  CHECK(node.read_after_saying(b, 100ms, 3) == "");
  node.now += 1h;
  CHECK(node.read_after_saying(b, 100ms, 1) != "");

  // Its own interval moved, so that the peer may be about to follow.
  node.own.forget(b);
  node.now += 1h;
  node.own.handle_own_interval_change(node.now);
  CHECK(node.read_after_saying(b, 100ms, 3) == "");
}

TEST_CASE("notices: a node that knows nobody says so after 16 rounds with a seed to ask") {
  teller node;
  const std::vector<endpoint> seeds{elsewhere};
  for (int i = 0; i < 15; ++i) node.own.watch_alone(true, seeds);
  for (int i = 0; i < 20; ++i) node.own.watch_alone(false, seeds);
  CHECK(node.read() == "");

  node.own.watch_alone(true, seeds);
  const std::string told = node.read();
  CHECK(told.starts_with("error  0: nobody is known after 16 rounds"));
  CHECK(told.find("(10.0.0.9:7000)") != std::string::npos);
  for (int i = 0; i < 20; ++i) node.own.watch_alone(true, seeds);
  CHECK(node.read() == "");

  static_cast<void>(node.add("b", 2));
  node.own.watch_alone(true, seeds);
  node.own.watch_alone(true, seeds);
  CHECK(node.read() == "error b 7: this node is alone no more: this peer is known\n");
}

TEST_CASE("notices: of many seeds of the settings four are named") {
  teller node;
  node.settings.seeds = {"s1:1", "s2:1", "s3:1", "s4:1", "s5:1", "s6:1"};

  for (int i = 0; i < 16; ++i) node.own.watch_alone(true, {});

  CHECK(node.read().find("(s1:1, s2:1, s3:1, s4:1 and 2 more)") != std::string::npos);
}

}  // namespace gossipmonger
