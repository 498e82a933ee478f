// Scuttlebutt reconciliation as four machines and what they share. The machines are siblings: none
// calls another, the conductor calls them one after the other. A resource; not thread-safe.
//
// - planner: compares a digest with the rows here, and finds what each side lacks.
// - digest_writer: fills the datagrams of digest legs.
// - answer_writer: fills the datagrams of answer legs.
// - applier: applies the deltas that come.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/exchange/answer_writer.hpp"
#include "core/exchange/applier.hpp"
#include "core/exchange/digest_writer.hpp"
#include "core/exchange/exchange_tables.hpp"
#include "core/exchange/planner.hpp"
#include "core/membership/peer_table.hpp"
#include "core/membership/unwanted_peers.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/table_sizes.hpp"

namespace gossipmonger {

class exchange {
 public:
  exchange(const config& settings, peer_table& peers, unwanted_peers& unwanted, storage_ref entries,
           change_list& changes);
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  /// The row of that slot begins, or is of a new incarnation.
  void begin(slot_index slot);
  /// The entries of the slot go: a new incarnation superseded them, or the peer is forgotten.
  void forget(slot_index slot);
  void begin_round(std::uint64_t round);

  /// Sets the sizes of its tables.
  void count_tables(table_sizes& out) const;
  /// Adds what the machines counted.
  void add_counters(protocol_stats& out) const;

  exchange_tables shared;
  planner plans;
  digest_writer digests;
  answer_writer answers;
  applier deltas;
};

}  // namespace gossipmonger
