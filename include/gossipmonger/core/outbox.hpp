// What waits to be sent, in lanes: who floods one pushes nothing out of another. My own digests go
// first and are never pushed out; then answers to members, answers to strangers, and what is left
// of answers to members behind their first datagram (bulk). Within a lane, a datagram of each in
// turn; in bulk first of the answer whose remote lacks least. Under a byte budget, signs of life go
// before all else: those of digests, then those of answers. A resource with capacities.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
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
  [[nodiscard]] std::size_t waiting(outbox_lane in) const {
    return waiting_[static_cast<std::size_t>(in)].size();
  }
  /// Whose turn it is; nullopt where nobody's but strangers', who may not be answered now.
  [[nodiscard]] std::optional<outbox_lane> next(bool may_answer_strangers) const;
  /// Whether a leg of that lane owes a sign of life: the first such has the turn then.
  [[nodiscard]] bool try_turn_to_sign(outbox_lane of);
  /// The lane of the next sign of life to a member, of digests and of answers by turns: the leg
  /// that owes it has the turn then.
  [[nodiscard]] std::optional<outbox_lane> next_sign();
  /// A sign of life of that lane went out.
  void end_sign(outbox_lane of) { last_sign_ = of; }
  /// Whether one of my own signs of life waits.
  [[nodiscard]] bool has_sign_of_mine() const;
  /// Of my digests those go whose sign of life went: `visit` is called with each. First contacts
  /// stay.
  template <class Visitor>
  void end_digests(Visitor visit) {
    std::erase_if(lane(outbox_lane::digests), [&visit](const exchange& leg) {
      if (leg.is_sign_due || leg.padded_bytes != 0) return false;
      visit(leg);
      return true;
    });
  }
  /// Answers, bulk left out, that were planned before `oldest` go.
  void expire_answers(std::chrono::nanoseconds oldest);
  /// Bulk that was planned before `oldest` goes: others have sent of it since, and its remote has
  /// told somebody what it lacks now.
  void expire_bulk(std::chrono::nanoseconds oldest);
  /// The leg whose turn it is in that lane.
  ///   expects: something waits there
  [[nodiscard]] exchange& turn(outbox_lane from);
  /// A datagram of that leg went out: another one has its turn.
  void end_turn(outbox_lane from);
  /// Nothing is left of that leg.
  void end(outbox_lane from);

  /// Calls `visit` with each of my digests.
  template <class Visitor>
  void for_each_digest(Visitor visit) {
    for (exchange& leg : lane(outbox_lane::digests)) visit(leg);
  }
  /// Calls `visit` with each answer to a member.
  template <class Visitor>
  void for_each_answer(Visitor visit) {
    for (exchange& leg : lane(outbox_lane::answers)) visit(leg);
    for (exchange& leg : lane(outbox_lane::bulk)) visit(leg);
  }

 private:
  static constexpr std::size_t lanes = 4;
  /// Of so many datagrams of bulk, one is of the oldest.
  static constexpr std::uint64_t bulk_turns = 4;

  [[nodiscard]] std::deque<exchange>& lane(outbox_lane which) {
    return waiting_[static_cast<std::size_t>(which)];
  }

  std::array<std::deque<exchange>, lanes> waiting_;  // by lane
  outbox_lane last_sign_ = outbox_lane::answers;
  std::uint64_t bulk_turn_ = 0;  // datagrams of bulk that went out
  std::size_t bulk_place_ = 0;   // in its lane, of whose turn it is
};

}  // namespace gossipmonger
