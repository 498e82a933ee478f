// How fast a writer may write so that the cluster carries it: a rate in bytes an interval. The
// evidence is the version of mine that each peer says it holds. A peer is behind if it lacks
// entries that are older than news takes; its progress since then is the rate that reaches it.
// Writing is never refused: it borrows, and a careful writer waits until that is paid back. A
// value; reads no clock (I6).
// Source: van Renesse, Dumitriu, Gough, Thomas, LADIS 2008, section 4 (local flow control). The
// rate follows the delivered bytes, not lateness alone, after Cardwell et al., BBR, ACM Queue
// 14(5), 2016.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

/// How a peer that is behind with what I write gets on: since when, and from where.
struct write_progress {
  write_progress() = default;

  std::uint64_t held = 0;   ///< version of mine up to which it held all
  std::size_t part = 0;     ///< and bytes of the value after that
  std::uint32_t round = 0;  ///< when
  bool is_behind = false;
};

class write_rate {
 public:
  /// expects: `bytes_per_interval` is not 0
  write_rate(std::size_t bytes_per_interval, std::chrono::nanoseconds now);

  /// The limit of the rate has changed; the written bytes have not.
  void begin_anew(std::size_t bytes_per_interval);
  /// I wrote `version`.
  void spend(std::size_t bytes, std::uint64_t version);
  /// A live peer holds what I wrote up to `held`, and `part` bytes of the value after that.
  void handle_held(write_progress& peer, std::uint64_t held, std::size_t part);
  /// A round is over, in a cluster of so many peers. True: the rate fell.
  bool end_round(std::chrono::nanoseconds now, std::chrono::nanoseconds interval,
                 std::size_t peers);

  /// Whether nothing is borrowed; refilled for the time since the last call.
  [[nodiscard]] bool is_open(std::chrono::nanoseconds now, std::chrono::nanoseconds interval);
  /// When that will be so, if nobody writes until then; after `is_open`.
  [[nodiscard]] std::chrono::nanoseconds is_open_at(std::chrono::nanoseconds interval) const;
  [[nodiscard]] std::size_t bytes_per_interval() const { return static_cast<std::size_t>(rate_); }

 private:
  /// The written bytes at the end of a round.
  struct mark {
    mark() = default;

    std::uint64_t version = 0;
    double bytes = 0;
  };

  [[nodiscard]] const mark& mark_of(std::uint32_t round) const {
    return marks_[round % marks_.size()];
  }
  /// The first round at whose end a version above `held` was written, or the oldest remembered. The
  /// present round, if none is above it.
  [[nodiscard]] std::uint32_t round_of(std::uint64_t held) const;
  /// Bytes written up to that version, as far as the marks tell.
  [[nodiscard]] double bytes_upto(std::uint64_t held) const;

  double first_;
  double rate_;
  double level_;  // bytes that may be written at once; below 0: borrowed
  std::chrono::nanoseconds refilled_;

  std::array<mark, 64> marks_{};  // of the latest rounds
  std::uint32_t round_ = 0;       // the one that is not over; its number bounds what is marked
  mark now_;
  double written_ = 0;  // in this round

  std::uint32_t patience_ = 6;  // rounds in which what I write is surely everywhere
  std::uint32_t turn_ = 1;      // rounds in which I surely hear from everybody
  double carried_ = 0;          // the rate by this round's evidence; 0: no limit
  bool is_late_ = false;        // somebody fell behind in this round
  std::uint32_t fell_ = 0;      // round in which the rate fell last
  std::uint32_t held_up_ = 0;   // round in which somebody last kept it from rising
  bool has_fallen_ = false;
  bool was_held_up_ = false;
};

}  // namespace gossipmonger
