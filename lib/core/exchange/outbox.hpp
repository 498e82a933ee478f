// The legs that wait to be sent, in lanes. Lanes are isolated: flooding one lane cannot evict legs
// from another. A resource with capacities; a full lane evicts its own oldest leg.
//
// - digests: my own digests, which are never evicted.
// - answers: answers to verified addresses.
// - unverified: answers to unverified addresses.
// - bulk: the rest of answers behind their urgent part. The remote that lacks least goes first, but
//   each fourth datagram is of the oldest leg.
//
// The lanes go in this order; within the first three, a datagram of each leg in turn. Under a byte
// budget signs of life go before all else, of digests and of answers by turns.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "core/exchange/legs.hpp"
#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// In the order in which they go.
enum class outbox_lane : std::uint8_t { digests, answers, unverified, bulk };

class outbox {
 public:
  static constexpr std::size_t digests_max = 256;
  static constexpr std::size_t answers_max = 256;  ///< with the rest of them in bulk
  static constexpr std::size_t unverified_max = 32;

  outbox() = default;
  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  /// My digest that waits for that address, and is no continuation; null if there is none.
  [[nodiscard]] digest_leg* find_digest(const endpoint& to);
  /// Whether a digest to it may be added: there is room, and none waits.
  [[nodiscard]] bool has_room_for_digest(const endpoint& to);
  /// Whether a continuation to it may be added, likewise.
  [[nodiscard]] bool has_room_for_continuation(const endpoint& to) const;
  /// expects: has_room_for_digest(to)
  [[nodiscard]] digest_leg& add_digest(const endpoint& to);
  /// expects: has_room_for_continuation(to)
  [[nodiscard]] digest_leg& add_continuation(const endpoint& to);
  /// Adds an answer; where its lane is full, the oldest of that lane goes, bulk first. Returns how
  /// many went.
  [[nodiscard]] std::size_t add_answer(answer_leg&& leg);

  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] std::size_t waiting(outbox_lane in) const {
    return in == outbox_lane::digests ? digests_.size() : lane(in).size();
  }
  /// The lane whose turn it is; nullopt if nothing waits, or nothing but answers to unverified
  /// addresses that may not go now.
  [[nodiscard]] std::optional<outbox_lane> next(bool may_answer_unverified) const;
  /// Whether a leg of that lane owes a sign of life: the first such has the turn then.
  [[nodiscard]] bool try_turn_to_sign(outbox_lane of);
  /// The lane of the next sign of life to a verified address, of digests and of answers by turns:
  /// the leg that owes it has the turn then.
  [[nodiscard]] std::optional<outbox_lane> next_sign();
  /// A sign of life of that lane went out.
  void end_sign(outbox_lane of) { last_sign_ = of; }
  /// Whether one of my own signs of life waits.
  [[nodiscard]] bool has_sign_of_mine() const;
  /// Removes my digests whose sign of life went, and calls `visit` with each. First contacts stay.
  template <class Visitor>
  void end_digests(Visitor visit) {
    std::erase_if(digests_, [&visit](const digest_leg& leg) {
      if (leg.is_sign_due || leg.padded_bytes != 0) return false;
      visit(leg);
      return true;
    });
  }
  /// Removes the answers that were planned before `oldest`, except bulk.
  void expire_answers(std::chrono::nanoseconds oldest);
  /// Removes the bulk that was planned before `oldest`: others have sent some of it since, and its
  /// remote has told somebody what it lacks now.
  void expire_bulk(std::chrono::nanoseconds oldest);
  /// The digest whose turn it is.
  ///   expects: one waits
  [[nodiscard]] digest_leg& digest_turn() { return digests_.front(); }
  /// The answer whose turn it is in that lane.
  ///   expects: `from` is a lane of answers, and one waits there
  [[nodiscard]] answer_leg& answer_turn(outbox_lane from);
  /// A datagram of that leg went out: another one has its turn.
  void end_turn(outbox_lane from);
  /// Nothing is left of that leg.
  void end(outbox_lane from);

  /// Calls `visit` with each of my digests.
  template <class Visitor>
  void for_each_digest(Visitor visit) {
    for (digest_leg& leg : digests_) visit(leg);
  }
  /// Calls `visit` with each answer to a verified address.
  template <class Visitor>
  void for_each_answer(Visitor visit) {
    for (answer_leg& leg : lane(outbox_lane::answers)) visit(leg);
    for (answer_leg& leg : lane(outbox_lane::bulk)) visit(leg);
  }

 private:
  static constexpr std::size_t answer_lanes = 3;
  /// One in so many datagrams of bulk is of the oldest leg.
  static constexpr std::uint64_t bulk_turns = 4;

  /// expects: `which` is a lane of answers
  [[nodiscard]] std::deque<answer_leg>& lane(outbox_lane which) {
    return answers_[static_cast<std::size_t>(which) - 1];
  }
  [[nodiscard]] const std::deque<answer_leg>& lane(outbox_lane which) const {
    return answers_[static_cast<std::size_t>(which) - 1];
  }
  /// Whether a leg of `lane` owes a sign of life, which it moves to the front.
  template <class Leg>
  [[nodiscard]] static bool try_turn(std::deque<Leg>& lane);

  std::deque<digest_leg> digests_;
  std::array<std::deque<answer_leg>, answer_lanes> answers_;  // by lane, digests left out
  outbox_lane last_sign_ = outbox_lane::answers;
  std::uint64_t bulk_turn_ = 0;  // datagrams of bulk sent
  std::size_t bulk_place_ = 0;   // in its lane, of the leg whose turn it is
};

}  // namespace gossipmonger
