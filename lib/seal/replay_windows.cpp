#include "seal/replay_windows.hpp"

#include <algorithm>
#include <iterator>

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

void replay_windows::set_capacity(std::size_t senders) {
  capacity_ = std::max(senders, capacity_min);
}

const replay_window* replay_windows::find(std::uint64_t instance) const {
  const auto found = by_instance_.find(instance);
  return found == by_instance_.end() ? nullptr : &found->second->counts;
}

void replay_windows::mark(std::uint64_t instance, std::uint32_t count, std::uint32_t date,
                          seconds now) {
  auto found = by_instance_.find(instance);
  if (found == by_instance_.end()) {
    while (senders_.size() >= capacity_) {
      forget(senders_.begin());
      ++evictions_;
    }
    sender_list fresh;
    fresh.emplace_back(instance, count);
    found = by_instance_.emplace(instance, fresh.begin()).first;
    senders_.splice(senders_.end(), fresh);
  } else {
    senders_.splice(senders_.end(), senders_, found->second);
  }
  sender& of = *found->second;
  of.counts.mark(count);
  of.date = std::max(of.date, date);
  of.heard = now;
}

replay_windows::sender_list::iterator replay_windows::forget(sender_list::iterator one) {
  by_instance_.erase(one->instance);
  return senders_.erase(one);
}

void replay_windows::forget_idle(seconds now, seconds silence, seconds first_in_time) {
  if (now < next_look_) return;
  next_look_ = now + std::chrono::hours(1);
  auto one = senders_.begin();
  while (one != senders_.end() && now - one->heard >= silence) {
    one = seconds(one->date) < first_in_time ? forget(one) : std::next(one);
  }
}

}  // namespace gossipmonger
