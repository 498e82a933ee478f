// Real nodes over loopback for the programs of this folder. Test code only.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/gossipmonger.hpp"

namespace gossipmonger {

/// A node over a transport of its own at a port of loopback, that runs until it is stopped. A
/// resource; the io_context runs until `has_ended`.
class loopback_node {
 public:
  loopback_node(asio::io_context& context, udp_system_calls& calls, std::string name,
                std::chrono::milliseconds interval, std::vector<std::string> seeds)
      : over_(context.get_executor(), calls) {
    if (!over_.open(endpoint::v4(127, 0, 0, 1, 0))) throw std::runtime_error("no port");
    config settings;
    settings.name = std::move(name);
    settings.seeds = std::move(seeds);
    settings.gossip_interval = interval;
    auto made = node::create(std::move(settings), over_);
    if (!made) throw std::runtime_error(made.error().message());
    core_ = std::move(*made);
    auto on_end = [this](std::exception_ptr thrown, result<void>) {
      has_ended_ = true;
      if (thrown) std::rethrow_exception(thrown);
    };
    asio::co_spawn(context, core_->run(), std::move(on_end));
  }
  loopback_node(asio::io_context& context, std::string name, std::chrono::milliseconds interval,
                std::vector<std::string> seeds)
      : loopback_node(context, udp_system_calls::system(), std::move(name), interval,
                      std::move(seeds)) {}
  loopback_node(const loopback_node&) = delete;
  loopback_node& operator=(const loopback_node&) = delete;

  [[nodiscard]] node& operator*() { return *core_; }
  [[nodiscard]] node* operator->() { return core_.get(); }
  [[nodiscard]] endpoint address() const { return over_.local_endpoint(); }
  [[nodiscard]] udp_counters counters() const { return over_.counters(); }
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  udp_transport over_;
  std::unique_ptr<node> core_;
  bool has_ended_ = false;
};

}  // namespace gossipmonger
