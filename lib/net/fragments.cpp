#include "net/fragments.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace gossipmonger {

#if defined(__linux__)
namespace {

/// Changes the socket's rule from one to another. False: it has another, or the system refuses.
bool try_change(int socket, int from, int to) {
  int now = 0;
  socklen_t size = sizeof(now);
  return ::getsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, &now, &size) == 0 && now == from &&
         ::setsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, &to, sizeof(to)) == 0;
}

}  // namespace

void forbid_fragments(int socket) {
  static_cast<void>(try_change(socket, IP_PMTUDISC_WANT, IP_PMTUDISC_DO));
}

fragments_allowed::fragments_allowed(int socket)
    : socket_(socket), is_changed_(try_change(socket, IP_PMTUDISC_DO, IP_PMTUDISC_WANT)) {}

fragments_allowed::~fragments_allowed() {
  const int error = errno;
  if (is_changed_) static_cast<void>(try_change(socket_, IP_PMTUDISC_WANT, IP_PMTUDISC_DO));
  errno = error;
}
#else
void forbid_fragments(int) {}

fragments_allowed::fragments_allowed(int socket) : socket_(socket) {}

fragments_allowed::~fragments_allowed() = default;
#endif

}  // namespace gossipmonger
