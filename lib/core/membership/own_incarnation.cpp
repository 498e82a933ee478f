#include "core/membership/own_incarnation.hpp"

#include <algorithm>

#include "gossipmonger/types.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;
using what = own_name_outcome::what;

constexpr std::size_t advances_to_conflict = 2;

}  // namespace

own_name_outcome own_incarnation::handle(const own_word& word, const own_run& mine,
                                         nanoseconds longest_interval, nanoseconds now) {
  const digest_entry& theirs = word.held;
  if (theirs.generation < mine.generation) return {};
  const bool is_equal = theirs.generation == mine.generation;
  const bool is_other_run = word.instance != 0 && word.instance != mine.instance;
  const bool is_ahead = theirs.max_version > mine.max_version || theirs.heartbeat > mine.heartbeat;
  if (is_equal && !is_other_run && !is_ahead) return handle_copy(word, mine, longest_interval, now);
  // A leave is final: whoever has the name now may keep it.
  if (mine.has_left) return {};
  if (theirs.generation > mine.generation_limit) return {what::far_future, theirs.generation};
  if (!is_equal) return handle_higher(word, mine, longest_interval, now);

  // Peers add up the heartbeats of two runs of one generation, and their entries: whether the other
  // one lives cannot be seen, and does not matter. One of the two has to take another generation.
  if (!may_refute_at_once(longest_interval, now)) return {};
  return refute(theirs.generation, mine, now);
}

own_name_outcome own_incarnation::handle_copy(const own_word& word, const own_run& mine,
                                              nanoseconds longest_interval, nanoseconds now) {
  // This node did not leave: a peer that says so made it up, or has it of a former run. That bears
  // heartbeats of mine, and so is no sign of a rival. It moves me no more often than a relic would.
  if (word.held.has_left && !mine.has_left) {
    if (refuted_at_ && now - *refuted_at_ <= longest_interval) return {};
    return refute(word.held.generation, mine, now);
  }
  // A peer that holds this run knows no higher one.
  const bool is_over = rival_.is_reported && word.instance == mine.instance &&
                       now - rival_.last_word > longest_interval;
  if (!is_over) return {};
  rival_ = rival();
  return {what::conflict_ends, 0};
}

own_name_outcome own_incarnation::handle_higher(const own_word& word, const own_run& mine,
                                                nanoseconds longest_interval, nanoseconds now) {
  const digest_entry& theirs = word.held;
  if (theirs.generation < rival_.generation) return {};
  rival_.last_word = now;
  if (!has_outbid_) {
    has_outbid_ = true;
    return refute(theirs.generation, mine, now);
  }
  // The rival gave the name up.
  if (theirs.has_left && may_refute_at_once(longest_interval, now)) {
    return refute(theirs.generation, mine, now);
  }

  // This run outbid another once already. Either this is one more relic, or a rival lives: then its
  // heartbeat rises during the watch, and I refute no more. No duel. The copies of one relic differ
  // in heartbeat from peer to peer. So the heartbeat seems to rise until peers have compared
  // theirs: only a run whose heartbeat rises after that lives.
  if (theirs.generation > rival_.generation) {
    watch(word, now);
    return {};
  }
  if (word.is_by_peer && theirs.heartbeat > rival_.heartbeat_by_peers) {
    rival_.heartbeat_by_peers = theirs.heartbeat;
    rival_.last_advance_by_peers = now;
  }
  if (theirs.heartbeat > rival_.heartbeat) {
    rival_.heartbeat = theirs.heartbeat;
    rival_.last_advance = now;
    ++rival_.advances;
    if (rival_.is_reported || rival_.advances < advances_to_conflict) return {};
    if (now - rival_.since < longest_interval / 2) return {};
    rival_.is_reported = true;
    return {what::conflict_begins, theirs.generation};
  }
  const bool is_silent = now - rival_.last_advance > longest_interval;
  if (!is_silent) return {};
  return refute(theirs.generation, mine, now);
}

void own_incarnation::watch(const own_word& word, nanoseconds now) {
  const bool is_reported = rival_.is_reported;
  rival_ = rival();
  rival_.generation = word.held.generation;
  rival_.heartbeat = word.held.heartbeat;
  rival_.since = now;
  rival_.last_word = now;
  rival_.last_advance = now;
  // A rival that takes a higher generation goes on living.
  rival_.is_reported = is_reported;
  if (word.is_by_peer) {
    rival_.heartbeat_by_peers = word.held.heartbeat;
    if (is_reported) rival_.last_advance_by_peers = now;
  }
}

bool own_incarnation::handle_older(std::uint64_t generation, nanoseconds longest_interval,
                                   nanoseconds grace, nanoseconds now) {
  // A datagram that this node sent under its former generation may come back to it.
  if (generation == former_generation_) return false;
  if (generation != older_generation_) {
    older_generation_ = generation;
    older_since_ = now;
  }
  return now - older_since_ >= longest_interval / 2 && may_tell_older(grace, now);
}

bool own_incarnation::may_tell_older(nanoseconds grace, nanoseconds now) {
  if (older_told_ && now - *older_told_ < grace) return false;
  older_told_ = now;
  return true;
}

bool own_incarnation::is_displaced(nanoseconds longest_interval, nanoseconds now) const {
  return rival_.is_reported && rival_.last_advance_by_peers &&
         now - *rival_.last_advance_by_peers <= longest_interval;
}

bool own_incarnation::may_refute_at_once(nanoseconds longest_interval, nanoseconds now) {
  if (refuted_at_once_ == 0 || now - at_once_since_ > longest_interval) {
    refuted_at_once_ = 0;
    at_once_since_ = now;
  }
  if (refuted_at_once_ == refutations_at_once_max) return false;
  ++refuted_at_once_;
  return true;
}

own_name_outcome own_incarnation::refute(std::uint64_t generation, const own_run& mine,
                                         nanoseconds now) {
  if (generation >= generation_max) return {};
  own_name_outcome outcome(what::refute, generation);
  outcome.ends_conflict = rival_.is_reported;
  refuted_at_ = now;
  former_generation_ = mine.generation;
  rival_ = rival();
  return outcome;
}

}  // namespace gossipmonger
