// The round of the ancestor (gossipmonger 0.1.10) and its options, as they can be seen from
// outside: who is sent a digest when, what bounds an answer, which events follow.
// CONFORMANCE.md beside it names these tests.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Counts the digests that one node sends, by address.
class digest_counter {
 public:
  digest_counter(world& where, std::size_t node) {
    where.on_send = [this, node](std::size_t from, const endpoint& to,
                                 std::span<const std::byte> datagram) {
      const bool is_digest = (datagram[2] & std::byte{0x0f}) == std::byte{1};
      if (from == node && is_digest) ++counts_[to];
    };
  }

  [[nodiscard]] std::size_t to(const endpoint& address) const {
    const auto place = counts_.find(address);
    return place == counts_.end() ? 0 : place->second;
  }
  [[nodiscard]] std::size_t all() const {
    std::size_t sum = 0;
    for (const auto& [address, count] : counts_) sum += count;
    return sum;
  }
  void clear() { counts_.clear(); }

 private:
  std::map<endpoint, std::size_t> counts_;
};

/// No seeds beyond the first contact, rounds that tick exactly.
config plain() {
  config settings;
  settings.jitter = 0;
  settings.seed_every_rounds = 10'000;
  return settings;
}

/// From the crash of one of five until all others hold it for dead.
std::chrono::nanoseconds time_to_declare_dead(double phi, std::size_t suspicion_rounds) {
  config common = plain();
  common.suspicion_rounds = suspicion_rounds;
  common.dead_peer_phi = phi;
  world where(10);
  add_cluster(where, 5, common);
  where.run_for(120s);
  where.crash(4);
  const auto crashed = where.time();
  REQUIRE(where.run_until([&] { return all_see(where, "n4", peer_status::dead); }, 200s));
  return where.time() - crashed;
}

}  // namespace

// Step 1: a random live peer there; here a shuffled ring, so that nobody waits for luck.
TEST_CASE(
    "conformance: each round one live peer gets a digest, and each within a turn of the ring") {
  world where(1);
  add_cluster(where, 6, plain());
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  digest_counter sent(where, 3);

  for (int turn = 0; turn < 20; ++turn) where.run_for(5s);

  CHECK(sent.all() == 100);
  for (const std::size_t node : {0U, 1U, 2U, 4U, 5U}) {
    // 20 turns; where the count begins and ends, one more or less.
    CHECK(sent.to(where.address(node)) >= 19);
    CHECK(sent.to(where.address(node)) <= 21);
  }
}

TEST_CASE("conformance: with a fan-out of three, three different live peers get a digest a round") {
  config common = plain();
  common.fanout = 3;
  world where(2);
  add_cluster(where, 6, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  digest_counter sent(where, 3);

  for (int round = 0; round < 50; ++round) {
    sent.clear();
    where.run_for(1s);
    CHECK(sent.all() == 3);
    for (std::size_t node = 0; node < 6; ++node) CHECK(sent.to(where.address(node)) <= 1);
  }
}

// Step 2.
TEST_CASE("conformance: a dead peer gets a digest with probability dead / (live + 1)") {
  world where(3);
  add_cluster(where, 30, plain());
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 30s));
  const std::vector<std::size_t> victims = {27, 28, 29};
  for (const std::size_t victim : victims) where.crash(victim);
  for (const std::size_t victim : victims) {
    REQUIRE(
        where.run_until([&] { return all_see(where, name_of(victim), peer_status::dead); }, 100s));
  }
  std::set<endpoint> dead_addresses;
  for (const std::size_t victim : victims) dead_addresses.insert(where.address(victim));
  std::size_t tries = 0;
  where.on_send = [&](std::size_t, const endpoint& to, std::span<const std::byte>) {
    if (dead_addresses.contains(to)) ++tries;
  };

  where.run_for(60s);

  // 27 nodes, 60 rounds, 3 dead, 26 live others: 27 * 60 * 3 / 27 = 180; deviation 12.6.
  CHECK(tries >= 180 - 38);
  CHECK(tries <= 180 + 38);
}

