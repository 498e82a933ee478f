#include "wire/damage.hpp"

#include <algorithm>
#include <cstdint>

#include "core/exchange/packer.hpp"
#include "wire/crc32c.hpp"

namespace gossipmonger {

bool try_garble(std::span<std::byte> datagram, random_source& random) {
  // UDP adds up 16-bit words: it sees neither two of them swapped, nor a bit that goes from one to
  // the other. Equal words are no use for that: the next one that differs is taken.
  constexpr std::size_t word_bytes = 2;
  const std::size_t words = datagram.size() / word_bytes;
  if (words == 0) return false;
  const std::span<std::byte> one =
      datagram.subspan(word_bytes * static_cast<std::size_t>(random.below(words)), word_bytes);
  const auto first = static_cast<std::size_t>(random.below(words));
  const bool is_swap = random.below(2) == 0;
  const std::uint64_t bits = random.below(8 * word_bytes);
  for (std::size_t i = 0; i < words; ++i) {
    const std::span<std::byte> other =
        datagram.subspan(word_bytes * ((first + i) % words), word_bytes);
    if (std::equal(one.begin(), one.end(), other.begin())) continue;
    if (is_swap) {
      std::swap_ranges(one.begin(), one.end(), other.begin());
      return true;
    }
    for (std::uint64_t bit = bits;; ++bit) {
      const auto place = static_cast<std::size_t>(bit / 8 % word_bytes);
      const std::byte mask{static_cast<unsigned char>(1U << (bit % 8))};
      if ((one[place] & mask) == (other[place] & mask)) continue;
      one[place] ^= mask;
      other[place] ^= mask;
      return true;
    }
  }
  return false;  // all words are equal
}

bool try_mutate(std::span<std::byte> datagram, random_source& random) {
  // Behind magic, versions, and the cluster's id, so that somebody reads it.
  constexpr std::size_t kind_place = 2;
  constexpr std::size_t cookie_place = 12;
  if (datagram.size() < header_bytes) return false;
  for (std::uint64_t left = 1 + random.below(4); left > 0; --left) {
    std::size_t place = static_cast<std::size_t>(random.below(datagram.size() - 10));
    place = place < 2 ? kind_place + place : cookie_place + place - 2;
    const std::byte drawn{static_cast<unsigned char>(random.below(256))};
    const std::byte bit{static_cast<unsigned char>(1U << random.below(8))};
    datagram[place] = random.below(2) == 0 ? drawn : datagram[place] ^ bit;
  }
  for (std::size_t i = 0; i < 4; ++i) datagram[checksum_place + i] = std::byte{0};
  const std::uint32_t sum = crc32c(datagram);
  for (std::size_t i = 0; i < 4; ++i) {
    datagram[checksum_place + i] = std::byte{static_cast<unsigned char>(sum >> (8 * i))};
  }
  return true;
}

}  // namespace gossipmonger
