// Clusters of sealed nodes in a simulated network: attackers from outside, rotation of the key,
// migration from plain, and a recorder that replays everything.
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/key_scope.hpp"
#include "gossipmonger/membership_view.hpp"
#include "gossipmonger/testing/manual_clock.hpp"
#include "gossipmonger/testing/memory_transport.hpp"
#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/testing/seal_draw.hpp"
#include "gossipmonger/testing/simulated_cluster.hpp"
#include "seal_sample.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

constexpr unsigned old_key = 0x10;
constexpr unsigned new_key = 0x80;

keyring ring_of(std::initializer_list<unsigned> keys, plain_policy plain = plain_policy::refused) {
  keyring ring = sample_ring(keys);
  ring.plain = plain;
  return ring;
}

/// `count` nodes with `ring`, each of which has heard each other.
void add_sealed(simulated_cluster& cluster, std::size_t count, const keyring& ring) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = cluster.add();
    cluster.set_keyring(index, ring);
  }
  REQUIRE(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
  const auto has_heard_all = [&cluster, count] {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      if (cluster[i].seals().instances + 1 < count) return false;
    }
    return true;
  };
  REQUIRE(cluster.run_until(has_heard_all, 60s));
}

std::uint64_t seal_drops(const simulated_cluster& cluster, std::size_t node, seal_drop reason) {
  return cluster[node].seals().drops[static_cast<std::size_t>(reason)];
}

std::uint64_t all_seal_drops(const simulated_cluster& cluster, std::size_t node) {
  std::uint64_t sum = 0;
  for (const std::uint64_t one : cluster[node].seals().drops) sum += one;
  return sum;
}

std::string stage_at(const simulated_cluster& cluster, std::size_t node, std::string_view peer) {
  const auto found = cluster[node].get(peer, keyring_key);
  return found ? std::string(found->value) : "none";
}

std::optional<member> member_at(const simulated_cluster& cluster, std::size_t node,
                                std::string_view name) {
  for (const member& one : cluster[node].members()) {
    if (one.name == name) return one;
  }
  return std::nullopt;
}

/// Every error event of a subscription that has come so far.
std::vector<std::string> errors_of(subscription& events) {
  std::vector<std::string> texts;
  while (const std::optional<event_view> seen = events.try_next_view()) {
    if (seen->kind == event_kind::error) texts.emplace_back(seen->text);
  }
  return texts;
}

std::vector<event> conflicts_of(subscription& events) {
  std::vector<event> told;
  while (const std::optional<event> seen = events.try_next()) {
    if (seen->kind == event_kind::conflict) told.push_back(*seen);
  }
  return told;
}

bool holds(const std::vector<std::string>& texts, std::string_view part) {
  return std::any_of(texts.begin(), texts.end(), [part](const std::string& one) {
    return one.find(part) != std::string::npos;
  });
}

/// Keeps each datagram that is delivered, with its source and destination.
class recorder {
 public:
  struct kept {
    endpoint from;
    endpoint to;
    byte_list datagram;
  };

  explicit recorder(simulated_cluster& of) : cluster_(of) {
    cluster_.network().on_delivery = [this, next = cluster_.network().on_delivery](
                                         const endpoint& to, const inbound& datagram) {
      next(to, datagram);
      if (!is_recording) return;
      kept one;
      one.from = datagram.source;
      one.to = to;
      const auto seen = datagram.buffer.first(datagram.size);
      one.datagram.assign(seen.begin(), seen.end());
      all.push_back(std::move(one));
    };
  }

  bool is_recording = true;
  std::vector<kept> all;

 private:
  simulated_cluster& cluster_;
};

asio::awaitable<void> listen(memory_transport& on, std::vector<std::size_t>& sizes) {
  std::vector<std::uint64_t> room(8192);
  std::array<inbound, 1> in;
  for (;;) {
    in[0].buffer = std::as_writable_bytes(std::span(room));
    const result<std::size_t> count = co_await on.receive(in);
    if (!count) co_return;
    sizes.push_back(in[0].size);
  }
}

/// An address that is no node's: it says nothing, and counts what it is sent.
class listener {
 public:
  listener(memory_network& network, const endpoint& at)
      : driver_(context_), transport_(context_.get_executor(), network) {
    REQUIRE(transport_.open(at));
    asio::co_spawn(context_, listen(transport_, sizes_), asio::detached);
  }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener() {
    transport_.close();
    driver_.settle();
  }

  /// The sizes of all datagrams that came so far.
  const std::vector<std::size_t>& sizes() {
    driver_.settle();
    return sizes_;
  }
  std::size_t bytes() {
    std::size_t sum = 0;
    for (const std::size_t size : sizes()) sum += size;
    return sum;
  }

 private:
  asio::io_context context_;
  manual_clock_driver driver_;
  std::vector<std::size_t> sizes_;
  memory_transport transport_;
};

