// Sums over the rows that digests tell of: what a root tells, and the comparison of what was told
// with the rows here. Functions over the tables of the exchange; no state of their own.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/exchange/exchange_tables.hpp"
#include "core/model/bucket_set.hpp"
#include "core/model/digest.hpp"
#include "core/model/message.hpp"
#include "core/model/row_sum.hpp"

namespace gossipmonger {

/// The most of the latest rows that a message names beside a root or sums, where the sender knows
/// so many nodes. Most rows are told by the sums alone, in a small cluster too.
[[nodiscard]] constexpr std::size_t latest_rows_max(std::size_t nodes) {
  return std::min<std::size_t>(16, nodes / 4 + 1);
}

/// Sums in 2^bits buckets: the rows here, but for a peer of `named` the entry there. Where those
/// are entries of my own, this is what I tell. Where they are another node's, it is what that node
/// tells if it differs from me in nothing else. A peer that `named` has twice counts once.
///
///   bits:  0 to `sum_bits_max`.
///   named: an entry of generation 0 says that its peer is not among the rows.
///   out:   its former content is lost.
void sum_rows(const exchange_tables& shared, std::chrono::nanoseconds now,
              std::span<const packed_entry> named, unsigned bits, std::vector<row_sum>& out);

/// A row of which another node holds another version, found from a sum alone.
struct decoded_row {
  decoded_row(slot_index of_slot, std::uint64_t held_there) : slot(of_slot), version(held_there) {}

  slot_index slot;
  std::uint64_t version;  ///< there
};

/// The meaning of a difference of sums.
struct sum_difference {
  sum_difference() = default;

  std::vector<decoded_row> rows;  ///< of buckets in which one row alone differs, by its version
  bucket_set rest;                ///< the other buckets that differ
};

/// Compares the sums that another node told with the rows here.
///
///   told:         its message, with the sums.
///   named:        its entries in that message.
///   on_their_way: hashes of peers of which entries come: their buckets count as equal.
[[nodiscard]] sum_difference compare_sums(const exchange_tables& shared,
                                          std::chrono::nanoseconds now, const message& told,
                                          std::span<const packed_entry> named,
                                          std::span<const std::uint64_t> on_their_way);

}  // namespace gossipmonger
