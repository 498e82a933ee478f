// The 24 bytes in front of each datagram's segment; gossip.capnp has the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "core/exchange/packer.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/drop_reason.hpp"
#include "wire/little_endian.hpp"

namespace gossipmonger {

inline constexpr std::size_t datagram_bytes_min = header_bytes + word_bytes;  // and a root pointer
/// So many versions below the highest that it speaks a sender can write.
inline constexpr int versions_below_max = 7;

/// Writes the header of a datagram whose segment is written: the checksum covers both.
void write_header(const message& m, const wire_range& spoken, std::uint32_t cluster_id,
                  std::span<std::byte> datagram);

/// Reads into `out`: kind, `more`, features, wire versions, cookies.
///   errors:  magic, cluster, checksum, wire_version (with `out.versions` set), kind
///   expects: at least datagram_bytes_min bytes
tl::expected<void, drop_reason> read_header(std::span<const std::byte> datagram,
                                            const wire_range& spoken, std::uint32_t cluster_id,
                                            message& out);

/// The cluster that the header names.
std::uint32_t cluster_of(std::span<const std::byte> datagram);

}  // namespace gossipmonger
