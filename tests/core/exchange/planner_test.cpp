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
    digest_comparison seen;
    peers.compare(theirs.range, true, seen.range);
    peers.compare(theirs.extra, true, seen.extra);
    plans.compare(theirs, seen, hash_of("b"), 10s, leg);
    return leg;
  }

  planner plans;
};

}  // namespace

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
