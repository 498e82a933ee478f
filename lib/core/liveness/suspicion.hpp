// Whether one incarnation is taken for failed: when it was last heard alive, and since when it is
// suspected. All times are on the local liveness clock. A value.
// Source: suspicion with refutation after Das, Gupta, Motivala, SWIM, DSN 2002, section 4.2.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/model/digest.hpp"

namespace gossipmonger {

/// The unit of ages in a suspicion. Counted in nanoseconds: 16 do not go into 10 ms or 20 ms.
[[nodiscard]] constexpr std::chrono::nanoseconds age_unit(std::chrono::nanoseconds interval) {
  return interval / suspicion_entry::ages_a_round;
}

/// The options that the rules of suspicion depend on. A value.
struct suspicion_rules {
  suspicion_rules(std::chrono::nanoseconds of_interval, double of_jitter, std::size_t of_rounds)
      : interval(of_interval), jitter(of_jitter), rounds(of_rounds) {}

  /// The last part of a suspicion, in which its holder asks the suspect itself.
  [[nodiscard]] std::chrono::nanoseconds last_third() const {
    return interval * static_cast<std::int64_t>(rounds / 3);
  }
  [[nodiscard]] std::chrono::nanoseconds whole() const {
    return interval * static_cast<std::int64_t>(rounds);
  }

  std::chrono::nanoseconds interval;
  double jitter;
  std::size_t rounds;  ///< from the suspicion to declaring dead
};

class suspicion {
 public:
  suspicion() = default;

  /// It was heard directly at `now`, with that heartbeat. A heartbeat below the last direct one
  /// comes from a delayed datagram, and shows nothing. One below the claims of other peers counts:
  /// else a liar could make a peer's own word worthless. True: this ends a suspicion.
  bool handle_alive(std::uint64_t heartbeat, std::chrono::nanoseconds now);
  /// Somebody else heard it directly at `at`. Only a higher heartbeat counts, or else a sign of
  /// life would grow younger as it goes round. True: this ends a suspicion.
  bool adopt(std::uint64_t heartbeat, std::chrono::nanoseconds at);
  /// Somebody could not reach it, at `at`. The earliest suspicion later than the sign of life
  /// stands, and any where there is none. `heartbeat` is the highest heard of. True: this begins a
  /// suspicion.
  bool suspect(std::chrono::nanoseconds at, std::uint64_t heartbeat, std::chrono::nanoseconds now);
  /// It beats so high that it lived after the suspicion, whoever says so. True: this ends a
  /// suspicion.
  bool handle_heartbeat(std::uint64_t heartbeat, const suspicion_rules& rules);
  /// A datagram goes to it, at `now`, that it answers if it lives. The first one counts.
  void handle_asked(std::chrono::nanoseconds now) {
    if (!asked_) asked_ = now;
    ++asks_;
  }
  /// Nobody suspects it any more, whatever was heard.
  void end() { suspected_.reset(); }
  /// Nothing was heard while this process stood still: a suspicion starts over to be confirmed.
  void handle_pause(std::chrono::nanoseconds now) {
    heard_ = now;
    asked_.reset();
    asks_ = 0;
  }

  [[nodiscard]] bool was_heard() const { return alive_at_.has_value(); }
  /// When it was last heard directly, by whomever.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> alive_at() const { return alive_at_; }
  /// The highest heartbeat that such a word bore.
  [[nodiscard]] std::uint64_t alive_heartbeat() const { return heartbeat_; }
  /// Since when it is suspected; nothing where it is not.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> suspected_since() const {
    return suspected_;
  }
  [[nodiscard]] bool is_suspect() const { return suspected_.has_value(); }
  /// Time to ask the suspect once more, myself.
  [[nodiscard]] bool is_nearly_ripe(std::chrono::nanoseconds now,
                                    const suspicion_rules& rules) const;
  /// The suspicion stood for all of its rounds, and for a third of them here. Since then this node
  /// asked the suspect `asks` times, and it had time to answer. So the word of other peers alone
  /// kills nobody, unless `asks` is 0.
  [[nodiscard]] bool is_ripe(std::chrono::nanoseconds now, const suspicion_rules& rules,
                             std::size_t asks = 1) const;
  [[nodiscard]] bool is_alive_after(std::chrono::nanoseconds at) const {
    return alive_at_ && *alive_at_ >= at;
  }
  /// The least heartbeat that only an incarnation alive after `at` can have: from the sign of life,
  /// one a round, and what jitter may add. Without one, well above what was heard before the
  /// suspicion.
  [[nodiscard]] std::uint64_t heartbeat_after(std::chrono::nanoseconds at,
                                              const suspicion_rules& rules) const;

  /// As it is told to others; `suspected_at` in place of my own suspicion, where that is given.
  [[nodiscard]] suspicion_entry entry(
      std::chrono::nanoseconds now, std::chrono::nanoseconds interval,
      std::optional<std::chrono::nanoseconds> suspected_at = std::nullopt) const;

 private:
  [[nodiscard]] bool try_end();

  std::uint64_t heartbeat_ = 0;          // the highest that a sign of life bore
  std::uint64_t direct_ = 0;             // likewise, of what was heard here
  std::uint64_t claimed_heartbeat_ = 0;  // of one never heard: the highest told by others
  std::optional<std::chrono::nanoseconds> alive_at_;
  std::optional<std::chrono::nanoseconds> suspected_;  // later than alive_at_
  std::chrono::nanoseconds heard_{};                   // of the suspicion, first
  std::optional<std::chrono::nanoseconds> asked_;      // since then, first
  std::uint32_t asks_ = 0;                             // since then
};

}  // namespace gossipmonger
