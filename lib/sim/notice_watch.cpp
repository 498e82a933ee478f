#include "sim/notice_watch.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// The node counts to 16, as of the round; here, as of what is seen after it.
constexpr std::size_t alone_rounds_max = 18;
constexpr std::size_t words_min = 3;
// The node waits for five minutes that it was awake.
constexpr std::chrono::minutes interval_move_time{60};

bool is_refusal_text(std::string_view text) {
  return text.starts_with("this peer refuses this node") ||
         text.starts_with("this peer has no room for this node") ||
         text.starts_with("this peer takes nothing further of this node") ||
         text.starts_with("the storage of this peer refuses");
}

/// Why the node refuses the sender, by its tables.
refusal refusal_by(const protocol& core, const digest_entry& sender) {
  const std::optional<slot_index> slot = core.peers().find(sender.name_hash);
  if (slot && core.peers()[*slot].generation() >= sender.generation) {
    const peer_view row = core.peers()[*slot];
    if (row.generation() > sender.generation) return refusal::none;
    if (row.is_over_capacity()) return refusal::capacity;
    return row.is_put_off() ? refusal::storage : refusal::none;
  }
  const std::optional<unwanted_peer> found = core.unwanted().find(sender.name_hash);
  const bool is_refusal =
      found && (found->kind == unwanted_kind::early || found->kind == unwanted_kind::no_room);
  if (!is_refusal) return refusal::none;
  if (found->kind == unwanted_kind::early) {
    return found->generation == sender.generation ? refusal::far_future : refusal::none;
  }
  // A row that is gone makes room for a peer that speaks itself.
  const bool has_gone = std::ranges::any_of(core.peers().by_hash(), [](peer_view row) {
    return row.slot() != self_slot && row.is_gone();
  });
  const bool is_full = found->generation >= sender.generation && !has_gone;
  return is_full ? refusal::no_room : refusal::none;
}

}  // namespace

void notice_watch::handle_arrival(const protocol& core, const endpoint& source,
                                  const message& received, bool is_sure, nanoseconds now) {
  const std::uint64_t own_hash = core.peers().self().name_hash();
  const bool is_for_me = received.sender.name_hash != own_hash &&
                         (received.receiver.generation == 0 ||
                          static_cast<std::uint32_t>(received.receiver.name_hash) ==
                              static_cast<std::uint32_t>(own_hash));
  if (!is_for_me) return;
  if (received.kind == message_kind::digest) {
    asked_.reset();
    if (is_sure) {
      asker one;
      one.from = source;
      one.expected = refusal_by(core, received.sender);
      asked_ = one;
    }
    return watch_interval(core, received, is_sure, now);
  }
  const auto reason = static_cast<std::size_t>(received.refused);
  if (received.refused == refusal::none || reason >= refusal_count) return;
  heard_ = received.refused;
  must_tell_refusal_ = is_sure && !has_heard_[reason];
  has_heard_[reason] = true;
}

void notice_watch::watch_interval(const protocol& core, const message& received, bool is_sure,
                                  nanoseconds now) {
  const std::optional<slot_index> slot = core.peers().find(received.sender.name_hash);
  if (!slot || core.peers()[*slot].generation() != received.sender.generation) return;
  if (!received.interval.is_said()) return;
  const peer_details& of = core.peers().details(*slot);
  said_interval& said = said_[received.sender.name_hash];
  const std::uint64_t introduced = core.changes().places_of(*slot).introduced;
  const bool is_same_row = said.introduced == introduced;
  if (!is_same_row || said.interval != received.interval) {
    if (is_same_row) interval_moved_ = now;
    said.introduced = introduced;
    said.interval = received.interval;
    said.words = 0;
  }
  if (is_sure) ++said.words;
  interval_heard_of_ = of.name;
  const bool is_moving = interval_moved_ && now - *interval_moved_ < interval_move_time;
  const bool is_far = said.interval.is_far_from(interval_code(core.settings().gossip_interval));
  const bool is_told = interval_told_.contains(of.name);
  if (is_sure && is_far && !is_moving && said.words >= words_min && !is_told)
    must_tell_interval_of_ = of.name;
}

void notice_watch::handle_send(const endpoint& to, const message& sent) {
  if (!asked_ || sent.kind != message_kind::reply || to != asked_->from) return;
  if (sent.refused != asked_->expected) {
    fail("answers with refusal " + std::to_string(static_cast<int>(sent.refused)) + ", not " +
         std::to_string(static_cast<int>(asked_->expected)));
  }
  asked_.reset();
}

void notice_watch::handle_interval(milliseconds interval, nanoseconds now) {
  if (own_interval_ && *own_interval_ != interval) interval_moved_ = now;
  own_interval_ = interval;
}

void notice_watch::handle_event(const event_view& seen) {
  if (seen.kind != event_kind::error) return;
  if (is_refusal_text(seen.text)) {
    is_refusal_told_ = true;
    if (heard_ == refusal::none) fail("tells of a refusal that nobody sent");
  } else if (seen.text.starts_with("this peer gossips about every")) {
    interval_told_of_ = seen.peer;
    interval_told_.emplace(seen.peer, true);
    if (seen.peer != interval_heard_of_) fail("tells of an interval that nobody said");
  } else if (seen.text.starts_with("nobody is known")) {
    if (is_alone_told_) fail("tells twice that it is alone");
    is_alone_told_ = true;
    if (!was_alone_) fail("tells that it is alone, and knows a peer");
  } else if (seen.text.starts_with("this node is alone no more")) {
    if (!is_alone_told_) fail("tells that it is alone no more, and never told that it was");
    is_alone_told_ = false;
  }
}

void notice_watch::end_step(const protocol& core, bool is_timer, bool has_seeds) {
  if (must_tell_refusal_ && !is_refusal_told_) fail("was refused, and does not tell");
  if (!must_tell_interval_of_.empty() && interval_told_of_ != must_tell_interval_of_) {
    fail("does not tell of the interval of " + must_tell_interval_of_);
  }
  heard_ = refusal::none;
  must_tell_refusal_ = false;
  is_refusal_told_ = false;
  must_tell_interval_of_.clear();
  interval_told_of_.clear();
  interval_heard_of_.clear();
  if (is_timer) asked_.reset();
  end_alone(core, is_timer, has_seeds);
}

void notice_watch::end_alone(const protocol& core, bool is_timer, bool has_seeds) {
  const bool is_alone = core.peers().size() == 0;
  const std::uint64_t heartbeat = core.peers().self().heartbeat();
  const bool was_round = is_timer && heartbeat != std::exchange(heartbeat_, heartbeat);
  if (!is_alone) {
    alone_rounds_ = 0;
    if (was_round && !was_alone_ && is_alone_told_) fail("does not tell that it is alone no more");
  } else if (was_round && has_seeds && !core.has_left() && core.settings().live_peers_min > 0) {
    ++alone_rounds_;
  }
  if (alone_rounds_ >= alone_rounds_max && !is_alone_told_) fail("does not tell that it is alone");
  was_alone_ = is_alone;
}

}  // namespace gossipmonger
