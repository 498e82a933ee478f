// Damage to datagrams that something on the way does not see: for simulated networks, bare and
// real.
#pragma once

#include <cstddef>
#include <span>

#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

/// Where the checksum of a datagram stands; gossip.capnp has the table.
inline constexpr std::size_t checksum_place = 8;

/// Changes two 16-bit words so that UDP's checksum stays as it was, as a faulty router does.
///   errors: false where no change would leave it so: all words are equal, or there is one at most
[[nodiscard]] bool try_garble(std::span<std::byte> datagram, random_source& random);

/// Changes up to four bytes of a gossip datagram under a checksum that holds, as a node does that
/// lies. The header's magic, range of versions and cluster stay, so that somebody reads it.
///   errors: false where it is shorter than a header, and stays as it was
[[nodiscard]] bool try_mutate(std::span<std::byte> datagram, random_source& random);

}  // namespace gossipmonger
