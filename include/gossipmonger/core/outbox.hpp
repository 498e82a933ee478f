// What waits to be sent, in lanes: who floods one pushes nothing out of another. My own digests go
// first and are never pushed out; then answers to members, answers to strangers, and what is left
// of answers to members behind their first datagram. Within a lane, a datagram of each in turn. A
// resource with capacities.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "gossipmonger/core/endpoint.hpp"
#include "gossipmonger/core/reconcile.hpp"

namespace gossipmonger {

enum class outbox_lane : std::uint8_t { digests, answers, strangers, bulk };

class outbox {
 public:
  static constexpr std::size_t digests_max = 256;
  static constexpr std::size_t answers_max = 256;  ///< with what is left of them
  static constexpr std::size_t strangers_max = 32;

  outbox() = default;
  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  /// My digest that waits for that address; null where none does.
  [[nodiscard]] exchange* find_digest(const endpoint& to);
  /// Whether a digest to it may be added: there is room, and none waits.
  [[nodiscard]] bool has_room_for_digest(const endpoint& to);
  /// expects: has_room_for_digest(to)
  [[nodiscard]] exchange& add_digest(const endpoint& to);
  /// Adds an answer; where its lane is full, the oldest of that lane goes, bulk first. Returns how
  /// many went.
  [[nodiscard]] std::size_t add_answer(exchange&& leg);

  [[nodiscard]] bool is_empty() const;
  /// Whose turn it is; nullopt where nobody's but strangers', who may not be answered now.
  [[nodiscard]] std::optional<outbox_lane> next(bool may_answer_strangers) const;
  /// expects: something waits in that lane
  [[nodiscard]] exchange& front(outbox_lane from) { return lane(from).front(); }
  /// A datagram of its first leg went out: the lane's next one has its turn.
  void end_turn(outbox_lane from);
  /// Nothing is left of its first leg.
  void remove_front(outbox_lane from) { lane(from).pop_front(); }

  /// Calls `visit` with each answer to a member.
  template <class Visitor>
  void for_each_answer(Visitor visit) {
    for (exchange& leg : lane(outbox_lane::answers)) visit(leg);
    for (exchange& leg : lane(outbox_lane::bulk)) visit(leg);
  }

 private:
  static constexpr std::size_t lanes = 4;

  [[nodiscard]] std::deque<exchange>& lane(outbox_lane which) {
    return waiting_[static_cast<std::size_t>(which)];
  }

  std::array<std::deque<exchange>, lanes> waiting_;  // by lane
};

}  // namespace gossipmonger
