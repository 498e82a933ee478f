#include "net/seed_watcher.hpp"

#include <algorithm>
#include <chrono>

#include <asio/this_coro.hpp>

#include "gossipmonger/resolver.hpp"

namespace gossipmonger {

std::vector<std::shared_ptr<watched_seed>> seed_watcher::follow(
    const std::vector<std::string>& seeds) {
  std::vector<std::shared_ptr<watched_seed>> before = std::exchange(watched_, {});
  std::vector<std::shared_ptr<watched_seed>> added;
  for (const std::string& seed : seeds) {
    const auto is_it = [&seed](const auto& one) { return one->seed == seed; };
    if (endpoint::parse(seed) || std::any_of(watched_.begin(), watched_.end(), is_it)) continue;
    const auto known = std::find_if(before.begin(), before.end(), is_it);
    if (known != before.end()) {
      watched_.push_back(*known);
      before.erase(known);
      continue;
    }
    added.push_back(std::make_shared<watched_seed>(seed));
    watched_.push_back(added.back());
  }
  for (const auto& one : before) end(*one);
  return added;
}

void seed_watcher::look_again() {
  for (const auto& one : watched_) one->pause.wake();
}

void seed_watcher::end() {
  for (const auto& one : std::exchange(watched_, {})) end(*one);
}

void seed_watcher::end(watched_seed& one) {
  one.is_wanted = false;
  one.cancel.emit(asio::cancellation_type::terminal);
}

std::vector<endpoint> seed_watcher::addresses(const std::string& seed) const {
  if (const std::optional<endpoint> numeric = endpoint::parse(seed)) {
    return std::vector<endpoint>(1, *numeric);
  }
  for (const auto& one : watched_) {
    if (one->seed == seed) return one->found;
  }
  return {};
}

std::vector<endpoint> seed_watcher::addresses(const std::vector<std::string>& seeds) const {
  std::vector<endpoint> found;
  for (const std::string& seed : seeds) {
    const std::vector<endpoint> of_one = addresses(seed);
    found.insert(found.end(), of_one.begin(), of_one.end());
  }
  return found;
}

asio::awaitable<void> seed_watcher::look_up(std::shared_ptr<node_state> of,
                                            std::shared_ptr<watched_seed> one,
                                            std::function<void()> on_found) {
  co_await asio::this_coro::throw_if_cancelled(false);
  constexpr std::chrono::milliseconds backoff_min{1000};
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::unique_ptr<node_timer> timer = of->transport.make_timer(executor);
  std::chrono::milliseconds backoff = backoff_min;
  bool is_reported = false;
  while (!of->is_stopped && one->is_wanted) {
    const result<std::vector<endpoint>> found = co_await resolve(one->seed);
    if (of->is_stopped || !one->is_wanted) co_return;
    const std::chrono::milliseconds interval = of->core->settings().resolve_interval;
    if (found) {
      one->found = *found;
      on_found();
    } else if (!is_reported) {
      of->core->report("seed " + one->seed + ": " + found.error().message());
      of->notify();
    }
    is_reported = !found;
    // While nobody is live the answer may be of no use: other addresses may be found there soon.
    const bool is_good = found && of->core->live_peers() > 0;
    const std::chrono::milliseconds wait = is_good ? interval : backoff;
    backoff = is_good ? backoff_min : std::min(2 * backoff, interval);
    const wake_signal::waiter here(one->pause, *timer);
    co_await timer->wait_until(of->after(wait));
  }
}

}  // namespace gossipmonger
