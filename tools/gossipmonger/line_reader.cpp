#include "line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace gossipmonger {

line_reader::line_reader(const asio::any_io_executor& executor, int descriptor,
                         std::size_t line_bytes_max)
    : ready_(executor, asio::steady_timer::time_point::max()),
      descriptor_(descriptor),
      line_bytes_max_(line_bytes_max) {
  thread_ = std::thread([this] {
    run();
    const std::lock_guard lock(mutex_);
    has_thread_ended_ = true;
    ended_.notify_all();
  });
}

line_reader::~line_reader() {
  stop();
  thread_.join();
}

void line_reader::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.wake();
  room_.notify_all();
  ready_.cancel();
}

bool line_reader::try_finish() {
  constexpr std::chrono::milliseconds thread_grace{500};
  stop();
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, thread_grace, [this] { return has_thread_ended_; });
}

asio::awaitable<std::optional<input_line>> line_reader::next() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) co_return std::nullopt;
      if (!lines_.empty()) {
        input_line line = std::move(lines_.front());
        lines_.pop_front();
        bytes_ -= line.text.size();
        room_.notify_all();
        co_return line;
      }
      if (has_ended_) co_return std::nullopt;
    }
    // No wake is lost: it is posted to the executor that this runs on.
    std::error_code woken;
    co_await ready_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

bool line_reader::is_stopping() {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void line_reader::announce() {
  asio::post(ready_.get_executor(), [this] { ready_.cancel(); });
}

bool line_reader::wait_for_input(bool& has_hung_up) {
  std::array<pollfd, 2> watched{};
  watched[0].fd = descriptor_;
  watched[0].events = POLLIN;
  watched[1].fd = wake_.descriptor();
  watched[1].events = POLLIN;
  while (::poll(watched.data(), watched.size(), -1) < 0) {
    if (errno != EINTR) return false;
  }
  has_hung_up = (watched[0].revents & POLLHUP) != 0;
  return (watched[0].revents & POLLNVAL) == 0;
}

void line_reader::run() {
  // A process that reads a terminal from the background is refused (SIGTTIN is ignored), and may
  // try again when it is in front.
  constexpr useconds_t background_pause_us = 200'000;
  std::array<char, 65536> buffer{};
  bool has_hung_up = false;
  while (wait_for_input(has_hung_up) && !is_stopping()) {
    const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
    if (count > 0) {
      take(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
      continue;
    }
    if (count < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (count < 0 && errno == EIO && !has_hung_up && ::isatty(descriptor_) == 1) {
      ::usleep(background_pause_us);
      continue;
    }
    break;
  }
  hand_over_end();
}

void line_reader::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t line_end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, line_end);
    const std::size_t room = line_bytes_max_ - partial_.text.size();
    partial_.text += part.substr(0, room);
    if (part.size() > room) partial_.is_too_long = true;
    if (line_end == std::string_view::npos) return;
    end_line();
    bytes.remove_prefix(line_end + 1);
  }
}

void line_reader::end_line() {
  // Of a line that nobody will read in full, its beginning is enough.
  constexpr std::size_t shown_bytes = 256;
  if (partial_.is_too_long) {
    partial_.text.resize(shown_bytes);
    partial_.text.shrink_to_fit();
  }
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] {
      return is_stopping_ || (lines_.size() < lines_max && bytes_ < line_bytes_max_);
    });
    bytes_ += partial_.text.size();
    lines_.push_back(std::exchange(partial_, input_line()));
  }
  announce();
}

void line_reader::hand_over_end() {
  if (!partial_.text.empty()) end_line();
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
  }
  announce();
}

}  // namespace gossipmonger
