#include "core/liveness/prober.hpp"

#include <algorithm>
#include <array>

namespace gossipmonger {

namespace {

// After so many rounds in which nobody answered, a node asks one more peer than the ring does. The
// number doubles each round, so many times at most.
constexpr std::size_t bad_rounds_min = 4;
constexpr std::size_t asks_doubled_max = 4;
// An outcome weighs 1/64 when it comes in.
constexpr int outcome_shift = 6;
constexpr std::uint32_t whole = 65536;
// 1e-3 of it.
constexpr std::uint64_t unanswered_max = 65;

// With f the share of probes that fail, a suspicion is false after t tries with the probability
// f * (f * (1 - (1 - f)^2)^3)^t. A try is another probe, and three indirect ones by a third node.
// The probability is 1e-4 for t = 1, 2, 3 where f is 0.108, 0.245, 0.345.
constexpr std::array<std::uint32_t, 3> failures_for_tries{7078, 16056, 22610};

}  // namespace

void prober::expect(slot_index slot, std::uint64_t generation, std::chrono::nanoseconds now) {
  const bool is_pending = std::any_of(pending_.begin(), pending_.end(),
                                      [slot](const probe& one) { return one.slot == slot; });
  if (is_pending || pending_.size() == pending_max) return;
  pending_.emplace_back(slot, generation, now);
}

void prober::count_outcome(bool was_answered) {
  failures_ -= failures_ >> outcome_shift;
  if (!was_answered) failures_ += whole >> outcome_shift;
  ++answered_;
}

std::size_t prober::end_round() {
  // Where nobody answers for some rounds, many fell silent at once: the ring alone would ask them
  // one after the other.
  const bool is_bad = missed_ > 0 && answered_ == 0;
  bad_rounds_ = is_bad ? bad_rounds_ + 1 : 0;
  missed_ = 0;
  answered_ = 0;
  if (bad_rounds_ < bad_rounds_min) return 0;
  return std::size_t{1} << std::min(bad_rounds_ - bad_rounds_min, asks_doubled_max);
}

std::size_t prober::tries_needed() const {
  std::size_t tries = 1;
  for (const std::uint32_t most : failures_for_tries) {
    if (failures_ > most) ++tries;
  }
  return std::min(tries, tries_max);
}

std::size_t prober::asks_needed() const {
  std::size_t asks = 0;
  std::uint64_t unanswered = whole;
  while (asks < asks_max && (asks < asks_min || unanswered > unanswered_max)) {
    unanswered = unanswered * failures_ / whole;
    ++asks;
  }
  return asks;
}

void prober::add_request(const probe_request& wanted) {
  const bool is_held = std::ranges::any_of(requests_, [&wanted](const probe_request& one) {
    return one.slot == wanted.slot && one.address == wanted.address;
  });
  if (!is_held && requests_.size() < requests_max) requests_.push_back(wanted);
}

std::optional<probe_request> prober::take_request(slot_index slot, std::uint64_t generation,
                                                  std::chrono::nanoseconds alive_at) {
  const auto place =
      std::find_if(requests_.begin(), requests_.end(), [&](const probe_request& one) {
        return one.slot == slot && one.generation == generation && one.suspected <= alive_at;
      });
  if (place == requests_.end()) return std::nullopt;
  const probe_request taken = *place;
  requests_.erase(place);
  return taken;
}

void prober::expire_requests(std::uint64_t round) {
  std::erase_if(requests_, [round](const probe_request& one) { return one.round < round; });
}

}  // namespace gossipmonger
