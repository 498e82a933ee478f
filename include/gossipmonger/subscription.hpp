// Events of a node, to be iterated with `co_await`: a snapshot first, and then what follows.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include "gossipmonger/error.hpp"
#include "gossipmonger/event.hpp"

namespace gossipmonger {

struct node_state;

/// The timeout of a wait that ends by its condition, by cancellation or by `stop` only.
inline constexpr std::chrono::nanoseconds no_timeout = std::chrono::nanoseconds::max();

/// The events that a subscription wants to see. A value.
struct event_filter {
  event_filter() = default;

  std::string peer;              ///< only events of this peer; empty: of all
  std::string key_prefix;        ///< of updates and removals, only such keys; empty: all
  bool is_without_self = false;  ///< leave out what this node itself publishes
};

/// A reader of a node's change list: a handle on state shared with the node, movable, not copied.
/// It stores no events: one that reads slowly sees the latest value of each key, and never stalls
/// gossip. It may outlive the node, and then ends with errc::stopped after what is left. It shows
/// each `error` and `conflict` since it was made. Until its first event is read, the node keeps the
/// latest 64 of these for it.
///
/// One pending `wait` or `next` at a time, on the node's executor. Cancellation (terminal, or what
/// else the coroutine lets in) ends them with errc::cancelled; a timeout, on the node's clock, with
/// errc::timed_out. Either way no event is lost.
///
/// Under `||`, an event can get lost. Where both sides complete before the awaiting coroutine
/// resumes, Asio drops the result of one; and a `next` that has completed has taken its event. For
/// a deadline use `next(timeout)`; to race with anything else, `wait` and then `try_next`, for
/// `wait` takes nothing:
///
///     auto ready = co_await (events.wait() || other());
///     while (auto seen = events.try_next()) …
class subscription {
 public:
  /// Of timeouts, on the node's clock.
  using duration = std::chrono::nanoseconds;

  /// For `node_base::subscribe`.
  explicit subscription(std::shared_ptr<node_state> of, const event_filter& filter);
  subscription(subscription&&) noexcept;
  subscription& operator=(subscription&&) noexcept;
  ~subscription();

  /// Waits until there is an event, and leaves it for the next call.
  ///   errors: stopped, when nothing is left; timed_out, cancelled; already_waiting if another
  ///           call is pending
  [[nodiscard]] asio::awaitable<result<void>> wait(duration timeout = no_timeout);

  /// Waits for the next event and takes it; errors as `wait`.
  [[nodiscard]] asio::awaitable<result<event>> next(duration timeout = no_timeout);
  /// The next event if there is one now.
  [[nodiscard]] std::optional<event> try_next();

  /// The same without copying the event, for many events: await `wait`, then drain with this. The
  /// view is valid until the next call into the node or this, the node's own loops included: until
  /// the coroutine suspends.
  [[nodiscard]] std::optional<event_view> try_next_view();

 private:
  struct state;
  static asio::awaitable<result<void>> wait(std::shared_ptr<state> of, duration timeout);
  static asio::awaitable<result<void>> wait_for_event(std::shared_ptr<state> of, duration timeout);
  static asio::awaitable<result<event>> next(std::shared_ptr<state> of, duration timeout);

  std::shared_ptr<state> state_;
};

}  // namespace gossipmonger
