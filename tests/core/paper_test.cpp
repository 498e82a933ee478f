// One test for each claim of the papers that ALGORITHM.md cites and that this library keeps. The
// name says paper and section, of SRDS 2004 the term that the paper defines. Where the library
// differs from the paper, the test says how.
//   LADIS 2008  van Renesse, Dumitriu, Gough, Thomas: Efficient Reconciliation and Flow Control
//   SRDS 2004   Hayashibara, Défago, Yared, Katayama: The phi Accrual Failure Detector
//   DSN 2002    Das, Gupta, Motivala: SWIM
//   RFC 9000    QUIC, section 8.1: address validation
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/local/write_rate.hpp"
#include "core/model/failure_detector.hpp"
#include "gossipmonger/testing/random.hpp"
#include "protocol_fixture.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

namespace {

/// Whether `replica` holds the present value of each key of `owner`, or has yet to see its version:
/// the paper's invariant C(owner, replica).
bool keeps_invariant(const protocol& owner, const protocol& replica) {
  const moment now;
  const std::optional<member> seen = replica.find_member(owner.name(), now);
  const std::uint64_t max_version = seen ? seen->max_version : 0;
  std::uint64_t version = 0;
  while (const std::optional<entry_view> entry = owner.first_above(owner.name(), version)) {
    version = entry->version;
    if (version > max_version) break;
    const std::optional<entry_view> held = replica.get(owner.name(), entry->key);
    if (!held || held->version != version || held->value != entry->value) return false;
  }
  return true;
}

/// The nodes a, b, c, ... of a cluster that has run until all are live.
void add_live(small_cluster& world, std::size_t count, const config& common = make_config("")) {
  for (std::size_t i = 0; i < count; ++i) {
    config settings = common;
    settings.name = std::string(1, static_cast<char>('a' + i));
    protocol& added = world.add(settings);
    added.set_seeds({world.find("a").address});
  }
  world.run_for(20s);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    REQUIRE(world[name].live_peers() == count - 1);
  }
}

std::optional<peer_status> status_of(small_cluster& world, std::string_view at,
                                     std::string_view peer) {
  const std::optional<member> seen = world[at].find_member(peer, world.now());
  return seen ? std::optional(seen->status) : std::nullopt;
}

bool is_suspect(small_cluster& world, std::string_view at, std::string_view peer) {
  const std::optional<member> seen = world[at].find_member(peer, world.now());
  return seen && seen->is_suspect;
}

/// Advances each second, so often that the prior has no weight left to speak of: there is none.
failure_detector beaten(std::size_t count, std::size_t window, std::chrono::nanoseconds gap,
                        const detector_expectation& expected) {
  failure_detector detector;
  std::chrono::nanoseconds now{};
  for (std::size_t i = 0; i < count; ++i) detector.advance(now += gap, expected, window);
  return detector;
}

/// The mean of all intervals is `gap`: the prior says so too.
detector_expectation expect_mean(std::chrono::nanoseconds gap) {
  detector_expectation expected;
  expected.prior = gap;
  expected.maximum = 16 * gap;
  return expected;
}

}  // namespace

// ------------------------------------------------------------------------------------ LADIS 2008

TEST_CASE("paper: LADIS 2008 section 2: a participant's state is written by itself alone") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "mine"));
  puppet b(world, "a", "b", 1);
  b.enter();

  b.begin(message_kind::deltas);
  b.add_delta(1, 2, {make_entry("k", "theirs", 2)});
  b.draft.deltas.back().name_hash = hash_of("a");
  b.draft.deltas.back().generation = a.generation();
  static_cast<void>(b.send());

  CHECK(a.version() == 1);
  CHECK(value_of(a, "a", "k") == "mine");
  CHECK(drops(a, drop_reason::about_self) == 1);
}

TEST_CASE("paper: LADIS 2008 section 3.2: a peer is sent what is above the max version it tells") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  REQUIRE(a.set("x", "1"));
  REQUIRE(a.set("y", "1"));
  world.exchange("b", "a");
  REQUIRE(a.set("x", "2"));
  std::vector<std::uint64_t> told;
  std::vector<std::uint64_t> sent;
  world.on_send = [&](const letter& one) {
    for (const packed_entry& row : one.content.known.range) {
      if (row.name_hash == hash_of("a")) told.push_back(row.max_version());
    }
    for (const entry_view& entry : one.content.entries) sent.push_back(entry.version);
    return true;
  };

  world.exchange("b", "a");

  CHECK(told == std::vector<std::uint64_t>{2});
  CHECK(sent == std::vector<std::uint64_t>{3});
}

