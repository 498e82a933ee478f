// The cost of handing an event to its reader: batches of updates, read by view straight from the
// core, and by a coroutine from a subscription. Times are per event; `allocations` counts what the
// readers asked of `operator new` in the timed part, per event.

#include <time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "core/protocol.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/node.hpp"

namespace {

std::uint64_t allocations = 0;  // of this thread's only: there is no other

void* allocate(std::size_t bytes) {
  ++allocations;
  if (void* const room = std::malloc(bytes == 0 ? 1 : bytes)) return room;
  throw std::bad_alloc();
}

void* allocate_aligned(std::size_t bytes, std::align_val_t alignment) {
  ++allocations;
  const auto align = static_cast<std::size_t>(alignment);
  if (void* const room = std::aligned_alloc(align, (bytes + align - 1) / align * align)) {
    return room;
  }
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate_aligned(bytes, alignment);
}
void operator delete(void* room) noexcept { std::free(room); }
void operator delete[](void* room) noexcept { std::free(room); }
void operator delete(void* room, std::size_t) noexcept { std::free(room); }
void operator delete[](void* room, std::size_t) noexcept { std::free(room); }
void operator delete(void* room, std::align_val_t) noexcept { std::free(room); }
void operator delete(void* room, std::size_t, std::align_val_t) noexcept { std::free(room); }

namespace gossipmonger {
namespace {

constexpr std::size_t batch = 1000;

/// Keys of 20 bytes, and values of 50 that differ from run to run.
class writer {
 public:
  writer() {
    for (std::size_t i = 0; i < batch; ++i) {
      std::string digits = std::to_string(i);
      keys_.push_back("service/" + std::string(12 - digits.size(), '0') + digits);
    }
  }

  template <class Node>
  void write_batch(Node& node) {
    std::string value = std::to_string(++run_);
    value.resize(50, 'v');
    for (const std::string& key : keys_) {
      if (!node.set(key, value)) std::abort();
    }
  }

 private:
  std::vector<std::string> keys_;
  std::size_t run_ = 0;
};

/// The timed part of an iteration: time, events, allocations.
class measured_part {
 public:
  explicit measured_part(benchmark::State& state) : state_(state) {}

  void begin() {
    allocations_before_ = allocations;
    begin_ = now();
  }

  void end(std::size_t events) {
    const std::chrono::duration<double> time = now() - begin_;
    allocated_ += allocations - allocations_before_;
    seconds_ += time.count();
    if (events != batch) state_.SkipWithError("events were lost");
    state_.SetIterationTime(time.count());
  }

  void report() {
    const double events = static_cast<double>(state_.iterations()) * batch;
    state_.counters["seconds_per_event"] = seconds_ / events;
    state_.counters["allocations"] = static_cast<double>(allocated_) / events;
  }

 private:
  /// CPU time of this thread, which the load of the machine hardly touches.
  [[nodiscard]] static std::chrono::nanoseconds now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
  }

  benchmark::State& state_;
  std::chrono::nanoseconds begin_{};
  std::uint64_t allocations_before_ = 0;
  std::uint64_t allocated_ = 0;
  double seconds_ = 0;
};

/// A sum that the reader cannot do without looking at each view.
std::uint64_t look_at(const event_view& seen) {
  return seen.version + seen.key.size() + static_cast<unsigned char>(seen.value.front());
}

void from_core(benchmark::State& state) {
  config settings;
  settings.name = "one";
  memory_storage entries;
  protocol core(settings, storage_ref(entries), endpoint::v4(127, 0, 0, 1, 7000), 1, moment());
  change_cursor cursor;
  writer writes;
  measured_part part(state);
  for (auto _ : state) {
    writes.write_batch(core);
    std::size_t events = 0;
    std::uint64_t sum = 0;
    part.begin();
    while (const std::optional<event_view> seen = core.poll_event(cursor)) {
      sum += look_at(*seen);
      ++events;
    }
    part.end(events);
    benchmark::DoNotOptimize(sum);
    core.release_changes(cursor.sequence);
  }
  part.report();
}
BENCHMARK(from_core)->UseManualTime();

enum class reading { drained, awaited };

/// `drained`: one `co_await wait()` a batch, and `try_next_view` for its events.
/// `awaited`: a `co_await wait()` for each event.
asio::awaitable<void> read_batches(benchmark::State& state, node& self, reading how) {
  subscription events = self.subscribe();
  writer writes;
  measured_part part(state);
  for (auto _ : state) {
    writes.write_batch(self);
    std::size_t count = 0;
    std::uint64_t sum = 0;
    part.begin();
    while (count < batch) {
      const result<void> ready = co_await events.wait();
      if (!ready) co_return;
      const std::optional<event_view> first = events.try_next_view();
      sum += look_at(*first);
      ++count;
      if (how == reading::awaited) continue;
      while (const std::optional<event_view> seen = events.try_next_view()) {
        sum += look_at(*seen);
        ++count;
      }
    }
    part.end(count);
    benchmark::DoNotOptimize(sum);
  }
  part.report();
}

void from_subscription(benchmark::State& state, reading how) {
  asio::io_context io;
  udp_transport transport(io.get_executor());
  if (!transport.open(endpoint::v4(127, 0, 0, 1, 0))) {
    state.SkipWithError("no socket on 127.0.0.1");
    return;
  }
  config settings;
  settings.name = "one";
  const std::unique_ptr<node> self = node::create(settings, transport).value();
  std::exception_ptr thrown;
  asio::co_spawn(io, read_batches(state, *self, how),
                 [&thrown](std::exception_ptr what) { thrown = std::move(what); });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
}

void by_view_drained(benchmark::State& state) { from_subscription(state, reading::drained); }
void by_view_awaited(benchmark::State& state) { from_subscription(state, reading::awaited); }
BENCHMARK(by_view_drained)->UseManualTime();
BENCHMARK(by_view_awaited)->UseManualTime();

}  // namespace
}  // namespace gossipmonger

BENCHMARK_MAIN();
