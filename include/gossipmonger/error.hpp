// The errors of operation, as std::error_code, and the one alias `result<T>` for them.
//
// Every function that may fail returns a result; nothing in the core throws. Values: copy freely.
#pragma once

#include <iosfwd>
#include <string>
#include <system_error>

#include <tl/expected.hpp>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

/// Why an operation failed. Each says what became of the state.
enum class errc {
  /// The key is empty, over 255 bytes, not UTF-8, or holds a control character. Nothing written.
  key_invalid = 1,
  /// The value exceeds value_bytes_max. Nothing written.
  value_too_large,
  /// The time to live is not above 0, or above 365 days. Nothing written.
  ttl_invalid,
  /// A stated capacity is full (keys, bytes, versions). Nothing written.
  capacity_reached,
  /// The node or the transport was stopped. Earlier changes stay applied.
  stopped,
  /// The node has left its cluster, which is final: it publishes no more. Nothing written; `run`
  /// goes on until `stop`.
  has_left,
  /// `run` runs already. That one goes on.
  already_running,
  /// Another coroutine waits on this subscription. That one goes on, and takes the next event.
  already_waiting,
  /// The deadline passed first. Gossip goes on; the condition may yet come true.
  timed_out,
  /// The awaiting coroutine was cancelled. State as for `timed_out`.
  cancelled,
  /// Self took a new generation while the caller waited for a version of the old one.
  lost_owner,
  /// No peer of that name is known. Nothing changed.
  unknown_peer,
  /// The name is this node's own, of which it cannot let go. Nothing changed.
  own_name,
  /// Another node lives under this node's name with a higher generation, and other peers hold that
  /// one. Nothing written; keys with a time to live stay; `leave` works.
  name_taken,
  /// The storage refused a write; it holds what it held before.
  storage_failed,
  /// The transport could not be opened or used; the message of the cause follows in the event.
  transport_failed,
  /// Keys that begin with "gossipmonger/" are the library's own. Nothing written.
  key_reserved,
};

/// The category of `errc`; its name is "gossipmonger".
[[nodiscard]] const std::error_category& error_category() noexcept;

/// Found by argument-dependent look-up, so that `errc` converts to std::error_code.
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// Its message, as `error_category` says it.
std::ostream& operator<<(std::ostream& to, errc code);

template <class T>
using result = tl::expected<T, std::error_code>;

/// A failed result of any type: `return fail(errc::stopped);`
[[nodiscard]] inline tl::unexpected<std::error_code> fail(errc code) {
  return tl::unexpected<std::error_code>(make_error_code(code));
}

}  // namespace gossipmonger

template <>
struct std::is_error_code_enum<gossipmonger::errc> : std::true_type {};
