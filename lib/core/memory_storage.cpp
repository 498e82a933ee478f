#include "gossipmonger/core/memory_storage.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <exception>
#include <limits>
#include <utility>
#include <vector>

namespace gossipmonger {
namespace {

/// Number of a record in the slab, or of a place in a log.
using place = std::uint32_t;
constexpr place nowhere = std::numeric_limits<place>::max();
// Records and the places of a log stay well below `nowhere`: a log has at most twice as many places
// as records, rounded up.
constexpr std::size_t records_max = std::size_t{1} << 30;
constexpr std::size_t value_bytes_max = std::size_t{1} << 31;

enum class record_kind : std::uint8_t { live, tombstone, retired };

/// One entry: 48 bytes, and a heap block of the key followed by the value.
struct record {
  char* block = nullptr;
  std::uint64_t version = 0;
  std::uint64_t sequence = 0;
  slot_index slot = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t block_bytes = 0;
  place version_place =
      nowhere;  // in the version order of its slot; of a free record, the next free
  place change_place = nowhere;  // in the change order
  std::uint8_t key_bytes = 0;
  record_kind kind = record_kind::live;

  [[nodiscard]] std::string_view key() const { return {block, key_bytes}; }
  [[nodiscard]] std::size_t bytes() const { return std::size_t{key_bytes} + value_bytes; }

  /// Fills a fresh view in place: a step of a walk takes as long as its copies.
  void show_in(entry_view& seen) const {
    seen.key = key();
    seen.version = version;
    seen.sequence = sequence;
    seen.is_tombstone = kind != record_kind::live;
    if (!seen.is_tombstone) {
      seen.value = std::string_view(block + key_bytes, value_bytes);
    }
  }
};
static_assert(key_bytes_max <= std::numeric_limits<std::uint8_t>::max());

/// Records in chunks, so that none ever moves, with a free list through those given back.
class slab {
 public:
  slab() = default;
  slab(const slab&) = delete;
  slab& operator=(const slab&) = delete;
  ~slab() {
    for (place at = 0; at < used_; ++at) {
      delete[] (*this)[at].block;
    }
  }

  [[nodiscard]] record& operator[](place at) { return chunks_[at / chunk_size][at % chunk_size]; }
  [[nodiscard]] const record& operator[](place at) const {
    return chunks_[at / chunk_size][at % chunk_size];
  }

  /// Makes room for one `take`. May throw.
  void prepare() {
    if (free_ == nowhere && used_ == chunks_.size() * chunk_size) {
      chunks_.push_back(std::make_unique<record[]>(chunk_size));
    }
  }

  [[nodiscard]] place take() noexcept {
    if (free_ == nowhere) {
      return used_++;
    }
    return std::exchange(free_, (*this)[free_].version_place);
  }

  void give_back(place at) noexcept {
    record& gone = (*this)[at];
    delete[] gone.block;
    gone = record();
    gone.version_place = free_;
    free_ = at;
  }

 private:
  static constexpr std::size_t chunk_size = 256;

  std::vector<std::unique_ptr<record[]>> chunks_;
  place used_ = 0;
  place free_ = nowhere;
};

/// A bit per place with the next set one found through two summaries: a word of the first covers
/// 4,096 places, one of the second 262,144, and those are scanned.
class bit_index {
 public:
  void reserve(std::size_t places) {
    for (std::vector<std::uint64_t>& words : levels_) {
      places = (places + 63) / 64;
      words.reserve(places);
    }
  }

  [[nodiscard]] bool test(place at) const { return (levels_[0][at / 64] >> at % 64 & 1) != 0; }

  void set(place at) noexcept {
    for (std::vector<std::uint64_t>& words : levels_) {
      words[at / 64] |= std::uint64_t{1} << at % 64;
      at /= 64;
    }
  }

  void clear(place at) noexcept {
    for (std::vector<std::uint64_t>& words : levels_) {
      words[at / 64] &= ~(std::uint64_t{1} << at % 64);
      if (words[at / 64] != 0) {
        return;
      }
      at /= 64;
    }
  }

  /// Keeps `places` of them; new ones are clear. Within what was reserved, hence without throwing.
  void resize(std::size_t places) noexcept {
    for (std::vector<std::uint64_t>& words : levels_) {
      places = (places + 63) / 64;
      assert(places <= words.capacity());
      words.resize(places);
    }
  }

