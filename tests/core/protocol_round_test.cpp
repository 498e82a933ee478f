// The round: whom a node speaks to, when, and what its own clock does to statuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/model/message_text.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// The addresses that `name` sends a digest to in its next round; nothing arrives.
std::vector<endpoint> partners_of(small_cluster& world, std::string_view name) {
  std::vector<endpoint> to;
  world.on_send = [&](const letter& sent) {
    if (sent.content.kind == message_kind::digest) to.push_back(sent.to);
    return false;
  };
  world.round(name);
  world.on_send = nullptr;
  return to;
}

endpoint host(std::uint8_t last) { return endpoint::v4(10, 0, 9, last, 7000); }

/// The puppet tells of `count` peers, that have left: so that nobody but it is met in the rounds.
void tell_of_peers(puppet& teller, std::size_t count, bool has_left = true) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("peer " + std::to_string(i));
  message& told = teller.begin(message_kind::reply);
  for (std::size_t i = 0; i < count; ++i) {
    identity_view who = teller.identity();
    who.name = names[i];
    who.has_left = has_left;
    who.address = endpoint::v4(10, 1, static_cast<std::uint8_t>(i / 250),
                               static_cast<std::uint8_t>(1 + i % 250), 7000);
    told.identities.push_back(who);
  }
  static_cast<void>(teller.send());
}

/// One whole digest: its datagrams in their order.
struct digest_of_a_round {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> claims;  // lo, hi of each
  std::set<std::uint64_t> in_range;
  std::set<std::uint64_t> in_extra;
  bool is_well_formed = true;
};

/// The digest that `name` sends to `to` in its next round.
digest_of_a_round read_digest(small_cluster& world, std::string_view name, const endpoint& to) {
  digest_of_a_round told;
  world.on_send = [&](const letter& sent) {
    if (sent.to != to || sent.content.kind != message_kind::digest) return false;
    const digest& known = sent.content.known;
    told.claims.emplace_back(known.lo, known.hi);
    std::set<std::uint64_t> here;
    std::uint64_t previous = 0;
    for (const packed_entry& entry : known.range) {
      const bool is_inside = entry.name_hash >= known.lo && entry.name_hash <= known.hi;
      told.is_well_formed = told.is_well_formed && is_inside && entry.name_hash > previous;
      previous = entry.name_hash;
      told.in_range.insert(entry.name_hash);
      here.insert(entry.name_hash);
    }
    for (const packed_entry& entry : known.extra) {
      told.in_extra.insert(entry.name_hash);
      here.insert(entry.name_hash);
    }
    const bool has_both =
        here.contains(sent.content.sender.name_hash) &&
        (sent.content.receiver.generation == 0 || here.contains(sent.content.receiver.name_hash));
    told.is_well_formed = told.is_well_formed && has_both && sent.bytes <= 1160;
    return false;
  };
  world.round(name);
  world.on_send = nullptr;
  return told;
}

/// A node "a" that knows many peers by the word of a puppet, and meets that alone.
class node_of_many {
 public:
  node_of_many(std::size_t peers, std::size_t digest_datagrams) : teller(world, "a", "teller", 1) {
    config settings = make_config("a");
    settings.digest_datagrams_max = digest_datagrams;
    world.add(settings);
    teller.enter();
    tell_of_peers(teller, peers);
  }

  /// The digest that the teller gets in the next round.
  digest_of_a_round next_digest() {
    const digest_of_a_round told = read_digest(world, "a", teller.address);
    teller.heartbeat += 1;  // it stays verified and live
    teller.begin(message_kind::reply);
    static_cast<void>(teller.send());
    return told;
  }

  small_cluster world;
  puppet teller;
};

}  // namespace

// ----------------------------------------------------------------------------------- digests

TEST_CASE("protocol round: a digest of one datagram claims all there is") {
  node_of_many many(42, 8);

  const digest_of_a_round told = many.next_digest();

  // 42 peers, the teller and self: 44 entries, and one place is left free.
  CHECK(told.claims == std::vector{std::pair{std::uint64_t{0}, ~std::uint64_t{0}}});
  CHECK(told.in_range.size() == 44);
  CHECK(told.in_extra.empty());
  CHECK(told.is_well_formed);
}