TEST_CASE("paper: LADIS 2008 section 3.2: a key has one entry, which newer versions replace") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  for (int i = 1; i <= 5; ++i) REQUIRE(a.set("k", std::to_string(i)));
  std::size_t sent = 0;
  world.on_send = [&](const letter& one) {
    sent += one.content.entries.size();
    return true;
  };

  world.exchange("b", "a");

  CHECK(sent == 1);
  CHECK(value_of(world["b"], "a", "k") == "5");
  CHECK(a.usage("a").live_keys == 1);
}

TEST_CASE("paper: LADIS 2008 section 3.2: if a delta is left out, so is each newer one") {
  small_cluster world;
  config settings = make_config("a");
  settings.exchange_bytes_max = 2400;  // two datagrams of 1200, each with room for two entries
  protocol& a = world.add(settings);
  world.add("b");
  world.exchange("b", "a");
  for (int i = 1; i <= 9; ++i) REQUIRE(a.set("k" + std::to_string(i), std::string(400, 'x')));

  std::uint64_t before = 0;
  std::size_t steps = 0;
  world.on_send = [&](const letter&) {
    std::uint64_t held = 0;
    while (world["b"].get("a", "k" + std::to_string(held + 1))) ++held;
    const std::size_t all = world["b"].usage("a").live_keys;

    CHECK(all == held);  // k1 to k(held), and none above
    CHECK(held >= before);
    CHECK(held <= before + 4);
    steps += held > before ? 1 : 0;
    before = held;
    return true;
  };
  world.exchange("b", "a");
  world.on_send = nullptr;

  CHECK(steps >= 2);
  CHECK(world["b"].usage("a").live_keys == 9);
}

TEST_CASE(
    "paper: LADIS 2008 section 3.2: what is held up to the max version is what the owner has") {
  small_cluster world;
  config settings;
  settings.exchange_bytes_max = 2400;
  for (const char* name : {"a", "b", "c"}) {
    config one = settings;
    one.name = name;
    one.jitter = 0;
    world.add(one).set_seeds({endpoint::v4(10, 0, 0, 1, 7000)});
  }
  random_source draws(1);
  std::size_t delivered = 0;
  // Every fourth datagram is lost: after each one the invariant holds of each pair.
  world.on_send = [&](const letter&) {
    for (const char* owner : {"a", "b", "c"}) {
      for (const char* replica : {"a", "b", "c"}) {
        REQUIRE(keeps_invariant(world[owner], world[replica]));
      }
    }
    ++delivered;
    return draws.below(4) != 0;
  };

  for (int round = 0; round < 60; ++round) {
    for (const char* name : {"a", "b", "c"}) {
      const std::string key = "k" + std::to_string(draws.below(20));
      REQUIRE(world[name].set(key, std::string(300, static_cast<char>('a' + round % 26))));
    }
    world.run_for(1s);
  }
  world.on_send = nullptr;
  world.run_for(10s);

  CHECK(delivered > 200);
  for (const char* owner : {"a", "b", "c"}) {
    for (const char* replica : {"a", "b", "c"}) {
      const std::optional<member> seen = world[replica].find_member(owner, world.now());
      CHECK(seen->max_version == world[owner].version());
    }
  }
}

TEST_CASE(
    "paper: LADIS 2008 section 4: a writer's rate falls by a part where peers cannot follow") {
  // Rounds of 1 s and one peer: what is written is everywhere in 2 * 1 + 4 = 6 rounds. 20 entries
  // of 100 bytes in each of 7 rounds, of which the peer holds none, are too late then.
  write_rate rate(2000, 0s);
  write_progress peer;
  std::uint64_t version = 0;
  bool has_fallen = false;
  for (int round = 1; round <= 8 && !has_fallen; ++round) {
    for (int i = 0; i < 20; ++i) rate.spend(100, ++version);
    rate.handle_held(peer, 0, 0);
    const std::size_t before = rate.bytes_per_interval();
    has_fallen = rate.end_round(std::chrono::seconds(round), 1s, 1);
    if (!has_fallen) continue;
    // Three quarters of the 2000 bytes that were written in that round.
    CHECK(rate.bytes_per_interval() == 1500);
    CHECK(before > 1500);
  }

  CHECK(has_fallen);
}

