#include "gossipmonger/memory_storage.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "core/storage/key_table.hpp"
#include "core/storage/order_log.hpp"
#include "core/storage/record_slab.hpp"

namespace gossipmonger {
namespace {

constexpr std::size_t value_bytes_max = std::size_t{1} << 31;

struct slot_state {
  version_order versions;
  storage_usage used;
};

/// The size to ask the allocator for, so that a value whose length changes a little keeps its
/// block: malloc hands out 16 n + 8 bytes anyway.
std::size_t block_class(std::size_t bytes) { return (bytes + 7) / 16 * 16 + 8; }

bool fits_block(const record& entry, std::size_t bytes) {
  return entry.block_bytes >= bytes && entry.block_bytes <= 2 * block_class(bytes);
}

}  // namespace

struct memory_storage::state {
  state(const memory_storage_limits& most, const hash_key& key) : limits(most), keys(key) {
    limits.keys_total_max = std::min(limits.keys_total_max, records_max);
  }

  [[nodiscard]] bool exceeds_limits(place at, std::size_t bytes) const {
    const std::size_t kept = at == nowhere ? bytes_total : bytes_total - records[at].bytes();
    return bytes > limits.bytes_total_max || kept > limits.bytes_total_max - bytes ||
           (at == nowhere && keys.count() >= limits.keys_total_max);
  }

  /// The record of a key, or the place for it, as one probe finds it. A value.
  struct looked_up {
    looked_up(std::uint32_t tag_of_key, const key_table::found& of_key)
        : tag(tag_of_key), found(of_key) {}

    std::uint32_t tag;
    key_table::found found;
  };
  [[nodiscard]] looked_up look_up(slot_index slot, std::string_view key) const {
    const std::uint32_t tag = keys.tag_of(slot, key);
    return {tag, keys.find(records, tag, slot, key)};
  }

  /// Gets all the memory that putting an entry takes; returns its new block, or none where the one
  /// it has will do. May throw, and changes nothing that can be seen.
  [[nodiscard]] std::unique_ptr<char[]> prepare_put(looked_up& of, slot_index slot,
                                                    std::size_t bytes, bool is_changed) {
    if (slot >= slots.size()) {
      slots.resize(std::size_t{slot} + 1);
    }
    slots[slot].versions.prepare(records);
    if (is_changed) {
      changes.prepare(records);
    }
    const place at = of.found.record_at;
    if (at == nowhere) {
      records.prepare();
      keys.prepare(of.tag, of.found.bucket_at);
    } else if (fits_block(records[at], bytes)) {
      return nullptr;
    }
    return std::unique_ptr<char[]>(new char[block_class(bytes)]);
  }

  /// Writes key and value, which may lie in the block that is written over, or let go.
  void write_block(record& entry, std::unique_ptr<char[]> fresh, std::string_view key,
                   std::string_view value) noexcept {
    char* const target = fresh ? fresh.get() : entry.block;
    if (!value.empty()) {
      std::memmove(target + key.size(), value.data(), value.size());
    }
    if (fresh) {
      if (!key.empty()) {
        std::memcpy(target, key.data(), key.size());
      }
      delete[] entry.block;
      entry.block = fresh.release();
      entry.block_bytes = static_cast<std::uint32_t>(block_class(key.size() + value.size()));
    }
    entry.key_bytes = static_cast<std::uint8_t>(key.size());
    entry.value_bytes = static_cast<std::uint32_t>(value.size());
  }

  /// Takes an entry out of what its slot counts and shows, if it was there.
  void uncount(const record& entry) noexcept {
    storage_usage& used = slots[entry.slot].used;
    if (entry.kind == record_kind::retired) {
      --retired;
      return;
    }
    --(entry.kind == record_kind::live ? used.live_keys : used.tombstones);
    used.bytes -= entry.bytes();
  }

  /// The entry at `at`, as `find` shows it.
  [[nodiscard]] std::optional<entry_view> show(place at) const {
    std::optional<entry_view> seen;
    if (at != nowhere && records[at].kind != record_kind::retired) {
      records[at].show_in(seen.emplace());
    }
    return seen;
  }

