#include "core/local/own_map.hpp"

#include <algorithm>
#include <string>

#include "core/model/compaction_marker.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// An entry takes about so many bytes on the wire besides key and value.
constexpr std::size_t entry_overhead_bytes = 8;
constexpr std::size_t compaction_tombstones_min = 64;
/// Tombstones take at most one in so many of the keys that a node may have.
constexpr std::size_t compaction_part = 4;

/// A writer begins with the bytes that it can surely send to four peers in a round.
std::size_t first_write_bytes(const config& settings) {
  const std::size_t budget = settings.send_bytes_per_interval;
  return std::min(settings.exchange_bytes_max, budget == 0 ? settings.exchange_bytes_max : budget) /
         4;
}

/// Pairs with bytes of their own: the first write may free the entries that others are views of.
class copied_pairs {
 public:
  explicit copied_pairs(pair_views of) {
    std::size_t bytes = 0;
    for (const auto& [key, value] : of) bytes += key.size() + value.size();
    bytes_.reserve(bytes);
    pairs_.reserve(of.size());
    for (const auto& [key, value] : of) {
      const std::string_view key_kept = keep(key);
      pairs_.emplace_back(key_kept, keep(value));
    }
  }
  copied_pairs(const copied_pairs&) = delete;
  copied_pairs& operator=(const copied_pairs&) = delete;

  [[nodiscard]] pair_views get() const { return pairs_; }

 private:
  std::string_view keep(std::string_view text) {
    const std::size_t start = bytes_.size();
    bytes_ += text;  // never reallocates: the constructor reserved the bytes
    return std::string_view(bytes_).substr(start);
  }

  std::string bytes_;
  std::vector<std::pair<std::string_view, std::string_view>> pairs_;
};

}  // namespace

own_map::own_map(const config& settings, peer_table& peers, storage_ref entries,
                 change_list& changes, nanoseconds now)
    : settings_(settings),
      peers_(peers),
      entries_(entries),
      changes_(changes),
      rate_(first_write_bytes(settings), now) {}

// ------------------------------------------------------------------------------------ writing

std::error_code own_map::check(std::string_view key, std::string_view value) const {
  if (!is_valid_name(key)) return make_error_code(errc::key_invalid);
  if (value.size() > settings_.value_bytes_max) {
    return make_error_code(errc::value_too_large);
  }
  return {};
}

bool own_map::has_room(const storage_usage& used, std::size_t versions) const {
  const bool is_allowed = used.live_keys + used.tombstones <= settings_.keys_per_peer_max &&
                          used.bytes <= settings_.bytes_per_peer_max;
  return is_allowed && versions <= version_max - version();
}

bool own_map::has_exact_room(pair_views pairs, bool is_compacted) const {
  storage_usage used = entries_.usage(self_slot);
  std::size_t versions = pairs.size();
  if (is_compacted) {
    used = usage_without_tombstones();
    versions += used.live_keys + 1;
  }
  bool is_same = true;
  std::size_t replaced = 0;
  for (const auto& [key, value] : pairs) {
    const std::optional<entry_view> held = entries_.find(self_slot, key);
    const bool is_live = held && !held->is_tombstone;
    if (is_live && held->value == value) continue;
    is_same = false;
    used.bytes += key.size() + value.size();
    if (is_live || (held && !is_compacted)) {
      replaced += held->key.size() + held->value.size();
    } else {
      ++used.live_keys;
    }
  }
  if (is_same) return true;
  used.bytes -= std::min(used.bytes, replaced);
  if (is_compacted || entries_.find(self_slot, floor_key)) --used.live_keys;  // the marker is free
  return has_room(used, versions);
}

storage_usage own_map::usage_without_tombstones() const {
  storage_usage used = entries_.usage(self_slot);
  for (std::optional<entry_view> held = entries_.first_above(self_slot, 0); held;
       held = entries_.first_above(self_slot, held->version)) {
    if (held->is_tombstone) used.bytes -= held->key.size();
  }
  used.tombstones = 0;
  if (!entries_.find(self_slot, floor_key)) {
    ++used.live_keys;
    used.bytes += marker_bytes;
  }
  return used;
}

result<std::uint64_t> own_map::write(const entry_view& entry) {
  entry_view placed = entry;
  placed.version = version() + 1;
  if (placed.sequence == 0) placed.sequence = changes_.take();
  if (const result<void> put = entries_.put(self_slot, placed); !put) {
    return tl::unexpected<std::error_code>(put.error());
  }
  handle_written(placed);
  return placed.version;
}

result<std::uint64_t> own_map::write_unless_same(std::string_view key, std::string_view value) {
  entry_view entry;
  entry.key = key;
  entry.value = value;
  entry.version = version() + 1;
  std::uint64_t version_held = 0;
  const auto choose = [&](const std::optional<entry_view>& held) -> std::uint64_t {
    if (!held || held->is_tombstone || held->value != value) return changes_.take();
    version_held = held->version;
    return 0;
  };
  const result<bool> put = entries_.put(self_slot, entry, sequence_choice(choose));
  if (!put) return tl::unexpected<std::error_code>(put.error());
  if (!*put) return version_held;
  handle_written(entry);
  return entry.version;
}

void own_map::handle_written(const entry_view& entry) {
  rate_.spend(entry.key.size() + entry.value.size() + entry_overhead_bytes, entry.version);
  peers_.self().set_max_version(entry.version);
  peers_.touch(self_slot);
}

