#include "core/membership/membership.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

#include "core/membership/news_rounds.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;
using what = introduction::what;

introduction drop(drop_reason reason) {
  introduction dropped;
  dropped.reason = reason;
  return dropped;
}

/// The same, with an event about the peer.
introduction drop(drop_reason reason, event_kind notice, std::string text) {
  introduction dropped = drop(reason);
  dropped.notice = notice;
  dropped.text = std::move(text);
  return dropped;
}

/// An identity with an address that nobody can send to. A relay may have got it wrong, so the
/// incarnation is not refused.
introduction drop_unroutable(const identity_view& who) {
  const std::string address = who.address.to_string();
  std::string why = ", to which nobody can send";
  if (who.address.is_loopback()) why = ", which is loopback, and this node is on another host";
  return drop(
      drop_reason::endpoint, event_kind::error,
      "this peer is not taken in: it advertises " + address + why + "; set `advertise` there");
}

/// The event of a peer that is refused, with the cure.
std::string advice_on(drop_reason reason) {
  if (reason == drop_reason::far_future) {
    return "this peer is refused: its generation is more than a day ahead of this node's clock: "
           "set the clock that is wrong";
  }
  if (reason == drop_reason::capacity) {
    return "this peer is refused for want of room: raise peers_max";
  }
  return "this peer is refused: " + std::string(to_string(reason));
}

}  // namespace

// ---------------------------------------------------------------------------------- admission

introduction membership::introduce(const identity_view& who, std::uint64_t name_hash,
                                   const node_clock& clock) {
  const std::optional<slot_index> slot = peers_.find(name_hash);
  return slot ? introduce_known(*slot, who, name_hash, clock)
              : introduce_unknown(who, name_hash, clock);
}

introduction membership::introduce_known(slot_index slot, const identity_view& who,
                                         std::uint64_t name_hash, const node_clock& clock) {
  const std::string& name = peers_.details(slot).name;
  if (name != who.name) {
    return drop(drop_reason::name_conflict, event_kind::conflict,
                "the hash of this name is taken by " + name);
  }
  introduction seen;
  seen.slot = slot;
  seen.kind = what::about_self;
  if (slot == self_slot) return seen;
  const std::uint64_t generation = peers_[slot].generation();
  if (who.generation < generation) return drop(drop_reason::stale);
  seen.kind = what::known;
  if (who.generation == generation) return seen;
  if (clock.is_far_future(who.generation)) {
    return refuse(who, name_hash, drop_reason::far_future, clock.now());
  }
  if (!is_reachable_address(who.address)) return drop_unroutable(who);
  seen.kind = what::restarted;
  seen.is_vouched = is_vouched(who, name_hash);
  return seen;
}

bool membership::try_search() {
  if (searches_left_ == 0) return false;
  --searches_left_;
  return true;
}

introduction membership::introduce_unknown(const identity_view& who, std::uint64_t name_hash,
                                           const node_clock& clock) {
  if (unwanted_.refuses(name_hash, who.generation, who.heartbeat))
    return drop(drop_reason::refused);
  const nanoseconds now = clock.now();
  if (clock.is_far_future(who.generation)) {
    return refuse(who, name_hash, drop_reason::far_future, now);
  }
  if (!is_reachable_address(who.address)) return drop_unroutable(who);
  if (who.silent >= settings_.dead_peer_grace) return refuse_silent(who, name_hash, now);
  introduction seen;
  seen.kind = what::admitted;
  seen.is_vouched = is_vouched(who, name_hash);
  if (peers_.has_room()) return seen;
  if (!try_search()) return drop(drop_reason::capacity);
  // A peer that is gone makes room if it was gone before the newcomer itself fell silent.
  seen.evicted = find_least_missed();
  if (seen.evicted && peers_.silent_since(*seen.evicted) < now - who.silent) return seen;
  return refuse(who, name_hash, drop_reason::capacity, now);
}