/// The knowledge of a node, as text: names, statuses, generations, addresses, keys and values.
std::string knowledge_of(const simulated_cluster& cluster, std::size_t node) {
  std::string text;
  for (const member& one : cluster[node].members()) {
    text += one.name + " " + std::string(to_string(one.status)) + " " +
            std::to_string(one.generation) + " " + one.address.to_string() + "\n";
    cluster[node].for_each(one.name, [&text](const entry_view& entry) {
      text += "  " + std::string(entry.key) + "=" + std::string(entry.value) + "\n";
    });
  }
  return text;
}

std::uint64_t sent_by(simulated_cluster& cluster, std::size_t node) {
  return cluster[node].carrier().counters().sent;
}

// ------------------------------------------------------------------------------- a sealed cluster

TEST_CASE("sealed cluster: nodes with one key agree, and say which key they use") {
  simulated_cluster cluster(1);
  add_sealed(cluster, 3, ring_of({new_key}));
  REQUIRE(cluster[0].set("colour", "blue"));
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));

  CHECK(cluster[2].get("n0", "colour")->value == "blue");
  CHECK(stage_at(cluster, 2, "n0") == "seal 37f07ee9");
  CHECK(member_at(cluster, 2, "n0")->sealed_with == sample_key(new_key)->id());
  CHECK(!member_at(cluster, 2, "n2")->sealed_with.has_value());
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(all_seal_drops(cluster, i) == 0);
    CHECK(cluster[i].seals().sealed > 0);
    CHECK(cluster[i].seals().opened > 0);
    CHECK(cluster[i].seals().plain_sent == 0);
    CHECK(cluster[i].seals().instances == 2);
  }
}

TEST_CASE("sealed cluster: nothing on the network is plain, and no datagram exceeds its limit") {
  simulated_cluster cluster(2);
  recorder seen(cluster);
  const std::string secret(900, 's');
  for (std::size_t i = 0; i < 3; ++i) {
    cluster.set_keyring(cluster.add(), ring_of({new_key}));
    for (int key = 0; key < 8; ++key) REQUIRE(cluster[i].set("key" + std::to_string(key), secret));
  }
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));

  std::size_t largest = 0;
  for (const recorder::kept& one : seen.all) {
    largest = std::max(largest, one.datagram.size());
    CHECK(one.datagram.front() == std::byte{0x73});
    const std::string_view text(reinterpret_cast<const char*>(one.datagram.data()),
                                one.datagram.size());
    CHECK(text.find("ssssssss") == std::string_view::npos);
    CHECK(text.find("key") == std::string_view::npos);
  }
  CHECK(largest <= 1200);
  CHECK(largest > 1100);
}

