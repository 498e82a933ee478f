// A flood of forged datagrams against a real node, over loopback and in real time: the flooder on
// one core, the node and its neighbour on another.
//
//     hostile_flood [DATAGRAMS [sealed]]
//
// By default 3,000,000 datagrams, at 100,000 a second, for 60 s at most. A third has a wrong
// checksum, a third is a reply with a cookie that was never given, a third is a digest that wants
// everything. Against a sealed node a third is plain, a third has an unknown key, and a third has
// the node's own key id and a wrong tag. Exit status: 0, or 1 where something did not hold, or 77
// where this machine cannot flood (one core, or under 20,000 a second).
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <unistd.h>
#include <asio/io_context.hpp>

#include "core/model/message.hpp"
#include "gossipmonger/gossipmonger.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/keyring.hpp"
#include "seal/sealer.hpp"
#include "wire/codec.hpp"

#include "loopback_node.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::uint64_t rate_offered = 100'000;
constexpr std::uint64_t rate_least = 20'000;
constexpr int skipped = 77;
constexpr auto longest = 60s;
constexpr auto interval = 100ms;
constexpr std::size_t batch = 64;

bool try_pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

/// The first and the last core that this process may use.
std::pair<int, int> cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::pair<int, int> found{-1, -1};
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return found;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &set)) continue;
    if (found.first < 0) found.first = core;
    found.second = core;
  }
  return found;
}

/// A datagram of the flood, in aligned memory.
using forged = std::vector<std::uint64_t>;

forged encoded(const message& m) {
  forged words(150);
  const codec format(make_cluster_id("default"), 1200);
  words.resize(format.encode(m, std::as_writable_bytes(std::span(words))) / 8);
  return words;
}

digest_entry entry(std::uint64_t name_hash) {
  digest_entry one;
  one.name_hash = name_hash;
  one.generation = 1'700'000'000'000;
  one.max_version = 7;
  one.heartbeat = 7;
  return one;
}

keyring make_ring() { return parse_keyring("seal " + *generate_key()).value(); }

std::array<forged, 3> make_flood() {
  message digest;
  digest.sender = entry(42);
  digest.known.lo = 0;
  digest.known.hi = ~std::uint64_t{0};
  for (std::uint64_t hash = 1; hash <= 40; ++hash) digest.known.range.push_back(entry(hash * 42));
  digest.sender = digest.known.range[0];
  message reply;
  reply.kind = message_kind::reply;
  reply.sender = entry(42);
  reply.cookie_echo = 0x1234'5678'9abc;
  forged bad = encoded(digest);
  bad.back() ^= 1;
  return {bad, encoded(reply), encoded(digest)};
}

/// The same against nodes with `ring`.
std::array<forged, 3> make_sealed_flood(const keyring& ring) {
  const auto seal_with = [](const keyring& used) {
    sealer one(used);
    forged words(150);
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    const std::span<std::byte> room = std::as_writable_bytes(std::span(words));
    static_cast<void>(one.seal(room, room.size() - 40, seal_time(0ns, wall)));
    return words;
  };
  forged bad_tag = seal_with(ring);
  bad_tag.back() ^= 1;
  return {make_flood().back(), seal_with(make_ring()), bad_tag};
}

/// Sends `count` datagrams to `port` of loopback, or as many as `longest` lets it.
class flooder {
 public:
  flooder(std::uint16_t port, std::uint64_t count, int core, std::array<forged, 3> flood)
      : flood_(std::move(flood)), thread_([this, port, count, core] { run(port, count, core); }) {}
  flooder(const flooder&) = delete;
  flooder& operator=(const flooder&) = delete;
  ~flooder() { thread_.join(); }

