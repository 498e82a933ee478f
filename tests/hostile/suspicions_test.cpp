// A member that suspects all others, in well-formed datagrams, can have them probed, and no more.
// No peer is declared dead on its word alone, and the traffic that it causes has a bound.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../sim/cluster.hpp"
#include "../wire/datagram.hpp"
#include "gossipmonger/hash.hpp"
#include "sim/world.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t cookie_at = 18;
constexpr std::size_t cookie_bytes = 6;
constexpr std::uint16_t round_ages = suspicion_entry::ages_a_round;

/// The words of one node of a cluster, in place of its own: under its address, with the cookies
/// that the others gave it. A resource.
class liar {
 public:
  liar(world& where, std::size_t node) : where_(where), node_(node) {
    where_.on_send = [this](std::size_t from, const endpoint& to,
                            std::span<const std::byte> bytes) {
      if (to != where_.address(node_)) return;
      std::memcpy(&cookies_[from], bytes.data() + cookie_at, cookie_bytes);
    };
  }
  liar(const liar&) = delete;
  liar& operator=(const liar&) = delete;
  ~liar() { where_.on_send = nullptr; }

  /// A suspicion of that age about `about`, as the node `to` knows it, and no sign of life.
  [[nodiscard]] suspicion_entry suspicion(std::size_t to, std::size_t about,
                                          std::uint16_t age) const {
    suspicion_entry made;
    const std::optional<member> known = where_[to].find_member(name_of(about), where_.now(to));
    REQUIRE(known);
    made.name_hash = siphash(make_cluster_key("default"), name_of(about));
    made.generation = known->generation;
    made.heartbeat = known->heartbeat;
    made.suspicion_age = age;
    return made;
  }

  /// Says so to `to`, 32 in a datagram.
  void tell(std::size_t to, std::span<const suspicion_entry> suspicions) {
    const std::optional<member> known = where_[to].find_member(name_of(node_), where_.now(to));
    if (!known || !cookies_.contains(to)) return;
    while (!suspicions.empty()) {
      const std::size_t count = std::min(suspicions.size(), suspicion_entry::suspicions_max);
      message lie;
      lie.kind = message_kind::reply;
      lie.sender.name_hash = siphash(make_cluster_key("default"), name_of(node_));
      lie.sender.generation = known->generation;
      lie.sender.heartbeat = known->heartbeat;
      const peer_view heard = where_[to].peers().self();
      lie.receiver.name_hash = heard.name_hash();
      lie.receiver.generation = heard.generation();
      lie.receiver.heartbeat = heard.heartbeat();
      lie.cookie_echo = cookies_[to];
      lie.suspicions.assign(suspicions.begin(),
                            suspicions.begin() + static_cast<std::ptrdiff_t>(count));
      std::vector<std::uint64_t> words(150);
      const codec format(make_cluster_id("default"), 1200);
      const std::size_t size = format.encode(lie, std::as_writable_bytes(std::span(words)));
      where_.inject(to, where_.address(node_), std::as_bytes(std::span(words)).first(size));
      suspicions = suspicions.subspan(count);
    }
  }

 private:
  world& where_;
  std::size_t node_;
  std::map<std::size_t, std::uint64_t> cookies_;  // by the node that gave them
};

std::uint64_t declared_dead(const world& where) {
  std::uint64_t all = 0;
  for (std::size_t node = 0; node < where.size(); ++node) all += where[node].stats().declared_dead;
  return all;
}

/// Suspicions of all others, as the liar tells them of one node.
std::vector<suspicion_entry> suspicions_of_all(const world& where, const liar& member,
                                               std::size_t to, std::uint16_t age) {
  std::vector<suspicion_entry> suspicions;
  for (std::size_t about = 0; about < where.size(); ++about) {
    if (about != to && where[to].is_known(name_of(about))) {
      suspicions.push_back(member.suspicion(to, about, age));
    }
  }
  return suspicions;
}

// Besides short legs: the fan-out, a dead peer, a seed.
constexpr std::uint64_t digests_a_round_max = 24 + 3;

}  // namespace

TEST_CASE(
    "suspicions: a member that suspects all others to all, in every round, declares nobody dead") {
  for (const double loss : {0.0, 0.05}) {
    CAPTURE(loss);
    constexpr std::size_t count = 10;
    constexpr int rounds = 200;
    world where(41);
    add_cluster(where, count);
    liar member(where, 3);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s));
    where.conditions.loss = loss;
    const std::uint64_t bytes_before = where.counters().bytes;
    where.run_for(rounds * 1s);
    const std::uint64_t bytes_at_rest = where.counters().bytes - bytes_before;
    REQUIRE(declared_dead(where) == 0);

    std::uint64_t suspects = 0;
    for (int round = 0; round < rounds; ++round) {
      std::vector<protocol_stats> before;
      for (std::size_t node = 0; node < count; ++node) before.push_back(where[node].stats());
      // Of now, and of as long ago as may not be known better.
      constexpr std::uint16_t ages[] = {0, round_ages, 4 * round_ages, 11 * round_ages};
      for (std::size_t to = 0; to < count; ++to) {
        if (to != 3) member.tell(to, suspicions_of_all(where, member, to, ages[round % 4]));
        suspects += where[to].stats().peers_suspect;
      }
      where.run_for(1s);
      for (std::size_t node = 0; node < count; ++node) {
        const protocol_stats now = where[node].stats();
        const std::uint64_t passed = now.rounds - before[node].rounds + 1;
        CHECK(now.digests_sent - before[node].digests_sent <= passed * digests_a_round_max);
      }
    }

    CHECK(suspects > 100);  // the lies were heard
    CHECK(declared_dead(where) == 0);
    MESSAGE("bytes a node and round: "
            << bytes_at_rest / (count * rounds) << " at rest, "
            << (where.counters().bytes - bytes_before - bytes_at_rest) / (count * rounds)
            << " while all are suspected");
    where.run_for(20s);
    CHECK(where.has_agreed());
  }
}