TEST_CASE("paper: LADIS 2008 section 4: a writer's rate rises by a constant where all follow") {
  // Additive: by a ninth of the first rate each round, while at least half of it is used.
  write_rate rate(9000, 0s);
  write_progress peer;
  std::vector<std::size_t> rates;
  for (int round = 1; round <= 3; ++round) {
    rate.spend(9000, static_cast<std::uint64_t>(round));
    rate.handle_held(peer, static_cast<std::uint64_t>(round), 0);
    CHECK_FALSE(rate.end_round(std::chrono::seconds(round), 1s, 1));
    rates.push_back(rate.bytes_per_interval());
  }

  CHECK(rates == std::vector<std::size_t>{10000, 11000, 12000});
}

// -------------------------------------------------------------------------------------- SRDS 2004

TEST_CASE("paper: SRDS 2004, meaning of phi: phi is -log10 of the chance that a gap is that long") {
  // The paper fits a normal distribution; this library, as Cassandra does, an exponential one. Of
  // that with a mean of 1 s, a gap is longer than t with the chance e^-t.
  const detector_expectation expected = expect_mean(1s);
  const failure_detector detector = beaten(20, 100, 1s, expected);

  for (const double seconds : {0.5, 1.0, 5.0, 18.0}) {
    const auto silent = std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
    const double chance = std::exp(-seconds);
    CHECK(detector.phi(20s + silent, expected) == doctest::Approx(-std::log10(chance)));
  }
}

TEST_CASE(
    "paper: SRDS 2004, meaning of phi: suspecting at phi 1, 2, 3 errs in 10, 1, 0.1 percent") {
  const detector_expectation expected = expect_mean(1s);
  const failure_detector detector = beaten(20, 100, 1s, expected);

  // ln 10 = 2.302585: e^-2.302585 = 0.1, and so on.
  CHECK(detector.phi(20s + 2'302'585us, expected) == doctest::Approx(1));
  CHECK(detector.phi(20s + 4'605'170us, expected) == doctest::Approx(2));
  CHECK(detector.phi(20s + 6'907'755us, expected) == doctest::Approx(3));
}

TEST_CASE(
    "paper: SRDS 2004, accruement: phi of a crashed process rises for ever, and falls at a beat") {
  const detector_expectation expected = expect_mean(1s);
  failure_detector detector = beaten(20, 100, 1s, expected);

  double last = -1;
  for (std::chrono::nanoseconds silent = 0s; silent <= 1000s; silent += 10s) {
    const double phi = detector.phi(20s + silent, expected);
    CHECK(phi > last);
    last = phi;
  }
  CHECK(last > 400);  // 1000 / 2.3 = 434

  detector.advance(1020s, expected, 100);
  CHECK(detector.phi(1020s, expected) == 0);
}

TEST_CASE("paper: SRDS 2004, sampling window: the estimate is of the latest intervals only") {
  // After a whole window of intervals of 1 s, nothing is left of those of 4 s but the prior.
  const detector_expectation expected = expect_mean(1s);
  failure_detector detector = beaten(40, 20, 4s, expected);
  CHECK(detector.mean(expected) > 3s);

  std::chrono::nanoseconds now = 160s;
  for (int i = 0; i < 20; ++i) detector.advance(now += 1s, expected, 20);

  CHECK(detector.mean(expected) == 1s);
}

TEST_CASE("paper: SRDS 2004, threshold: a higher threshold suspects later, by the same detector") {
  // 20 advances in 20 s and the prior, four times 2 s, have a mean of 28 / 24 s. So phi is 4 after
  // 4 * 2.3026 * 28 / 24 = 10.7 s, and 8 after 21.5 s: found in the first round after that.
  const auto rounds_to_find = [](double limit) {
    small_cluster world;
    config settings = make_config("");
    settings.suspicion_rounds = 0;
    settings.dead_peer_phi = limit;
    add_live(world, 2, settings);
    world.stop("b");
    int rounds = 0;
    while (status_of(world, "a", "b") == peer_status::live) {
      world.run_for(1s);
      REQUIRE(++rounds < 100);
    }
    return rounds;
  };

  CHECK(rounds_to_find(4) == 11);
  CHECK(rounds_to_find(8) == 22);
}

// --------------------------------------------------------------------------------------- DSN 2002

