// A build without libsodium: no keyring can be made, so no key comes here.
#include <algorithm>

#include "seal/cipher.hpp"

namespace gossipmonger {

bool has_cipher() { return false; }
const char* why_no_cipher() { return "built without libsodium"; }

guarded_bytes::guarded_bytes(std::size_t) {}
// A body, though it is empty: the header serves the build with libsodium too, where it wipes.
guarded_bytes::~guarded_bytes() {}
bool guarded_bytes::try_set_read_only() { return true; }

void wipe(std::span<std::byte> secret) {
  // Through volatile, or the compiler may leave it out.
  for (volatile std::byte& each : secret) each = std::byte{0};
}

void draw_random(std::span<std::byte> out) { std::fill(out.begin(), out.end(), std::byte{0}); }
std::uint32_t keyed_hash(std::span<const std::byte>, std::string_view) { return 0; }
std::string to_base64(std::span<const std::byte>) { return {}; }
bool try_from_base64(std::string_view, std::span<std::byte>) { return false; }
void encrypt(std::span<const std::byte>, std::span<const std::byte>, std::span<std::byte>,
             std::size_t) {}
std::optional<std::size_t> try_decrypt(std::span<const std::byte>, std::span<const std::byte>,
                                       std::span<std::byte>) {
  return std::nullopt;
}

}  // namespace gossipmonger
