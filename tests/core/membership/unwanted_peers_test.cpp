#include "core/membership/unwanted_peers.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "core/model/digest.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

unwanted_peer make_unwanted(std::uint64_t name_hash, std::uint64_t generation,
                            std::uint64_t heartbeat, std::chrono::nanoseconds expires) {
  unwanted_peer made;
  made.name_hash = name_hash;
  made.generation = generation;
  made.heartbeat = heartbeat;
  made.expires = expires;
  return made;
}

std::vector<std::uint64_t> hashes(const unwanted_peers& unwanted) {
  std::vector<std::uint64_t> found;
  for (const unwanted_peer& one : unwanted.all()) found.push_back(one.name_hash);
  return found;
}

}  // namespace

TEST_CASE(
    "unwanted_peers: refuses what is not above the entry, by generation and then by heartbeat") {
  unwanted_peers unwanted(8);
  unwanted.add(make_unwanted(5, 10, 100, 1s));

  CHECK(unwanted.refuses(5, 10, 100));
  CHECK(unwanted.refuses(5, 10, 99));
  CHECK(unwanted.refuses(5, 9, 1000));
  CHECK_FALSE(unwanted.refuses(5, 10, 101));
  CHECK_FALSE(unwanted.refuses(5, 11, 0));
  CHECK_FALSE(unwanted.refuses(6, 1, 1));
}

TEST_CASE("unwanted_peers: lists by ascending hash") {
  unwanted_peers unwanted(8);
  for (const std::uint64_t hash : {30U, 10U, 20U}) unwanted.add(make_unwanted(hash, 1, 1, 1s));

  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{10, 20, 30});
  CHECK(unwanted.find(20)->name_hash == 20);
  CHECK_FALSE(unwanted.find(25).has_value());
  CHECK_FALSE(unwanted.find(31).has_value());
}

TEST_CASE("unwanted_peers: keeps the higher incarnation and the later expiry of one name") {
  unwanted_peers unwanted(8);
  unwanted.add(make_unwanted(5, 10, 100, 9s));

  unwanted.add(make_unwanted(5, 11, 1, 3s));
  CHECK(unwanted.find(5)->generation == 11);
  CHECK(unwanted.find(5)->heartbeat == 1);
  CHECK(unwanted.find(5)->expires == 9s);

  unwanted.add(make_unwanted(5, 10, 500, 20s));
  CHECK(unwanted.find(5)->generation == 11);
  CHECK(unwanted.find(5)->heartbeat == 1);
  CHECK(unwanted.find(5)->expires == 20s);
  CHECK(unwanted.all().size() == 1);
}

TEST_CASE("unwanted_peers: an entry is gone when its time has come, and not before") {
  unwanted_peers unwanted(8);
  unwanted.add(make_unwanted(5, 1, 1, 10s));
  unwanted.add(make_unwanted(6, 1, 1, 11s));

  unwanted.expire(10s - 1ns);
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{5, 6});
  unwanted.expire(10s);
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{6});
}

TEST_CASE("unwanted_peers: when it is full, what would expire first makes room") {
  unwanted_peers unwanted(3);
  unwanted.add(make_unwanted(1, 1, 1, 30s));
  unwanted.add(make_unwanted(2, 1, 1, 10s));
  unwanted.add(make_unwanted(3, 1, 1, 20s));

  unwanted.add(make_unwanted(4, 1, 1, 40s));
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 3, 4});
  unwanted.add(make_unwanted(0, 1, 1, 25s));
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{0, 1, 4});
}

