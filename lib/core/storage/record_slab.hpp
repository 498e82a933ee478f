// The records of memory_storage, one an entry, in chunks that never move. A resource, of one
// storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "gossipmonger/storage.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// Number of a record in the slab, or of a place in a log.
using place = std::uint32_t;
inline constexpr place nowhere = std::numeric_limits<place>::max();
// Records and the places of a log stay well below `nowhere`: a log has at most twice as many places
// as records, rounded up.
inline constexpr std::size_t records_max = std::size_t{1} << 30;

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
class record_slab {
 public:
  record_slab() = default;
  record_slab(const record_slab&) = delete;
  record_slab& operator=(const record_slab&) = delete;
  ~record_slab() {
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

}  // namespace gossipmonger
