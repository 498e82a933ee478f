// Deletes for ever: see deletes.hpp. The week is in deletes_long_test.cpp.
#include "deletes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("deletes: after an hour of 100 a second no replica showed an erased key again") {
  const deletes_report report = run_deletes(deletes_plan());

  CHECK(report.violation == "");
  CHECK(report.has_agreed);
  CHECK(report.writes == 360'000);
  CHECK(report.erases > 340'000);
  CHECK(report.events > 1'000'000);
  CHECK(report.compactions > 50);
  // One more version a delete at most, and one a compaction for the marker.
  CHECK(report.versions <= report.writes + 2 * report.erases + report.compactions);
  // The owner holds as many tombstones as live keys, and the marker; a replica that waits for a
  // floor's time holds what goes beside what took its place.
  CHECK(report.live_max <= 3001);
  CHECK(report.held_max <= 2 * (2 * report.live_max + 2));
  CHECK(report.retired_max <= 65'536);
  CHECK(report.parked_bytes_max <= 1'048'576);
}

TEST_CASE("deletes: nor while exchanges are cut short, and several compactions are on their way") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    deletes_plan plan;
    plan.seed = seed;
    plan.length = 20min;
    plan.live_keys = 150;
    plan.exchange_bytes_max = 2400;

    const deletes_report report = run_deletes(plan);

    CHECK_MESSAGE(report.violation == "", "seed " << seed);
    CHECK_MESSAGE(report.has_agreed, "seed " << seed);
    CHECK(report.compactions > 400);
  }
}

TEST_CASE("deletes: each costs a replica one entry, and at most one more for compaction") {
  world where(5);
  // Rounds half a second apart: exchanges that cross would tell the same twice.
  config first = named(name_of(0));
  config second = named(name_of(1));
  first.jitter = 0;
  second.jitter = 0;
  where.add(first);
  where.run_for(500ms);
  where.add(second);  // without a seed, for the same reason
  where[1].join(where.address(0));
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  std::vector<std::string> living;
  std::uint64_t erases = 0;
  std::uint64_t writes = 0;
  const std::uint64_t sent_before = where[0].stats().entries_sent;

  // One at a time, each delivered before the next, so that nothing is conflated on its way.
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = "key" + std::to_string(i);
    REQUIRE(where[0].set(key, "v"));
    ++writes;
    living.push_back(key);
    if (living.size() > 200) {
      REQUIRE(where[0].erase(living[static_cast<std::size_t>(i) % living.size()]));
      living.erase(living.begin() + i % static_cast<int>(living.size()));
      ++erases;
    }
    where.run_for(1100ms);
  }
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  const std::uint64_t sent = where[0].stats().entries_sent - sent_before;
  const std::uint64_t compactions = where[0].stats().compactions;
  CHECK(compactions >= 20);  // 4,800 erases, one compaction for each 201
  CHECK(where[1].stats().entries_applied <= writes + 2 * erases + compactions);
  CHECK(sent >= writes + erases);
  CHECK(sent <= writes + 2 * erases + compactions);
}

}  // namespace gossipmonger
