// Two nodes over real UDP on 127.0.0.1, each with a thread of its own. Measured is how fast a
// joiner comes to hold and to tell all that the other publishes. Further, how much of a stream of
// writes is told at the far end. Counts what was delivered, as events, not what was sent. Bounded
// in keys and in time.
//
//     throughput [--quick] [--keys N] [--seconds S] [--writes W]
//
// Prints lines of "what <tab> figure <tab> unit". Exit status 1: not all arrived in time.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <future>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/gossipmonger.hpp"
#include "threaded_node.hpp"

namespace gossipmonger {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using seconds = std::chrono::duration<double>;

constexpr milliseconds interval{10};
constexpr std::size_t key_count_of_stream = 100'000;
constexpr std::string_view end_key = "end";

struct options {
  options() = default;

  std::size_t keys = 100'000;  ///< that the joiner copies
  std::size_t writes = 0;      ///< of the stream in each round; 0: several figures, one by one
  double seconds = 1.5;        ///< that each stream lasts
  milliseconds limit{20'000};  ///< for each part
};

std::string make_key(std::size_t number) {
  const std::string digits = std::to_string(number);
  return "service/" + std::string(12 - digits.size(), '0') + digits;
}

std::string make_value(std::size_t number) {
  std::string value = std::to_string(number);
  value.resize(50, 'v');
  return value;
}

/// The reader's counts. Written on its thread, read after that has ended.
struct reading {
  reading() = default;

  std::uint64_t updates = 0;
  clock::time_point last;
};

config settings_of(std::string name, std::size_t exchange_bytes) {
  config settings;
  settings.name = std::move(name);
  settings.cluster_name = "throughput";
  settings.gossip_interval = interval;
  settings.exchange_bytes_max = exchange_bytes;
  settings.exchange_datagrams_max = exchange_bytes / 1024;
  return settings;
}

// ------------------------------------------------------------------------------------ coroutines

/// Reads events until `wanted` updates or the key of the end were seen.
asio::awaitable<void> read_updates(node& self, std::uint64_t wanted, reading& out,
                                   std::promise<void>& done) {
  event_filter filter;
  filter.is_without_self = true;
  subscription events = self.subscribe(filter);
  for (;;) {
    const std::optional<event_view> seen = events.try_next_view();
    if (!seen) {
      const result<void> ready = co_await events.wait();
      if (!ready) co_return;
      continue;
    }
    if (seen->kind != event_kind::update) continue;
    ++out.updates;
    if (out.updates == wanted || seen->key == end_key) break;
  }
  out.last = clock::now();
  done.set_value();
}

/// The writer's counts. Written on its thread, read after that has ended.
struct writing {
  writing() = default;

  std::uint64_t updates = 0;
  clock::time_point first;
};

/// Once somebody is there, writes `per_round` keys every 10 ms, and last the key of the end.
asio::awaitable<void> write_stream(node& self, std::size_t per_round, seconds length,
                                   writing& out) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < key_count_of_stream; ++i) keys.push_back(make_key(i));
  std::vector<std::string> values(per_round);
  std::vector<std::pair<std::string_view, std::string_view>> pairs(per_round);
  const result<std::size_t> met = co_await self.wait_live(1, std::chrono::seconds(5));
  if (!met) co_return;

  asio::steady_timer timer(self.get_executor());
  out.first = clock::now();
  for (clock::time_point at = out.first; at - out.first < length; at += interval) {
    for (std::size_t i = 0; i < per_round; ++i) {
      values[i] = make_value(out.updates + i);
      pairs[i] = {keys[(out.updates + i) % keys.size()], values[i]};
    }
    if (!self.set(std::span<const std::pair<std::string_view, std::string_view>>(pairs))) co_return;
    out.updates += per_round;
    timer.expires_at(at + interval);
    co_await timer.async_wait(asio::use_awaitable);
  }
  if (self.set(end_key, "")) ++out.updates;
}

// --------------------------------------------------------------------------------------- reports

void print(const std::string& part, const char* what, double figure, int digits, const char* unit) {
  std::printf("%s: %s\t%.*f\t%s\n", part.c_str(), what, digits, figure, unit);
}

void print_traffic(const std::string& part, const udp_counters& writer, const udp_counters& reader,
                   seconds time, seconds cpu) {
  const auto count = [](std::uint64_t number) { return static_cast<double>(number); };
  const double received = count(writer.received + reader.received);
  const double sent = count(writer.sent + reader.sent);
  print(part, "datagrams delivered", count(reader.received) / time.count(), 0, "1/s");
  print(part, "bytes delivered", count(reader.received_bytes) / time.count() / 1e6, 1, "MB/s");
  print(part, "sent and not received, both ways", sent - received, 0, "datagrams");
  print(part, "dropped by the kernel", count(writer.kernel_drops + reader.kernel_drops), 0,
        "datagrams");
  print(part, "CPU of both nodes", cpu.count(), 2, "s");
}

