#include "core/liveness/suspicion.hpp"

#include <algorithm>
#include <cmath>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

// Rounds by which an incarnation that lives is ahead of the last heartbeat that one at rest shows.
constexpr std::uint64_t heartbeat_margin = 2;
// Rounds that a relayed heartbeat may have been on its way.
constexpr std::uint64_t relayed_margin = 16;
// A heartbeat's time strays from its due by jitter / sqrt(3) a round, at random: this many standard
// deviations of that over `n` rounds are 2.4 * jitter * sqrt(n).
constexpr double stray = 2.4;

/// Of a time span, in ages; to the nearest, so that passing it on does not drift.
std::uint64_t to_age(nanoseconds span, nanoseconds interval, std::uint64_t most) {
  const nanoseconds unit = age_unit(interval);
  const std::int64_t age = std::max(nanoseconds{0}, span + unit / 2) / unit;
  return std::min(static_cast<std::uint64_t>(age), most);
}

}  // namespace

bool suspicion::try_end() {
  if (!suspected_ || !alive_at_ || *suspected_ > *alive_at_) return false;
  suspected_.reset();
  return true;
}

bool suspicion::handle_alive(std::uint64_t heartbeat, nanoseconds now) {
  if (heartbeat < direct_) return false;
  direct_ = heartbeat;
  heartbeat_ = std::max(heartbeat_, heartbeat);
  alive_at_ = now;
  return try_end();
}

bool suspicion::adopt(std::uint64_t heartbeat, nanoseconds at) {
  if (alive_at_ && heartbeat <= heartbeat_) return false;
  heartbeat_ = heartbeat;
  alive_at_ = alive_at_ ? std::max(*alive_at_, at) : at;
  return try_end();
}

bool suspicion::suspect(nanoseconds at, std::uint64_t heartbeat, nanoseconds now) {
  if (alive_at_ && at <= *alive_at_) return false;
  if (suspected_) {
    suspected_ = std::min(*suspected_, at);
    return false;
  }
  suspected_ = at;
  heard_ = now;
  asked_.reset();
  asks_ = 0;
  claimed_heartbeat_ = heartbeat;
  return true;
}

std::uint64_t suspicion::heartbeat_after(nanoseconds at, const suspicion_rules& rules) const {
  if (!alive_at_) return claimed_heartbeat_ + relayed_margin;
  const std::int64_t rounds = std::max(nanoseconds{0}, at - *alive_at_) / rules.interval;
  const double strayed = std::ceil(stray * rules.jitter * std::sqrt(static_cast<double>(rounds)));
  return heartbeat_ + static_cast<std::uint64_t>(rounds) + heartbeat_margin +
         static_cast<std::uint64_t>(strayed);
}

bool suspicion::handle_heartbeat(std::uint64_t heartbeat, const suspicion_rules& rules) {
  if (!suspected_ || heartbeat < heartbeat_after(*suspected_, rules)) return false;
  suspected_.reset();
  return true;
}

bool suspicion::is_nearly_ripe(nanoseconds now, const suspicion_rules& rules) const {
  return suspected_ && now - *suspected_ >= rules.whole() - rules.last_third();
}

bool suspicion::is_ripe(nanoseconds now, const suspicion_rules& rules, std::size_t asks) const {
  // An answer takes well under the time between two rounds, in which alone a peer is declared dead.
  const bool has_asked = asked_ && now - *asked_ >= rules.interval / 2 && asks_ >= asks;
  const bool was_asked = asks == 0 || has_asked;
  return suspected_ && was_asked && now - *suspected_ >= rules.whole() &&
         now - heard_ >= rules.last_third();
}

suspicion_entry suspicion::entry(nanoseconds now, nanoseconds interval,
                                 std::optional<nanoseconds> suspected_at) const {
  suspicion_entry told_of;
  told_of.heartbeat = heartbeat_;
  if (alive_at_) {
    told_of.alive_age = static_cast<std::uint32_t>(
        to_age(now - *alive_at_, interval, suspicion_entry::alive_age_max));
  }
  const std::optional<nanoseconds> since = suspected_at ? suspected_at : suspected_;
  if (since) {
    constexpr std::uint16_t suspicion_age_max = suspicion_entry::no_suspicion - 1;
    told_of.suspicion_age =
        static_cast<std::uint16_t>(to_age(now - *since, interval, suspicion_age_max));
  }
  return told_of;
}

}  // namespace gossipmonger
