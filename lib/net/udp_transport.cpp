#include "gossipmonger/udp_transport.hpp"

#include <sys/socket.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/sock_diag.h>
#endif

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <asio/basic_waitable_timer.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "net/fragments.hpp"
#include "net/owned_socket.hpp"
#include "net/socket_address.hpp"
#include "net/udp_batch.hpp"

namespace gossipmonger {
namespace {

/// After so many datagrams without suspending, `receive` lets other work run.
constexpr std::size_t datagrams_between_waits = 256;

/// Where the socket reports nothing but errors, looking again takes no whole core.
constexpr std::chrono::milliseconds pause_after_errors{1};

std::error_code last_error() { return std::error_code(errno, std::system_category()); }

/// Arrays for one batch call; the addresses inside are set once.
struct batch {
  batch() {
    for (std::size_t i = 0; i < batch_datagrams; ++i) {
      messages[i].msg_hdr.msg_iov = &buffers[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = addresses[i].data();
    }
  }
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;

  std::array<mmsghdr, batch_datagrams> messages{};
  std::array<iovec, batch_datagrams> buffers{};
  std::array<socket_address, batch_datagrams> addresses{};
  std::array<local_address_message, batch_datagrams> locals{};
};

udp_send_error kind_of(int error) {
  switch (error) {
    case ENOBUFS:
    case ENOMEM:
      return udp_send_error::no_buffers;
    case ECONNREFUSED:
      return udp_send_error::connection_refused;
    case EMSGSIZE:
      return udp_send_error::message_size;
    case ENETUNREACH:
    case ENETDOWN:
      return udp_send_error::network_unreachable;
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return udp_send_error::host_unreachable;
    case EACCES:
      return udp_send_error::access_denied;
    case EPERM:
      return udp_send_error::not_permitted;
    case EAFNOSUPPORT:
      return udp_send_error::address_family;
    case EINVAL:
    case EADDRNOTAVAIL:
      return udp_send_error::invalid;
    default:
      return udp_send_error::other;
  }
}

/// Whether the system may have refused the local address that the control message names.
bool is_source_refused(int error, const msghdr& header) {
  // Linux says ENETUNREACH of one that is not the host's with IPv4, and EINVAL with IPv6.
  return header.msg_controllen > 0 &&
         (error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH);
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

/// Datagrams that the kernel dropped for this socket, where it tells.
std::uint64_t kernel_drops_of([[maybe_unused]] int socket) {
#if defined(__linux__)
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof(memory);
  if (::getsockopt(socket, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) == 0) {
    return memory[SK_MEMINFO_DROPS];
  }
#endif
  return 0;
}

/// Options that must be set before the socket is bound.
bool try_configure(int socket, int family, const udp_options& options) {
  // A buffer that the kernel cuts is no error: receive_buffer_bytes() tells.
  const int asked = static_cast<int>(std::min<std::size_t>(options.receive_buffer_bytes, INT_MAX));
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &asked, sizeof(asked));
  forbid_fragments(socket);
  if (family != AF_INET6) {
    return true;
  }
  const int only = options.v6_only ? 1 : 0;
  return ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) == 0;
}

}  // namespace

std::string_view to_string(udp_send_error error) {
  switch (error) {
    case udp_send_error::no_buffers:
      return "no_buffers";
    case udp_send_error::connection_refused:
      return "connection_refused";
    case udp_send_error::message_size:
      return "message_size";
    case udp_send_error::network_unreachable:
      return "network_unreachable";
    case udp_send_error::host_unreachable:
      return "host_unreachable";
    case udp_send_error::access_denied:
      return "access_denied";
    case udp_send_error::not_permitted:
      return "not_permitted";
    case udp_send_error::address_family:
      return "address_family";
    case udp_send_error::invalid:
      return "invalid";
    case udp_send_error::other:
      break;
  }
  return "other";
}

struct udp_transport::state {
  state(const asio::any_io_executor& executor, udp_system_calls& system_calls)
      : descriptor(executor), pause(executor), calls(system_calls) {}

  enum class phase { unopened, open, closed };

  /// Takes what the socket holds; 0 where it holds nothing, or reported an error.
  std::size_t drain(std::span<inbound> in);
  std::size_t drain_batch(std::span<inbound> in);
  /// Sends `out` from `taken` on; false where the socket's buffer is full.
  bool try_send(std::span<const outbound> out, std::size_t& taken);
  /// How many from the front of `out` have a form in this socket's family, up to a batch. The
  /// first one leaves from where the system chooses if `is_any_source`.
  std::size_t prepare(std::span<const outbound> out, bool is_any_source);
  void count_refused(udp_send_error error) {
    ++counters.send_errors[static_cast<std::size_t>(error)];
  }

