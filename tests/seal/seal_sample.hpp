// Keys, rings and sealed datagrams for tests of the seal.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gossipmonger/keyring.hpp"
#include "seal/key_access.hpp"
#include "seal/sealer.hpp"

namespace gossipmonger {

using byte_list = std::vector<std::byte>;

/// The key whose bytes count up from `first`.
inline std::shared_ptr<const seal_key> sample_key(unsigned first = 0x80) {
  byte_list raw(32);
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::byte>(first + i);
  return seal_key_access::make(raw);
}

/// The same as it stands in a keyring file.
inline std::string sample_key_text(unsigned first = 0x80) {
  return key_text(seal_key_access::bytes_of(*sample_key(first)));
}

/// The first of `firsts` seals.
inline keyring sample_ring(std::initializer_list<unsigned> firsts = {0x80}) {
  keyring ring;
  for (const unsigned first : firsts) ring.keys.push_back(sample_key(first));
  return ring;
}

inline constexpr std::chrono::seconds sample_date{1'800'000'000};

inline seal_time at(std::chrono::nanoseconds wall, std::chrono::nanoseconds steady = {}) {
  return seal_time(steady, wall);
}

/// The datagram that `from` makes of `content` at the sample's date.
inline byte_list sealed_by(sealer& from, std::string_view content,
                           std::chrono::nanoseconds wall = sample_date) {
  byte_list room(seal_head_bytes + content.size() + seal_tag_bytes);
  const auto source = std::as_bytes(std::span(content));
  std::copy(source.begin(), source.end(), room.begin() + seal_head_bytes);
  const std::span<const std::byte> made = from.seal(room, content.size(), at(wall));
  return byte_list(made.begin(), made.end());
}

/// The content that `by` finds in `datagram`, or the name of the drop in angle brackets.
inline std::string opened_by(sealer& by, byte_list datagram,
                             const seal_time& now = at(sample_date)) {
  const auto content = by.open(datagram, now);
  if (!content) return "<" + std::string(to_string(content.error())) + ">";
  return std::string(reinterpret_cast<const char*>(content->data()), content->size());
}

}  // namespace gossipmonger
