// Any valid message encodes to the size that the packer's model says, and decodes to itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../wire/sample_message.hpp"
#include "fuzz.hpp"
#include "message_maker.hpp"
#include "wire_bytes.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint32_t cluster = 0x11223344;

void run(std::span<const std::uint8_t> input) {
  static message_maker maker{vocabulary()};
  static wire_bytes wire;
  static message made;
  static message decoded;
  byte_source from(input);
  maker.fill(from, made);
  const std::size_t size = encoded_bytes(made);
  if (size > datagram_bytes_ceiling) return;
  const codec format(cluster, datagram_bytes_ceiling);

  wire.encode(format, made);

  demand(wire.bytes().size() == std::max(size, made.padded_bytes), "the size model is exact");
  demand(format.decode(wire.bytes(), decoded).has_value(), "what is encoded decodes");
  demand(is_same(decoded, made), "what is encoded decodes to the same");
  demand(encoded_bytes(decoded) == size, "and has the same size");
}

}  // namespace
}  // namespace gossipmonger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gossipmonger::run({data, size});
  return 0;
}
