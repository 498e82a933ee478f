#include "gossipmonger/testing/manual_clock.hpp"

#include <algorithm>
#include <cassert>

#include <asio/executor_work_guard.hpp>

namespace gossipmonger {
namespace {

using time_point = manual_clock::time_point;

// 2024-01-01T00:00:00Z.
constexpr manual_clock::duration wall_start = std::chrono::seconds{1'704'067'200};

// Before every timer that somebody sets, however long that one is overdue: Asio sets the kernel's
// timer anew only where the earliest changes.
constexpr time_point look_time(manual_clock::duration::min() / 4);

thread_local time_point current_time{};
thread_local manual_clock::duration wall_offset{};

/// The earliest timer, as far as Asio told: exact after a look at the timers, and too early only
/// where that timer was cancelled since. In the past: none is known.
thread_local time_point earliest_timer = time_point::min();

}  // namespace

manual_clock::time_point manual_clock::now() noexcept { return current_time; }

void manual_clock::advance_to(time_point to) {
  assert(to >= current_time);
  current_time = to;
}

manual_clock::duration manual_clock::wall() noexcept {
  return wall_start + current_time.time_since_epoch() + wall_offset;
}

void manual_clock::set_wall_offset(duration offset) noexcept { wall_offset = offset; }

void manual_clock::reset() {
  current_time = time_point{};
  wall_offset = duration{};
  earliest_timer = time_point::min();
}

manual_clock_driver::manual_clock_driver(asio::io_context& context)
    : context_(context), look_(context), looks_(std::make_shared<std::size_t>(0)) {}

bool manual_clock_driver::look_at_timers(std::size_t& handlers) {
  const std::size_t looks_before = *looks_;
  look_.expires_at(look_time);
  look_.async_wait([looks = looks_](const asio::error_code& error) {
    if (!error) {
      ++*looks;
    }
  });
  // The reactor learns through a kernel timer that one is due, a microsecond or so after it was
  // set. That is soon enough to ask again and again: sleeping until then costs fifty microseconds.
  while (*looks_ == looks_before && !context_.stopped()) {
    handlers += context_.poll();
  }
  if (*looks_ == looks_before) {
    look_.cancel();
    return false;
  }
  handlers += context_.poll();
  handlers -= *looks_ - looks_before;  // its own is none
  return !context_.stopped();
}

std::size_t manual_clock_driver::settle() {
  context_.restart();
  const auto work = asio::make_work_guard(context_);  // only somebody's stop() stops it now
  std::size_t handlers = 0;
  std::size_t before = 0;
  do {
    before = handlers;
    was_stopped_ = !look_at_timers(handlers);
    // Handlers may have set timers that are due already: with the earliest still ahead, none has.
  } while (!was_stopped_ && handlers != before && earliest_timer <= current_time);
  earliest_ = earliest_timer > current_time ? earliest_timer : time_point::max();
  return handlers;
}

bool manual_clock_driver::step(manual_clock::time_point limit) {
  settle();
  return advance(limit);
}

bool manual_clock_driver::advance(manual_clock::time_point limit) {
  const bool has_next =
      earliest_ > current_time && earliest_ <= limit && earliest_ != time_point::max();
  if (was_stopped_ || !has_next) {
    return false;
  }
  current_time = earliest_;
  settle();
  return !was_stopped_;
}

void manual_clock_driver::run_for(manual_clock::duration time) {
  const time_point end = current_time + time;
  settle();
  while (advance(end)) {
  }
  finish(end);
}

void manual_clock_driver::finish(manual_clock::time_point end) {
  if (was_stopped_) {
    return;
  }
  current_time = std::max(current_time, end);
  settle();
}

}  // namespace gossipmonger

gossipmonger::manual_clock::duration
asio::wait_traits<gossipmonger::manual_clock>::to_wait_duration(
    const gossipmonger::manual_clock::duration& left) {
  using namespace gossipmonger;
  const bool is_far = left > time_point::max() - current_time;
  earliest_timer = is_far ? time_point::max() : current_time + left;
  return left.count() <= 0 ? manual_clock::duration::zero() : manual_clock::duration::max();
}

gossipmonger::manual_clock::duration
asio::wait_traits<gossipmonger::manual_clock>::to_wait_duration(
    const gossipmonger::manual_clock::time_point& expiry) {
  return to_wait_duration(
      gossipmonger::manual_clock::duration(expiry - gossipmonger::current_time));
}
