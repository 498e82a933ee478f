// A memory_storage that can be watched, that may refuse writes, and that may be slow: the disk of
// a simulated node. A resource; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

/// Sees each change of a storage just before it is made.
class storage_observer {
 public:
  storage_observer() = default;
  storage_observer(const storage_observer&) = delete;
  storage_observer& operator=(const storage_observer&) = delete;
  virtual ~storage_observer() = default;

  /// `entry` is about to be put.
  virtual void handle_put(slot_index slot, const entry_view& entry) = 0;
  /// Entries up to `version` are about to be retired.
  virtual void handle_drop_upto(slot_index slot, std::uint64_t version) = 0;
  /// All entries of the slot are about to go.
  virtual void handle_forget(slot_index slot) = 0;
};

/// The faults of a storage. A value.
struct storage_conditions {
  storage_conditions() = default;

  double failure = 0;                ///< probability that a put is refused
  std::chrono::nanoseconds delay{};  ///< how long the process stands still for each put
};

/// A storage with faults. A resource.
class simulated_storage {
 public:
  /// `seed` of which puts are refused.
  explicit simulated_storage(hash_key key = hash_key(), std::uint64_t seed = 1)
      : entries_(memory_storage_limits(), key), random_(seed) {}

  /// @{
  /// As the concept `storage` says.
  [[nodiscard]] result<void> put(slot_index slot, const entry_view& entry) {
    ++puts_;
    if (conditions.failure > 0 && random_.unit() < conditions.failure) {
      return fail(errc::storage_failed);
    }
    if (observer != nullptr) observer->handle_put(slot, entry);
    return entries_.put(slot, entry);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    return entries_.find(slot, key);
  }
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot,
                                                      std::uint64_t version) const {
    return entries_.first_above(slot, version);
  }
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t sequence) const {
    return entries_.first_changed(sequence);
  }
  [[nodiscard]] std::uint64_t drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence) {
    if (observer != nullptr) observer->handle_drop_upto(slot, version);
    return entries_.drop_upto(slot, version, sequence);
  }
  void purge(std::uint64_t sequence) { entries_.purge(sequence); }
  [[nodiscard]] std::size_t retired_count() const { return entries_.retired_count(); }
  void forget(slot_index slot) {
    if (observer != nullptr) observer->handle_forget(slot);
    entries_.forget(slot);
  }
  [[nodiscard]] storage_usage usage(slot_index slot) const { return entries_.usage(slot); }
  /// @}

  /// Puts since it was last asked.
  [[nodiscard]] std::size_t take_puts() { return std::exchange(puts_, 0); }

  storage_conditions conditions;         ///< may change at any time
  storage_observer* observer = nullptr;  ///< outlives the storage; null: nobody watches

 private:
  memory_storage entries_;
  random_source random_;
  std::size_t puts_ = 0;
};

static_assert(storage<simulated_storage>);

}  // namespace gossipmonger