/// Runs both until the reader is done, or the time is over; true if it was done.
bool run_both(threaded_node& writer, threaded_node& reader, std::promise<void>& done,
              milliseconds limit) {
  const std::future<void> finished = done.get_future();
  writer.start();
  reader.start();
  const bool is_done = finished.wait_for(limit) == std::future_status::ready;
  writer.request_stop();
  reader.request_stop();
  writer.join();
  reader.join();
  if (!is_done) std::fprintf(stderr, "throughput: not all had arrived when the time was over\n");
  return is_done;
}

bool measure_joiner(const options& chosen, const std::string& part, std::size_t exchange_bytes) {
  threaded_node writer(settings_of("writer", exchange_bytes), std::nullopt);
  for (std::size_t i = 0; i < chosen.keys; ++i) {
    if (!writer.self().set(make_key(i), make_value(i))) die("set failed");
  }
  threaded_node reader(settings_of("reader", exchange_bytes), writer.self().advertised_endpoint());
  reading seen;
  std::promise<void> done;
  reader.spawn(read_updates(reader.self(), chosen.keys, seen, done));

  const clock::time_point begin = clock::now();
  const seconds cpu_before = cpu_time();
  if (!run_both(writer, reader, done, chosen.limit)) return false;
  const seconds cpu = cpu_time() - cpu_before;
  const seconds time = seen.last - begin;

  print(part, "keys delivered to the reader", static_cast<double>(seen.updates), 0, "updates");
  print(part, "time from start to the last", time.count(), 3, "s");
  print(part, "updates delivered", static_cast<double>(seen.updates) / time.count(), 0, "1/s");
  print(part, "entries that came twice", static_cast<double>(reader.self().stats().entries_skipped),
        0, "entries");
  print(part, "spared, being on their way",
        static_cast<double>(writer.self().stats().entries_spared), 0, "entries");
  print(part, "windows halved", static_cast<double>(writer.self().stats().windows_halved), 0,
        "times");
  print(part, "waits for the budget", static_cast<double>(writer.self().stats().sends_delayed), 0,
        "times");
  print_traffic(part, writer.counters(), reader.counters(), time, cpu);
  return true;
}

bool measure_stream(const options& chosen, std::size_t writes, std::size_t exchange_bytes) {
  const std::string part = "stream of " + std::to_string(writes * 100) + "/s";
  threaded_node writer(settings_of("writer", exchange_bytes), std::nullopt);
  threaded_node reader(settings_of("reader", exchange_bytes), writer.self().advertised_endpoint());
  reading seen;
  writing written;
  std::promise<void> done;
  reader.spawn(read_updates(reader.self(), 0, seen, done));
  writer.spawn(write_stream(writer.self(), writes, seconds(chosen.seconds), written));

  const seconds cpu_before = cpu_time();
  if (!run_both(writer, reader, done, chosen.limit)) return false;
  const seconds cpu = cpu_time() - cpu_before;
  const seconds time = seen.last - written.first;

  print(part, "time from the first write to the last event", time.count(), 3, "s");
  print(part, "updates written", static_cast<double>(written.updates), 0, "updates");
  print(part, "updates delivered of them", static_cast<double>(seen.updates), 0, "updates");
  print(part, "updates delivered", static_cast<double>(seen.updates) / time.count(), 0, "1/s");
  print_traffic(part, writer.counters(), reader.counters(), time, cpu);
  return true;
}

template <class Number>
bool try_parse(const char* text, Number low, Number high, Number& out) {
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, out);
  return error == std::errc() && stop == end && out >= low && out <= high;
}

std::optional<options> parse(int count, char** arguments) {
  options chosen;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--quick") {
      chosen.keys = 5'000;
      chosen.writes = 100;
      chosen.seconds = 0.2;
      continue;
    }
    if (++i == count) return std::nullopt;
    bool is_good = false;
    if (option == "--keys") {
      is_good = try_parse<std::size_t>(arguments[i], 1, 1'000'000, chosen.keys);
    } else if (option == "--writes") {
      is_good = try_parse<std::size_t>(arguments[i], 1, key_count_of_stream, chosen.writes);
    } else if (option == "--seconds") {
      is_good = try_parse(arguments[i], 0.1, 60.0, chosen.seconds);
    }
    if (!is_good) return std::nullopt;
  }
  chosen.limit += milliseconds(static_cast<std::int64_t>(chosen.seconds * 1000));
  return chosen;
}

int run(const options& chosen) {
  constexpr std::size_t large = std::size_t{1} << 20;
  const std::size_t usual = config().exchange_bytes_max;
  bool is_good = measure_joiner(chosen, "joiner, default budget", usual) &&
                 measure_joiner(chosen, "joiner, 1 MiB an exchange", large);
  if (chosen.writes != 0) return is_good && measure_stream(chosen, chosen.writes, usual) ? 0 : 1;
  for (const std::size_t writes : {500, 2000}) {
    is_good = is_good && measure_stream(chosen, writes, usual);
  }
  return is_good ? 0 : 1;
}

}  // namespace
}  // namespace gossipmonger

int main(int count, char** arguments) {
  const auto chosen = gossipmonger::parse(count, arguments);
  if (!chosen) {
    std::fprintf(stderr,
                 "usage: throughput [--quick] [--keys 1-1000000] [--seconds 0.1-60] "
                 "[--writes 1-100000]\n");
    return 2;
  }
  return gossipmonger::run(*chosen);
}
