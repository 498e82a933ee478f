// The cost of one exchange in the cores and codecs of two nodes: nothing in between but a buffer,
// every message is encoded and decoded. Setting up and rounds are not timed. Beside each exchange
// stands a bare loop over the same keys or rows, which any program would have to do at least.
//
// Figures: `kv` is a key of 20 and a value of 50 bytes.

#include <malloc.h>
#include <time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/protocol.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/testing/random.hpp"
#include "wire/codec.hpp"

namespace gossipmonger {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t key_bytes = 20;
constexpr std::size_t value_bytes = 50;

std::string make_key(std::size_t number) {
  const std::string digits = std::to_string(number);
  return "service/" + std::string(key_bytes - 8 - digits.size(), '0') + digits;
}

std::string make_value(std::size_t number) {
  std::string value = std::to_string(number);
  value.resize(value_bytes, 'v');
  return value;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "reconcile_bench: %s\n", what);
  std::abort();
}

/// CPU time of this thread, which the load of the machine hardly touches; reading it takes a system
/// call, some 0.3 us of each measured exchange.
class stopwatch {
 public:
  [[nodiscard]] nanoseconds elapsed() const { return now() - begin_; }

 private:
  [[nodiscard]] static nanoseconds now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
  }

  nanoseconds begin_ = now();
};

void report_time(benchmark::State& state, nanoseconds time) {
  state.SetIterationTime(std::chrono::duration<double>(time).count());
}

struct bench_node {
  bench_node(const config& settings, const endpoint& at, std::uint64_t seed, moment now)
      : address(at),
        core(settings, storage_ref(entries), at, seed, now),
        wire(make_cluster_id(settings.cluster_name), settings.datagram_bytes_max) {}

  endpoint address;
  memory_storage entries;
  protocol core;
  codec wire;
};

/// Two nodes that have met: each verified its address with the other and holds its identity.
class node_pair {
 public:
  explicit node_pair(config settings)
      : interval_(settings.gossip_interval), room_(settings.datagram_bytes_max / 8) {
    settings.jitter = 0;
    settings.name = "one";
    one_ = std::make_unique<bench_node>(settings, endpoint::v4(10, 0, 0, 1, 7000), 1, now());
    settings.name = "two";
    two_ = std::make_unique<bench_node>(settings, endpoint::v4(10, 0, 0, 2, 7000), 2, now());
    one_->core.set_seeds({two_->address});
    two_->core.set_seeds({one_->address});
    for (int round = 0; round < 4; ++round) run_round();
    require(one_->core.live_peers() == 1 && two_->core.live_peers() == 1, "the two did not meet");
  }

