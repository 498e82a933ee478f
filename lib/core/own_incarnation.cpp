#include "gossipmonger/core/own_incarnation.hpp"

#include "gossipmonger/core/types.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;
using what = own_name_outcome::what;

constexpr std::size_t advances_to_conflict = 2;

}  // namespace

own_name_outcome own_incarnation::handle(const digest_entry& theirs, std::uint32_t instance,
                                         const own_run& mine, nanoseconds longest_interval,
                                         nanoseconds now) {
  const bool is_other_run = instance != 0 && instance != mine.instance;
  const bool is_ahead = theirs.max_version > mine.max_version || theirs.heartbeat > mine.heartbeat;
  const bool is_newer = theirs.generation > mine.generation ||
                        (theirs.generation == mine.generation && (is_other_run || is_ahead));
  if (!is_newer) {
    // I did not leave: whoever says so made it up, or has it of a run before. It bears heartbeats
    // of mine, and so is no sign of a rival; and it moves me no more often than a relic would.
    const bool is_said_to_leave =
        theirs.generation == mine.generation && theirs.has_left && !mine.has_left;
    if (!is_said_to_leave) return {};
    if (has_refuted_ && now - refuted_at_ <= longest_interval) return {};
    return refute(theirs.generation, now);
  }
  if (theirs.generation > mine.generation_limit) return {what::far_future, theirs.generation};
  if (!has_refuted_) return refute(theirs.generation, now);

  // I refuted once already. Either this is one more relic of an old run, or somebody lives under
  // my name: then its heartbeat rises while I watch, and I refute no more. No duel. Relics of one
  // run differ in heartbeat from peer to peer, and so seem to rise, until peers have compared
  // theirs: only what rises after that is alive.
  if (theirs.generation > rival_.generation) {
    rival_ = rival();
    rival_.generation = theirs.generation;
    rival_.heartbeat = theirs.heartbeat;
    rival_.since = now;
    rival_.last_advance = now;
    return {};
  }
  if (theirs.generation < rival_.generation || rival_.is_reported) return {};
  if (theirs.heartbeat > rival_.heartbeat) {
    rival_.heartbeat = theirs.heartbeat;
    rival_.last_advance = now;
    ++rival_.advances;
    if (rival_.advances < advances_to_conflict) return {};
    if (now - rival_.since < longest_interval / 2) return {};
    rival_.is_reported = true;
    return {what::conflict_begins, theirs.generation};
  }
  if (now - rival_.last_advance > longest_interval) return refute(theirs.generation, now);
  return {};
}

own_name_outcome own_incarnation::refute(std::uint64_t generation, nanoseconds now) {
  if (generation >= generation_max) return {};
  has_refuted_ = true;
  refuted_at_ = now;
  rival_ = rival();
  return {what::refute, generation};
}

}  // namespace gossipmonger
