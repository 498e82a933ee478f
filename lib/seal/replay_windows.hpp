// The counts that each sender has used: a datagram is opened once, and never after 960 later ones.
//
// A resource with a capacity; a full table gives up the sender unheard for longest. Looking changes
// nothing: only a datagram that proved its key is marked. A sender takes some 230 bytes.
// Source: the anti-replay algorithm of RFC 6479, with 16 words of 64 bits.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

namespace gossipmonger {

/// The counts of one sender. A value.
class replay_window {
 public:
  static constexpr std::uint32_t width = 960;

  enum class standing : std::uint8_t { fresh, replayed, behind };

  explicit replay_window(std::uint32_t first) : first_(first), highest_(first) {}

  /// The count of the first datagram that was opened. One before it may be from a time whose counts
  /// are forgotten.
  [[nodiscard]] std::uint32_t first() const { return first_; }
  [[nodiscard]] standing look(std::uint32_t count) const;
  ///   expects: look(count) is fresh, or `count` is the constructor's
  void mark(std::uint32_t count);

 private:
  static constexpr std::uint32_t words = 16;

  std::array<std::uint64_t, words> seen_{};
  std::uint32_t first_;
  std::uint32_t highest_;
};

class replay_windows {
 public:
  using seconds = std::chrono::seconds;
  static constexpr std::size_t capacity_min = 4096;

  /// `secret` decides the places of the hash table.
  explicit replay_windows(std::uint64_t secret) : by_instance_(0, place(secret)) {}
  replay_windows(const replay_windows&) = delete;
  replay_windows& operator=(const replay_windows&) = delete;

  /// Keeps so many senders, and `capacity_min` at least.
  void set_capacity(std::size_t senders);
  /// The counts of the sender with this instance; null where it was never heard.
  [[nodiscard]] const replay_window* find(std::uint64_t instance) const;
  /// Marks a datagram that proved its key and has that date. Allocates for a new instance only.
  void mark(std::uint64_t instance, std::uint32_t count, std::uint32_t date, seconds now);
  /// Gives up the senders unheard for `silence` whose dates are all before `first_in_time`: no
  /// datagram of theirs is taken again. Looks at most once an hour.
  void forget_idle(seconds now, seconds silence, seconds first_in_time);

  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t size() const { return senders_.size(); }
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }

 private:
  struct sender {
    sender(std::uint64_t of_instance, std::uint32_t first) : instance(of_instance), counts(first) {}

    std::uint64_t instance;
    replay_window counts;
    seconds heard{};
    std::uint32_t date = 0;  // the highest that it told
  };
  using sender_list = std::list<sender>;

  struct place {
    explicit place(std::uint64_t secret) : key(secret) {}
    std::size_t operator()(std::uint64_t instance) const noexcept {
      const std::uint64_t mixed = (instance ^ key) * 0x9e3779b97f4a7c15;
      return static_cast<std::size_t>(mixed ^ mixed >> 32);
    }
    std::uint64_t key;
  };

  /// Returns the sender behind it.
  sender_list::iterator forget(sender_list::iterator one);

  std::size_t capacity_ = capacity_min;
  sender_list senders_;  // the one unheard for longest first
  std::unordered_map<std::uint64_t, sender_list::iterator, place> by_instance_;
  seconds next_look_{};
  std::uint64_t evictions_ = 0;
};

}  // namespace gossipmonger
