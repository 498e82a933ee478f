#include <iostream>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <gossipmonger/gossipmonger.hpp>

using namespace gossipmonger;

asio::awaitable<void> print_events(node& self) {
  subscription events = self.subscribe();
  while (const auto seen = co_await events.next()) {
    std::cout << to_string(seen->kind) << ' ' << seen->peer << ' ' << seen->key << '='
              << seen->value << std::endl;
  }
}

int main(int argc, char** argv) {  // hello NAME LISTEN [SEED]
  if (argc < 3) return 2;
  asio::io_context io;
  config settings;
  settings.name = argv[1];
  settings.gossip_interval = std::chrono::milliseconds(100);  // default: 1 s
  if (argc > 3) settings.seeds = {argv[3]};
  const auto self = node::open(io.get_executor(), settings, argv[2]);
  if (!self) return std::cerr << self.error().message() << '\n', 1;
  if (!(*self)->set("role", "worker")) return 1;
  asio::co_spawn(io, print_events(**self), asio::detached);
  asio::co_spawn(io, (*self)->run(), asio::detached);
  io.run();
}
