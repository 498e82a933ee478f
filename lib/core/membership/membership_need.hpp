// The bytes that membership alone needs of a byte budget, as the node measures them, and whether
// the budget stays below that for long. Users' writes are not counted. A value; reads no clock
// (I6).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gossipmonger {

class membership_need {
 public:
  /// The mean is over about so many rounds; and for so many in a row the budget has to be below it,
  /// or enough again, before that is told.
  static constexpr std::size_t rounds = 16;
  enum class outcome : std::uint8_t { unchanged, falls_short, suffices };

  membership_need() = default;

  /// So many digests of mine begin: they count as if the budget let them be whole.
  void handle_digests(std::size_t count) { digests_ += count; }
  /// Other traffic of membership, of so many bytes whatever the budgets are.
  void handle_other(std::size_t bytes) { other_bytes_ += bytes; }
  /// A datagram of somebody's digest came, the first of that digest or not; what answers it takes
  /// `answer_bytes`, entries of users left out.
  void handle_asked(std::size_t bytes, bool is_first, std::size_t answer_bytes);
  /// expects: `whole_digest_bytes` is that of a digest which no budget makes smaller
  ///   budget:  0 for none
  [[nodiscard]] outcome end_round(std::size_t whole_digest_bytes, std::size_t budget);
  /// 0 before the first round ended.
  [[nodiscard]] std::size_t bytes_per_interval() const {
    return static_cast<std::size_t>(sum_ / rounds);
  }

 private:
  std::uint64_t sum_ = 0;  // of `rounds` rounds, about
  bool has_sum_ = false;
  // In this round.
  std::uint64_t digests_ = 0;
  std::uint64_t other_bytes_ = 0;
  std::uint64_t digests_asked_ = 0;
  std::uint64_t asked_bytes_ = 0;
  std::uint64_t answer_bytes_ = 0;

  bool is_short_ = false;           // as was told last
  std::size_t rounds_changed_ = 0;  // in a row in which that was not so
};

}  // namespace gossipmonger
