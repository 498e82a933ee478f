// That a reader's belief is compared with the state: what no node may do is done here on purpose.
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/belief.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

std::string read(belief& reader, world& where) {
  return reader.read(where[0], where.storage_of(0), [](const event_view&) {});
}

/// The table of node 0, behind its back.
peer_table& table_of(world& where) { return const_cast<peer_table&>(where[0].peers()); }

slot_index slot_of(world& where, std::string_view name) {
  for (const peer_view one : where[0].peers().by_hash()) {
    if (where[0].peers().details(one.slot()).name == name) return one.slot();
  }
  return no_slot;
}

}  // namespace

TEST_CASE("belief: whoever reads all events believes the state, statuses included") {
  world where(1);
  add_cluster(where, 4);
  belief reader;

  for (int i = 0; i < 10; ++i) {
    where.run_for(1s);
    CHECK(read(reader, where) == "");
  }
  where.crash(2);
  where[3].leave(where.now(3));
  where.run_for(60s);

  CHECK(where[0].peers()[slot_of(where, "n2")].status() == peer_status::dead);
  CHECK(where[0].peers()[slot_of(where, "n3")].status() == peer_status::left);
  CHECK(read(reader, where) == "");
}

TEST_CASE("belief: a status, a peer that went and one that came without an event are found") {
  world where(1);
  add_cluster(where, 3);
  where.run_for(10s);
  belief reader;
  REQUIRE(read(reader, where) == "");

  SUBCASE("status") {
    table_of(where)[slot_of(where, "n1")].set_status(peer_status::left);
    CHECK(read(reader, where) == "the events show n1 as peer_live, it is left");
  }
  SUBCASE("went") {
    table_of(where).remove(slot_of(where, "n2"));
    CHECK(read(reader, where) == "the events still show n2, which is gone");
  }
  SUBCASE("came") {
    REQUIRE(table_of(where).try_add("n9", 9));
    CHECK(read(reader, where) == "the events show n9 as unknown, it is new");
  }
}

}  // namespace gossipmonger
