// The state that a node shares with its subscriptions and pending operations, so that they may
// outlive it. Not for users. Everything here belongs to the node's executor.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/protocol.hpp"
#include "gossipmonger/transport_ref.hpp"

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
  /// How far it has read the change list. The node keeps removals until all have read them.
  [[nodiscard]] virtual std::uint64_t position() const = 0;

 private:
  std::weak_ptr<node_state> of_;
};

/// The node's protocol, which counts how often it may have changed: each access but `see` counts.
/// A resource.
class counted_protocol {
 public:
  counted_protocol() = default;

  counted_protocol& operator=(std::unique_ptr<protocol> made) {
    ++turn_;
    made_ = std::move(made);
    return *this;
  }
  [[nodiscard]] protocol* operator->() {
    ++turn_;
    return made_.get();
  }
  /// The protocol, to call what changes nothing.
  [[nodiscard]] const protocol& see() const { return *made_; }
  /// While this stays the same, views of what the protocol holds stay valid.
  [[nodiscard]] std::uint64_t turn() const { return turn_; }

 private:
  std::unique_ptr<protocol> made_;
  std::uint64_t turn_ = 0;
};

struct node_state : std::enable_shared_from_this<node_state> {
  /// `entries` keeps the storage of the protocol.
  node_state(transport_ref over, std::shared_ptr<void> entries)
      : transport(over), storage(std::move(entries)) {}
  node_state(const node_state&) = delete;
  node_state& operator=(const node_state&) = delete;

  [[nodiscard]] moment now() const { return transport.now(); }

  /// The end of a wait that begins now: max() where that is beyond what the clock can say.
  [[nodiscard]] std::chrono::nanoseconds after(std::chrono::nanoseconds timeout) const {
    // Most waits have no end, and an event is there: reading the clock would cost more than that.
    if (timeout == std::chrono::nanoseconds::max()) return timeout;
    const std::chrono::nanoseconds begin = now().steady;
    const bool is_for_ever = timeout >= std::chrono::nanoseconds::max() - begin;
    return is_for_ever ? std::chrono::nanoseconds::max() : begin + timeout;
  }

  void notify() {
    // Waking resumes nobody here and now, so the list does not change under the loop.
    for (wakeable* one : waiting) one->wake();
  }

  void release_changes() {
    std::uint64_t read = core.see().last_change();
    for (const wakeable* one : waiting) read = std::min(read, one->position());
    core->release_changes(read);
  }

  /// Not to be touched once the node is stopped, but for its clock and timers.
  transport_ref transport;
  std::shared_ptr<void> storage;
  counted_protocol core;
  std::vector<wakeable*> waiting;
  bool is_stopped = false;
};

}  // namespace gossipmonger
