#include "core/model/row_sum.hpp"

#include <cstring>
#include <string_view>

#include "gossipmonger/hash.hpp"

namespace gossipmonger {

namespace {

/// Every node sums by the same key, whatever its cluster: names are hashed under the cluster's.
const hash_key part_key{0x726f772073756d73, 0x676f737369706d6f};

}  // namespace

std::uint64_t part_of(const packed_entry& row) {
  const std::uint64_t left = row.has_left() ? std::uint64_t{1} << 47 : 0;
  const std::uint64_t words[] = {row.name_hash, row.generation(), row.max_version() | left};
  char bytes[sizeof(words)];
  for (std::size_t i = 0; i < sizeof(words); ++i) {
    bytes[i] = static_cast<char>(words[i / 8] >> (8 * (i % 8)) & 0xff);
  }
  const std::uint64_t part = siphash(part_key, std::string_view(bytes, sizeof(bytes)));
  return part == 0 ? 1 : part;
}

}  // namespace gossipmonger
