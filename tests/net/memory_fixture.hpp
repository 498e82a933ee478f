// The fixture of tests over a memory network. It opens transports at fresh endpoints, runs a
// coroutine on the manual clock to its end, and rethrows the coroutine's exception.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/config.hpp"
#include "gossipmonger/testing/manual_clock.hpp"
#include "gossipmonger/testing/memory_transport.hpp"

namespace gossipmonger {

/// Of a node in such a world, which asks the first one.
inline config memory_settings(std::string name) {
  config made;
  made.name = std::move(name);
  made.gossip_interval = std::chrono::milliseconds(200);
  made.random_seed = 7;
  made.seeds = {"10.0.0.1:7000"};
  return made;
}

/// A world for one test; the network outlives what the io_context still holds when it goes.
struct memory_world {
  explicit memory_world(std::uint64_t seed = 1,
                        memory_network_options options = memory_network_options())
      : network(seed, options), driver(context) {}

  /// Runs `body` to its end on the manual clock; `meanwhile` is called once it waits.
  void run(asio::awaitable<void> body, const std::function<void()>& meanwhile = nullptr) {
    bool is_over = false;
    std::exception_ptr failure;
    asio::co_spawn(context, std::move(body), [&](std::exception_ptr thrown) {
      is_over = true;
      failure = std::move(thrown);
    });
    driver.settle();
    if (meanwhile) meanwhile();
    const bool ended = driver.run_until([&] { return is_over; }, std::chrono::hours(24));
    if (failure) {
      std::rethrow_exception(failure);
    }
    if (!ended) {
      throw std::runtime_error("the coroutine did not end within a day of its clock");
    }
  }

  /// An open transport at 10.0.0.`host`:7000.
  std::unique_ptr<memory_transport> open(std::uint8_t host) {
    auto made = std::make_unique<memory_transport>(context.get_executor(), network);
    if (!made->open(endpoint::v4(10, 0, 0, host, 7000))) {
      throw std::runtime_error("the endpoint is taken");
    }
    return made;
  }

  struct clock_reset {
    clock_reset() { manual_clock::reset(); }
  };
  clock_reset clock;
  memory_network network;
  asio::io_context context;
  manual_clock_driver driver;
};

}  // namespace gossipmonger
