// The counts that each sender has used: a datagram is opened once, and never after 960 later ones.
//
// A resource with a capacity; a full table gives up the sender unheard for longest. Looking changes
// nothing: only a datagram that proved its key is marked.
// Source: the anti-replay algorithm of RFC 6479, with 16 words of 64 bits.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace gossipmonger {

/// The counts of one sender. A value.
class replay_window {
 public:
  static constexpr std::uint32_t width = 960;

  enum class standing : std::uint8_t { fresh, replayed, behind };

  explicit replay_window(std::uint32_t first) : highest_(first) {}

  [[nodiscard]] standing look(std::uint32_t count) const;
  ///   expects: look(count) is fresh, or `count` is the constructor's
  void mark(std::uint32_t count);

 private:
  static constexpr std::uint32_t words = 16;

  std::array<std::uint64_t, words> seen_{};
  std::uint32_t highest_;
};

class replay_windows {
 public:
  using seconds = std::chrono::seconds;
  static constexpr std::size_t capacity = 4096;

  /// `secret` decides the places of the hash table.
  explicit replay_windows(std::uint64_t secret) : senders_(0, place(secret)) {}
  replay_windows(const replay_windows&) = delete;
  replay_windows& operator=(const replay_windows&) = delete;

  /// The counts of the sender with this instance; null where it was never heard.
  [[nodiscard]] const replay_window* find(std::uint64_t instance) const;
  /// Marks a datagram that proved its key. Allocates for a new instance only.
  void mark(std::uint64_t instance, std::uint32_t count, seconds now);
  /// Gives up the senders unheard for `silence`; looks at most once an hour.
  void forget_idle(seconds now, seconds silence);

  [[nodiscard]] std::size_t size() const { return senders_.size(); }
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }

 private:
  struct sender {
    explicit sender(std::uint32_t first) : counts(first) {}

    replay_window counts;
    seconds heard{};
  };

  struct place {
    explicit place(std::uint64_t secret) : key(secret) {}
    std::size_t operator()(std::uint64_t instance) const {
      const std::uint64_t mixed = (instance ^ key) * 0x9e3779b97f4a7c15;
      return static_cast<std::size_t>(mixed ^ mixed >> 32);
    }
    std::uint64_t key;
  };

  void evict();

  std::unordered_map<std::uint64_t, sender, place> senders_;
  seconds next_look_{};
  std::uint64_t evictions_ = 0;
};

}  // namespace gossipmonger
