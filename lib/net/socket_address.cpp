#include "socket_address.hpp"

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
  seen.scope = IN6_IS_ADDR_LINKLOCAL(&v6_.sin6_addr) ? v6_.sin6_scope_id : 0;
  return seen;
}

sockaddr* socket_address::data() { return reinterpret_cast<sockaddr*>(&v6_); }

const sockaddr* socket_address::data() const { return reinterpret_cast<const sockaddr*>(&v6_); }

socklen_t socket_address::size() const {
  return v6_.sin6_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

}  // namespace gossipmonger
