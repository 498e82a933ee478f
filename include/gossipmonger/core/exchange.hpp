// Scuttlebutt reconciliation as four machines and what they share. The machines are siblings: none
// calls another, the conductor calls them one after the other. A resource; not thread-safe.
//
// - planner: compares a digest with the rows here, and finds what each side lacks.
// - digest_writer: fills the datagrams of digest legs.
// - answer_writer: fills the datagrams of answer legs.
// - applier: applies the deltas that come.
//
// Beside them lie the transfers of large values.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gossipmonger/core/answer_writer.hpp"
#include "gossipmonger/core/applier.hpp"
#include "gossipmonger/core/change_list.hpp"
#include "gossipmonger/core/config.hpp"
#include "gossipmonger/core/digest_writer.hpp"
#include "gossipmonger/core/event.hpp"
#include "gossipmonger/core/exchange_tables.hpp"
#include "gossipmonger/core/peer_table.hpp"
#include "gossipmonger/core/planner.hpp"
#include "gossipmonger/core/storage.hpp"
#include "gossipmonger/core/table_sizes.hpp"
#include "gossipmonger/core/unwanted_peers.hpp"
#include "gossipmonger/core/value_transfers.hpp"

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
  value_transfers transfers;
};

}  // namespace gossipmonger