TEST_CASE("protocol round: a digest of 200 peers takes five datagrams whose claims touch") {
  node_of_many many(199, 8);

  const digest_of_a_round told = many.next_digest();

  REQUIRE(told.claims.size() == 5);  // 201 entries, 43 to 45 in each
  CHECK(told.claims.front().first == 0);
  CHECK(told.claims.back().second == ~std::uint64_t{0});
  for (std::size_t i = 1; i < told.claims.size(); ++i) {
    CHECK(told.claims[i].first == told.claims[i - 1].second + 1);
  }
  CHECK(told.in_range.size() == 201);
  CHECK(told.is_well_formed);
}

TEST_CASE(
    "protocol round: where the budget is too small, a cursor covers the rest in later rounds") {
  node_of_many many(199, 2);

  std::set<std::uint64_t> covered;
  std::uint64_t goes_on = 0;
  std::size_t rounds = 0;
  for (std::size_t round = 1; round <= 10; ++round) {
    const digest_of_a_round told = many.next_digest();
    CHECK(told.claims.size() == 2);
    CHECK(told.is_well_formed);
    CHECK(told.claims.front().first == goes_on);
    goes_on = told.claims.back().second + 1;
    covered.insert(told.in_range.begin(), told.in_range.end());
    if (rounds == 0 && covered.size() == 201) rounds = round;
  }

  // 2 datagrams a round take 70 or more, however many places are kept for what changed last.
  CHECK(rounds == 3);
}

TEST_CASE("protocol round: what changed last is told at once, wherever the cursor stands") {
  node_of_many many(199, 1);
  static_cast<void>(many.next_digest());
  for (int round = 0; round < 6; ++round) {
    const std::uint64_t version = static_cast<std::uint64_t>(round) + 1;
    static_cast<void>(many.teller.tell(version - 1, version, {make_entry("k", "v", version)}));
    message& told = many.teller.begin(message_kind::deltas);
    many.teller.add_delta(version - 1, version, {make_entry("k", "v", version)});
    told.deltas[0].name_hash = hash_of("peer 7");
    static_cast<void>(many.teller.send());

    const digest_of_a_round next = many.next_digest();
    CHECK((next.in_range.contains(hash_of("peer 7")) || next.in_extra.contains(hash_of("peer 7"))));
    CHECK(next.is_well_formed);
  }
}

TEST_CASE("protocol round: a digest to an unverified address does not move the cursor") {
  node_of_many many(199, 1);
  const digest_of_a_round first = many.next_digest();

  many.world["a"].join(host(77));
  const digest_of_a_round second = many.next_digest();
  const digest_of_a_round third = many.next_digest();

  CHECK(second.claims.front().first == first.claims.back().second + 1);
  CHECK(third.claims.front().first == second.claims.back().second + 1);
}

TEST_CASE("protocol round: to an unverified address goes one datagram, of 400 bytes or more") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet teller(world, "a", "teller", 1);
  teller.enter();
  tell_of_peers(teller, 199);
  a.join(host(77));
  std::map<endpoint, std::size_t> datagrams;
  world.on_send = [&](const letter& sent) {
    if (sent.to != teller.address) {
      CHECK(sent.bytes >= 400);
      CHECK(sent.bytes <= 1160);
      CHECK(++datagrams[sent.to] == 1);
    }
    return false;
  };

  world.round("a");

  CHECK(datagrams.contains(host(77)));
}

// ----------------------------------------------------------------------------------- partners

TEST_CASE("protocol round: fan-out peers a round, and everyone in one turn of the ring") {
  for (const std::size_t fanout : {1U, 3U}) {
    small_cluster world;
    config settings = make_config("a");
    settings.fanout = fanout;
    settings.live_peers_min = 0;
    settings.seed_every_rounds = 10'000;
    protocol& a = world.add(settings);
    std::vector<std::unique_ptr<puppet>> peers;
    for (std::uint8_t i = 0; i < 12; ++i) {
      peers.push_back(std::make_unique<puppet>(world, "a", "p" + std::to_string(i), i + 1));
      peers.back()->enter();
    }
    REQUIRE(a.live_peers() == 12);

    std::set<endpoint> met;
    for (std::size_t round = 0; round < 12 / fanout; ++round) {
      const std::vector<endpoint> to = partners_of(world, "a");
      CHECK(to.size() == fanout);
      met.insert(to.begin(), to.end());
      // A peer that does not answer would be asked again.
      for (const auto& one : peers) static_cast<void>(one->verify());
    }
    CHECK(met.size() == 12);
  }
}

