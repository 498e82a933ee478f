// memory_storage alone, from 1,000 to 1,000,000 keys of 20 bytes with values of 50. It measures a
// put, a look-up, a step of either order, a seek to any number, and the memory of a key. Times are
// per key. "shuffled" orders differ from the order the records were made in, as after long use:
// their steps are paid in cache misses.

#include <malloc.h>

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {
namespace {

const std::string value_bytes(50, 'v');

/// Keys side by side in the order they are used, so that fetching them costs the bench no miss.
class key_list {
 public:
  explicit key_list(std::size_t count) : order_(count) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    write();
  }

  void shuffle() {
    random_source(1).shuffle(std::span<std::size_t>(order_));
    write();
  }

  [[nodiscard]] std::size_t size() const { return order_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t at) const {
    return std::string_view(bytes_).substr(at * 20, 20);
  }

 private:
  void write() {
    bytes_.clear();
    for (const std::size_t number : order_) {
      const std::string digits = std::to_string(number);
      bytes_ += "service/" + std::string(12 - digits.size(), '0') + digits;
    }
  }

  std::vector<std::size_t> order_;
  std::string bytes_;
};

struct filled_storage {
  explicit filled_storage(std::size_t count) : keys(count) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      put(keys[i]);
    }
  }

  void put(std::string_view key) {
    entry_view entry;
    entry.key = key;
    entry.value = value_bytes;
    entry.version = ++number;
    entry.sequence = number;
    if (!storage.put(0, entry)) {
      std::abort();
    }
  }

  void rewrite_shuffled() {
    keys.shuffle();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      put(keys[i]);
    }
  }

  memory_storage storage;
  key_list keys;
  std::uint64_t number = 0;
};

std::size_t count_of(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

/// Reports `iterations * batch` keys as the time of one.
void report_per_key(benchmark::State& state, std::size_t batch) {
  const auto keys = static_cast<double>(state.iterations()) * static_cast<double>(batch);
  state.counters["per_key"] =
      benchmark::Counter(keys, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void put_new(benchmark::State& state) {
  const key_list keys(count_of(state));
  for (auto _ : state) {
    memory_storage storage;
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      entry_view entry;
      entry.key = keys[i];
      entry.value = value_bytes;
      entry.version = ++number;
      entry.sequence = number;
      benchmark::DoNotOptimize(storage.put(0, entry));
    }
    state.PauseTiming();
    {
      const memory_storage gone = std::move(storage);
    }
    state.ResumeTiming();
  }
  report_per_key(state, keys.size());
}

void put_over(benchmark::State& state) {
  filled_storage filled(count_of(state));
  filled.keys.shuffle();
  std::size_t at = 0;
  for (auto _ : state) {
    filled.put(filled.keys[at]);
    at = at + 1 == filled.keys.size() ? 0 : at + 1;
  }
  report_per_key(state, 1);
}

void find(benchmark::State& state) {
  filled_storage filled(count_of(state));
  filled.keys.shuffle();
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(filled.storage.find(0, filled.keys[at]));
    at = at + 1 == filled.keys.size() ? 0 : at + 1;
  }
  report_per_key(state, 1);
}

void walk_versions_of(benchmark::State& state, const filled_storage& filled) {
  for (auto _ : state) {
    std::uint64_t version = 0;
    while (const std::optional<entry_view> next = filled.storage.first_above(0, version)) {
      version = next->version;
    }
    benchmark::DoNotOptimize(version);
  }
  report_per_key(state, filled.keys.size());
}

void walk_versions(benchmark::State& state) {
  const filled_storage filled(count_of(state));
  walk_versions_of(state, filled);
}

void walk_versions_shuffled(benchmark::State& state) {
  filled_storage filled(count_of(state));
  filled.rewrite_shuffled();
  walk_versions_of(state, filled);
}

void walk_changes(benchmark::State& state) {
  const filled_storage filled(count_of(state));
  for (auto _ : state) {
    std::uint64_t sequence = 0;
    while (const std::optional<changed_entry> next = filled.storage.first_changed(sequence)) {
      sequence = next->entry.sequence;
    }
    benchmark::DoNotOptimize(sequence);
  }
  report_per_key(state, filled.keys.size());
}

/// A peer's digest may name any version: here each time another, with holes all over the order.
void seek_version(benchmark::State& state) {
  filled_storage filled(count_of(state));
  filled.rewrite_shuffled();
  random_source draw(2);
  for (std::size_t i = 0; i < filled.keys.size() / 4; ++i) {
    filled.put(filled.keys[static_cast<std::size_t>(draw.below(filled.keys.size()))]);
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(filled.storage.first_above(0, draw.below(filled.number)));
  }
  report_per_key(state, 1);
}

void drop_and_purge(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    filled_storage filled(count_of(state));
    state.ResumeTiming();
    filled.storage.purge(filled.storage.drop_upto(0, filled.number, filled.number));
    state.PauseTiming();
    {
      const filled_storage gone = std::move(filled);
    }
    state.ResumeTiming();
  }
  report_per_key(state, count_of(state));
}

void forget(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    filled_storage filled(count_of(state));
    state.ResumeTiming();
    filled.storage.forget(0);
    state.PauseTiming();
    {
      const filled_storage gone = std::move(filled);
    }
    state.ResumeTiming();
  }
  report_per_key(state, count_of(state));
}

/// As malloc sees it, its own overhead included.
std::size_t used_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void memory_per_key(benchmark::State& state) {
  const key_list keys(count_of(state));
  std::size_t filled = 0;
  std::size_t rewritten = 0;
  for (auto _ : state) {
    const std::size_t before = used_bytes();
    memory_storage storage;
    std::uint64_t number = 0;
    for (int pass = 0; pass < 3; ++pass) {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        entry_view entry;
        entry.key = keys[i];
        entry.value = value_bytes;
        entry.version = ++number;
        entry.sequence = number;
        benchmark::DoNotOptimize(storage.put(0, entry));
      }
      (pass == 0 ? filled : rewritten) = used_bytes() - before;
    }
  }
  const auto count = static_cast<double>(keys.size());
  state.counters["bytes_per_key"] = static_cast<double>(filled) / count;
  state.counters["bytes_per_key_rewritten"] = static_cast<double>(rewritten) / count;
}

void sizes(benchmark::internal::Benchmark* registered) {
  registered->RangeMultiplier(10)->Range(1'000, 1'000'000);
}

BENCHMARK(put_new)->Apply(sizes);
BENCHMARK(put_over)->Apply(sizes);
BENCHMARK(find)->Apply(sizes);
BENCHMARK(walk_versions)->Apply(sizes);
BENCHMARK(walk_versions_shuffled)->Apply(sizes);
BENCHMARK(walk_changes)->Apply(sizes);
BENCHMARK(seek_version)->Apply(sizes);
BENCHMARK(drop_and_purge)->Apply(sizes)->Iterations(3);
BENCHMARK(forget)->Apply(sizes)->Iterations(3);
BENCHMARK(memory_per_key)->Apply(sizes)->Iterations(1);

}  // namespace
}  // namespace gossipmonger

BENCHMARK_MAIN();
