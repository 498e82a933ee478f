// The addresses of a node's seeds. Each seed that is a name is looked up again and again by a loop
// of its own, so a look-up that hangs holds up no other. A resource; on the node's executor.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include "gossipmonger/endpoint.hpp"
#include "net/node_state.hpp"
#include "net/wake_signal.hpp"

namespace gossipmonger {

/// A seed that is a name. A resource, shared with the loop that looks it up.
struct watched_seed {
  explicit watched_seed(std::string host_port) : seed(std::move(host_port)) {}
  watched_seed(const watched_seed&) = delete;
  watched_seed& operator=(const watched_seed&) = delete;

  std::string seed;
  std::vector<endpoint> found;  ///< the last good answer
  bool is_wanted = true;
  asio::cancellation_signal cancel;  ///< of the loop
  wake_signal pause;                 ///< between two look-ups
};

class seed_watcher {
 public:
  seed_watcher() = default;
  seed_watcher(const seed_watcher&) = delete;
  seed_watcher& operator=(const seed_watcher&) = delete;

  /// Watches the names among `seeds` from now on, and ends the loops of all others. Returns those
  /// that were not watched before: the caller spawns `look_up` for each.
  [[nodiscard]] std::vector<std::shared_ptr<watched_seed>> follow(
      const std::vector<std::string>& seeds);
  /// Looks each name up now, where its loop pauses.
  void look_again();
  /// Ends all loops.
  void end();

  /// The addresses of one seed: a number is its own; none for a name that was not found yet.
  [[nodiscard]] std::vector<endpoint> addresses(const std::string& seed) const;
  /// Those of all of them, in their order.
  [[nodiscard]] std::vector<endpoint> addresses(const std::vector<std::string>& seeds) const;

  /// Looks `one` up until it is no longer wanted or the node stops: once in `resolve_interval`,
  /// sooner while nobody is live or nothing is found. Tells `on_found` of each good answer, and the
  /// node's users of the first failure of several.
  ///   expects: the spawner binds `one->cancel`
  [[nodiscard]] static asio::awaitable<void> look_up(std::shared_ptr<node_state> of,
                                                     std::shared_ptr<watched_seed> one,
                                                     std::function<void()> on_found);

 private:
  static void end(watched_seed& one);

  std::vector<std::shared_ptr<watched_seed>> watched_;
};

}  // namespace gossipmonger
