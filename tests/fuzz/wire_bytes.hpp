// A datagram in aligned memory for the fuzz targets, and the repair of what the cheap checks look
// at, so that damage gets past them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/exchange/packer.hpp"
#include "core/model/message.hpp"
#include "wire/codec.hpp"
#include "wire/crc32c.hpp"

namespace gossipmonger {

class wire_bytes {
 public:
  /// Room for the largest datagram there is, and one word more.
  wire_bytes() : words_(datagram_bytes_ceiling / 8 + 1) {}

  [[nodiscard]] std::span<std::byte> bytes() { return room().first(size_); }
  [[nodiscard]] std::span<std::byte> room() { return std::as_writable_bytes(std::span(words_)); }
  void resize(std::size_t size) { size_ = std::min(size, room().size()); }

  void assign(std::span<const std::uint8_t> bytes) {
    resize(bytes.size());
    if (size_ != 0) std::memcpy(room().data(), bytes.data(), size_);
  }

  void encode(const codec& wire, const message& m) { size_ = wire.encode(m, room()); }

  /// Makes magic, versions, cluster and checksum fit, where there is a header at all.
  void repair(std::uint32_t cluster_id) {
    if (size_ < header_bytes) return;
    std::byte* const at = room().data();
    at[0] = std::byte{0x67};
    at[1] = std::byte{wire_version_highest << 4 | wire_version_lowest};
    std::memcpy(at + 4, &cluster_id, sizeof cluster_id);  // a little-endian machine is assumed
    fix_checksum();
  }

  void fix_checksum() {
    if (size_ < header_bytes) return;
    std::byte* const at = room().data();
    std::memset(at + 8, 0, 4);
    const std::uint32_t checksum = crc32c(bytes());
    std::memcpy(at + 8, &checksum, sizeof checksum);
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_ = 0;
};

}  // namespace gossipmonger
