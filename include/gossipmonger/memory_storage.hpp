// The storage that a node uses unless told otherwise: everything in memory. A resource, of one
// executor; movable, and a moved-from one may only be destroyed or assigned to.
//
// A flat hash finds a record by slot and key; a record keeps key and value in one heap block. Each
// order (versions of a slot, changes of all) is an append-only log of record numbers, with a bit
// per place for whether it is still taken. Any number is found in O(log n) and the next one in
// O(1), whoever chooses the number. `./bench/run` measures it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "gossipmonger/error.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// The capacity of a memory_storage (I5). Retired entries count: they take memory until they are
/// purged. Above either, `put` says errc::capacity_reached. How much one peer may take is for
/// the protocol to say. A value.
struct memory_storage_limits {
  memory_storage_limits() = default;

  /// Entries of all slots. A key of 20 bytes with a value of 50 takes about 165 bytes of memory.
  std::size_t keys_total_max = std::size_t{1} << 22;
  /// Bytes of all keys and values.
  std::size_t bytes_total_max = std::size_t{1} << 30;
};

/// See `storage` for the contract of each member. Beyond it:
///   - `put` may be given views of the storage's own entries;
///   - `put` fails with errc::storage_failed where memory is exhausted, the key is over
///     key_bytes_max, or the value is over 2 GiB; no other member allocates;
///   - memory of entries that went is kept for later ones; the orders of a slot are given back by
///     `forget`, everything else by the destructor.
class memory_storage {
 public:
  /// `key` keeps peers from choosing keys that collide: draw it at random where they may be
  /// hostile.
  explicit memory_storage(memory_storage_limits limits = memory_storage_limits(),
                          hash_key key = hash_key());
  memory_storage(memory_storage&& other) noexcept;
  memory_storage& operator=(memory_storage&& other) noexcept;
  ~memory_storage();

  /// @{
  /// As the concept `storage` says.
  [[nodiscard]] result<void> put(slot_index slot, const entry_view& entry);
  [[nodiscard]] result<bool> put(slot_index slot, const entry_view& entry,
                                 const sequence_choice& choose);
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const;
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot, std::uint64_t version) const;
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t sequence) const;
  [[nodiscard]] std::uint64_t drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence);
  void purge(std::uint64_t sequence);
  [[nodiscard]] std::size_t retired_count() const;
  void forget(slot_index slot);
  [[nodiscard]] storage_usage usage(slot_index slot) const;
  /// @}

 private:
  struct state;
  std::unique_ptr<state> state_;
};

static_assert(choosing_storage<memory_storage>);

}  // namespace gossipmonger
