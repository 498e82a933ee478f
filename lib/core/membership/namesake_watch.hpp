// A node's record of an older run of one peer: whether that run lives beside the newer one that is
// held. A value. Times are on the liveness clock.
//
// Two cases look like a living older run, and are none. A datagram may come late: then it bears no
// heartbeat of mine from after the newer run came in. Or a node restarted with an earlier date and
// has not taken a higher generation yet: then the run that is held makes no progress.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace gossipmonger {

class namesake_watch {
 public:
  namesake_watch() = default;

  /// A run of that name came in while my heartbeat was `my_heartbeat`.
  void begin(std::uint64_t my_heartbeat);

  /// An older run spoke, from a verified address. Whether two nodes live under that name.
  ///   seen_heartbeat:  mine that the older run knows; 0: none
  ///   last_advance:    of the held run's heartbeat
  ///   settling, lapse: see below.
  ///
  /// Within `settling`, the copies of one run become equal at all peers. A silence of the older run
  /// longer than `lapse` begins the watch anew.
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
