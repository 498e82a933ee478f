// Tests of what a subscription sees: the one change list of the node, read through a cursor.
#include <doctest/doctest.h>

#include <string>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// A node "a" that knows "b", and whose events were read up to here.
class pair_of_nodes {
 public:
  pair_of_nodes() {
    config settings = make_config("a");
    settings.dead_peer_grace = 300s;
    settings.retired_max = 64;
    world.add(settings);
    settings.name = "b";
    world.add(settings);
    world.exchange("a", "b");
    static_cast<void>(read());
  }

  std::string read() { return read_events(world["a"], cursor); }

  /// Until "a" takes "b" for dead.
  void lose_b() {
    world.stop("b");
    world.run_for(60s);
    REQUIRE(world["a"].find_member("b", world.now())->status == peer_status::dead);
  }

  void find_b_again() {
    world.resume("b");
    world.run_for(20s);
    REQUIRE(world["a"].find_member("b", world.now())->status == peer_status::live);
  }

  small_cluster world;
  change_cursor cursor;
};

/// Its identity comes, with its word that it has so many versions.
void enter_with(puppet& peer, std::uint64_t max_version) {
  static_cast<void>(peer.verify());
  message& said = peer.begin(message_kind::reply);
  said.identities.push_back(peer.identity());
  said.sender.max_version = max_version;
  static_cast<void>(peer.send());
}

void churn(protocol& node, int from, int count) {
  for (int i = from; i < from + count; ++i) {
    const std::string key = "t" + std::to_string(i);
    REQUIRE(node.set(key, "x"));
    REQUIRE(node.erase(key));
  }
}

}  // namespace

TEST_CASE("protocol events: a subscription begins with what is there, and then follows") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "1"));
  REQUIRE(a.set("l", "2"));
  change_cursor cursor;

  CHECK(read_events(a, cursor) == "update a k=1@1\nupdate a l=2@2\n");
  CHECK(read_events(a, cursor) == "");
  REQUIRE(a.set("k", "3"));
  CHECK(read_events(a, cursor) == "update a k=3@3\n");
  REQUIRE(a.erase("l"));
  CHECK(read_events(a, cursor) == "removed a l@4\n");
}

TEST_CASE("protocol events: who is slow sees the latest of each key, once") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor cursor;
  CHECK(read_events(a, cursor) == "");

  for (const char* value : {"1", "2", "3"}) {
    REQUIRE(a.set("k", value));
    REQUIRE(a.set("l", value));
  }
  REQUIRE(a.erase("k"));

  CHECK(read_events(a, cursor) == "update a l=3@6\nremoved a k@7\n");
}

TEST_CASE("protocol events: what was removed before a subscription began is not told") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor early;
  CHECK(read_events(a, early) == "");
  REQUIRE(a.set("k", "1"));
  REQUIRE(a.erase("k"));
  change_cursor late;

  CHECK(read_events(a, late) == "");
  CHECK(read_events(a, early) == "removed a k@2\n");
}

TEST_CASE("protocol events: a cursor that has not begun peeks at no entry, and stays as it is") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "1"));
  change_cursor cursor;
  peeked_entry ahead;
  ahead.sequence = 7;  // of a former event

  CHECK(a.peek_event(cursor, ahead));

  CHECK(ahead.sequence == 0);
  CHECK_FALSE(cursor.has_begun);
  CHECK(read_events(a, cursor) == "update a k=1@1\n");
}

TEST_CASE("protocol events: a removal while the snapshot is being read is told") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "1"));
  REQUIRE(a.set("l", "2"));
  change_cursor cursor;
  REQUIRE(a.poll_event(cursor)->key == "k");

  REQUIRE(a.erase("k"));

  CHECK(read_events(a, cursor) == "update a l=2@2\nremoved a k@3\n");
}

TEST_CASE("protocol events: a compaction tells nothing to who had read everything") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor cursor;
  REQUIRE(a.set("k", "1"));
  churn(a, 0, 64);
  REQUIRE(a.set("t", "x"));
  static_cast<void>(read_events(a, cursor));

  REQUIRE(a.erase("t"));

  REQUIRE(a.stats().compactions == 1);
  CHECK(read_events(a, cursor) == "removed a t@131\n");
}