TEST_CASE("sealed cluster: the byte budget counts the seal of each datagram") {
  constexpr std::size_t budget = 2000;
  constexpr std::size_t intervals = 100;
  simulated_cluster cluster(3);
  for (std::size_t i = 0; i < 2; ++i) {
    config settings;
    settings.send_bytes_per_interval = budget;
    cluster.set_keyring(cluster.add(settings), ring_of({new_key}));
  }
  REQUIRE(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
  for (int key = 0; key < 1000; ++key) {
    REQUIRE(cluster[0].set("key" + std::to_string(key), std::string(400, 'v')));
  }
  const std::uint64_t before = cluster[0].carrier().counters().sent_bytes;

  cluster.run_for(intervals * cluster.settings(0).gossip_interval);

  REQUIRE(!cluster.has_agreed());  // so there was more to send all the time
  const std::uint64_t sent = cluster[0].carrier().counters().sent_bytes - before;
  CHECK(sent > budget * intervals * 9 / 10);
  // A full bucket at the beginning, and at the end what the last datagram borrows.
  CHECK(sent <= budget * (intervals + 1) + 1200);
}

TEST_CASE("sealed cluster: one seed gives one schedule, and one seal") {
  const auto trace_of = [](std::uint64_t seed) {
    simulated_cluster cluster(seed);
    add_sealed(cluster, 3, ring_of({new_key}));
    cluster.run_for(10s);
    return cluster.trace_hash();
  };
  CHECK(trace_of(1) == trace_of(1));
  CHECK(trace_of(1) != trace_of(2));
}

TEST_CASE("sealed cluster: random_seed decides no nonce outside of a simulation") {
  manual_clock::reset();
  asio::io_context context;
  const auto instance_of = [&context] {
    memory_network network(1);
    std::vector<std::byte> heard;
    network.on_delivery = [&heard](const endpoint&, const inbound& one) {
      if (heard.empty()) heard.assign(one.buffer.begin(), one.buffer.begin() + 40);
    };
    memory_transport over(context.get_executor(), network);
    memory_transport other(context.get_executor(), network);
    REQUIRE(over.open(endpoint::v4(10, 0, 0, 1, 7000)));
    REQUIRE(other.open(endpoint::v4(10, 0, 0, 2, 7000)));
    config settings;
    settings.name = "a";
    settings.random_seed = 7;
    settings.seeds = {"10.0.0.2:7000"};
    auto made = simulated_node::create(settings, over, simulated_storage(hash_key(1, 2), 3));
    REQUIRE(made.has_value());
    REQUIRE((*made)->set_keyring(ring_of({new_key})));
    config listens = settings;
    listens.name = "b";
    auto peer = simulated_node::create(listens, other, simulated_storage(hash_key(1, 2), 3));
    REQUIRE(peer.has_value());
    asio::co_spawn(context, (*made)->run(), asio::detached);
    asio::co_spawn(context, (*peer)->run(), asio::detached);
    manual_clock_driver driver(context);
    static_cast<void>(driver.run_until([&heard] { return !heard.empty(); }, 60s));
    (*made)->stop();
    (*peer)->stop();
    driver.settle();
    REQUIRE(read_seal_head(heard).has_value());
    return read_seal_head(heard)->instance;
  };

  CHECK(instance_of() != instance_of());
}

// ---------------------------------------------------------------------------------- from outside

TEST_CASE("sealed cluster: a plain node, a wrong key, and random bytes change nothing") {
  simulated_cluster cluster(3);
  add_sealed(cluster, 3, ring_of({new_key}));
  subscription events = cluster[0].subscribe();
  const std::size_t plain = cluster.add();
  const std::size_t wrong = cluster.add();
  cluster.set_keyring(wrong, ring_of({old_key}));
  const std::string before = knowledge_of(cluster, 0);
  random_source random(9);
  recorder seen(cluster);
  const endpoint nobody = endpoint::v4(10, 9, 9, 9, 7000);
  listener noise_source(cluster.network(), nobody);
  for (int i = 0; i < 1000; ++i) {
    byte_list noise(random.below(1400));
    for (std::byte& one : noise) one = static_cast<std::byte>(random.below(256));
    // Half of it begins as sealed datagrams do, and none as a plain one.
    if (!noise.empty()) noise[0] = i % 2 == 0 ? std::byte{0x73} : std::byte{0};
    cluster.network().inject(nobody, cluster.address(0), noise);
  }

  cluster.run_for(30s);

  CHECK(knowledge_of(cluster, 0) == before);
  CHECK(cluster[0].members().size() == 3);
  CHECK(cluster[plain].members().size() == 1);
  CHECK(cluster[wrong].members().size() == 1);
  CHECK(seal_drops(cluster, 0, seal_drop::plain) > 0);
  CHECK(seal_drops(cluster, 0, seal_drop::key) > 0);
  // Not a byte to any of them.
  CHECK(noise_source.sizes().empty());
  for (const recorder::kept& one : seen.all) {
    const bool is_outside =
        one.to == nobody || one.to == cluster.address(plain) || one.to == cluster.address(wrong);
    CHECK(!is_outside);
  }
  const std::vector<std::string> told = errors_of(events);
  CHECK(std::count_if(told.begin(), told.end(), [](const std::string& one) {
          return one.find("sends plain datagrams") != std::string::npos;
        }) == 1);
  CHECK(holds(told, cluster.address(plain).to_string() +
                        " sends plain datagrams; this node takes sealed ones only"));
  CHECK(holds(told, cluster.address(wrong).to_string() + " seals with key " +
                        to_text(sample_key(old_key)->id()) +
                        ", which is not in this node's keyring"));
  CHECK(told.size() == 2);
}

TEST_CASE("sealed cluster: the right key with another cluster's name is counted as that") {
  simulated_cluster cluster(4);
  add_sealed(cluster, 2, ring_of({new_key}));
  config other;
  other.cluster_name = "another";
  cluster.set_keyring(cluster.add(other), ring_of({new_key}));

  cluster.run_for(30s);

  CHECK(all_seal_drops(cluster, 0) == 0);
  CHECK(cluster[0].stats().drops[static_cast<std::size_t>(drop_reason::cluster)] > 0);
  CHECK(cluster[0].members().size() == 2);
}

TEST_CASE("sealed cluster: a clock more than a day off is named, and within a day it is not") {
  simulated_cluster cluster(5);
  add_sealed(cluster, 2, ring_of({new_key}));
  subscription events = cluster[0].subscribe();
  const std::size_t near = cluster.add();
  const std::size_t far = cluster.add();
  for (const auto& [index, offset] : {std::pair(near, -23h), std::pair(far, -50h)}) {
    cluster.crash(index);
    cluster.set_wall_offset(index, offset);
    cluster.set_keyring(index, ring_of({new_key}));
    cluster.restart(index);
  }

  cluster.run_for(30s);

  CHECK(member_at(cluster, 0, "n2").has_value());
  CHECK(!member_at(cluster, 0, "n3").has_value());
  CHECK(seal_drops(cluster, 0, seal_drop::stale) > 0);
  const std::vector<std::string> told = errors_of(events);
  CHECK(holds(told, cluster.address(far).to_string() +
                        " dates its first datagram 2 days in the past: check both clocks"));
}

TEST_CASE("sealed cluster: a node in 1970 joins by its peers' tolerance of 0, and reads any date") {
  simulated_cluster cluster(6);
  add_sealed(cluster, 2, ring_of({new_key}));
  for (std::size_t i = 0; i < 2; ++i) cluster[i].set_seal_clock_tolerance(0s);
  const std::size_t young = cluster.add();
  cluster.crash(young);
  cluster.set_wall_offset(young, -std::chrono::hours(24 * 365 * 54));
  cluster.set_keyring(young, ring_of({new_key}));
  cluster.restart(young);

  cluster.run_for(30s);

  CHECK(cluster.has_agreed());
  for (std::size_t i = 0; i < 2; ++i) {
    const std::optional<member> seen = member_at(cluster, i, "n2");
    REQUIRE(seen.has_value());
    CHECK(seen->status == peer_status::live);
    CHECK(seen->sealed_with == sample_key(new_key)->id());
    CHECK(member_at(cluster, young, "n" + std::to_string(i))->status == peer_status::live);
    CHECK(all_seal_drops(cluster, i) == 0);
  }
  CHECK(all_seal_drops(cluster, young) == 0);
  CHECK(cluster[young].seals().opened > 0);
  CHECK(cluster[young].seals().instances == 2);
}

TEST_CASE("sealed cluster: a step of a running node's clock drops nothing") {
  simulated_cluster cluster(7);
  add_sealed(cluster, 3, ring_of({new_key}));

  cluster.set_wall_offset(1, 72h);
  cluster.run_for(30s);
  cluster.set_wall_offset(1, -72h);
  cluster.run_for(30s);

  for (std::size_t i = 0; i < 3; ++i) CHECK(all_seal_drops(cluster, i) == 0);
  CHECK(cluster.has_agreed());
}

// --------------------------------------------------------------------------------- the replayer

TEST_CASE("sealed cluster: all that was recorded, given back after seconds, changes nothing") {
  simulated_cluster cluster(8);
  recorder seen(cluster);
  add_sealed(cluster, 3, ring_of({new_key}));
  REQUIRE(cluster[1].set("colour", "blue"));
  cluster.run_for(20s);
  seen.is_recording = false;
  cluster.partition({0});
  const std::string before = knowledge_of(cluster, 0);
  // Its next round is then a second away: what it sends meanwhile is answers.
  const std::uint64_t sent_before = sent_by(cluster, 0);
  REQUIRE(cluster.run_until([&] { return sent_by(cluster, 0) > sent_before; }, 5s));
  cluster.run_for(10ms);
  const udp_counters sent = cluster[0].carrier().counters();

  for (const recorder::kept& one : seen.all) {
    cluster.network().inject(one.from, cluster.address(0), one.datagram);
  }
  cluster.run_for(3ms);  // they take up to 2 ms

  CHECK(knowledge_of(cluster, 0) == before);
  // Its own: reflected. Those that it had: replayed, or behind. Those to n1 and n2 it never saw;
  // they are not for it, or prove no address.
  CHECK(seal_drops(cluster, 0, seal_drop::reflected) > 0);
  CHECK(seal_drops(cluster, 0, seal_drop::replayed) > 0);
  CHECK(seal_drops(cluster, 0, seal_drop::forged) == 0);
  CHECK(cluster[0].carrier().counters().sent == sent.sent);
  CHECK(cluster[0].carrier().counters().sent_bytes == sent.sent_bytes);

  // Once more: now all of them were seen.
  const std::uint64_t opened = cluster[0].seals().opened;
  for (const recorder::kept& one : seen.all) {
    cluster.network().inject(one.from, cluster.address(0), one.datagram);
  }
  cluster.run_for(3ms);
  CHECK(cluster[0].seals().opened == opened);
  CHECK(cluster[0].carrier().counters().sent == sent.sent);
}

TEST_CASE(
    "sealed cluster: given back from elsewhere, each datagram has one answer at most, of 3x") {
  simulated_cluster cluster(8);
  recorder seen(cluster);
  add_sealed(cluster, 3, ring_of({new_key}));
  for (std::size_t i = 0; i < 3; ++i) {
    for (int key = 0; key < 8; ++key) {
      REQUIRE(cluster[i].set("key" + std::to_string(key), std::string(900, 'v')));
    }
  }
  cluster.run_for(20s);
  seen.is_recording = false;
  std::vector<std::string> before;
  for (std::size_t i = 0; i < 3; ++i) before.push_back(knowledge_of(cluster, i));
  listener elsewhere(cluster.network(), endpoint::v4(10, 9, 9, 9, 7000));

  std::size_t answers = 0;
  for (int round = 0; round < 3; ++round) {
    for (const recorder::kept& one : seen.all) {
      for (std::size_t to = 0; to < 3; ++to) {
        const std::size_t count_before = elsewhere.sizes().size();
        const std::size_t bytes_before = elsewhere.bytes();
        cluster.network().inject(endpoint::v4(10, 9, 9, 9, 7000), cluster.address(to),
                                 one.datagram);
        cluster.run_for(5ms);  // there and back
        CHECK(elsewhere.sizes().size() - count_before <= 2);
        CHECK(elsewhere.bytes() - bytes_before <= 3 * one.datagram.size());
      }
    }
    // To a datagram that a node has seen there is none.
    if (round == 0) answers = elsewhere.sizes().size();
  }

  CHECK(answers > 0);
  CHECK(elsewhere.sizes().size() == answers);
  for (std::size_t i = 0; i < 3; ++i) CHECK(knowledge_of(cluster, i) == before[i]);
}

TEST_CASE("sealed cluster: replayed datagrams of a crashed node do not revive it") {
  simulated_cluster cluster(9);
  recorder seen(cluster);
  add_sealed(cluster, 3, ring_of({new_key}));
  cluster.run_for(10s);
  cluster.crash(2);
  REQUIRE(cluster.run_until(
      [&] { return member_at(cluster, 0, "n2")->status == peer_status::dead; }, 120s));
  seen.is_recording = false;

  bool is_dead = true;
  for (int round = 0; round < 5; ++round) {
    for (const recorder::kept& one : seen.all) {
      if (one.from != cluster.address(2)) continue;
      for (std::size_t to = 0; to < 2; ++to) {
        cluster.network().inject(one.from, cluster.address(to), one.datagram);
      }
    }
    cluster.run_for(1s);
    is_dead = is_dead && member_at(cluster, 0, "n2")->status == peer_status::dead;
  }

  CHECK(is_dead);
  CHECK(cluster[0].members().size() == 3);
}

TEST_CASE("sealed cluster: a restarted node takes nothing from what was recorded before") {
  simulated_cluster cluster(10);
  recorder seen(cluster);
  add_sealed(cluster, 3, ring_of({new_key}));
  cluster.run_for(10s);
  seen.is_recording = false;
  cluster.crash(0);
  cluster.crash(1);
  cluster.crash(2);
  cluster.restart(0);
  const endpoint nobody = endpoint::v4(10, 9, 9, 9, 7000);
  std::vector<std::unique_ptr<listener>> outside;
  for (const endpoint& at : {nobody, cluster.address(1), cluster.address(2)}) {
    outside.push_back(std::make_unique<listener>(cluster.network(), at));
  }
  const auto answers = [&outside] {
    std::size_t count = 0;
    std::size_t bytes = 0;
    for (const std::unique_ptr<listener>& one : outside) {
      count += one->sizes().size();
      bytes += one->bytes();
    }
    return std::pair(count, bytes);
  };

  std::size_t answers_of_first_round = 0;
  for (int round = 0; round < 5; ++round) {
    for (const recorder::kept& one : seen.all) {
      const auto [count_before, bytes_before] = answers();
      cluster.network().inject(one.from, cluster.address(0), one.datagram);
      cluster.network().inject(nobody, cluster.address(0), one.datagram);
      cluster.run_for(5ms);  // there and back
      const auto [count, bytes] = answers();
      CHECK(count - count_before <= 2);
      CHECK(bytes - bytes_before <= 3 * one.datagram.size());
    }
    cluster.run_for(1s);
    if (round == 0) answers_of_first_round = answers().first;
  }

  CHECK(answers().first == answers_of_first_round);
  CHECK(cluster[0].members().size() == 1);
  CHECK(seal_drops(cluster, 0, seal_drop::replayed) > 0);
}

TEST_CASE("sealed cluster: a first contact that a node never saw has one answer at most, of 3x") {
  simulated_cluster cluster(11);
  recorder seen(cluster);
  add_sealed(cluster, 3, ring_of({new_key}));
  // There is more to say than an answer may hold.
  for (int key = 0; key < 8; ++key) {
    REQUIRE(cluster[2].set("key" + std::to_string(key), std::string(900, 'v')));
  }
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));
  // A digest of n1 to n0 is unknown to n2.
  const auto found = std::find_if(seen.all.begin(), seen.all.end(), [&](const auto& one) {
    return one.from == cluster.address(1) && one.to == cluster.address(0);
  });
  REQUIRE(found != seen.all.end());
  const recorder::kept first = *found;
  seen.all.clear();
  const endpoint victim = endpoint::v4(10, 9, 9, 9, 7000);
  listener answers(cluster.network(), victim);
  const std::string before = knowledge_of(cluster, 2);

  cluster.network().inject(victim, cluster.address(2), first.datagram);
  cluster.run_for(5ms);  // there and back
  const std::size_t datagrams = answers.sizes().size();
  const std::size_t bytes = answers.bytes();
  for (int i = 1; i < 20; ++i) {
    cluster.network().inject(victim, cluster.address(2), first.datagram);
    cluster.run_for(5ms);
  }
  cluster.run_for(30s);

  // One answer is one datagram, or two.
  CHECK(datagrams > 0);
  CHECK(datagrams <= 2);
  CHECK(bytes <= 3 * first.datagram.size());
  CHECK(answers.sizes().size() == datagrams);
  CHECK(seal_drops(cluster, 2, seal_drop::replayed) == 19);
  CHECK(knowledge_of(cluster, 2) == before);
}

