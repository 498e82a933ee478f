// How recent a peer's word is: by the sender's entry of this node, which every leg carries. A node
// that cannot hear is treated as one that cannot speak: its datagrams go on coming, but their entry
// of me grows old. Pure functions; no state.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/model/digest.hpp"

namespace gossipmonger {

/// The age, in my rounds, of its entry of me above which a datagram is stale.
///   nodes:       the known ones and self, >= 1
///   path_rounds: from `smoothed_path_rounds`; 0: not known.
///
/// News reaches everybody within about log2(nodes) rounds. The limit is twice that and a margin,
/// and twice the path. The path counts up to `path_max`, so that answers which somebody recorded
/// and sends again are soon stale.
[[nodiscard]] std::uint64_t fresh_rounds_max(std::size_t nodes, std::chrono::nanoseconds interval,
                                             std::uint32_t path_rounds);

/// The longest age of an echo for which a long path is an excuse: two seconds each way, and a
/// margin.
inline constexpr std::chrono::seconds path_max{5};

/// The smoothed age of a peer's echoes, once an answer came with an echo `sample` rounds old. It
/// rises fast and falls slowly: a peer whose answers take turns on two paths counts as far away.
[[nodiscard]] std::uint32_t smoothed_path_rounds(std::uint32_t before, std::uint64_t sample);

/// The sender's entry of me, as a leg carries it. A value.
struct echo {
  echo() = default;

  std::uint64_t generation = 0;  ///< 0: the sender does not know me
  std::uint64_t heartbeat = 0;
  std::uint32_t instance = 0;  ///< of the run that the sender holds; 0: it holds none
  bool is_answer = false;      ///< the leg answers one of mine
};

/// Whether a leg with that echo shows that its sender hears me.
///   self, instance: this run
///   rounds_max:     as fresh_rounds_max says
///   after:          the echo's heartbeat must be above it; 0: any.
///
/// A node keeps in `after` the heartbeat at which it declared the sender dead. No datagram that the
/// sender wrote before it died can bear a later one.
///
/// An answer that names a higher run of mine is fresh too, unless `after` is given: a node that
/// lost its clock takes such answers of its peers for fresh.
[[nodiscard]] bool is_fresh(const echo& of_me, const packed_entry& self, std::uint32_t instance,
                            std::uint64_t rounds_max, std::uint64_t after);

}  // namespace gossipmonger