  asio::posix::stream_descriptor descriptor;
  asio::basic_waitable_timer<clock_type> pause;
  udp_system_calls& calls;
  phase now = phase::unopened;
  pid_t owner = 0;  // the process that opened it
  int family = AF_INET6;
  endpoint local;
  bool has_any_local = false;  // it is bound to a wildcard: each datagram has its own local address
  udp_counters counters;

  bool is_dry = false;  ///< the last look took the last datagram
  std::size_t datagrams_since_wait = 0;
  std::size_t errors_in_a_row = 0;
  batch receiving;
  batch sending;
};

std::size_t udp_transport::state::drain_batch(std::span<inbound> in) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    receiving.buffers[i].iov_base = in[i].buffer.data();
    receiving.buffers[i].iov_len = in[i].buffer.size();
    receiving.messages[i].msg_hdr.msg_namelen = socket_address::capacity;
    if (has_any_local) receiving.locals[i].prepare(receiving.messages[i].msg_hdr);
  }
  const int got = calls.receive(descriptor.native_handle(),
                                std::span<mmsghdr>(receiving.messages).first(in.size()));
  if (got <= 0) {
    is_dry = got == 0 || would_block(errno);
    if (is_dry) {
      errors_in_a_row = 0;
    } else if (errno != EINTR) {
      ++counters.receive_errors;
      ++errors_in_a_row;
    }
    return 0;
  }
  const std::size_t count = static_cast<std::size_t>(got);
  for (std::size_t i = 0; i < count; ++i) {
    in[i].size = receiving.messages[i].msg_len;
    in[i].source = receiving.addresses[i].to_endpoint();
    in[i].local = local;
    in[i].interface = in[i].source.scope;
    if (has_any_local &&
        local_address_message::read(receiving.messages[i].msg_hdr, in[i].local, in[i].interface)) {
      in[i].local.port = local.port;
    }
    counters.received_bytes += in[i].size;
    counters.truncated += in[i].size > in[i].buffer.size() ? 1U : 0U;
  }
  counters.received += count;
  is_dry = count < in.size();
  errors_in_a_row = 0;
  return count;
}

std::size_t udp_transport::state::drain(std::span<inbound> in) {
  std::size_t count = 0;
  do {
    const std::size_t wanted = std::min(in.size() - count, batch_datagrams);
    const std::size_t got = drain_batch(in.subspan(count, wanted));
    count += got;
    if (got < wanted) {
      break;
    }
  } while (count < in.size());
  datagrams_since_wait += count;
  return count;
}

std::size_t udp_transport::state::prepare(std::span<const outbound> out, bool is_any_source) {
  const std::size_t most = std::min(out.size(), batch_datagrams);
  for (std::size_t i = 0; i < most; ++i) {
    if (!sending.addresses[i].assign(out[i].destination, family)) {
      return i;
    }
    msghdr& header = sending.messages[i].msg_hdr;
    header.msg_namelen = sending.addresses[i].size();
    if (has_any_local) {
      const bool is_free = is_any_source && i == 0;
      sending.locals[i].write(header, is_free ? endpoint() : out[i].source, out[i].destination,
                              family);
    }
    // The calls take no pointer to const, and do not write through it.
    sending.buffers[i].iov_base = const_cast<std::byte*>(out[i].bytes.data());
    sending.buffers[i].iov_len = out[i].bytes.size();
  }
  return most;
}

bool udp_transport::state::try_send(std::span<const outbound> out, std::size_t& taken) {
  std::size_t freed = out.size();  // the one whose source is no address of this host any more
  while (taken < out.size()) {
    const std::size_t ready = prepare(out.subspan(taken), freed == taken);
    if (ready == 0) {
      count_refused(udp_send_error::address_family);
      ++taken;
      continue;
    }
    const int went =
        calls.send(descriptor.native_handle(), std::span<mmsghdr>(sending.messages).first(ready));
    if (went > 0) {
      for (int i = 0; i < went; ++i) {
        counters.sent_bytes += out[taken++].bytes.size();
      }
      counters.sent += static_cast<std::uint64_t>(went);
    } else if (would_block(errno)) {
      return false;
    } else if (is_source_refused(errno, sending.messages[0].msg_hdr)) {
      freed = taken;
    } else if (errno != EINTR) {
      count_refused(kind_of(errno));
      ++taken;
    }
  }
  return true;
}

udp_transport::udp_transport(asio::any_io_executor executor, udp_system_calls& calls)
    : state_(std::make_shared<state>(std::move(executor), calls)) {}

udp_transport::~udp_transport() { close(); }

