// The cost of a seal, beside plain datagrams in one run and by turns, so that a busy machine slows
// both. Two nodes over UDP on 127.0.0.1: their CPU for each datagram, while one copies the keys of
// the other. It also measures opening, a forgery and a replay, each of 1200 bytes.
//
//     seal [--quick] [--check]     --check: exit status 1 above a bar.
//
// Prints lines of "what <tab> figure <tab> unit <tab> bar".

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <malloc.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "gossipmonger/gossipmonger.hpp"
#include "gossipmonger/keyring.hpp"
#include "seal/sealer.hpp"

namespace gossipmonger {
namespace {

using clock = std::chrono::steady_clock;
using nanoseconds = std::chrono::duration<double, std::nano>;

constexpr std::size_t datagram_bytes = 1200;
constexpr std::string_view end_key = "end";

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "seal: %s\n", why.c_str());
  std::exit(2);
}

keyring make_ring() {
  auto key = generate_key();
  if (!key) die(key.error().message());
  auto ring = parse_keyring("seal " + *key);
  wipe(*key);
  if (!ring) die(ring.error().message());
  return std::move(*ring);
}

nanoseconds cpu_time() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

double median(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return figures[figures.size() / 2];
}

// ---- two nodes -------------------------------------------------------------------------------

/// A node with a thread. A resource.
class threaded_node {
 public:
  threaded_node(std::string name, const std::optional<keyring>& ring, std::optional<endpoint> seed)
      : transport_(io_.get_executor()) {
    if (!transport_.open(endpoint::v4(127, 0, 0, 1, 0))) die("no socket on 127.0.0.1");
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = std::chrono::milliseconds(10);
    settings.exchange_bytes_max = std::size_t{1} << 20;
    settings.exchange_datagrams_max = 1024;
    if (seed) settings.seeds.push_back(seed->to_string());
    auto created = node::create(std::move(settings), transport_);
    if (!created) die(created.error().message());
    node_ = std::move(*created);
    if (ring && !node_->set_keyring(*ring)) die("the ring is refused");
  }

  [[nodiscard]] node& self() { return *node_; }
  [[nodiscard]] std::uint64_t received() const { return transport_.counters().received; }
  [[nodiscard]] std::uint64_t opened() const { return node_->seals().opened; }

  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(io_, std::move(work), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  void start() {
    asio::co_spawn(io_, node_->run(), [](std::exception_ptr thrown, const result<void>&) {
      if (thrown) std::rethrow_exception(thrown);
    });
    thread_ = std::thread([this] { io_.run(); });
  }
  void finish() {
    asio::post(io_, [this] { node_->stop(); });
    thread_.join();
  }

 private:
  asio::io_context io_{1};
  udp_transport transport_;
  std::unique_ptr<node> node_;
  std::thread thread_;
};

asio::awaitable<void> await_end(node& self, std::promise<void>& done) {
  const result<std::string> seen =
      co_await self.wait_for("writer", std::string(end_key), std::chrono::seconds(30));
  if (!seen) die("the keys did not arrive");
  done.set_value();
}

/// The CPU of both nodes for each datagram that one of them received.
double nodes_cost(const std::optional<keyring>& ring, std::size_t keys) {
  threaded_node writer("writer", ring, std::nullopt);
  for (std::size_t i = 0; i < keys; ++i) {
    if (!writer.self().set("service/" + std::to_string(i), std::string(50, 'v'))) die("set");
  }
  if (!writer.self().set(end_key, "")) die("set");
  threaded_node reader("reader", ring, writer.self().advertised_endpoint());
  std::promise<void> done;
  reader.spawn(await_end(reader.self(), done));
  const nanoseconds before = cpu_time();
  writer.start();
  reader.start();
  done.get_future().wait();
  writer.finish();
  reader.finish();
  if (ring && reader.opened() == 0) die("nothing was sealed");
  return (cpu_time() - before).count() / static_cast<double>(writer.received() + reader.received());
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
  for (std::uint64_t i = 0; i < replay_windows::capacity; ++i) {
    all.mark(i * 0x9e3779b97f4a7c15, 1, std::chrono::seconds(0));
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
