// The order and the time of all that a node sends: the legs that wait, the byte budget that holds
// them back, and the place where its digests go on. A resource; reads no clock (I6).
//
// The byte budget goes to signs of life first, which need next to nothing, then to membership, then
// to bulk. Each leaves a part of the bucket to those before it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/exchange/legs.hpp"
#include "core/exchange/outbox.hpp"
#include "core/exchange/send_budget.hpp"
#include "core/membership/membership_need.hpp"
#include "core/model/message.hpp"
#include "core/model/slot_column.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// The leg whose turn it is: either a digest or an answer.
struct leg_turn {
  leg_turn(outbox_lane of_lane, digest_leg* of_digest, answer_leg* of_answer)
      : lane(of_lane), digest(of_digest), answer(of_answer) {}

  [[nodiscard]] leg_base& leg() const {
    return digest != nullptr ? static_cast<leg_base&>(*digest) : *answer;
  }

  outbox_lane lane;
  digest_leg* digest;
  answer_leg* answer;
};

class sending {
 public:
  struct counters {
    counters() = default;

    std::uint64_t sends_delayed = 0;    ///< times the budget was spent while something waited
    std::uint64_t answers_dropped = 0;  ///< answers given up, because their lane was full
  };

  explicit sending(const config& settings) : settings_(settings) {}
  sending(const sending&) = delete;
  sending& operator=(const sending&) = delete;

  // Legs that are to go.
  /// My digest that waits for that address; null if there is none.
  [[nodiscard]] digest_leg* find_digest(const endpoint& to) { return outbox_.find_digest(to); }
  [[nodiscard]] bool has_room_for_digest(const endpoint& to) {
    return outbox_.has_room_for_digest(to);
  }
  /// Adds a digest of so many rows and refused peers, which goes on where the last one ended. A
  /// digest to an unverified address is to be padded besides.
  ///   expects: has_room_for_digest(to)
  [[nodiscard]] digest_leg& add_digest(const endpoint& to, std::size_t rows, std::size_t unwanted);
  /// Whether a leg that asks that address for more may go: none waits, and there is room.
  [[nodiscard]] bool has_room_for_continuation(const endpoint& to) const {
    return outbox_.has_room_for_continuation(to);
  }
  /// Adds a leg that asks for more, and claims nothing.
  ///   expects: has_room_for_continuation(to)
  [[nodiscard]] digest_leg& add_continuation(const endpoint& to);
  /// Limits a digest to an unverified address to one datagram, padded for the 3x rule.
  ///   bytes_max: the most that this start may be padded to
  void pad(digest_leg& leg, std::size_t bytes_max) const;
  /// Makes a digest tell a root and some rows, in one datagram.
  void make_root(digest_leg& leg) const;
  /// Whether this round has a short leg left, whatever its reason is (I5).
  [[nodiscard]] bool may_start_short() const { return short_legs_left_ != 0; }
  /// A short digest leg was added.  expects: may_start_short()
  void handle_short_started();
  /// Whether a fresh digest leg may go to that address at once: one may in a round, and one for
  /// each part of its sums. And only to so many addresses as `unverified_addresses_max` says. Notes
  /// that it goes.
  [[nodiscard]] bool try_restart(const endpoint& to, unsigned part = 0);
  void add_answer(answer_leg&& leg);
  /// Strikes the owners that `fresh` tells of out of the answers that wait for the same remote.
  ///   slots: one more than the highest slot that `fresh` names
  void supersede(const answer_leg& fresh, std::size_t slots);
  /// The row is of a new incarnation, or goes: it got no sign of life. To be called before the
  /// first use of the slot.
  void begin(slot_index slot) { signs_given_.begin(slot); }
  /// Whether that peer waits for a sign of life: none went to it for half of an interval. Notes
  /// that one goes.
  [[nodiscard]] bool try_give_sign(slot_index slot, std::chrono::nanoseconds now);
  /// Plans the sign of life of an answer to a digest of `digest_bytes`, and counts the answer.
  /// `is_first`: no sign went to the sender lately. `is_short`: its leg wants nothing but a sign.
  void plan_sign(answer_leg& answer, std::size_t digest_bytes, bool is_first, bool is_short);
  /// Counts bytes of membership other than digests and answers.
  void count_membership(std::size_t bytes) { need_.handle_other(bytes + frame_bytes_); }

  /// The driver adds so many bytes to each datagram: the byte budget counts them.
  void set_frame_bytes(std::size_t bytes) { frame_bytes_ = bytes; }
  [[nodiscard]] std::size_t frame_bytes() const { return frame_bytes_; }

