// The skeleton of a service: a signal ends it by leave and then stop, a timer publishes its load,
// and a membership view says where the others are.
//
//     service NAME LISTEN [SEED]         ends at SIGINT or SIGTERM
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <gossipmonger/gossipmonger.hpp>

using namespace gossipmonger;
using namespace std::chrono_literals;

struct service {
  explicit service(node& of)
      : self(of), signals(of.get_executor(), SIGINT, SIGTERM), timer(of.get_executor()) {}

  // Keeps `view` up to date; keys of dead nodes are not shown.
  asio::awaitable<void> follow_events() {
    subscription events = self.subscribe();
    for (;;) {
      const result<event> seen = co_await events.next();
      if (!seen) co_return;
      view.apply(*seen);
    }
  }

  asio::awaitable<void> publish_load() {
    for (int load = 0; !is_ending; ++load) {
      const result<std::uint64_t> version = self.set("load", std::to_string(load));
      if (!version) std::fprintf(stderr, "set: %s\n", version.error().message().c_str());
      for (const auto& [name, row] : view.rows()) {
        const auto load_there = view.get(name, "load");
        if (!load_there || name == self.name()) continue;
        std::printf("%s has load %s\n", name.c_str(), std::string(*load_there).c_str());
      }
      std::fflush(stdout);
      timer.expires_after(200ms);
      std::error_code woken;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
  }

  asio::awaitable<void> end_at_signal() {
    std::error_code error;
    co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, error));
    is_ending = true;
    timer.cancel();
    const result<leave_result> left = co_await self.leave(2s);
    if (left) std::printf("left: %zu of %zu know\n", left->acknowledged, left->live);
    self.stop();
  }

  node& self;
  asio::signal_set signals;
  asio::steady_timer timer;
  membership_view view{key_scope::live};
  bool is_ending = false;
};

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  asio::io_context io;
  config settings;
  settings.name = argv[1];
  settings.gossip_interval = 100ms;
  if (argc > 3) settings.seeds = {argv[3]};
  auto made = node::open(io.get_executor(), settings, argv[2]);
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().message().c_str());
    return 1;
  }

  service one(**made);
  std::printf("listening on %s\n", one.self.advertised_endpoint().to_string().c_str());
  const auto rethrow = [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  asio::co_spawn(io, one.follow_events(), rethrow);
  asio::co_spawn(io, one.publish_load(), rethrow);
  asio::co_spawn(io, one.end_at_signal(), rethrow);
  asio::co_spawn(io, one.self.run(),
                 [&](std::exception_ptr thrown, result<void>) { rethrow(thrown); });
  io.run();
}
