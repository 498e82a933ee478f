#include "core/membership/peer_table.hpp"

#include <algorithm>
#include <cassert>

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

bool peer_table::has_room() const { return entries_.size() != capacity_ + 1; }

std::optional<slot_index> peer_table::try_add(std::string_view name, std::uint64_t name_hash) {
  assert(!find(name_hash));
  if (!has_room()) return std::nullopt;
  slot_index slot = 0;
  if (free_.empty()) {
    slot = static_cast<slot_index>(places_.size());
    places_.push_back(no_place);
    details_.emplace_back();
    silent_before_.emplace_back();
    touched_.push_back(0);
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  details_[slot].name = name;
  const std::size_t place = lower_bound(name_hash);
  const auto offset = static_cast<std::ptrdiff_t>(place);
  entries_.emplace(entries_.begin() + offset)->name_hash = name_hash;
  states_.emplace(states_.begin() + offset)->slot = slot;
  ++irregular_;
  detectors_.emplace(detectors_.begin() + offset);
  parts_.insert(parts_.begin() + offset, 0);
  number_from(place);
  quiet_until_.reset();
  return slot;
}

void peer_table::remove(slot_index slot) {
  assert(slot != self_slot && is_used(slot));
  set_suspect(slot, false);
  const std::size_t place = places_[slot];
  const auto offset = static_cast<std::ptrdiff_t>(place);
  entries_.erase(entries_.begin() + offset);
  if (!states_[place].is_plain()) --irregular_;
  states_.erase(states_.begin() + offset);
  detectors_.erase(detectors_.begin() + offset);
  parts_.erase(parts_.begin() + offset);
  number_from(place);
  places_[slot] = no_place;
  details_[slot] = peer_details();
  silent_before_[slot] = {};
  std::erase(recent_, slot);
  free_.push_back(slot);
}

void peer_table::number_from(std::size_t place) {
  for (; place < states_.size(); ++place) {
    places_[states_[place].slot] = static_cast<row_place>(place);
  }
  self_place_ = places_[self_slot];
}

void peer_table::begin(slot_index slot, std::uint64_t generation, std::uint64_t heartbeat,
                       std::chrono::nanoseconds silent_since,
                       std::chrono::nanoseconds counted_from) {
  set_suspect(slot, false);
  const row_place place = places_[slot];
  digest_entry entry;
  entry.name_hash = entries_[place].name_hash;
  entries_[place] = entry;
  row_state state;
  state.slot = slot;
  const peer row = row_at(place);
  row.set_state(state);
  row.set_generation(generation);
  row.set_heartbeat(heartbeat);
  reset_detector(slot, counted_from, silent_since);
}

void peer_table::reset_detector(slot_index slot, std::chrono::nanoseconds now,
                                std::chrono::nanoseconds silent_since) {
  silent_before_[slot] = silent_since;
  failure_detector& seen = detectors_[places_[slot]];
  seen.reset(now);
  note_silence(seen);
}

void peer_table::set_suspect(slot_index slot, bool is_suspect) {
  const peer row = (*this)[slot];
  if (row.is_suspect() == is_suspect) return;
  row.set(row_state::suspect, is_suspect);
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
  for (row_place place = 0; place < detectors_.size(); ++place) {
    const failure_detector& one = detectors_[place];
    if (!one.may_exceed(later) || !at(place).may_die()) continue;
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
  // Hashes are spread evenly, so the place is near where it would be if they were spread exactly.
  // Doubling steps from there find it even if names were chosen against that.
  const auto is_below = [](const packed_entry& one, std::uint64_t hash) {
    return one.name_hash < hash;
  };
  const std::size_t count = entries_.size();
  std::size_t low = (name_hash >> 32) * count >> 32;
  std::size_t high = low;
  std::size_t step = 1;
  if (low < count && is_below(entries_[low], name_hash)) {
    for (high = low + 1; high < count && is_below(entries_[high], name_hash); step *= 2) {
      low = high;
      high = std::min(count, high + step);
    }
  } else {
    while (low > 0 && !is_below(entries_[low - 1], name_hash)) {
      high = low;
      low -= std::min(low, step);
      step *= 2;
    }
  }
  const auto begin = entries_.begin();
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
  ahead_count_ = behind_count_ = others_count_ = unknown_ = 0;
  is_thorough_ = is_thorough;
}

void peer_table::compare(std::span<const packed_entry> entries, bool is_thorough,
                         comparison& out) const {
  out.begin(entries.size(), is_thorough);
  if (entries.empty()) return;
  std::size_t next = lower_bound(entries.front().name_hash);
  const auto is_next = [&](std::uint64_t name_hash) {
    return next < entries_.size() && entries_[next].name_hash == name_hash;
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
      const std::size_t mine = next++;
      at.slot = states_[mine].slot;
      if (entries_[mine] == theirs && !is_thorough) continue;
    } else {
      ++out.unknown_;
    }
    out.others_[out.others_count_++] = at;
  }
}

void peer_table::compare_usual(std::span<const packed_entry> entries, std::size_t& index,
                               std::size_t& next, comparison& out) const {
  placed_entry* ahead = out.ahead_.data() + out.ahead_count_;
  row_place* behind = out.behind_.data() + out.behind_count_;
  const packed_entry* theirs = entries.data() + index;
  const packed_entry* const theirs_end = entries.data() + entries.size();
  const packed_entry* mine = entries_.data() + next;
  const packed_entry* const mine_end = entries_.data() + entries_.size();
  const row_state* const states = states_.data();
  auto place = static_cast<row_place>(next);
  auto i = static_cast<std::uint32_t>(index);
  bool is_sparse = false;
  while (theirs != theirs_end && mine != mine_end) {
    if (!states[place].is_plain() || !mine->is_equal_but_for_heartbeat(*theirs)) {
      // A digest names one row after the other, a reply many of them.
      int skipped = 0;
      while (mine->name_hash < theirs->name_hash && skipped < near_rows) {
        ++skipped;
        ++place;
        if (++mine == mine_end) break;
      }
      if (mine == mine_end || skipped == 0) break;
      if (skipped == near_rows && mine->name_hash != theirs->name_hash) break;
      is_sparse = true;
      continue;
    }
    // Which heartbeat is higher cannot be predicted. So each entry goes into both lists, and stays
    // in one at most, without a branch.
    const std::uint32_t lead = mine->heartbeat_lead(*theirs);
    ahead->index = i;
    ahead->place = place;
    ahead += lead >> 31U;
    *behind = place;
    behind += (0U - lead) >> 31U;
    ++theirs;
    ++mine;
    ++i;
    ++place;
    if (!is_sparse || theirs == theirs_end || mine_end - mine < 4) continue;
    // Which of the next rows it names is as good as drawn, too.
    const std::uint64_t sought = theirs->name_hash;
    const std::uint32_t left_out =
        std::uint32_t{mine[0].name_hash < sought} + std::uint32_t{mine[1].name_hash < sought} +
        std::uint32_t{mine[2].name_hash < sought} + std::uint32_t{mine[3].name_hash < sought};
    mine += left_out;
    place += left_out;
  }
  index = i;
  next = place;
  out.ahead_count_ = static_cast<std::size_t>(ahead - out.ahead_.data());
  out.behind_count_ = static_cast<std::size_t>(behind - out.behind_.data());
}

void peer_table::touch(slot_index slot) {
  touched_[slot] = round_;
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

std::span<const slot_index> peer_table::latest(std::size_t count, std::uint64_t rounds) {
  const auto is_older = [this, rounds](slot_index slot) {
    return touched_[slot] + rounds < round_;
  };
  const std::span<const slot_index> all = latest(count);
  return all.first(
      static_cast<std::size_t>(std::find_if(all.begin(), all.end(), is_older) - all.begin()));
}

}  // namespace gossipmonger
