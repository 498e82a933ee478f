#include "core/exchange/row_sums.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// A difference of versions, from its low bits.
std::int64_t distance_of(std::uint64_t versions) {
  constexpr std::uint64_t half = std::uint64_t{1} << (row_sum::versions_bits - 1);
  const std::uint64_t low = versions & row_sum::versions_mask;
  return static_cast<std::int64_t>(low ^ half) - static_cast<std::int64_t>(half);
}

[[nodiscard]] bool is_summed(const exchange_tables& shared, std::size_t place, nanoseconds now) {
  const peer_view row = shared.peers.at(place);
  return row.is_plain() || shared.is_advertised(row, now);
}

/// So many entries are looked through one by one; more, as a liar may send, are sorted.
constexpr std::size_t few_entries = 64;

/// Calls `each` with every entry whose peer was not named before it.
template <typename Each>
void for_each_peer(std::span<const packed_entry> named, Each each) {
  const auto is_same = [](const packed_entry& one, const packed_entry& other) {
    return one.name_hash == other.name_hash;
  };
  if (named.size() <= few_entries) {
    for (std::size_t i = 0; i < named.size(); ++i) {
      const auto is_it = [&](const packed_entry& one) { return is_same(one, named[i]); };
      if (std::ranges::none_of(named.first(i), is_it)) each(named[i]);
    }
    return;
  }
  std::vector<const packed_entry*> sorted;
  for (const packed_entry& one : named) sorted.push_back(&one);
  std::ranges::sort(sorted, [](const packed_entry* one, const packed_entry* other) {
    return std::tie(one->name_hash, one) < std::tie(other->name_hash, other);
  });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || !is_same(*sorted[i - 1], *sorted[i])) each(*sorted[i]);
  }
}

/// The row of that bucket which alone explains `difference`, by another version there.
std::optional<decoded_row> decode(const exchange_tables& shared, nanoseconds now,
                                  std::size_t bucket, unsigned bits, const row_sum& difference,
                                  std::span<const packed_entry> named) {
  const std::int64_t distance = distance_of(difference.versions);
  if (distance == 0) return std::nullopt;
  const std::span<const packed_entry> rows = shared.peers.entries();
  std::optional<decoded_row> found;
  std::size_t place = shared.peers.lower_bound(static_cast<std::uint64_t>(bucket) << (64 - bits));
  for (; place < rows.size() && bucket_of(rows[place].name_hash, bits) == bucket; ++place) {
    if (!is_summed(shared, place, now)) continue;
    const auto held = static_cast<std::int64_t>(rows[place].max_version());
    const std::int64_t there = held + distance;
    if (there < 0 || there > static_cast<std::int64_t>(version_max)) continue;
    packed_entry other = rows[place];
    other.set_max_version(static_cast<std::uint64_t>(there));
    const std::uint64_t parts = part_of(other) - shared.peers.part(place);
    if (((parts ^ difference.parts) & row_sum::parts_mask) != 0) continue;
    // Last: a liar may name thousands.
    const std::uint64_t hash = rows[place].name_hash;
    const auto is_it = [hash](const packed_entry& one) { return one.name_hash == hash; };
    if (std::ranges::any_of(named, is_it)) continue;
    if (found) return std::nullopt;
    found.emplace(shared.peers.at(place).slot(), static_cast<std::uint64_t>(there));
  }
  return found;
}

}  // namespace

void sum_rows(const exchange_tables& shared, nanoseconds now, std::span<const packed_entry> named,
              unsigned bits, std::vector<row_sum>& out) {
  assert(bits <= sum_bits_max);
  out.assign(std::size_t{1} << bits, row_sum());
  const peer_table& peers = shared.peers;
  const std::span<const packed_entry> rows = peers.entries();
  for (std::size_t place = 0; place < rows.size(); ++place) {
    if (!is_summed(shared, place, now)) continue;
    out[bucket_of(rows[place].name_hash, bits)].add(peers.part(place), rows[place].max_version());
  }
  for_each_peer(named, [&](const packed_entry& one) {
    row_sum& sum = out[bucket_of(one.name_hash, bits)];
    const std::size_t place = peers.lower_bound(one.name_hash);
    const bool is_here = place < rows.size() && rows[place].name_hash == one.name_hash;
    if (is_here && is_summed(shared, place, now)) {
      sum.subtract(peers.part(place), rows[place].max_version());
    }
    if (one.generation() != 0) sum.add(part_of(one), one.max_version());
  });
}

sum_difference compare_sums(const exchange_tables& shared, nanoseconds now, const message& told,
                            std::span<const packed_entry> named,
                            std::span<const std::uint64_t> on_their_way) {
  const unsigned bits = told.sum_bits;
  assert(told.sums.size() == sums_in_part(bits) && told.sum_part < sum_parts(bits));
  std::vector<row_sum> mine;
  sum_rows(shared, now, named, bits, mine);
  sum_difference seen;
  for (std::size_t i = 0; i < told.sums.size(); ++i) {
    const std::size_t bucket = told.sum_part * sums_in_part(bits) + i;
    const auto is_in = [=](std::uint64_t hash) { return bucket_of(hash, bits) == bucket; };
    if (told.sums[i] == mine[bucket].packed() || std::ranges::any_of(on_their_way, is_in)) continue;
    row_sum difference;
    difference.parts = told.sums[i] - mine[bucket].parts;
    difference.versions = (told.sums[i] >> row_sum::parts_bits) - mine[bucket].versions;
    if (const std::optional<decoded_row> one =
            decode(shared, now, bucket, bits, difference, named)) {
      seen.rows.push_back(*one);
    } else {
      seen.rest.add(bucket, bits);
    }
  }
  return seen;
}

}  // namespace gossipmonger