TEST_CASE("protocol round: who restarts often is not met more often for it") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  puppet q(world, "a", "q", 2);
  p.enter();
  q.enter();
  for (int i = 0; i < 5; ++i) {
    p.generation += 1;
    p.enter();
  }
  REQUIRE(a.live_peers() == 2);

  std::size_t met = 0;
  for (int i = 0; i < 6; ++i) {
    const std::vector<endpoint> to = partners_of(world, "a");
    met += to == std::vector<endpoint>{q.address} ? 1 : 0;
    static_cast<void>(p.verify());
    static_cast<void>(q.verify());
  }
  CHECK(met == 3);
}

TEST_CASE("protocol round: a crowd that comes and goes keeps nobody from the live ones") {
  small_cluster world;
  config settings = make_config("a");
  settings.suspicion_rounds = 0;  // no legs besides those of the ring
  settings.seed_every_rounds = 10'000;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  tell_of_peers(p, 100, false);
  REQUIRE(a.live_peers() == 1);

  std::size_t met = 0;
  std::set<endpoint> newcomers;
  for (int i = 0; i < 20; ++i) {
    const std::vector<endpoint> to = partners_of(world, "a");
    met += std::find(to.begin(), to.end(), p.address) != to.end() ? 1 : 0;
    for (const endpoint& one : to) {
      if (one != p.address) newcomers.insert(one);
    }
    static_cast<void>(p.verify());
  }

  CHECK(met == 10);
  CHECK(newcomers.size() == 10);
}

TEST_CASE("protocol round: who was dead and lives again is met again") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  world.run_for(60s);
  REQUIRE(a.find_member("p", world.now())->status == peer_status::dead);

  p.cookie = 0;
  p.heartbeat += 1;
  p.enter();

  REQUIRE(a.find_member("p", world.now())->status == peer_status::live);
  CHECK(partners_of(world, "a") == std::vector<endpoint>{p.address});
}

TEST_CASE("protocol round: a node that knows nobody asks a seed, but never itself") {
  small_cluster world;
  protocol& a = world.add("a");
  a.set_seeds({a.address(), host(5)});

  CHECK(partners_of(world, "a") == std::vector<endpoint>{host(5)});

  protocol& b = world.add("b");
  b.set_seeds({b.address()});
  CHECK(partners_of(world, "b").empty());
}

TEST_CASE("protocol round: with fewer than live_peers_min live a seed is asked every round") {
  for (const std::size_t least : {0U, 1U}) {
    small_cluster world;
    config settings = make_config("a");
    settings.seed_every_rounds = 10'000;
    settings.live_peers_min = least;
    protocol& a = world.add(settings);
    puppet seed(world, "a", "seed", 99);
    static_cast<void>(seed.verify());
    a.set_seeds({a.address(), seed.address});
    std::size_t asked = 0;
    for (int i = 0; i < 8; ++i) {
      seed.begin(message_kind::reply);
      static_cast<void>(seed.send());
      const std::vector<endpoint> to = partners_of(world, "a");
      asked += static_cast<std::size_t>(std::count(to.begin(), to.end(), seed.address));
    }

    CHECK(asked == 8 * least);
  }
}

TEST_CASE("protocol round: nobody is met twice in a round, however wide the fan-out") {
  small_cluster world;
  config settings = make_config("a");
  settings.fanout = 5;
  world.add(settings);
  puppet p(world, "a", "p", 1);
  puppet q(world, "a", "q", 2);
  p.enter();
  q.enter();

  CHECK(partners_of(world, "a").size() == 2);
}

TEST_CASE("protocol round: a first datagram is padded to 400 bytes, a later one is not") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  std::vector<std::size_t> bytes;
  world.on_send = [&](const letter& sent) {
    bytes.push_back(sent.bytes);
    return false;
  };

  a.join(p.address);
  world.round("a");
  p.enter();
  world.round("a");

  CHECK(bytes == std::vector<std::size_t>{400, 72 + 8 + 2 * 24});
}

TEST_CASE("protocol round: with enough live peers a seed is asked every seed_every_rounds") {
  small_cluster world;
  config settings = make_config("a");
  settings.seed_every_rounds = 4;
  protocol& a = world.add(settings);
  a.set_seeds({host(99)});
  puppet seed(world, "a", "unrelated", 99);
  static_cast<void>(seed.verify());
  seed.begin(message_kind::reply);
  static_cast<void>(seed.send());  // verified, but not known as a peer
  puppet p(world, "a", "p", 1);
  p.enter();
  for (int i = 0; i < 4; ++i) static_cast<void>(partners_of(world, "a"));

  int asked = 0;
  for (int i = 0; i < 8; ++i) {
    const std::vector<endpoint> to = partners_of(world, "a");
    asked += static_cast<int>(std::count(to.begin(), to.end(), host(99)));
    p.heartbeat += 1;
    p.begin(message_kind::reply);
    static_cast<void>(p.send());
    seed.begin(message_kind::reply);
    static_cast<void>(seed.send());
  }

  CHECK(asked == 2);
}