TEST_CASE("sealed cluster: duplicates and reordering on a bad network lose nothing") {
  simulated_cluster cluster(12);
  memory_network_options bad = cluster.network().options();
  bad.delay_min = 1ms;
  bad.delay_max = 300ms;
  bad.duplication = 0.2;
  bad.corruption = 0.05;
  bad.truncation = 0.05;
  cluster.network().set_options(bad);
  add_sealed(cluster, 5, ring_of({new_key}));
  for (int i = 0; i < 100; ++i) {
    REQUIRE(cluster[static_cast<std::size_t>(i) % 5].set("key" + std::to_string(i),
                                                         std::string(200, 'v')));
    cluster.run_for(100ms);
  }
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));

  CHECK(seal_drops(cluster, 0, seal_drop::replayed) > 0);
  CHECK(seal_drops(cluster, 0, seal_drop::behind) == 0);
  CHECK(seal_drops(cluster, 0, seal_drop::stale) == 0);
}

// ------------------------------------------------------------------------------------- rotation

TEST_CASE("sealed cluster: a key is rotated node by node, under writes, without a drop") {
  simulated_cluster cluster(13);
  add_sealed(cluster, 4, ring_of({old_key}));
  int writes = 0;
  const auto give_all = [&](const keyring& ring) {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      cluster.set_keyring(i, ring);
      REQUIRE(cluster[i].set("count", std::to_string(++writes)));
      cluster.run_for(2s);
    }
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));
  };

  give_all(ring_of({old_key, new_key}));  // install
  CHECK(stage_at(cluster, 3, "n0") ==
        "seal " + to_text(sample_key(old_key)->id()) + " open 37f07ee9");
  give_all(ring_of({new_key, old_key}));  // use
  CHECK(member_at(cluster, 3, "n0")->sealed_with == sample_key(new_key)->id());
  cluster.run_for(1s);
  give_all(ring_of({new_key}));  // remove

  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(all_seal_drops(cluster, i) == 0);
    for (std::size_t peer = 0; peer < 4; ++peer) {
      CHECK(stage_at(cluster, i, "n" + std::to_string(peer)) == "seal 37f07ee9");
    }
  }
  CHECK(cluster[0].stats().declared_dead == 0);
}