TEST_CASE("protocol events: a removal that was compacted away is told to who had not read it") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor cursor;
  REQUIRE(a.set("k", "1"));
  REQUIRE(a.set("gone", "1"));
  CHECK(read_events(a, cursor) == "update a k=1@1\nupdate a gone=1@2\n");

  REQUIRE(a.erase("gone"));
  churn(a, 0, 64);

  REQUIRE(a.stats().compactions == 1);
  const std::string seen = read_events(a, cursor);
  CHECK(seen.starts_with("removed a gone@3\n"));
  CHECK(seen.find("update") == std::string::npos);
}

TEST_CASE("protocol events: filters by peer, by prefix, and without self") {
  pair_of_nodes both;
  REQUIRE(both.world["a"].set("k/1", "x"));
  REQUIRE(both.world["a"].set("m/1", "x"));
  REQUIRE(both.world["b"].set("k/2", "x"));
  both.world.exchange("b", "a");

  change_cursor of_b;
  of_b.peer = "b";
  CHECK(read_events(both.world["a"], of_b) ==
        "new_peer b\npeer_live b\npeer_complete b\nupdate b k/2=x@1\n");
  change_cursor of_a;
  of_a.peer = "a";
  CHECK(read_events(both.world["a"], of_a) == "update a k/1=x@1\nupdate a m/1=x@2\n");
  change_cursor by_prefix;
  by_prefix.key_prefix = "k/";
  CHECK(read_events(both.world["a"], by_prefix) ==
        "new_peer b\npeer_live b\npeer_complete b\nupdate a k/1=x@1\nupdate b k/2=x@1\n");
  change_cursor others;
  others.is_without_self = true;
  CHECK(read_events(both.world["a"], others) ==
        "new_peer b\npeer_live b\npeer_complete b\nupdate b k/2=x@1\n");
}

TEST_CASE("protocol events: a peer is new before it is live, and live once") {
  small_cluster world;
  world.add("a");
  world.add("b");
  change_cursor cursor;
  CHECK(read_events(world["a"], cursor) == "");

  world.exchange("a", "b");
  world.run_for(5s);

  CHECK(read_events(world["a"], cursor) == "new_peer b\npeer_live b\npeer_complete b\n");
}

TEST_CASE("protocol events: a peer that dies, lives and dies unseen in between shows nothing") {
  pair_of_nodes both;
  both.lose_b();
  CHECK(both.read() == "peer_dead b\n");

  both.find_b_again();
  both.lose_b();
  CHECK(both.read() == "");

  both.find_b_again();
  CHECK(both.read() == "peer_live b\npeer_complete b\n");
}

TEST_CASE(
    "protocol events: a restart comes before anything of the new run, and nothing of the old") {
  pair_of_nodes both;
  REQUIRE(both.world["b"].set("old", "1"));
  both.world.exchange("b", "a");
  CHECK(both.read() == "update b old=1@1\n");
  REQUIRE(both.world["b"].set("unseen", "1"));
  both.world.exchange("b", "a");

  both.world.run_for(1s);
  REQUIRE(both.world.restart("b").set("new", "2"));
  both.world.exchange("b", "a");

  CHECK(both.read() == "peer_restarted b\npeer_live b\nupdate b new=2@1\npeer_complete b\n");
}

TEST_CASE("protocol events: two restarts in a row are one to who was slow") {
  pair_of_nodes both;
  for (const char* value : {"1", "2"}) {
    both.world.run_for(1s);
    REQUIRE(both.world.restart("b").set("k", value));
    both.world.exchange("b", "a");
  }

  CHECK(both.read() == "peer_restarted b\npeer_live b\nupdate b k=2@1\npeer_complete b\n");
}

TEST_CASE("protocol events: a peer that was never shown is new, however often it restarted") {
  pair_of_nodes both;
  both.world.run_for(1s);
  both.world.restart("b");
  both.world.exchange("b", "a");
  change_cursor late;

  CHECK(read_events(both.world["a"], late) == "new_peer b\npeer_live b\npeer_complete b\n");
}

TEST_CASE("protocol events: who was forgotten is told, and its slot serves another peer") {
  pair_of_nodes both;
  REQUIRE(both.world["b"].set("k", "1"));
  both.world.exchange("b", "a");
  both.lose_b();
  CHECK(both.read() == "update b k=1@1\npeer_dead b\n");

  both.world.run_for(300s);
  CHECK_FALSE(both.world["a"].is_known("b"));
  puppet next(both.world, "a", "next", 1);
  next.generation = both.world["a"].generation() + 1;
  next.enter();
  static_cast<void>(next.tell(0, 1, {make_entry("n", "2", 1)}));

  CHECK(both.read() ==
        "peer_forgotten b\nnew_peer next\npeer_live next\npeer_complete next\nupdate next n=2@1\n");
  change_cursor late;
  CHECK(read_events(both.world["a"], late) ==
        "new_peer next\npeer_live next\npeer_complete next\nupdate next n=2@1\n");
}

