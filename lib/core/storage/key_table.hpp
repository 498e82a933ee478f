// Finds the record of a slot and a key in memory_storage. A value of one storage.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/storage/record_slab.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// Linear probing with a part of the hash beside the record number: growing and removing touch no
/// record, and a probe that fails rarely does. No tombstones: what follows a gap moves up.
class key_table {
 public:
  explicit key_table(const hash_key& key) : key_(key) {}

  /// The slot goes into the key, so that one name under two slots has two unrelated hashes.
  [[nodiscard]] std::uint32_t tag_of(slot_index slot, std::string_view key) const {
    return static_cast<std::uint32_t>(siphash_1_3(hash_key(key_.k0 ^ slot, key_.k1), key) >> 32);
  }

  /// The result of a look-up. A value.
  struct found {
    found(place record, std::size_t bucket) : record_at(record), bucket_at(bucket) {}

    place record_at;        ///< `nowhere` where the key has none
    std::size_t bucket_at;  ///< where the probe ended: of the record, or free for it
  };

  [[nodiscard]] found find(const record_slab& records, std::uint32_t tag, slot_index slot,
                           std::string_view key) const {
    if (buckets_.empty()) {
      return {nowhere, 0};
    }
    std::size_t at = tag & mask_;
    for (; buckets_[at].record_at != nowhere; at = (at + 1) & mask_) {
      const bucket& seen = buckets_[at];
      if (seen.tag == tag && records[seen.record_at].slot == slot &&
          records[seen.record_at].key() == key) {
        return {seen.record_at, at};
      }
    }
    return {nowhere, at};
  }

  /// Makes room for one `insert` of the tag. `free_at` is where its probe ended; a table that grows
  /// changes it. May throw.
  void prepare(std::uint32_t tag, std::size_t& free_at) {
    // At four fifths a miss looks at 13 buckets on average (Knuth, volume 3, section 6.4).
    if ((count_ + 1) * 5 <= buckets_.size() * 4) {
      return;
    }
    std::vector<bucket> grown(std::max<std::size_t>(16, buckets_.size() * 2));
    buckets_.swap(grown);
    mask_ = buckets_.size() - 1;
    for (const bucket& moved : grown) {
      if (moved.record_at != nowhere) {
        buckets_[free_bucket(moved.tag)] = moved;
      }
    }
    free_at = free_bucket(tag);
  }

  /// expects: `free_at` is of `prepare`, and the table is as it was then
  void insert(std::uint32_t tag, place at, std::size_t free_at) noexcept {
    assert(buckets_[free_at].record_at == nowhere);
    buckets_[free_at] = bucket(tag, at);
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

  /// Where the probe of a tag that is not there ends.
  [[nodiscard]] std::size_t free_bucket(std::uint32_t tag) const noexcept {
    std::size_t at = tag & mask_;
    while (buckets_[at].record_at != nowhere) {
      at = (at + 1) & mask_;
    }
    return at;
  }

  hash_key key_;
  std::vector<bucket> buckets_;
  std::size_t mask_ = 0;
  std::size_t count_ = 0;
};

}  // namespace gossipmonger