namespace {

/// A node that asks a seed in each round, and has another peer to meet besides.
class seed_asker {
 public:
  seed_asker() : other_(world, "a", "other", 1) {
    config settings = make_config("a");
    settings.seed_every_rounds = 1;
    world.add(settings).set_seeds({seed});
    other_.enter();
  }

  /// Hashes of the receivers that the digests to the seed's address name; 0: one names nobody.
  std::set<std::uint64_t> named(int rounds) {
    std::set<std::uint64_t> seen;
    world.on_send = [&](const letter& sent) {
      if (sent.to == seed && sent.content.kind == message_kind::digest) {
        seen.insert(sent.content.receiver.name_hash);
      }
      return false;
    };
    for (int i = 0; i < rounds; ++i) {
      other_.heartbeat += 1;
      other_.begin(message_kind::reply);
      static_cast<void>(other_.send());
      world.round("a");
    }
    world.on_send = nullptr;
    return seen;
  }

  const endpoint seed = host(7);
  small_cluster world;

 private:
  puppet other_;
};

using hashes = std::set<std::uint64_t>;

void leave(puppet& who) {
  who.begin(message_kind::reply).sender.has_left = true;
  static_cast<void>(who.send());
}

}  // namespace

TEST_CASE("protocol round: of those who had a seed's address, the one who is not gone is named") {
  // The order of the two hashes does not matter.
  for (const auto& [gone_name, live_name] : {std::pair("one", "two"), std::pair("two", "one")}) {
    seed_asker asker;
    puppet gone(asker.world, "a", gone_name, 7);
    gone.enter();
    CHECK(asker.named(4) == hashes{gone.hash()});
    leave(gone);
    CHECK(asker.named(4) == hashes{0});

    puppet live(asker.world, "a", live_name, 7);
    live.enter();
    CHECK(asker.named(4) == hashes{live.hash()});
  }
}

TEST_CASE("protocol round: a seed is named by where it is met, not by what it advertises") {
  seed_asker asker;
  puppet liar(asker.world, "a", "liar", 7);
  liar.enter();
  REQUIRE(asker.named(4) == hashes{liar.hash()});

  liar.address = host(8);  // where it sends from; its identity says still what it said
  static_cast<void>(liar.verify());
  liar.begin(message_kind::reply);
  static_cast<void>(liar.send());

  CHECK(asker.named(4) == hashes{0});
}

TEST_CASE("protocol round: where two live peers are to be met at a seed's address none is named") {
  seed_asker asker;
  puppet one(asker.world, "a", "one", 7);
  puppet two(asker.world, "a", "two", 7);
  one.enter();
  two.enter();

  // As peers, they are met there by name; as a seed, whoever is there.
  CHECK(asker.named(8).contains(0));
}

TEST_CASE("protocol round: a joined address is asked once") {
  small_cluster world;
  protocol& a = world.add("a");
  a.join(host(5));

  CHECK(partners_of(world, "a") == std::vector<endpoint>{host(5)});
  CHECK(partners_of(world, "a").empty());
}

TEST_CASE("protocol round: whom a round has no room for is asked in one of the next, once") {
  small_cluster world;
  config settings = make_config("a");
  settings.unverified_addresses_max = 3;
  protocol& a = world.add(settings);
  for (std::uint8_t i = 1; i <= 7; ++i) a.join(host(i));

  std::vector<endpoint> asked;
  for (int round = 0; round < 5; ++round) {
    const std::vector<endpoint> now = partners_of(world, "a");
    CHECK(now.size() <= 3);
    asked.insert(asked.end(), now.begin(), now.end());
  }

  REQUIRE(asked.size() == 7);
  for (std::uint8_t i = 1; i <= 7; ++i) {
    CHECK(std::count(asked.begin(), asked.end(), host(i)) == 1);
  }
}

TEST_CASE("protocol round: a joined address that is met in the round anyway is not asked twice") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  a.join(p.address);

  CHECK(partners_of(world, "a") == std::vector<endpoint>{p.address});
}