  /// Puts the entry at `sequence` where `look_up` found its key.
  [[nodiscard]] result<void> put(looked_up of, slot_index slot, const entry_view& entry,
                                 std::uint64_t sequence) {
    const std::string_view value = entry.is_tombstone ? std::string_view() : entry.value;
    const std::size_t bytes = entry.key.size() + value.size();
    if (entry.key.size() > key_bytes_max || value.size() > value_bytes_max) {
      return fail(errc::storage_failed);
    }
    place at = of.found.record_at;
    const bool is_new = at == nowhere;
    const bool is_changed = is_new || records[at].sequence != sequence;
    if (exceeds_limits(at, bytes)) {
      return fail(errc::capacity_reached);
    }
    std::unique_ptr<char[]> block;
    try {
      block = prepare_put(of, slot, bytes, is_changed);
    } catch (const std::exception&) {  // bad_alloc; length_error for a slot beyond all memory
      return fail(errc::storage_failed);
    }

    // Nothing below fails.
    slot_state& owner = slots[slot];
    if (is_new) {
      at = records.take();
    } else {
      uncount(records[at]);
      bytes_total -= records[at].bytes();
      owner.versions.remove(records[at]);
    }
    record& stored = records[at];
    if (is_changed && !is_new) {
      changes.remove(stored);
    } else if (!is_new) {
      changes.unmark(stored);
    }
    write_block(stored, std::move(block), entry.key, value);
    stored.slot = slot;
    stored.kind = entry.is_tombstone ? record_kind::tombstone : record_kind::live;
    stored.version = entry.version;
    stored.sequence = sequence;
    owner.versions.append(records, at, true);
    if (is_changed) {
      changes.append(records, at, false);
    }
    if (is_new) {
      keys.insert(of.tag, at, of.found.bucket_at);
    }
    ++(entry.is_tombstone ? owner.used.tombstones : owner.used.live_keys);
    owner.used.bytes += bytes;
    bytes_total += bytes;
    return {};
  }

  void retire(record& entry, place at, std::uint64_t& sequence) noexcept {
    uncount(entry);
    ++retired;
    slots[entry.slot].versions.unmark(entry);
    if (entry.kind == record_kind::tombstone) {
      changes.mark(entry);
    } else {
      changes.remove(entry);
      entry.sequence = ++sequence;
      changes.append(records, at, true);
    }
    entry.kind = record_kind::retired;
  }

  void free(place at) noexcept {
    record& gone = records[at];
    uncount(gone);
    bytes_total -= gone.bytes();
    slots[gone.slot].versions.remove(gone);
    changes.remove(gone);
    keys.remove(keys.tag_of(gone.slot, gone.key()), at);
    records.give_back(at);
  }

  memory_storage_limits limits;
  key_table keys;
  record_slab records;
  std::vector<slot_state> slots;
  change_order changes;
  std::size_t bytes_total = 0;
  std::size_t retired = 0;
};

memory_storage::memory_storage(memory_storage_limits limits, hash_key key)
    : state_(std::make_unique<state>(limits, key)) {}

memory_storage::memory_storage(memory_storage&& other) noexcept = default;
memory_storage& memory_storage::operator=(memory_storage&& other) noexcept = default;
memory_storage::~memory_storage() = default;

result<void> memory_storage::put(slot_index slot, const entry_view& entry) {
  return state_->put(state_->look_up(slot, entry.key), slot, entry, entry.sequence);
}

result<bool> memory_storage::put(slot_index slot, const entry_view& entry,
                                 const sequence_choice& choose) {
  const state::looked_up of = state_->look_up(slot, entry.key);
  const std::uint64_t sequence = choose(state_->show(of.found.record_at));
  if (sequence == 0) {
    return false;
  }
  if (const result<void> put = state_->put(of, slot, entry, sequence); !put) {
    return tl::unexpected<std::error_code>(put.error());
  }
  return true;
}

std::optional<entry_view> memory_storage::find(slot_index slot, std::string_view key) const {
  return state_->show(state_->look_up(slot, key).found.record_at);
}

std::optional<entry_view> memory_storage::first_above(slot_index slot,
                                                      std::uint64_t version) const {
  std::optional<entry_view> seen;
  if (slot < state_->slots.size()) {
    const place at = state_->slots[slot].versions.first_marked_above(state_->records, version);
    if (at != nowhere) {
      state_->records[at].show_in(seen.emplace());
    }
  }
  return seen;
}

std::optional<changed_entry> memory_storage::first_changed(std::uint64_t sequence) const {
  const place at = state_->changes.first_present_above(state_->records, sequence);
  std::optional<changed_entry> changed;
  if (at != nowhere) {
    changed.emplace().slot = state_->records[at].slot;
    state_->records[at].show_in(changed->entry);
  }
  return changed;
}

std::uint64_t memory_storage::drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence) {
  state& s = *state_;
  if (slot >= s.slots.size()) {
    return sequence;
  }
  for (;;) {
    const place at = s.slots[slot].versions.first_marked_above(s.records, 0);
    if (at == nowhere || s.records[at].version > version) {
      return sequence;
    }
    s.retire(s.records[at], at, sequence);
  }
}

void memory_storage::purge(std::uint64_t sequence) {
  state& s = *state_;
  for (;;) {
    const place at = s.changes.first_marked_above(s.records, 0);
    if (at == nowhere || s.records[at].sequence > sequence) {
      return;
    }
    s.free(at);
  }
}

std::size_t memory_storage::retired_count() const { return state_->retired; }

void memory_storage::forget(slot_index slot) {
  state& s = *state_;
  if (slot >= s.slots.size()) {
    return;
  }
  for (;;) {
    const place at = s.slots[slot].versions.first_present_above(s.records, 0);
    if (at == nowhere) {
      break;
    }
    s.free(at);
  }
  s.slots[slot] = slot_state();
}

storage_usage memory_storage::usage(slot_index slot) const {
  return slot < state_->slots.size() ? state_->slots[slot].used : storage_usage();
}

}  // namespace gossipmonger
