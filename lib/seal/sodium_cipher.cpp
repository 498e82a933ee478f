#include <cassert>

#include <sodium.h>

#include "seal/cipher.hpp"

namespace gossipmonger {
namespace {

static_assert(cipher_key_bytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(cipher_nonce_bytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(cipher_tag_bytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);

unsigned char* raw(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
const unsigned char* raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

bool has_cipher() {
  static const bool is_ready = sodium_init() >= 0;
  return is_ready;
}

const char* why_no_cipher() { return "libsodium cannot be initialized"; }

guarded_bytes::guarded_bytes(std::size_t size) {
  if (!has_cipher()) return;
  data_ = static_cast<std::byte*>(sodium_malloc(size));
  if (data_ != nullptr) size_ = size;
}

guarded_bytes::~guarded_bytes() { sodium_free(data_); }

bool guarded_bytes::try_set_read_only() { return sodium_mprotect_readonly(data_) == 0; }

void wipe(std::span<std::byte> secret) { sodium_memzero(secret.data(), secret.size()); }

void draw_random(std::span<std::byte> out) { randombytes_buf(out.data(), out.size()); }

std::uint32_t keyed_hash(std::span<const std::byte> key, std::string_view text) {
  unsigned char hash[32];
  crypto_generichash(hash, sizeof hash, reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), raw(key), key.size());
  return static_cast<std::uint32_t>(hash[0]) | static_cast<std::uint32_t>(hash[1]) << 8 |
         static_cast<std::uint32_t>(hash[2]) << 16 | static_cast<std::uint32_t>(hash[3]) << 24;
}

std::string to_base64(std::span<const std::byte> bytes) {
  constexpr int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), raw(bytes), bytes.size(), variant);
  text.pop_back();  // the terminating zero
  return text;
}

bool try_from_base64(std::string_view text, std::span<std::byte> out) {
  std::size_t size = 0;
  const int failed = sodium_base642bin(raw(out), out.size(), text.data(), text.size(), nullptr,
                                       &size, nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  return failed == 0 && size == out.size();
}

void encrypt(std::span<const std::byte> key, std::span<const std::byte> nonce,
             std::span<std::byte> room, std::size_t content_bytes) {
  assert(room.size() >= content_bytes + cipher_tag_bytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(room), nullptr, raw(room), content_bytes, nullptr,
                                             0, nullptr, raw(nonce), raw(key));
}

std::optional<std::size_t> try_decrypt(std::span<const std::byte> key,
                                       std::span<const std::byte> nonce,
                                       std::span<std::byte> room) {
  if (room.size() < cipher_tag_bytes) return std::nullopt;
  const int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
      raw(room), nullptr, nullptr, raw(room), room.size(), nullptr, 0, raw(nonce), raw(key));
  if (failed != 0) return std::nullopt;
  return room.size() - cipher_tag_bytes;
}

}  // namespace gossipmonger
