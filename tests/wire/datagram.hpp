// A datagram in aligned memory that tests can edit by the word, and a checksum that shares no code
// with the library's. A value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "core/exchange/packer.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/drop_reason.hpp"
#include "wire/codec.hpp"

namespace gossipmonger {

inline constexpr std::uint32_t test_cluster = 0x11223344;

[[nodiscard]] inline std::uint32_t crc32c_bit_by_bit(std::span<const std::byte> bytes) {
  std::uint32_t state = 0xffffffff;
  for (const std::byte byte : bytes) {
    state ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      state = (state & 1) != 0 ? (state >> 1) ^ 0x82f63b78 : state >> 1;
    }
  }
  return ~state;
}

class datagram {
 public:
  explicit datagram(std::size_t size) : words_((size + 7) / 8), size_(size) {}

  explicit datagram(std::initializer_list<int> bytes) : datagram(bytes.size()) {
    std::size_t at = 0;
    for (const int byte : bytes) this->bytes()[at++] = static_cast<std::byte>(byte);
  }

  /// `m` as the codec encodes it.
  explicit datagram(const message& m) : datagram(datagram_bytes(m)) {
    size_ = codec(test_cluster, 65504).encode(m, bytes());
  }

  [[nodiscard]] std::span<std::byte> bytes() {
    return std::as_writable_bytes(std::span(words_)).first(size_);
  }

  /// A word of the segment, counted from its root pointer; a little-endian machine is assumed.
  [[nodiscard]] std::uint64_t& word(std::size_t index) { return words_[header_bytes / 8 + index]; }
  [[nodiscard]] std::uint8_t& byte(std::size_t index) {
    return *(reinterpret_cast<std::uint8_t*>(words_.data()) + index);
  }

  void resize(std::size_t size) {
    words_.resize((size + 7) / 8);
    size_ = size;
  }

  void fix_checksum() {
    std::memset(bytes().data() + 8, 0, 4);
    const std::uint32_t checksum = crc32c_bit_by_bit(bytes());
    std::memcpy(bytes().data() + 8, &checksum, sizeof checksum);
  }

  /// Decodes as it stands.
  [[nodiscard]] tl::expected<void, drop_reason> decode(message& out) {
    return codec(test_cluster, 65504).decode(bytes(), out);
  }

  /// "ok", or the reason of the drop once the checksum fits again.
  [[nodiscard]] std::string_view outcome() {
    fix_checksum();
    message out;
    const auto decoded = decode(out);
    return decoded ? "ok" : to_string(decoded.error());
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_;
};

}  // namespace gossipmonger