TEST_CASE("protocol events: a peer forgotten and back again unseen is forgotten before it is new") {
  pair_of_nodes both;
  REQUIRE(both.world["b"].set("old", "1"));
  both.world.exchange("b", "a");
  both.lose_b();
  both.world.run_for(300s);
  CHECK_FALSE(both.world["a"].is_known("b"));

  both.world.resume("b");
  both.world.restart("b");
  both.world.exchange("b", "a");
  both.world.run_for(1s);
  REQUIRE(both.world.restart("b").set("new", "2"));
  both.world.exchange("b", "a");

  CHECK(both.read() ==
        "peer_forgotten b\nnew_peer b\npeer_live b\nupdate b new=2@1\npeer_complete b\n");
}

TEST_CASE(
    "protocol events: beyond the bound of retired entries who is behind lags, and begins anew") {
  pair_of_nodes both;
  protocol& a = both.world["a"];
  REQUIRE(a.set("k", "1"));
  change_cursor behind;
  REQUIRE(a.poll_event(behind).has_value());
  churn(a, 0, 65);
  static_cast<void>(both.read());
  REQUIRE(a.stats().retired_entries == 65);

  a.release_changes(0);

  CHECK(a.stats().retired_entries == 0);
  CHECK(read_events(a, behind) ==
        "lagged\nnew_peer b\npeer_live b\npeer_complete b\nupdate a k=1@132\n");
  CHECK(both.read() == "");  // had read it all
}

TEST_CASE("protocol events: within the bound what is retired stays for who is behind") {
  pair_of_nodes both;
  protocol& a = both.world["a"];
  REQUIRE(a.set("gone", "1"));
  CHECK(both.read() == "update a gone=1@1\n");
  for (int i = 0; i < 64; ++i) REQUIRE(a.set("t" + std::to_string(i), "x"));
  REQUIRE(a.erase("gone"));
  for (int i = 0; i < 64; ++i) REQUIRE(a.erase("t" + std::to_string(i)));
  REQUIRE(a.stats().compactions == 1);
  const std::uint64_t read_upto = both.cursor.sequence;

  // 65 are retired, one of which everybody passed: as many are left as may be.
  const std::string seen = [&] {
    const auto first = a.poll_event(both.cursor);
    REQUIRE(first);
    CHECK(first->key == "gone");
    CHECK(both.cursor.sequence > read_upto);
    a.release_changes(both.cursor.sequence);
    return both.read();
  }();

  CHECK(seen.find("lagged") == std::string::npos);
  CHECK(seen.find("removed a t63@") != std::string::npos);
  a.release_changes(both.cursor.sequence);
  CHECK(a.stats().retired_entries == 0);
}

TEST_CASE("protocol events: what the driver reports is told to who listens, and no later") {
  small_cluster world;
  protocol& a = world.add("a");
  change_cursor early;
  CHECK(read_events(a, early) == "");

  a.report("the seed has no address");

  const auto seen = a.poll_event(early);
  REQUIRE(seen);
  CHECK(seen->kind == event_kind::error);
  CHECK(seen->text == "the seed has no address");
  CHECK(seen->peer.empty());
  change_cursor late;
  CHECK(read_events(a, late) == "");
}

TEST_CASE("protocol events: a notice between a mark and the first read is told, none before") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "1"));
  a.report("before");
  change_cursor marked;
  marked.notices_from = a.last_change();

  a.report("between");
  REQUIRE(a.set("l", "2"));
  REQUIRE(a.erase("k"));
  a.release_changes(a.last_change());  // nobody else reads, and nobody holds anything up

  CHECK(a.stats().retired_entries == 0);
  CHECK(read_events(a, marked) == "error\nupdate a l=2@2\n");
  a.report("after");
  CHECK(read_events(a, marked) == "error\n");
  CHECK(read_events(a, marked) == "");
}

TEST_CASE("protocol events: who lags is told what it had not read of notices, and that once") {
  pair_of_nodes both;
  protocol& a = both.world["a"];
  REQUIRE(a.set("gone", "1"));
  a.report("read");
  CHECK(both.read() == "update a gone=1@1\nerror\n");
  a.report("not read");
  churn(a, 0, 80);
  a.release_changes(both.cursor.sequence);

  const std::string seen = both.read();

  CHECK(seen.starts_with("lagged\n"));
  const std::size_t at = seen.find("error\n");
  REQUIRE(at != std::string::npos);
  CHECK(seen.find("error\n", at + 1) == std::string::npos);
}

