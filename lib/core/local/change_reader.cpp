#include "core/local/change_reader.hpp"

#include <cassert>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace gossipmonger {

std::optional<event_view> change_reader::poll(change_cursor& cursor) const {
  if (!cursor.has_begun) changes_->begin(cursor);
  if (changes_->has_lost(cursor)) {
    changes_->begin(cursor);
    event_view lagged;
    lagged.kind = event_kind::lagged;
    return lagged;
  }
  while (const std::optional<change> next = first_above(cursor.sequence)) {
    cursor.sequence = next->sequence;
    std::optional<event_view> shown =
        next->item == nullptr ? show_entry(*next->entry, cursor) : show_item(*next->item, cursor);
    if (shown) return shown;
  }
  return std::nullopt;
}

bool change_reader::has_next(change_cursor& cursor) const {
  assert(cursor.has_begun);
  if (changes_->has_lost(cursor)) return true;
  while (const std::optional<change> next = first_above(cursor.sequence)) {
    const std::uint64_t before = std::exchange(cursor.sequence, next->sequence);
    if (next->item == nullptr) {
      if (!show_entry(*next->entry, cursor)) continue;
    } else {
      const change_cursor::shown_peer last = last_shown(*next->item, cursor);
      if (!show_item(*next->item, cursor)) continue;
      last_shown(*next->item, cursor) = last;
    }
    cursor.sequence = before;
    return true;
  }
  return false;
}

std::optional<change_reader::change> change_reader::first_above(std::uint64_t sequence) const {
  change next;
  next.sequence = std::numeric_limits<std::uint64_t>::max();
  next.item = changes_->first_above(sequence, next.sequence);
  next.entry = entries_.first_changed(sequence);
  if (next.item == nullptr && !next.entry) return std::nullopt;
  if (next.item == nullptr || (next.entry && next.entry->entry.sequence < next.sequence)) {
    next.item = nullptr;
    next.sequence = next.entry->entry.sequence;
  }
  return next;
}

change_cursor::shown_peer& change_reader::last_shown(const change_item& item,
                                                     change_cursor& cursor) {
  if (cursor.shown.size() <= item.slot) cursor.shown.resize(item.slot + std::size_t{1});
  return cursor.shown[item.slot];
}

std::optional<event_view> change_reader::show_entry(const changed_entry& changed,
                                                    const change_cursor& cursor) const {
  const std::string& peer_name = peers_->details(changed.slot).name;
  const entry_view& entry = changed.entry;
  if (entry.key == floor_key || !entry.key.starts_with(cursor.key_prefix)) return std::nullopt;
  if (!cursor.peer.empty() && peer_name != cursor.peer) return std::nullopt;
  if (cursor.is_without_self && changed.slot == self_slot) return std::nullopt;
  // The entry was removed before the snapshot began: this subscription never showed it.
  if (entry.is_tombstone && entry.sequence <= cursor.snapshot_upto) return std::nullopt;

  event_view shown;
  shown.kind = entry.is_tombstone ? event_kind::removed : event_kind::update;
  shown.peer = peer_name;
  shown.generation = (*peers_)[changed.slot].generation();
  shown.key = entry.key;
  shown.value = entry.value;
  shown.version = entry.version;
  return shown;
}

std::optional<event_view> change_reader::show_item(const change_item& item,
                                                   change_cursor& cursor) const {
  event_view shown;
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
      if (status == last.status) return std::nullopt;
      last.status = status;
      last.is_complete = false;
      shown.kind = status == peer_status::live   ? event_kind::peer_live
                   : status == peer_status::left ? event_kind::peer_left
                                                 : event_kind::peer_dead;
      break;
    }
    case change_item::what::complete:
      // It moved behind entries that changed, or another life of the peer became complete.
      if (last.is_complete) return std::nullopt;
      last.is_complete = true;
      shown.kind = event_kind::peer_complete;
      break;
    case change_item::what::forgotten:
      // The subscriber never heard of the peer: it went before the snapshot began, or came and went
      // between two reads.
      if (cursor.sequence <= cursor.snapshot_upto || last.status == peer_status::self) {
        return std::nullopt;
      }
      shown.kind = event_kind::peer_forgotten;
      last = change_cursor::shown_peer();
      break;
    case change_item::what::notice:
      if (cursor.sequence <= cursor.notices_from) return std::nullopt;
      shown.kind = item.told->event;
      break;
  }
  if (!cursor.peer.empty() && shown.peer != cursor.peer) return std::nullopt;
  return shown;
}

void change_reader::release(std::uint64_t sequence, std::size_t retired_max) {
  entries_.purge(sequence);
  changes_->release(sequence);
  // A subscription that is too far behind begins anew: what the storage keeps for it is bounded
  // (I5).
  if (entries_.retired_count() > retired_max) {
    changes_->cut(changes_->last());
    entries_.purge(changes_->last());
  }
}

}  // namespace gossipmonger
