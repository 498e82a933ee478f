// phi = elapsed / (mean * ln 10), so phi is 1 when ten times fewer gaps than usual last that long.
#include "core/model/failure_detector.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

using namespace gossipmonger;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr double ln10 = 2.302585092994046;

detector_expectation expect(nanoseconds prior, nanoseconds maximum) {
  detector_expectation expected;
  expected.prior = prior;
  expected.maximum = maximum;
  return expected;
}

/// A detector that is given the same window at each call.
class windowed_detector : public failure_detector {
 public:
  explicit windowed_detector(std::size_t window) : window_(window) {}

  void advance(nanoseconds now, const detector_expectation& expected) {
    failure_detector::advance(now, expected, window_);
  }

 private:
  std::size_t window_;
};

}  // namespace

TEST_CASE("failure_detector: the prior is two expected gaps, the maximum sixteen") {
  // 1000 nodes, one digest a round of 45 entries: an entry passes by every 22 rounds.
  const detector_expectation wide(1s, 1000, 1, 45);
  CHECK(wide.prior == 44s);
  CHECK(wide.maximum == 352s);

  const detector_expectation broad(1s, 1000, 2, 45);
  CHECK(broad.prior == 22s);
}

TEST_CASE("failure_detector: the expected gap is one round at least") {
  const detector_expectation small(200ms, 3, 1, 45);
  CHECK(small.prior == 400ms);
  CHECK(small.maximum == 3200ms);

  const detector_expectation nobody(1s, 0, 0, 0);
  CHECK(nobody.prior == 2s);
}

TEST_CASE("failure_detector: before any interval the mean is the prior") {
  windowed_detector detector(4);
  detector.reset(100s);

  CHECK(detector.samples() == 0);
  CHECK(detector.mean(expect(2s, 16s)) == 2s);
  CHECK(detector.phi(102s, expect(2s, 16s)) == doctest::Approx(1 / ln10));
}

TEST_CASE("failure_detector: the prior weighs as much as four intervals") {
  windowed_detector detector(10);
  detector.reset(0s);
  detector.advance(7s, expect(2s, 16s));
  CHECK(detector.mean(expect(2s, 16s)) == 3s);  // (4 * 2 + 7) / 5

  detector.advance(8s, expect(2s, 16s));
  detector.advance(10s, expect(2s, 16s));
  detector.advance(16s, expect(2s, 16s));  // (4 * 2 + 7 + 1 + 2 + 6) / 8
  CHECK(detector.mean(expect(2s, 16s)) == 3s);
  CHECK(detector.samples() == 4);
}

TEST_CASE("failure_detector: phi rises with the time since the last advance") {
  windowed_detector detector(10);
  detector.reset(0s);
  detector.advance(1s, expect(1s, 16s));

  CHECK(detector.phi(1s, expect(1s, 16s)) == 0);
  CHECK(detector.phi(1s + 500ms, expect(1s, 16s)) == doctest::Approx(0.5 / ln10));
  CHECK(detector.phi(20s, expect(1s, 16s)) == doctest::Approx(19 / ln10));
  CHECK(detector.last_advance() == 1s);
}

TEST_CASE("failure_detector: an interval over the maximum counts as the maximum") {
  windowed_detector detector(10);
  detector.reset(0s);

  detector.advance(16s, expect(2s, 16s));
  CHECK(detector.mean(expect(2s, 16s)) == nanoseconds(24s) / 5);  // (8 + 16) / 5
  detector.advance(1000s, expect(2s, 16s));
  CHECK(detector.mean(expect(2s, 16s)) == nanoseconds(40s) / 6 / 1000 * 1000);  // (8 + 32) / 6
}

TEST_CASE("failure_detector: rounds of an hour among thousands are counted as long as they are") {
  windowed_detector detector(4);
  const detector_expectation expected(1h, 4096, 1, 360);  // a gap of 11 rounds
  REQUIRE(expected.prior == 22h);
  detector.reset(0s);
  for (int i = 1; i <= 4; ++i) detector.advance(i * 22h, expected);

  // Sums are kept in 24 bits: 22 h to a few milliseconds.
  CHECK(detector.mean(expected) > 22h - 10ms);
  CHECK(detector.mean(expected) < 22h + 10ms);
}

TEST_CASE("failure_detector: a full window lets go of the half that is oldest") {
  windowed_detector detector(4);
  detector.reset(0s);
  nanoseconds now{};
  for (const nanoseconds interval : {10s, 1s, 1s, 1s}) {
    now += interval;
    detector.advance(now, expect(1s, 16s));
  }
  CHECK(detector.mean(expect(1s, 16s)) == nanoseconds(17s) / 8);  // (4 + 10 + 1 + 1 + 1) / 8
  CHECK(detector.samples() == 4);

  detector.advance(now + 3s, expect(1s, 16s));  // (4 + 1 + 1 + 3) / 7
  CHECK(detector.mean(expect(1s, 16s)) == nanoseconds(9s) / 7 / 1000 * 1000);
  CHECK(detector.samples() == 3);

  // Four intervals of 2 s leave only those.
  now += 3s;
  for (int i = 0; i < 4; ++i) detector.advance(now += 2s, expect(2s, 16s));
  CHECK(detector.mean(expect(2s, 16s)) == 2s);
}

