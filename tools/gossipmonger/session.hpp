// One run of a node on a terminal or under a script: prints its events, obeys its commands, and
// leaves the cluster in the end.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include "command.hpp"
#include "format.hpp"
#include "gossipmonger/node.hpp"
#include "key_ages.hpp"
#include "line_reader.hpp"
#include "line_writer.hpp"

namespace gossipmonger {

/// A resource; everything it is given outlives it, and it outlives the run of the io_context.
class session {
 public:
  /// `keyring`: the file of the node's keys; empty: it has none.
  session(node& of, const format& speech, line_reader& input, line_writer& output,
          std::string keyring);
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// Seals the node with `ring`, and starts all of it on the node's executor, whose work ends after
  /// `end`, a signal, `quit` or `lifetime`. The node then leaves, as far as that can be done within
  /// a bounded time.
  ///   throws: out of the io_context's run, what the transport threw
  void start(std::optional<std::chrono::milliseconds> lifetime, std::optional<keyring> ring);

  /// Begins the end; the second time, ends without waiting for the cluster to hear of it.
  void end();

 private:
  asio::awaitable<void> live(std::optional<std::chrono::milliseconds> lifetime);
  asio::awaitable<void> gossip();
  asio::awaitable<void> print_events(subscription events);
  /// Notes when each value came.
  asio::awaitable<void> follow_ages(subscription events);
  /// One line a second and reason, at most.
  asio::awaitable<void> print_drops();
  asio::awaitable<void> obey_commands();
  asio::awaitable<std::string> answer(input_line line);
  asio::awaitable<std::string> leave(command_kind kind);
  asio::awaitable<std::string> join(std::string address);
  /// Of `wait-live`, `wait` and `writable`.
  asio::awaitable<std::string> wait(command asked);
  /// As everything stood at one moment; written in batches, so that gossip goes on meanwhile.
  asio::awaitable<std::string> state();
  [[nodiscard]] std::vector<peer_state> known_state() const;
  [[nodiscard]] std::string got(const command& asked) const;
  /// Where live peers gossip far more often or seldom than this node now does.
  [[nodiscard]] std::string interval_warning() const;
  [[nodiscard]] std::string answer_at_once(const command& asked, std::string_view line);
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counters() const;
  [[nodiscard]] std::string keys() const;
  /// Gives the node what the file of its keys holds now; the message where it is refused, and the
  /// keys from before stay.
  [[nodiscard]] std::optional<std::string> reload_keys();
  void await_signal();
  void spawn(asio::awaitable<void> part);
  [[nodiscard]] std::chrono::milliseconds leave_grace() const;

  node& node_;
  const format& format_;
  line_reader& input_;
  line_writer& output_;
  asio::cancellation_signal lookup_end_;  // of `join`
  asio::signal_set signals_;
  asio::steady_timer lifetime_;
  asio::steady_timer drops_due_;
  drop_watch drops_;
  key_ages ages_;
  std::string keyring_;
  std::uint64_t reloads_ = 0;
  std::uint64_t reload_errors_ = 0;
  bool is_ending_ = false;
  bool has_quit_ = false;   // and so has left already
  bool has_ended_ = false;  // nothing is awaited any more
};

}  // namespace gossipmonger
