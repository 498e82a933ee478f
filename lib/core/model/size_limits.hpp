// The bytes of a message's fixed parts on the wire, and the sizes that a datagram may have.
// Constants. The packer counts with them, and the codec asserts them on every encode (I4).
#pragma once

#include <cstddef>

namespace gossipmonger {

/// Bytes of the fixed header.
inline constexpr std::size_t header_bytes = 24;
/// An entry of a digest, a heartbeat, a request or a suspicion; and what the first of a list costs
/// more.
inline constexpr std::size_t entry_bytes = 24;
inline constexpr std::size_t list_tag_bytes = 8;
/// Entries in the place of which stand the root of a digest, and the buckets of its claim.
inline constexpr std::size_t root_entries = 1;
inline constexpr std::size_t bucket_entries = 3;
/// Entries in the place of which stand so many sums, of 6 bytes each; a multiple of 4.
constexpr std::size_t sum_bytes = 6;
constexpr std::size_t sum_entries(std::size_t sums) { return sums * sum_bytes / entry_bytes; }
/// An empty digest; an empty reply.
inline constexpr std::size_t digest_frame_bytes = 72;
inline constexpr std::size_t reply_frame_bytes = 96;
/// Kept free in every datagram for an XChaCha20-Poly1305 seal: 24 nonce and 16 tag.
inline constexpr std::size_t seal_bytes = 40;
/// Least and greatest size of datagram that a node may be configured for. 1200 is what every path
/// must carry (RFC 9000, section 14); 65507 the most that UDP over IPv4 can.
inline constexpr std::size_t datagram_bytes_floor = 1200;
inline constexpr std::size_t datagram_bytes_ceiling = 65504;

}  // namespace gossipmonger
