// The elements of a body's list, 24 bytes each: digest entries, and what is packed in their place.
// gossip.capnp has the bits. Functions without a state.
//
// Each `write_*` fills the bytes at `to` and returns the place behind them. Each `read_*` reads
// elements of a run from element `first` on, and replaces what the list held. It returns false
// where a field is not allowed (I8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/model/bucket_set.hpp"
#include "core/model/digest.hpp"
#include "wire/capnp_body.hpp"

namespace gossipmonger {

enum class unknown_peers : bool { refused, allowed };

/// The entry of these three words.
[[nodiscard]] packed_entry make_entry(std::uint64_t name_hash, std::uint64_t version_and_heartbeat,
                                      std::uint64_t generation_and_heartbeat);
unsigned char* write_entries(std::span<const packed_entry> entries, unsigned char* to);
/// expects: index < run.count
[[nodiscard]] packed_entry read_entry(const capnp_body::entry_run& run, std::size_t index);
/// The list, empty before, points into the run where its bytes are entries as they stand in memory.
[[nodiscard]] bool read_entries(const capnp_body::entry_run& run, std::size_t first,
                                std::size_t count, unknown_peers unknown, entry_list& out);

/// A suspicion stands in the place of an entry.
unsigned char* write_suspicions(const std::vector<suspicion_entry>& suspicions, unsigned char* to);
[[nodiscard]] bool read_suspicions(const capnp_body::entry_run& run, std::size_t first,
                                   std::size_t count, std::vector<suspicion_entry>& out);

/// A partial is packed as an entry with a version and an offset in the places of max version and
/// heartbeat.
unsigned char* write_partials(const std::vector<partial_entry>& partials, unsigned char* to);
[[nodiscard]] bool read_partials(const capnp_body::entry_run& run, std::size_t first,
                                 std::size_t count, std::vector<partial_entry>& out);

/// Intervals stand in the place of unwanted entries, of which a digest without a claim has none.
unsigned char* write_spared(const std::vector<spared_interval>& spared, unsigned char* to);
[[nodiscard]] bool read_spared(const capnp_body::entry_run& run, std::size_t first,
                               std::size_t count, std::vector<spared_interval>& out);

/// A root stands in the place of an entry, and buckets in that of three.
unsigned char* write_root(const std::optional<root_sum>& root, unsigned char* to);
unsigned char* write_buckets(const std::optional<bucket_set>& buckets, unsigned char* to);
[[nodiscard]] root_sum read_root(const capnp_body::entry_run& run, std::size_t first);
[[nodiscard]] bool read_buckets(const capnp_body::entry_run& run, std::size_t first,
                                std::optional<bucket_set>& out);

/// Sums take 6 bytes each, in as many elements as that needs.
unsigned char* write_sums(std::span<const std::uint64_t> sums, unsigned char* to);
/// expects: the run holds the sum `index` of those from element `first` on
[[nodiscard]] std::uint64_t read_sum(const capnp_body::entry_run& run, std::size_t first,
                                     std::size_t index);

}  // namespace gossipmonger