TEST_CASE("conformance: with nobody live, a dead peer gets a digest every round") {
  config common = plain();
  common.dead_peer_phi = 2;
  common.suspicion_rounds = 0;  // its probes in vain would make addresses wait
  world where(4);
  add_cluster(where, 8, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  for (std::size_t node = 1; node < 8; ++node) where.crash(node);
  REQUIRE(where.run_until([&] { return where[0].live_peers() == 0; }, 60s));
  digest_counter sent(where, 0);  // it has no seed

  where.run_for(12s);

  CHECK(sent.all() == 12);
}

// Its probes were in vain: the addresses wait, for 16 rounds each in the end, and one of seven is
// drawn a round.
TEST_CASE("conformance: with nobody live, dead peers go on getting digests after probes in vain") {
  world where(4);
  add_cluster(where, 8, plain());
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  for (std::size_t node = 1; node < 8; ++node) where.crash(node);
  REQUIRE(where.run_until([&] { return where[0].live_peers() == 0; }, 60s));
  digest_counter sent(where, 0);

  for (int round = 0; round < 230; ++round) {
    const std::size_t before = sent.all();
    where.run_for(1s);
    CHECK(sent.all() <= before + 1);
  }

  // A wait of 16 rounds and seven for the draw: each in 23 rounds on average.
  CHECK(sent.all() >= 50);
  CHECK(sent.all() <= 230 * 7 / 16);
  for (std::size_t node = 1; node < 8; ++node) CHECK(sent.to(where.address(node)) >= 5);
}

// Step 3.
TEST_CASE("conformance: a seed gets a digest every round while too few live") {
  for (const std::size_t live_peers_min : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    config common = plain();
    common.live_peers_min = live_peers_min;
    world where(5);
    add_cluster(where, 3, common);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
    digest_counter sent(where, 2);
    // A turn of the ring is two rounds, and the count begins where one does: who is met twice in a
    // row ends one turn and begins the next.
    const auto is_met_in_a_round = [&](std::size_t node) {
      sent.clear();
      where.run_for(1s);
      return sent.to(where.address(node)) == 1;
    };
    std::size_t in_a_row = 0;
    for (int round = 0; in_a_row < 2; ++round) {
      REQUIRE(round < 100);
      in_a_row = is_met_in_a_round(1) ? in_a_row + 1 : 0;
    }
    REQUIRE(!is_met_in_a_round(1));

    // One for a live peer, which is the seed in every other round; with two live of at least three,
    // one for the seed in the rounds between.
    std::size_t all = 0;
    std::size_t to_seed = 0;
    for (int round = 0; round < 20; ++round) {
      sent.clear();
      where.run_for(1s);
      if (live_peers_min > 2) CHECK(sent.to(where.address(0)) == 1);
      all += sent.all();
      to_seed += sent.to(where.address(0));
    }
    CHECK(all == (live_peers_min > 2 ? 30 : 20));
    CHECK(to_seed == (live_peers_min > 2 ? 20 : 10));
  }
}

TEST_CASE("conformance: a seed gets a digest every sixteenth round in any case") {
  config common = plain();
  common.seed_every_rounds = 16;
  world where(6);
  add_cluster(where, 3, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  digest_counter sent(where, 2);

  // Each round sends one digest to a live peer. Every sixteenth round sends one to the seed too,
  // unless the seed is that peer. So each sixteen rounds hold one seed round, and fifteen others.
  std::vector<std::size_t> all;
  std::vector<std::size_t> to_seed;
  for (int round = 0; round < 160; ++round) {
    sent.clear();
    where.run_for(1s);
    all.push_back(sent.all());
    to_seed.push_back(sent.to(where.address(0)));
  }
  const auto place = std::find(all.begin(), all.end(), std::size_t{2});
  REQUIRE(place != all.end());
  const std::size_t turn = static_cast<std::size_t>(place - all.begin()) % 16;
  for (std::size_t round = 0; round < all.size(); ++round) {
    CAPTURE(round);
    const bool is_seed_round = round % 16 == turn;
    if (is_seed_round) CHECK(to_seed[round] == 1);
    if (!is_seed_round || all[round] != 2) CHECK(all[round] == 1);
  }
}

TEST_CASE(
    "conformance: halves that know each other only as dead and forgotten meet by their seed") {
  config common;
  common.dead_peer_grace = 60s;
  world where(7);
  bool is_split = false;
  where.is_cut = [&](std::size_t from, std::size_t to) {
    return is_split && (from < 3) != (to < 3);
  };
  add_cluster(where, 6, common);
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));

  is_split = true;
  where.run_for(400s);
  CHECK(!where[5].is_known("n0"));
  REQUIRE(where[0].set("key", "from one half"));
  REQUIRE(where[5].set("key", "from the other"));
  is_split = false;

  CHECK(where.run_until([&] { return where.has_agreed(); }, 60s));
}

