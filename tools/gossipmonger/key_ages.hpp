// How long this node has had each value, and how long its own keys have left to live: folded from
// the events of one subscription, and told by the commands. A value. Times are steady.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "gossipmonger/event.hpp"

namespace gossipmonger {

/// The age of one key, and the time that it has left. A value.
struct key_age {
  key_age() = default;

  std::optional<std::chrono::milliseconds> here;  ///< since the value came, or was set
  std::optional<std::chrono::milliseconds> left;  ///< until it expires; none: it does not, or a
                                                  ///< peer counts
};

class key_ages {
 public:
  using time = std::chrono::steady_clock::time_point;

  /// Of a node that is called `own`.
  explicit key_ages(std::string_view own) : own_(own) {}

  /// Takes the next event. After `lagged`, a value that did not change keeps its age.
  void apply(const event_view& seen, time now);
  /// This node set `key` to expire at `deadline`, or not to; kept until the key is removed.
  void set_deadline(std::string_view key, std::optional<time> deadline);

  /// Of `key` of `peer`, or of this node.
  [[nodiscard]] key_age find(std::string_view peer, std::string_view key, time now) const;

 private:
  struct arrival {
    std::uint64_t generation = 0;
    std::uint64_t version = 0;
    time at{};
  };
  using by_key = std::map<std::string, arrival, std::less<>>;
  using by_peer = std::map<std::string, by_key, std::less<>>;

  std::string own_;
  by_peer arrivals_;
  by_peer before_;                                      // those of before it lagged
  std::map<std::string, time, std::less<>> deadlines_;  // of own keys
};

}  // namespace gossipmonger
