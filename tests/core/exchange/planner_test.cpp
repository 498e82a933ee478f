#include "core/exchange/planner.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "exchange_fixture.hpp"
#include "gossipmonger/testing/random.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// A planner, and a remote "b" whose digests it is shown.
class planning : public exchange_fixture {
 public:
  planning() : plans(shared) { begin(add("b", 0)); }

  slot_index begin(slot_index slot) {
    plans.begin(slot);
    return slot;
  }
  /// The plan of an answer to a digest with these entries beside its range.
  [[nodiscard]] answer_leg compare(const std::vector<digest_entry>& extra) {
    digest theirs;
    for (const digest_entry& one : extra) theirs.extra.push_back(one);
    return compare(theirs);
  }
  [[nodiscard]] answer_leg compare(const digest& theirs) {
    answer_leg leg;
    leg.bytes_left = 10'000;
    leg.datagrams_left = settings.exchange_datagrams_max;
    leg.seen_heartbeat = 2;
    leg.spared = &spared;
    leg.partials = &partials;
    digest_comparison seen;
    peers.compare(theirs.range, true, seen.range);
    peers.compare(theirs.extra, true, seen.extra);
    plans.compare(theirs, seen, hash_of("b"), now, leg);
    return leg;
  }

  planner plans;
  std::chrono::nanoseconds now{10s};
  std::vector<spared_interval> spared;  // beside the digest
  std::vector<partial_entry> partials;
};

}  // namespace

TEST_CASE("planner: gaps between spared versions are owed, and what lies behind the last") {
  planning given;
  const slot_index owner = given.begin(given.add("owner", 20));
  const std::uint64_t hash = hash_of("owner");
  given.spared = {{hash, 1, 2}, {hash, 5, 8}, {hash, 11, 15}, {hash + 1, 16, 18}};

  const answer_leg leg = given.compare({given.entry_of("owner", 3)});

  REQUIRE(leg.owed.size() == 3);
  CHECK(leg.owed[0].slot == owner);
  CHECK(leg.owed[0].after == 3);
  CHECK(leg.owed[0].upto == 5);
  CHECK(leg.owed[1].after == 8);
  CHECK(leg.owed[1].upto == 11);
  CHECK(leg.owed[2].after == 15);
  CHECK(leg.owed[2].upto == 0);
  CHECK_FALSE(leg.is_held_back);
}

TEST_CASE("planner: where nothing behind the last gap is wanted, the leg is held back") {
  planning given;
  given.begin(given.add("owner", 20));
  const std::uint64_t hash = hash_of("owner");
  given.spared = {{hash, 5, version_max}};

  const answer_leg leg = given.compare({given.entry_of("owner", 3)});
  const answer_leg whole = given.compare({given.entry_of("owner", 5)});

  REQUIRE(leg.owed.size() == 1);
  CHECK(leg.owed[0].after == 3);
  CHECK(leg.owed[0].upto == 5);
  CHECK(leg.is_held_back);
  CHECK(whole.owed.empty());
  CHECK_FALSE(whole.is_held_back);
}

TEST_CASE(
    "planner: a reader that tells its losses makes the window smaller each eighth of a round") {
  planning given;
  given.begin(given.add("owner", 20));
  given.spared = {{hash_of("owner"), 5, 8}};
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(20), 5, 60s);
  const auto ask_at = [&given](std::chrono::nanoseconds at) {
    given.now = at;
    static_cast<void>(given.compare({given.entry_of("owner", 3)}));
    return given.plans.counted().windows_halved;
  };
  const std::chrono::nanoseconds part = given.settings.gossip_interval / 8;

  CHECK(ask_at(10s) == 1);
  CHECK(ask_at(10s + part - 1ns) == 1);
  CHECK(ask_at(10s + part) == 2);
}

TEST_CASE("planner: what another node brings the remote is not owed, not even by its owner") {
  planning given;
  given.begin(given.add("owner", 5));
  given.peers.self().set_max_version(7);
  for (const char* name : {"owner", "a"}) {
    partial_entry brought;
    brought.name_hash = hash_of(name);
    brought.generation = given.entry_of(name, 0).generation;
    brought.version = brought_version;
    brought.offset = 1;
    given.partials = {brought};

    CHECK(given.compare({given.entry_of(name, 3)}).owed.empty());
    given.partials.clear();
    CHECK(given.compare({given.entry_of(name, 3)}).owed.size() == 1);
  }
}

