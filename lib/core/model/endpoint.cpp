#include "gossipmonger/endpoint.hpp"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <utility>

namespace gossipmonger {
namespace {

using address_bytes = std::array<std::uint8_t, 16>;

constexpr address_bytes mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};

/// Takes a number off the front of `text`. Decimal ones have no leading zeros (some readers take
/// those for octal), so that a number has one spelling.
std::optional<std::uint32_t> take_decimal(std::string_view& text, std::uint32_t most) {
  std::uint64_t number = 0;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    number = number * 10 + static_cast<std::uint64_t>(text[digits++] - '0');
    if (number > most) {
      return std::nullopt;
    }
  }
  if (digits == 0 || (digits > 1 && text[0] == '0')) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return static_cast<std::uint32_t>(number);
}

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) {
    return false;
  }
  text.remove_prefix(expected.size());
  return true;
}

int hex_digit(char letter) {
  if (letter >= '0' && letter <= '9') {
    return letter - '0';
  }
  if (letter >= 'a' && letter <= 'f') {
    return letter - 'a' + 10;
  }
  if (letter >= 'A' && letter <= 'F') {
    return letter - 'A' + 10;
  }
  return -1;
}

/// One group of an IPv6 address: one to four hexadecimal digits.
std::optional<std::uint16_t> take_group(std::string_view& text) {
  unsigned group = 0;
  std::size_t digits = 0;
  while (digits < text.size() && digits < 4 && hex_digit(text[digits]) >= 0) {
    group = group << 4 | static_cast<unsigned>(hex_digit(text[digits++]));
  }
  if (digits == 0) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return static_cast<std::uint16_t>(group);
}

/// a.b.c.d into four bytes at `out`; takes nothing where it fails.
bool take_v4(std::string_view& text, std::uint8_t* out) {
  std::string_view rest = text;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && !take(rest, ".")) {
      return false;
    }
    const std::optional<std::uint32_t> byte = take_decimal(rest, 255);
    if (!byte) {
      return false;
    }
    out[i] = static_cast<std::uint8_t>(*byte);
  }
  text = rest;
  return true;
}

/// The text forms of RFC 4291, section 2.2: full, with one "::", with a trailing IPv4 address.
bool take_v6(std::string_view& text, address_bytes& out) {
  address_bytes bytes{};
  std::size_t used = 0;
  std::optional<std::size_t> gap;
  if (take(text, "::")) {
    gap = 0;
  }
  while (used < 16) {
    if (used <= 12 && take_v4(text, bytes.data() + used)) {
      used += 4;
      break;
    }
    const std::optional<std::uint16_t> group = take_group(text);
    if (!group) {
      if (gap == used) {
        break;  // the address ends in "::"
      }
      return false;
    }
    bytes[used++] = static_cast<std::uint8_t>(*group >> 8);
    bytes[used++] = static_cast<std::uint8_t>(*group & 0xff);
    if (!gap && take(text, "::")) {
      gap = used;
    } else if (used == 16 || !take(text, ":")) {
      break;
    }
  }
  if (gap) {
    if (used == 16) {
      return false;  // "::" stands for at least one group
    }
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(*gap);
    const auto last = bytes.begin() + static_cast<std::ptrdiff_t>(used);
    std::fill(first, std::copy_backward(first, last, bytes.end()), std::uint8_t{0});
  } else if (used != 16) {
    return false;
  }
  out = bytes;
  return true;
}

std::uint16_t group_at(const address_bytes& address, std::size_t index) {
  return static_cast<std::uint16_t>(address[2 * index] << 8 | address[2 * index + 1]);
}

/// The longest run of two or more zero groups, the first of equals, as [begin, end).
std::pair<std::size_t, std::size_t> longest_zeros(const address_bytes& address) {
  std::pair<std::size_t, std::size_t> best{8, 8};
  for (std::size_t begin = 0; begin < 8; ++begin) {
    std::size_t end = begin;
    while (end < 8 && group_at(address, end) == 0) {
      ++end;
    }
    if (end - begin >= 2 && end - begin > best.second - best.first) {
      best = {begin, end};
    }
  }
  return best;
}

