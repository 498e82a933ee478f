// Applies the deltas that come: entries, parts of values and compaction markers, within the
// capacity of each peer and only without a gap (I2). A resource over the tables of the exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/exchange/exchange_tables.hpp"
#include "core/exchange/parking.hpp"
#include "core/membership/peer_table.hpp"
#include "core/model/message.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/drop_reason.hpp"
#include "gossipmonger/table_sizes.hpp"

namespace gossipmonger {

class applier {
 public:
  struct counters {
    counters() = default;

    std::uint64_t entries_applied = 0;
    std::uint64_t entries_skipped = 0;  ///< known already when they came
    std::uint64_t fragments_applied = 0;
    std::uint64_t deltas_parked = 0;
    drop_counters drops{};
  };

  applier(exchange_tables& shared, change_list& changes);
  applier(const applier&) = delete;
  applier& operator=(const applier&) = delete;

  /// Applies one delta to the row of its owner, or parks or drops it.
  void apply(const message& from, const delta_view& delta);

  /// The row of that slot is of an incarnation of which nothing is known.
  void begin(slot_index slot) { owners_.begin(slot); }
  /// The entries of the slot go: a new incarnation superseded them, or the peer is forgotten.
  void forget(slot_index slot);
  /// Drops the deltas that were parked too long ago, and values of which no part came for long.
  /// Tries the storage again for the peers whose time has come.
  void begin_round();

  /// The parked versions of the peer in that slot, as `parking::intervals`.
  [[nodiscard]] std::vector<spared_interval> parked_intervals(slot_index slot) const {
    return parked_.intervals(slot, peers_[slot].generation(), peers_[slot].max_version());
  }
  /// The highest version that is parked of it; 0: none.
  [[nodiscard]] std::uint64_t parked_upto(slot_index slot) const {
    const std::vector<spared_interval> parked = parked_intervals(slot);
    return parked.empty() ? 0 : parked.back().upto;
  }
  /// Whether there is little room left to park deltas.
  [[nodiscard]] bool is_half_parked() const { return parked_.is_half_full(); }
  [[nodiscard]] std::size_t parked_bytes() const { return parked_.bytes(); }
  /// Sets the sizes of its own tables.
  void count_tables(table_sizes& out) const;
  [[nodiscard]] const counters& counted() const { return counted_; }

 private:
  /// The state of an owner of entries.
  struct owner {
    owner() = default;

    std::uint64_t floor = 0;           ///< of its newest marker; takes effect at the top
    std::uint64_t put_off_rounds = 0;  ///< for so long, since the storage failed; 0: it works
    std::uint64_t put_off_until = 0;   ///< in this round the storage is tried again
  };

  void drop(drop_reason reason) { ++counted_.drops[static_cast<std::size_t>(reason)]; }
  void park(slot_index slot, const message& from, const delta_view& delta);
  void apply_entries(slot_index slot, const std::vector<entry_view>& entries, std::size_t first,
                     std::size_t count, std::uint64_t upto);
  void apply_fragment(slot_index slot, const message& from, const delta_view& delta);
  void take_fragment(slot_index slot, const delta_view& delta, const entry_view& part);
  void apply_parked(slot_index slot);
  void apply_floor(slot_index slot);
  /// Asks for the capacity of the peer only where the entry may exceed it.
  [[nodiscard]] bool try_put(slot_index slot, const entry_view& entry, bool may_exceed);
  /// Whether so many entries might exceed a capacity. A bound: as if they replaced none.
  [[nodiscard]] bool may_exceed_capacity(slot_index slot, std::span<const entry_view> added) const;
  /// Whether the peer would exceed a capacity with a value of so many bytes in place of `held`. An
  /// event tells it once.
  [[nodiscard]] bool exceeds_capacity(slot_index slot, const entry_view& entry,
                                      std::size_t value_bytes,
                                      const std::optional<entry_view>& held);
  /// The storage refused an entry. Nothing of its owner is taken for some rounds, twice as many
  /// each time, so that peers do not send the entry again and again.
  void put_off(slot_index slot);
  void resume_put_off();

  exchange_tables& shared_;
  const config& settings_;
  peer_table& peers_;
  storage_ref entries_;
  change_list& changes_;
  partial_values& partials_;
  parking parked_;
  slot_column<owner> owners_;
  std::vector<slot_index> put_off_;  // owners whose entries the storage refused
  counters counted_;
};

}  // namespace gossipmonger