TEST_CASE("protocol round: nothing is sent to an address that cannot be sent to, nor to my own") {
  small_cluster world;
  protocol& a = world.add("a");
  a.join(endpoint::v4(0, 0, 0, 0, 7000));
  a.join(endpoint::v4(10, 0, 0, 1, 0));
  a.join(a.address());

  CHECK(partners_of(world, "a").empty());
}

TEST_CASE(
    "protocol round: where nobody is live, a dead peer is asked; with one live, now and then") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet gone(world, "a", "gone", 1);
  gone.enter();
  world.run_for(60s);
  REQUIRE(a.find_member("gone", world.now())->status == peer_status::dead);
  gone.cookie = 0;
  static_cast<void>(gone.verify());
  const auto ask = [&](int rounds) {
    int asked = 0;
    for (int i = 0; i < rounds; ++i) {
      // A foreigner at that address answers: it stays verified, and the peer dead.
      puppet foreigner(world, "a", "foreigner", 1);
      foreigner.cookie = gone.cookie;
      foreigner.begin(message_kind::reply);
      static_cast<void>(foreigner.send());
      const std::vector<endpoint> to = partners_of(world, "a");
      asked += static_cast<int>(std::count(to.begin(), to.end(), host(1)));
    }
    return asked;
  };

  CHECK(ask(10) == 10);

  puppet live(world, "a", "live", 2);
  live.enter();
  REQUIRE(a.live_peers() == 1);
  int asked = 0;
  for (int i = 0; i < 200; ++i) {
    live.heartbeat += 1;
    live.begin(message_kind::reply);
    static_cast<void>(live.send());
    asked += ask(1);
  }
  // One dead, one live: a chance of one half. 100 expected with a deviation of 7.
  CHECK(asked > 65);
  CHECK(asked < 135);
}

TEST_CASE("protocol round: who waits for a version is served first by those that lack it") {
  small_cluster world;
  config settings = make_config("a");
  settings.seed_every_rounds = 10'000;
  protocol& a = world.add(settings);
  std::vector<std::unique_ptr<puppet>> peers;
  std::uint32_t instance = 0;
  for (std::uint8_t i = 0; i < 10; ++i) {
    peers.push_back(std::make_unique<puppet>(world, "a", "p" + std::to_string(i), i + 1));
    peers.back()->enter();
  }
  peers[0]->begin(message_kind::digest).known.hi = ~std::uint64_t{0};
  peers[0]->draft.known.lo = 0;
  for (const letter& answer : peers[0]->send()) {
    for (const identity_view& who : answer.content.identities) {
      if (who.name == "a") instance = who.instance;
    }
  }
  REQUIRE(a.set("k", "v") == 1);
  for (std::size_t i = 0; i < 9; ++i) {  // all but the last hold it
    message& told = peers[i]->begin(message_kind::reply);
    told.receiver.name_hash = hash_of("a");
    told.receiver.generation = a.generation();
    told.receiver.max_version = 1;
    told.receiver_instance = instance;
    static_cast<void>(peers[i]->send());
  }
  REQUIRE(a.replicated(1).holding == 9);

  a.prefer_lacking(1);

  for (int i = 0; i < 5; ++i) {
    CHECK(partners_of(world, "a") == std::vector<endpoint>{peers[9]->address});
    static_cast<void>(peers[9]->verify());
  }
}

// ---------------------------------------------------------------------------------- the clock

TEST_CASE("protocol round: a round an interval, from when it was due; the heartbeat rises by one") {
  small_cluster world;
  protocol& a = world.add("a");
  const std::chrono::nanoseconds start = world.steady;
  CHECK(a.next_deadline() == start);

  a.handle_timeout(world.now());
  CHECK(a.next_deadline() == start + 1s);
  a.handle_timeout(moment(start + 999ms, world.wall));
  CHECK(a.stats().rounds == 1);
  a.handle_timeout(moment(start + 1300ms, world.wall));

  CHECK(a.stats().rounds == 2);
  CHECK(a.next_deadline() == start + 2s);
  CHECK(a.find_member("a", world.now())->heartbeat == 2);
}

TEST_CASE("protocol round: jitter varies each interval by its part, and no more") {
  small_cluster world;
  config settings = make_config("a");
  settings.jitter = 0.25;
  protocol& a = world.add(settings);
  std::chrono::nanoseconds shortest = 10s;
  std::chrono::nanoseconds longest = 0s;
  for (int i = 0; i < 300; ++i) {
    const std::chrono::nanoseconds due = a.next_deadline();
    a.handle_timeout(moment(due, world.wall));
    shortest = std::min(shortest, a.next_deadline() - due);
    longest = std::max(longest, a.next_deadline() - due);
  }

  CHECK(shortest >= 750ms);
  CHECK(shortest < 800ms);
  CHECK(longest <= 1250ms);
  CHECK(longest > 1200ms);
}

