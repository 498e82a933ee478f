#include "gossipmonger/net/subscription.hpp"

#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/net/node_state.hpp"

namespace gossipmonger {

wakeable::wakeable(node_state& of) : of_(of.weak_from_this()) { of.waiting.push_back(this); }

wakeable::~wakeable() {
  if (const std::shared_ptr<node_state> of = of_.lock()) std::erase(of->waiting, this);
}

/// The timer never expires; cancelling it is how a waiting coroutine is woken.
struct subscription::state final : wakeable {
  explicit state(std::shared_ptr<node_state> of) : wakeable(*of), node(std::move(of)) {}

  void wake() override {
    if (signal && node->core->last_change() > cursor.sequence) signal->cancel();
    if (signal && node->is_stopped) signal->cancel();
  }

  [[nodiscard]] std::uint64_t position() const override {
    // A reader that has not begun will begin with a snapshot.
    return cursor.has_begun ? cursor.sequence : std::numeric_limits<std::uint64_t>::max();
  }

  std::optional<event_view> take() { return node->core->poll_event(cursor); }

  /// Leaves the cursor in front of what it finds, behind what the filter leaves out.
  bool has_event() {
    change_cursor ahead = cursor;
    const bool is_found = node->core->poll_event(ahead).has_value();
    if (!is_found) cursor = std::move(ahead);
    return is_found;
  }

  std::shared_ptr<node_state> node;
  change_cursor cursor;
  asio::steady_timer* signal = nullptr;  // of the pending wait
};

/// Known to the state as long as it is waited on, also if the coroutine is destroyed while waiting.
struct subscription::pending_signal {
  pending_signal(state& of, asio::steady_timer& signal) : of_(of) { of_.signal = &signal; }
  pending_signal(const pending_signal&) = delete;
  pending_signal& operator=(const pending_signal&) = delete;
  ~pending_signal() { of_.signal = nullptr; }

  state& of_;
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

asio::awaitable<result<event_view>> subscription::next_view(duration timeout) {
  return next_view(state_, timeout);
}

asio::awaitable<result<void>> subscription::wait(std::shared_ptr<state> of, duration timeout) {
  if (of->signal != nullptr) co_return fail(errc::capacity_reached);
  bool is_due = timeout <= duration::zero();
  std::shared_ptr<void> deadline;
  for (;;) {
    // Also before the first wait: a coroutine may have been cancelled long ago, and go on.
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(errc::cancelled);
    }
    if (of->has_event()) co_return result<void>();
    if (of->node->is_stopped) co_return fail(errc::stopped);
    if (is_due) co_return fail(errc::timed_out);

    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    if (!deadline && timeout != duration::max()) {
      auto on_due = [&of, &is_due] {
        is_due = true;
        if (of->signal != nullptr) of->signal->cancel();
      };
      deadline = of->node->call_after(executor, timeout, std::move(on_due));
    }
    asio::steady_timer signal(executor, asio::steady_timer::time_point::max());
    std::error_code woken;
    const pending_signal pending(*of, signal);
    co_await signal.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

asio::awaitable<result<event_view>> subscription::next_view(std::shared_ptr<state> of,
                                                            duration timeout) {
  // While another call waits there is nothing to take. An event that there is after a wait is taken
  // before anything else runs.
  if (const std::optional<event_view> found = of->take()) co_return *found;
  const result<void> ready = co_await wait(of, timeout);
  if (!ready) co_return tl::unexpected<std::error_code>(ready.error());
  co_return of->take().value();
}

asio::awaitable<result<event>> subscription::next(std::shared_ptr<state> of, duration timeout) {
  if (const std::optional<event_view> found = of->take()) co_return event(*found);
  const result<void> ready = co_await wait(of, timeout);
  if (!ready) co_return tl::unexpected<std::error_code>(ready.error());
  co_return event(of->take().value());
}

}  // namespace gossipmonger
