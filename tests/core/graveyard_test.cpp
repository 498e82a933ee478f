#include "gossipmonger/core/graveyard.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "gossipmonger/core/digest.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

grave make_grave(std::uint64_t name_hash, std::uint64_t generation, std::uint64_t heartbeat,
                 std::chrono::nanoseconds expires) {
  grave made;
  made.name_hash = name_hash;
  made.generation = generation;
  made.heartbeat = heartbeat;
  made.expires = expires;
  return made;
}

std::vector<std::uint64_t> hashes(const graveyard& graves) {
  std::vector<std::uint64_t> found;
  for (const grave& one : graves.all()) found.push_back(one.name_hash);
  return found;
}

}  // namespace

TEST_CASE("graveyard: refuses what is not above the buried, by generation and then by heartbeat") {
  graveyard graves(8);
  graves.bury(make_grave(5, 10, 100, 1s));

  CHECK(graves.refuses(5, 10, 100));
  CHECK(graves.refuses(5, 10, 99));
  CHECK(graves.refuses(5, 9, 1000));
  CHECK_FALSE(graves.refuses(5, 10, 101));
  CHECK_FALSE(graves.refuses(5, 11, 0));
  CHECK_FALSE(graves.refuses(6, 1, 1));
}

TEST_CASE("graveyard: lists by ascending hash") {
  graveyard graves(8);
  for (const std::uint64_t hash : {30U, 10U, 20U}) graves.bury(make_grave(hash, 1, 1, 1s));

  CHECK(hashes(graves) == std::vector<std::uint64_t>{10, 20, 30});
  CHECK(graves.find(20)->name_hash == 20);
  CHECK_FALSE(graves.find(25).has_value());
  CHECK_FALSE(graves.find(31).has_value());
}

TEST_CASE("graveyard: keeps the higher incarnation and the later expiry of one name") {
  graveyard graves(8);
  graves.bury(make_grave(5, 10, 100, 9s));

  graves.bury(make_grave(5, 11, 1, 3s));
  CHECK(graves.find(5)->generation == 11);
  CHECK(graves.find(5)->heartbeat == 1);
  CHECK(graves.find(5)->expires == 9s);

  graves.bury(make_grave(5, 10, 500, 20s));
  CHECK(graves.find(5)->generation == 11);
  CHECK(graves.find(5)->heartbeat == 1);
  CHECK(graves.find(5)->expires == 20s);
  CHECK(graves.all().size() == 1);
}

TEST_CASE("graveyard: a grave is gone when its time has come, and not before") {
  graveyard graves(8);
  graves.bury(make_grave(5, 1, 1, 10s));
  graves.bury(make_grave(6, 1, 1, 11s));

  graves.expire(10s - 1ns);
  CHECK(hashes(graves) == std::vector<std::uint64_t>{5, 6});
  graves.expire(10s);
  CHECK(hashes(graves) == std::vector<std::uint64_t>{6});
}

TEST_CASE("graveyard: when it is full, what would expire first makes room") {
  graveyard graves(3);
  graves.bury(make_grave(1, 1, 1, 30s));
  graves.bury(make_grave(2, 1, 1, 10s));
  graves.bury(make_grave(3, 1, 1, 20s));

  graves.bury(make_grave(4, 1, 1, 40s));
  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 3, 4});
  graves.bury(make_grave(0, 1, 1, 25s));
  CHECK(hashes(graves) == std::vector<std::uint64_t>{0, 1, 4});
}

TEST_CASE("graveyard: when it is full, what would expire before all of them is not taken") {
  graveyard graves(2);
  graves.bury(make_grave(1, 1, 1, 30s));
  graves.bury(make_grave(2, 1, 1, 20s));

  graves.bury(make_grave(3, 1, 1, 10s));

  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("graveyard: when it is full, refusals make room for each other and for the forgotten") {
  graveyard graves(3);
  const auto refuse = [&](std::uint64_t name_hash, std::chrono::nanoseconds expires) {
    grave refused = make_grave(name_hash, 1, 1, expires);
    refused.kind = grave_kind::early;
    graves.bury(refused);
  };
  graves.bury(make_grave(1, 1, 1, 10s));
  refuse(2, 30s);
  refuse(3, 20s);

  refuse(4, 40s);
  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 2, 4});
  graves.bury(make_grave(5, 1, 1, 5s));
  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 4, 5});
  graves.bury(make_grave(6, 1, 1, 5s));
  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 5, 6});

  // Only the forgotten lie there: a refusal takes no place of theirs.
  refuse(7, 90s);
  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 5, 6});
}

namespace {

grave make_refusal(std::uint64_t name_hash, std::uint64_t generation,
                   std::chrono::nanoseconds expires, grave_kind kind) {
  grave refused = make_grave(name_hash, generation, heartbeat_max, expires);
  refused.kind = kind;
  return refused;
}

}  // namespace

TEST_CASE("graveyard: a refusal of a later run does not let back in who was forgotten") {
  graveyard graves(8);
  graves.bury(make_grave(5, 10, 100, 60s));

  SUBCASE("of a date far ahead") {
    graves.bury(make_refusal(5, 99, 60s, grave_kind::early));
    CHECK(graves.refuses(5, 99, 1));
    CHECK_FALSE(graves.refuses(5, 11, 1));
  }
  SUBCASE("for want of room") {
    graves.bury(make_refusal(5, 10, 60s, grave_kind::no_room));
    CHECK(graves.refuses(5, 10, 101));
  }
  SUBCASE("one and then the other") {
    graves.bury(make_refusal(5, 10, 60s, grave_kind::no_room));
    graves.bury(make_refusal(5, 99, 60s, grave_kind::early));
  }
  CHECK(graves.refuses(5, 10, 100));
  CHECK(graves.all().size() == 1);

  graves.end_refusals([](const grave&) { return true; });
  CHECK(graves.refuses(5, 10, 100));
  CHECK_FALSE(graves.refuses(5, 10, 101));
  CHECK_FALSE(graves.refuses(5, 99, 1));
}

