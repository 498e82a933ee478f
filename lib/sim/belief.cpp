#include "sim/belief.hpp"

#include <algorithm>
#include <optional>

namespace gossipmonger {

namespace {

std::string named(const event_view& seen) {
  return std::string(to_string(seen.kind)) + " " + std::string(seen.peer) + " " +
         std::string(seen.key) + " @" + std::to_string(seen.version);
}

/// Whether `shown` is the event that told a reader of a peer's present status.
bool is_told_by(peer_status status, event_kind shown) {
  switch (status) {
    case peer_status::introduced:
      return shown == event_kind::new_peer || shown == event_kind::peer_restarted;
    case peer_status::live:
      return shown == event_kind::peer_live;
    case peer_status::dead:
      return shown == event_kind::peer_dead;
    case peer_status::left:
      return shown == event_kind::peer_left;
    default:
      return true;  // the node itself
  }
}

}  // namespace

void belief::fail(std::string rule) {
  if (fault_.empty()) fault_ = std::move(rule);
}

std::string belief::read(protocol& from, const simulated_storage& entries,
                         const std::function<void(const event_view&)>& on_event) {
  std::uint64_t before = cursor_.sequence;
  while (const std::optional<event_view> seen = from.poll_event(cursor_)) {
    on_event(*seen);
    if (seen->kind == event_kind::lagged) before = 0;
    if (cursor_.sequence < before) fail("the cursor goes back");
    before = cursor_.sequence;
    fold(*seen, from);
  }
  compare_keys(from, entries);
  compare_peers(from, entries);
  touched_.clear();
  return fault_;
}

void belief::fold(const event_view& seen, const protocol& from) {
  switch (seen.kind) {
    case event_kind::update:
    case event_kind::removed:
      return fold_entry(seen);
    case event_kind::lagged:
      peers_.clear();
      return;
    case event_kind::conflict:
    case event_kind::advertised:
    case event_kind::conflict_ended:
    case event_kind::refuted:
    case event_kind::error:
      return;
    default:
      break;
  }
  if (seen.peer == from.name()) return fail(named(seen) + " of the node itself");
  fold_status(seen);
}

void belief::fold_status(const event_view& seen) {
  const auto known = peers_.find(seen.peer);
  const event_kind before = known == peers_.end() ? event_kind::error : known->second.shown;
  if (seen.kind == event_kind::peer_complete) {
    if (before != event_kind::peer_live) return fail(named(seen) + " of a peer that is not live");
    if (known->second.is_complete) fail(named(seen) + " twice");
    known->second.is_complete = true;
    return;
  }
  if (seen.kind == event_kind::peer_forgotten) {
    if (before == event_kind::error) fail(named(seen) + " of a peer that was never shown");
    if (known != peers_.end()) peers_.erase(known);
    return;
  }
  shown_peer& of = peers_[std::string(seen.peer)];
  switch (seen.kind) {
    case event_kind::new_peer:
      if (before != event_kind::error) fail(named(seen) + " of a known peer");
      break;
    case event_kind::peer_restarted:
      if (before == event_kind::error) fail(named(seen) + " of a peer that was never shown");
      of.keys.clear();
      of.live_keys = 0;
      break;
    case event_kind::peer_dead: {
      const bool may_die = before == event_kind::peer_live || before == event_kind::new_peer ||
                           before == event_kind::peer_restarted;
      if (!may_die) fail(named(seen) + " of a peer that was neither live nor new");
      break;
    }
    default:
      if (before == event_kind::error) fail(named(seen) + " of a peer that was never shown");
      if (before == seen.kind) fail(named(seen) + " twice");
      break;
  }
  of.shown = seen.kind;
  of.is_complete = false;
}

const belief::shown_key* belief::find(std::string_view peer, const std::string& key) const {
  const auto of = peers_.find(peer);
  if (of == peers_.end()) return nullptr;
  const auto place = of->second.keys.find(key);
  return place == of->second.keys.end() ? nullptr : &place->second;
}

void belief::fold_entry(const event_view& seen) {
  shown_peer& of = peers_[std::string(seen.peer)];
  shown_key& key = of.keys[std::string(seen.key)];
  const bool is_removal = seen.kind == event_kind::removed;
  // A floor removes a key with the version that it was shown with.
  const bool may_equal = is_removal && key.is_live;
  if (may_equal ? seen.version < key.version : seen.version <= key.version) {
    fail(named(seen) + " after version " + std::to_string(key.version));
  }
  if (key.is_live && is_removal) --of.live_keys;
  if (!key.is_live && !is_removal) ++of.live_keys;
  key.is_live = !is_removal;
  key.version = seen.version;
  key.value = seen.value;
}

void belief::compare_keys(const protocol& from, const simulated_storage& entries) {
  for (const auto& [slot, key] : touched_) {
    if (!from.peers().is_used(slot) || key == floor_key) continue;
    const std::string& name = from.peers().details(slot).name;
    const std::optional<entry_view> held = entries.find(slot, key);
    const bool is_live = held && !held->is_tombstone;
    const auto peer_place = peers_.find(name);
    if (peer_place == peers_.end()) {
      if (is_live) fail("a key that no event told of: " + name + " " + key);
      continue;
    }
    const auto place = peer_place->second.keys.find(key);
    const bool is_shown = place != peer_place->second.keys.end() && place->second.is_live;
    if (is_shown != is_live || (is_live && place->second.value != held->value)) {
      fail("the events do not fold to the state: " + name + " " + key);
    }
  }
}

void belief::compare_peers(const protocol& from, const simulated_storage& entries) {
  std::size_t found = 0;
  for (const peer_view one : from.peers().by_hash()) {
    const std::string& name = from.peers().details(one.slot()).name;
    const auto place = peers_.find(name);
    if (place != peers_.end()) ++found;
    const std::size_t markers = entries.find(one.slot(), floor_key) ? 1 : 0;
    const std::size_t live = entries.usage(one.slot()).live_keys - markers;
    const std::size_t shown = place == peers_.end() ? 0 : place->second.live_keys;
    if (live != shown) {
      fail("the events show " + std::to_string(shown) + " keys of " + name + ", it has " +
           std::to_string(live));
    }
    if (one.slot() == self_slot) continue;
    // It may have been shown of a life before, if the reader saw no end of that.
    const bool is_shown_complete = place != peers_.end() && place->second.is_complete;
    const bool is_complete = from.changes().places_of(one.slot()).complete != 0;
    if (is_complete && !is_shown_complete) fail("the events do not show " + name + " as complete");
    const peer_status status = one.status();
    const event_kind latest = place == peers_.end() ? event_kind::error : place->second.shown;
    if (is_told_by(status, latest)) continue;
    const bool is_known = latest != event_kind::error;
    fail("the events show " + name + " as " +
         (is_known ? std::string(to_string(latest)) : "unknown") + ", it is " +
         std::string(to_string(status)));
  }
  if (found == peers_.size()) return;
  for (const auto& [name, shown] : peers_) {
    const auto rows = from.peers().by_hash();
    const auto bears = [&, sought = std::string_view(name)](peer_view one) {
      return from.peers().details(one.slot()).name == sought;
    };
    if (std::none_of(rows.begin(), rows.end(), bears)) {
      fail("the events still show " + name + ", which is gone");
    }
  }
}

}  // namespace gossipmonger