TEST_CASE("sealed cluster: a node that missed the rotation is shut out until it has the new ring") {
  simulated_cluster cluster(14);
  add_sealed(cluster, 3, ring_of({old_key}));
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({old_key, new_key}));
  cluster.run_for(5s);
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({new_key}));

  REQUIRE(cluster.run_until(
      [&] { return member_at(cluster, 0, "n2")->status == peer_status::dead; }, 120s));
  CHECK(seal_drops(cluster, 0, seal_drop::key) > 0);
  CHECK(seal_drops(cluster, 2, seal_drop::key) > 0);

  cluster.set_keyring(2, ring_of({new_key}));
  CHECK(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
}

TEST_CASE("sealed cluster: two halves that rotate in turn under a partition meet again") {
  // Install reached all; then each half goes on by itself, in both orders.
  for (const std::size_t first : {std::size_t{0}, std::size_t{2}}) {
    CAPTURE(first);
    simulated_cluster cluster(15 + first);
    add_sealed(cluster, 4, ring_of({old_key, new_key}));
    cluster.partition({0, 1});
    const std::size_t second = 2 - first;
    for (std::size_t i = first; i < first + 2; ++i)
      cluster.set_keyring(i, ring_of({new_key, old_key}));
    cluster.run_for(120s);  // longer than it takes to declare the others dead
    cluster.heal();
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
    for (std::size_t i = second; i < second + 2; ++i) {
      cluster.set_keyring(i, ring_of({new_key, old_key}));
    }
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));

    for (std::size_t i = 0; i < 4; ++i) CHECK(all_seal_drops(cluster, i) == 0);
  }
}