  [[nodiscard]] bool has_ended() const { return has_ended_; }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  void run(std::uint16_t port, std::uint64_t count, int core) {
    static_cast<void>(try_pin(core));
    const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::array<iovec, batch> buffers{};
    std::array<mmsghdr, batch> messages{};
    for (std::size_t i = 0; i < batch; ++i) {
      const forged& one = flood_[i % flood_.size()];
      buffers[i].iov_base = const_cast<std::uint64_t*>(one.data());
      buffers[i].iov_len = one.size() * 8;
      messages[i].msg_hdr.msg_iov = &buffers[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &to;
      messages[i].msg_hdr.msg_namelen = sizeof to;
    }
    const auto begin = clock::now();
    while (sent_ < count && clock::now() - begin < longest) {
      const auto due = begin + std::chrono::nanoseconds(1'000'000'000 / rate_offered * sent_);
      std::this_thread::sleep_until(due);
      const unsigned most = static_cast<unsigned>(std::min<std::uint64_t>(batch, count - sent_));
      const int went = ::sendmmsg(socket, messages.data(), most, 0);
      if (went > 0) sent_ += static_cast<std::uint64_t>(went);
    }
    seconds_ = std::chrono::duration<double>(clock::now() - begin).count();
    ::close(socket);
    has_ended_ = true;
  }

  std::array<forged, 3> flood_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<double> seconds_ = 0;
  std::atomic<bool> has_ended_ = false;
  std::thread thread_;
};

/// The node that is flooded, and one beside it.
class target {
 public:
  target()
      : one(context_, "flooded", interval, {}),
        other(context_, "neighbour", interval, {one.address().to_string()}) {}
  target(const target&) = delete;
  target& operator=(const target&) = delete;

  void stop() {
    one->stop();
    other->stop();
    run_for(5s);
  }
  void run_for(clock::duration length) {
    context_.restart();
    context_.run_for(length);
  }
  template <class Predicate>
  [[nodiscard]] bool wait_until(Predicate holds) {
    const auto end = clock::now() + 10s;
    while (!holds() && clock::now() < end) run_for(10ms);
    return holds();
  }
  [[nodiscard]] std::uint16_t port() const { return one.address().port; }

 private:
  asio::io_context context_;

 public:
  loopback_node one;
  loopback_node other;
};

int failures = 0;

void check(bool holds, std::string_view what) {
  std::printf("%s: %.*s\n", holds ? "ok" : "FAILED", static_cast<int>(what.size()), what.data());
  failures += holds ? 0 : 1;
}

std::uint64_t count_of(const protocol_stats& stats, drop_reason reason) {
  return stats.drops[static_cast<std::size_t>(reason)];
}

/// Each received datagram has its reason, or is part of the exchange with the neighbour.
void check_reasons(target& attacked, std::uint64_t received) {
  const protocol_stats stats = attacked.one->stats();
  const std::uint64_t wrong = count_of(stats, drop_reason::checksum);
  const std::uint64_t unverified = count_of(stats, drop_reason::unverified);
  std::printf("received %llu; checksum %llu, unverified %llu, digests %llu\n",
              static_cast<unsigned long long>(received), static_cast<unsigned long long>(wrong),
              static_cast<unsigned long long>(unverified),
              static_cast<unsigned long long>(stats.digests_received));
  check(wrong + unverified + stats.digests_received + stats.replies_received == received,
        "each received datagram was dropped for its reason, or is a digest, or a reply");
}

void check_seal_reasons(target& attacked, std::uint64_t received) {
  const seal_counters seals = attacked.one->seals();
  std::uint64_t dropped = 0;
  for (const std::uint64_t one : seals.drops) dropped += one;
  const auto count = [&seals](seal_drop reason) {
    return static_cast<unsigned long long>(seals.drops[static_cast<std::size_t>(reason)]);
  };
  std::printf("received %llu; plain %llu, key %llu, forged %llu, opened %llu\n",
              static_cast<unsigned long long>(received), count(seal_drop::plain),
              count(seal_drop::key), count(seal_drop::forged),
              static_cast<unsigned long long>(seals.opened));
  check(dropped + seals.opened == received, "each received datagram was dropped, or is genuine");
  check(seals.instances == 1, "nobody but the neighbour has a window");
}

int run(std::uint64_t count, bool is_sealed) {
  const auto [first_core, last_core] = cores();
  if (first_core == last_core || !try_pin(last_core)) {
    std::puts("skipped: the flood needs two cores");
    return skipped;
  }
  target attacked;
  keyring ring;
  if (is_sealed) {
    ring = make_ring();
    if (!attacked.one->set_keyring(ring) || !attacked.other->set_keyring(ring)) return 1;
  }
  if (!attacked.other->set("key", "value")) return 1;
  check(attacked.wait_until([&] {
    return attacked.one->stats().peers_live == 1 && attacked.other->stats().peers_live == 1;
  }),
        "both see each other before the flood");

  const std::uint64_t rounds_before = attacked.one->stats().rounds;
  const auto begin = clock::now();
  std::uint64_t sent = 0;
  double seconds = 0;
  {
    flooder flood(attacked.port(), count, first_core,
                  is_sealed ? make_sealed_flood(ring) : make_flood());
    while (!flood.has_ended()) attacked.run_for(50ms);
    sent = flood.sent();
    seconds = flood.seconds();
  }
  const double intervals = std::chrono::duration<double>(clock::now() - begin) / interval;
  const std::uint64_t rounds = attacked.one->stats().rounds - rounds_before;
  const double rate = static_cast<double>(sent) / seconds;
  std::printf("%llu datagrams in %.1f s: %.0f a second\n", static_cast<unsigned long long>(sent),
              seconds, rate);
  if (rate < static_cast<double>(rate_least)) {
    std::puts("skipped: the flooder did not reach 20,000 a second");
    attacked.stop();
    return skipped;
  }

  const auto is_all_there = [&] {
    const udp_counters here = attacked.one.counters();
    return here.received + here.kernel_drops == sent + attacked.other.counters().sent;
  };
  check(attacked.wait_until(is_all_there), "what was sent was received, or dropped by the kernel");
  const udp_counters socket = attacked.one.counters();
  const protocol_stats stats = attacked.one->stats();
  std::printf("kernel drops %llu\n", static_cast<unsigned long long>(socket.kernel_drops));
  std::printf("%llu rounds in %.0f intervals\n", static_cast<unsigned long long>(rounds),
              intervals);
  if (is_sealed) {
    check_seal_reasons(attacked, socket.received);
  } else {
    check_reasons(attacked, socket.received);
  }
  check(static_cast<double>(rounds) >= 0.9 * intervals, "rounds in at least 90 % of the intervals");
  check(stats.declared_dead == 0 && attacked.other->stats().declared_dead == 0,
        "nobody was declared dead");
  check(attacked.one->stats().peers_known == 1, "nobody was introduced");
  check(attacked.one->get("neighbour", "key").has_value(), "what was known is known");
  if (!attacked.other->set("key", "later")) return 1;
  check(attacked.wait_until([&] {
    const auto seen = attacked.one->get("neighbour", "key");
    return seen && seen->value == "later";
  }),
        "gossip goes on after it");
  attacked.stop();
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace gossipmonger

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 3'000'000;
  const bool is_sealed = argc > 2 && std::string_view(argv[2]) == "sealed";
  if (is_sealed && !gossipmonger::has_seals()) return 77;
  return gossipmonger::run(count, is_sealed);
}
