// When my own keys expire: a deadline a key, in the order in which they fall due. A resource; holds
// no more than its owner's live keys, which are bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace gossipmonger {

class expiry {
 public:
  using time = std::chrono::nanoseconds;

  /// A key may live for so long at most; also what keeps a deadline within the clock.
  static constexpr time ttl_max = std::chrono::hours{24 * 365};
  /// So many keys are taken at once; what is due beyond waits for `batch_pause`, so that a million
  /// keys of one deadline keep nobody else waiting.
  static constexpr std::size_t batch_max = 256;
  static constexpr time batch_pause = std::chrono::milliseconds{1};

  expiry() = default;
  expiry(const expiry&) = delete;
  expiry& operator=(const expiry&) = delete;

  /// Whether a key may be set to live for `ttl`.
  [[nodiscard]] static bool is_allowed(time ttl) { return ttl > time{} && ttl <= ttl_max; }

  /// `key` falls due at `deadline`, whatever was said of it before.
  void set(std::string_view key, time deadline);
  /// `key` does not expire.
  void clear(std::string_view key);
  void clear_all();

  /// When `take_due` has something to give; time::max() if never.
  [[nodiscard]] time next() const;
  /// Takes out a key whose deadline has come, the earliest first; nothing after `batch_max` in a
  /// row, until `batch_pause` later.
  [[nodiscard]] std::optional<std::string> take_due(time now);
  [[nodiscard]] std::size_t size() const { return due_by_key_.size(); }

 private:
  // Deadlines that are equal keep the order in which they were set (I6).
  using order = std::multimap<time, std::string>;

  order by_time_;
  std::map<std::string, order::iterator, std::less<>> due_by_key_;
  time paused_until_ = time::min();
  std::size_t taken_ = 0;  // in this batch
};

}  // namespace gossipmonger