  [[nodiscard]] bench_node& one() { return *one_; }
  [[nodiscard]] bench_node& two() { return *two_; }
  [[nodiscard]] moment now() const {
    return moment(now_, std::chrono::seconds{1'704'067'200} + now_);
  }

  /// A round of both, one after the other.
  void run_round() {
    pass_time();
    begin(*one_);
    settle();
    begin(*two_);
    settle();
  }

  void pass_time() { now_ += interval_; }
  /// Its round is due: it plans its digest.
  void begin(bench_node& node) { node.core.handle_timeout(now()); }

  /// Carries messages to and fro until neither has one to send.
  void settle() {
    while (carry(*one_, *two_) || carry(*two_, *one_)) {
    }
  }

  void set(bench_node& node, std::size_t first, std::size_t count, std::size_t run = 0) {
    for (std::size_t i = first; i < first + count; ++i) {
      require(node.core.set(make_key(i), make_value(i + run)).has_value(), "set failed");
    }
  }

  /// Hands `to` a message of `from` that its own core did not write.
  void inject(bench_node& from, bench_node& to, message& forged) {
    forged.cookie_echo = from.address == one_->address ? cookie_of_two_ : cookie_of_one_;
    deliver(from, to, forged);
  }

  std::size_t datagrams = 0;
  std::size_t bytes = 0;

 private:
  bool carry(bench_node& from, bench_node& to) {
    bool has_sent = false;
    while (const std::optional<endpoint> reached = from.core.poll_transmit(now(), outgoing_)) {
      has_sent = true;
      // Other known peers have no process here.
      if (*reached == to.address) deliver(from, to, outgoing_);
    }
    return has_sent;
  }

  void deliver(bench_node& from, bench_node& to, const message& sent) {
    const std::span<std::byte> room = std::as_writable_bytes(std::span(room_));
    const std::size_t size = from.wire.encode(sent, room);
    ++datagrams;
    bytes += size;
    (&from == one_.get() ? cookie_of_one_ : cookie_of_two_) = sent.cookie;
    require(to.wire.decode(room.first(size), received_).has_value(), "a datagram was refused");
    to.core.handle_message(received_, from.address, size, now());
  }

  nanoseconds interval_;
  nanoseconds now_{};
  std::vector<std::uint64_t> room_;
  message received_;
  message outgoing_;
  std::unique_ptr<bench_node> one_;
  std::unique_ptr<bench_node> two_;
  std::uint64_t cookie_of_one_ = 0;  // given to the other, in one's latest datagram
  std::uint64_t cookie_of_two_ = 0;
};

/// Budgets that let all of it go in one exchange: what is measured is work, not waiting.
config unbounded_exchange(std::size_t datagram_bytes_max) {
  config settings;
  settings.datagram_bytes_max = datagram_bytes_max;
  settings.exchange_bytes_max = std::size_t{1} << 28;
  settings.exchange_datagrams_max = 65536;
  return settings;
}

// ------------------------------------------------------------------------------------ full sync

void full_sync(benchmark::State& state) {
  constexpr std::size_t count = 10'000;
  std::size_t bytes = 0;
  std::size_t datagrams = 0;
  for (auto _ : state) {
    node_pair nodes(unbounded_exchange(static_cast<std::size_t>(state.range(0))));
    nodes.set(nodes.one(), 0, count);
    nodes.pass_time();
    nodes.begin(nodes.two());
    nodes.bytes = 0;
    nodes.datagrams = 0;
    const stopwatch watch;
    nodes.settle();
    report_time(state, watch.elapsed());
    bytes = nodes.bytes;
    datagrams = nodes.datagrams;
    require(nodes.two().core.stats().entries_applied == count, "not all entries came");
  }
  const auto all = static_cast<double>(count) * static_cast<double>(state.iterations());
  state.counters["kv_per_second"] = benchmark::Counter(all, benchmark::Counter::kIsRate);
  state.counters["datagrams"] = static_cast<double>(datagrams);
  state.counters["wire_bytes_per_payload_byte"] =
      static_cast<double>(bytes) / static_cast<double>(count * (key_bytes + value_bytes));
}
BENCHMARK(full_sync)->Arg(1200)->Arg(1400)->UseManualTime()->Unit(benchmark::kMillisecond);

/// Each pair goes with its lengths into a buffer of a datagram's size, and from there into a map
/// that was given its size beforehand.
void bare_full_sync(benchmark::State& state) {
  constexpr std::size_t count = 10'000;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::size_t i = 0; i < count; ++i) pairs.emplace_back(make_key(i), make_value(i));
  std::vector<char> room(1400);
  for (auto _ : state) {
    std::unordered_map<std::string, std::string> copy;
    const stopwatch watch;
    copy.reserve(count);
    std::size_t used = 0;
    const auto read_all = [&] {
      for (std::size_t at = 0; at < used;) {
        const auto key_size = static_cast<unsigned char>(room[at]);
        std::uint16_t value_size = 0;
        std::memcpy(&value_size, room.data() + at + 1, sizeof value_size);
        const std::string_view key(room.data() + at + 3, key_size);
        const std::string_view value(room.data() + at + 3 + key_size, value_size);
        copy.insert_or_assign(std::string(key), std::string(value));
        at += 3 + key.size() + value.size();
      }
      used = 0;
    };
    for (const auto& [key, value] : pairs) {
      if (used + 3 + key.size() + value.size() > room.size()) read_all();
      const auto value_size = static_cast<std::uint16_t>(value.size());
      room[used] = static_cast<char>(key.size());
      std::memcpy(room.data() + used + 1, &value_size, sizeof value_size);
      std::memcpy(room.data() + used + 3, key.data(), key.size());
      std::memcpy(room.data() + used + 3 + key.size(), value.data(), value.size());
      used += 3 + key.size() + value.size();
    }
    read_all();
    report_time(state, watch.elapsed());
    require(copy.size() == count, "the bare loop lost a key");
  }
  const auto all = static_cast<double>(count) * static_cast<double>(state.iterations());
  state.counters["kv_per_second"] = benchmark::Counter(all, benchmark::Counter::kIsRate);
}
BENCHMARK(bare_full_sync)->UseManualTime()->Unit(benchmark::kMillisecond);

// -------------------------------------------------------------------------------- fresh of many

/// One of two writes 10 of its keys anew, anywhere among them; one exchange carries them over.
void ten_fresh(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  config settings = unbounded_exchange(1200);
  settings.keys_per_peer_max = count;
  node_pair nodes(settings);
  nodes.set(nodes.one(), 0, count);
  nodes.run_round();
  random_source draws(3);
  std::size_t run = 0;
  for (auto _ : state) {
    nodes.pass_time();
    nodes.begin(nodes.two());
    nodes.settle();
    ++run;
    for (int i = 0; i < 10; ++i) {
      nodes.set(nodes.one(), static_cast<std::size_t>(draws.below(count)), 1, run);
    }
    nodes.begin(nodes.one());
    const stopwatch watch;
    nodes.settle();
    report_time(state, watch.elapsed());
  }
  const std::optional<member> seen = nodes.two().core.find_member("one", nodes.now());
  require(seen && seen->max_version == nodes.one().core.version(), "not all entries came");
}
BENCHMARK(ten_fresh)->RangeMultiplier(10)->Range(1'000, 1'000'000)->UseManualTime();

/// The ten pairs that were written last, which a list names, go through a buffer into a map that
/// holds all keys.
void bare_ten_fresh(benchmark::State& state) {
  constexpr std::size_t fresh = 10;
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<std::pair<std::string, std::string>> pairs;
  std::unordered_map<std::string, std::string> copy;
  for (std::size_t i = 0; i < count; ++i) {
    pairs.emplace_back(make_key(i), make_value(i));
    copy.insert(pairs.back());
  }
  std::vector<char> room(1200);
  random_source draws(3);
  for (auto _ : state) {
    std::vector<std::size_t> changed;
    for (std::size_t i = 0; i < fresh; ++i) {
      changed.push_back(static_cast<std::size_t>(draws.below(count)));
      pairs[changed.back()].second.back() ^= 1;
    }
    const stopwatch watch;
    std::size_t used = 0;
    for (const std::size_t number : changed) {
      const auto& [key, value] = pairs[number];
      std::memcpy(room.data() + used, key.data(), key_bytes);
      std::memcpy(room.data() + used + key_bytes, value.data(), value_bytes);
      used += key_bytes + value_bytes;
    }
    for (std::size_t at = 0; at < used; at += key_bytes + value_bytes) {
      copy.insert_or_assign(std::string(room.data() + at, key_bytes),
                            std::string(room.data() + at + key_bytes, value_bytes));
    }
    report_time(state, watch.elapsed());
  }
  require(copy.size() == count, "the bare loop made a key");
}
BENCHMARK(bare_ten_fresh)->Arg(100'000)->UseManualTime();

// ----------------------------------------------------------------------------------------- idle

/// Makes `of` and then the other know `count` peers more. They have left, which is remembered for
/// long and asks no sign of life of processes that are not there; in digests they count in full.
void introduce(node_pair& nodes, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("peer-" + std::to_string(i));
  for (std::size_t i = 0; i < count; ++i) {
    message told;
    told.kind = message_kind::reply;
    const std::optional<member> sender = nodes.two().core.find_member("two", nodes.now());
    told.sender.name_hash = siphash(make_cluster_key("default"), "two");
    told.sender.generation = sender->generation;
    told.sender.heartbeat = sender->heartbeat;
    identity_view who;
    who.name = names[i];
    who.generation = 1'700'000'000'000 + i;
    who.instance = static_cast<std::uint32_t>(i + 1);
    who.heartbeat = 1000 + i;
    who.has_left = true;
    who.address = endpoint::v4(10, 1, static_cast<std::uint8_t>(i / 256),
                               static_cast<std::uint8_t>(i % 256), 7000);
    told.identities.push_back(who);
    nodes.inject(nodes.two(), nodes.one(), told);
  }
  for (int round = 0; round < 8; ++round) nodes.run_round();
  require(nodes.one().core.stats().peers_known == count + 1, "one does not know the peers");
  require(nodes.two().core.stats().peers_known == count + 1, "two does not know the peers");
}

/// Two nodes that know the same peers compare all that they know, and find no difference. The
/// arguments are the size of a datagram and the number of peers.
void compare_peers(benchmark::State& state, std::size_t sums_peers_min) {
  config settings = unbounded_exchange(static_cast<std::size_t>(state.range(0)));
  settings.sums_peers_min = sums_peers_min;
  settings.digest_datagrams_max = 64;
  settings.dead_peer_grace = std::chrono::hours{24 * 30};
  // A short interval: many rounds are run before the peers that left are forgotten.
  settings.gossip_interval = std::chrono::milliseconds{10};
  node_pair nodes(settings);
  introduce(nodes, static_cast<std::size_t>(state.range(1)) - 1);
  std::size_t datagrams = 0;
  for (auto _ : state) {
    nodes.pass_time();
    nodes.begin(nodes.two());
    nodes.settle();
    nodes.datagrams = 0;
    nodes.begin(nodes.one());
    const stopwatch watch;
    nodes.settle();
    report_time(state, watch.elapsed());
    datagrams = nodes.datagrams;
  }
  state.counters["datagrams"] = static_cast<double>(datagrams);
}

void idle_exchange(benchmark::State& state) { compare_peers(state, config().sums_peers_min); }
BENCHMARK(idle_exchange)
    ->Args({1200, 1000})
    ->Args({32000, 100})
    ->Args({32000, 300})
    ->Args({32000, 1000})
    ->Args({32000, 3000})
    ->UseManualTime();

/// The same, where the digests tell a row for each peer, and no sums.
void idle_exchange_rows(benchmark::State& state) { compare_peers(state, 65'536); }
BENCHMARK(idle_exchange_rows)->Args({1200, 1000})->UseManualTime();

/// The memory of one known peer without keys in a node, its name and its detector included.
void memory_per_peer(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  config settings = unbounded_exchange(32000);
  settings.digest_datagrams_max = 64;
  settings.dead_peer_grace = std::chrono::hours{24 * 30};
  double bytes = 0;
  for (auto _ : state) {
    node_pair nodes(settings);
    const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    introduce(nodes, count);
    const std::size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    bytes = static_cast<double>(after - before) / static_cast<double>(2 * count);
  }
  state.counters["bytes_per_peer"] = bytes;
}
BENCHMARK(memory_per_peer)->Arg(3000)->Iterations(1);

/// Known peers as plain numbers: the rows are copied into a buffer, and each is compared with the
/// receiver's.
void bare_idle(benchmark::State& state) {
  struct row {
    std::uint64_t name_hash = 0;
    std::uint64_t generation = 0;
    std::uint64_t version = 0;
    std::uint64_t heartbeat = 0;
  };
  constexpr std::size_t count = 1000;
  std::vector<row> mine(count);
  for (std::size_t i = 0; i < count; ++i) mine[i].name_hash = mine[i].heartbeat = i;
  const std::vector<row> theirs = mine;
  std::vector<row> sent(count);
  for (auto _ : state) {
    std::size_t newer = 0;
    const stopwatch watch;
    std::memcpy(sent.data(), mine.data(), count * sizeof(row));
    for (std::size_t i = 0; i < count; ++i) {
      newer += sent[i].name_hash != theirs[i].name_hash || sent[i].version > theirs[i].version ||
                       sent[i].generation > theirs[i].generation ||
                       sent[i].heartbeat > theirs[i].heartbeat
                   ? 1
                   : 0;
    }
    benchmark::DoNotOptimize(newer);
    report_time(state, watch.elapsed());
    require(newer == 0, "the bare loop saw a difference");
  }
}
BENCHMARK(bare_idle)->UseManualTime();

/// Freed memory stays with the process, in our works as in their limits. Else the block that was
/// freed last decides whether the next turn pays for fresh pages: the limit of the full sync never
/// would, and ours would always.
void keep_freed_memory() {
  constexpr int all = std::numeric_limits<int>::max();
  require(mallopt(M_TRIM_THRESHOLD, all) == 1 && mallopt(M_MMAP_MAX, 0) == 1, "mallopt failed");
}

}  // namespace
}  // namespace gossipmonger

int main(int argc, char** argv) {
  gossipmonger::keep_freed_memory();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
