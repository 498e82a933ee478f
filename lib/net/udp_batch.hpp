// How datagrams stand in one call of the system, and how many.
#pragma once

#include <sys/socket.h>

#include <cstddef>

#if !defined(__linux__)
struct mmsghdr {
  msghdr msg_hdr;
  unsigned int msg_len;
};
#endif

namespace gossipmonger {

/// Datagrams a system call: beyond it the cost a datagram no longer falls.
inline constexpr std::size_t batch_datagrams = 64;

}  // namespace gossipmonger
