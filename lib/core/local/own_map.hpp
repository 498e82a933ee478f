// This node's own entries, and how far each peer holds them. A resource; not thread-safe; reads no
// clock (I6).
//
// It alone writes to the slot of this node in the storage, and raises this node's max version.
// Neither the leave of this node nor a rival under its name is known here: the caller asks first.
// Source of the rate: Scuttlebutt, LADIS 2008, section 4 (`write_rate`).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/local/expiry.hpp"
#include "core/local/write_rate.hpp"
#include "core/membership/peer_table.hpp"
#include "core/model/digest.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/replication.hpp"
#include "gossipmonger/storage.hpp"

namespace gossipmonger {

class own_map {
 public:
  /// The settings, the peers, the storage and the change list outlive the map. The settings may
  /// change, see `handle_change`.
  own_map(const config& settings, peer_table& peers, storage_ref entries, change_list& changes,
          std::chrono::nanoseconds now);
  own_map(const own_map&) = delete;
  own_map& operator=(const own_map&) = delete;

  // Writing.
  /// Writes `pairs` with consecutive versions, and returns the version that holds all of them.
  /// Equal bytes write nothing. With a deadline, the keys expire then; without one, never. Pairs
  /// may be views of entries of this node.
  ///   errors: key_invalid, value_too_large, capacity_reached: nothing was written;
  ///           storage_failed: the pairs before the one that failed were
  [[nodiscard]] result<std::uint64_t> set(pair_views pairs,
                                          std::optional<std::chrono::nanoseconds> deadline);
  /// Writes a tombstone, and returns its version; nullopt where there was no such key.
  ///   errors: key_invalid, capacity_reached, storage_failed
  [[nodiscard]] result<std::optional<std::uint64_t>> erase(std::string_view key);
  /// Erases a batch of the keys whose deadline has come. A key that cannot be erased now, or while
  /// `may_write` is false, is due again a gossip interval later.
  void expire(std::chrono::nanoseconds now, bool may_write);
  /// When `expire` has something to do; nanoseconds::max() if never.
  [[nodiscard]] std::chrono::nanoseconds next_due() const { return expiry_.next(); }
  /// This node leaves: its keys expire no more.
  void stop() { expiry_.clear_all(); }

  // The rate.
  /// Whether the cluster carries the writes of this node as fast as they come.
  [[nodiscard]] bool is_writable(std::chrono::nanoseconds now);
  /// When it does, if nothing is written until then; after `is_writable`.
  [[nodiscard]] std::chrono::nanoseconds writable_at() const;
  /// A round is over. Returns whether the rate fell.
  bool end_round(std::chrono::nanoseconds now);
  /// The settings are about to become `next`.
  void handle_change(const config& next);

  // The share of each peer.
  /// The peer says, from a verified address, what it holds of the present run: `held`, and of the
  /// value that follows the first `part_bytes`.
  void handle_held(slot_index slot, const digest_entry& held, std::size_t part_bytes);
  /// The peer holds a later run of this node, which has left: the leave would tell it nothing new.
  void handle_later_run(slot_index slot);
  /// The peer's row is free, or of a new incarnation.
  void forget(slot_index slot);
  /// The version of the present run up to which the peer is known to hold all entries.
  [[nodiscard]] std::uint64_t held_version(slot_index slot) const;
  /// Whether the peer is known to hold `version` of the present run, and with `leave` its leave.
  [[nodiscard]] bool is_holding(slot_index slot, std::uint64_t version, bool leave) const;

  // Counters and gauges.
  [[nodiscard]] std::uint64_t compactions() const { return compactions_; }
  [[nodiscard]] std::size_t deadlines() const { return expiry_.size(); }
  [[nodiscard]] std::size_t bytes_per_interval() const { return rate_.bytes_per_interval(); }

 private:
  /// The part of this node that one peer holds.
  struct held_part {
    held_part() = default;

    std::uint64_t generation = 0;  // of this node; 0: the peer never said
    std::uint64_t version = 0;
    bool has_leave = false;
    write_progress progress;  // while the peer is behind
  };

  [[nodiscard]] std::uint64_t version() const { return peers_.self().max_version(); }
  [[nodiscard]] held_part& part_of(slot_index slot);
  /// Whether the part is of the present run.
  [[nodiscard]] bool is_present(const held_part& part) const;

  [[nodiscard]] std::error_code check(std::string_view key, std::string_view value) const;
  /// Whether the settings allow `used`, and so many versions are left.
  [[nodiscard]] bool has_room(const storage_usage& used, std::size_t versions) const;
  /// The same for `pairs`, less the entries that they replace. With `is_compacted`: after a
  /// compaction, and with the versions that it takes.
  [[nodiscard]] bool has_exact_room(pair_views pairs, bool is_compacted) const;
  /// The usage that a compaction leaves, its marker included.
  [[nodiscard]] storage_usage usage_without_tombstones() const;
  /// Puts `entry` at the next version; at the tail of the change list unless it names its place.
  [[nodiscard]] result<std::uint64_t> write(const entry_view& entry);
  /// Puts the pair at the next version unless the key holds that value; returns its version.
  [[nodiscard]] result<std::uint64_t> write_unless_same(std::string_view key,
                                                        std::string_view value);
  /// `entry` was put: its bytes go into the rate, and its version is the highest.
  void handle_written(const entry_view& entry);
  /// Gives live keys new versions, and drops everything below (lib/core/ALGORITHM.md, "Deletes").
  void compact();

  const config& settings_;
  peer_table& peers_;
  storage_ref entries_;
  change_list& changes_;
  expiry expiry_;
  write_rate rate_;
  std::vector<held_part> held_;  // by slot
  std::uint64_t compactions_ = 0;
};

}  // namespace gossipmonger
