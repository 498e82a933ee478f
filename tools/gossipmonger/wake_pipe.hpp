// A pipe to one's own thread: makes its `poll` return. A resource; any thread may wake.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace gossipmonger {

class wake_pipe {
 public:
  wake_pipe() {
    if (::pipe(ends_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    for (const int end : ends_) {
      ::fcntl(end, F_SETFD, FD_CLOEXEC);
      ::fcntl(end, F_SETFL, O_NONBLOCK);
    }
  }
  wake_pipe(const wake_pipe&) = delete;
  wake_pipe& operator=(const wake_pipe&) = delete;
  ~wake_pipe() {
    for (const int end : ends_) ::close(end);
  }

  /// The descriptor to poll for reading.
  [[nodiscard]] int descriptor() const { return ends_[0]; }

  /// A pipe that is full wakes as well, so failing is no harm.
  void wake() {
    const char any = 0;
    [[maybe_unused]] const ssize_t written = ::write(ends_[1], &any, 1);
  }

  void drain() {
    std::array<char, 64> any{};
    while (::read(ends_[0], any.data(), any.size()) > 0) {
    }
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace gossipmonger
