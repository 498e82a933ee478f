// Tests of `forget`: an operator has a node forget a peer.
#include <ostream>  // before doctest, which prints std::error_code

#include <doctest/doctest.h>

#include <string>

#include "core/protocol.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// a, b and c, who all know each other and c's key.
void add_three(small_cluster& world) {
  world.add("a");
  world.add("b");
  world.add("c");
  REQUIRE(world["c"].set("k", "v"));
  world.exchange("a", "b");
  world.exchange("a", "c");
  world.run_for(10s);
  for (const char* name : {"a", "b"}) {
    REQUIRE(world[name].find_member("c", world.now())->status == peer_status::live);
    REQUIRE(value_of(world[name], "c", "k") == "v");
  }
}

}  // namespace

TEST_CASE("protocol forget: a dead peer goes at once with its keys, and nobody brings it back") {
  small_cluster world;
  add_three(world);
  world.stop("c");
  world.run_for(120s);
  REQUIRE(world["a"].find_member("c", world.now())->status == peer_status::dead);
  change_cursor cursor;
  static_cast<void>(read_events(world["a"], cursor));

  REQUIRE(world["a"].forget("c"));

  CHECK_FALSE(world["a"].is_known("c"));
  CHECK(value_of(world["a"], "c", "k") == "-");
  CHECK(read_events(world["a"], cursor) == "peer_forgotten c\n");
  CHECK(world["a"].stats().peers_unwanted == 1);
  world.run_for(1h);
  CHECK_FALSE(world["a"].is_known("c"));
  CHECK(read_events(world["a"], cursor).empty());
}

TEST_CASE("protocol forget: the others keep the peer for as long as their own grace lasts") {
  small_cluster world;
  add_three(world);
  world.stop("c");
  world.run_for(120s);

  REQUIRE(world["a"].forget("c"));
  world.run_for(600s);

  CHECK(world["b"].is_known("c"));
  CHECK(value_of(world["b"], "c", "k") == "v");
}

TEST_CASE("protocol forget: a live peer comes back anew by its next heartbeat, with all its keys") {
  small_cluster world;
  add_three(world);
  change_cursor cursor;
  static_cast<void>(read_events(world["a"], cursor));

  REQUIRE(world["a"].forget("c"));
  CHECK(read_events(world["a"], cursor) == "peer_forgotten c\n");
  world.run_for(5s);

  CHECK(world["a"].find_member("c", world.now())->status == peer_status::live);
  CHECK(value_of(world["a"], "c", "k") == "v");
  CHECK(read_events(world["a"], cursor) ==
        "new_peer c\npeer_live c\nupdate c k=v@1\npeer_complete c\n");
  CHECK(world["a"].stats().peers_unwanted == 0);
}

TEST_CASE("protocol forget: a forgotten dead peer that starts again is taken in") {
  small_cluster world;
  add_three(world);
  world.stop("c");
  world.run_for(120s);
  REQUIRE(world["a"].forget("c"));

  world.restart("c");
  world.exchange("c", "a");
  world.run_for(5s);

  CHECK(world["a"].find_member("c", world.now())->status == peer_status::live);
}

TEST_CASE("protocol forget: a run of a wrong date, refused, does not bring back the one before") {
  small_cluster world;
  add_three(world);
  world.stop("c");
  world.run_for(120s);
  const std::uint64_t forgotten = world["a"].find_member("c", world.now())->generation;
  REQUIRE(world["a"].forget("c"));
  puppet teller(world, "a", "teller", 9);
  teller.enter();
  identity_view late;
  late.name = "c";
  late.generation = forgotten + 2 * 86'400'000U;  // two days ahead
  late.instance = 7;
  late.address = world.find("c").address;

  teller.begin(message_kind::reply).identities.push_back(late);
  static_cast<void>(teller.send());
  REQUIRE(drops(world["a"], drop_reason::far_future) == 1);
  world.exchange("b", "a");
  world.run_for(60s);

  REQUIRE(world["b"].is_known("c"));
  CHECK_FALSE(world["a"].is_known("c"));
}

// Found by gossip_sim: a slow reader got the end of a peer whose beginning it had never got.
TEST_CASE("protocol forget: a reader that never heard of the peer does not hear that it is gone") {
  small_cluster world;
  world.add("a");
  world.add("b");
  world.exchange("a", "b");
  world.run_for(10s);
  change_cursor cursor;
  CHECK(read_events(world["a"], cursor) == "new_peer b\npeer_live b\npeer_complete b\n");
  world.add("c");
  world.exchange("c", "a");
  world.run_for(10s);

  REQUIRE(world["a"].forget("c"));

  CHECK(read_events(world["a"], cursor).empty());
  REQUIRE(world["a"].forget("b"));
  CHECK(read_events(world["a"], cursor) == "peer_forgotten b\n");
}

TEST_CASE("protocol forget: who is not known, or is myself, is refused") {
  small_cluster world;
  add_three(world);
  protocol& a = world["a"];

  for (const char* unknown : {"d", ""}) {
    const result<void> refused = a.forget(unknown);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::unknown_peer);
  }
  const result<void> own = a.forget("a");
  REQUIRE_FALSE(own);
  CHECK(own.error() == errc::own_name);
  REQUIRE(a.forget("b"));
  CHECK(a.forget("b").error() == errc::unknown_peer);
}

TEST_CASE("protocol forget: what the storage refused of the peer is not waited for in its slot") {
  small_cluster world;
  protocol& a = world.add_with_room_for(1, "a");
  puppet p(world, "a", "p", 1);
  p.enter();
  static_cast<void>(p.tell(0, 2, {make_entry("k", "1", 1), make_entry("l", "2", 2)}));
  REQUIRE(a.tables().put_off == 1);

  REQUIRE(a.forget("p"));

  CHECK(a.tables().put_off == 0);
  // The next peer has that slot, and its own storage refusal the usual pause.
  a.release_changes(a.last_change());
  puppet q(world, "a", "q", 2);
  q.enter();
  static_cast<void>(q.tell(0, 2, {make_entry("k", "1", 1), make_entry("l", "2", 2)}));
  CHECK(a.tables().put_off == 1);
  CHECK(a.find_member("q", world.now())->max_version == 1);
  world.round("a");
  CHECK(a.tables().put_off == 0);
}
