#include "core/local/change_reader.hpp"

#include <cassert>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace gossipmonger {

template <typename OnEntry, typename OnItem>
change_reader::look_result change_reader::look_above(std::uint64_t sequence, OnEntry on_entry,
                                                     OnItem on_item) const {
  std::uint64_t item_at = std::numeric_limits<std::uint64_t>::max();
  const change_item* item = changes_->first_above(sequence, item_at);
  const std::optional<changed_entry> changed = entries_.first_changed(sequence);
  if (item == nullptr && !changed) return look_result::nothing;
  const bool is_entry = changed && changed->entry.sequence < item_at;
  const bool is_shown = is_entry ? on_entry(*changed) : on_item(*item, item_at);
  return is_shown ? look_result::shown : look_result::unwanted;
}

inline bool change_reader::show_entry(const changed_entry& changed, const change_cursor& cursor,
                                      event_view& shown) const {
  const std::string& peer_name = peers_->details(changed.slot).name;
  const entry_view& entry = changed.entry;
  if (entry.key == floor_key || !entry.key.starts_with(cursor.key_prefix)) return false;
  if (!cursor.peer.empty() && peer_name != cursor.peer) return false;
  if (cursor.is_without_self && changed.slot == self_slot) return false;
  // The entry was removed before the snapshot began: this subscription never showed it.
  if (entry.is_tombstone && entry.sequence <= cursor.snapshot_upto) return false;

  shown.kind = entry.is_tombstone ? event_kind::removed : event_kind::update;
  shown.peer = peer_name;
  shown.generation = (*peers_)[changed.slot].generation();
  shown.key = entry.key;
  shown.value = entry.value;
  shown.version = entry.version;
  return true;
}

std::optional<event_view> change_reader::poll(change_cursor& cursor) const {
  // One variable, made where the caller wants it: this is the inner loop of every reader.
  std::optional<event_view> shown;
  if (!cursor.has_begun) changes_->begin(cursor);
  if (changes_->has_lost(cursor)) {
    changes_->begin(cursor);
    shown.emplace().kind = event_kind::lagged;
    return shown;
  }
  const auto on_entry = [&](const changed_entry& changed) {
    cursor.sequence = changed.entry.sequence;
    return show_entry(changed, cursor, shown.emplace());
  };
  const auto on_item = [&](const change_item& item, std::uint64_t at) {
    cursor.sequence = at;
    return show_item(item, cursor, shown.emplace());
  };
  look_result found = look_result::unwanted;
  while (found == look_result::unwanted) found = look_above(cursor.sequence, on_entry, on_item);
  if (found == look_result::nothing) shown.reset();
  return shown;
}

bool change_reader::peek(change_cursor& cursor, peeked_entry& entry) const {
  assert(cursor.has_begun);
  entry.sequence = 0;  // an entry sets all that an entry set before
  if (changes_->has_lost(cursor)) return true;
  const auto on_entry = [&](const changed_entry& changed) {
    const bool is_shown = show_entry(changed, cursor, entry.view);
    (is_shown ? entry.sequence : cursor.sequence) = changed.entry.sequence;
    return is_shown;
  };
  const auto on_item = [&](const change_item& item, std::uint64_t at) {
    const std::uint64_t before = std::exchange(cursor.sequence, at);
    const change_cursor::shown_peer last = last_shown(item, cursor);
    event_view unused;
    if (!show_item(item, cursor, unused)) return false;
    cursor.sequence = before;
    last_shown(item, cursor) = last;
    return true;
  };
  look_result found = look_result::unwanted;
  while (found == look_result::unwanted) found = look_above(cursor.sequence, on_entry, on_item);
  return found == look_result::shown;
}

change_cursor::shown_peer& change_reader::last_shown(const change_item& item,
                                                     change_cursor& cursor) {
  if (cursor.shown.size() <= item.slot) cursor.shown.resize(item.slot + std::size_t{1});
  return cursor.shown[item.slot];
}

bool change_reader::show_item(const change_item& item, change_cursor& cursor,
                              event_view& shown) const {
  if (item.told) {
    shown.peer = item.told->name;
    shown.generation = item.told->generation;
    shown.text = item.told->text;
  } else {
    shown.peer = peers_->details(item.slot).name;
    shown.generation = (*peers_)[item.slot].generation();
  }

  change_cursor::shown_peer& last = last_shown(item, cursor);
  switch (item.kind) {
    case change_item::what::introduced:
      // If nothing was shown of the peer, the subscriber has no former run to clear.
      shown.kind = changes_->places_of(item.slot).is_restart && last.status != peer_status::self
                       ? event_kind::peer_restarted
                       : event_kind::new_peer;
      last.status = peer_status::introduced;
      last.is_complete = false;
      break;
    case change_item::what::status: {
      const peer_status status = (*peers_)[item.slot].status();
      // The status changed and changed back between two reads.
      if (status == last.status) return false;
      last.status = status;
      last.is_complete = false;
      shown.kind = status == peer_status::live   ? event_kind::peer_live
                   : status == peer_status::left ? event_kind::peer_left
                                                 : event_kind::peer_dead;
      break;
    }
    case change_item::what::complete:
      // It moved behind entries that changed, or another life of the peer became complete.
      if (last.is_complete) return false;
      last.is_complete = true;
      shown.kind = event_kind::peer_complete;
      break;
    case change_item::what::forgotten:
      // The subscriber never heard of the peer: it went before the snapshot began, or came and went
      // between two reads.
      if (cursor.sequence <= cursor.snapshot_upto || last.status == peer_status::self) {
        return false;
      }
      shown.kind = event_kind::peer_forgotten;
      last = change_cursor::shown_peer();
      break;
    case change_item::what::notice:
      if (cursor.sequence <= cursor.notices_from) return false;
      shown.kind = item.told->event;
      break;
  }
  return cursor.peer.empty() || shown.peer == cursor.peer;
}

void release_changes(change_list& changes, storage_ref entries, std::uint64_t sequence,
                     std::size_t retired_max) {
  entries.purge(sequence);
  changes.release(sequence);
  // A subscription that is too far behind begins anew: what the storage keeps for it is bounded
  // (I5).
  if (entries.retired_count() > retired_max) {
    changes.cut(changes.last());
    entries.purge(changes.last());
  }
}

}  // namespace gossipmonger
