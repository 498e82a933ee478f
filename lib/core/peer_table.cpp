#include "gossipmonger/core/peer_table.hpp"

#include <algorithm>
#include <cassert>

#include "planted.hpp"

namespace gossipmonger {

namespace {

// The log of changes is cut to its distinct tail when it is this long.
constexpr std::size_t recent_max = 1024;
constexpr std::size_t recent_kept = 128;

/// The last `count` distinct slots of `log`, latest first.
void distinct_tail(const std::vector<slot_index>& log, std::size_t count,
                   std::vector<slot_index>& out) {
  out.clear();
  for (auto place = log.rbegin(); place != log.rend() && out.size() < count; ++place) {
    if (std::find(out.begin(), out.end(), *place) == out.end()) out.push_back(*place);
  }
}

}  // namespace

peer_table::peer_table(std::size_t capacity) : capacity_(capacity) {}

std::optional<slot_index> peer_table::try_add(std::string_view name, std::uint64_t name_hash) {
  assert(!find(name_hash));
  if (rows_.size() == capacity_ + 1 && !planted::is_on(planted::defect::peers_unbounded)) {
    return std::nullopt;
  }
  slot_index slot = 0;
  if (free_.empty()) {
    slot = static_cast<slot_index>(places_.size());
    places_.push_back(no_place);
    liveness_.emplace_back();
    details_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  details_[slot].name = name;
  peer added;
  added.slot_ = slot;
  added.entry_.name_hash = name_hash;
  const std::size_t place = lower_bound(name_hash);
  rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(place), added);
  number_from(place);
  return slot;
}

void peer_table::remove(slot_index slot) {
  assert(slot != self_slot && is_used(slot));
  const std::size_t place = places_[slot];
  rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(place));
  number_from(place);
  places_[slot] = no_place;
  liveness_[slot] = peer_liveness();
  details_[slot] = peer_details();
  std::erase(recent_, slot);
  free_.push_back(slot);
}

void peer_table::number_from(std::size_t place) {
  for (; place < rows_.size(); ++place) {
    places_[rows_[place].slot_] = static_cast<std::uint32_t>(place);
  }
}

void peer_table::begin(slot_index slot, std::uint64_t generation, std::uint64_t heartbeat) {
  peer& row = (*this)[slot];
  const std::uint64_t name_hash = row.name_hash();
  row = peer();
  row.slot_ = slot;
  row.entry_.name_hash = name_hash;
  row.set_generation(generation);
  row.set_heartbeat(heartbeat);
  liveness_[slot] = peer_liveness();
}

std::optional<slot_index> peer_table::find_name(std::string_view name,
                                                std::uint64_t name_hash) const {
  const std::optional<slot_index> slot = find(name_hash);
  if (!slot || details_[*slot].name != name) return std::nullopt;
  return slot;
}

std::size_t peer_table::lower_bound(std::uint64_t name_hash) const {
  // Hashes are spread evenly, so the place is near where it would be if they were spread exactly;
  // where somebody chose names against that, doubling steps from there find it all the same.
  const auto is_below = [](const peer& one, std::uint64_t hash) { return one.name_hash() < hash; };
  const std::size_t count = rows_.size();
  std::size_t low = (name_hash >> 32) * count >> 32;
  std::size_t high = low;
  std::size_t step = 1;
  if (low < count && is_below(rows_[low], name_hash)) {
    for (high = low + 1; high < count && is_below(rows_[high], name_hash); step *= 2) {
      low = high;
      high = std::min(count, high + step);
    }
  } else {
    while (low > 0 && !is_below(rows_[low - 1], name_hash)) {
      high = low;
      low -= std::min(low, step);
      step *= 2;
    }
  }
  const auto begin = rows_.begin();
  const auto place =
      std::lower_bound(begin + static_cast<std::ptrdiff_t>(low),
                       begin + static_cast<std::ptrdiff_t>(high), name_hash, is_below);
  return static_cast<std::size_t>(place - begin);
}

std::size_t peer_table::find_near(std::size_t place, std::uint64_t name_hash) const {
  // A digest asks for one after the other, ascending.
  const std::size_t near_end = std::min(place + near_rows, rows_.size());
  while (place < near_end && rows_[place].name_hash() < name_hash) ++place;
  if (place >= near_end || rows_[place].name_hash() != name_hash) place = lower_bound(name_hash);
  const bool is_there = place < rows_.size() && rows_[place].name_hash() == name_hash;
  return is_there ? place : rows_.size();
}

void comparison::begin(std::size_t entries, bool is_thorough) {
  if (ahead_.size() < entries) {
    ahead_.resize(entries);
    behind_.resize(entries);
    others_.resize(entries);
  }
  ahead_count_ = behind_count_ = others_count_ = strangers_ = 0;
  is_thorough_ = is_thorough;
}

void peer_table::compare(std::span<const packed_entry> entries, bool is_thorough,
                         comparison& out) const {
  out.begin(entries.size(), is_thorough);
  // In registers, while the lists are written.
  std::size_t ahead = 0;
  std::size_t behind = 0;
  std::size_t others = 0;
  std::size_t next = last_found_ + 1;
  const std::size_t count = rows_.size();
  const peer* const rows = rows_.data();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const packed_entry& theirs = entries[i];
    located_entry at;
    at.index = static_cast<std::uint32_t>(i);
    if (next >= count || rows[next].name_hash() != theirs.name_hash) {
      const std::size_t place = find_near(next, theirs.name_hash);
      if (place == count) {
        at.slot = no_slot;
        out.others_[others++] = at;
        ++out.strangers_;
        continue;
      }
      next = place;
    }
    // Whose heartbeat is higher is as good as drawn: each entry goes into all three lists, and
    // stays in one, without a branch.
    const peer& mine = rows[next++];
    at.slot = mine.slot();
    const std::uint64_t heartbeat = theirs.heartbeat();
    const bool is_held = !is_thorough & (at.slot != self_slot) &
                         mine.entry().is_equal_but_for_heartbeat(theirs);
    const bool is_same = is_held & mine.is_plain() & !theirs.has_left();
    const bool is_ahead = is_same & (heartbeat > mine.heartbeat());
    const bool is_equal = is_held & (heartbeat == mine.heartbeat());
    out.others_[others] = at;
    others += !(is_same | is_equal);
    out.ahead_[ahead] = at;
    ahead += is_ahead;
    out.behind_[behind] = at.slot;
    behind += is_same & (heartbeat < mine.heartbeat());
    // Whose heartbeat is higher there advances next.
    __builtin_prefetch(&liveness_[is_ahead ? at.slot : self_slot], 1);
  }
  last_found_ = next - 1;
  out.ahead_count_ = ahead;
  out.behind_count_ = behind;
  out.others_count_ = others;
}

void peer_table::touch(slot_index slot) {
  if (!recent_.empty() && recent_.back() == slot) return;
  if (recent_.size() == recent_max) {
    distinct_tail(recent_, recent_kept, latest_);
    recent_.assign(latest_.rbegin(), latest_.rend());
  }
  recent_.push_back(slot);
}

std::span<const slot_index> peer_table::latest(std::size_t count) {
  distinct_tail(recent_, count, latest_);
  return latest_;
}

}  // namespace gossipmonger