TEST_CASE("unwanted_peers: when it is full, what would expire before all of them is not taken") {
  unwanted_peers unwanted(2);
  unwanted.add(make_unwanted(1, 1, 1, 30s));
  unwanted.add(make_unwanted(2, 1, 1, 20s));

  unwanted.add(make_unwanted(3, 1, 1, 10s));

  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE(
    "unwanted_peers: when it is full, refusals make room for each other and for the forgotten") {
  unwanted_peers unwanted(3);
  const auto refuse = [&](std::uint64_t name_hash, std::chrono::nanoseconds expires) {
    unwanted_peer refused = make_unwanted(name_hash, 1, 1, expires);
    refused.kind = unwanted_kind::early;
    unwanted.add(refused);
  };
  unwanted.add(make_unwanted(1, 1, 1, 10s));
  refuse(2, 30s);
  refuse(3, 20s);

  refuse(4, 40s);
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 2, 4});
  unwanted.add(make_unwanted(5, 1, 1, 5s));
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 4, 5});
  unwanted.add(make_unwanted(6, 1, 1, 5s));
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 5, 6});

  // Only the forgotten lie there: a refusal takes no place of theirs.
  refuse(7, 90s);
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 5, 6});
}

namespace {

unwanted_peer make_refusal(std::uint64_t name_hash, std::uint64_t generation,
                           std::chrono::nanoseconds expires, unwanted_kind kind) {
  unwanted_peer refused = make_unwanted(name_hash, generation, heartbeat_max, expires);
  refused.kind = kind;
  return refused;
}

}  // namespace

TEST_CASE("unwanted_peers: a refusal of a later run does not let back in who was forgotten") {
  unwanted_peers unwanted(8);
  unwanted.add(make_unwanted(5, 10, 100, 60s));

  SUBCASE("of a date far ahead") {
    unwanted.add(make_refusal(5, 99, 60s, unwanted_kind::early));
    CHECK(unwanted.refuses(5, 99, 1));
    CHECK_FALSE(unwanted.refuses(5, 11, 1));
  }
  SUBCASE("for want of room") {
    unwanted.add(make_refusal(5, 10, 60s, unwanted_kind::no_room));
    CHECK(unwanted.refuses(5, 10, 101));
  }
  SUBCASE("one and then the other") {
    unwanted.add(make_refusal(5, 10, 60s, unwanted_kind::no_room));
    unwanted.add(make_refusal(5, 99, 60s, unwanted_kind::early));
  }
  CHECK(unwanted.refuses(5, 10, 100));
  CHECK(unwanted.all().size() == 1);

  unwanted.end_refusals([](const unwanted_peer&) { return true; });
  CHECK(unwanted.refuses(5, 10, 100));
  CHECK_FALSE(unwanted.refuses(5, 10, 101));
  CHECK_FALSE(unwanted.refuses(5, 99, 1));
}

TEST_CASE("unwanted_peers: who is forgotten while a later run of it is refused stays so") {
  unwanted_peers unwanted(8);
  unwanted.add(make_refusal(5, 99, 60s, unwanted_kind::early));

  unwanted.add(make_unwanted(5, 10, 100, 30s));
  CHECK(unwanted.refuses(5, 10, 100));
  CHECK_FALSE(unwanted.refuses(5, 10, 101));

  unwanted.add(make_unwanted(5, 10, 90, 30s));
  CHECK(unwanted.refuses(5, 10, 100));
  unwanted.add(make_unwanted(5, 99, heartbeat_max, 30s));
  CHECK(unwanted.refuses(5, 98, heartbeat_max));
}

TEST_CASE(
    "unwanted_peers: what lies beneath a refusal has its own time, the refusal that at least") {
  unwanted_peers unwanted(8);
  unwanted.add(make_unwanted(5, 10, 100, 10s));
  unwanted.add(make_unwanted(6, 10, 100, 20s));
  unwanted.add(make_refusal(5, 99, 20s, unwanted_kind::early));
  unwanted.add(make_refusal(6, 99, 10s, unwanted_kind::early));

  unwanted.expire(10s);
  CHECK_FALSE(unwanted.refuses(5, 10, 100));
  CHECK(unwanted.refuses(5, 99, 1));
  CHECK(unwanted.refuses(6, 10, 100));
  CHECK(unwanted.refuses(6, 99, 1));

  unwanted.expire(20s);
  CHECK(unwanted.all().empty());
}

