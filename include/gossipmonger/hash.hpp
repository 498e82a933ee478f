// SipHash (Aumasson, Bernstein, 2012): SipHash-2-4 orders peers and makes cookies, SipHash-1-3
// indexes keys. Nobody without the key can choose colliding names. Pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// The 128-bit key of a SipHash. A value; draw it at random where peers may be hostile.
struct hash_key {
  hash_key() = default;
  /// The key of these two halves.
  hash_key(std::uint64_t first, std::uint64_t second) : k0(first), k1(second) {}

  std::uint64_t k0 = 0;  ///< first half
  std::uint64_t k1 = 0;  ///< second half
};

/// SipHash-2-4 of `bytes`.
///   source: Aumasson, Bernstein, SipHash, INDOCRYPT 2012
[[nodiscard]] std::uint64_t siphash(const hash_key& key, std::string_view bytes);
/// SipHash-1-3 of `bytes`, with fewer rounds: for tables whose hashes no other process sees.
[[nodiscard]] std::uint64_t siphash_1_3(const hash_key& key, std::string_view bytes);
/// The hash of address, port and scope.
[[nodiscard]] std::uint64_t siphash(const hash_key& key, const endpoint& address);

/// The key under which the names of a cluster are hashed.
[[nodiscard]] hash_key make_cluster_key(std::string_view cluster_name);
/// The id of a cluster on the wire.
[[nodiscard]] std::uint32_t make_cluster_id(std::string_view cluster_name);

}  // namespace gossipmonger