bool membership::is_vouched(const identity_view& who, std::uint64_t name_hash) const {
  if (!who.is_live || who.has_left) return false;
  // A run that is remembered here was dead, or was silent for a grace: its heartbeats have to show
  // that it lives.
  const std::optional<unwanted_peer> found = unwanted_.find(name_hash);
  if (!found) return true;
  const bool is_of_gone = found->kind != unwanted_kind::no_room;  // else what lies beneath is
  return std::max(is_of_gone ? found->generation : 0, found->gone_generation) < who.generation;
}

introduction membership::refuse(const identity_view& who, std::uint64_t name_hash,
                                drop_reason reason, nanoseconds now) {
  if (!try_search()) return drop(reason);
  unwanted_peer refused;
  refused.name_hash = name_hash;
  refused.generation = who.generation;
  refused.heartbeat = heartbeat_max;  // this incarnation, whatever progress it makes
  if (reason == drop_reason::capacity && !rings_.gone.empty()) {
    // A peer that is gone makes room for this one once it shows that it lives.
    refused.heartbeat = who.heartbeat;
    refused.silent_since = now - who.silent;
  }
  refused.expires = now + settings_.dead_peer_grace;
  if (reason == drop_reason::far_future) refused.kind = unwanted_kind::early;
  if (reason == drop_reason::capacity) refused.kind = unwanted_kind::no_room;
  unwanted_.add(refused);
  return drop(reason, event_kind::error, advice_on(reason));
}

introduction membership::refuse_silent(const identity_view& who, std::uint64_t name_hash,
                                       nanoseconds now) {
  if (!try_search()) return drop(drop_reason::refused);
  // The peer that tells of it remembers silent peers for longer than this node does, and would send
  // it again each time.
  unwanted_peer refused;
  refused.name_hash = name_hash;
  refused.generation = who.generation;
  refused.heartbeat = who.heartbeat;
  refused.expires = now + settings_.dead_peer_grace;
  refused.kind = unwanted_kind::silent;
  unwanted_.add(refused);
  return drop(drop_reason::refused);
}

bool membership::is_reachable_address(const endpoint& address) const {
  if (!address.is_routable()) return false;
  // Only its own host can send to a loopback address, and this node is on another.
  const endpoint& mine = peers_.details(self_slot).address;
  return !address.is_loopback() || mine.is_loopback() || mine.is_wildcard();
}

std::optional<slot_index> membership::find_least_missed() const {
  const auto rank = [this](slot_index slot) {
    return std::tuple(peers_.details(slot).last_reply.has_value(), peers_.silent_since(slot), slot);
  };
  const auto least = std::min_element(
      rings_.gone.begin(), rings_.gone.end(),
      [&rank](slot_index one, slot_index other) { return rank(one) < rank(other); });
  return least == rings_.gone.end() ? std::nullopt : std::optional(*least);
}

slot_index membership::enter(const identity_view& who, std::uint64_t name_hash, bool is_live,
                             nanoseconds now, random_source& draws) {
  const std::optional<slot_index> held = peers_.find(name_hash);
  const std::optional<slot_index> added = held ? held : peers_.try_add(who.name, name_hash);
  assert(added);
  const slot_index slot = *added;
  rings_.remove(slot);
  unwanted_.remove(name_hash);
  // Phi of a live peer goes on from the teller's, so that joiners in a row keep no dead peer live.
  const nanoseconds silent_since = now - who.silent;
  peers_.begin(slot, who.generation, who.heartbeat, silent_since, is_live ? silent_since : now);

  peer_details fresh;
  peer_details& of = peers_.details(slot);
  fresh.name = std::move(of.name);
  fresh.namesake = of.namesake;
  fresh.namesake.begin(peers_.self().heartbeat());
  fresh.instance = who.instance;
  fresh.address = who.address;
  of = std::move(fresh);
  changes_.introduce(slot, held.has_value());
  if (who.has_left) {
    const peer row = peers_[slot];
    row.set_left();
    row.set_status(peer_status::left);
    rings_.gone.push_back(slot);
    changes_.change_status(slot);
  } else {
    rings_.newcomers.add(slot, draws);
    if (is_live) set_status(slot, peer_status::live, now, draws);
  }
  return slot;
}

// -------------------------------------------------------------------- status, and a peer's end