TEST_CASE(
    "protocol round: a peer that falls silent is dead within its time, and one that is not, not") {
  small_cluster world;
  for (const char* name : {"a", "b", "c"}) world.add(name);
  world.exchange("a", "b");
  world.exchange("a", "c");
  world.run_for(60s);
  world.stop("b");

  // Intervals of a second: phi is 8 after 8 * 2.3 = 18.4 means, of two seconds at most.
  world.run_for(8s);
  CHECK(world["a"].find_member("b", world.now())->status == peer_status::live);
  world.run_for(32s);
  CHECK(world["a"].find_member("b", world.now())->status == peer_status::dead);
  CHECK(world["a"].find_member("c", world.now())->status == peer_status::live);
  CHECK(world["a"].stats().declared_dead == 1);
}

TEST_CASE("protocol round: a timer that is an hour late declares nobody dead") {
  small_cluster world;
  world.add("a");
  world.add("b");
  world.exchange("a", "b");
  world.run_for(30s);

  // "a" stands still; "b" goes on, and both go on after that.
  world.stop("a");
  world.run_for(5s);
  world.steady += 1h;
  world.wall += 1h;
  world.stop("b");
  world.resume("a");
  world.round("a");
  CHECK(world["a"].stats().pauses == 1);
  world.round("a");
  CHECK(world["a"].find_member("b", world.now())->status == peer_status::live);
  world.resume("b");
  world.run_for(60s);

  CHECK(world["a"].stats().declared_dead == 0);
  CHECK(world["a"].find_member("b", world.now())->status == peer_status::live);
}

TEST_CASE("protocol round: after a pause nobody is declared dead until a full round has run") {
  const auto rounds_to_death = [](std::size_t pause_before) {
    small_cluster world;
    config settings = make_config("a");
    settings.suspicion_rounds = 0;  // phi alone; suspicion's own is in protocol_suspicion_test.cpp
    protocol& a = world.add(settings);
    puppet p(world, "a", "p", 1);
    p.enter();
    for (std::size_t round = 1; round < 100; ++round) {
      if (round == pause_before) world.steady += 1h;
      world.round("a");
      if (a.find_member("p", world.now())->status == peer_status::dead) return round;
    }
    return std::size_t{0};
  };

  const std::size_t unpaused = rounds_to_death(0);
  REQUIRE(unpaused > 10);
  CHECK(rounds_to_death(unpaused) == unpaused + 1);
}

TEST_CASE("protocol round: a datagram that comes before the late timer does not hide the pause") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  world.round("a");
  world.steady += 1h;
  world.wall += 1h;

  p.begin(message_kind::digest);
  static_cast<void>(p.send());
  world.round("a");
  world.round("a");

  CHECK(world["a"].stats().pauses == 1);
  CHECK(world["a"].find_member("p", world.now())->status == peer_status::live);
}

TEST_CASE("protocol round: a timer less than a round late is no pause") {
  small_cluster world;
  protocol& a = world.add("a");
  world.round("a");

  a.handle_timeout(moment(a.next_deadline() + 1s, world.wall));
  CHECK(a.stats().pauses == 0);
  a.handle_timeout(moment(a.next_deadline() + 1s + 1ms, world.wall));
  CHECK(a.stats().pauses == 1);
}

TEST_CASE("protocol round: after a pause who is truly gone is found dead as before") {
  small_cluster world;
  world.add("a");
  world.add("b");
  world.exchange("a", "b");
  world.run_for(30s);
  world.stop("b");
  world.steady += 1h;

  world.run_for(60s);

  CHECK(world["a"].find_member("b", world.now())->status == peer_status::dead);
}

TEST_CASE("protocol round: a wall clock that steps changes no status and no generation") {
  for (const std::chrono::nanoseconds step : {-24h * 400, 24h * 400}) {
    small_cluster world;
    world.add("a");
    world.add("b");
    world.exchange("a", "b");
    world.run_for(30s);
    const std::uint64_t generation = world["a"].generation();
    change_cursor cursor;
    static_cast<void>(read_events(world["a"], cursor));

    world.wall += step;
    world.run_for(60s);

    CHECK(read_events(world["a"], cursor) == "");
    CHECK(world["a"].generation() == generation);
    CHECK(world["a"].stats().pauses == 0);
  }
}

