#include "gossipmonger/net/subscription.hpp"

#include <limits>
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
    // Who has not begun will begin with a snapshot.
    return cursor.has_begun ? cursor.sequence : std::numeric_limits<std::uint64_t>::max();
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
}

subscription::subscription(subscription&&) noexcept = default;
subscription& subscription::operator=(subscription&&) noexcept = default;
subscription::~subscription() = default;

std::optional<event_view> subscription::try_next_view() {
  return state_->node->core->poll_event(state_->cursor);
}

asio::awaitable<result<event_view>> subscription::wait(std::shared_ptr<state> of) {
  if (of->signal != nullptr) co_return fail(errc::capacity_reached);
  for (;;) {
    // Also before the first wait: a coroutine may have been cancelled long ago, and go on.
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(errc::cancelled);
    }
    if (const std::optional<event_view> found = of->node->core->poll_event(of->cursor)) {
      co_return *found;
    }
    if (of->node->is_stopped) co_return fail(errc::stopped);

    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::steady_timer signal(executor, asio::steady_timer::time_point::max());
    std::error_code woken;
    const pending_signal pending(*of, signal);
    co_await signal.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

asio::awaitable<result<event_view>> subscription::next_view() {
  if (std::optional<event_view> found = try_next_view()) co_return *found;
  const std::shared_ptr<state> of = state_;
  result<event_view> found = co_await wait(of);
  co_return found;
}

asio::awaitable<result<event>> subscription::next() {
  if (std::optional<event_view> found = try_next_view()) co_return event(*found);
  const std::shared_ptr<state> of = state_;
  const result<event_view> found = co_await wait(of);
  if (!found) co_return tl::unexpected<std::error_code>(found.error());
  co_return event(*found);
}

trace_stream::trace_stream(std::shared_ptr<node_state> of) : state_(std::move(of)) {
  state_->core->enable_trace(true);
}

trace_stream::trace_stream(trace_stream&&) noexcept = default;
trace_stream& trace_stream::operator=(trace_stream&&) noexcept = default;

trace_stream::~trace_stream() {
  if (state_) state_->core->enable_trace(false);
}

std::optional<trace_event> trace_stream::try_next() { return state_->core->poll_trace(); }

}  // namespace gossipmonger
