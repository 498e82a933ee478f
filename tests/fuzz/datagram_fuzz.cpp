// Fuzzes the codec with bytes as they come from a socket. Header and body decode to a message or to
// the reason of a drop (I8), and the datagram's size bounds the memory. A message that decodes
// encodes again to the same message.
#include <cstddef>
#include <cstdint>
#include <span>

#include "../wire/sample_message.hpp"
#include "fuzz.hpp"
#include "wire_bytes.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint32_t cluster = 0x11223344;

void check_size(const message& m, std::size_t bytes) {
  const std::size_t entries = m.known.range.size() + m.known.extra.size() +
                              m.known.unwanted.size() + m.heartbeats.size() + m.requests.size();
  demand(24 * entries <= bytes, "no more digest entries than the datagram has room for");
  demand(sum_bytes * m.sums.size() <= bytes, "no more sums than the datagram has room for");
  demand(2 * m.entries.size() <= bytes, "no more entries than the datagram has room for");
  demand(8 * (m.identities.size() + m.deltas.size()) <= bytes, "no list without a size");
}

void run(std::span<const std::uint8_t> input) {
  static wire_bytes wire;
  static wire_bytes again;
  static message decoded;
  static message twice;
  if (input.empty()) return;
  const codec format(cluster, datagram_bytes_ceiling);
  const codec narrow(cluster, datagram_bytes_floor);

  // The first byte says how much of the header is made to fit.
  const std::uint8_t mode = input.front() % 4;
  wire.assign(input.subspan(1));
  if (mode == 1) wire.fix_checksum();
  if (mode >= 2) wire.repair(cluster);
  const auto outcome = format.decode(wire.bytes(), decoded);

  const bool is_dropped_as_cluster = !outcome && outcome.error() == drop_reason::cluster;
  demand(is_dropped_as_cluster || !format.is_of_another_cluster(wire.bytes()),
         "of another cluster is only what is dropped for that");
  if (!outcome) {
    demand(!narrow.decode(wire.bytes(), twice), "what one size refuses, a smaller one refuses");
    return;
  }
  check_size(decoded, wire.bytes().size());
  // A struct may be written short, without the defaults at its end; no word is read twice.
  demand(encoded_bytes(decoded) <= 4 * wire.bytes().size() + 200, "decoding amplifies little");
  if (encoded_bytes(decoded) > datagram_bytes_ceiling) return;
  again.encode(format, decoded);
  demand(format.decode(again.bytes(), twice).has_value(), "what decodes encodes again");
  demand(is_same(twice, decoded), "what decodes encodes again to the same");
}

}  // namespace
}  // namespace gossipmonger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gossipmonger::run({data, size});
  return 0;
}
