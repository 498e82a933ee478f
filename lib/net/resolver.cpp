#include "gossipmonger/resolver.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/config.hpp"
#include "net/service_records.hpp"
#include "net/socket_address.hpp"

namespace gossipmonger {
namespace {

/// A question to the system, about a host or a service, whose records give hosts and ports.
struct question {
  question() = default;

  std::string name;
  std::uint16_t port = 0;
  bool is_service = false;
};

tl::unexpected<std::error_code> fail(std::error_code error) {
  return tl::unexpected<std::error_code>(error);
}

std::error_code invalid_argument() { return std::make_error_code(std::errc::invalid_argument); }

/// A service, or what stands left and right of the last colon. An IPv6 address without brackets is
/// refused: its last group would be taken for a port.
std::optional<question> parse(std::string_view text) {
  question asked;
  if (const std::optional<std::string_view> service = service_of(text)) {
    constexpr std::string_view not_in_names(":[] \t\0", 6);
    if (service->empty() || service->find_first_of(not_in_names) != std::string_view::npos) {
      return std::nullopt;
    }
    asked.name = *service;
    asked.is_service = true;
    return asked;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size()) {
    return std::nullopt;
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) {
      return std::nullopt;
    }
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;
  }
  if (host == "*" || host.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  asked.name = host;
  asked.port = number;
  return asked;
}

/// The errors of the system's resolver, such as EAI_NONAME.
class lookup_error_category : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "getaddrinfo"; }
  [[nodiscard]] std::string message(int code) const override { return ::gai_strerror(code); }
};

std::error_code make_lookup_error(int code) {
  static const lookup_error_category category;
  if (code == EAI_SYSTEM) return std::error_code(errno, std::system_category());
  if (code == EAI_NONAME) return asio::error::host_not_found;
  return std::error_code(code, category);
}

/// Each once, in its order. Of more than a seed may have, some are drawn: those at the end of a
/// list must not be left out for ever.
std::vector<endpoint> without_surplus(const std::vector<endpoint>& all) {
  constexpr std::size_t addresses_max = 256;
  std::set<endpoint> seen;
  std::vector<endpoint> unique;
  for (const endpoint& one : all) {
    if (seen.insert(one).second) unique.push_back(one);
  }
  if (unique.size() <= addresses_max) return unique;
  std::random_device device;
  std::minstd_rand draws(device());
  std::vector<endpoint> drawn;
  std::sample(unique.begin(), unique.end(), std::back_inserter(drawn), addresses_max, draws);
  return drawn;
}

/// Asks the system; may take as long as its time-outs say.
result<std::vector<endpoint>> look_up_host(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &first);
  if (error != 0) return fail(make_lookup_error(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(first, &::freeaddrinfo);
  std::vector<endpoint> found;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    socket_address address;
    std::memcpy(address.data(), one->ai_addr, one->ai_addrlen);
    found.push_back(address.to_endpoint());
  }
  return found;
}

/// The addresses of all hosts that offer a service; of those that are not found, only the cause
/// where none is.
result<std::vector<endpoint>> look_up(const question& asked) {
  if (!asked.is_service) return look_up_host(asked.name, asked.port).map(&without_surplus);
  result<std::vector<service_target>> targets = look_up_service(asked.name);
  if (!targets) return fail(targets.error());
  // Hosts that do not answer take their time-outs one after the other. Each look-up begins with
  // another host, so that they hide none for ever.
  std::random_device device;
  const auto first =
      static_cast<std::ptrdiff_t>(device() % std::max<std::size_t>(1, targets->size()));
  std::rotate(targets->begin(), targets->begin() + first, targets->end());
  const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  std::vector<endpoint> found;
  std::error_code cause = asio::error::host_not_found;
  for (const service_target& target : *targets) {
    if (std::chrono::steady_clock::now() > enough) break;
    // Their names are whole (RFC 2782): the dot keeps the system from trying them in its domains.
    const std::string port = ":" + std::to_string(target.port);
    const bool is_numeric = endpoint::parse(target.host + port).has_value();
    const result<std::vector<endpoint>> of_one =
        look_up_host(is_numeric ? target.host : target.host + ".", target.port);
    if (!of_one) cause = of_one.error();
    if (of_one) found.insert(found.end(), of_one->begin(), of_one->end());
  }
  if (found.empty()) return fail(cause);
  return without_surplus(found);
}

using lookup_timer = asio::basic_waitable_timer<std::chrono::steady_clock>;

/// A lookup under way: shared by the waiting coroutine and the thread, for either may end first.
/// The executor is used under the lock, and not after the coroutine let go.
struct lookup {
  std::mutex mutex;
  lookup_timer* done = nullptr;  // never expires; cancelled when done; none: nobody waits any more
  bool is_done = false;
  result<std::vector<endpoint>> found;
};

/// The coroutine's side: lets go also where its frame is destroyed.
class awaited_lookup {
 public:
  awaited_lookup(std::shared_ptr<lookup> of, lookup_timer& done) : of_(std::move(of)) {
    of_->done = &done;
  }
  awaited_lookup(const awaited_lookup&) = delete;
  awaited_lookup& operator=(const awaited_lookup&) = delete;
  ~awaited_lookup() {
    const std::lock_guard lock(of_->mutex);
    of_->done = nullptr;
  }

  [[nodiscard]] bool is_done() const {
    const std::lock_guard lock(of_->mutex);
    return of_->is_done;
  }

 private:
  std::shared_ptr<lookup> of_;
};

std::atomic<std::size_t> lookups_running = 0;

/// The thread's side.
void run_lookup(const std::shared_ptr<lookup>& of, const question& asked) {
  result<std::vector<endpoint>> found;
  try {
    found = look_up(asked);
  } catch (const std::exception&) {  // no memory, or no source of random numbers
    found = fail(std::make_error_code(std::errc::not_enough_memory));
  }
  --lookups_running;
  const std::lock_guard lock(of->mutex);
  of->found = std::move(found);
  of->is_done = true;
  if (of->done == nullptr) return;
  // The coroutine that waits is on the executor, and may have gone when this runs.
  asio::post(of->done->get_executor(), [of] {
    const std::lock_guard waiting(of->mutex);
    if (of->done != nullptr) of->done->cancel();
  });
}

/// On a thread of its own: the system's lookup cannot be interrupted, and one that hangs must hold
/// up neither others nor the end of the program.
bool try_start(const std::shared_ptr<lookup>& of, const question& asked) {
  constexpr std::size_t lookups_max = 64;
  if (++lookups_running > lookups_max) {
    --lookups_running;
    return false;
  }
  try {
    std::thread([of, asked] { run_lookup(of, asked); }).detach();
  } catch (const std::exception&) {  // no thread, or no memory for one
    --lookups_running;
    return false;
  }
  return true;
}

}  // namespace

asio::awaitable<result<std::vector<endpoint>>> resolve(std::string seed) {
  const std::optional<endpoint> numeric = endpoint::parse(seed);
  if (numeric) {
    co_return std::vector<endpoint>(1, *numeric);
  }
  const std::optional<question> asked = parse(seed);
  if (!asked) {
    co_return fail(invalid_argument());
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto shared = std::make_shared<lookup>();
  lookup_timer done(executor, std::chrono::steady_clock::time_point::max());
  const awaited_lookup awaited(shared, done);
  if (!try_start(shared, *asked)) {
    co_return fail(std::make_error_code(std::errc::resource_unavailable_try_again));
  }
  for (;;) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return gossipmonger::fail(errc::cancelled);
    }
    if (awaited.is_done()) break;
    asio::error_code ignored;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return std::move(shared->found);
}

}  // namespace gossipmonger
