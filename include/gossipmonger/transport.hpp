// The contract between a node and whatever carries its datagrams.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"

namespace gossipmonger {

/// Room for one received datagram. The transport sets everything but `buffer`.
struct inbound {
  inbound() = default;

  std::span<std::byte> buffer;  ///< 8-byte aligned, given by the caller
  std::size_t size = 0;         ///< bytes received; size > buffer.size(): it was cut, drop it
  endpoint source;              ///< the sender's address
  endpoint local;               ///< the address it was sent to; a wildcard: not known
  std::uint32_t interface = 0;  ///< index of the interface that it came on; 0: not known
};

/// One datagram to send; the bytes must stay until the `send` has completed.
struct outbound {
  outbound() = default;

  std::span<const std::byte> bytes;  ///< the whole datagram
  endpoint destination;              ///< a routable address
  endpoint source;  ///< the local address to leave from; a wildcard: the transport's choice
};

/// A transport sends and receives datagrams in batches. It MUST
///   - `receive`: wait for one datagram, then take what else is there, up to the span's size;
///     return how many (>= 1), or errc::stopped after `close`. No other error ends it; errors of
///     single datagrams are counted and skipped;
///   - `send`: hand on all, in order, and return how many were taken; wait for room. One that the
///     network refuses counts as taken (UDP loses datagrams anyway) and is counted; errc::stopped
///     after `close`. A count below that of the datagrams means that the rest is lost. The node
///     offers none of them again, and sends their content anew as after any loss. So a transport
///     that cannot wait may drop, but it costs time;
///   - where it receives at several addresses, say in `local` which one a datagram was sent to.
///     Then it MUST send from the address in `source`, too. An answer verifies the address that was
///     asked only if it leaves from there. The port of `source` is not read. A
///     `source` that is none of its addresses, or not of `destination`'s family, counts as none;
///   - resume the caller on `get_executor()`, and obey its cancellation (any type). The awaiting
///     coroutine gets errc::cancelled, and no received datagram that was not reported is lost from
///     the batch being returned;
///   - `close()`: idempotent; wakes every pending call with errc::stopped.
/// `local_endpoint()` has a port as soon as it is open, and 0 before. A transport whose calls end
/// with an error that its node did not ask for ends the node's `run`.
/// At most one `receive` and one `send` are pending at a time. The transport outlives them.
/// `clock_type` is the clock that the node's timers run on; its `now()` is its time.
template <class T>
concept transport = requires(T t, const T c, std::span<inbound> in, std::span<const outbound> out) {
  typename T::clock_type;
  { T::clock_type::now() } -> std::same_as<typename T::clock_type::time_point>;
  { t.get_executor() } -> std::convertible_to<asio::any_io_executor>;
  { c.local_endpoint() } -> std::same_as<endpoint>;
  { t.receive(in) } -> std::same_as<asio::awaitable<result<std::size_t>>>;
  { t.send(out) } -> std::same_as<asio::awaitable<result<std::size_t>>>;
  { t.close() } -> std::same_as<void>;
};

}  // namespace gossipmonger