TEST_CASE("sealed cluster: a key is rotated while nodes join and restart at each stage") {
  simulated_cluster cluster(23);
  add_sealed(cluster, 4, ring_of({old_key}));
  keyring before = ring_of({old_key});
  const auto give_all = [&](const keyring& ring) {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      cluster.set_keyring(i, ring);
      REQUIRE(cluster[i].set("stage", cluster[i].get(cluster[i].name(), keyring_key)->value));
      cluster.run_for(2s);
      if (i != 1) continue;
      // In the midst of a stage: one starts anew with the new file, one with the old, one joins.
      cluster.restart(1);
      cluster.restart(3);
      cluster.set_keyring(cluster.add(), before);
      REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
    }
    cluster.restart(2);
    cluster.set_keyring(cluster.add(), ring);
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
    before = ring;
  };

  give_all(ring_of({old_key, new_key}));  // install
  give_all(ring_of({new_key, old_key}));  // use
  cluster.run_for(10s);
  give_all(ring_of({new_key}));  // remove

  CHECK(cluster.size() == 10);
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    CAPTURE(i);
    CHECK(all_seal_drops(cluster, i) == 0);
    for (std::size_t peer = 0; peer < cluster.size(); ++peer) {
      const std::string name = "n" + std::to_string(peer);
      CHECK(stage_at(cluster, i, name) == "seal 37f07ee9");
      if (peer == i) continue;
      CHECK(member_at(cluster, i, name)->status == peer_status::live);
      // Of a peer that never spoke to this one itself there is none.
      CHECK(member_at(cluster, i, name)->sealed_with.value_or(sample_key(new_key)->id()) ==
            sample_key(new_key)->id());
    }
  }
}

