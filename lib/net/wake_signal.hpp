// A condition that a coroutine waits for on a timer: it wakes at a time, or when told to. A
// resource.
//
// Thread contract: that of the node. The timer lives in the frame of the coroutine that waits, and
// the signal in the node's state, which may outlive the io_context.
#pragma once

#include "gossipmonger/transport_ref.hpp"

namespace gossipmonger {

/// One coroutine waits at a time:
///
///     const wake_signal::waiter here(signal, *timer);
///     co_await timer->wait_until(deadline);
class wake_signal {
 public:
  wake_signal() = default;
  wake_signal(const wake_signal&) = delete;
  wake_signal& operator=(const wake_signal&) = delete;

  /// Makes the waiting coroutine look again; without one, does nothing. Resumes nobody here and
  /// now.
  void wake() {
    if (timer_ != nullptr) timer_->wake();
  }
  [[nodiscard]] bool is_awaited() const { return timer_ != nullptr; }

  /// Makes the timer known to the signal as long as it lives, also where the frame is destroyed
  /// during the wait.
  class waiter {
   public:
    waiter(wake_signal& signal, node_timer& timer) : signal_(signal) { signal_.timer_ = &timer; }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() { signal_.timer_ = nullptr; }

   private:
    wake_signal& signal_;
  };

 private:
  node_timer* timer_ = nullptr;
};

}  // namespace gossipmonger
