// What a node remembers of an older run of a peer: whether it lives beside the one that is held. A
// value. Times are on the liveness clock.
//
// Two things look like an older run that lives, and are none: a datagram that comes late, and the
// run of a node that restarted with an earlier date and has not taken a higher generation yet. The
// first bears no heartbeat of mine that is younger than my knowledge of the newer run. Beside the
// second, the run that is held makes no progress.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "gossipmonger/core/library_build.hpp"

namespace gossipmonger {

class namesake_watch {
 public:
  namesake_watch() = default;

  /// A run of that name came in while my heartbeat was `my_heartbeat`.
  void begin(std::uint64_t my_heartbeat);

  /// An older run spoke, from a verified address. Whether two nodes live under that name.
  ///   seen_heartbeat: of this run of mine, that the older run knows; 0 if none
  ///   last_advance: of the heartbeat of the run that is held
  ///   settling: within so long, the copies of one run are equal at all peers
  ///   lapse: a longer silence of the older run begins the watch anew
  [[nodiscard]] bool hear(std::uint64_t seen_heartbeat, std::chrono::nanoseconds last_advance,
                          std::chrono::nanoseconds settling, std::chrono::nanoseconds lapse,
                          std::chrono::nanoseconds now);

  /// Whether the newer run is to be told so.
  [[nodiscard]] bool is_shared(std::chrono::nanoseconds now) const { return now < shared_until_; }
  /// Whether an event may tell it: once a grace. It counts as told from now on.
  [[nodiscard]] bool may_tell(std::chrono::nanoseconds now, std::chrono::nanoseconds grace);

 private:
  std::uint64_t begun_at_ = 0;                    // my heartbeat then
  std::chrono::nanoseconds since_{};              // the older run speaks
  std::optional<std::chrono::nanoseconds> last_;  // word of it
  std::chrono::nanoseconds shared_until_{};
  std::optional<std::chrono::nanoseconds> told_;
};

}  // namespace gossipmonger
