// A clock that is moved by hand, and a driver that runs an io_context on it. Hours of timers pass
// in as long as their handlers take, in the same order every time.
//
// The clock is a thread-local: now() is static because Asio's timers want it so. All timers on it
// are used from its thread; several io_contexts may share it, each with a driver, one at a time.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>

#include <asio/basic_waitable_timer.hpp>
#include <asio/io_context.hpp>
#include <asio/wait_traits.hpp>

namespace gossipmonger {

/// The Clock of asio::basic_waitable_timer<manual_clock>. Starts at 0; never goes back but by
/// `reset`. Moving it fires no timer: that takes a look of the io_context, which the driver below
/// arranges.
class manual_clock {
 public:
  /// @{
  /// As std::chrono wants of a clock.
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<manual_clock>;
  static constexpr bool is_steady = true;

  [[nodiscard]] static time_point now() noexcept;
  /// @}

  /// expects: to >= now()
  static void advance_to(time_point to);

  /// The date that goes with now(), since the Unix epoch: the clock starts on 2024-01-01, plus an
  /// offset of whose clock is wrong. Nodes on this clock read it in place of the system's.
  [[nodiscard]] static duration wall() noexcept;
  /// From now on `wall` is so far ahead.
  static void set_wall_offset(duration offset) noexcept;

  /// Back to 0, for a test that starts afresh.  expects: no timer of this thread waits
  static void reset();
};

/// Runs an io_context on the manual clock: everything that is due, then on to the next timer. Real
/// time plays no part, so sockets and threads of the same io_context are out of step with it. A
/// resource, used from the thread that it was made on.
///
/// How: Asio looks at its timers only when the earliest is due, and asks the wait traits below how
/// long that is. So a timer of the driver's own, due before all others, makes it look now. The
/// question that follows tells which timer comes next.
class manual_clock_driver {
 public:
  /// Drives `context`, which outlives it.
  explicit manual_clock_driver(asio::io_context& context);
  manual_clock_driver(const manual_clock_driver&) = delete;
  manual_clock_driver& operator=(const manual_clock_driver&) = delete;

  /// Runs what is due, and what follows from it, until nothing is left to do at this time. Returns
  /// how many handlers ran. Does not return while handlers keep making work for the same instant.
  std::size_t settle();

  /// Settles, moves to the next timer not later than `limit`, and settles again. False where there
  /// is none, and the clock stays; also where somebody stopped the io_context.
  bool step(manual_clock::time_point limit = manual_clock::time_point::max());

  /// When the next timer of the io_context is due, as the last `settle` left it; max() for none.
  [[nodiscard]] manual_clock::time_point next_timer() const { return earliest_; }

  /// Lets `time` pass; the clock ends there exactly, unless the io_context was stopped on the way.
  void run_for(manual_clock::duration time);

  /// Steps until `done()`, asked after each. False where `limit` passed first (the clock then
  /// stands there) or somebody stopped the io_context.
  template <std::predicate Done>
  bool run_until(Done done, manual_clock::duration limit) {
    const manual_clock::time_point end = manual_clock::now() + limit;
    settle();
    while (!done()) {
      if (!advance(end)) {
        finish(end);
        return done();
      }
    }
    return true;
  }

 private:
  /// Makes Asio fire every timer that is due, and runs what is ready; adds to `handlers` how many
  /// that were. False where somebody stopped the io_context.
  bool look_at_timers(std::size_t& handlers);
  /// A step for what is settled already.
  bool advance(manual_clock::time_point limit);
  void finish(manual_clock::time_point end);

  asio::io_context& context_;
  asio::basic_waitable_timer<manual_clock> look_;
  std::shared_ptr<std::size_t> looks_;  // shared with a handler that may outlive the driver
  manual_clock::time_point earliest_ = manual_clock::time_point::max();
  bool was_stopped_ = false;
};

}  // namespace gossipmonger

/// A timer that is due is due at once; any other is out of reach of real time. Asio asks for the
/// earliest timer of the clock whenever that may have changed, and what it asks is noted.
template <>
struct asio::wait_traits<gossipmonger::manual_clock> {
  static gossipmonger::manual_clock::duration to_wait_duration(
      const gossipmonger::manual_clock::duration& left);
  static gossipmonger::manual_clock::duration to_wait_duration(
      const gossipmonger::manual_clock::time_point& expiry);
};
