// The conditions that users await: each looks at the protocol whenever the node has changed.
#include <algorithm>
#include <utility>

#include <asio/this_coro.hpp>

#include "net/node_driver.hpp"

namespace gossipmonger {
namespace {

/// A pending condition. Its timer runs to the deadline; a change of the node wakes it to look
/// again.
struct pending_condition final : wakeable {
  pending_condition(node_state& of, node_timer& waits_on) : wakeable(of), here(signal, waits_on) {}

  void wake() override { signal.wake(); }
  [[nodiscard]] std::uint64_t position() const override { return ~std::uint64_t{0}; }

  wake_signal signal;
  wake_signal::waiter here;
};

std::chrono::nanoseconds never() { return std::chrono::nanoseconds::max(); }

}  // namespace

/// While it lives, rounds choose first among peers that are not known to hold `version`.
class node_driver::preference {
 public:
  preference(node_driver& of, std::uint64_t version) : of_(of), version_(version) {
    of_.preferred_.push_back(version_);
    update();
  }
  preference(const preference&) = delete;
  preference& operator=(const preference&) = delete;
  ~preference() {
    of_.preferred_.erase(std::find(of_.preferred_.begin(), of_.preferred_.end(), version_));
    update();
  }

 private:
  void update() {
    const auto highest = std::max_element(of_.preferred_.begin(), of_.preferred_.end());
    of_.core->prefer_lacking(highest == of_.preferred_.end() ? 0 : *highest);
  }

  node_driver& of_;
  std::uint64_t version_;
};

template <class IsDone, class NextLook>
asio::awaitable<std::error_code> node_driver::wait_until(std::shared_ptr<node_driver> of,
                                                         IsDone is_done, duration timeout,
                                                         NextLook next_look) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::unique_ptr<node_timer> timer = of->transport.make_timer(executor);
  const pending_condition pending(*of, *timer);
  const duration end = of->after(timeout);
  for (;;) {
    if (of->is_stopped) co_return make_error_code(errc::stopped);
    if (is_done()) co_return std::error_code();
    // Also before the first wait: a coroutine may have been cancelled long ago, and go on.
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return make_error_code(errc::cancelled);
    }
    if (of->now().steady >= end) co_return make_error_code(errc::timed_out);
    const duration look = std::min<duration>(end, next_look());
    co_await timer->wait_until(look);
  }
}

asio::awaitable<result<replication>> node_driver::replicated(std::shared_ptr<node_driver> of,
                                                             std::uint64_t version,
                                                             replication_policy policy,
                                                             duration timeout) {
  const std::uint64_t run = of->core->generation();
  const preference preferred(*of, version);
  auto is_done = [of, version, policy, run] {
    const protocol& node = of->core.see();
    if (node.generation() != run) return true;
    const replication reached = node.replicated(version);
    if (policy.copies > 0) return reached.holding >= policy.copies;
    return reached.live > 0 && reached.live_holding == reached.live;
  };
  const std::error_code error = co_await wait_until(of, std::move(is_done), timeout, &never);
  if (of->core->generation() != run) co_return fail(errc::lost_owner);
  if (error) co_return tl::unexpected<std::error_code>(error);
  co_return of->core->replicated(version);
}

asio::awaitable<result<std::string>> node_driver::wait_for(
    std::shared_ptr<node_driver> of, std::string peer, std::string key,
    std::function<bool(std::string_view)> is_wanted, duration timeout) {
  auto is_done = [&of, &peer, &key, &is_wanted] {
    const std::optional<entry_view> entry = of->core->get(peer, key);
    return entry && (!is_wanted || is_wanted(entry->value));
  };
  const std::error_code error = co_await wait_until(of, std::move(is_done), timeout, &never);
  if (error) co_return tl::unexpected<std::error_code>(error);
  co_return std::string(of->core->get(peer, key)->value);
}

asio::awaitable<result<std::size_t>> node_driver::wait_live(std::shared_ptr<node_driver> of,
                                                            std::size_t count, duration timeout) {
  auto is_done = [of, count] { return of->core->live_peers() >= count; };
  const std::error_code error = co_await wait_until(of, std::move(is_done), timeout, &never);
  if (error) co_return tl::unexpected<std::error_code>(error);
  co_return of->core->live_peers();
}

asio::awaitable<result<void>> node_driver::writable(std::shared_ptr<node_driver> of,
                                                    duration timeout) {
  auto is_done = [of] { return of->core->is_writable(of->now()); };
  auto next_look = [of] { return of->core->writable_at(); };
  const std::error_code error =
      co_await wait_until(of, std::move(is_done), timeout, std::move(next_look));
  if (error) co_return tl::unexpected<std::error_code>(error);
  co_return result<void>();
}

asio::awaitable<result<leave_result>> node_driver::leave(std::shared_ptr<node_driver> of,
                                                         duration timeout) {
  if (of->is_stopped) co_return fail(errc::stopped);
  of->core->leave(of->now());
  of->wake_timer();
  auto is_done = [of] {
    const replication reached = of->core->replicated(0, true);
    return reached.live_holding == reached.live;
  };
  const std::error_code error = co_await wait_until(of, std::move(is_done), timeout, &never);
  if (error && error != errc::timed_out) co_return tl::unexpected<std::error_code>(error);
  const replication reached = of->core->replicated(0, true);
  leave_result left;
  left.acknowledged = reached.live_holding;
  left.live = reached.live;
  co_return left;
}

}  // namespace gossipmonger