TEST_CASE("protocol round: a new peer of which nothing more is heard dies without having lived") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet teller(world, "a", "teller", 1);
  teller.enter();
  tell_of_peers(teller, 1, false);
  change_cursor cursor;
  cursor.peer = "peer 0";
  CHECK(read_events(a, cursor) == "new_peer peer 0\n");

  for (int i = 0; i < 60; ++i) {
    world.round("a");
    teller.heartbeat += 1;
    teller.begin(message_kind::reply);
    static_cast<void>(teller.send());
  }

  CHECK(read_events(a, cursor) == "peer_dead peer 0\n");
  CHECK(a.stats().declared_dead == 0);
}

TEST_CASE("protocol round: a dead peer is told of for half the grace, and then is unwanted") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 200s;
  settings.live_peers_min = 0;
  world.add(settings);
  puppet gone(world, "a", "gone", 1);
  gone.enter();
  const std::chrono::nanoseconds last_heard = world.steady;
  world.round("a");
  std::chrono::nanoseconds unwanted{};
  bool is_in_range = false;
  world.on_send = [&](const letter& sent) {
    for (const packed_entry& entry : sent.content.known.range) {
      if (entry.name_hash == gone.hash() && unwanted == 0s) is_in_range = true;
    }
    for (const packed_entry& entry : sent.content.known.unwanted) {
      if (entry.name_hash == gone.hash() && unwanted == 0s) unwanted = world.steady;
    }
    return false;
  };

  while (world["a"].is_known("gone")) {
    world.find("a").core.join(host(200));
    world["a"].set_seeds({host(201), host(202), host(203), host(204)});
    world.round("a");
  }

  CHECK(is_in_range);
  // Backed off addresses are asked every 16 rounds, five of them staggered.
  CHECK(unwanted - last_heard >= 100s);
  CHECK(unwanted - last_heard <= 117s);
  CHECK(world.steady - last_heard == 200s);
}

TEST_CASE("protocol round: a node tells a forgotten peer that lost its clock of its former self") {
  small_cluster world;
  config settings = make_config("a");
  settings.dead_peer_grace = 100s;
  world.add(settings);
  settings.name = "b";
  world.add(settings);
  world.exchange("a", "b");
  const std::uint64_t former = world["b"].generation();
  world.stop("b");
  world.run_for(140s);
  REQUIRE_FALSE(world["a"].is_known("b"));
  REQUIRE(world["a"].stats().peers_unwanted == 1);

  // It comes back with a clock of the year before.
  world.resume("b");
  world.wall -= 24h * 365;
  world.restart("b");
  REQUIRE(world["b"].generation() < former);
  world.wall += 24h * 365;
  world.exchange("b", "a");
  world.run_for(20s);

  CHECK(world["b"].generation() > former);
  CHECK(world["a"].is_known("b"));
}

TEST_CASE("protocol round: each message is shown to the hook, until it is taken away") {
  small_cluster world;
  protocol& a = world.add("a");
  const endpoint there = world.add("b").address();
  world.exchange("a", "b");
  std::vector<std::string> seen;
  a.on_message([&](message_direction direction, const endpoint& remote, const message& what) {
    CHECK(remote == there);
    const bool is_sent = direction == message_direction::sent;
    seen.push_back((is_sent ? "sent " : "received ") + std::string(to_string(what.kind)));
  });

  world.round("a");
  world.round("b");

  CHECK(seen == std::vector<std::string>{"sent digest leg", "received answer leg",
                                         "received digest leg", "sent answer leg"});
  a.on_message(nullptr);
  world.round("a");
  CHECK(seen.size() == 4);
}

TEST_CASE("protocol round: the hook sees a message that is dropped, and before it is handled") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet b(world, "a", "b", 1);
  std::vector<bool> is_known;
  a.on_message([&](message_direction direction, const endpoint&, const message&) {
    if (direction == message_direction::received) is_known.push_back(a.is_known("b"));
  });

  static_cast<void>(b.verify());
  b.begin(message_kind::reply).identities.push_back(b.identity());
  static_cast<void>(b.send());
  b.begin(message_kind::reply).cookie_echo = 1;
  static_cast<void>(b.send());

  CHECK(is_known == std::vector<bool>{false, false, true});
  CHECK(drops(a, drop_reason::unverified) == 1);
}