TEST_CASE(
    "sealed cluster: two halves that remove the old key in turn under a partition meet again") {
  for (const std::size_t first : {std::size_t{0}, std::size_t{2}}) {
    CAPTURE(first);
    simulated_cluster cluster(24 + first);
    add_sealed(cluster, 4, ring_of({new_key, old_key}));
    cluster.partition({0, 1});
    for (std::size_t i = first; i < first + 2; ++i) cluster.set_keyring(i, ring_of({new_key}));
    cluster.run_for(120s);  // longer than it takes to declare the others dead
    cluster.heal();
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
    for (std::size_t i = 2 - first; i < 4 - first; ++i) cluster.set_keyring(i, ring_of({new_key}));
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));

    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(all_seal_drops(cluster, i) == 0);
      CHECK(stage_at(cluster, 3 - i, "n" + std::to_string(i)) == "seal 37f07ee9");
    }
  }
}

TEST_CASE(
    "sealed cluster: a half that removes the old key too early hears the other half no more") {
  simulated_cluster cluster(28);
  add_sealed(cluster, 4, ring_of({old_key, new_key}));
  cluster.partition({0, 1});
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({new_key, old_key}));
  cluster.run_for(5s);
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({new_key}));
  cluster.run_for(120s);
  cluster.heal();
  REQUIRE(cluster[2].set("late", "word"));
  cluster.run_for(120s);

  CHECK(!cluster[0].get("n2", "late").has_value());
  CHECK(member_at(cluster, 0, "n2")->status == peer_status::dead);
  CHECK(seal_drops(cluster, 0, seal_drop::key) > 0);
  CHECK(all_seal_drops(cluster, 2) == 0);  // it opens what is sealed with the new key

  for (std::size_t i = 2; i < 4; ++i) cluster.set_keyring(i, ring_of({new_key, old_key}));
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
  CHECK(cluster[0].get("n2", "late").has_value());
}

TEST_CASE("sealed cluster: a former member with a removed key writes nothing, and reads nothing") {
  simulated_cluster cluster(16);
  add_sealed(cluster, 3, ring_of({old_key}));
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({old_key, new_key}));
  cluster.run_for(5s);
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({new_key, old_key}));
  cluster.run_for(5s);
  for (std::size_t i = 0; i < 2; ++i) cluster.set_keyring(i, ring_of({new_key}));
  cluster.run_for(5s);

  REQUIRE(cluster[2].set("late", "word"));
  REQUIRE(cluster[0].set("secret", "word"));
  cluster.run_for(30s);

  CHECK(!cluster[0].get("n2", "late").has_value());
  CHECK(!cluster[2].get("n0", "secret").has_value());
  CHECK(cluster[1].get("n0", "secret").has_value());
}

// ------------------------------------------------------------------------------------- migration

TEST_CASE("sealed cluster: a plain cluster is sealed node by node, with joins and restarts") {
  simulated_cluster cluster(17);
  for (int i = 0; i < 4; ++i) cluster.add();
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));
  std::size_t joins = 0;
  const auto give_all = [&](const keyring& ring) {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      cluster.set_keyring(i, ring);
      REQUIRE(cluster[i].set("stage", cluster[i].get(cluster[i].name(), keyring_key)->value));
      cluster.run_for(2s);
      if (i == 1) cluster.restart(1);
    }
    cluster.set_keyring(cluster.add(), ring);
    ++joins;
    REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 120s));
  };

  give_all(ring_of({new_key}, plain_policy::sent));
  CHECK(stage_at(cluster, 3, "n0") == "seal 37f07ee9 plain sent");
  CHECK(member_at(cluster, 3, "n0")->sealed_with == 0U);
  CHECK(cluster[0].seals().sealed == 0);
  give_all(ring_of({new_key}, plain_policy::accepted));
  CHECK(stage_at(cluster, 3, "n0") == "seal 37f07ee9 plain accepted");
  CHECK(member_at(cluster, 3, "n0")->sealed_with == sample_key(new_key)->id());
  give_all(ring_of({new_key}));
  CHECK(stage_at(cluster, 3, "n0") == "seal 37f07ee9");

  CHECK(cluster.size() == 4 + joins);
  for (std::size_t i = 0; i < cluster.size(); ++i) CHECK(all_seal_drops(cluster, i) == 0);
}

