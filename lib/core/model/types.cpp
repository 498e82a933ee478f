#include "gossipmonger/types.hpp"

#include <algorithm>
#include <cstring>

namespace gossipmonger {
namespace {

/// The meaning of the first byte of a UTF-8 sequence. `lowest` is the lowest code point that needs
/// so many bytes: below it, the sequence is overlong. RFC 3629, section 3.
struct lead_byte {
  std::size_t following;
  char32_t bits;
  char32_t lowest;
};

constexpr std::size_t not_a_lead = 4;

lead_byte read_lead(unsigned char byte) {
  if (byte < 0x80) {
    return {0, byte, 0};
  }
  if (byte >= 0xc0 && byte < 0xe0) {
    return {1, byte & 0x1fU, 0x80};
  }
  if (byte >= 0xe0 && byte < 0xf0) {
    return {2, byte & 0x0fU, 0x800};
  }
  if (byte >= 0xf0 && byte < 0xf8) {
    return {3, byte & 0x07U, 0x10000};
  }
  return {not_a_lead, 0, 0};
}

bool is_control(char32_t point) { return point < 0x20 || (point >= 0x7f && point < 0xa0); }

bool is_surrogate(char32_t point) { return point >= 0xd800 && point < 0xe000; }

/// Whether eight bytes all lie in 0x20 .. 0x7e: else one of them has its highest bit set, or gets
/// it where 0x20 is taken away, or 1 added.
bool is_printable_word(std::uint64_t word) {
  constexpr std::uint64_t each = 0x0101010101010101;
  return ((word | (word - each * 0x20) | (word + each)) & each * 0x80) == 0;
}

/// Nearly every name and key is: eight bytes at a time.
bool is_printable_ascii(std::string_view text) {
  std::uint64_t word = 0x2020202020202020;
  if (text.size() < sizeof word) {
    std::memcpy(&word, text.data(), text.size());
    return is_printable_word(word);
  }
  const std::size_t last = text.size() - sizeof word;  // overlaps the word before
  for (std::size_t at = 0; at < last; at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if (!is_printable_word(word)) {
      return false;
    }
  }
  std::memcpy(&word, text.data() + last, sizeof word);
  return is_printable_word(word);
}

}  // namespace

bool is_valid_name(std::string_view text) {
  if (text.empty() || text.size() > name_bytes_max) {
    return false;
  }
  if (is_printable_ascii(text)) {
    return true;
  }
  for (std::size_t at = 0; at < text.size();) {
    const lead_byte lead = read_lead(static_cast<unsigned char>(text[at++]));
    if (lead.following == not_a_lead || lead.following > text.size() - at) {
      return false;
    }
    char32_t point = lead.bits;
    for (std::size_t i = 0; i < lead.following; ++i) {
      const auto byte = static_cast<unsigned char>(text[at++]);
      if ((byte & 0xc0) != 0x80) {
        return false;
      }
      point = point << 6 | (byte & 0x3fU);
    }
    if (point < lead.lowest || point > 0x10ffff || is_surrogate(point) || is_control(point)) {
      return false;
    }
  }
  return true;
}

std::uint8_t common_wire_version(const wire_range& one, const wire_range& other) {
  const std::uint8_t highest = std::min(one.highest, other.highest);
  return highest >= std::max(one.lowest, other.lowest) ? highest : std::uint8_t{0};
}

}  // namespace gossipmonger
