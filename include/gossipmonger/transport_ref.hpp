// A transport of any type, by reference, with the clock and the timers that belong to it. So the
// loops of a node are compiled once, in the library. Each call is one indirect call, a batch of
// datagrams included.
//
// Thread contract: that of the transport.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/transport.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// A timer on the clock of a transport. A resource: it lives in the frame of the coroutine that
/// waits on it, and so goes before the io_context does.
class node_timer {
 public:
  node_timer() = default;
  node_timer(const node_timer&) = delete;
  node_timer& operator=(const node_timer&) = delete;
  virtual ~node_timer() = default;

  /// Completes at `time` since the clock's epoch (max(): never), after `wake`, or when the awaiting
  /// coroutine is cancelled. Does not tell which.
  ///   expects: no other wait on it is pending
  [[nodiscard]] virtual asio::awaitable<void> wait_until(std::chrono::nanoseconds time) = 0;
  /// Ends the pending wait; nothing else is remembered.
  virtual void wake() = 0;
};

/// The timer of one clock. A resource.
template <class Clock>
class clock_timer final : public node_timer {
 public:
  /// A timer whose waits resume on `executor`.
  explicit clock_timer(const asio::any_io_executor& executor) : timer_(executor) {}

  [[nodiscard]] asio::awaitable<void> wait_until(std::chrono::nanoseconds time) override {
    timer_.expires_at(time_point_at(time));
    return timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken_));
  }

  void wake() override { timer_.cancel(); }

 private:
  /// Rounded up, or a coarse clock would have the waiter look again and again before it is time.
  static typename Clock::time_point time_point_at(std::chrono::nanoseconds time) {
    if (time == std::chrono::nanoseconds::max()) return Clock::time_point::max();
    return typename Clock::time_point(std::chrono::ceil<typename Clock::duration>(time));
  }

  asio::basic_waitable_timer<Clock> timer_;
  std::error_code woken_;
};

/// A value that refers; the transport outlives it. After `close` only `now` and `make_timer` may
/// still be called: they do not touch the transport.
class transport_ref {
 public:
  /// Refers to `of`, which outlives it.
  template <class T>
    requires(transport<T> && !std::same_as<T, transport_ref>)
  explicit transport_ref(T& of) : object_(&of), calls_(&calls_of<T>) {}

  /// @{
  /// As the concept `transport` says.
  [[nodiscard]] asio::any_io_executor get_executor() const { return calls_->get_executor(object_); }
  [[nodiscard]] endpoint local_endpoint() const { return calls_->local_endpoint(object_); }
  [[nodiscard]] asio::awaitable<result<std::size_t>> receive(std::span<inbound> in) const {
    return calls_->receive(object_, in);
  }
  [[nodiscard]] asio::awaitable<result<std::size_t>> send(std::span<const outbound> out) const {
    return calls_->send(object_, out);
  }
  void close() const { calls_->close(object_); }
  /// @}

  /// The time of the transport's clock, and the date that goes with it: the clock's own where it
  /// has a `wall()`, as the clock of a simulation does.
  [[nodiscard]] moment now() const { return calls_->now(); }
  /// A timer on the transport's clock.
  [[nodiscard]] std::unique_ptr<node_timer> make_timer(
      const asio::any_io_executor& executor) const {
    return calls_->make_timer(executor);
  }

 private:
  struct calls {
    asio::any_io_executor (*get_executor)(void*);
    endpoint (*local_endpoint)(const void*);
    asio::awaitable<result<std::size_t>> (*receive)(void*, std::span<inbound>);
    asio::awaitable<result<std::size_t>> (*send)(void*, std::span<const outbound>);
    void (*close)(void*);
    moment (*now)();
    std::unique_ptr<node_timer> (*make_timer)(const asio::any_io_executor&);
  };

  template <class Clock>
  static moment now_of() {
    using std::chrono::nanoseconds;
    const auto steady = std::chrono::duration_cast<nanoseconds>(Clock::now().time_since_epoch());
    if constexpr (requires { Clock::wall(); }) {
      return moment(steady, std::chrono::duration_cast<nanoseconds>(Clock::wall()));
    } else {
      const auto wall = std::chrono::system_clock::now().time_since_epoch();
      return moment(steady, std::chrono::duration_cast<nanoseconds>(wall));
    }
  }

  template <class T>
  static constexpr calls calls_of = {
      [](void* t) { return asio::any_io_executor(static_cast<T*>(t)->get_executor()); },
      [](const void* t) { return static_cast<const T*>(t)->local_endpoint(); },
      [](void* t, std::span<inbound> in) { return static_cast<T*>(t)->receive(in); },
      [](void* t, std::span<const outbound> out) { return static_cast<T*>(t)->send(out); },
      [](void* t) { static_cast<T*>(t)->close(); },
      [] { return now_of<typename T::clock_type>(); },
      [](const asio::any_io_executor& executor) -> std::unique_ptr<node_timer> {
        return std::make_unique<clock_timer<typename T::clock_type>>(executor);
      },
  };

  void* object_;
  const calls* calls_;
};

}  // namespace gossipmonger
