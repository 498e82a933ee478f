#include "bytes.hpp"

#include <algorithm>
#include <cstdint>

namespace gossipmonger {

namespace {

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

/// The length of a character by its first byte; 0: nothing begins with it.
std::size_t size_by_lead(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/// Bytes of the UTF-8 character (RFC 3629, section 4) that `bytes` begins with; 0 if none does.
std::size_t character_size(std::string_view bytes) {
  const std::uint8_t lead = byte_at(bytes, 0);
  const std::size_t size = size_by_lead(lead);
  if (size == 1) return 1;
  if (size == 0 || bytes.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte_at(bytes, i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies above U+10FFFF, all told by the second byte.
  const std::uint8_t second = byte_at(bytes, 1);
  const bool is_allowed = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second > 0x9f) &&
                          !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second > 0x8f);
  return is_allowed ? size : 0;
}

/// U+0000-001F, U+007F, and U+0080-009F, which terminals obey too.
bool is_control(std::string_view character) {
  const std::uint8_t lead = byte_at(character, 0);
  return lead < 0x20 || lead == 0x7f || (lead == 0xc2 && byte_at(character, 1) < 0xa0);
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = character_size(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8) | (j < count ? byte_at(bytes, i + j) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? digits[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
  return text;
}

std::string escaped(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t size = std::max<std::size_t>(1, character_size(bytes));
    const std::string_view character = bytes.substr(0, size);
    if (character_size(bytes) != 0 && !is_control(character)) {
      text += character;
    } else {
      for (std::size_t i = 0; i < size; ++i) {
        text += "\\x";
        text += digits[byte_at(character, i) >> 4];
        text += digits[byte_at(character, i) & 15];
      }
    }
    bytes.remove_prefix(size);
  }
  return text;
}

std::string in_quotes(std::string_view bytes) {
  constexpr std::size_t bytes_max = 64;
  if (bytes.size() <= bytes_max) return "\"" + escaped(bytes) + "\"";
  std::size_t kept = bytes_max;  // no character is cut in two
  while (kept > bytes_max - 3 && (byte_at(bytes, kept) & 0xc0) == 0x80) --kept;
  return "\"" + escaped(bytes.substr(0, kept)) + "...\" (" + std::to_string(bytes.size()) +
         " bytes)";
}

std::size_t columns(std::string_view text) {
  const auto is_start = [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0) != 0x80; };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_start));
}

}  // namespace gossipmonger
