#include "gossipmonger/hash.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace gossipmonger {
namespace {

// The fixed keys of the three things derived from a cluster's name. They are part of the protocol:
// every copy must agree on them. Public by nature; what they buy is that the three are unrelated.
const hash_key cluster_key_first{0x676f737369706d6f, 0x6e676572206b3020};   // "gossipmonger k0 "
const hash_key cluster_key_second{0x676f737369706d6f, 0x6e676572206b3120};  // "gossipmonger k1 "
const hash_key cluster_id_key{0x676f737369706d6f, 0x6e67657220696420};      // "gossipmonger id "

/// The 8 bytes at `from` as a little-endian number. Compiles to one load.
std::uint64_t load_word(const char* from) {
  std::array<unsigned char, 8> bytes;
  std::memcpy(bytes.data(), from, bytes.size());
  if constexpr (std::endian::native == std::endian::little) {
    return std::bit_cast<std::uint64_t>(bytes);
  } else {
    std::uint64_t word = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      word = word << 8 | bytes[i];
    }
    return word;
  }
}

struct sip_state {
  explicit sip_state(const hash_key& key)
      : v0(key.k0 ^ 0x736f6d6570736575),
        v1(key.k1 ^ 0x646f72616e646f6d),
        v2(key.k0 ^ 0x6c7967656e657261),
        v3(key.k1 ^ 0x7465646279746573) {}

  void mix() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  void absorb(std::uint64_t word) {
    v3 ^= word;
    mix();
    mix();
    v0 ^= word;
  }

  [[nodiscard]] std::uint64_t finish() {
    v2 ^= 0xff;
    mix();
    mix();
    mix();
    mix();
    return v0 ^ v1 ^ v2 ^ v3;
  }

  std::uint64_t v0, v1, v2, v3;
};

}  // namespace

std::uint64_t siphash(const hash_key& key, std::string_view bytes) {
  sip_state state(key);
  std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
  const std::size_t rest = bytes.size() % 8;
  const std::size_t whole = bytes.size() - rest;
  for (std::size_t at = 0; at < whole; at += 8) {
    state.absorb(load_word(bytes.data() + at));
  }
  if (whole != 0 && rest != 0) {
    // The last word overlaps the one before, of which the shift leaves nothing.
    last |= load_word(bytes.data() + bytes.size() - 8) >> (64 - 8 * rest);
  } else {
    for (std::size_t i = 0; i < rest; ++i) {
      last |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
  }
  state.absorb(last);
  return state.finish();
}

std::uint64_t siphash(const hash_key& key, const endpoint& address) {
  std::array<char, 22> bytes;  // address, port, scope; the numbers in network order
  std::memcpy(bytes.data(), address.address.data(), 16);
  bytes[16] = static_cast<char>(address.port >> 8);
  bytes[17] = static_cast<char>(address.port & 0xff);
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[18 + i] = static_cast<char>(address.scope >> (24 - 8 * i) & 0xff);
  }
  return siphash(key, std::string_view(bytes.data(), bytes.size()));
}

hash_key make_cluster_key(std::string_view cluster_name) {
  return {siphash(cluster_key_first, cluster_name), siphash(cluster_key_second, cluster_name)};
}

std::uint32_t make_cluster_id(std::string_view cluster_name) {
  return static_cast<std::uint32_t>(siphash(cluster_id_key, cluster_name) & 0xffffffff);
}

}  // namespace gossipmonger
