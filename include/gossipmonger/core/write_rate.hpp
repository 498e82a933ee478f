// How fast a writer may write so that the cluster carries it: a rate in bytes an interval that
// rises by a step while it is used and nobody falls behind, and falls by a quarter when somebody
// does. Writing is never refused: it borrows, and a writer who cares waits until that is paid back.
// A value; reads no clock (I6).
// Source: van Renesse, Dumitriu, Gough, Thomas, LADIS 2008, section 4 (local flow control).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

class write_rate {
 public:
  /// Begins at `bytes_per_interval`, which is also 32 steps.  expects: it is not 0
  write_rate(std::size_t bytes_per_interval, std::chrono::nanoseconds now);

  /// Somebody wrote.
  void spend(std::size_t bytes);
  /// A peer falls behind with what I write: the rate falls, once a round.
  void fall_behind() { is_behind_ = true; }
  /// A round is over. True: the rate fell.
  bool end_round(std::chrono::nanoseconds now, std::chrono::nanoseconds interval);

  /// About as many entries as were written in so many rounds.
  [[nodiscard]] std::uint64_t entries_in(std::size_t rounds) const;
  /// Whether nothing is borrowed; refilled for the time since the last call.
  [[nodiscard]] bool is_open(std::chrono::nanoseconds now, std::chrono::nanoseconds interval);
  /// When that will be so, if nobody writes until then; after `is_open`.
  [[nodiscard]] std::chrono::nanoseconds is_open_at(std::chrono::nanoseconds interval) const;
  [[nodiscard]] std::size_t bytes_per_interval() const { return static_cast<std::size_t>(rate_); }

 private:
  double rate_;
  double step_;
  double level_;                // what may be written at once; below 0: borrowed
  std::uint64_t entries_ = 0;   // in this round
  double entries_a_round_ = 0;  // a mean that forgets an eighth a round
  double written_ = 0;          // in this round
  bool is_behind_ = false;
  std::chrono::nanoseconds refilled_;
};

}  // namespace gossipmonger
