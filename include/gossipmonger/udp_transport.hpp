// Datagrams over a UDP socket, in batches: recvmmsg and sendmmsg where the system has them.
//
// One executor: every member is called on it, and the coroutines that await it are spawned on it.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/transport.hpp"

struct mmsghdr;  // of <sys/socket.h>

namespace gossipmonger {

/// Why the system refused to send a datagram.
enum class udp_send_error : std::uint8_t {
  no_buffers,           ///< ENOBUFS, ENOMEM: the queue of the interface is full
  connection_refused,   ///< ECONNREFUSED: nobody listens there
  message_size,         ///< EMSGSIZE: longer than the path or UDP can carry
  network_unreachable,  ///< ENETUNREACH, ENETDOWN
  host_unreachable,     ///< EHOSTUNREACH, EHOSTDOWN
  access_denied,        ///< EACCES: a broadcast address
  not_permitted,        ///< EPERM: a firewall on this machine
  address_family,       ///< EAFNOSUPPORT, and IPv6 destinations of an IPv4 socket
  invalid,              ///< EINVAL, EADDRNOTAVAIL: nobody can have that address
  other,
};

inline constexpr std::size_t udp_send_error_count = 10;

/// "no_buffers", …: the name of the counter.
[[nodiscard]] std::string_view to_string(udp_send_error error);

/// Counts of a transport since it was opened. A value.
struct udp_counters {
  udp_counters() = default;

  std::uint64_t received = 0;        ///< datagrams, the truncated ones too
  std::uint64_t received_bytes = 0;  ///< of these, as far as the buffer took them
  std::uint64_t truncated = 0;       ///< longer than the buffer given for them
  std::uint64_t receive_errors = 0;  ///< reported by the system instead of a datagram
  std::uint64_t kernel_drops = 0;    ///< buffer full, or a bad UDP checksum (Linux; else 0)
  std::uint64_t sent = 0;            ///< datagrams that the system took
  std::uint64_t sent_bytes = 0;      ///< of these
  std::array<std::uint64_t, udp_send_error_count> send_errors{};  ///< by udp_send_error
};

/// How to open the socket. A value.
struct udp_options {
  udp_options() = default;

  /// Asked of the kernel, which grants net.core.rmem_max at most. Its own default of 208 kB holds
  /// 92 datagrams of 1200 bytes, less than a large cluster sends at once. Costs memory only while
  /// datagrams wait.
  std::size_t receive_buffer_bytes = std::size_t{4} << 20;

  /// Whether a socket on an IPv6 address refuses IPv4. Off: listening on [::] takes both.
  bool v6_only = false;
};

/// The system calls that move datagrams, as a seam: a test derives from it to inject errors. Both
/// never block, and return a count or -1 with errno, as recvmmsg and sendmmsg do. A call of
/// `receive` sets msg_len to the length that was sent, even where the buffer is shorter. A
/// resource.
class udp_system_calls {
 public:
  udp_system_calls() = default;
  udp_system_calls(const udp_system_calls&) = delete;
  udp_system_calls& operator=(const udp_system_calls&) = delete;
  virtual ~udp_system_calls() = default;

  /// As recvmmsg, without waiting.
  [[nodiscard]] virtual int receive(int socket, std::span<mmsghdr> messages) = 0;
  /// As sendmmsg, without waiting.
  [[nodiscard]] virtual int send(int socket, std::span<mmsghdr> messages) = 0;

  /// The best of this system; lives as long as the program. Where a sandbox or an old kernel
  /// refuses the batch calls, it goes on with single ones.
  [[nodiscard]] static udp_system_calls& system();
  /// recvmsg and sendmsg in a loop, for systems without the batch calls.
  [[nodiscard]] static udp_system_calls& one_by_one();
};

/// A UDP socket as a transport. A resource. Its destructor is `close`: pending calls need it no
/// more. In a child after `fork` the destructor gives up the child's descriptor alone: the parent
/// goes on receiving.
///
/// A socket on a wildcard address learns of each datagram which address it was sent to, where the
/// system can tell. It sends from the address that `outbound::source` names, where the system can
/// choose.
///
/// Cancellation is level-triggered: a coroutine that was cancelled gets errc::cancelled from every
/// call until it resets its cancellation state. Which types get through is the coroutine's choice:
/// co_spawn lets only terminal ones in, unless `reset_cancellation_state` asks for more.
class udp_transport {
 public:
  /// The clock of the node's timers.
  using clock_type = std::chrono::steady_clock;

  /// A closed transport; `calls` outlives it.
  explicit udp_transport(asio::any_io_executor executor,
                         udp_system_calls& calls = udp_system_calls::system());
  udp_transport(const udp_transport&) = delete;
  udp_transport& operator=(const udp_transport&) = delete;
  ~udp_transport();

  /// Binds to `listen`. [::] takes IPv4 too and 0.0.0.0 only that; port 0 lets the system choose.
  /// Once per transport.
  ///   errors: the system's own (std::errc::address_in_use, …), and the transport can be opened
  ///           anew; errc::stopped after `close`; asio::error::already_open
  [[nodiscard]] result<void> open(endpoint listen, udp_options options = {});

  /// The executor that its calls resume on.
  [[nodiscard]] asio::any_io_executor get_executor() const;

  /// The address it is bound to, with the port that the system chose; stays after `close`.
  [[nodiscard]] endpoint local_endpoint() const;

  /// The bytes that the kernel granted, in the unit of udp_options::receive_buffer_bytes; 0 unless
  /// open.
  [[nodiscard]] std::size_t receive_buffer_bytes() const;

  /// Counts since `open`; they stay after `close`.
  [[nodiscard]] udp_counters counters() const;

  /// Waits for a datagram and takes what else is there; the contract is `transport`'s. It may
  /// complete without suspending, but suspends at least once in 256 datagrams, so that other work
  /// of the executor goes on while the socket never runs dry.
  ///   errors:  errc::stopped, also where it was never opened; errc::cancelled
  ///   expects: in.size() > 0; no other receive pending
  [[nodiscard]] asio::awaitable<result<std::size_t>> receive(std::span<inbound> in);

  /// Sends all of `out`, waiting while the socket's buffer is full. A datagram that the system
  /// refuses is counted by its reason and skipped.
  ///   errors:  errc::stopped, errc::cancelled; some of `out` may have been sent
  ///   expects: no other send pending
  [[nodiscard]] asio::awaitable<result<std::size_t>> send(std::span<const outbound> out);

  /// Closes the socket; pending calls and all later ones get errc::stopped. Idempotent.
  void close();

 private:
  struct state;
  static asio::awaitable<result<std::size_t>> receive(std::shared_ptr<state> of,
                                                      std::span<inbound> in);
  static asio::awaitable<result<std::size_t>> send(std::shared_ptr<state> of,
                                                   std::span<const outbound> out);

  std::shared_ptr<state> state_;
};

}  // namespace gossipmonger
