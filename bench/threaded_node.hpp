// A node over UDP on 127.0.0.1 with a thread of its own, and the CPU time of the process.

#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "gossipmonger/gossipmonger.hpp"

namespace gossipmonger {

/// Says why nothing can be measured, and ends the program with status 2.
[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(2);
}

/// User and system time of this process.
inline std::chrono::nanoseconds cpu_time() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

/// A resource: `start`, then `request_stop` and `join` before it goes.
class threaded_node {
 public:
  threaded_node(config settings, std::optional<endpoint> seed) : transport_(io_.get_executor()) {
    if (!transport_.open(endpoint::v4(127, 0, 0, 1, 0))) die("no socket on 127.0.0.1");
    if (seed) settings.seeds.push_back(seed->to_string());
    auto created = node::create(std::move(settings), transport_);
    if (!created) die(created.error().message());
    node_ = std::move(*created);
  }

  /// Before `start` and after `join` for any thread, else for the node's own.
  [[nodiscard]] node& self() { return *node_; }
  /// expects: `join` has returned
  [[nodiscard]] udp_counters counters() const { return transport_.counters(); }

  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(io_, std::move(work), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  void start() {
    asio::co_spawn(io_, node_->run(), [](std::exception_ptr thrown, const result<void>&) {
      if (thrown) std::rethrow_exception(thrown);
    });
    thread_ = std::thread([this] { io_.run(); });
  }
  void request_stop() {
    asio::post(io_, [this] { node_->stop(); });
  }
  void join() { thread_.join(); }

 private:
  asio::io_context io_{1};
  udp_transport transport_;
  std::unique_ptr<node> node_;
  std::thread thread_;
};

}  // namespace gossipmonger
