// Lines of a descriptor, read by a thread of its own and awaited on an executor. A thread, because
// files and /dev/null cannot be awaited with epoll, and because a descriptor that is shared with
// the shell must not be made non-blocking.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "wake_pipe.hpp"

namespace gossipmonger {

struct input_line {
  input_line() = default;

  std::string text;          ///< without the line end
  bool is_too_long = false;  ///< only its first bytes are in `text`
};

/// A resource; the io_context of its executor outlives it. Holds at most `lines_max` lines or a
/// line more than `line_bytes_max`; then it lets the writer of the other end wait.
class line_reader {
 public:
  line_reader(const asio::any_io_executor& executor, int descriptor, std::size_t line_bytes_max);
  line_reader(const line_reader&) = delete;
  line_reader& operator=(const line_reader&) = delete;
  ~line_reader();

  /// The next line; none at the end of input and after `stop`. The text after the last line end
  /// counts as a line unless it is empty. Resumes on the executor; one pending call.
  [[nodiscard]] asio::awaitable<std::optional<input_line>> next();

  /// The most bytes of a line that are read; a longer one is told as too long.
  [[nodiscard]] std::size_t line_bytes_max() const { return line_bytes_max_; }

  /// Ends the thread, and with it a pending `next`.
  void stop();

  /// The same, and waits for the thread's end, half a second at most. Another process may take the
  /// input that the thread was woken for: then it hangs in a system call.
  ///
  ///   returns: false if it hangs; only _Exit ends the program then
  [[nodiscard]] bool try_finish();

 private:
  static constexpr std::size_t lines_max = 256;

  // On the thread.
  void run();
  [[nodiscard]] bool wait_for_input(bool& has_hung_up);
  void take(std::string_view bytes);
  void end_line();
  void hand_over_end();

  [[nodiscard]] bool is_stopping();
  void announce();

  asio::steady_timer ready_;  // never expires; cancelled when there is something to see
  const int descriptor_;
  const std::size_t line_bytes_max_;
  wake_pipe wake_;
  input_line partial_;  // the thread's

  std::mutex mutex_;
  std::condition_variable room_;
  std::condition_variable ended_;
  std::deque<input_line> lines_;
  std::size_t bytes_ = 0;
  bool has_ended_ = false;
  bool has_thread_ended_ = false;
  bool is_stopping_ = false;

  std::thread thread_;
};

}  // namespace gossipmonger