TEST_CASE("unwanted_peers: what lies beneath a refusal keeps its place like any other") {
  unwanted_peers unwanted(2);
  unwanted.add(make_unwanted(1, 10, 100, 10s));
  unwanted.add(make_refusal(1, 99, 10s, unwanted_kind::early));
  unwanted.add(make_refusal(2, 99, 60s, unwanted_kind::early));

  unwanted.add(make_refusal(3, 99, 90s, unwanted_kind::early));

  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 3});
}

TEST_CASE("unwanted_peers: a name that lies there takes no further room") {
  unwanted_peers unwanted(2);
  unwanted.add(make_unwanted(1, 1, 1, 10s));
  unwanted.add(make_unwanted(2, 1, 1, 20s));

  unwanted.add(make_unwanted(2, 2, 1, 30s));

  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE(
    "unwanted_peers: what is removed is not refused, and removing an unknown peer is nothing") {
  unwanted_peers unwanted(2);
  unwanted.add(make_unwanted(1, 1, 1, 10s));

  unwanted.remove(9);
  CHECK(unwanted.refuses(1, 1, 1));
  unwanted.remove(1);
  CHECK_FALSE(unwanted.refuses(1, 1, 1));
}

TEST_CASE("unwanted_peers: a capacity of nothing still holds one") {
  unwanted_peers unwanted(0);

  unwanted.add(make_unwanted(1, 1, 1, 10s));
  CHECK(unwanted.all().size() == 1);
}

TEST_CASE(
    "unwanted_peers: who is told of is refused for longer, who is higher is not, nor beneath") {
  unwanted_peers unwanted(8);
  unwanted.add(make_unwanted(5, 10, 100, 9s));
  CHECK(unwanted.refuses_told(5, 10, 100, 20s));
  CHECK_FALSE(unwanted.refuses_told(5, 10, 101, 30s));
  CHECK_FALSE(unwanted.refuses_told(6, 1, 1, 30s));
  unwanted.expire(19s);
  CHECK(unwanted.refuses(5, 10, 100));
  unwanted.expire(20s);
  CHECK(unwanted.all().empty());

  // An early run above: each is refused for as long as it is told of itself.
  unwanted.add(make_unwanted(5, 10, 100, 9s));
  unwanted_peer early = make_unwanted(5, 99, heartbeat_max, 9s);
  early.kind = unwanted_kind::early;
  unwanted.add(early);
  CHECK(unwanted.refuses_told(5, 99, 1, 40s));
  unwanted.expire(10s);
  CHECK(unwanted.refuses(5, 99, 1));
  CHECK_FALSE(unwanted.refuses(5, 10, 100));
}

TEST_CASE(
    "unwanted_peers: who was silent lies beneath an early run, and makes room as a refusal does") {
  unwanted_peers unwanted(2);
  unwanted_peer silent = make_unwanted(5, 10, 100, 9s);
  silent.kind = unwanted_kind::silent;
  unwanted_peer early = make_unwanted(5, 99, heartbeat_max, 9s);
  early.kind = unwanted_kind::early;
  unwanted.add(early);
  unwanted.add(silent);
  CHECK(unwanted.refuses(5, 10, 100));
  CHECK_FALSE(unwanted.refuses(5, 10, 101));
  CHECK(unwanted.refuses(5, 99, 1));

  unwanted.add(make_unwanted(1, 1, 1, 1s));
  unwanted.add(make_unwanted(2, 1, 1, 1s));
  CHECK(hashes(unwanted) == std::vector<std::uint64_t>{1, 2});

  // Forgotten itself, it stays as such beneath.
  unwanted_peers kept(2);
  kept.add(early);
  kept.add(silent);
  kept.add(make_unwanted(5, 10, 90, 9s));
  kept.end_refusals([](const unwanted_peer& found) { return found.kind == unwanted_kind::early; });
  CHECK(kept.refuses(5, 10, 100));
  kept.add(make_unwanted(1, 1, 1, 1s));
  kept.add(make_unwanted(2, 1, 1, 2s));
  CHECK(hashes(kept) == std::vector<std::uint64_t>{2, 5});
}