void append_hex(std::string& text, std::uint16_t group) {
  constexpr std::string_view digits = "0123456789abcdef";
  bool is_started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const std::size_t digit = static_cast<std::size_t>(group >> shift) & 0xf;
    is_started = is_started || digit != 0 || shift == 0;
    if (is_started) {
      text += digits[digit];
    }
  }
}

/// RFC 5952, section 4: lower case, no leading zeros, "::" for the longest run of zeros.
void append_v6(std::string& text, const address_bytes& address) {
  const auto [zeros_begin, zeros_end] = longest_zeros(address);
  for (std::size_t i = 0; i < 8;) {
    if (i == zeros_begin) {
      text += "::";
      i = zeros_end;
      continue;
    }
    if (i > 0 && i != zeros_end) {
      text += ':';
    }
    append_hex(text, group_at(address, i));
    ++i;
  }
}

}  // namespace

endpoint endpoint::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                      std::uint16_t port) {
  endpoint made;
  made.address = mapped_prefix;
  made.address[12] = a;
  made.address[13] = b;
  made.address[14] = c;
  made.address[15] = d;
  made.port = port;
  return made;
}

std::optional<endpoint> endpoint::parse(std::string_view text) {
  endpoint parsed;
  if (take(text, "[")) {
    if (!take_v6(text, parsed.address)) {
      return std::nullopt;
    }
    if (take(text, "%")) {
      const std::optional<std::uint32_t> scope = take_decimal(text, 0xffffffff);
      // 0 means none, which has a spelling of its own. Only a link-local address has an interface.
      if (!scope || *scope == 0 || !parsed.is_link_local()) {
        return std::nullopt;
      }
      parsed.scope = *scope;
    }
    if (!take(text, "]")) {
      return std::nullopt;
    }
  } else {
    parsed.address = mapped_prefix;
    if (!take_v4(text, parsed.address.data() + 12)) {
      return std::nullopt;
    }
  }
  if (!take(text, ":")) {
    return std::nullopt;
  }
  const std::optional<std::uint32_t> port = take_decimal(text, 0xffff);
  if (!port || !text.empty()) {
    return std::nullopt;
  }
  parsed.port = static_cast<std::uint16_t>(*port);
  return parsed;
}

bool endpoint::is_v4() const {
  return std::equal(mapped_prefix.begin(), mapped_prefix.begin() + 12, address.begin());
}

bool endpoint::is_wildcard() const {
  return address == address_bytes{} || address == mapped_prefix;
}

bool endpoint::is_loopback() const {
  if (is_v4()) {
    return address[12] == 127;
  }
  address_bytes loopback{};
  loopback[15] = 1;
  return address == loopback;
}

bool endpoint::is_multicast() const {
  return is_v4() ? (address[12] & 0xf0) == 0xe0 : address[0] == 0xff;
}

bool endpoint::is_routable() const {
  const bool is_broadcast = is_v4() && std::all_of(address.begin() + 12, address.end(),
                                                   [](std::uint8_t byte) { return byte == 0xff; });
  return port != 0 && !is_wildcard() && !is_multicast() && !is_broadcast;
}

std::string endpoint::to_string() const {
  std::string text;
  if (is_v4() && scope == 0) {
    for (std::size_t i = 12; i < 16; ++i) {
      text += std::to_string(address[i]);
      text += i < 15 ? "." : ":";
    }
  } else {
    text += '[';
    append_v6(text, address);
    if (scope != 0) {
      text += '%' + std::to_string(scope);
    }
    text += "]:";
  }
  text += std::to_string(port);
  return text;
}

std::ostream& operator<<(std::ostream& to, const endpoint& address) {
  return to << address.to_string();
}

}  // namespace gossipmonger
