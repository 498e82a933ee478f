// The functions of libsodium that the seal needs, and nothing else of it. A build without libsodium
// has others of the same names, which fail.
//
// Source: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), BLAKE2b (RFC 7693).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gossipmonger {

inline constexpr std::size_t cipher_key_bytes = 32;
inline constexpr std::size_t cipher_nonce_bytes = 24;
inline constexpr std::size_t cipher_tag_bytes = 16;

/// Whether the functions below work. Thread-safe.
[[nodiscard]] bool has_cipher();
/// The cause where they do not: "built without libsodium".
[[nodiscard]] const char* why_no_cipher();

/// Memory for secrets: between guard pages, left out of core dumps, wiped at its end. It is locked
/// as far as RLIMIT_MEMLOCK allows; beyond that it may reach the swap. A resource; empty where the
/// system has none.
class guarded_bytes {
 public:
  explicit guarded_bytes(std::size_t size);
  guarded_bytes(const guarded_bytes&) = delete;
  guarded_bytes& operator=(const guarded_bytes&) = delete;
  ~guarded_bytes();

  [[nodiscard]] std::span<std::byte> bytes() { return {data_, size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// A write to it ends the process from now on. False where the system refuses that.
  [[nodiscard]] bool try_set_read_only();

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

void wipe(std::span<std::byte> secret);
void draw_random(std::span<std::byte> out);

/// The first four bytes of BLAKE2b-256 of `text` under `key`, as a little-endian number.
[[nodiscard]] std::uint32_t keyed_hash(std::span<const std::byte> key, std::string_view text);

/// Encodes to base64url without padding.
[[nodiscard]] std::string to_base64(std::span<const std::byte> bytes);
/// Decodes exactly `out.size()` bytes of base64url without padding; false for any other text.
[[nodiscard]] bool try_from_base64(std::string_view text, std::span<std::byte> out);

/// Encrypts `content_bytes` at the start of `room` in place, and writes the tag behind them.
///   expects: room has cipher_tag_bytes more than the content
void encrypt(std::span<const std::byte> key, std::span<const std::byte> nonce,
             std::span<std::byte> room, std::size_t content_bytes);
/// The reverse; the content's size. Nothing where the tag does not hold: no content comes out, but
/// the bytes of `room` may have been overwritten.
[[nodiscard]] std::optional<std::size_t> try_decrypt(std::span<const std::byte> key,
                                                     std::span<const std::byte> nonce,
                                                     std::span<std::byte> room);

}  // namespace gossipmonger
