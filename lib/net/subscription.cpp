#include "gossipmonger/subscription.hpp"

#include <limits>
#include <optional>
#include <utility>

#include <asio/this_coro.hpp>

#include "net/node_state.hpp"
#include "net/wake_signal.hpp"

namespace gossipmonger {

wakeable::wakeable(node_state& of) : of_(of.weak_from_this()) { of.waiting.push_back(this); }

wakeable::~wakeable() {
  if (const std::shared_ptr<node_state> of = of_.lock()) std::erase(of->waiting, this);
}

struct subscription::state final : wakeable {
  explicit state(std::shared_ptr<node_state> of) : wakeable(*of), node(std::move(of)) {}

  void wake() override {
    if (node->core.see().last_change() > cursor.sequence || node->is_stopped) signal.wake();
  }

  [[nodiscard]] std::uint64_t position() const override {
    // A reader that has not begun will begin with a snapshot.
    return cursor.has_begun ? cursor.sequence : std::numeric_limits<std::uint64_t>::max();
  }

  std::optional<event_view> take() {
    if (!is_ahead()) return node->core.see().poll_event(cursor);
    cursor.sequence = std::exchange(ahead.sequence, 0);
    return ahead.view;
  }

  bool has_event() {
    if (is_ahead()) return true;
    turn = node->core.turn();
    return node->core.see().peek_event(cursor, ahead);
  }

  /// Whether `ahead` still holds the next event.
  [[nodiscard]] bool is_ahead() const { return ahead.sequence != 0 && turn == node->core.turn(); }

  std::shared_ptr<node_state> node;
  change_cursor cursor;
  peeked_entry ahead;  // found by a wait, in that turn of the node
  std::uint64_t turn = 0;
  wake_signal signal;  // of the pending wait
};

subscription::subscription(std::shared_ptr<node_state> of, const event_filter& filter)
    : state_(std::make_shared<state>(std::move(of))) {
  state_->cursor.peer = filter.peer;
  state_->cursor.key_prefix = filter.key_prefix;
  state_->cursor.is_without_self = filter.is_without_self;
  state_->cursor.notices_from = state_->node->core->last_change();
}

subscription::subscription(subscription&&) noexcept = default;
subscription& subscription::operator=(subscription&&) noexcept = default;
subscription::~subscription() = default;

std::optional<event_view> subscription::try_next_view() { return state_->take(); }

std::optional<event> subscription::try_next() {
  const std::optional<event_view> found = state_->take();
  if (!found) return std::nullopt;
  return event(*found);
}

asio::awaitable<result<void>> subscription::wait(duration timeout) { return wait(state_, timeout); }

asio::awaitable<result<event>> subscription::next(duration timeout) {
  return next(state_, timeout);
}

asio::awaitable<result<void>> subscription::wait(std::shared_ptr<state> of, duration timeout) {
  if (of->signal.is_awaited()) co_return fail(errc::already_waiting);
  // A coroutine may have been cancelled long ago, and go on.
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) co_return fail(errc::cancelled);
  // Mostly an event is there: what a wait needs is made only where there is none.
  if (of->has_event()) co_return result<void>();
  co_return co_await wait_for_event(of, timeout);
}

asio::awaitable<result<void>> subscription::wait_for_event(std::shared_ptr<state> of,
                                                           duration timeout) {
  const duration end = of->node->after(timeout);
  std::unique_ptr<node_timer> timer;
  while (!of->has_event()) {
    if (of->node->is_stopped) co_return fail(errc::stopped);
    if (of->node->now().steady >= end) co_return fail(errc::timed_out);

    if (!timer) {
      const asio::any_io_executor executor = co_await asio::this_coro::executor;
      timer = of->node->transport.make_timer(executor);
    }
    {
      const wake_signal::waiter here(of->signal, *timer);
      co_await timer->wait_until(end);
    }
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(errc::cancelled);
    }
  }
  co_return result<void>();
}

asio::awaitable<result<event>> subscription::next(std::shared_ptr<state> of, duration timeout) {
  // While another call waits there is nothing to take. An event that is there after a wait is taken
  // before anything else runs.
  if (const std::optional<event_view> found = of->take()) co_return event(*found);
  const result<void> ready = co_await wait(of, timeout);
  if (!ready) co_return tl::unexpected<std::error_code>(ready.error());
  co_return event(of->take().value());
}

}  // namespace gossipmonger