  /// The first set place at or after `from`, or `nowhere`.
  [[nodiscard]] place next(place from) const {
    if (from / 64 < levels_[0].size()) {
      const std::uint64_t word = levels_[0][from / 64] & ~std::uint64_t{0} << from % 64;
      if (word != 0) {
        return first_of(from / 64, word);
      }
    }
    return next_by_summary(from);
  }

 private:
  [[nodiscard]] place next_by_summary(place from) const {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      const std::vector<std::uint64_t>& words = levels_[level];
      std::size_t at = from / 64;
      if (at >= words.size()) {
        return nowhere;
      }
      std::uint64_t word = words[at] & ~std::uint64_t{0} << from % 64;
      while (word == 0 && level + 1 == levels_.size()) {
        if (++at == words.size()) {
          return nowhere;
        }
        word = words[at];
      }
      if (word != 0) {
        return descend(level, first_of(at, word));
      }
      from = static_cast<place>(at + 1);
    }
    return nowhere;
  }

  [[nodiscard]] static place first_of(std::size_t word_at, std::uint64_t word) {
    return static_cast<place>(word_at * 64 + static_cast<std::size_t>(std::countr_zero(word)));
  }

  [[nodiscard]] place descend(std::size_t level, place at) const {
    while (level-- > 0) {
      at = first_of(at, levels_[level][at]);
    }
    return at;
  }

  std::array<std::vector<std::uint64_t>, 3> levels_;
};

/// One order: records in the ascending order of a number that each bears, appended only. A record
/// that goes, or takes a new number, leaves a hole; holes are squeezed out when the log is full.
/// Numbers stand in the records; the log keeps one in 64, so that it takes 5 bytes a record. Places
/// are of two kinds, present and marked (a subset), and either kind can be walked.
template <std::uint64_t record::* Number, place record::* Place>
class order_log {
 public:
  [[nodiscard]] std::uint64_t last_number() const { return last_number_; }

  /// Makes room so that one `append` for a new record, and any number of later ones for records
  /// that are in the log, need no memory. May throw.
  void prepare(slab& records) {
    if (records_.size() == capacity_ && holes() >= capacity_ / 4) {
      compact(records);
    }
    // An eighth to spare keeps appends that may not allocate from compacting each time.
    if (records_.size() < capacity_ && present_count_ + present_count_ / 8 + 2 <= capacity_) {
      return;
    }
    const std::size_t wanted = std::max<std::size_t>(8, capacity_ * 2);
    records_.reserve(wanted);
    firsts_.reserve((wanted + 63) / 64);
    present_.reserve(wanted);
    marked_.reserve(wanted);
    capacity_ = wanted;
  }

  /// Puts a record that has its number at the end.
  ///   expects: it is not in the log; its number is above all before; `prepare`
  void append(slab& records, place at, bool is_marked) noexcept {
    if (records_.size() == capacity_) {
      compact(records);
    }
    assert(records_.size() < capacity_ && records[at].*Number > last_number_);
    const auto added = static_cast<place>(records_.size());
    last_number_ = records[at].*Number;
    if (added % 64 == 0) {
      firsts_.push_back(last_number_);
    }
    records_.push_back(at);
    present_.resize(records_.size());
    marked_.resize(records_.size());
    present_.set(added);
    if (is_marked) {
      marked_.set(added);
    }
    records[at].*Place = added;
    ++present_count_;
  }

  void remove(const record& gone) noexcept {
    present_.clear(gone.*Place);
    marked_.clear(gone.*Place);
    --present_count_;
  }

  void mark(const record& entry) noexcept { marked_.set(entry.*Place); }
  void unmark(const record& entry) noexcept { marked_.clear(entry.*Place); }

  /// The record with the lowest number above `number`, among the present or the marked; `nowhere`
  /// where there is none.
  [[nodiscard]] place first_present_above(const slab& records, std::uint64_t number) const {
    return first_above(records, number, present_);
  }
  [[nodiscard]] place first_marked_above(const slab& records, std::uint64_t number) const {
    return first_above(records, number, marked_);
  }

 private:
  [[nodiscard]] std::size_t holes() const { return records_.size() - present_count_; }

