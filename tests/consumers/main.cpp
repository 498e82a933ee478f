#include <cstdio>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <gossipmonger/gossipmonger.hpp>

using namespace gossipmonger;

asio::awaitable<void> watch(node& self) {
  subscription events = self.subscribe();
  while (auto seen = co_await events.next()) {
    std::printf("%s %s %s=%s\n", to_string(seen->kind).data(), seen->peer.c_str(),
                seen->key.c_str(), seen->value.c_str());
    if (seen->kind == event_kind::update && seen->peer != self.name()) self.stop();
  }
}

int main() {
  asio::io_context io;
  udp_transport one(io.get_executor()), two(io.get_executor());
  if (!one.open(endpoint::v4(127, 0, 0, 1, 0)) || !two.open(endpoint::v4(127, 0, 0, 1, 0)))
    return 1;

  config settings;
  settings.gossip_interval = std::chrono::milliseconds(100);
  settings.name = "one";
  auto first = node::create(settings, one).value();
  settings.name = "two";
  settings.seeds = {first->local_endpoint().to_string()};
  auto second = node::create(settings, two).value();

  if (!first->set("role", "leader")) return 1;
  asio::co_spawn(io, watch(*second), [](auto) {});
  asio::co_spawn(io, first->run(), [](auto, auto) {});
  asio::co_spawn(io, second->run(), [&](auto, auto) { first->stop(); });
  io.run();
}
