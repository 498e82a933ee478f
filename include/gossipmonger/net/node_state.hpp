// The state that a node shares with its subscriptions and pending operations, so that they may
// outlive it. Not for users. Everything here belongs to the node's executor.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "gossipmonger/core/protocol.hpp"
#include "gossipmonger/core/storage.hpp"

namespace gossipmonger {

struct node_state;

/// Something that waits for the node to change. A resource; registers itself.
class wakeable {
 public:
  explicit wakeable(node_state& of);
  wakeable(const wakeable&) = delete;
  wakeable& operator=(const wakeable&) = delete;
  virtual ~wakeable();

  /// The node changed, or stopped: look again.
  virtual void wake() = 0;
  /// How far it has read the change list; the node keeps removals until everybody has read them.
  [[nodiscard]] virtual std::uint64_t position() const = 0;

 private:
  std::weak_ptr<node_state> of_;
};

struct node_state : std::enable_shared_from_this<node_state> {
  node_state() = default;
  node_state(const node_state&) = delete;
  node_state& operator=(const node_state&) = delete;
  virtual ~node_state() = default;

  void notify() {
    // Waking resumes nobody here and now, so the list does not change under the loop.
    for (wakeable* one : waiting) one->wake();
  }

  void release_changes() {
    std::uint64_t read = core->last_change();
    for (const wakeable* one : waiting) read = std::min(read, one->position());
    core->release_changes(read);
  }

  /// Calls `then` on `executor` after `time` of the node's clock, unless what it returned has gone
  /// by then.
  [[nodiscard]] virtual std::shared_ptr<void> call_after(const asio::any_io_executor& executor,
                                                         std::chrono::nanoseconds time,
                                                         std::function<void()> then) = 0;

  std::unique_ptr<protocol> core;
  std::vector<wakeable*> waiting;
  bool is_stopped = false;
};

/// The same with the storage, which the protocol refers to.
template <storage Storage>
struct node_state_of : node_state {
  explicit node_state_of(Storage held) : entries(std::move(held)) {}

  Storage entries;
};

}  // namespace gossipmonger