TEST_CASE("protocol round: the name of each node that is known is found by its hash") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  world.exchange("a", "b");

  CHECK(a.find_name(hash_of("a")) == "a");
  CHECK(a.find_name(hash_of("a") & 0xffffffff) == "a");  // as an answer leg echoes it
  CHECK(a.find_name(hash_of("b")) == "b");
  CHECK(a.find_name(hash_of("c")).empty());
}

TEST_CASE("protocol: a digest of nobody but the usual is the rows themselves, not copied") {
  small_cluster world;
  for (const std::string_view name : {"a", "b", "c", "d"}) world.add(name);
  for (const std::string_view name : {"b", "c", "d"}) world.exchange("a", name);
  world.run_for(20s);
  protocol& a = world["a"];
  REQUIRE(a.peers().size() == 3);
  REQUIRE(a.peers().irregular() == 1);  // itself

  world.steady += 1s;
  world.wall += 1s;
  a.handle_timeout(world.now());
  message out;
  REQUIRE(a.poll_transmit(world.now(), out).has_value());

  REQUIRE(out.kind == message_kind::digest);
  CHECK(out.known.range.data() == a.peers().entries().data());
  CHECK(out.known.range.size() == 4);
}

TEST_CASE("protocol round: by phi a peer dies in the first round that finds it over the limit") {
  for (const double limit : {1.0, 1.5, 2.0, 8.0}) {
    CAPTURE(limit);
    small_cluster world;
    config settings = make_config("a");
    settings.suspicion_rounds = 0;
    settings.dead_peer_phi = limit;
    protocol& a = world.add(settings);
    puppet p(world, "a", "p", 1);
    p.enter();
    world.on_send = [](const letter&) { return false; };
    for (int i = 0; i < 20; ++i) {
      world.round("a");
      ++p.heartbeat;
      p.begin(message_kind::reply);
      static_cast<void>(p.send());
    }

    bool is_dead = false;
    for (int rounds = 0; !is_dead; ++rounds) {
      REQUIRE(rounds < 100);
      const auto due = a.next_deadline();
      const double phi = *a.find_member("p", moment(due, world.wall))->phi;
      world.round("a");
      is_dead = a.find_member("p", world.now())->status == peer_status::dead;
      CAPTURE(phi);
      CHECK(is_dead == (phi > limit));
    }
  }
}

TEST_CASE(
    "protocol round: a round that starts more than an interval after its due counts as late") {
  config settings = make_config("a");
  settings.jitter = 0;
  REQUIRE(settings.gossip_interval == 1s);
  memory_storage entries;
  const auto at = [](std::chrono::milliseconds time) { return moment(time, time); };
  protocol core(settings, storage_ref(entries), host(1), 1, at(0ms));

  // The first round has no due: the node was made long before it ran.
  core.handle_timeout(at(60s));
  REQUIRE(core.stats().rounds == 1);
  CHECK(core.stats().rounds_late == 0);

  // Due at 60.5 s, half an interval after a first round that came late; late by one interval, and
  // not by more.
  core.handle_timeout(at(61'500ms));
  REQUIRE(core.stats().rounds == 2);
  CHECK(core.stats().rounds_late == 0);

  // Due at 62 s, half an interval after the one before.
  core.handle_timeout(at(63'001ms));
  REQUIRE(core.stats().rounds == 3);
  CHECK(core.stats().rounds_late == 1);

  // Four of five seconds without processor time: a fifth of the rounds, and all of them late.
  for (int i = 1; i <= 10; ++i) core.handle_timeout(at(63'001ms + i * 5s));
  CHECK(core.stats().rounds == 13);
  CHECK(core.stats().rounds_late == 11);
  CHECK(core.stats().pauses == 11);
}

TEST_CASE("protocol round: late rounds count although datagrams are taken in meanwhile") {
  small_cluster world;
  config settings = make_config("a");
  settings.jitter = 0;
  protocol& a = world.add(settings);
  puppet p(world, "a", "p", 1);
  p.enter();
  world.round("a");
  const protocol_stats before = a.stats();

  // Of five seconds each, a message comes every half, and the round's turn in none of them.
  for (int turn = 0; turn < 10; ++turn) {
    for (int half = 0; half < 10; ++half) {
      world.steady += 500ms;
      world.wall += 500ms;
      ++p.heartbeat;
      p.begin(message_kind::reply);
      static_cast<void>(p.send());
    }
    a.handle_timeout(world.now());
  }

  CHECK(a.stats().rounds - before.rounds == 10);
  CHECK(a.stats().rounds_late - before.rounds_late == 10);
  CHECK(a.stats().pauses == before.pauses);
}
