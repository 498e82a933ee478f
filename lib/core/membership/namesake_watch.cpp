#include "core/membership/namesake_watch.hpp"

namespace gossipmonger {

using std::chrono::nanoseconds;

void namesake_watch::begin(std::uint64_t my_heartbeat) {
  begun_at_ = my_heartbeat;
  last_.reset();
  shared_until_ = {};
}

bool namesake_watch::hear(std::uint64_t seen_heartbeat, nanoseconds last_advance,
                          nanoseconds settling, nanoseconds lapse, nanoseconds now) {
  if (seen_heartbeat <= begun_at_) return false;
  if (!last_ || now - *last_ > lapse) since_ = now;
  last_ = now;
  const nanoseconds settled = since_ + settling;
  if (now < settled || last_advance <= settled) return false;
  shared_until_ = now + lapse;
  return true;
}

bool namesake_watch::may_tell(nanoseconds now, nanoseconds grace) {
  if (told_ && now - *told_ < grace) return false;
  told_ = now;
  return true;
}

}  // namespace gossipmonger
