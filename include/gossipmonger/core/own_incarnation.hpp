// What a node concludes when somebody speaks of its own name: nothing, that it has to take a higher
// generation, or that another node lives under that name. A value; sees neither clock nor message.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "gossipmonger/core/digest.hpp"

namespace gossipmonger {

/// The present run of this node.
struct own_run {
  own_run() = default;

  std::uint64_t generation = 0;
  std::uint64_t max_version = 0;
  std::uint64_t heartbeat = 0;
  std::uint32_t instance = 0;
  bool has_left = false;
  std::uint64_t generation_limit = 0;  ///< a higher one is of a far future
};

/// What follows from a word about my own name.
struct own_name_outcome {
  enum class what : std::uint8_t {
    nothing,
    far_future,       ///< the word is to be dropped for its generation
    refute,           ///< take a generation above `generation`
    conflict_begins,  ///< another node lives under this name, with `generation`
  };

  own_name_outcome() = default;
  own_name_outcome(what of_kind, std::uint64_t of_generation)
      : kind(of_kind), generation(of_generation) {}

  what kind = what::nothing;
  std::uint64_t generation = 0;
};

class own_incarnation {
 public:
  own_incarnation() = default;

  /// A verified peer says that it holds `theirs` of my name.
  ///   instance: which run that is; 0 if it does not say
  ///   longest_interval: a rival whose heartbeat stands still for so long does not live
  [[nodiscard]] own_name_outcome handle(const digest_entry& theirs, std::uint32_t instance,
                                        const own_run& mine,
                                        std::chrono::nanoseconds longest_interval,
                                        std::chrono::nanoseconds now);

 private:
  struct rival {
    rival() = default;

    std::uint64_t generation = 0;
    std::uint64_t heartbeat = 0;
    std::size_t advances = 0;
    std::chrono::nanoseconds since{};         // first heard of
    std::chrono::nanoseconds last_advance{};  // of its heartbeat, or first heard of
    bool is_reported = false;
  };

  [[nodiscard]] own_name_outcome refute(std::uint64_t generation, std::chrono::nanoseconds now);

  rival rival_;
  bool has_refuted_ = false;
  std::chrono::nanoseconds refuted_at_{};  // last
};

}  // namespace gossipmonger
