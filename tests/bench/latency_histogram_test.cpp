#include "../../tools/load/latency_histogram.hpp"

#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

TEST_CASE("latency histogram: quantiles of short times are exact") {
  latency_histogram times;

  for (int us = 1; us <= 100; ++us) times.add(std::chrono::microseconds(us));

  CHECK(times.count() == 100);
  CHECK(times.quantile(0) == 1us);
  CHECK(times.quantile(0.5) == 50us);
  CHECK(times.quantile(0.99) == 99us);
  CHECK(times.quantile(0.991) == 100us);
  CHECK(times.quantile(1) == 100us);
}

TEST_CASE("latency histogram: a time is told within 0.8 %, from the shortest to the longest") {
  for (std::int64_t us = 1; us < std::int64_t{1} << 39; us += 1 + us / 37) {
    CAPTURE(us);
    latency_histogram times;

    times.add(std::chrono::microseconds(us));

    const double told = static_cast<double>(times.quantile(1).count());
    CHECK(told == doctest::Approx(static_cast<double>(us)).epsilon(0.008));
  }
}

TEST_CASE("latency histogram: the parts of two add up to the whole") {
  latency_histogram fast;
  latency_histogram slow;
  for (int i = 0; i < 99; ++i) fast.add(10us);
  slow.add(100us);

  fast.add(slow);

  CHECK(fast.count() == 100);
  CHECK(fast.quantile(0.99) == 10us);
  CHECK(fast.quantile(0.999) == 100us);
}

TEST_CASE("latency histogram: of nothing, times below zero and years it makes no nonsense") {
  latency_histogram times;
  CHECK(times.quantile(0.5) == 0us);

  times.add(-5ms);
  CHECK(times.quantile(1) == 0us);

  times.add(24h * 365);
  CHECK(times.quantile(1) > 24h * 6);
}

}  // namespace
}  // namespace gossipmonger