TEST_CASE("conformance: a seed that is myself is skipped, and none makes a cluster of one") {
  world where(8);
  config settings = plain();
  settings.name = "alone";
  const std::size_t alone = where.add(settings);
  where[alone].set_seeds({where.address(alone)});

  where.run_for(100s);

  CHECK(where[alone].stats().rounds == 101);
  CHECK(where.counters().datagrams == 0);
  REQUIRE(where[alone].set("key", "value"));
  CHECK(value_at(where, alone, "alone", "key") == "value");
}

// Steps 4 and 5.
TEST_CASE("conformance: statuses are decided anew each round, and each change is one event") {
  world where(9);
  add_cluster(where, 4);
  event_log log(where, 0);
  log.clear();
  REQUIRE(where[3].set("key", "value"));
  REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
  event_log late(where, 0);
  CHECK(late.count(event_kind::new_peer) == 3);
  CHECK(late.count(event_kind::peer_live) == 3);
  CHECK(late.count(event_kind::update) == 1);

  log.read(where);
  log.clear();
  bool is_out = true;
  where.is_cut = [&](std::size_t from, std::size_t to) { return is_out && (from == 3 || to == 3); };
  where.run_for(60s);
  log.read(where);
  CHECK(log.text() == "peer_dead n3");

  log.clear();
  is_out = false;
  where.run_for(60s);
  log.read(where);
  CHECK(log.text() == "peer_live n3");

  log.clear();
  REQUIRE(where[3].set("key", "other"));
  REQUIRE(where[3].set("more", "1"));
  where.run_for(10s);
  REQUIRE(where[3].erase("key"));
  where.run_for(10s);
  log.read(where);
  // A change that was not read in time is told once, as it is now.
  CHECK(log.text() == "update n3 more=1; removed n3 key");
}

// Where phi alone decides.
TEST_CASE("conformance: a higher dead_peer_phi declares dead later") {
  std::vector<std::chrono::nanoseconds> times;
  for (const double phi : {2.0, 4.0, 8.0, 16.0}) {
    times.push_back(time_to_declare_dead(phi, 0));
  }

  CHECK(times[0] < times[1]);
  CHECK(times[1] < times[2]);
  CHECK(times[2] < times[3]);
  // phi = elapsed / (mean * ln 10): with a mean of a little over one round, 8 is some 20 rounds.
  CHECK(times[2] > 15s);
  CHECK(times[2] < 30s);
}

TEST_CASE(
    "conformance: where suspicions count too, phi is the last resort: a high one changes nothing") {
  const std::size_t rounds = config().suspicion_rounds;
  const std::chrono::nanoseconds at_default = time_to_declare_dead(8, rounds);

  CHECK(time_to_declare_dead(16, rounds) == at_default);
  CHECK(time_to_declare_dead(1000, rounds) == at_default);
  // A round to miss an answer, one to ask again, the rest from the first missing answer.
  CHECK(at_default >= 12s);
  CHECK(at_default <= 20s);
  CHECK(time_to_declare_dead(1000, 2 * rounds) - at_default > 11s);
}

// Step 6.
TEST_CASE("conformance: a round comes each gossip interval, give or take the jitter") {
  for (const double jitter : {0.0, 0.1, 0.5}) {
    config settings = named("n0");
    settings.gossip_interval = 200ms;
    settings.jitter = jitter;
    world where(11);
    const std::size_t node = where.add(settings);

    std::vector<double> intervals;
    auto last = where.time();
    where.run_for(0s);
    std::uint64_t rounds = where[node].stats().rounds;
    while (intervals.size() < 500) {
      where.run_for(1ms);
      if (where[node].stats().rounds == rounds) continue;
      CHECK(where[node].stats().rounds == rounds + 1);
      rounds = where[node].stats().rounds;
      intervals.push_back(static_cast<double>((where.time() - last) / 1ms));
      last = where.time();
    }

    double sum = 0;
    for (const double interval : intervals) {
      CHECK(interval >= 200 * (1 - jitter) - 1);
      CHECK(interval <= 200 * (1 + jitter) + 1);
      sum += interval;
    }
    CHECK(sum / 500 == doctest::Approx(200).epsilon(0.03));
  }
}

