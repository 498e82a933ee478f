// The orders of memory_storage: records by version within a slot, and by change sequence over all.
// Any number is found in O(log n), and the next one in O(1). A value of one storage.
//
// More than 250 lines, because its functions are called for each entry of an exchange: they are
// templates over what a record is, or short enough to be inline.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/storage/record_slab.hpp"

namespace gossipmonger {

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
      std::uint64_t& word = words[at / 64];
      const bool is_known_above = word != 0;
      word |= std::uint64_t{1} << at % 64;
      if (is_known_above) {
        return;
      }
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

  /// Adds the place after the last one, `at`. Within what was reserved, hence without throwing.
  void append(place at, bool is_set) noexcept {
    if (at % 64 == 0) {
      resize(std::size_t{at} + 1);
    }
    if (is_set) {
      set(at);
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
  /// Makes room so that one `append` for a new record, and any number of later ones for records
  /// that are in the log, need no memory. May throw.
  void prepare(record_slab& records) {
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
  void append(record_slab& records, place at, bool is_marked) noexcept {
    if (records_.size() == capacity_) {
      compact(records);
    }
    record& last = records[at];
    assert(records_.size() < capacity_ && last.*Number > last_number_);
    const auto added = static_cast<place>(records_.size());
    last_number_ = last.*Number;
    if (added % 64 == 0) {
      firsts_.push_back(last_number_);
    }
    records_.push_back(at);
    present_.append(added, true);
    marked_.append(added, is_marked);
    last.*Place = added;
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
  [[nodiscard]] place first_present_above(const record_slab& records, std::uint64_t number) const {
    return first_above(records, number, present_);
  }
  [[nodiscard]] place first_marked_above(const record_slab& records, std::uint64_t number) const {
    return first_above(records, number, marked_);
  }

 private:
  [[nodiscard]] std::size_t holes() const { return records_.size() - present_count_; }

  [[nodiscard]] place first_above(const record_slab& records, std::uint64_t number,
                                  const bit_index& kind) const {
    if (number >= last_number_) {
      return nowhere;
    }
    const bool is_step = number == last_answered_ && last_answer_ != nowhere;
    const place found = kind.next(is_step ? last_answer_ + 1 : lower_place(records, number, kind));
    if (found == nowhere) {
      return nowhere;
    }
    last_answer_ = found;
    last_answered_ = records[records_[found]].*Number;
    return records_[found];
  }

  /// A place with only numbers above `number` from there on, and none before it.
  [[nodiscard]] place lower_place(const record_slab& records, std::uint64_t number,
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

  void compact(record_slab& records) noexcept {
    last_answer_ = nowhere;
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
  // The place answered last, and its number: makes a walk O(1) a step. A place keeps its number
  // until the holes are squeezed out.
  mutable place last_answer_ = nowhere;
  mutable std::uint64_t last_answered_ = 0;
};

/// Entries that `find` sees are marked; retired ones are present only.
using version_order = order_log<&record::version, &record::version_place>;
/// Retired entries are marked.
using change_order = order_log<&record::sequence, &record::change_place>;

}  // namespace gossipmonger
