#include <cstdio>

#include "gossipmonger/core/endpoint.hpp"
#include "gossipmonger/core/hash.hpp"
#include "gossipmonger/net/transport.hpp"

int main() {
  const auto key = gossipmonger::make_cluster_key("example");
  const auto first = gossipmonger::endpoint::v4(127, 0, 0, 1, 7000);
  const auto second = gossipmonger::endpoint::parse("[::1]:7001");
  if (!second) {
    return 1;
  }
  std::printf("%s %016llx\n", first.to_string().c_str(),
              static_cast<unsigned long long>(gossipmonger::siphash(key, first)));
  return gossipmonger::siphash(key, first) != gossipmonger::siphash(key, *second) ? 0 : 1;
}
