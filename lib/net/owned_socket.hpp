// A datagram socket by its descriptor, closed unless released. A resource. Programs that are
// started meanwhile do not inherit it.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace gossipmonger {

class owned_socket {
 public:
  /// Of `family`, AF_INET or AF_INET6.
  explicit owned_socket(int family) : descriptor_(make(family)) {}
  owned_socket(const owned_socket&) = delete;
  owned_socket& operator=(const owned_socket&) = delete;
  ~owned_socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// -1: the system refused, as errno says, or it was released.
  [[nodiscard]] int descriptor() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  static int make(int family) {
#if defined(__linux__)
    return ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
#else
    const int descriptor = ::socket(family, SOCK_DGRAM, 0);
    if (descriptor >= 0) ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    return descriptor;
#endif
  }

  int descriptor_;
};

}  // namespace gossipmonger
