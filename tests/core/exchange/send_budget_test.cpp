#include "core/exchange/send_budget.hpp"

#include <doctest/doctest.h>

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("send_budget: begins with an interval's worth, and lends one datagram at the end of it") {
  send_budget budget;

  budget.refill(5s, 3000, 1s);
  CHECK(budget.has_room());
  budget.take(2900);
  CHECK(budget.has_room());
  budget.take(1200);

  CHECK_FALSE(budget.has_room());
  // 1100 bytes are borrowed: paid back after 1100 / 3000 s.
  CHECK(budget.has_room_at() > 5s + 366ms);
  CHECK(budget.has_room_at() < 5s + 367ms);
}

TEST_CASE("send_budget: is refilled by time, and holds no more than one interval's worth") {
  send_budget budget;
  budget.refill(5s, 3000, 1s);
  budget.take(4000);

  budget.refill(5s + 333ms, 3000, 1s);
  CHECK_FALSE(budget.has_room());
  budget.refill(5s + 334ms, 3000, 1s);
  CHECK(budget.has_room());

  budget.refill(100s, 3000, 1s);
  budget.take(3000);
  CHECK_FALSE(budget.has_room());
}

TEST_CASE("send_budget: is open at the time it names, with intervals of 10 ms and of an hour") {
  for (const std::chrono::nanoseconds interval :
       {std::chrono::nanoseconds(10ms), std::chrono::nanoseconds(1h)}) {
    for (const std::size_t borrowed : {1U, 7U, 600U, 1200U}) {
      send_budget budget;
      budget.refill(5s, 1200, interval);
      budget.take(1200 + borrowed);
      const std::chrono::nanoseconds at = budget.has_room_at();
      send_budget early = budget;

      // A timer of that time finds it open: one that came too soon would be set anew, for ever.
      early.refill(at - 1ns, 1200, interval);
      CHECK_FALSE(early.has_room());
      budget.refill(at, 1200, interval);
      CHECK(budget.has_room());
      CHECK(at - 5s >= interval * static_cast<std::int64_t>(borrowed) / 1200);
      CHECK(at - 5s <= interval * static_cast<std::int64_t>(borrowed) / 1200 + 1us);
    }
  }
}

TEST_CASE("send_budget: what is kept for others leaves room later, at the time it names") {
  // 700 of 3,000 bytes an hour would be there after 840 s; a third of them is no whole number.
  for (const int step : {0, 1, 333}) {
    const auto kept = static_cast<std::size_t>(step);
    const std::chrono::nanoseconds due = 845s + step * 1200ms;
    send_budget budget;
    budget.refill(5s, 3000, 1h);
    budget.take(3700);
    CHECK_FALSE(budget.has_room(kept));
    const std::chrono::nanoseconds at = budget.has_room_at(kept);
    CHECK(at >= due);
    CHECK(at <= due + 2ns);

    budget.refill(at - 2ns, 3000, 1h);
    CHECK_FALSE(budget.has_room(kept));
    budget.refill(at, 3000, 1h);
    CHECK(budget.has_room(kept));
    CHECK_FALSE(budget.has_room(kept + 1));
  }
}

TEST_CASE("send_budget: a clock that steps back takes nothing and gives nothing") {
  send_budget budget;
  budget.refill(5s, 1000, 1s);
  budget.take(1500);

  budget.refill(4s, 1000, 1s);
  CHECK_FALSE(budget.has_room());
  budget.refill(5s + 499ms, 1000, 1s);
  CHECK_FALSE(budget.has_room());
  budget.refill(5s + 501ms, 1000, 1s);
  CHECK(budget.has_room());
}

}  // namespace gossipmonger