// All its peers at once, more than it may ask in the time that is left, of some rounds ago: most it
// did not hear since then.
TEST_CASE(
    "suspicions: a member that makes one node suspect 100 peers at once declares nobody dead") {
  config common;
  common.digest_datagrams_max = 1;  // half of the cluster: news of heartbeats is slow
  constexpr std::size_t count = 100;
  world where(42);
  add_cluster(where, count, common);
  liar member(where, 3);
  where.run_for(150s);
  REQUIRE(declared_dead(where) == 0);

  std::uint64_t suspects_max = 0;
  std::size_t victim = 10;
  for (const int rounds_ago : {6, 9, 12}) {
    const std::uint16_t age = static_cast<std::uint16_t>(rounds_ago * round_ages);
    member.tell(victim, suspicions_of_all(where, member, victim, age));
    suspects_max = std::max(suspects_max, where[victim].stats().peers_suspect);
    where.run_for(20s);
    ++victim;
  }

  CHECK(suspects_max > 50);
  CHECK(declared_dead(where) == 0);
}

TEST_CASE(
    "suspicions: a member's suspicion, recorded and sent again for minutes, declares nobody dead") {
  world where(43);
  bool is_out = false;
  where.is_cut = [&](std::size_t from, std::size_t to) {
    return is_out && std::max(from, to) == 3;  // only 0, 1 and 2 can suspect it
  };
  std::vector<std::uint64_t> recorded;
  const codec format(make_cluster_id("default"), 1200);
  where.on_delivery = [&](std::size_t to, std::span<const std::byte> bytes) {
    if (to != 0 || !recorded.empty()) return;
    std::vector<std::uint64_t> words((bytes.size() + 7) / 8);
    std::memcpy(words.data(), bytes.data(), bytes.size());
    message heard;
    REQUIRE(format.decode(std::as_bytes(std::span(words)).first(bytes.size()), heard));
    const bool is_from_1 =
        heard.sender.name_hash == siphash(make_cluster_key("default"), name_of(1));
    for (const suspicion_entry& suspicion : heard.suspicions) {
      const bool is_aloud =
          !suspicion.is_probe_request && suspicion.suspicion_age != suspicion_entry::no_suspicion;
      if (is_from_1 && is_aloud) recorded = words;
    }
  };
  add_cluster(where, 4);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s));
  is_out = true;
  REQUIRE(where.run_until([&] { return !recorded.empty(); }, 30s));
  is_out = false;
  where.run_for(20s);
  REQUIRE(status_at(where, 0, "n3") == peer_status::live);
  const std::uint64_t declared = declared_dead(where);

  std::uint64_t suspects = 0;
  for (int round = 0; round < 200; ++round) {
    for (int again = 0; again < 3; ++again) {
      where.inject(0, where.address(1), std::as_bytes(std::span(recorded)));
    }
    suspects += where[0].stats().peers_suspect;
    where.run_for(1s);
  }

  CHECK(suspects == 0);  // its echo was old before it came again
  CHECK(declared_dead(where) == declared);
  CHECK(status_at(where, 0, "n3") == peer_status::live);
}

// It claims more than the owner can have reached by now.
TEST_CASE("suspicions: a sign of life with the highest heartbeat is dropped, and kills nobody") {
  world where(44);
  add_cluster(where, 5);
  liar member(where, 3);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 60s));
  where.run_for(10s);
  const std::uint64_t generation = where[1].generation();
  const std::uint64_t heartbeat = where[0].find_member("n1", where.now(0))->heartbeat;
  const auto dropped = [&where] {
    return where[0].stats().drops[static_cast<std::size_t>(drop_reason::field)];
  };
  const std::uint64_t dropped_before = dropped();

  suspicion_entry alive = member.suspicion(0, 1, suspicion_entry::no_suspicion);
  alive.alive_age = 0;
  alive.heartbeat = heartbeat_max;
  member.tell(0, std::vector<suspicion_entry>{alive});
  CHECK(dropped() == dropped_before + 1);
  CHECK(where[0].find_member("n1", where.now(0))->heartbeat == heartbeat);
  where.run_for(20s);

  CHECK(where[1].generation() == generation);
  CHECK(where[1].stats().refutations == 0);
  CHECK(where.has_agreed());
  CHECK(all_see(where, "n1", peer_status::live));
  CHECK(declared_dead(where) == 0);
}

}  // namespace gossipmonger
