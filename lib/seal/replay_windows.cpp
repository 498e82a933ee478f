#include "seal/replay_windows.hpp"

#include <algorithm>

namespace gossipmonger {
namespace {

constexpr std::uint32_t word_bits = 64;

std::uint64_t bit_of(std::uint32_t count) { return std::uint64_t{1} << (count % word_bits); }

}  // namespace

replay_window::standing replay_window::look(std::uint32_t count) const {
  if (count > highest_) return standing::fresh;
  if (highest_ - count >= width) return standing::behind;
  const bool is_seen = (seen_[count / word_bits % words] & bit_of(count)) != 0;
  return is_seen ? standing::replayed : standing::fresh;
}

void replay_window::mark(std::uint32_t count) {
  if (count > highest_) {
    const std::uint32_t passed = std::min(count / word_bits - highest_ / word_bits, words);
    for (std::uint32_t i = 0; i < passed; ++i) seen_[(count / word_bits - i) % words] = 0;
    highest_ = count;
  }
  seen_[count / word_bits % words] |= bit_of(count);
}

const replay_window* replay_windows::find(std::uint64_t instance) const {
  const auto found = senders_.find(instance);
  return found == senders_.end() ? nullptr : &found->second.counts;
}

void replay_windows::mark(std::uint64_t instance, std::uint32_t count, seconds now) {
  auto found = senders_.find(instance);
  if (found == senders_.end()) {
    if (senders_.size() == capacity) evict();
    found = senders_.emplace(instance, sender(count)).first;
  }
  found->second.counts.mark(count);
  found->second.heard = now;
}

void replay_windows::evict() {
  const auto is_older = [](const auto& one, const auto& other) {
    return one.second.heard < other.second.heard;
  };
  senders_.erase(std::min_element(senders_.begin(), senders_.end(), is_older));
  ++evictions_;
}

void replay_windows::forget_idle(seconds now, seconds silence) {
  if (now < next_look_) return;
  next_look_ = now + std::chrono::hours(1);
  std::erase_if(senders_, [&](const auto& one) { return now - one.second.heard >= silence; });
}

}  // namespace gossipmonger
