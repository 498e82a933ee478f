// The way to the bytes of a key, for the library's own files. A class of static functions.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gossipmonger/keyring.hpp"
#include "seal/cipher.hpp"

namespace gossipmonger {

class seal_key::memory {
 public:
  memory() : bytes(cipher_key_bytes) {}

  guarded_bytes bytes;
};

class seal_key_access {
 public:
  /// A key of these 32 bytes; null where the system has no memory for it, or cannot protect that.
  [[nodiscard]] static std::shared_ptr<const seal_key> make(std::span<const std::byte> bytes);
  [[nodiscard]] static std::span<const std::byte> bytes_of(const seal_key& key) {
    return std::as_const(*key.secret_).bytes.bytes();
  }
};

/// "gmk1-" and 48 characters for the 32 bytes and four of check sum.
[[nodiscard]] std::string key_text(std::span<const std::byte> bytes);

}  // namespace gossipmonger
