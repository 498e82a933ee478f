// The week of deletes.hpp, with its memory.
#include "deletes.hpp"

#include <chrono>

#include <doctest/doctest.h>

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("deletes: a week of 100 a second takes no memory, and no erased key comes back") {
  deletes_plan plan;
  plan.seed = 2;
  plan.length = 7 * 24h;
  plan.samples = 168 * 60;

  const deletes_report report = run_deletes(plan);

  constexpr double mebibyte = 1048576;
  MESSAGE(report.writes << " writes, " << report.erases << " erases, " << report.versions
                        << " versions, " << report.compactions << " compactions, " << report.events
                        << " events");
  MESSAGE("at most, over all nodes and samples: "
          << report.held_max << " entries of the owner (" << report.tombstones_max
          << " tombstones, " << report.held_bytes_max << " bytes), " << report.retired_max
          << " retired, " << report.parked_bytes_max << " bytes parked");
  MESSAGE("the process: " << static_cast<double>(report.rss_settled) / mebibyte
                          << " MiB after a quarter, at most "
                          << static_cast<double>(report.rss_max) / mebibyte << " MiB after that");
  CHECK(report.violation == "");
  CHECK(report.has_agreed);
  CHECK(report.versions <= report.writes + 2 * report.erases + report.compactions);
  CHECK(report.held_max <= 2 * (2 * report.live_max + 2));
  CHECK(report.rss_max <= report.rss_settled + 64 * 1048576);
}

}  // namespace gossipmonger
