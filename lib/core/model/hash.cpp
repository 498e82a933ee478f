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

/// SipHash with so many rounds a word, and so many at the end.
template <int Compression, int Finalization>
class sip_state {
 public:
  explicit sip_state(const hash_key& key)
      : v0_(key.k0 ^ 0x736f6d6570736575),
        v1_(key.k1 ^ 0x646f72616e646f6d),
        v2_(key.k0 ^ 0x6c7967656e657261),
        v3_(key.k1 ^ 0x7465646279746573) {}

  void absorb(std::uint64_t word) {
    v3_ ^= word;
    for (int i = 0; i < Compression; ++i) mix();
    v0_ ^= word;
  }

  [[nodiscard]] std::uint64_t finish() {
    v2_ ^= 0xff;
    for (int i = 0; i < Finalization; ++i) mix();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void mix() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

template <class State>
std::uint64_t hash_bytes(const hash_key& key, std::string_view bytes) {
  State state(key);
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

}  // namespace

std::uint64_t siphash(const hash_key& key, std::string_view bytes) {
  return hash_bytes<sip_state<2, 4>>(key, bytes);
}

std::uint64_t siphash_1_3(const hash_key& key, std::string_view bytes) {
  return hash_bytes<sip_state<1, 3>>(key, bytes);
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
