#include "gossipmonger/net/resolver.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "socket_address.hpp"

namespace gossipmonger {
namespace {

/// Any port does for asking the routes; 9 discards (RFC 863).
constexpr std::uint16_t port_of_no_service = 9;

struct host_and_port {
  host_and_port() = default;

  std::string host;
  std::string port;
};

tl::unexpected<std::error_code> fail(std::error_code error) {
  return tl::unexpected<std::error_code>(error);
}

std::error_code invalid_argument() { return std::make_error_code(std::errc::invalid_argument); }

/// What stands left and right of the last colon. An IPv6 address without brackets is refused: its
/// last group would be taken for a port.
std::optional<host_and_port> split(std::string_view text) {
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
  if (host.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  host_and_port parts;
  parts.host = host;
  parts.port = std::to_string(number);
  return parts;
}

endpoint from_asio(const asio::ip::udp::endpoint& found) {
  socket_address address;
  std::copy_n(reinterpret_cast<const std::byte*>(found.data()), found.size(),
              reinterpret_cast<std::byte*>(address.data()));
  return address.to_endpoint();
}

/// A lookup under way: shared by the waiting coroutine and the handler, for either may end first.
struct lookup {
  explicit lookup(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}

  asio::ip::udp::resolver resolver;
  asio::basic_waitable_timer<std::chrono::steady_clock> done;  // never expires; cancelled when done
  bool is_done = false;
  std::error_code error;
  std::vector<endpoint> found;
};

void start(const std::shared_ptr<lookup>& shared, const host_and_port& where) {
  shared->done.expires_at(std::chrono::steady_clock::time_point::max());
  shared->resolver.async_resolve(where.host, where.port, asio::ip::resolver_base::numeric_service,
                                 [shared](const asio::error_code& error,
                                          const asio::ip::udp::resolver::results_type& results) {
                                   shared->error = error;
                                   for (const auto& entry : results) {
                                     const endpoint address = from_asio(entry.endpoint());
                                     if (std::find(shared->found.begin(), shared->found.end(),
                                                   address) == shared->found.end()) {
                                       shared->found.push_back(address);
                                     }
                                   }
                                   shared->is_done = true;
                                   shared->done.cancel();
                                 });
}

}  // namespace

asio::awaitable<result<std::vector<endpoint>>> resolve(std::string host_port) {
  const std::optional<endpoint> numeric = endpoint::parse(host_port);
  if (numeric) {
    co_return std::vector<endpoint>(1, *numeric);
  }
  const std::optional<host_and_port> parts = split(host_port);
  if (!parts) {
    co_return fail(invalid_argument());
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto shared = std::make_shared<lookup>(executor);
  start(shared, *parts);
  for (;;) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      shared->resolver.cancel();
      co_return gossipmonger::fail(errc::cancelled);
    }
    if (shared->is_done) {
      break;
    }
    asio::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await shared->done.async_wait(token);
  }
  if (shared->error) {
    co_return fail(shared->error);
  }
  co_return std::move(shared->found);
}

result<endpoint> route_source(const endpoint& towards) {
  if (towards.is_wildcard()) {
    return fail(invalid_argument());
  }
  endpoint target = towards;
  if (target.port == 0) {
    target.port = port_of_no_service;
  }
  socket_address address;
  const int family = family_of(target);
  const int socket = ::socket(family, SOCK_DGRAM, 0);
  if (socket < 0 || !address.assign(target, family)) {
    return fail(std::error_code(errno, std::system_category()));
  }
  socklen_t size = socket_address::capacity;
  const bool is_known = ::connect(socket, address.data(), address.size()) == 0 &&
                        ::getsockname(socket, address.data(), &size) == 0;
  const int error = errno;
  ::close(socket);
  if (!is_known) {
    return fail(std::error_code(error, std::system_category()));
  }
  endpoint source = address.to_endpoint();
  source.port = 0;
  return source;
}

}  // namespace gossipmonger