result<void> udp_transport::open(endpoint listen, udp_options options) {
  state& self = *state_;
  if (self.now == state::phase::closed) {
    return fail(errc::stopped);
  }
  if (self.now == state::phase::open) {
    return tl::unexpected<std::error_code>(asio::error::already_open);
  }
  self.family = family_of(listen);
  owned_socket socket(self.family);
  socket_address address;
  if (socket.descriptor() < 0 || !try_configure(socket.descriptor(), self.family, options) ||
      !address.assign(listen, self.family) ||
      ::bind(socket.descriptor(), address.data(), address.size()) != 0) {
    return tl::unexpected<std::error_code>(last_error());
  }
  socklen_t size = socket_address::capacity;
  if (::getsockname(socket.descriptor(), address.data(), &size) != 0) {
    return tl::unexpected<std::error_code>(last_error());
  }
  asio::error_code error;
  self.descriptor.assign(socket.descriptor(), error);
  if (error) {
    return tl::unexpected<std::error_code>(error);
  }
  socket.release();
  self.local = address.to_endpoint();
  self.has_any_local = self.local.is_wildcard();
  if (self.has_any_local) {
    local_address_message::request(self.descriptor.native_handle(), self.family);
  }
  self.owner = ::getpid();
  self.now = state::phase::open;
  return {};
}

asio::any_io_executor udp_transport::get_executor() const {
  return state_->descriptor.get_executor();
}

endpoint udp_transport::local_endpoint() const { return state_->local; }

std::size_t udp_transport::receive_buffer_bytes() const {
  int granted = 0;
  socklen_t size = sizeof(granted);
  if (state_->now != state::phase::open ||
      ::getsockopt(state_->descriptor.native_handle(), SOL_SOCKET, SO_RCVBUF, &granted, &size) !=
          0) {
    return 0;
  }
#if defined(__linux__)
  granted /= 2;  // Linux doubles what it is asked for, as room for its own bookkeeping
#endif
  return static_cast<std::size_t>(granted);
}

udp_counters udp_transport::counters() const {
  udp_counters all = state_->counters;
  if (state_->now == state::phase::open) {
    all.kernel_drops = kernel_drops_of(state_->descriptor.native_handle());
  }
  return all;
}

asio::awaitable<result<std::size_t>> udp_transport::receive(std::span<inbound> in) {
  return receive(state_, in);
}

asio::awaitable<result<std::size_t>> udp_transport::send(std::span<const outbound> out) {
  return send(state_, out);
}

asio::awaitable<result<std::size_t>> udp_transport::receive(std::shared_ptr<state> of,
                                                            std::span<inbound> in) {
  assert(!in.empty());
  state& self = *of;
  for (;;) {
    if (self.now != state::phase::open) {
      co_return fail(errc::stopped);
    }
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(errc::cancelled);
    }
    // A socket that had more than the last call could take needs no wait, which saves half of the
    // system calls. A socket that the last call emptied needs no look: that would save nothing and
    // fail.
    if (!self.is_dry && self.datagrams_since_wait < datagrams_between_waits) {
      const std::size_t count = self.drain(in);
      if (count > 0) {
        co_return count;
      }
    }
    asio::error_code ignored;  // closed and cancelled are read above, and then the socket itself
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    if (self.errors_in_a_row > 1) {
      self.pause.expires_after(pause_after_errors);
      co_await self.pause.async_wait(token);
    } else {
      co_await self.descriptor.async_wait(asio::posix::descriptor_base::wait_read, token);
    }
    self.is_dry = false;
    self.datagrams_since_wait = 0;
  }
}

asio::awaitable<result<std::size_t>> udp_transport::send(std::shared_ptr<state> of,
                                                         std::span<const outbound> out) {
  state& self = *of;
  std::size_t taken = 0;
  for (;;) {
    if (self.now != state::phase::open) {
      co_return fail(errc::stopped);
    }
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(errc::cancelled);
    }
    if (self.try_send(out, taken)) {
      co_return taken;
    }
    asio::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await self.descriptor.async_wait(asio::posix::descriptor_base::wait_write, token);
  }
}

void udp_transport::close() {
  state& self = *state_;
  if (self.now == state::phase::open) {
    self.counters.kernel_drops = kernel_drops_of(self.descriptor.native_handle());
    // A child after `fork` shares the parent's epoll set, from which Asio would take the socket:
    // the parent would never be woken again. A descriptor that is closed first is left alone there.
    if (self.owner != ::getpid()) ::close(self.descriptor.native_handle());
    asio::error_code ignored;
    self.descriptor.close(ignored);
    self.pause.cancel();
  }
  self.now = state::phase::closed;
}

}  // namespace gossipmonger