  // The round.
  /// Ends the digests that the last round's budget did not carry. True: a probe of mine still
  /// waits.
  [[nodiscard]] bool begin_round();
  /// The budget's part for digests goes evenly to those that begin in this round.
  void plan_digests();
  /// Compares the budget with what membership needs, where a digest of everybody has so many bytes.
  [[nodiscard]] membership_need::outcome end_round(std::size_t whole_digest_bytes) {
    const std::size_t datagrams = whole_digest_bytes / settings_.datagram_bytes_max + 1;
    return need_.end_round(whole_digest_bytes + datagrams * frame_bytes_,
                           settings_.send_bytes_per_interval);
  }

  // Output.
  /// Removes the answers that waited too long.
  void expire(std::chrono::nanoseconds now);
  /// The leg whose turn it is, if the budget has room for it. It may be a bare sign of life, which
  /// goes ahead of its leg. Valid until the next call.
  [[nodiscard]] std::optional<leg_turn> next(std::chrono::nanoseconds steady);
  /// A datagram of that leg, `sent`, goes out.
  void took(const leg_turn& turn, const message& sent);
  /// Nothing is left of that leg.
  void end(const leg_turn& turn);
  /// When the budget has room for the next datagram; nullopt: it does not hold one back.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> opens_at() const { return sends_at_; }

  // Getters.
  /// The local address that the latest datagram leaves from; a wildcard: the driver's choice.
  [[nodiscard]] const endpoint& source() const { return source_; }
  [[nodiscard]] std::size_t restarted() const { return restarted_.size(); }
  [[nodiscard]] bool has_byte_budget() const { return settings_.send_bytes_per_interval != 0; }
  /// The most bytes that an answer to an unverified address may take.
  [[nodiscard]] std::size_t unverified_bytes_max() const;
  /// The budget's bytes for one digest of so many that begin in a round.
  [[nodiscard]] std::size_t digest_bytes(std::size_t digests) const;
  [[nodiscard]] std::size_t membership_bytes() const { return need_.bytes_per_interval(); }
  [[nodiscard]] std::size_t waiting(outbox_lane in) const { return outbox_.waiting(in); }
  [[nodiscard]] const counters& counted() const { return counted_; }

 private:
  static constexpr std::size_t short_legs_max = 24;

  struct restart {
    restart(const endpoint& address, unsigned of_part) : to(address), part(of_part) {}

    friend bool operator==(const restart&, const restart&) = default;

    endpoint to;
    unsigned part;
  };

  [[nodiscard]] std::size_t kept_from_membership() const { return kept_from_bulk() / 2; }
  [[nodiscard]] std::size_t kept_from_bulk() const;
  /// The part of the budget for answers to unverified addresses.
  [[nodiscard]] std::size_t unverified_bytes() const;
  /// A first contact is padded to so much.
  [[nodiscard]] std::size_t first_contact_bytes() const;
  /// The lane whose turn it is, within the budget; nullopt: none before `sends_at_`.
  [[nodiscard]] std::optional<outbox_lane> next_lane(std::chrono::nanoseconds steady);
  [[nodiscard]] std::optional<outbox_lane> next_within_budget();
  /// When the budget has room for the next datagram.
  [[nodiscard]] std::chrono::nanoseconds budget_opens_at();
  /// Whether the leg gives its sign of life without the rest, for want of room.
  [[nodiscard]] bool is_bare_sign(const digest_leg& leg) const;
  [[nodiscard]] bool is_bare_sign(outbox_lane from, const answer_leg& leg) const;
  /// The next round's digest goes on where this one ended.
  void keep_cursors(const digest_leg& leg);

  const config& settings_;
  std::size_t frame_bytes_ = 0;
  outbox outbox_;
  send_budget budget_;
  send_budget unverified_budget_;  // the part of it that answers to unverified addresses may take
  membership_need need_;
  std::optional<std::chrono::nanoseconds> sends_at_;  // until when the budget is spent
  std::uint64_t digest_cursor_ = 0;
  std::uint64_t extra_cursor_ = 0;  // of the rows that are told where refused peers end the range
  std::uint64_t root_cursor_ = 0;   // of the rows that are told beside a root
  std::size_t short_legs_left_ = short_legs_max;  // in this round
  std::vector<restart> restarted_;                // the digest legs that were begun anew this round
  slot_column<std::optional<std::chrono::nanoseconds>> signs_given_;  // last
  endpoint source_;
  // The bare sign of life whose turn it is.
  std::optional<digest_leg> digest_sign_;
  std::optional<answer_leg> answer_sign_;
  counters counted_;
};

}  // namespace gossipmonger
