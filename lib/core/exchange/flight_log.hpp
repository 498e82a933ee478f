// The entries on their way to each peer, so that they are not sent again; and whether they came.
// A resource with a capacity: when it is full, the flow that was added to least recently goes,
// and what it held may be sent twice.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>

#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// A peer's progress with the entries of an owner: everything up to a version. If `part` has an
/// offset, also the first bytes of a later value; the owner has dropped the versions between.
struct flight_place {
  flight_place() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a version is a place.
  flight_place(std::uint64_t version) : after(version) {}
  flight_place(std::uint64_t version, position of_next) : after(version), part(of_next) {}

  friend bool operator<(const flight_place& one, const flight_place& other) {
    return one.rank() < other.rank();
  }

  std::uint64_t after = 0;
  position part;  ///< version and offset of that value; offset 0: nothing of it

 private:
  [[nodiscard]] std::pair<std::uint64_t, std::uint32_t> rank() const {
    return part.offset == 0 ? std::pair(after, std::numeric_limits<std::uint32_t>::max())
                            : std::pair(part.version, part.offset);
  }
};

/// Where to go on for somebody who says what it holds.
struct flight_answer {
  flight_answer() = default;

  std::uint64_t after = 0;
  position part;             ///< of the next value, as in `flight_place`
  bool was_lost = false;     ///< something did not arrive in time: it is sent again
  bool has_arrived = false;  ///< something arrived, and nothing was lost
};

class flight_log {
 public:
  explicit flight_log(std::size_t capacity) : capacity_(capacity) {}
  flight_log(const flight_log&) = delete;
  flight_log& operator=(const flight_log&) = delete;

  /// Entries of `owner` up to `upto` went to `remote` while my heartbeat stood at `heartbeat`.
  /// Without a sign of it they are there, or lost, at `due`.
  void handle_sent(std::uint64_t remote, std::uint64_t owner, std::uint64_t generation,
                   const flight_place& upto, std::uint64_t heartbeat, std::chrono::nanoseconds due);
  /// `remote` says that it holds `owner` up to `held`, and that it has seen `heartbeat` of mine:
  /// so what I sent it before that heartbeat is there, or lost.
  [[nodiscard]] flight_answer handle_held(std::uint64_t remote, std::uint64_t owner,
                                          std::uint64_t generation, const flight_place& held,
                                          std::uint64_t heartbeat, std::chrono::nanoseconds now);
  [[nodiscard]] bool has_any(std::uint64_t remote) const {
    const auto first = flows_.lower_bound({remote, 0});
    return first != flows_.end() && first->first.first == remote;
  }
  [[nodiscard]] bool is_empty() const { return flows_.empty(); }
  [[nodiscard]] std::size_t size() const { return flows_.size(); }

 private:
  /// Everything up to `upto`, sent until my heartbeat left `heartbeat`.
  struct mark {
    mark() = default;

    flight_place upto;
    std::uint64_t heartbeat = 0;
    std::chrono::nanoseconds due{};
  };
  struct flow {
    flow() = default;

    std::uint64_t generation = 0;
    std::array<mark, 8> marks;  // ascending
    std::size_t count = 0;
    std::uint64_t last_noted = 0;  // when it was added to last, in calls
  };

  void make_room();

  std::size_t capacity_;
  std::uint64_t calls_ = 0;
  std::map<std::pair<std::uint64_t, std::uint64_t>, flow> flows_;
};

}  // namespace gossipmonger