TEST_CASE("protocol events: the removal of a key with an empty value is told, mine and another's") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  change_cursor cursor;
  REQUIRE(a.set("k", ""));
  static_cast<void>(p.tell(0, 1, {make_entry("k", "", 1)}));
  REQUIRE(read_events(a, cursor) ==
          "new_peer p\npeer_live p\npeer_complete p\nupdate a k=@1\nupdate p k=@1\n");

  REQUIRE(a.erase("k"));
  static_cast<void>(p.tell(1, 2, {make_tombstone("k", 2)}));

  CHECK(read_events(a, cursor) == "removed a k@2\nremoved p k@2\n");
}

TEST_CASE("protocol events: a peer is complete when all is here that it had as it turned live") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  change_cursor cursor;
  enter_with(p, 3);
  CHECK(read_events(a, cursor) == "new_peer p\npeer_live p\n");
  CHECK(a.find_member("p", world.now())->lacks == 3);

  p.begin(message_kind::deltas).sender.max_version = 3;
  p.add_delta(0, 2, {make_entry("k", "1", 1), make_entry("l", "2", 2)}, 3);
  static_cast<void>(p.send());
  CHECK(read_events(a, cursor) == "update p k=1@1\nupdate p l=2@2\n");
  CHECK(a.find_member("p", world.now())->lacks == 1);
  static_cast<void>(p.tell(2, 3, {make_entry("m", "3", 3)}));

  CHECK(read_events(a, cursor) == "update p m=3@3\npeer_complete p\n");
  CHECK(a.find_member("p", world.now())->lacks == 0);
  p.begin(message_kind::reply).sender.max_version = 7;
  static_cast<void>(p.send());
  CHECK(read_events(a, cursor) == "");
  CHECK(a.find_member("p", world.now())->lacks == 4);
  change_cursor late;
  CHECK(read_events(a, late) ==
        "new_peer p\npeer_live p\nupdate p k=1@1\nupdate p l=2@2\nupdate p m=3@3\n"
        "peer_complete p\n");
}

TEST_CASE("protocol events: another's word of what a peer has makes it neither lack nor complete") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  puppet relay(world, "a", "relay", 2);
  relay.enter();
  relay.begin(message_kind::reply).identities.push_back(p.identity());
  static_cast<void>(relay.send());
  change_cursor cursor;
  static_cast<void>(read_events(a, cursor));

  for (std::uint64_t heartbeat = 2; heartbeat <= 3; ++heartbeat) {
    digest_entry told;
    told.name_hash = p.hash();
    told.generation = p.generation;
    told.heartbeat = heartbeat;
    told.max_version = 9;
    world.run_for(1s);
    relay.begin(message_kind::digest).known.extra.push_back(told);
    relay.heartbeat = heartbeat;
    static_cast<void>(relay.send());
  }

  CHECK(read_events(a, cursor) == "peer_live p\n");
  CHECK(a.find_member("p", world.now())->lacks == 0);
}

TEST_CASE("protocol events: a subscription that comes late is shown a key before complete") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  enter_with(p, 2);
  p.begin(message_kind::deltas).sender.max_version = 2;
  p.add_delta(0, 2, {make_entry("k", "1", 1), make_entry("l", "1", 2)});
  static_cast<void>(p.send());
  change_cursor early;
  REQUIRE(read_events(a, early).ends_with("peer_complete p\n"));

  static_cast<void>(p.tell(2, 3, {make_entry("k", "2", 3)}));

  CHECK(read_events(a, early) == "update p k=2@3\n");
  change_cursor late;
  CHECK(read_events(a, late) ==
        "new_peer p\npeer_live p\nupdate p l=1@2\nupdate p k=2@3\npeer_complete p\n");
}

TEST_CASE(
    "protocol events: a peer that restarts before it is complete is complete in no such life") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  change_cursor cursor;
  enter_with(p, 2);
  static_cast<void>(read_events(a, cursor));

  ++p.generation;
  p.enter();

  CHECK(read_events(a, cursor) == "peer_restarted p\npeer_live p\npeer_complete p\n");
  CHECK(a.find_member("p", world.now())->lacks == 0);
}
