#include "gossipmonger/testing/manual_clock.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <asio/basic_waitable_timer.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;
using manual_timer = asio::basic_waitable_timer<manual_clock>;

manual_clock::time_point at(manual_clock::duration time) { return manual_clock::time_point(time); }

}  // namespace

TEST_CASE("manual clock: timers fire at their times, in order, hours in no time") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  std::string fired;
  manual_timer late(context, 3h);
  manual_timer early(context, 1ns);
  manual_timer middle(context, 40min);
  late.async_wait([&](auto) { fired += manual_clock::now() == at(3h) ? "late " : "? "; });
  early.async_wait([&](auto) { fired += manual_clock::now() == at(1ns) ? "early " : "? "; });
  middle.async_wait([&](auto) { fired += manual_clock::now() == at(40min) ? "middle " : "? "; });

  driver.run_for(1h);
  CHECK(fired == "early middle ");
  CHECK(manual_clock::now() == at(1h));

  driver.run_for(2h);
  CHECK(fired == "early middle late ");
  CHECK(manual_clock::now() == at(3h));
}

TEST_CASE("manual clock: settle runs what is due, what follows from it, and nothing later") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  int ran = 0;
  manual_timer due(context);
  manual_timer follows(context);
  manual_timer later(context, 1ns);
  due.expires_at(at(0ns));
  due.async_wait([&](auto) {
    ++ran;
    follows.expires_at(at(-5ns));
    follows.async_wait([&](auto) {
      ++ran;
      asio::post(context, [&] { ++ran; });
    });
  });
  later.async_wait([&](auto error) { ran += error ? 0 : 100; });

  CHECK(driver.settle() == 3);
  CHECK(ran == 3);
  CHECK(driver.settle() == 0);
  CHECK(manual_clock::now() == at(0ns));
}

TEST_CASE("manual clock: io_contexts take turns, and one that was left alone catches up") {
  manual_clock::reset();
  asio::io_context one;
  asio::io_context other;
  manual_clock_driver first(one);
  manual_clock_driver second(other);
  manual_timer soon(one, 1s);
  manual_timer late(one, 3h);
  manual_timer between(other, 1h);
  std::string fired;
  soon.async_wait([&](auto) { fired += "soon "; });
  late.async_wait([&](auto) { fired += "late "; });
  between.async_wait([&](auto) { fired += "between "; });

  first.settle();
  second.settle();
  CHECK(first.next_timer() == at(1s));
  CHECK(second.next_timer() == at(1h));
  manual_clock::advance_to(at(2h));
  CHECK(second.settle() == 1);
  CHECK(second.next_timer() == manual_clock::time_point::max());

  // Overdue for two hours.
  CHECK(first.settle() == 1);
  CHECK(first.next_timer() == at(3h));
  CHECK(fired == "between soon ");
}

TEST_CASE("manual clock: its date begins with 2024 and may be off") {
  manual_clock::reset();
  CHECK(manual_clock::wall() == 1'704'067'200s);

  manual_clock::advance_to(at(1h));
  manual_clock::set_wall_offset(-2h);
  CHECK(manual_clock::wall() == 1'704'067'200s - 1h);

  manual_clock::reset();
  CHECK(manual_clock::wall() == 1'704'067'200s);
}

TEST_CASE("manual clock: a step goes to the next timer, not beyond its limit") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  manual_timer timer(context, 10ms);
  bool has_fired = false;
  timer.async_wait([&](auto) { has_fired = true; });

  CHECK_FALSE(driver.step(at(10ms - 1ns)));
  CHECK(manual_clock::now() == at(0ns));
  CHECK(driver.step(at(10ms)));
  CHECK(manual_clock::now() == at(10ms));
  CHECK(has_fired);
  CHECK_FALSE(driver.step());
}

TEST_CASE("manual clock: a cancelled timer does not fire, and does not hide a later one") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  manual_timer first(context, 1ms);
  manual_timer second(context, 2ms);
  std::vector<std::string> fired;
  first.async_wait([&](auto error) { fired.push_back(error ? "cancelled" : "first"); });
  second.async_wait([&](auto) { fired.push_back("second"); });
  driver.settle();

  first.cancel();
  driver.run_for(2ms);

  CHECK(fired == std::vector<std::string>{"cancelled", "second"});
}

TEST_CASE("manual clock: an earlier timer set by a handler comes before those already there") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  std::string order;
  manual_timer tick(context, 10ms);
  manual_timer earlier(context);
  manual_timer last(context, 20ms);
  tick.async_wait([&](auto) {
    earlier.expires_after(5ms);
    earlier.async_wait([&](auto) { order += "earlier "; });
  });
  last.async_wait([&](auto) { order += "last "; });

  CHECK(driver.run_until([&] { return order == "earlier last "; }, 1h));
  CHECK(manual_clock::now() == at(20ms));
}

TEST_CASE("manual clock: run_until gives up at its limit, and when somebody stops the context") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  manual_timer timer(context, 1s);
  timer.async_wait([&](auto) { context.stop(); });

  CHECK_FALSE(driver.run_until([] { return false; }, 500ms));
  CHECK(manual_clock::now() == at(500ms));
  CHECK_FALSE(driver.run_until([] { return false; }, 1h));
  CHECK(manual_clock::now() == at(1s));
}

TEST_CASE("manual clock: 5,000 timers one after the other cost no real time to speak of") {
  manual_clock::reset();
  asio::io_context context;
  manual_clock_driver driver(context);
  manual_timer timer(context);
  int left = 5000;
  struct ticker {
    manual_timer& on;
    int& left;
    void operator()(asio::error_code) const {
      if (--left > 0) {
        on.expires_after(1s);
        on.async_wait(*this);
      }
    }
  };
  timer.async_wait(ticker{timer, left});

  CHECK(driver.run_until([&] { return left == 0; }, 24h));
  CHECK(manual_clock::now() == at(4999s));
}

}  // namespace gossipmonger