  [[nodiscard]] place first_above(const slab& records, std::uint64_t number,
                                  const bit_index& kind) const {
    if (number >= last_number_) {
      return nowhere;
    }
    const bool is_step = last_answer_ < records_.size() && kind.test(last_answer_) &&
                         records[records_[last_answer_]].*Number == number;
    const place found = kind.next(is_step ? last_answer_ + 1 : lower_place(records, number, kind));
    if (found == nowhere) {
      return nowhere;
    }
    last_answer_ = found;
    return records_[found];
  }

  /// A place with only numbers above `number` from there on, and none before it.
  [[nodiscard]] place lower_place(const slab& records, std::uint64_t number,
                                  const bit_index& kind) const {
    const auto block = std::upper_bound(firsts_.begin(), firsts_.end(), number);
    if (block == firsts_.begin()) {
      return 0;
    }
    auto low = static_cast<place>((block - firsts_.begin() - 1) * 64);
    auto high = static_cast<place>(std::min<std::size_t>(low + 64, records_.size()));
    while (low < high) {
      const place middle = low + (high - low) / 2;
      const place probe = kind.next(middle);  // a hole knows no number: ask who stands after it
      if (probe >= high || records[records_[probe]].*Number > number) {
        high = middle;
      } else {
        low = probe + 1;
      }
    }
    return low;
  }

  void compact(slab& records) noexcept {
    place kept = 0;
    for (place from = present_.next(0); from != nowhere; from = present_.next(from + 1), ++kept) {
      record& moved = records[records_[from]];
      if (kept % 64 == 0) {
        firsts_[kept / 64] = moved.*Number;
      }
      if (kept == from) {
        continue;
      }
      records_[kept] = records_[from];
      moved.*Place = kept;
      present_.clear(from);
      present_.set(kept);
      if (marked_.test(from)) {
        marked_.clear(from);
        marked_.set(kept);
      }
    }
    records_.resize(kept);
    firsts_.resize((std::size_t{kept} + 63) / 64);
    present_.resize(kept);
    marked_.resize(kept);
  }

  std::vector<place> records_;
  std::vector<std::uint64_t> firsts_;  // the number first appended at each 64th place
  bit_index present_;
  bit_index marked_;
  std::size_t capacity_ = 0;  // places that all four have room for
  std::size_t present_count_ = 0;
  std::uint64_t last_number_ = 0;
  mutable place last_answer_ = nowhere;  // a hint, checked before use: makes a walk O(1) a step
};

/// Entries that `find` sees are marked; retired ones are present only.
using version_order = order_log<&record::version, &record::version_place>;
/// Retired entries are marked.
using change_order = order_log<&record::sequence, &record::change_place>;

/// Linear probing with a part of the hash beside the record number: growing and removing touch no
/// record, and a probe that fails rarely does. No tombstones: what follows a gap moves up.
class key_table {
 public:
  explicit key_table(const hash_key& key) : key_(key) {}

  /// The slot goes into the key, so that one name under two slots has two unrelated hashes.
  [[nodiscard]] std::uint32_t tag_of(slot_index slot, std::string_view key) const {
    return static_cast<std::uint32_t>(siphash(hash_key(key_.k0 ^ slot, key_.k1), key) >> 32);
  }

  [[nodiscard]] place find(const slab& records, std::uint32_t tag, slot_index slot,
                           std::string_view key) const {
    if (buckets_.empty()) {
      return nowhere;
    }
    for (std::size_t at = tag & mask_; buckets_[at].record_at != nowhere; at = (at + 1) & mask_) {
      const bucket& seen = buckets_[at];
      if (seen.tag == tag && records[seen.record_at].slot == slot &&
          records[seen.record_at].key() == key) {
        return seen.record_at;
      }
    }
    return nowhere;
  }

  /// Makes room for one `insert`. May throw.
  void prepare() {
    // At four fifths a miss looks at 13 buckets on average (Knuth, volume 3, section 6.4).
    if ((count_ + 1) * 5 <= buckets_.size() * 4) {
      return;
    }
    std::vector<bucket> grown(std::max<std::size_t>(16, buckets_.size() * 2));
    buckets_.swap(grown);
    mask_ = buckets_.size() - 1;
    for (const bucket& moved : grown) {
      if (moved.record_at != nowhere) {
        place_bucket(moved);
      }
    }
  }

  void insert(std::uint32_t tag, place at) noexcept {
    place_bucket(bucket(tag, at));
    ++count_;
  }

