// Text to a descriptor, written by a thread of its own, so that a reader that stops reading stops
// neither gossip nor this program's end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "wake_pipe.hpp"

namespace gossipmonger {

/// A resource; the io_context of its executor outlives it. `write` never waits: who writes much
/// awaits `room` first, so that at most `queued_bytes_max` and one text of each writer wait.
class line_writer {
 public:
  /// `on_broken` is called once, on the executor, when nobody can read any more.
  line_writer(const asio::any_io_executor& executor, int descriptor,
              std::function<void(std::error_code)> on_broken);
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;
  /// Waits for the thread: `finish` first.
  ~line_writer();

  void write(std::string_view text);

  /// Whether a text that is written now finds room; a writer that may leave it out asks this.
  [[nodiscard]] bool has_room() { return find_room().value_or(false); }

  /// Waits for room; false where there will be none, since nobody reads any more, or there is none
  /// after `stop_waiting`. Resumes on the executor.
  [[nodiscard]] asio::awaitable<bool> room();

  /// From now on `room` does not wait: the program's end must not hang on a reader.
  void stop_waiting();

  /// Waits until all is written, at most for `grace`, and ends the thread.
  ///   returns: false if it hangs in a system call; then only _Exit ends the program
  [[nodiscard]] bool try_finish(std::chrono::milliseconds grace);

 private:
  static constexpr std::size_t queued_bytes_max = std::size_t{256} << 10;

  // On the thread.
  void run();
  [[nodiscard]] bool wait_for_reader(bool has_text, bool& is_gone);
  [[nodiscard]] std::error_code write_some(std::string& text, std::size_t& written) const;
  void break_off(std::error_code why);

  [[nodiscard]] std::optional<bool> find_room();

  asio::steady_timer freed_;  // never expires; cancelled when there is room
  const int descriptor_;
  std::function<void(std::error_code)> on_broken_;
  wake_pipe wake_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string queued_;
  std::size_t unwritten_ = 0;  // queued_, and what the thread has taken of it
  bool is_broken_ = false;
  bool is_waiting_over_ = false;
  bool is_stopping_ = false;
  bool has_ended_ = false;

  std::thread thread_;
};

}  // namespace gossipmonger
