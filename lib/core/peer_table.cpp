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
  const std::size_t place = lower_bound(name_hash);
  rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(place), peer(slot, name_hash));
  number_from(place);
  quiet_until_.reset();
  return slot;
}

void peer_table::remove(slot_index slot) {
  assert(slot != self_slot && is_used(slot));
  set_suspect(slot, false);
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

void peer_table::begin(slot_index slot, std::uint64_t generation, std::uint64_t heartbeat,
                       std::chrono::nanoseconds silent_since, std::chrono::nanoseconds now) {
  set_suspect(slot, false);
  peer& row = (*this)[slot];
  row = peer(slot, row.name_hash());
  row.set_generation(generation);
  row.set_heartbeat(heartbeat);
  reset_detector(slot, now);
  liveness_[slot].silent_since = silent_since;
}

void peer_table::set_suspect(slot_index slot, bool is_suspect) {
  peer& row = (*this)[slot];
  if (row.is_suspect() == is_suspect) return;
  row.set(peer::suspect, is_suspect);
  if (is_suspect) {
    ++suspects_;
  } else {
    --suspects_;
  }
}

bool peer_table::may_exceed(const phi_limit& limit, std::chrono::nanoseconds ahead) {
  if (quiet_until_ && quiet_until_->covers(limit)) return false;
  quiet_until_.reset();
  phi_limit later = limit;
  later.now += ahead;
  bool is_quiet = true;
  // In the order in which they lie in memory: in a large cluster that is what it takes.
  for (slot_index slot = 0; slot < places_.size(); ++slot) {
    const failure_detector& one = liveness_[slot].detector;
    if (!one.may_exceed(later) || !is_used(slot) || !(*this)[slot].may_die()) continue;
    if (one.may_exceed(limit)) return true;
    is_quiet = false;
  }
  if (is_quiet) quiet_until_ = later;
  return false;
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
  if (entries.empty()) return;
  std::size_t next = lower_bound(entries.front().name_hash);
  const auto is_next = [&](std::uint64_t name_hash) {
    return next < rows_.size() && rows_[next].name_hash() == name_hash;
  };
  for (std::size_t i = 0; i < entries.size();) {
    if (!is_thorough) {
      compare_usual(entries, i, next, out);
      if (i == entries.size()) break;
    }
    const packed_entry& theirs = entries[i];
    if (!is_next(theirs.name_hash)) {
      next = lower_bound(theirs.name_hash);
      if (is_next(theirs.name_hash) && !is_thorough) continue;  // it may be a usual one
    }
    located_entry at;
    at.index = static_cast<std::uint32_t>(i++);
    if (is_next(theirs.name_hash)) {
      const peer& mine = rows_[next++];
      at.slot = mine.slot();
      if (mine.entry() == theirs && !is_thorough) continue;
    } else {
      ++out.strangers_;
    }
    out.others_[out.others_count_++] = at;
  }
}

void peer_table::compare_usual(std::span<const packed_entry> entries, std::size_t& index,
                               std::size_t& next, comparison& out) const {
  located_entry* ahead = out.ahead_.data() + out.ahead_count_;
  slot_index* behind = out.behind_.data() + out.behind_count_;
  const peer_liveness* const liveness = liveness_.data();
  const peer* const end = rows_.data() + rows_.size();
  const peer* mine = rows_.data() + next;
  std::size_t i = index;
  for (; i < entries.size() && mine != end; ++i, ++mine) {
    const packed_entry& theirs = entries[i];
    // A digest names one row after the other, a reply many of them.
    if (mine->name_hash() < theirs.name_hash) {
      const peer* const near_end = end - mine > near_rows ? mine + near_rows : end;
      do {
        ++mine;
      } while (mine != near_end && mine->name_hash() < theirs.name_hash);
      if (mine == near_end) mine = rows_.data() + lower_bound(theirs.name_hash);
      if (mine == end) break;
    }
    if (!mine->is_plain() || !mine->entry().is_equal_but_for_heartbeat(theirs)) break;
    // Whose heartbeat is higher is as good as drawn: each goes into both lists, and stays in one at
    // most, without a branch. Who is ahead there advances next.
    const slot_index slot = mine->slot();
    const std::uint32_t lead = mine->entry().heartbeat_lead(theirs);
    const std::uint32_t is_ahead = lead >> 31U;
    const std::uint32_t is_behind = (0U - lead) >> 31U;
    ahead->index = static_cast<std::uint32_t>(i);
    ahead->slot = slot;
    ahead += is_ahead;
    *behind = slot;
    behind += is_behind;
    static_assert(self_slot == 0);
    __builtin_prefetch(&liveness[slot * is_ahead], 1);
  }
  index = i;
  next = static_cast<std::size_t>(mine - rows_.data());
  out.ahead_count_ = static_cast<std::size_t>(ahead - out.ahead_.data());
  out.behind_count_ = static_cast<std::size_t>(behind - out.behind_.data());
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