  void remove(std::uint32_t tag, place gone) noexcept {
    std::size_t gap = tag & mask_;
    while (buckets_[gap].record_at != gone) {
      gap = (gap + 1) & mask_;
    }
    for (std::size_t at = (gap + 1) & mask_; buckets_[at].record_at != nowhere;
         at = (at + 1) & mask_) {
      // It may move up unless its home lies after the gap: distances are taken around the end.
      if (((at - buckets_[at].tag) & mask_) >= ((at - gap) & mask_)) {
        buckets_[gap] = buckets_[at];
        gap = at;
      }
    }
    buckets_[gap] = bucket();
    --count_;
  }

  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  struct bucket {
    bucket() = default;
    bucket(std::uint32_t tag_of_key, place at) : tag(tag_of_key), record_at(at) {}

    std::uint32_t tag = 0;
    place record_at = nowhere;
  };

  void place_bucket(const bucket& placed) noexcept {
    std::size_t at = placed.tag & mask_;
    while (buckets_[at].record_at != nowhere) {
      at = (at + 1) & mask_;
    }
    buckets_[at] = placed;
  }

  hash_key key_;
  std::vector<bucket> buckets_;
  std::size_t mask_ = 0;
  std::size_t count_ = 0;
};

struct slot_state {
  version_order versions;
  storage_usage used;
};

/// What to ask the allocator for, so that a value which changes its length a little keeps its
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

  /// Gets all the memory that putting an entry takes; returns its new block, or none where the one
  /// it has will do. May throw, and changes nothing that can be seen.
  [[nodiscard]] std::unique_ptr<char[]> prepare_put(slot_index slot, place at, std::size_t bytes,
                                                    bool is_changed) {
    if (slot >= slots.size()) {
      slots.resize(std::size_t{slot} + 1);
    }
    slots[slot].versions.prepare(records);
    if (is_changed) {
      changes.prepare(records);
    }
    if (at == nowhere) {
      records.prepare();
      keys.prepare();
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
  slab records;
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
  state& s = *state_;
  const std::string_view value = entry.is_tombstone ? std::string_view() : entry.value;
  const std::size_t bytes = entry.key.size() + value.size();
  if (entry.key.size() > key_bytes_max || value.size() > value_bytes_max) {
    return fail(errc::storage_failed);
  }
  const std::uint32_t tag = s.keys.tag_of(slot, entry.key);
  place at = s.keys.find(s.records, tag, slot, entry.key);
  const bool is_new = at == nowhere;
  const bool is_changed = is_new || s.records[at].sequence != entry.sequence;
  if (s.exceeds_limits(at, bytes)) {
    return fail(errc::capacity_reached);
  }
  std::unique_ptr<char[]> block;
  try {
    block = s.prepare_put(slot, at, bytes, is_changed);
  } catch (const std::exception&) {  // bad_alloc; length_error for a slot beyond all memory
    return fail(errc::storage_failed);
  }

  // Nothing below fails.
  slot_state& owner = s.slots[slot];
  if (is_new) {
    at = s.records.take();
  } else {
    s.uncount(s.records[at]);
    s.bytes_total -= s.records[at].bytes();
    owner.versions.remove(s.records[at]);
  }
  record& stored = s.records[at];
  if (is_changed && !is_new) {
    s.changes.remove(stored);
  } else if (!is_new) {
    s.changes.unmark(stored);
  }
  s.write_block(stored, std::move(block), entry.key, value);
  stored.slot = slot;
  stored.kind = entry.is_tombstone ? record_kind::tombstone : record_kind::live;
  stored.version = entry.version;
  stored.sequence = entry.sequence;
  owner.versions.append(s.records, at, true);
  if (is_changed) {
    s.changes.append(s.records, at, false);
  }
  if (is_new) {
    s.keys.insert(tag, at);
  }
  ++(entry.is_tombstone ? owner.used.tombstones : owner.used.live_keys);
  owner.used.bytes += bytes;
  s.bytes_total += bytes;
  return {};
}

std::optional<entry_view> memory_storage::find(slot_index slot, std::string_view key) const {
  const place at = state_->keys.find(state_->records, state_->keys.tag_of(slot, key), slot, key);
  std::optional<entry_view> seen;
  if (at != nowhere && state_->records[at].kind != record_kind::retired) {
    state_->records[at].show_in(seen.emplace());
  }
  return seen;
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