TEST_CASE("conformance: a timer that comes early runs no round, as gossip() twice does not there") {
  world where(12);
  add_cluster(where, 2);
  where.run_for(10s);
  const std::uint64_t rounds = where[0].stats().rounds;

  for (int call = 0; call < 100; ++call) where[0].handle_timeout(where.now(0));

  CHECK(where[0].stats().rounds <= rounds + 1);
}

TEST_CASE("conformance: an answer stays within exchange_bytes_max and exchange_datagrams_max") {
  for (const bool is_by_bytes : {true, false}) {
    config common = plain();
    common.exchange_bytes_max = is_by_bytes ? 5000 : 131072;
    common.exchange_datagrams_max = is_by_bytes ? 128 : 7;
    world where(13);
    add_cluster(where, 2, common);
    REQUIRE(where.run_until([&] { return where.has_agreed(); }, 20s));
    for (int key = 0; key < 500; ++key) {
      REQUIRE(where[0].set("key" + std::to_string(key), std::string(300, 'x')));
    }

    // With only two nodes, all datagrams sent at one time answer one datagram.
    std::map<std::chrono::nanoseconds, std::pair<std::size_t, std::size_t>> answers;
    where.on_send = [&](std::size_t from, const endpoint&, std::span<const std::byte> datagram) {
      if (from != 0 || (datagram[2] & std::byte{0x0f}) == std::byte{1}) return;
      auto& [datagrams, bytes] = answers[where.time()];
      ++datagrams;
      bytes += datagram.size();
    };
    where.run_for(5s);

    std::size_t datagrams_max = 0;
    std::size_t bytes_max = 0;
    for (const auto& [at, answer] : answers) {
      datagrams_max = std::max(datagrams_max, answer.first);
      bytes_max = std::max(bytes_max, answer.second);
    }
    CHECK(bytes_max <= common.exchange_bytes_max);
    CHECK(datagrams_max <= common.exchange_datagrams_max);
    if (is_by_bytes) CHECK(bytes_max > 5000 - 1200);
    if (!is_by_bytes) CHECK(datagrams_max == 7);
  }
}

// The events that the ancestor marks as internal.
TEST_CASE(
    "conformance: a hook sees each message sent and received, and unknown peers are counted") {
  using sides = std::pair<message_direction, message_kind>;
  world where(14);
  add_cluster(where, 2);
  where.run_for(100ms);
  std::map<sides, std::size_t> counts;
  where[0].on_message(
      [&](message_direction direction, const endpoint& remote, const message& what) {
        ++counts[sides(direction, what.kind)];
        CHECK(remote == where.address(1));
        if (what.kind == message_kind::digest) CHECK(what.known.range.size() == 2);
      });

  REQUIRE(where[0].set("key", "value"));
  where.run_for(10s);

  // Ten rounds, 10 % jitter, both sides.
  for (const message_direction direction : {message_direction::sent, message_direction::received}) {
    for (const message_kind kind : {message_kind::digest, message_kind::reply}) {
      CHECK(counts[sides(direction, kind)] >= 9);
      CHECK(counts[sides(direction, kind)] <= 12);
    }
  }

  // Deltas that come before the identity of whom they are about.
  config common;
  common.exchange_bytes_max = 131072;
  world lossy(15);
  lossy.conditions.loss = 0.5;
  add_cluster(lossy, 40, common);
  for (std::size_t node = 0; node < 40; ++node) {
    for (int key = 0; key < 20; ++key) {
      REQUIRE(lossy[node].set("key" + std::to_string(key), std::string(100, 'x')));
    }
  }
  lossy.run_for(20s);
  std::uint64_t unknown = 0;
  for (std::size_t node = 0; node < 40; ++node) {
    unknown += lossy[node].stats().drops[static_cast<std::size_t>(drop_reason::unknown_peer)];
  }
  CHECK(unknown > 0);
}

// peerInfo.data there.
TEST_CASE("conformance: what is set before the first round is gossiped from the first round") {
  world where(16);
  const std::size_t seed = where.add(named("seed"));
  const std::size_t node = where.add(named("node"), seed);
  const std::vector<std::pair<std::string_view, std::string_view>> pairs = {
      {"role", "db"}, {"load", "0.5"}, {"port", "5432"}};

  const result<std::uint64_t> last = where[node].set(pairs);
  REQUIRE(last);
  CHECK(*last == 3);
  where.run_for(50ms);

  CHECK(where[node].stats().rounds == 1);
  for (const auto& [key, value] : pairs) CHECK(value_at(where, seed, "node", key) == value);
}

}  // namespace gossipmonger
