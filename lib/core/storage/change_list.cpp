#include "core/storage/change_list.hpp"

#include <algorithm>
#include <utility>

namespace gossipmonger {

change_list::change_list(std::size_t kept_max) : kept_max_(kept_max) {}

peer_places& change_list::place_of(slot_index slot) {
  if (slot >= places_.size()) places_.resize(slot + std::size_t{1});
  return places_[slot];
}

void change_list::erase_items(const peer_places& of) {
  if (of.introduced != 0) items_.erase(of.introduced);
  if (of.status != 0) items_.erase(of.status);
  if (of.complete != 0) items_.erase(of.complete);
}

void change_list::introduce(slot_index slot, bool is_restart) {
  peer_places& of = place_of(slot);
  erase_items(of);
  of = peer_places();
  of.introduced = take();
  of.is_restart = is_restart;
  items_.emplace(of.introduced, change_item(change_item::what::introduced, slot));
}

void change_list::change_status(slot_index slot) {
  peer_places& of = place_of(slot);
  if (of.status != 0) items_.erase(of.status);
  if (of.complete != 0) items_.erase(of.complete);
  of.complete = 0;
  of.status = take();
  items_.emplace(of.status, change_item(change_item::what::status, slot));
}

void change_list::complete(slot_index slot) {
  peer_places& of = place_of(slot);
  const std::uint64_t before = std::exchange(of.complete, take());
  if (before == 0) {
    items_.emplace_hint(items_.end(), of.complete, change_item(change_item::what::complete, slot));
    return;
  }
  auto item = items_.extract(before);
  item.key() = of.complete;
  items_.insert(items_.end(), std::move(item));
}

void change_list::forget(slot_index slot, std::string_view name, std::uint64_t generation) {
  peer_places& of = place_of(slot);
  erase_items(of);
  of = peer_places();
  change_item item(change_item::what::forgotten, slot);
  item.told = std::make_unique<told_change>();
  item.told->name = name;
  item.told->generation = generation;
  keep(std::move(item));
}

void change_list::notice(event_kind kind, std::string_view name, std::uint64_t generation,
                         std::string text) {
  change_item item(change_item::what::notice, self_slot);
  item.told = std::make_unique<told_change>();
  item.told->event = kind;
  item.told->name = name;
  item.told->generation = generation;
  item.told->text = std::move(text);
  keep(std::move(item));
}

void change_list::keep(change_item item) {
  if (kept_.size() == kept_max_) {
    const auto oldest = kept_.begin();
    if (oldest->second == change_item::what::forgotten) cut(oldest->first);
    if (oldest->second == change_item::what::notice) --notices_;
    items_.erase(oldest->first);
    kept_.erase(oldest);
  }
  const std::uint64_t sequence = take();
  kept_.emplace(sequence, item.kind);
  if (item.kind == change_item::what::notice) ++notices_;
  items_.emplace(sequence, std::move(item));
}

void change_list::release(std::uint64_t sequence) {
  const auto end = kept_.upper_bound(sequence);
  for (auto place = kept_.begin(); place != end;) {
    const bool is_notice = place->second == change_item::what::notice;
    if (is_notice && notices_ <= late_notices_max) {
      ++place;
      continue;
    }
    if (is_notice) --notices_;
    items_.erase(place->first);
    place = kept_.erase(place);
  }
}

void change_list::cut(std::uint64_t sequence) {
  if (sequence <= cut_) return;
  cut_ = sequence;
  ++epoch_;
}

bool change_list::has_lost(const change_cursor& cursor) const {
  return cursor.has_begun && cursor.epoch != epoch_ && cursor.sequence < cut_;
}

void change_list::begin(change_cursor& cursor) const {
  // Of a reader that lags, those that it has not read.
  const std::uint64_t from =
      cursor.has_begun ? std::max(cursor.notices_from, cursor.sequence) : cursor.notices_from;
  cursor.notices_from = std::min(from, last_);
  cursor.has_begun = true;
  cursor.sequence = 0;
  cursor.snapshot_upto = last_;
  cursor.epoch = epoch_;
  cursor.shown.clear();
}

}  // namespace gossipmonger