TEST_CASE("paper: DSN 2002 section 3.1: a member that does not answer is probed through k others") {
  // k is 3 here, drawn anew for each try, so that one may be drawn twice. Node a cannot reach f;
  // the others can.
  small_cluster world;
  add_live(world, 6);
  const endpoint a = world.find("a").address;
  const endpoint f = world.find("f").address;
  std::map<std::chrono::nanoseconds, std::set<std::string>> asked;  // by the time of the try
  world.on_send = [&](const letter& one) {
    for (const suspicion_entry& told : one.content.suspicions) {
      const bool is_probe = told.is_probe_request && told.name_hash == hash_of("f");
      if (is_probe && one.from == a) asked[world.steady].insert(one.to.to_string());
    }
    const bool is_cut = (one.from == a && one.to == f) || (one.from == f && one.to == a);
    return !is_cut;
  };

  world.run_for(120s);

  std::size_t most = 0;
  for (const auto& [at, others] : asked) {
    CHECK_FALSE(others.contains(f.to_string()));
    most = std::max(most, others.size());
  }
  CHECK(most == 3);
  CHECK(status_of(world, "a", "f") == peer_status::live);
  CHECK(world["a"].stats().declared_dead == 0);
}

TEST_CASE("paper: DSN 2002 section 4.1: news of members travels in the probes and their answers") {
  // Node c learns of the suspicion though it never missed an answer itself.
  small_cluster world;
  add_live(world, 3);
  world.stop("b");
  std::set<message_kind> carriers;
  const endpoint a = world.find("a").address;
  world.on_send = [&](const letter& one) {
    for (const suspicion_entry& told : one.content.suspicions) {
      const bool is_news = told.name_hash == hash_of("b") && !told.is_probe_request;
      if (is_news && one.from == a) carriers.insert(one.content.kind);
    }
    return true;
  };

  world.run_for(5s);

  CHECK(is_suspect(world, "c", "b"));
  CHECK_FALSE(carriers.empty());
  CHECK_FALSE(carriers.contains(message_kind::deltas));
}

TEST_CASE(
    "paper: DSN 2002 section 4.2: a member that does not answer is suspect, and failed later") {
  // The time-out is suspicion_rounds, 12: the answer of the round at 1 s is missing at 2 s.
  small_cluster world;
  add_live(world, 2);
  world.stop("b");

  world.run_for(4s);
  CHECK(is_suspect(world, "a", "b"));
  CHECK(status_of(world, "a", "b") == peer_status::live);
  world.run_for(9s);
  CHECK(status_of(world, "a", "b") == peer_status::live);
  world.run_for(1s);
  CHECK(status_of(world, "a", "b") == peer_status::dead);
}

TEST_CASE("paper: DSN 2002 section 4.2: a suspect that is heard again is no longer suspect") {
  small_cluster world;
  add_live(world, 3);
  const endpoint c = world.find("c").address;
  world.on_send = [&](const letter& one) { return one.from != c && one.to != c; };
  world.run_for(5s);
  REQUIRE(is_suspect(world, "a", "c"));
  REQUIRE(is_suspect(world, "b", "c"));

  world.on_send = nullptr;
  world.run_for(3s);

  CHECK_FALSE(is_suspect(world, "a", "c"));
  CHECK_FALSE(is_suspect(world, "b", "c"));
  world.run_for(60s);
  CHECK(world["a"].stats().declared_dead == 0);
  CHECK(world["b"].stats().declared_dead == 0);
}

TEST_CASE(
    "paper: DSN 2002 section 4.2: a refutation bears a higher number than the suspicion names") {
  // There it is an incarnation number, here a heartbeat. Node b tells that c was heard: with the
  // number that the suspicion names that is old, and with a higher one it ends the suspicion.
  small_cluster world;
  protocol& a = world.add("a");
  puppet b(world, "a", "b", 1);
  puppet c(world, "a", "c", 2);
  b.enter();
  c.enter();
  const auto tell = [&](std::uint64_t heartbeat, std::uint16_t suspicion_age) {
    ++b.heartbeat;
    message& leg = b.begin(message_kind::digest);
    leg.known.extra.push_back(leg.sender);
    suspicion_entry& told = leg.suspicions.emplace_back();
    told.name_hash = c.hash();
    told.generation = c.generation;
    told.heartbeat = heartbeat;
    told.suspicion_age = suspicion_age;
    told.alive_age = 0;
    if (suspicion_age != suspicion_entry::no_suspicion) told.alive_age = 200;
    static_cast<void>(b.send());
  };
  world.run_for(1s);
  tell(1, 0);
  REQUIRE(a.find_member("c", world.now())->is_suspect);

  tell(1, suspicion_entry::no_suspicion);
  CHECK(a.find_member("c", world.now())->is_suspect);
  world.steady += 500ms;
  tell(2, suspicion_entry::no_suspicion);
  CHECK_FALSE(a.find_member("c", world.now())->is_suspect);
}