TEST_CASE("sealed cluster: while plain datagrams are taken, each change of the ring says so") {
  simulated_cluster cluster(18);
  cluster.add();
  subscription events = cluster[0].subscribe();

  cluster.set_keyring(0, ring_of({new_key}, plain_policy::sent));
  CHECK(holds(errors_of(events),
              "plain datagrams are sent and accepted: the cluster is not protected yet"));
  cluster.set_keyring(0, ring_of({new_key}, plain_policy::accepted));
  CHECK(holds(errors_of(events), "plain datagrams are accepted: the cluster is not protected yet"));
  cluster.set_keyring(0, ring_of({new_key}));
  CHECK(errors_of(events).empty());
}

TEST_CASE("sealed cluster: a node that was given a ring is never without one again") {
  simulated_cluster cluster(19);
  add_sealed(cluster, 2, ring_of({new_key}));

  const auto refused = cluster[0].set_keyring(keyring());

  REQUIRE(!refused.has_value());
  CHECK(refused.error().message() == "keyring: a node with a keyring needs a key");
  CHECK(cluster[0].seals().keys.size() == 1);
  keyring twice = ring_of({new_key, new_key});
  CHECK(cluster[0].set_keyring(twice).error().message() ==
        "keyring: the key 37f07ee9 stands there twice");
  keyring many;
  for (unsigned i = 0; i < 9; ++i) many.keys.push_back(sample_key(i));
  CHECK(cluster[0].set_keyring(many).error().message() == "keyring: more than 8 keys");
  cluster.run_for(5s);
  CHECK(cluster[0].seals().plain_sent == 0);
}

// ----------------------------------------------------------------------------------------- clones

TEST_CASE("sealed cluster: a renewed seal goes on among peers that know the old one") {
  simulated_cluster cluster(20);
  add_sealed(cluster, 3, ring_of({new_key}));

  cluster[1].renew_seal();
  REQUIRE(cluster[1].set("colour", "blue"));
  REQUIRE(cluster.run_until([&] { return cluster.has_agreed(); }, 60s));

  CHECK(cluster.run_until([&] { return cluster[0].seals().instances == 3; }, 60s));
  CHECK(all_seal_drops(cluster, 0) == 0);
}

TEST_CASE("sealed cluster: two runs of one snapshot are counted as replayed, and named by all") {
  // Restored at once: the generation of both is the same too. Restored later: it is not.
  for (const std::chrono::seconds pause : {0s, 5s}) {
    CAPTURE(pause.count());
    simulated_cluster cluster(21);
    add_sealed(cluster, 2, ring_of({new_key}));
    config twin;
    twin.name = "twin";
    twin.random_seed = 5;
    // Both draw the instance that their snapshot held.
    const auto add_twin = [&] {
      const std::size_t index = cluster.add(twin);
      set_seal_draw(cluster[index], [] { return std::uint64_t{77}; });
      REQUIRE(cluster[index].set_keyring(ring_of({new_key})));
      return index;
    };
    const std::size_t one = add_twin();
    cluster.run_for(pause);
    const std::size_t other = add_twin();
    std::vector<subscription> events;
    for (std::size_t i = 0; i < cluster.size(); ++i) events.push_back(cluster[i].subscribe());

    cluster.run_for(60s);

    // Their peers see each count of one instance twice.
    CHECK(seal_drops(cluster, 0, seal_drop::replayed) > 0);
    CHECK(seal_drops(cluster, 1, seal_drop::replayed) > 0);
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      CAPTURE(i);
      const std::vector<event> told = conflicts_of(events[i]);
      CHECK(told.size() == 1);
      CHECK(std::all_of(told.begin(), told.end(),
                        [](const event& seen) { return seen.peer == "twin"; }));
    }
    const peer_status first = member_at(cluster, one, "twin")->status;
    const peer_status second = member_at(cluster, other, "twin")->status;
    CHECK((first == peer_status::conflict) != (second == peer_status::conflict));
  }
}

// ------------------------------------------------------------------------------- the library's key

TEST_CASE("sealed cluster: keys of the library are refused to users, and hidden from views") {
  simulated_cluster cluster(22);
  add_sealed(cluster, 2, ring_of({new_key}));
  simulated_node& node = cluster[0];

  CHECK(node.set("gossipmonger/x", "1").error() == errc::key_reserved);
  CHECK(node.set("gossipmonger/keys", "1", 1s).error() == errc::key_reserved);
  CHECK(node.set({{"a", "1"}, {"gossipmonger/x", "1"}}).error() == errc::key_reserved);
  CHECK(node.erase("gossipmonger/keys").error() == errc::key_reserved);
  CHECK(!node.get("n0", "a").has_value());
  CHECK(node.set("gossipmonger", "1").has_value());
  CHECK(stage_at(cluster, 0, "n0") == "seal 37f07ee9");

  membership_view hidden;
  membership_view shown(key_scope::all, library_keys::shown);
  subscription events = node.subscribe();
  while (const std::optional<event_view> seen = events.try_next_view()) {
    hidden.apply(*seen);
    shown.apply(*seen);
  }
  CHECK(!hidden.get("n1", keyring_key).has_value());
  CHECK(shown.get("n1", keyring_key) == "seal 37f07ee9");
}

}  // namespace
}  // namespace gossipmonger
