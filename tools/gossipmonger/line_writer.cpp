#include "line_writer.hpp"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace gossipmonger {

line_writer::line_writer(const asio::any_io_executor& executor, int descriptor,
                         std::function<void(std::error_code)> on_broken)
    : freed_(executor, asio::steady_timer::time_point::max()),
      descriptor_(descriptor),
      on_broken_(std::move(on_broken)) {
  thread_ = std::thread([this] { run(); });
}

line_writer::~line_writer() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.wake();
  thread_.join();
}

void line_writer::write(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    if (is_broken_) return;
    queued_ += text;
    unwritten_ += text.size();
  }
  wake_.wake();
}

/// The answer of `room` now; none: it has to wait.
std::optional<bool> line_writer::find_room() {
  const std::lock_guard lock(mutex_);
  if (is_broken_) return false;
  if (unwritten_ < queued_bytes_max) return true;
  if (is_waiting_over_) return false;
  return std::nullopt;
}

asio::awaitable<bool> line_writer::room() {
  for (;;) {
    if (const std::optional<bool> found = find_room()) co_return *found;
    // No wake is lost: it is posted to the executor that this runs on.
    std::error_code woken;
    co_await freed_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

void line_writer::stop_waiting() {
  {
    const std::lock_guard lock(mutex_);
    is_waiting_over_ = true;
  }
  freed_.cancel();
}

bool line_writer::try_finish(std::chrono::milliseconds grace) {
  constexpr std::chrono::milliseconds thread_grace{500};
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, grace, [this] { return unwritten_ == 0 || is_broken_; });
  is_stopping_ = true;
  wake_.wake();
  return changed_.wait_for(lock, thread_grace, [this] { return has_ended_; });
}

void line_writer::run() {
  std::string text;
  std::size_t written = 0;
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_ || is_broken_) break;
      if (written == text.size()) {
        text = std::exchange(queued_, std::string());
        written = 0;
      }
    }
    bool is_gone = false;
    if (!wait_for_reader(written < text.size(), is_gone)) continue;
    if (is_gone) {
      break_off(std::make_error_code(std::errc::broken_pipe));
      continue;
    }
    const std::size_t before = written;
    if (const std::error_code error = write_some(text, written)) break_off(error);
    bool has_freed = false;
    {
      const std::lock_guard lock(mutex_);
      const bool was_full = unwritten_ >= queued_bytes_max;
      unwritten_ -= written - before;
      has_freed = was_full && unwritten_ < queued_bytes_max;
    }
    changed_.notify_all();
    if (has_freed) asio::post(freed_.get_executor(), [this] { freed_.cancel(); });
  }
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
  }
  changed_.notify_all();
}

/// Whether there is something to do: text and a reader for it, or no reader any more.
bool line_writer::wait_for_reader(bool has_text, bool& is_gone) {
  std::array<pollfd, 2> watched{};
  watched[0].fd = descriptor_;
  watched[0].events = has_text ? POLLOUT : short{0};
  watched[1].fd = wake_.descriptor();
  watched[1].events = POLLIN;
  if (::poll(watched.data(), watched.size(), -1) < 0) return false;
  if (watched[1].revents != 0) wake_.drain();
  is_gone = (watched[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  return is_gone || (watched[0].revents & POLLOUT) != 0;
}

std::error_code line_writer::write_some(std::string& text, std::size_t& written) const {
  // A pipe that is ready takes this much without blocking.
  const std::size_t size = std::min<std::size_t>(text.size() - written, PIPE_BUF);
  const ssize_t count = ::write(descriptor_, text.data() + written, size);
  if (count >= 0) {
    written += static_cast<std::size_t>(count);
    return {};
  }
  if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) return {};
  return std::error_code(errno, std::generic_category());
}

void line_writer::break_off(std::error_code why) {
  {
    const std::lock_guard lock(mutex_);
    if (is_broken_) return;
    is_broken_ = true;
    queued_.clear();
    unwritten_ = 0;
  }
  changed_.notify_all();
  asio::post(freed_.get_executor(), [this, why] {
    freed_.cancel();
    on_broken_(why);
  });
}

}  // namespace gossipmonger