TEST_CASE("paper: DSN 2002 section 4.3: each member is chosen once in 2 n - 1 periods at most") {
  // A shuffled ring of n peers: last in one turn and first in the next are 2 n - 1 apart.
  small_cluster world;
  add_live(world, 8);
  const std::size_t peers = 7;
  const endpoint a = world.find("a").address;
  std::map<std::string, std::vector<std::uint64_t>> chosen;
  world.on_send = [&](const letter& one) {
    const bool is_choice = one.from == a && one.content.kind == message_kind::digest &&
                           one.content.known.range.size() > 2;
    if (is_choice) chosen[one.to.to_string()].push_back(world["a"].stats().rounds);
    return true;
  };

  world.run_for(200s);

  CHECK(chosen.size() == peers);
  for (const auto& [to, rounds] : chosen) {
    for (std::size_t i = 1; i < rounds.size(); ++i) {
      CHECK(rounds[i] - rounds[i - 1] <= 2 * peers - 1);
    }
  }
}

// --------------------------------------------------------------------------------------- RFC 9000

TEST_CASE(
    "paper: RFC 9000 section 8.1: an unverified address gets three times what it sent at most") {
  small_cluster world;
  protocol& a = world.add("a");
  for (int i = 0; i < 50; ++i) REQUIRE(a.set("k" + std::to_string(i), std::string(900, 'x')));
  puppet b(world, "a", "b", 1);

  for (const std::size_t bytes : {130U, 400U, 1200U}) {
    message& leg = b.begin(message_kind::digest);
    leg.padded_bytes = bytes;
    leg.receiver = {};
    leg.known.lo = 0;  // it claims to know nobody, and so wants everything
    leg.known.hi = ~std::uint64_t{0};
    leg.known.range.push_back(leg.sender);
    const letters answers = b.send();

    std::size_t sent = 0;
    for (const letter& one : answers) sent += one.bytes;
    CHECK(sent > 0);
    CHECK(sent <= 3 * bytes);
  }
}

TEST_CASE("paper: RFC 9000 section 8.1: the limit ends when the address is verified") {
  small_cluster world;
  protocol& a = world.add("a");
  for (int i = 0; i < 50; ++i) REQUIRE(a.set("k" + std::to_string(i), std::string(900, 'x')));
  puppet b(world, "a", "b", 1);
  static_cast<void>(b.verify());
  REQUIRE(b.cookie != 0);

  message& leg = b.begin(message_kind::digest);
  leg.known.lo = 0;
  leg.known.hi = ~std::uint64_t{0};
  leg.known.range.push_back(leg.sender);
  const letters answers = b.send();

  std::size_t sent = 0;
  for (const letter& one : answers) sent += one.bytes;
  CHECK(sent > 50 * 900);
}

TEST_CASE("paper: RFC 9000 section 8.1: a first datagram is padded, so that its answer has room") {
  // There to 1200 bytes; here to 400, since an answer of 1200 is a whole datagram.
  small_cluster world;
  world.add("a").join(endpoint::v4(10, 0, 9, 9, 7000));
  std::vector<std::size_t> bytes;
  world.on_send = [&](const letter& one) {
    bytes.push_back(one.bytes);
    return false;
  };

  world.round("a");

  CHECK(bytes == std::vector<std::size_t>{400});
}

TEST_CASE("paper: RFC 9000 section 8.1.4: a token is good for the address that it was given to") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet b(world, "a", "b", 1);
  puppet thief(world, "a", "b", 2);  // the same name, at another address
  static_cast<void>(b.verify());
  REQUIRE(b.cookie != 0);

  thief.cookie = b.cookie;
  thief.begin(message_kind::reply).identities.push_back(thief.identity());
  static_cast<void>(thief.send());
  CHECK_FALSE(a.is_known("b"));
  CHECK(drops(a, drop_reason::unverified) == 1);

  b.enter();
  CHECK(a.is_known("b"));
}

}  // namespace gossipmonger
