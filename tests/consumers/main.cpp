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
  config settings;
  settings.gossip_interval = std::chrono::milliseconds(100);
  settings.name = "one";
  auto one = node::open(io.get_executor(), settings, "localhost:0").value();
  settings.name = "two";
  settings.seeds = {one->advertised_endpoint().to_string()};
  auto two = node::open(io.get_executor(), settings, "localhost:0").value();

  if (!one->set({{"role", "leader"}, {"zone", "b"}})) return 1;
  asio::co_spawn(io, watch(*two), [](auto) {});
  asio::co_spawn(io, one->run(), [](auto, auto) {});
  asio::co_spawn(io, two->run(), [&](auto, auto) { one->stop(); });
  io.run();
}
