// The cost of a seal, beside plain datagrams in one run and by turns, so that a busy machine slows
// both. Two nodes over UDP on 127.0.0.1: their CPU for each datagram, while one copies the keys of
// the other. It also measures opening, a forgery and a replay, each of 1200 bytes.
//
//     seal [--quick] [--check]     --check: exit status 1 above a bar.
//
// Prints lines of "what <tab> figure <tab> unit <tab> bar".

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <future>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <malloc.h>

#include "gossipmonger/gossipmonger.hpp"
#include "gossipmonger/keyring.hpp"
#include "seal/sealer.hpp"
#include "threaded_node.hpp"

namespace gossipmonger {
namespace {

using clock = std::chrono::steady_clock;
using nanoseconds = std::chrono::duration<double, std::nano>;

constexpr std::size_t datagram_bytes = 1200;
constexpr std::string_view end_key = "end";

keyring make_ring() {
  auto key = generate_key();
  if (!key) die(key.error().message());
  auto ring = parse_keyring("seal " + *key);
  wipe(*key);
  if (!ring) die(ring.error().message());
  return std::move(*ring);
}

double median(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return figures[figures.size() / 2];
}

// ---- two nodes -------------------------------------------------------------------------------

config settings_of(std::string name) {
  config settings;
  settings.name = std::move(name);
  settings.gossip_interval = std::chrono::milliseconds(10);
  settings.exchange_bytes_max = std::size_t{1} << 20;
  settings.exchange_datagrams_max = 1024;
  return settings;
}

asio::awaitable<void> await_end(node& self, std::promise<void>& done) {
  const result<std::string> seen =
      co_await self.wait_for("writer", std::string(end_key), std::chrono::seconds(30));
  if (!seen) die("the keys did not arrive");
  done.set_value();
}

/// The CPU of both nodes for each datagram that one of them received.
double nodes_cost(const std::optional<keyring>& ring, std::size_t keys) {
  threaded_node writer(settings_of("writer"), std::nullopt);
  if (ring && !writer.self().set_keyring(*ring)) die("the ring is refused");
  for (std::size_t i = 0; i < keys; ++i) {
    if (!writer.self().set("service/" + std::to_string(i), std::string(50, 'v'))) die("set");
  }
  if (!writer.self().set(end_key, "")) die("set");
  threaded_node reader(settings_of("reader"), writer.self().advertised_endpoint());
  if (ring && !reader.self().set_keyring(*ring)) die("the ring is refused");
  std::promise<void> done;
  reader.spawn(await_end(reader.self(), done));
  const std::chrono::nanoseconds before = cpu_time();
  writer.start();
  reader.start();
  done.get_future().wait();
  writer.request_stop();
  reader.request_stop();
  writer.join();
  reader.join();
  if (ring && reader.self().seals().opened == 0) die("nothing was sealed");
  const std::uint64_t received = writer.counters().received + reader.counters().received;
  return nanoseconds(cpu_time() - before).count() / static_cast<double>(received);
}

// ---- one datagram ----------------------------------------------------------------------------

using datagram = std::array<std::byte, datagram_bytes>;

const seal_time now{std::chrono::seconds(100), std::chrono::seconds(1'800'000'000)};

std::vector<datagram> sealed_by(sealer& from, std::size_t count) {
  std::vector<datagram> all(count);
  constexpr std::size_t content = datagram_bytes - seal_head_bytes - seal_tag_bytes;
  for (datagram& one : all) {
    one.fill(std::byte{0x5a});
    if (from.seal(one, content, now).size() != datagram_bytes) die("not sealed");
  }
  return all;
}

/// Nanoseconds for each datagram that `by` looks at.
double open_cost(sealer& by, std::vector<datagram>& all, bool is_good) {
  std::size_t opened = 0;
  const auto begin = clock::now();
  for (datagram& one : all) opened += by.open(one, now).has_value() ? 1 : 0;
  const nanoseconds took = clock::now() - begin;
  if (opened != (is_good ? all.size() : 0)) die("not the outcome that was measured");
  return took.count() / static_cast<double>(all.size());
}

std::size_t window_bytes() {
  const std::size_t before = mallinfo2().uordblks;
  replay_windows all(1);
  for (std::uint64_t i = 0; i < replay_windows::capacity_min; ++i) {
    all.mark(i * 0x9e3779b97f4a7c15, 1, 0, std::chrono::seconds(0));
  }
  return mallinfo2().uordblks - before;
}

class report {
 public:
  void print(const char* what, double figure, const char* unit, std::optional<double> bar = {}) {
    std::printf("%s\t%.3f\t%s", what, figure, unit);
    if (bar) std::printf("\t<= %.2f", *bar);
    std::printf("\n");
    if (bar && figure > *bar) is_above_ = true;
  }
  [[nodiscard]] bool is_above() const { return is_above_; }

 private:
  bool is_above_ = false;
};

bool run(bool is_quick) {
  const std::size_t turns = is_quick ? 3 : 15;
  const keyring ring = make_ring();
  report out;

  std::vector<double> plain, sealed, ratios;
  for (std::size_t i = 0; i < turns; ++i) {
    const std::size_t keys = is_quick ? 5'000 : 100'000;
    plain.push_back(nodes_cost(std::nullopt, keys));
    sealed.push_back(nodes_cost(ring, keys));
    ratios.push_back(sealed.back() / plain.back());
  }
  out.print("plain: CPU of both nodes a datagram", median(plain), "ns");
  out.print("sealed: CPU of both nodes a datagram", median(sealed), "ns");
  out.print("sealed: of plain", median(ratios), "x", 1.30);

  std::vector<double> seal, open, forged, replayed, forged_of, replayed_of;
  sealer from(ring);
  sealer to(ring);
  for (std::size_t i = 0; i < 20 * turns; ++i) {
    constexpr std::size_t count = 500;  // within the window
    const auto begin = clock::now();
    std::vector<datagram> good = sealed_by(from, count);
    seal.push_back(nanoseconds(clock::now() - begin).count() / count);
    std::vector<datagram> bad = good;
    for (datagram& one : bad) one.back() ^= std::byte{1};
    forged.push_back(open_cost(to, bad, false));
    std::vector<datagram> again = good;
    open.push_back(open_cost(to, good, true));
    replayed.push_back(open_cost(to, again, false));
    forged_of.push_back(forged.back() / open.back());
    replayed_of.push_back(replayed.back() / open.back());
  }
  out.print("sealed: a datagram of 1200 bytes, with filling it", median(seal), "ns");
  out.print("sealed: opened", median(open), "ns");
  out.print("sealed: a forgery refused", median(forged), "ns");
  out.print("sealed: a replay refused", median(replayed), "ns");
  out.print("sealed: a forgery, of an open", median(forged_of), "x", 0.60);
  out.print("sealed: a replay, of an open", median(replayed_of), "x", 0.05);
  out.print("sealed: windows of 4,096 senders", static_cast<double>(window_bytes()) / 1048576.0,
            "MiB", 1.0);
  return !out.is_above();
}

}  // namespace
}  // namespace gossipmonger

int main(int count, char** arguments) {
  bool is_quick = false;
  bool is_checked = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    if (option == "--quick") {
      is_quick = true;
    } else if (option == "--check") {
      is_checked = true;
    } else {
      std::fprintf(stderr, "usage: seal [--quick] [--check]\n");
      return 2;
    }
  }
  const bool is_within = gossipmonger::run(is_quick);
  return is_checked && !is_within ? 1 : 0;
}
