// What I know and do not want: forgotten peers, and incarnations I refuse. Such a peer comes back
// only by a higher (generation, heartbeat). A resource with a capacity: when it is full, what
// would expire first goes first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gossipmonger {

/// Why a name lies there.
enum class grave_kind : std::uint8_t {
  gone,     ///< forgotten; refuses what is not higher
  no_room,  ///< refused for want of room, until there is some
  early,    ///< of a date far ahead of mine, until mine agrees; refuses that generation alone
};

struct grave {
  grave() = default;

  std::uint64_t name_hash = 0;
  std::uint64_t generation = 0;
  std::uint64_t heartbeat = 0;
  std::chrono::nanoseconds expires{};
  grave_kind kind = grave_kind::gone;
};

class graveyard {
 public:
  explicit graveyard(std::size_t capacity);
  graveyard(const graveyard&) = delete;
  graveyard& operator=(const graveyard&) = delete;

  /// Keeps the higher of what is there and `buried`, and the later expiry.
  void bury(const grave& buried);
  void remove(std::uint64_t name_hash);
  void expire(std::chrono::nanoseconds now);
  /// Lets go of what `is_over` says; called once a grave.
  template <class Predicate>
  void remove_if(Predicate is_over) {
    std::erase_if(graves_, is_over);
  }

  [[nodiscard]] std::optional<grave> find(std::uint64_t name_hash) const;
  /// Whether (generation, heartbeat) of that name is not above what lies here; of an `early` one,
  /// whether it is that generation.
  [[nodiscard]] bool refuses(std::uint64_t name_hash, std::uint64_t generation,
                             std::uint64_t heartbeat) const;
  /// All, by ascending hash.
  [[nodiscard]] std::span<const grave> all() const { return graves_; }

 private:
  std::vector<grave> graves_;  // ascending name_hash
  std::size_t capacity_;
};

}  // namespace gossipmonger