TEST_CASE("planner: what a sender was asked for is not requested from another") {
  planning given;
  transfer part;
  part.slot = given.begin(given.add("owner", 5));
  part.wanted = 9;
  REQUIRE(given.compare({given.entry_of("owner", 9)}).requests.size() == 1);

  given.shared.transfers.handle_part(part);
  CHECK(given.compare({given.entry_of("owner", 9)}).requests.size() == 1);
  given.shared.transfers.handle_asked(part.slot, 5);

  CHECK(given.compare({given.entry_of("owner", 9)}).requests.empty());
}

TEST_CASE("planner: entries above the version that the remote holds are owed, and no others") {
  planning given;
  const slot_index owner = given.begin(given.add("owner", 5));

  const answer_leg behind = given.compare({given.entry_of("owner", 3)});
  const answer_leg level = given.compare({given.entry_of("owner", 5)});

  REQUIRE(behind.owed.size() == 1);
  CHECK(behind.owed[0].slot == owner);
  CHECK(behind.owed[0].after == 3);
  CHECK(behind.requests.empty());
  CHECK(level.owed.empty());
}

TEST_CASE("planner: versions that the remote has more of, and unknown peers, are asked for") {
  planning given;
  given.begin(given.add("owner", 5));
  unwanted_peer refused;
  refused.name_hash = hash_of("refused");
  refused.generation = 7;
  refused.heartbeat = heartbeat_max;
  given.unwanted.add(refused);

  const answer_leg leg = given.compare(
      {given.entry_of("owner", 6), given.entry_of("stranger", 1), given.entry_of("refused", 1)});

  REQUIRE(leg.requests.size() == 2);
  CHECK(leg.requests[0].max_version == 5);
  CHECK(leg.requests[1].name_hash == hash_of("stranger"));
  CHECK(leg.owed.empty());
}

TEST_CASE("planner: a peer that the range skips is told with all it wrote, one outside it is not") {
  planning given;
  const slot_index owner = given.begin(given.add("owner", 5));
  digest all;
  all.lo = 0;
  all.hi = ~std::uint64_t{0};
  digest none = all;
  none.lo = hash_of("owner") + 1;

  const answer_leg told = given.compare(all);
  const answer_leg untold = given.compare(none);

  CHECK(std::count(told.identities.begin(), told.identities.end(), owner) == 1);
  REQUIRE(told.owed.size() == 1);
  CHECK(told.owed[0].after == 0);
  CHECK(std::count(untold.identities.begin(), untold.identities.end(), owner) == 0);
}

TEST_CASE("planner: entries that are on their way to the remote are not owed again") {
  planning given;
  given.begin(given.add("owner", 5));
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(5), 2, 60s);

  const answer_leg leg = given.compare({given.entry_of("owner", 3)});

  CHECK(leg.owed.empty());
  CHECK(given.plans.counted().entries_spared == 2);
}

TEST_CASE("planner: entries that got lost are owed again, in a window of half the size") {
  planning given;
  given.begin(given.add("owner", 5));
  // They went at an earlier heartbeat than the remote has seen by now.
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(5), 1, 60s);

  answer_leg leg = given.compare({given.entry_of("owner", 3)});
  given.plans.limit_window(leg);

  CHECK(leg.owed.size() == 1);
  CHECK(given.plans.counted().windows_halved == 1);
  CHECK(leg.datagrams_left == given.settings.exchange_datagrams_max / 2);
}

TEST_CASE("planner: a new incarnation of the remote has the whole window again") {
  planning given;
  given.begin(given.add("owner", 5));
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(5), 1, 60s);
  answer_leg leg = given.compare({given.entry_of("owner", 3)});
  REQUIRE(given.plans.counted().windows_halved == 1);

  given.plans.begin(*given.peers.find(hash_of("b")));
  given.plans.limit_window(leg);

  CHECK(leg.datagrams_left == given.settings.exchange_datagrams_max);
}

TEST_CASE(
    "planner: my own identity goes first, and the owners from a random start in their order") {
  planning given;
  answer_leg leg;
  leg.identities = {3, 4, self_slot};
  for (slot_index slot = 1; slot <= 3; ++slot) leg.owed.emplace_back(slot, 7, 0);
  random_source draws(1);

  given.plans.shuffle(leg, draws);

  CHECK(leg.identities.front() == self_slot);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(leg.owed[(i + 1) % 3].slot % 3 == (leg.owed[i].slot + 1) % 3);
  }
}
