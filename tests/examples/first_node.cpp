// A first node: it joins a cluster, publishes a key and prints the events it sees.
//
//     first_node NAME LISTEN [SEED]      first_node a localhost:7946
//                                        first_node b localhost:0 localhost:7946
#include <chrono>
#include <cstdio>
#include <exception>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <gossipmonger/gossipmonger.hpp>

using namespace gossipmonger;

// Ends when the node stops, or when another node has published its role.
asio::awaitable<void> print_events(node& self) {
  subscription events = self.subscribe();
  for (;;) {
    const result<event> seen = co_await events.next();
    if (!seen) co_return;
    std::printf("%s %s %s=%s\n", to_string(seen->kind).data(), seen->peer.c_str(),
                seen->key.c_str(), seen->value.c_str());
    if (seen->kind == event_kind::update && seen->peer != self.name()) break;
  }
  // The other node is told before this one goes.
  const result<leave_result> left = co_await self.leave(std::chrono::seconds(2));
  if (left) std::printf("left: %zu of %zu know\n", left->acknowledged, left->live);
  self.stop();
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  asio::io_context io;
  config settings;
  settings.name = argv[1];
  settings.gossip_interval = std::chrono::milliseconds(100);
  if (argc > 3) settings.seeds = {argv[3]};

  auto made = node::open(io.get_executor(), settings, argv[2]);
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().message().c_str());
    return 1;
  }
  node& self = **made;
  std::printf("listening on %s\n", self.advertised_endpoint().to_string().c_str());
  std::fflush(stdout);
  const result<std::uint64_t> version = self.set("role", "worker");
  if (!version) return 1;

  const auto rethrow = [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  asio::co_spawn(io, print_events(self), rethrow);
  asio::co_spawn(io, self.run(), [&](std::exception_ptr thrown, result<void>) { rethrow(thrown); });
  io.run();
}
