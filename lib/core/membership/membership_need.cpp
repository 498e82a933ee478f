#include "core/membership/membership_need.hpp"

#include <algorithm>

namespace gossipmonger {

namespace {

/// Bounds a product of three of these and a round's counts.
constexpr std::uint64_t bytes_max = std::uint64_t{1} << 31U;

}  // namespace

void membership_need::handle_asked(std::size_t bytes, bool is_first, std::size_t answer_bytes) {
  digests_asked_ += is_first ? 1 : 0;
  asked_bytes_ = std::min(asked_bytes_ + bytes, bytes_max);
  answer_bytes_ = std::min(answer_bytes_ + answer_bytes, bytes_max);
}

membership_need::outcome membership_need::end_round(std::size_t whole_digest_bytes,
                                                    std::size_t budget) {
  // The sender most likely has a budget too, so that its digest is not whole. The answer to a whole
  // one would be larger in proportion.
  const std::uint64_t whole = std::min<std::uint64_t>(whole_digest_bytes, bytes_max);
  const std::uint64_t asked_whole = std::min(whole * digests_asked_, bytes_max);
  std::uint64_t answers = answer_bytes_;
  if (asked_bytes_ > 0 && asked_whole > asked_bytes_) {
    answers = answer_bytes_ * asked_whole / asked_bytes_;
  }
  const std::uint64_t round = digests_ * whole + other_bytes_ + answers;
  sum_ = has_sum_ ? sum_ - sum_ / rounds + round : round * rounds;
  has_sum_ = true;
  digests_ = 0;
  other_bytes_ = 0;
  digests_asked_ = 0;
  asked_bytes_ = 0;
  answer_bytes_ = 0;

  const bool is_short = budget != 0 && bytes_per_interval() > budget;
  rounds_changed_ = is_short == is_short_ ? 0 : rounds_changed_ + 1;
  if (rounds_changed_ < (budget == 0 ? 1 : rounds)) return outcome::unchanged;
  rounds_changed_ = 0;
  is_short_ = is_short;
  return is_short ? outcome::falls_short : outcome::suffices;
}

}  // namespace gossipmonger
