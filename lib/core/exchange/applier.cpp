#include "core/exchange/applier.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/model/compaction_marker.hpp"

namespace gossipmonger {

namespace {

constexpr std::uint64_t parked_rounds = 16;
// Longest pause before a storage that refuses is tried again.
constexpr std::uint64_t put_off_rounds_max = 16;

}  // namespace

applier::applier(exchange_tables& shared, change_list& changes)
    : shared_(shared),
      settings_(shared.settings),
      peers_(shared.peers),
      entries_(shared.entries),
      changes_(changes),
      partials_(shared.partials),
      parked_(shared.settings.parked_bytes_max) {
  begin(self_slot);
}

void applier::apply(const message& from, const delta_view& delta) {
  const std::optional<slot_index> slot = peers_.find(delta.name_hash);
  if (slot == self_slot) return drop(drop_reason::about_self);
  if (!slot || delta.generation > peers_[*slot].generation()) {
    return drop(drop_reason::unknown_peer);
  }
  if (delta.generation < peers_[*slot].generation()) return drop(drop_reason::stale);
  const peer row = peers_[*slot];
  if (row.is_over_capacity()) return drop(drop_reason::capacity);
  if (row.is_put_off()) return drop(drop_reason::storage);
  if (delta.value_bytes != 0) return apply_fragment(*slot, from, delta);
  if (delta.upto.version <= row.max_version()) {
    counted_.entries_skipped += delta.entry_count;
    return;
  }
  if (delta.after.version > row.max_version()) {
    return park(*slot, from, delta);
  }
  shared_.raise_top(*slot, delta.top);
  apply_entries(*slot, from.entries, delta.first_entry, delta.entry_count, delta.upto.version);
  if (!parked_.is_empty()) apply_parked(*slot);
  apply_floor(*slot);
}

void applier::park(slot_index slot, const message& from, const delta_view& delta) {
  if (parked_.try_park(slot, from, delta, shared_.round)) {
    ++counted_.deltas_parked;
  } else {
    drop(drop_reason::gap);
  }
}

void applier::apply_parked(slot_index slot) {
  while (std::optional<parked_delta> parked =
             parked_.take(slot, peers_[slot].max_version(), partials_.find(slot))) {
    const peer row = peers_[slot];
    const delta_view& delta = parked->delta;
    if (delta.generation != row.generation()) continue;
    // An event told it once. The rest that is parked would be refused in turn.
    if (row.is_refused()) return parked_.forget(slot);
    if (delta.value_bytes != 0) {
      take_fragment(slot, delta, parked->entries.front());
      continue;
    }
    shared_.raise_top(slot, delta.top);
    apply_entries(slot, parked->entries, 0, parked->entries.size(), delta.upto.version);
  }
}

void applier::apply_entries(slot_index slot, const std::vector<entry_view>& entries,
                            std::size_t first, std::size_t count, std::uint64_t upto) {
  const peer row = peers_[slot];
  const bool may_exceed = may_exceed_capacity(slot, std::span(entries).subspan(first, count));
  for (std::size_t i = first; i < first + count; ++i) {
    if (entries[i].version <= row.max_version()) {
      ++counted_.entries_skipped;
      continue;
    }
    if (!try_put(slot, entries[i], may_exceed)) return;
    row.set_max_version(entries[i].version);  // a prefix, at every step (I2)
    ++counted_.entries_applied;
  }
  row.set_max_version(std::max(row.max_version(), upto));
  shared_.raise_top(slot, row.max_version());
  if (!partials_.is_empty()) partials_.drop_upto(slot, row.max_version());
  peers_.touch(slot);
}

bool applier::may_exceed_capacity(slot_index slot, std::span<const entry_view> added) const {
  const storage_usage used = entries_.usage(slot);
  const std::size_t keys = used.live_keys + used.tombstones + added.size();
  std::size_t bytes = used.bytes;
  for (const entry_view& entry : added) {
    if (entry.value.size() > settings_.value_bytes_max) return true;
    bytes += entry.key.size() + entry.value.size();
  }
  return keys > settings_.keys_per_peer_max || bytes > settings_.bytes_per_peer_max;
}

bool applier::exceeds_capacity(slot_index slot, const entry_view& entry, std::size_t value_bytes,
                               const std::optional<entry_view>& held) {
  const peer row = peers_[slot];
  const storage_usage used = entries_.usage(slot);
  const std::size_t bytes_held = held ? held->key.size() + held->value.size() : 0;
  const std::size_t bytes = used.bytes - bytes_held + entry.key.size() + value_bytes;
  const std::size_t keys = used.live_keys + used.tombstones + (held ? 0 : 1);
  // A floor that waits for its time leaves the entries that it will drop beside those that took
  // their place. And the entries that a compaction moved come before its marker.
  const bool is_marker = entry.key == floor_key;
  const bool is_before_top = entry.version < shared_.top_of(slot);
  const std::size_t times = owners_[slot].floor != 0 || is_marker || is_before_top ? 2 : 1;
  const bool is_too_large = value_bytes > settings_.value_bytes_max;
  const std::size_t keys_most = times * settings_.keys_per_peer_max;
  // The marker is no user's key. It is looked for where that makes a difference.
  const bool has_place =
      keys <= keys_most || (keys == keys_most + 1 && (is_marker || entries_.find(slot, floor_key)));
  if (!is_too_large && has_place && bytes <= times * settings_.bytes_per_peer_max) {
    return false;
  }
  row.set_over_capacity(true);
  drop(drop_reason::capacity);
  const std::string what = is_too_large ? "a value of this peer exceeds value_bytes_max; "
                                        : "the entries of this peer exceed keys_per_peer_max or "
                                          "bytes_per_peer_max; ";
  changes_.notice(event_kind::error, peers_.details(slot).name, row.generation(),
                  what + "nothing further of this generation is taken");
  return true;
}

bool applier::try_put(slot_index slot, const entry_view& entry, bool may_exceed) {
  // A floor is the version before a compaction, of which the marker is the last.
  if (entry.key == floor_key && floor_of(entry.value) >= entry.version) {
    drop(drop_reason::field);
    return false;
  }
  std::uint64_t moved_from = 0;
  const auto choose = [&](const std::optional<entry_view>& held) -> std::uint64_t {
    if (may_exceed && exceeds_capacity(slot, entry, entry.value.size(), held)) return 0;
    const bool is_same =
        held && held->value == entry.value && held->is_tombstone == entry.is_tombstone;
    if (held && !is_same) moved_from = held->sequence;
    // The marker is no content: it takes its place in the version order only.
    return is_same ? held->sequence : changes_.take();
  };
  const result<bool> put = entries_.put(slot, entry, sequence_choice(choose));
  if (!put) {
    drop(drop_reason::storage);
    // An event tells it once, until the storage works.
    if (owners_[slot].put_off_rounds == 0) {
      changes_.notice(event_kind::error, peers_.details(slot).name, peers_[slot].generation(),
                      "the storage refused an entry: " + put.error().message());
    }
    put_off(slot);
    return false;
  }
  if (!*put) return false;
  if (moved_from != 0) changes_.handle_moved(slot, moved_from);
  owner& of = owners_[slot];
  of.put_off_rounds = 0;
  if (entry.key == floor_key) of.floor = std::max(of.floor, floor_of(entry.value));
  return true;
}

void applier::apply_floor(slot_index slot) {
  owner& of = owners_[slot];
  const bool is_early = peers_[slot].max_version() < shared_.top_of(slot);
  if (of.floor == 0 || is_early) return;
  const std::uint64_t before = changes_.last();
  changes_.advance_to(entries_.drop_upto(slot, of.floor, before));
  if (changes_.last() != before) changes_.handle_moved(slot, 0);
  of.floor = 0;
}

void applier::apply_fragment(slot_index slot, const message& from, const delta_view& delta) {
  const entry_view& part = from.entries[delta.first_entry];
  const bool is_next = delta.after.version <= peers_[slot].max_version() &&
                       delta.after.offset <= partials_.offset_of(slot, part.version);
  if (part.version > peers_[slot].max_version() && !is_next) {
    return park(slot, from, delta);
  }
  take_fragment(slot, delta, part);
  if (!parked_.is_empty()) apply_parked(slot);
  apply_floor(slot);
}

void applier::take_fragment(slot_index slot, const delta_view& delta, const entry_view& part) {
  const peer row = peers_[slot];
  if (part.version <= row.max_version()) {
    ++counted_.entries_skipped;
    return;
  }
  shared_.raise_top(slot, delta.top);
  // Checked before any part is kept: a value that could not be put in the end is not begun.
  const std::optional<entry_view> held = entries_.find(slot, part.key);
  if (exceeds_capacity(slot, part, delta.value_bytes, held)) return partials_.forget(slot);

  switch (partials_.take(slot, delta, part, shared_.round)) {
    case partial_values::outcome::grown:
      ++counted_.fragments_applied;
      return;
    case partial_values::outcome::known:
      ++counted_.entries_skipped;
      return;
    case partial_values::outcome::conflict:
      drop(drop_reason::fragment);
      return;
    case partial_values::outcome::full:
      drop(drop_reason::capacity);
      return;
    case partial_values::outcome::whole:
      ++counted_.fragments_applied;
      break;
  }
  const entry_view entry = partials_.whole(slot);
  if (try_put(slot, entry, true)) {
    row.set_max_version(entry.version);
    shared_.raise_top(slot, row.max_version());
    ++counted_.entries_applied;
    peers_.touch(slot);
  }
  partials_.forget(slot);
}

void applier::put_off(slot_index slot) {
  owner& of = owners_[slot];
  of.put_off_rounds = std::clamp<std::uint64_t>(2 * of.put_off_rounds, 1, put_off_rounds_max);
  of.put_off_until = shared_.round + of.put_off_rounds;
  peers_[slot].set_put_off(true);
  put_off_.push_back(slot);
}

void applier::resume_put_off() {
  std::erase_if(put_off_, [this](slot_index slot) {
    if (shared_.round < owners_[slot].put_off_until) return false;
    peers_[slot].set_put_off(false);
    peers_.touch(slot);
    return true;
  });
}

void applier::begin_round() {
  resume_put_off();
  const std::uint64_t round = shared_.round;
  if (round > parked_rounds) parked_.expire(round - parked_rounds);
  // Each peer is met once in a turn of the ring: the one with the first part is met again in two.
  const std::uint64_t turns = 2 * peers_.size() / settings_.fanout + parked_rounds;
  if (round > turns) partials_.expire(round - turns);
}

void applier::forget(slot_index slot) {
  owners_.begin(slot);
  parked_.forget(slot);
  std::erase(put_off_, slot);
}

void applier::count_tables(table_sizes& out) const {
  out.parked_deltas = parked_.size();
  out.parked_bytes = parked_.bytes();
  out.put_off = put_off_.size();
}

}  // namespace gossipmonger
