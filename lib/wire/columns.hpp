// The entries of a delta as columns of bytes: gaps between versions, lengths of keys, lengths of
// values, then keys and values; and a fragment of one large value. gossip.capnp has the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/model/delta.hpp"
#include "gossipmonger/storage.hpp"
#include "wire/capnp_body.hpp"

namespace gossipmonger {

/// A length of an empty key, and of its value.
inline constexpr std::size_t entry_columns_min = 2;

/// Bytes of each column.
struct column_sizes {
  column_sizes() = default;

  std::size_t gaps = 0;  // 0: all gaps are 1
  std::size_t values = 0;
  std::size_t bytes = 0;
};

/// Measures the columns of these entries.
///   expects: ascending versions above `delta.after`, up to `delta.upto`
column_sizes measure(const delta_view& delta, std::span<const entry_view> entries);
/// Writes them.
///   expects: `sizes` from `measure`, and that much room
void write_columns(const delta_view& delta, std::span<const entry_view> entries,
                   const column_sizes& sizes, unsigned char* room);
/// Reads the columns of `delta` into `entries`, one for each; whether they are well-formed.
///   expects: columns.count >= entry_columns_min * entries.size()
bool read_columns(const delta_view& delta, bool is_gapped, const capnp_body::byte_run& columns,
                  std::span<entry_view> entries);

/// Bytes of a fragment.
struct fragment_sizes {
  fragment_sizes() = default;

  std::uint64_t gap = 0;  // 0: it is 1, and not written
  std::size_t total = 0;
};

/// The same for a fragment, of the one entry that `delta` has.
fragment_sizes measure_fragment(const delta_view& delta, const entry_view& entry);
void write_fragment(const delta_view& delta, const entry_view& entry, const fragment_sizes& sizes,
                    unsigned char* room);
/// Reads the columns of a fragment, and holds them against where `delta` says it begins and ends.
bool read_fragment(delta_view& delta, bool is_gapped, const capnp_body::byte_run& columns,
                   entry_view& entry);

}  // namespace gossipmonger
