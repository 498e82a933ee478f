// Where peers reach a node: the address of its transport, or that of the route to a seed where the
// transport listens on all addresses. A resource, part of a node's driver.
//
// Thread contract: that of the node.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <string>
#include <vector>

#include "net/node_state.hpp"
#include "net/seed_watcher.hpp"

namespace gossipmonger {

class address_finder {
 public:
  /// Both outlive it; asks the routes to the addresses that `seeds` found.
  address_finder(node_state& of, const seed_watcher& seeds) : node_(of), seeds_(seeds) {}
  address_finder(const address_finder&) = delete;
  address_finder& operator=(const address_finder&) = delete;

  /// Whether peers can be told where they reach me; asks the routes anew, once a round.
  [[nodiscard]] bool try_find();
  /// Options or seeds have changed: the next `try_find` asks the routes in any case.
  void look_again() { next_look_ = {}; }
  /// Reports each seed whose addresses are all of the other IP version, once.
  void report_families();

 private:
  void follow_route();
  [[nodiscard]] const config& settings() const { return node_.core->settings(); }

  node_state& node_;
  const seed_watcher& seeds_;
  std::chrono::nanoseconds next_look_{};
  std::vector<std::string> seeds_without_family_;  // seeds reported so
  bool is_without_route_reported_ = false;
};

}  // namespace gossipmonger
