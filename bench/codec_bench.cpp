// Encode and decode alone: an idle digest of 45 entries, and a reply full of keys of 20 and values
// of 50 bytes. Besides, the checksum, and the cost of one datagram of a forger.

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/exchange/packer.hpp"
#include "wire/codec.hpp"
#include "wire/crc32c.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint32_t cluster = 1;
constexpr std::size_t budget = 1200 - seal_bytes;

struct wire_buffer {
  wire_buffer() : words(1200 / 8) {}
  [[nodiscard]] std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(words)); }

  std::vector<std::uint64_t> words;
};

// As many rows as a datagram holds, and more.
std::vector<packed_entry> make_rows() {
  std::vector<packed_entry> rows;
  digest_entry entry;
  entry.generation = 1'700'000'000'000;
  entry.max_version = 1000;
  entry.heartbeat = 5000;
  for (; rows.size() < 64; entry.name_hash += 0x0123456789abcd) rows.emplace_back(entry);
  return rows;
}

void fill_digest(message& m) {
  static const std::vector<packed_entry> rows = make_rows();
  packer pack(m, message_kind::digest, budget);
  pack.add_range(rows);
  m.known.lo = 0;
  m.known.hi = ~std::uint64_t{0};
  m.sender = m.known.range[10];
  m.receiver = m.known.range[20];
}

// Fills `m` to the last byte and returns the number of entries.
std::size_t fill_reply(message& m, std::vector<std::string>& texts) {
  packer pack(m, message_kind::reply, budget);
  m.sender.generation = 1'700'000'000'000;
  texts.clear();
  for (int i = 0; i < 20; ++i) {
    texts.push_back("service/shard/" + std::to_string(100000 + i));
    texts.push_back(std::string(50, static_cast<char>('a' + i)));
  }
  if (!pack.try_open_delta(7, m.sender.generation, position(41), 100000)) return 0;
  entry_view entry;
  entry.version = 41;
  for (std::size_t i = 0; i < texts.size(); i += 2) {
    ++entry.version;
    entry.key = texts[i];
    entry.value = texts[i + 1];
    if (!pack.try_add_entry(entry)) break;
  }
  return m.entries.size();
}

// Reports the time for one of `per_round` items.
void count_items(benchmark::State& state, std::size_t per_round) {
  const auto items = static_cast<double>(per_round) * static_cast<double>(state.iterations());
  state.counters["per_item"] =
      benchmark::Counter(items, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void encode(benchmark::State& state, const message& m, std::size_t items) {
  const codec wire(cluster, 1200);
  wire_buffer buffer;
  for (auto _ : state) benchmark::DoNotOptimize(wire.encode(m, buffer.bytes()));
  count_items(state, items);
}

void decode(benchmark::State& state, const message& m, std::size_t items) {
  const codec wire(cluster, 1200);
  wire_buffer buffer;
  const std::size_t size = wire.encode(m, buffer.bytes());
  message out;
  for (auto _ : state) {
    if (!wire.decode(buffer.bytes().first(size), out)) state.SkipWithError("refused");
  }
  count_items(state, items);
}

void encode_digest(benchmark::State& state) {
  message m;
  fill_digest(m);
  encode(state, m, m.known.range.size());
}
BENCHMARK(encode_digest);

void decode_digest(benchmark::State& state) {
  message m;
  fill_digest(m);
  decode(state, m, m.known.range.size());
}
BENCHMARK(decode_digest);

void encode_reply(benchmark::State& state) {
  message m;
  std::vector<std::string> texts;
  encode(state, m, fill_reply(m, texts));
}
BENCHMARK(encode_reply);

void decode_reply(benchmark::State& state) {
  message m;
  std::vector<std::string> texts;
  decode(state, m, fill_reply(m, texts));
}
BENCHMARK(decode_reply);

void checksum_of_1160_bytes(benchmark::State& state) {
  wire_buffer buffer;
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(buffer.bytes().first(1160)));
}
BENCHMARK(checksum_of_1160_bytes);

void checksum_of_1160_bytes_by_table(benchmark::State& state) {
  wire_buffer buffer;
  for (auto _ : state) benchmark::DoNotOptimize(crc32c_by_table(buffer.bytes().first(1160)));
}
BENCHMARK(checksum_of_1160_bytes_by_table);

// The worst datagram of a forger that knows the format: its checksum is valid, and its last pointer
// is out of bounds, so that Cap'n Proto throws.
void refuse_malformed(benchmark::State& state) {
  message m;
  std::vector<std::string> texts;
  fill_reply(m, texts);
  const codec wire(cluster, 1200);
  wire_buffer buffer;
  const std::span bytes = buffer.bytes().first(wire.encode(m, buffer.bytes()));
  constexpr std::size_t columns_pointer = header_bytes / 8 + 15;
  buffer.words[columns_pointer] |= std::uint64_t{0x1fffffff} << 35;
  std::memset(bytes.data() + 8, 0, 4);
  const std::uint32_t checksum = crc32c(bytes);
  std::memcpy(bytes.data() + 8, &checksum, sizeof checksum);

  message out;
  for (auto _ : state) {
    const auto decoded = wire.decode(bytes, out);
    if (decoded || decoded.error() != drop_reason::malformed) state.SkipWithError("not malformed");
  }
}
BENCHMARK(refuse_malformed);

}  // namespace
}  // namespace gossipmonger

BENCHMARK_MAIN();
