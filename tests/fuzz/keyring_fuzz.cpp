// Keyring files of any bytes: each is read or refused with a cause, which holds nothing of the
// file's words. Pieces of valid lines come in between, so that the reader gets far.
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "../seal/seal_sample.hpp"
#include "byte_source.hpp"
#include "fuzz.hpp"

namespace gossipmonger {
namespace {

void run(std::span<const std::uint8_t> input) {
  static const std::array<std::string, 10> pieces{"seal ",
                                                  "open ",
                                                  "plain ",
                                                  "accepted",
                                                  "sent",
                                                  "\n",
                                                  "# ",
                                                  "gmk1-",
                                                  sample_key_text(0x80),
                                                  sample_key_text(0x10)};
  byte_source from(input);
  std::string text;
  while (!from.is_empty()) {
    const std::size_t choice = from.below(pieces.size() + 2);
    if (choice < pieces.size()) {
      text += pieces[choice];
    } else {
      for (const std::uint8_t one : from.take(from.below(16))) text += static_cast<char>(one);
    }
  }
  const tl::expected<keyring, keyring_error> ring = parse_keyring(text);
  if (!ring) {
    const std::string told = ring.error().message();
    demand(!ring.error().cause.empty(), "a refusal has a cause");
    demand(told.find('\n') == std::string::npos, "a refusal is one line");
    for (const unsigned first : {0x80U, 0x10U}) {
      const std::string key = sample_key_text(first);
      for (std::size_t at = 5; at + 8 <= key.size(); at += 8) {
        demand(told.find(key.substr(at, 8)) == std::string::npos, "no part of a key is told");
      }
    }
    return;
  }
  demand(!ring->keys.empty() && ring->keys.size() <= keyring_keys_max, "1 to 8 keys");
  std::set<seal_key_id> ids;
  for (const auto& key : ring->keys) demand(ids.insert(key->id()).second, "no key is there twice");
}

}  // namespace
}  // namespace gossipmonger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gossipmonger::run({data, size});
  return 0;
}
