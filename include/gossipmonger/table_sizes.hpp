// The sizes of the tables, queues and buffers of a node that have a capacity (I5). A
// value. Simulators and tests hold it to the limits, and operators look for memory with it.
#pragma once

#include <cstddef>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

/// The size of each table of a node, as `tables` gives it. A value.
struct table_sizes {
  table_sizes() = default;

  // Known peers and addresses.
  std::size_t peers = 0;      ///< rows, self not counted
  std::size_t partners = 0;   ///< in the rings and among the gone: each row stands in one of them
  std::size_t unwanted = 0;   ///< of the forgotten and the refused
  std::size_t addresses = 0;  ///< met, or tried
  std::size_t joining = 0;    ///< addresses that wait for their first exchange
  std::size_t reported_names = 0;      ///< subjects that an event named lately
  std::size_t reported_clusters = 0;   ///< addresses of other clusters that an event named
  std::size_t reported_intervals = 0;  ///< peers whose interval an event named

  // What comes.
  std::size_t parked_deltas = 0;    ///< deltas that wait for the one before
  std::size_t parked_bytes = 0;     ///< of these
  std::size_t partial_values = 0;   ///< values that are not whole yet
  std::size_t partial_bytes = 0;    ///< of values under way, as far as they are here
  std::size_t announced_bytes = 0;  ///< of the same, in whole
  std::size_t put_off = 0;          ///< peers whose entries the storage refused
  std::size_t transfers = 0;        ///< owners whose entries one sender brings

  // What goes.
  std::size_t digests = 0;     ///< that wait to be sent
  std::size_t answers = 0;     ///< likewise, to verified addresses
  std::size_t unverified = 0;  ///< likewise, to unverified addresses
  std::size_t flights = 0;     ///< flows remembered as on their way
  std::size_t checksums = 0;   ///< of large values
  std::size_t restarted = 0;   ///< exchanges begun anew in this round

  // Suspicion.
  std::size_t probes = 0;           ///< answers awaited
  std::size_t round_trips = 0;      ///< legs of which the time to the answer is measured
  std::size_t probe_requests = 0;   ///< requests for an indirect probe that wait for an answer
  std::size_t suspicions_told = 0;  ///< peers whose suspicion or refutation is still spread
  std::size_t told_addresses = 0;   ///< that were told of suspicions in this round

  // Changes for subscribers, and the rest.
  std::size_t changes = 0;          ///< introductions, statuses, forgettings, notices
  std::size_t kept_changes = 0;     ///< of them, forgettings and notices
  std::size_t retired_entries = 0;  ///< removals that slow readers have not seen
  std::size_t deadlines = 0;        ///< of own keys
};

}  // namespace gossipmonger
