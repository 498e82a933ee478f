// A node's conclusion when somebody speaks of its own name: nothing, that it has to take a higher
// generation, or that another node lives under that name. A value; sees neither clock nor message.
//
// A run of a higher generation is a relic of a former run of this node, or a rival: another node
// under the same name. Only the heartbeat of a rival rises. A run of the same generation is another
// one if its instance differs, and is left at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/model/digest.hpp"

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

/// A peer's entry of my name.
struct own_word {
  own_word() = default;

  digest_entry held;
  std::uint32_t instance = 0;  ///< which run that is; 0 if it does not say
  /// Whether another verified peer says so, one that is live here; else an unknown peer or the
  /// rival.
  bool is_by_peer = false;
};

/// The conclusion from it.
struct own_name_outcome {
  enum class what : std::uint8_t {
    nothing,
    far_future,       ///< the word is to be dropped for its generation
    refute,           ///< take a generation above `generation`
    conflict_begins,  ///< a rival lives, with `generation`
    conflict_ends,    ///< of the rival nothing is known any more
  };

  own_name_outcome() = default;
  own_name_outcome(what of_kind, std::uint64_t of_generation)
      : kind(of_kind), generation(of_generation) {}

  what kind = what::nothing;
  std::uint64_t generation = 0;
  bool ends_conflict = false;  ///< with `refute`: the rival is gone
};

class own_incarnation {
 public:
  /// Refutations at once, without a look whether the other run lives, in a longest interval.
  static constexpr std::size_t refutations_at_once_max = 4;

  own_incarnation() = default;

  /// `word` comes from a verified address.
  ///   longest_interval: a run whose heartbeat stands still for longer does not live
  [[nodiscard]] own_name_outcome handle(const own_word& word, const own_run& mine,
                                        std::chrono::nanoseconds longest_interval,
                                        std::chrono::nanoseconds now);
  /// An older run than mine spoke itself, from a verified address. Whether an event is to tell it:
  /// once a grace, and not before it spoke for half of the longest interval. Until then the two may
  /// still outbid each other.
  [[nodiscard]] bool handle_older(std::uint64_t generation,
                                  std::chrono::nanoseconds longest_interval,
                                  std::chrono::nanoseconds grace, std::chrono::nanoseconds now);
  /// A peer says that an older run lives. Likewise, once a grace.
  [[nodiscard]] bool may_tell_older(std::chrono::nanoseconds grace, std::chrono::nanoseconds now);

  /// Whether another peer holds a rival live, so that nobody takes what this run writes.
  [[nodiscard]] bool is_displaced(std::chrono::nanoseconds longest_interval,
                                  std::chrono::nanoseconds now) const;

 private:
  struct rival {
    rival() = default;

    std::uint64_t generation = 0;
    std::uint64_t heartbeat = 0;
    std::uint64_t heartbeat_by_peers = 0;
    std::size_t advances = 0;
    std::chrono::nanoseconds since{};         // first heard of
    std::chrono::nanoseconds last_word{};     // of it
    std::chrono::nanoseconds last_advance{};  // of its heartbeat, or first heard of
    std::optional<std::chrono::nanoseconds> last_advance_by_peers;
    bool is_reported = false;
  };

  [[nodiscard]] own_name_outcome handle_copy(const own_word& word, const own_run& mine,
                                             std::chrono::nanoseconds longest_interval,
                                             std::chrono::nanoseconds now);
  [[nodiscard]] own_name_outcome handle_higher(const own_word& word, const own_run& mine,
                                               std::chrono::nanoseconds longest_interval,
                                               std::chrono::nanoseconds now);
  /// Watches a higher run than the one that was watched.
  void watch(const own_word& word, std::chrono::nanoseconds now);
  [[nodiscard]] bool may_refute_at_once(std::chrono::nanoseconds longest_interval,
                                        std::chrono::nanoseconds now);
  [[nodiscard]] own_name_outcome refute(std::uint64_t generation, const own_run& mine,
                                        std::chrono::nanoseconds now);

  rival rival_;
  bool has_outbid_ = false;  // a higher generation, once
  std::uint64_t former_generation_ = 0;
  std::optional<std::chrono::nanoseconds> refuted_at_;  // last
  std::size_t refuted_at_once_ = 0;                     // since then:
  std::chrono::nanoseconds at_once_since_{};
  std::uint64_t older_generation_ = 0;  // that spoke last
  std::chrono::nanoseconds older_since_{};
  std::optional<std::chrono::nanoseconds> older_told_;
};

}  // namespace gossipmonger
