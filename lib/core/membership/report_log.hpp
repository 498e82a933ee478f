// The subjects that events have named already, so that each is named once in a while and not with
// each datagram. A resource with a capacity: when it is full of recent ones, nothing further is
// named.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace gossipmonger {

class report_log {
 public:
  /// Of `capacity` things, each known by a hash.
  explicit report_log(std::size_t capacity) : capacity_(capacity) {}
  report_log(const report_log&) = delete;
  report_log& operator=(const report_log&) = delete;

  /// Whether `subject` is to be named now, which is then remembered: it was not named within
  /// `pause`, and there is a place for it.
  [[nodiscard]] bool try_note(std::uint64_t subject, std::chrono::nanoseconds now,
                              std::chrono::nanoseconds pause);
  /// The same, and nothing is remembered.
  [[nodiscard]] bool may_note(std::uint64_t subject, std::chrono::nanoseconds now,
                              std::chrono::nanoseconds pause) const;
  [[nodiscard]] std::size_t size() const { return noted_.size(); }

 private:
  struct note {
    note(std::uint64_t of_subject, std::chrono::nanoseconds at_time)
        : subject(of_subject), at(at_time) {}

    std::uint64_t subject;
    std::chrono::nanoseconds at;
  };

  std::size_t capacity_;
  std::deque<note> noted_;  // oldest first
};

}  // namespace gossipmonger