TEST_CASE("failure_detector: a window that becomes smaller lets go of more") {
  failure_detector detector;
  detector.reset(0s);
  for (int i = 1; i <= 16; ++i) detector.advance(i * 10s, expect(1s, 16s), 16);
  REQUIRE(detector.samples() == 16);

  for (int i = 1; i <= 4; ++i) detector.advance(160s + i * 1s, expect(1s, 16s), 4);

  CHECK(detector.samples() == 4);
  CHECK(detector.mean(expect(1s, 16s)) == 1s);
}

TEST_CASE("failure_detector: who may exceed a limit of phi is told without a division") {
  struct row {
    nanoseconds prior;
    nanoseconds interval;
  };
  const row rows[] = {{2s, 1234567us}, {1ns, 0ns},     {1us, 1us},
                      {0s, 0s},        {22h * 20, 3h}, {1ms, 22h}};
  for (const auto& [prior, interval] : rows) {
    for (const int intervals : {0, 1, 3, 40, 1000}) {
      for (const double limit : {1.0, 8.0, 1000.0}) {
        const detector_expectation expected = expect(prior, 16 * prior);
        windowed_detector detector(100);
        detector.reset(0s);
        nanoseconds now{};
        for (int i = 0; i < intervals; ++i) detector.advance(now += interval, expected);
        const nanoseconds edge(static_cast<std::int64_t>(
            static_cast<double>(detector.mean(expected).count()) * ln10 * limit));

        CAPTURE(prior.count());
        CAPTURE(intervals);
        CAPTURE(limit);
        for (const nanoseconds beside : {-1'000'000ns, -1'000ns, -1ns, 0ns, 1ns, 1'000ns}) {
          const nanoseconds then = now + edge + beside;
          const bool is_above = detector.phi(then, expected) > limit;
          CHECK((detector.may_exceed(phi_limit(limit, then, expected)) || !is_above));
        }
        CHECK(detector.may_exceed(phi_limit(limit, now + 2 * edge + 10us, expected)));
        // Only who is near it may be looked at in vain: by two microseconds of the mean, and a
        // hundredth of a percent.
        const nanoseconds near =
            edge / 10'000 + 1us + nanoseconds(static_cast<std::int64_t>(limit * ln10 * 3'000));
        const nanoseconds below = now + edge - near;
        if (below > now) CHECK_FALSE(detector.may_exceed(phi_limit(limit, below, expected)));
      }
    }
  }
}

TEST_CASE("failure_detector: a reset forgets all intervals and counts from its time") {
  windowed_detector detector(4);
  detector.reset(0s);
  for (int i = 1; i <= 6; ++i) detector.advance(i * 10s, expect(1s, 16s));

  detector.reset(100s);

  CHECK(detector.samples() == 0);
  CHECK(detector.mean(expect(1s, 16s)) == 1s);
  CHECK(detector.phi(101s, expect(1s, 16s)) == doctest::Approx(1 / ln10));
  detector.advance(103s, expect(1s, 16s));
  CHECK(detector.mean(expect(1s, 16s)) == nanoseconds(7s) / 5);
  for (const nanoseconds now : {104s, 105s, 106s, 107s}) detector.advance(now, expect(1s, 16s));
  CHECK(detector.mean(expect(1s, 16s)) == 1s);  // the interval of 3 s was in the oldest half
}

TEST_CASE("failure_detector: phi is never negative and never NaN") {
  windowed_detector detector(4);
  detector.reset(10s);

  CHECK(detector.phi(9s, expect(1s, 16s)) == 0);  // now before the last advance
  const double nothing_expected = detector.phi(10s, expect(0s, 0s));
  CHECK(nothing_expected == 0);
  CHECK(std::isfinite(detector.phi(20s, expect(0s, 0s))));
  detector.advance(10s, expect(0s, 0s));
  CHECK(std::isfinite(detector.phi(nanoseconds::max() / 2, expect(0s, 0s))));
}

TEST_CASE("failure_detector: an advance dated before the last counts as no time") {
  windowed_detector detector(4);
  detector.reset(10s);

  detector.advance(5s, expect(1s, 16s));

  CHECK(detector.last_advance() == 10s);
  CHECK(detector.mean(expect(1s, 16s)) == 800ms);  // (4 + 0) / 5
}

TEST_CASE("failure_detector: a limit covers itself and what was before, and no other") {
  const phi_limit limit(8, 10s, expect(2s, 16s));

  CHECK(limit.covers(limit));
  CHECK(limit.covers(phi_limit(8, 9s, expect(2s, 16s))));
  CHECK_FALSE(limit.covers(phi_limit(8, 11s, expect(2s, 16s))));
  CHECK_FALSE(limit.covers(phi_limit(7, 9s, expect(2s, 16s))));
  CHECK_FALSE(limit.covers(phi_limit(8, 9s, expect(1s, 16s))));
}