TEST_CASE("graveyard: who is forgotten while a later run of it is refused stays so") {
  graveyard graves(8);
  graves.bury(make_refusal(5, 99, 60s, grave_kind::early));

  graves.bury(make_grave(5, 10, 100, 30s));
  CHECK(graves.refuses(5, 10, 100));
  CHECK_FALSE(graves.refuses(5, 10, 101));

  graves.bury(make_grave(5, 10, 90, 30s));
  CHECK(graves.refuses(5, 10, 100));
  graves.bury(make_grave(5, 99, heartbeat_max, 30s));
  CHECK(graves.refuses(5, 98, heartbeat_max));
}

TEST_CASE("graveyard: what lies beneath a refusal has its own time, the refusal that at least") {
  graveyard graves(8);
  graves.bury(make_grave(5, 10, 100, 10s));
  graves.bury(make_grave(6, 10, 100, 20s));
  graves.bury(make_refusal(5, 99, 20s, grave_kind::early));
  graves.bury(make_refusal(6, 99, 10s, grave_kind::early));

  graves.expire(10s);
  CHECK_FALSE(graves.refuses(5, 10, 100));
  CHECK(graves.refuses(5, 99, 1));
  CHECK(graves.refuses(6, 10, 100));
  CHECK(graves.refuses(6, 99, 1));

  graves.expire(20s);
  CHECK(graves.all().empty());
}

TEST_CASE("graveyard: what lies beneath a refusal keeps its place like any grave") {
  graveyard graves(2);
  graves.bury(make_grave(1, 10, 100, 10s));
  graves.bury(make_refusal(1, 99, 10s, grave_kind::early));
  graves.bury(make_refusal(2, 99, 60s, grave_kind::early));

  graves.bury(make_refusal(3, 99, 90s, grave_kind::early));

  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 3});
}

TEST_CASE("graveyard: a name that lies there takes no further room") {
  graveyard graves(2);
  graves.bury(make_grave(1, 1, 1, 10s));
  graves.bury(make_grave(2, 1, 1, 20s));

  graves.bury(make_grave(2, 2, 1, 30s));

  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("graveyard: what is removed is not refused, and removing an unknown peer is nothing") {
  graveyard graves(2);
  graves.bury(make_grave(1, 1, 1, 10s));

  graves.remove(9);
  CHECK(graves.refuses(1, 1, 1));
  graves.remove(1);
  CHECK_FALSE(graves.refuses(1, 1, 1));
}

TEST_CASE("graveyard: a capacity of nothing still holds one") {
  graveyard graves(0);

  graves.bury(make_grave(1, 1, 1, 10s));
  CHECK(graves.all().size() == 1);
}

TEST_CASE("graveyard: who is told of is refused for longer, who is higher is not, nor beneath") {
  graveyard graves(8);
  graves.bury(make_grave(5, 10, 100, 9s));
  CHECK(graves.refuses_told(5, 10, 100, 20s));
  CHECK_FALSE(graves.refuses_told(5, 10, 101, 30s));
  CHECK_FALSE(graves.refuses_told(6, 1, 1, 30s));
  graves.expire(19s);
  CHECK(graves.refuses(5, 10, 100));
  graves.expire(20s);
  CHECK(graves.all().empty());

  // An early run above: each is refused for as long as it is told of itself.
  graves.bury(make_grave(5, 10, 100, 9s));
  grave early = make_grave(5, 99, heartbeat_max, 9s);
  early.kind = grave_kind::early;
  graves.bury(early);
  CHECK(graves.refuses_told(5, 99, 1, 40s));
  graves.expire(10s);
  CHECK(graves.refuses(5, 99, 1));
  CHECK_FALSE(graves.refuses(5, 10, 100));
}

TEST_CASE("graveyard: who was silent lies beneath an early run, and makes room as a refusal does") {
  graveyard graves(2);
  grave silent = make_grave(5, 10, 100, 9s);
  silent.kind = grave_kind::silent;
  grave early = make_grave(5, 99, heartbeat_max, 9s);
  early.kind = grave_kind::early;
  graves.bury(early);
  graves.bury(silent);
  CHECK(graves.refuses(5, 10, 100));
  CHECK_FALSE(graves.refuses(5, 10, 101));
  CHECK(graves.refuses(5, 99, 1));

  graves.bury(make_grave(1, 1, 1, 1s));
  graves.bury(make_grave(2, 1, 1, 1s));
  CHECK(hashes(graves) == std::vector<std::uint64_t>{1, 2});

  // Forgotten itself, it stays as such beneath.
  graveyard kept(2);
  kept.bury(early);
  kept.bury(silent);
  kept.bury(make_grave(5, 10, 90, 9s));
  kept.end_refusals([](const grave& lies) { return lies.kind == grave_kind::early; });
  CHECK(kept.refuses(5, 10, 100));
  kept.bury(make_grave(1, 1, 1, 1s));
  kept.bury(make_grave(2, 1, 1, 2s));
  CHECK(hashes(kept) == std::vector<std::uint64_t>{2, 5});
}
