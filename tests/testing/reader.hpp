// A reader of one node's events: what it believes, by folding them, and whether that is the state.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>

#include "gossipmonger/event.hpp"
#include "gossipmonger/testing/simulated_cluster.hpp"

namespace gossipmonger {

/// A resource, of one run of a node; it outlives `read`.
class reader {
 public:
  explicit reader(std::chrono::milliseconds delay) : delay_(delay) {}
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  /// Reads on and on, and pauses after each event; ends when the node stops.
  [[nodiscard]] static asio::awaitable<void> read(std::shared_ptr<reader> self,
                                                  simulated_node* node);
  /// From the next event on.
  void set_delay(std::chrono::milliseconds delay) { delay_ = delay; }

  [[nodiscard]] bool is_running() const { return is_running_; }
  /// It has read all there is.
  [[nodiscard]] bool is_waiting() const { return is_waiting_; }
  [[nodiscard]] std::size_t lags() const { return lags_; }
  [[nodiscard]] std::size_t conflicts() const { return conflicts_; }
  /// A key whose versions did not rise, or nothing.
  [[nodiscard]] const std::string& order_fault() const { return fault_; }
  /// Where the events do not fold to what `node` knows, or nothing.
  ///   expects: it is what this reads, and nothing waits
  [[nodiscard]] std::string fold_fault(const simulated_node& node) const;

 private:
  struct key_state {
    key_state() = default;

    std::string value;
    std::uint64_t version = 0;
    bool is_live = false;
  };
  class running_mark;

  void fold(const event& seen);
  void fold_entry(const event& seen);

  std::map<std::string, std::map<std::string, key_state>> peers_;
  std::chrono::milliseconds delay_;
  std::string fault_;
  std::size_t lags_ = 0;
  std::size_t conflicts_ = 0;
  bool is_running_ = false;
  bool is_waiting_ = false;
};

}  // namespace gossipmonger
