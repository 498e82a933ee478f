// The notices of one run of a node: it must tell them, and may tell them with cause only. They are
// that it is alone, that a peer refuses it, and that a peer has another gossip interval. Checks
// also that a node tells a refused peer why. Part of the checker. A resource; not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/model/message.hpp"
#include "core/protocol.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/event.hpp"

namespace gossipmonger {

class notice_watch {
 public:
  notice_watch() = default;
  notice_watch(const notice_watch&) = delete;
  notice_watch& operator=(const notice_watch&) = delete;

  /// The node gets `received` next, under a cookie that it may accept; `is_sure`: it does accept
  /// it.
  void handle_arrival(const protocol& core, const endpoint& source, const message& received,
                      bool is_sure, std::chrono::nanoseconds now);
  /// A datagram that the node sends. Not called where a byte budget may keep answers waiting.
  void handle_send(const endpoint& to, const message& sent);
  /// It runs with another interval from now on.
  void handle_interval(std::chrono::milliseconds interval, std::chrono::nanoseconds now);
  void handle_event(const event_view& seen);
  /// It was given what arrived, or its time, and its events were read. `has_seeds`: it knows an
  /// address of a seed, and not its own alone.
  void end_step(const protocol& core, bool is_timer, bool has_seeds);

  /// The first rule that it broke; empty: none.
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  struct asker {
    asker() = default;

    endpoint from;
    refusal expected = refusal::none;
  };
  /// The interval that a peer said in a row, while it stood in one row of the table.
  struct said_interval {
    said_interval() = default;

    std::uint64_t introduced = 0;
    interval_code interval;
    std::size_t words = 0;
  };

  void fail(std::string rule) {
    if (fault_.empty()) fault_ = std::move(rule);
  }
  void watch_interval(const protocol& core, const message& received, bool is_sure,
                      std::chrono::nanoseconds now);
  void end_alone(const protocol& core, bool is_timer, bool has_seeds);

  std::string fault_;
  // Alone.
  std::size_t alone_rounds_ = 0;
  std::uint64_t heartbeat_ = 0;
  bool was_alone_ = true;  // after the last step
  bool is_alone_told_ = false;
  // Refusals.
  std::optional<asker> asked_;  // by the datagram in hand
  std::array<bool, refusal_count> has_heard_{};
  refusal heard_ = refusal::none;  // in the datagram in hand
  bool must_tell_refusal_ = false;
  bool is_refusal_told_ = false;  // in this step
  // Intervals.
  std::map<std::uint64_t, said_interval> said_;             // by name hash
  std::map<std::string, bool, std::less<>> interval_told_;  // by name, of all that were ever told
  std::optional<std::chrono::nanoseconds> interval_moved_;
  std::optional<std::chrono::milliseconds> own_interval_;
  std::string must_tell_interval_of_;
  std::string interval_told_of_;  // in this step
  std::string interval_heard_of_;
};

}  // namespace gossipmonger
