// Vectors of SipHash-2-4: the paper's appendix A (15 bytes) and the authors' vectors.h; the values
// of derived keys come from a separate implementation in Python.
#include "gossipmonger/hash.hpp"

#include <doctest/doctest.h>

#include <string>

using gossipmonger::endpoint;
using gossipmonger::hash_key;
using gossipmonger::make_cluster_id;
using gossipmonger::make_cluster_key;
using gossipmonger::siphash;
using gossipmonger::siphash_1_3;

namespace {

// Bytes 00 01 ... 0f, read as two little-endian words.
const hash_key paper_key(0x0706050403020100, 0x0f0e0d0c0b0a0908);

std::string ascending_bytes(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) {
    bytes += static_cast<char>(i);
  }
  return bytes;
}

}  // namespace

TEST_CASE("hash: SipHash gives the vector of the paper") {
  CHECK(siphash(paper_key, ascending_bytes(15)) == 0xa129ca6149be45e5);
}

TEST_CASE("hash: SipHash gives its authors' vectors at the edges of a word") {
  CHECK(siphash(paper_key, "") == 0x726fdb47dd0e0e31);
  CHECK(siphash(paper_key, ascending_bytes(1)) == 0x74f839c593dc67fd);
  CHECK(siphash(paper_key, ascending_bytes(7)) == 0xab0200f58b01d137);
  CHECK(siphash(paper_key, ascending_bytes(8)) == 0x93f5f5799a932462);
  CHECK(siphash(paper_key, ascending_bytes(16)) == 0x3f2acc7f57c29bdb);
  CHECK(siphash(paper_key, ascending_bytes(63)) == 0x958a324ceb064572);
}

TEST_CASE("hash: SipHash-1-3 gives the vectors of its reference implementation") {
  CHECK(siphash_1_3(hash_key(), "") == 0xd1fba762150c532c);
  CHECK(siphash_1_3(hash_key(), ascending_bytes(1)) == 0x68a914128e01e473);
  CHECK(siphash_1_3(paper_key, "") == 0xabac0158050fc4dc);
}

TEST_CASE("hash: bytes above 127 are not sign-extended") {
  CHECK(siphash(paper_key, "\x80") != siphash(paper_key, std::string_view("\x80\xff", 2)));
  CHECK(siphash(hash_key(1, 2), "\xff") == 0x926f00522bf33eea);
}

TEST_CASE("hash: an endpoint is hashed as address, port and scope in network order") {
  endpoint address = endpoint::v4(10, 1, 2, 3, 7000);
  address.scope = 5;

  const std::string bytes =
      std::string(10, '\0') + "\xff\xff\x0a\x01\x02\x03\x1b\x58" + std::string(3, '\0') + "\x05";
  CHECK(siphash(paper_key, address) == siphash(paper_key, bytes));
  CHECK(siphash(paper_key, address) == 0xce139e0de0a15b4f);
}

TEST_CASE("hash: endpoints that differ in one field differ in hash") {
  const endpoint address = endpoint::v4(10, 1, 2, 3, 7000);
  endpoint scoped = address;
  scoped.scope = 1;

  CHECK(siphash(paper_key, address) != siphash(paper_key, scoped));
  CHECK(siphash(paper_key, address) != siphash(paper_key, endpoint::v4(10, 1, 2, 3, 7001)));
  CHECK(siphash(paper_key, address) != siphash(paper_key, endpoint::v4(10, 1, 2, 4, 7000)));
}

TEST_CASE("hash: key and id of a cluster come from its name") {
  const hash_key key = make_cluster_key("production");

  CHECK(key.k0 == 0xaaa5d70a76c4ba2c);
  CHECK(key.k1 == 0xb52c1ddc2d558e5c);
  CHECK(make_cluster_id("production") == 0x0a9c25f9);
  CHECK(make_cluster_id("") == 0x1d33a8fa);
  CHECK(make_cluster_key("staging").k0 != key.k0);
}
