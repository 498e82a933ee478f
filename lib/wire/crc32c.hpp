// CRC32C (Castagnoli), as in RFC 3720, appendix B.4: with SSE4.2 where the CPU has it, else by
// table. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gossipmonger {

/// The checksum of `bytes`, continuing from `previous` (0 to begin).
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous = 0);

/// The same by table on any CPU; public so that a test holds the two against each other.
[[nodiscard]] std::uint32_t crc32c_by_table(std::span<const std::byte> bytes,
                                            std::uint32_t previous = 0);

}  // namespace gossipmonger