void membership::set_status(slot_index slot, peer_status status, nanoseconds now,
                            random_source& draws) {
  const peer row = peers_[slot];
  const bool was_new = row.status() == peer_status::introduced;
  const bool was_live = row.status() == peer_status::live;
  const bool was_gone = row.is_gone();
  const bool is_live = status == peer_status::live;
  // `peer_table::may_exceed` has to look at a peer as it comes to live.
  assert(!is_live || was_new || peers_.detector(slot).last_advance() == now);
  row.set_status(status);
  if (row.is_gone() && !was_gone) rings_.gone.push_back(slot);
  if (was_gone && !row.is_gone()) std::erase(rings_.gone, slot);
  if (was_new) rings_.newcomers.remove(slot);
  if (was_live && !is_live) rings_.live.remove(slot);
  if (!was_live && is_live) rings_.live.add(slot, draws);
  if (status == peer_status::dead) {
    peers_.reset_detector(slot, now);
    row.reset_advances();
  }
  changes_.change_status(slot);
}

bool membership::is_return_news(std::uint64_t round) const {
  return returned_in_ && *returned_in_ + news_rounds(peers_.by_hash().size()) >= round;
}

std::optional<slot_index> membership::find_expired(nanoseconds now) const {
  const auto expired = std::ranges::find_if(rings_.gone, [&](slot_index slot) {
    return now - peers_.silent_since(slot) >= settings_.dead_peer_grace;
  });
  return expired == rings_.gone.end() ? std::nullopt : std::optional(*expired);
}

void membership::forget(slot_index slot, std::uint64_t heartbeat, nanoseconds now) {
  const peer_view row = peers_[slot];
  unwanted_peer forgotten;
  forgotten.name_hash = row.name_hash();
  forgotten.generation = row.generation();
  forgotten.heartbeat = heartbeat;
  forgotten.expires = now + settings_.dead_peer_grace;
  unwanted_.add(forgotten);
  changes_.forget(slot, peers_.details(slot).name, row.generation());
  rings_.remove(slot);
}

// ----------------------------------------------------------------------------------- refusals

refusal membership::refusal_of(const digest_entry& sender) const {
  const std::optional<slot_index> slot = peers_.find(sender.name_hash);
  if (slot && peers_[*slot].generation() >= sender.generation) {
    const peer_view row = peers_[*slot];
    if (row.generation() != sender.generation) return refusal::none;
    if (row.is_over_capacity()) return refusal::capacity;
    return row.is_put_off() ? refusal::storage : refusal::none;
  }
  const std::optional<unwanted_peer> found = unwanted_.find(sender.name_hash);
  if (!found) return refusal::none;
  if (found->kind == unwanted_kind::early && found->generation == sender.generation) {
    return refusal::far_future;
  }
  // While a row is gone, a peer that speaks itself is taken in for it.
  const bool is_no_room = found->kind == unwanted_kind::no_room && rings_.gone.empty() &&
                          sender.generation <= found->generation;
  return is_no_room ? refusal::no_room : refusal::none;
}

void membership::end_refusals(const node_clock& clock) {
  // The clock of this node may have been the wrong one, and been set. A peer that was refused for
  // want of room is not requested again before there is some, by the rule of `introduce_unknown`.
  const bool has_room = peers_.has_room();
  const std::optional<slot_index> least = has_room ? std::nullopt : find_least_missed();
  unwanted_.end_refusals([&](const unwanted_peer& found) {
    switch (found.kind) {
      case unwanted_kind::early:
        return !clock.is_far_future(found.generation);
      case unwanted_kind::no_room:
        return has_room || (least && peers_.silent_since(*least) < found.silent_since);
      case unwanted_kind::gone:
      case unwanted_kind::silent:
        return false;
    }
    return false;
  });
}

void membership::end_capacity_refusals() {
  for (const peer_view one : peers_.by_hash()) {
    if (!one.is_over_capacity()) continue;
    peers_[one.slot()].set_over_capacity(false);
    peers_.touch(one.slot());
  }
}

}  // namespace gossipmonger