result<std::uint64_t> own_map::set(pair_views pairs, std::optional<nanoseconds> deadline) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : pairs) {
    if (const std::error_code error = check(key, value)) {
      return tl::unexpected<std::error_code>(error);
    }
    bytes += key.size() + value.size();
  }
  // Views of entries of this node hold until the storage changes; for one pair it sees to that.
  std::optional<copied_pairs> copied;
  if (pairs.size() > 1) pairs = copied.emplace(pairs).get();
  storage_usage used = entries_.usage(self_slot);
  used.live_keys += pairs.size();
  used.bytes += bytes;
  // A pair that replaces needs less room; the exact sum matters only at the brim. There tombstones
  // give way, if that is enough.
  if (!has_room(used, pairs.size()) && !has_exact_room(pairs, false)) {
    if (used.tombstones == 0 || !has_exact_room(pairs, true)) return fail(errc::capacity_reached);
    if (!copied) pairs = copied.emplace(pairs).get();
    compact();
    if (!has_exact_room(pairs, false)) return fail(errc::capacity_reached);
  }

  std::uint64_t last = pairs.empty() ? version() : 0;
  std::string written_key;
  for (const auto& [key, value] : pairs) {
    written_key = key;
    const result<std::uint64_t> written = write_unless_same(key, value);
    if (!written) return written;
    last = std::max(last, *written);
    if (deadline) {
      expiry_.set(written_key, *deadline);
    } else {
      expiry_.clear(written_key);
    }
  }
  return last;
}

result<std::optional<std::uint64_t>> own_map::erase(std::string_view key) {
  if (const std::error_code error = check(key, {})) {
    return tl::unexpected<std::error_code>(error);
  }
  const std::optional<entry_view> held = entries_.find(self_slot, key);
  if (!held || held->is_tombstone) return std::optional<std::uint64_t>();
  if (version() == version_max) return fail(errc::capacity_reached);

  const std::string erased_key(key);  // `key` may be a view of the entry that goes
  entry_view tombstone;
  tombstone.key = erased_key;
  tombstone.is_tombstone = true;
  const result<std::uint64_t> written = write(tombstone);
  if (!written) return tl::unexpected<std::error_code>(written.error());
  expiry_.clear(erased_key);
  const storage_usage used = entries_.usage(self_slot);
  const std::size_t kept = std::min(std::max(compaction_tombstones_min, used.live_keys),
                                    settings_.keys_per_peer_max / compaction_part);
  if (used.tombstones > kept) compact();
  return std::optional<std::uint64_t>(*written);
}

void own_map::compact() {
  const std::uint64_t last_before = version();
  // A compaction takes a version for each live key, and one for the marker. Half of it is no use.
  if (version_max - last_before <= entries_.usage(self_slot).live_keys) return;
  std::string key;
  std::string value;
  std::uint64_t from = 0;
  for (;;) {
    const std::optional<entry_view> held = entries_.first_above(self_slot, from);
    if (!held || held->version > last_before) break;
    from = held->version;
    if (held->is_tombstone || held->key == floor_key) continue;
    key = held->key;
    value = held->value;
    entry_view again;
    again.key = key;
    again.value = value;
    again.sequence = held->sequence;
    // Without a marker nothing is dropped anywhere: giving up half-way loses nothing.
    if (!write(again)) return;
  }

  value = marker_value(last_before);
  entry_view marker;
  marker.key = floor_key;
  marker.value = value;
  if (const auto held = entries_.find(self_slot, floor_key)) marker.sequence = held->sequence;
  if (!write(marker)) return;
  changes_.advance_to(entries_.drop_upto(self_slot, last_before, changes_.last()));
  ++compactions_;
}

void own_map::expire(nanoseconds now, bool may_write) {
  while (const std::optional<std::string> key = expiry_.take_due(now)) {
    if (!may_write || !erase(*key)) expiry_.set(*key, now + settings_.gossip_interval);
  }
}

// ----------------------------------------------------------------------------------- the rate

bool own_map::is_writable(nanoseconds now) { return rate_.is_open(now, settings_.gossip_interval); }

nanoseconds own_map::writable_at() const { return rate_.is_open_at(settings_.gossip_interval); }

bool own_map::end_round(nanoseconds now) {
  return rate_.end_round(now, settings_.gossip_interval, peers_.size());
}

void own_map::handle_change(const config& next) {
  const std::size_t first = first_write_bytes(next);
  if (first != first_write_bytes(settings_)) rate_.begin_anew(first);
}

// -------------------------------------------------------------------------- what peers hold of it

own_map::held_part& own_map::part_of(slot_index slot) {
  if (slot >= held_.size()) held_.resize(slot + std::size_t{1});
  return held_[slot];
}

bool own_map::is_present(const held_part& part) const {
  return part.generation == peers_.self().generation();
}

void own_map::handle_held(slot_index slot, const digest_entry& held, std::size_t part_bytes) {
  held_part& of = part_of(slot);
  const std::uint64_t generation = peers_.self().generation();
  const bool is_same = of.generation == generation;
  of.version = is_same ? std::max(of.version, held.max_version) : held.max_version;
  of.generation = generation;
  of.has_leave = (is_same && of.has_leave) || held.has_left;
  rate_.handle_held(of.progress, held_version(slot), part_bytes);
}

void own_map::handle_later_run(slot_index slot) {
  held_part& of = part_of(slot);
  const std::uint64_t generation = peers_.self().generation();
  if (of.generation != generation) of.version = 0;
  of.generation = generation;
  of.has_leave = true;
}

void own_map::forget(slot_index slot) {
  if (slot < held_.size()) held_[slot] = held_part();
}

std::uint64_t own_map::held_version(slot_index slot) const {
  if (slot >= held_.size() || !is_present(held_[slot])) return 0;
  return std::min(held_[slot].version, version());
}

bool own_map::is_holding(slot_index slot, std::uint64_t version, bool leave) const {
  const held_part of = slot < held_.size() ? held_[slot] : held_part();
  return is_present(of) && of.version >= version && (!leave || of.has_leave);
}

}  // namespace gossipmonger
