// Datagrams as a sealed node gets them. Each is opened or dropped for a reason. Only a genuine one
// is opened, and only once; all others leave no sender behind.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../seal/seal_sample.hpp"
#include "byte_source.hpp"
#include "fuzz.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint64_t instance = 7;

std::uint64_t total(const seal_counters& counted) {
  std::uint64_t sum = counted.opened + counted.plain_opened;
  for (const std::uint64_t one : counted.drops) sum += one;
  return sum;
}

/// Genuine datagrams that the input changes, repeats and reorders.
void run(std::span<const std::uint8_t> input) {
  byte_source from(input);
  keyring ring = sample_ring({0x80, 0x10});
  if (from.flag()) ring.plain = plain_policy::accepted;
  sealer sender(sample_ring({0x80}), [] { return instance; });
  sealer receiver(ring, [] { return instance + 1; });
  std::vector<byte_list> genuine;
  std::vector<bool> was_opened;
  for (std::uint64_t looked = 1; !from.is_empty(); ++looked) {
    byte_list datagram;
    std::size_t which = from.below(8);
    if (which < 2) {
      for (const std::uint8_t one : from.take(from.number(2000))) {
        datagram.push_back(static_cast<std::byte>(one));
      }
    } else {
      genuine.push_back(sealed_by(sender, "content"));
      was_opened.push_back(false);
      which = from.below(genuine.size());
      datagram = genuine[which];
      if (from.flag()) datagram[from.below(datagram.size())] = static_cast<std::byte>(from.byte());
      if (from.byte() % 8 == 0) datagram.resize(from.below(datagram.size() + 1));
    }
    const bool is_genuine = which < genuine.size() && datagram == genuine[which];
    const std::size_t known = receiver.counters().instances;
    const auto content = receiver.open(datagram, at(sample_date));
    demand(total(receiver.counters()) == looked, "each datagram is counted once");
    if (!content) {
      demand(receiver.counters().instances == known, "a drop leaves no sender behind");
      demand(!is_genuine || was_opened[which], "a genuine datagram is opened");
      continue;
    }
    if (!receiver.last_key()) {
      demand(ring.plain == plain_policy::accepted, "plain datagrams are taken where they may be");
      continue;
    }
    demand(is_genuine, "only a genuine datagram is opened");
    demand(!was_opened[which], "none is opened twice");
    was_opened[which] = true;
  }
}

}  // namespace
}  // namespace gossipmonger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gossipmonger::run({data, size});
  return 0;
}
