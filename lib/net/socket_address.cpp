#if defined(__APPLE__)
#define __APPLE_USE_RFC_3542  // IPV6_RECVPKTINFO
#endif

#include "net/socket_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace gossipmonger {

int family_of(const endpoint& address) { return address.is_v4() ? AF_INET : AF_INET6; }

bool socket_address::assign(const endpoint& source, int family) {
  if (family == AF_INET) {
    if (!source.is_v4()) {
      return false;
    }
    v4_ = sockaddr_in{};
    v4_.sin_family = AF_INET;
    v4_.sin_port = htons(source.port);
    std::memcpy(&v4_.sin_addr, source.address.data() + 12, 4);
    return true;
  }
  v6_ = sockaddr_in6{};
  v6_.sin6_family = AF_INET6;
  v6_.sin6_port = htons(source.port);
  v6_.sin6_scope_id = source.scope;
  std::memcpy(&v6_.sin6_addr, source.address.data(), 16);
  return true;
}

endpoint socket_address::to_endpoint() const {
  if (v6_.sin6_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4_.sin_addr, bytes.size());
    return endpoint::v4(bytes[0], bytes[1], bytes[2], bytes[3], ntohs(v4_.sin_port));
  }
  endpoint seen;
  std::memcpy(seen.address.data(), &v6_.sin6_addr, seen.address.size());
  seen.port = ntohs(v6_.sin6_port);
  seen.scope = seen.is_link_local() ? v6_.sin6_scope_id : 0;
  return seen;
}

// ------------------------------------------------------------------------------ local addresses

void local_address_message::request([[maybe_unused]] int socket, int family) {
  [[maybe_unused]] const int on = 1;
  // Where the system refuses, datagrams have no local address, as on a system that knows none.
  if (family == AF_INET) {
#if defined(IP_PKTINFO)
    ::setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
#endif
  } else {
#if defined(IPV6_RECVPKTINFO)
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
#endif
  }
}

void local_address_message::prepare(msghdr& header) {
  header.msg_control = control_.data();
  header.msg_controllen = control_.size();
}

bool local_address_message::read(const msghdr& header, endpoint& local, std::uint32_t& interface) {
  msghdr& told = const_cast<msghdr&>(header);  // CMSG_NXTHDR takes no pointer to const
  for (cmsghdr* one = CMSG_FIRSTHDR(&told); one != nullptr; one = CMSG_NXTHDR(&told, one)) {
#if defined(IP_PKTINFO)
    if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(one), sizeof(info));
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &info.ipi_spec_dst, bytes.size());
      local = endpoint::v4(bytes[0], bytes[1], bytes[2], bytes[3], 0);
      interface = static_cast<std::uint32_t>(info.ipi_ifindex);
      return true;
    }
#endif
#if defined(IPV6_PKTINFO)
    if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(one), sizeof(info));
      local = endpoint();
      std::memcpy(local.address.data(), &info.ipi6_addr, local.address.size());
      interface = static_cast<std::uint32_t>(info.ipi6_ifindex);
      if (local.is_link_local()) local.scope = interface;
      return true;
    }
#endif
  }
  return false;
}

void local_address_message::write(msghdr& header, const endpoint& source,
                                  const endpoint& destination, int family) {
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  if (source.is_wildcard() || source.is_v4() != destination.is_v4()) return;
  control_.fill(std::byte{0});
  const auto begin = [&](std::size_t bytes_of_message, std::size_t room) {
    prepare(header);
    header.msg_controllen = room;
    cmsghdr* const one = CMSG_FIRSTHDR(&header);
    one->cmsg_len = bytes_of_message;
    return one;
  };
  if (family == AF_INET) {
#if defined(IP_PKTINFO)
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.address.data() + 12, 4);
    cmsghdr* const one = begin(CMSG_LEN(sizeof(info)), CMSG_SPACE(sizeof(info)));
    one->cmsg_level = IPPROTO_IP;
    one->cmsg_type = IP_PKTINFO;
    std::memcpy(CMSG_DATA(one), &info, sizeof(info));
#endif
  } else {
#if defined(IPV6_PKTINFO)
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.address.data(), source.address.size());
    // Any other address leaves by the interface that the route names.
    if (source.is_link_local()) {
      const std::uint32_t scope = source.scope != 0 ? source.scope : destination.scope;
      info.ipi6_ifindex = static_cast<decltype(info.ipi6_ifindex)>(scope);
    }
    cmsghdr* const one = begin(CMSG_LEN(sizeof(info)), CMSG_SPACE(sizeof(info)));
    one->cmsg_level = IPPROTO_IPV6;
    one->cmsg_type = IPV6_PKTINFO;
    std::memcpy(CMSG_DATA(one), &info, sizeof(info));
#endif
  }
}

sockaddr* socket_address::data() { return reinterpret_cast<sockaddr*>(&v6_); }

const sockaddr* socket_address::data() const { return reinterpret_cast<const sockaddr*>(&v6_); }

socklen_t socket_address::size() const {
  return v6_.sin6_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

}  // namespace gossipmonger
