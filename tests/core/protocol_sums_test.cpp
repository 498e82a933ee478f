// Exchanges by sums: a node that tells roots, and peers whose every word the test chooses.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/model/row_sum.hpp"
#include "core/node_parts.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/testing/random.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// With few peers an entry of "a" is fresh for fourteen rounds at most.
constexpr int rounds_until_stale = 16;

config make_sums_config(std::string_view name) {
  config settings = make_config(name);
  settings.sums_peers_min = 1;
  settings.suspicion_rounds = 1000;  // no peer dies because the test lets it be silent
  return settings;
}

bool tells_root(const letter& one) { return one.content.known.root.has_value(); }
bool tells_rows(const letter& one) {
  return one.content.kind == message_kind::digest && one.content.known.has_claim();
}
bool is_short(const letter& one) {
  return one.content.kind == message_kind::digest && !tells_root(one) && !tells_rows(one);
}
bool is_bare(const message& one) {
  return one.identities.empty() && one.heartbeats.empty() && one.requests.empty() &&
         one.partials.empty() && one.deltas.empty() && one.suspicions.empty() && one.sums.empty() &&
         one.refused == refusal::none;
}

template <class Predicate>
std::size_t count(const letters& all, Predicate is_it) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), is_it));
}

/// Begins a message of a peer that reads roots.
message& begin(puppet& who, message_kind kind) {
  message& told = who.begin(kind);
  told.features = feature_sums;
  return told;
}
/// It speaks, and is heard by the node.
letters beat(puppet& who) {
  ++who.heartbeat;
  begin(who, message_kind::reply);
  return who.send();
}
void enter(puppet& who) {
  who.enter();
  static_cast<void>(beat(who));
}

/// A digest of a peer that holds the rows of `node`: a root, beside the entries of both.
message& begin_root(puppet& who, const protocol& node) {
  message& told = begin(who, message_kind::digest);
  root_sum& root = told.known.root.emplace();
  for (const packed_entry& row : node.peers().entries()) {
    if (row.name_hash != who.hash()) root.parts += part_of(row);
  }
  root.parts += part_of(told.sender);
  root.nodes = static_cast<std::uint32_t>(node.peers().entries().size());
  told.known.extra.push_back(told.sender);
  told.known.extra.push_back(node.peers().self().entry());
  return told;
}

/// "a", which tells roots, and two peers that read them.
struct sums_node {
  explicit sums_node(const config& settings = make_sums_config("a"))
      : node(world.add(settings)), p(world, "a", "p", 1), other(world, "a", "other", 2) {
    enter(p);
    enter(other);
  }

  /// Both speak each round; the datagrams of "a" come back.
  letters round() {
    letters sent = world.collect_round("a");
    for (puppet* one : {&p, &other}) {
      for (const letter& answer : beat(*one)) {
        sent.emplace_back(answer.content, answer.from, answer.to);
      }
    }
    return sent;
  }

  small_cluster world;
  protocol& node;
  puppet p;
  puppet other;
};

}  // namespace

// ---------------------------------------------------------------------------------- leg 1

TEST_CASE("sums: digests tell roots from as many known peers on as the option says") {
  for (const std::size_t peers_min : {2U, 3U}) {
    CAPTURE(peers_min);
    config settings = make_sums_config("a");
    settings.sums_peers_min = peers_min;
    sums_node given(settings);

    const letters sent = given.world.collect_round("a");

    CHECK(count(sent, tells_root) == (peers_min == 2 ? 1 : 0));
    CHECK(count(sent, tells_rows) == (peers_min == 2 ? 0 : 1));
  }
}

TEST_CASE("sums: seventeen known peers are enough where nothing is set") {
  for (const int others : {15, 16}) {
    small_cluster world;
    world.add("a");
    puppet p(world, "a", "p", 1);
    enter(p);
    for (int i = 0; i < others; ++i) {
      identity_view who = p.identity();
      const std::string name = "peer " + std::to_string(i);
      who.name = name;
      begin(p, message_kind::reply).identities.push_back(who);
      static_cast<void>(p.send());
    }

    const letters sent = world.collect_round("a");

    CHECK(count(sent, tells_root) == (others == 16 ? 1 : 0));
  }
}

TEST_CASE("sums: without suspicions a node tells rows, since it lives by heartbeats") {
  config settings = make_sums_config("a");
  settings.suspicion_rounds = 0;
  sums_node given(settings);

  for (int i = 0; i < 10; ++i) {
    const letters sent = given.round();
    CHECK(count(sent, tells_root) == 0);
    CHECK(count(sent, tells_rows) > 0);
  }
}

TEST_CASE("sums: a peer that does not read roots is told rows") {
  sums_node given;
  given.p.begin(message_kind::reply);  // a fresh word without the feature
  static_cast<void>(given.p.send());

  for (int i = 0; i < 10; ++i) {
    for (const letter& one : given.world.collect_round("a")) {
      if (is_short(one)) continue;
      CHECK(tells_rows(one) == (one.to == given.p.address));
    }
    static_cast<void>(beat(given.other));
    ++given.p.heartbeat;
    given.p.begin(message_kind::reply);
    static_cast<void>(given.p.send());
  }
}

TEST_CASE("sums: each datagram of a node says that it reads roots") {
  sums_node given;
  letters sent = given.round();
  begin_root(given.p, given.node);
  for (const letter& one : given.p.send()) sent.emplace_back(one.content, one.from, one.to);

  REQUIRE(sent.size() >= 2);
  for (const letter& one : sent) CHECK((one.content.features & feature_sums) != 0);
}

TEST_CASE("sums: when a dead peer comes back, rows are told for as long as news takes") {
  config settings = make_sums_config("a");
  settings.suspicion_rounds = 12;
  sums_node given(settings);
  const auto status = [&given] { return given.node.find_member("p", given.world.now())->status; };
  for (int i = 0; i < 200 && status() != peer_status::dead; ++i) {
    for (const letter& one : given.world.collect_round("a")) CHECK_FALSE(tells_rows(one));
    static_cast<void>(beat(given.other));
  }
  REQUIRE(status() == peer_status::dead);
  static_cast<void>(given.world.collect_round("a"));  // its word is to be later than its death
  static_cast<void>(beat(given.other));

  given.p.heartbeat += 300;
  static_cast<void>(beat(given.p));

  REQUIRE(status() == peer_status::live);
  for (int round = 1; round <= 10; ++round) {  // three nodes: 2 * 2 rounds
    CAPTURE(round);
    const letters sent = given.round();
    CHECK((count(sent, tells_rows) > 0) == (round <= 4));
    CHECK((count(sent, tells_root) > 0) == (round > 4));
  }
}

TEST_CASE("sums: heartbeats are awaited as long as sums let them be rare, a rival's no longer") {
  for (const bool has_sums : {true, false}) {
    CAPTURE(has_sums);
    config settings = make_sums_config("a");
    if (!has_sums) settings.suspicion_rounds = 0;
    memory_storage entries;
    node_parts parts(settings, storage_ref(entries), endpoint::v4(10, 0, 0, 1, 7000), 1,
                     moment(100s, 0s));
    for (int i = 0; i < 59; ++i) {
      const std::string name = "p" + std::to_string(i);
      REQUIRE(parts.peers.try_add(name, hash_of(name)));
    }

    parts.update_expectation();

    // 16 times the gap: 60 nodes by 3 rows a round, or all of them.
    const std::chrono::nanoseconds longest = parts.liveness.expected().maximum;
    CHECK(longest / settings.gossip_interval == (has_sums ? 320 : 16));
    CHECK(parts.heartbeat_wait_max() == (has_sums ? 64 * settings.gossip_interval : longest));
  }
}

TEST_CASE("sums: membership needs as much as roots take, however many peers are known") {
  for (const bool has_sums : {true, false}) {
    CAPTURE(has_sums);
    config settings = make_sums_config("a");
    if (!has_sums) settings.sums_peers_min = 1000;
    sums_node given(settings);
    for (int i = 0; i < 100; ++i) {
      puppet known(given.world, "a", "q" + std::to_string(i), 3);
      begin(given.p, message_kind::reply).identities.push_back(known.identity());
      static_cast<void>(given.p.send());
    }

    for (int i = 0; i < 30; ++i) static_cast<void>(given.round());

    CHECK((given.node.stats().membership_bytes_per_interval < 1500) == has_sums);
  }
}

TEST_CASE("sums: who names a dead peer beside a root is told that it was suspected") {
  config settings = make_sums_config("a");
  settings.suspicion_rounds = 12;
  sums_node given(settings);
  const auto is_dead = [&given] {
    return given.node.find_member("p", given.world.now())->status == peer_status::dead;
  };
  // Long enough that the usual legs tell of it no more.
  for (int i = 0; i < 300 && !is_dead(); ++i) {
    static_cast<void>(given.world.collect_round("a"));
    static_cast<void>(beat(given.other));
  }
  REQUIRE(is_dead());
  for (int i = 0; i < 30; ++i) {
    static_cast<void>(given.world.collect_round("a"));
    static_cast<void>(beat(given.other));
  }
  for (const bool is_named : {false, true}) {
    CAPTURE(is_named);
    message& told = begin_root(given.other, given.node);
    const digest_entry dead = given.node.peers()[*given.node.peers().find(given.p.hash())].entry();
    if (is_named) told.known.extra.push_back(dead);

    const letters sent = given.other.send();

    REQUIRE(!sent.empty());
    const std::vector<suspicion_entry>& said = sent.front().content.suspicions;
    CHECK(said.size() == (is_named ? 1 : 0));
    if (is_named && !said.empty()) CHECK(said.front().name_hash == given.p.hash());
  }
}

// --------------------------------------------------------------------------- first contacts

namespace {

/// "a" hears of "q", and begins an exchange with it.
struct first_contact {
  explicit first_contact(const config& settings = make_sums_config("a"))
      : node(world.add(settings)), p(world, "a", "p", 1), q(world, "a", "q", 2) {
    enter(p);
    begin(p, message_kind::reply).identities.push_back(q.identity());
    static_cast<void>(p.send());
  }
  /// The first exchange leg to "q".
  letters begin_exchange() {
    for (int i = 0; i < 50; ++i) {
      letters to_q;
      for (const letter& one : world.collect_round("a")) {
        if (one.to != q.address || is_short(one)) continue;
        to_q.emplace_back(one.content, one.from, one.to);
        q.cookie = one.content.cookie;
      }
      if (!to_q.empty()) return to_q;
      static_cast<void>(beat(p));
    }
    return {};
  }

  small_cluster world;
  protocol& node;
  puppet p;
  puppet q;
};

}  // namespace

TEST_CASE("sums: a first contact with a known peer tells a root, and needs no padding") {
  first_contact given;

  const letters sent = given.begin_exchange();

  REQUIRE(sent.size() == 1);
  CHECK(tells_root(sent.front()));
  CHECK(sent.front().content.padded_bytes == 0);
}

TEST_CASE("sums: under a byte budget a first contact is padded, and tells rows") {
  config settings = make_sums_config("a");
  settings.send_bytes_per_interval = 20'000;
  first_contact given(settings);

  const letters sent = given.begin_exchange();

  REQUIRE(sent.size() == 1);
  CHECK(tells_rows(sent.front()));
  CHECK(sent.front().content.padded_bytes > 0);
}

TEST_CASE("sums: an address of which no name is known is told rows") {
  small_cluster world;
  protocol& node = world.add(make_sums_config("a"));
  puppet p(world, "a", "p", 1);
  enter(p);
  const endpoint seed = endpoint::v4(10, 0, 9, 77, 7000);
  node.join(seed);

  const letters sent = world.collect_round("a");

  const auto is_to_seed = [&seed](const letter& one) { return one.to == seed; };
  REQUIRE(count(sent, is_to_seed) == 1);
  CHECK(tells_rows(*std::find_if(sent.begin(), sent.end(), is_to_seed)));
}

TEST_CASE("sums: where a reply shows that the root was not read, rows follow at once") {
  for (const bool reads : {true, false}) {
    for (const bool is_fresh : {true, false}) {
      CAPTURE(reads);
      CAPTURE(is_fresh);
      first_contact given;
      REQUIRE(tells_root(given.begin_exchange().front()));
      message& told = given.q.begin(message_kind::reply);
      if (reads) told.features = feature_sums;
      if (!is_fresh) told.receiver = digest_entry();

      const letters sent = given.q.send();

      CHECK(count(sent, tells_rows) == (reads ? 0 : 1));
      CHECK(count(sent, tells_root) == 0);
      if (is_fresh) CHECK(given.node.find_member("q", given.world.now())->is_reachable);
    }
  }
}

// ----------------------------------------------------------------------------------- leg 2

TEST_CASE("sums: a root that is equal is answered by a bare reply") {
  sums_node given;
  begin_root(given.p, given.node);

  const letters sent = given.p.send();

  REQUIRE(sent.size() == 1);
  const message& answer = sent.front().content;
  CHECK(answer.kind == message_kind::reply);
  CHECK(answer.of_root == root_answer::leg_2);
  CHECK(is_bare(answer));
}

TEST_CASE("sums: a peer that leaves changes the sums that were worked out before") {
  for (const bool leaves_itself : {true, false}) {
    CAPTURE(leaves_itself);
    sums_node given;
    begin_root(given.p, given.node);
    static_cast<void>(given.p.send());  // each row's part is worked out here
    const std::uint64_t parts_before = begin_root(given.p, given.node).known.root->parts;
    puppet& teller = leaves_itself ? given.other : given.p;
    message& told = begin(teller, message_kind::reply);
    if (leaves_itself) {
      told.sender.has_left = true;
    } else {
      digest_entry left = given.node.peers()[*given.node.peers().find(given.other.hash())].entry();
      left.has_left = true;
      told.heartbeats.push_back(left);
    }
    static_cast<void>(teller.send());
    REQUIRE(given.node.find_member("other", given.world.now())->status == peer_status::left);

    const root_sum& root = *begin_root(given.p, given.node).known.root;
    CHECK(root.parts != parts_before);
    const letters sent = given.p.send();

    REQUIRE(sent.size() == 1);
    CHECK(sent.front().content.of_root == root_answer::leg_2);
    CHECK(is_bare(sent.front().content));
  }
}

TEST_CASE("sums: another root is answered by sums") {
  sums_node given;
  ++begin_root(given.p, given.node).known.root->parts;

  const letters sent = given.p.send();

  REQUIRE(sent.size() == 1);
  const message& answer = sent.front().content;
  CHECK(answer.of_root == root_answer::leg_2);
  CHECK(answer.sums.size() == 8);
  CHECK(answer.requests.empty());  // no row changed of late that has versions
}

TEST_CASE("sums: who does not say that it reads roots gets none of their answers") {
  sums_node given;
  begin_root(given.p, given.node).features = 0;

  const letters sent = given.p.send();

  REQUIRE(sent.size() == 1);
  CHECK(sent.front().content.of_root == root_answer::none);
}

TEST_CASE("sums: a digest that claims rows is no root, and its answer says nothing of one") {
  sums_node given;
  for (int i = 0; i < rounds_until_stale; ++i) static_cast<void>(given.world.collect_round("a"));
  message& told = begin(given.p, message_kind::digest);
  told.receiver.heartbeat = 1;  // stale
  told.known.lo = 0;
  told.known.hi = ~std::uint64_t{0};

  for (const letter& one : given.p.send()) CHECK(one.content.of_root == root_answer::none);
}

TEST_CASE("sums: a digest without a claim that is stale, or unverified, is called so") {
  for (const bool has_root : {true, false}) {
    for (const bool is_stale : {true, false}) {
      for (const bool is_unverified : {true, false}) {
        CAPTURE(has_root);
        CAPTURE(is_stale);
        CAPTURE(is_unverified);
        sums_node given;
        const std::uint64_t heard = given.node.peers().self().heartbeat();
        for (int i = 0; i < rounds_until_stale; ++i) {
          static_cast<void>(given.world.collect_round("a"));
        }
        message& told = begin_root(given.p, given.node);
        if (!has_root) told.known.root.reset();
        if (is_stale) told.receiver.heartbeat = heard;
        if (is_unverified) told.cookie_echo = 0;

        const letters sent = given.p.send();

        const auto is_answer = [](const letter& one) {
          return one.content.kind == message_kind::reply;
        };
        REQUIRE(count(sent, is_answer) == 1);
        const message& answer = std::find_if(sent.begin(), sent.end(), is_answer)->content;
        CHECK(has(answer.of_root, root_answer::leg_2) == has_root);
        CHECK(has(answer.of_root, root_answer::is_stale) == (is_stale || is_unverified));
      }
    }
  }
}

TEST_CASE(
    "sums: a node that tells rows calls no digest stale, and wants rows in answer to a root") {
  config settings = make_sums_config("a");
  settings.sums_peers_min = 100;
  sums_node given(settings);
  for (int i = 0; i < rounds_until_stale; ++i) static_cast<void>(given.world.collect_round("a"));
  begin_root(given.p, given.node).receiver.heartbeat = 1;

  const letters sent = given.p.send();

  REQUIRE(!sent.empty());
  CHECK(sent.front().content.of_root == (root_answer::leg_2 | root_answer::wants_rows));
}

// ----------------------------------------------------------------------------------- leg 3

TEST_CASE("sums: an answer to a stale root is answered by one bare leg 3, another by none") {
  for (const bool is_of_root : {true, false}) {
    for (const bool is_stale : {true, false}) {
      CAPTURE(is_of_root);
      CAPTURE(is_stale);
      sums_node given;
      static_cast<void>(given.round());
      message& answer = begin(given.p, message_kind::reply);
      if (is_of_root) answer.of_root = root_answer::leg_2;
      if (is_stale) answer.of_root = answer.of_root | root_answer::is_stale;

      const letters sent = given.p.send();

      REQUIRE(sent.size() == (is_stale ? 1 : 0));
      if (!is_stale) continue;
      const message& leg = sent.front().content;
      CHECK(sent.front().to == given.p.address);
      CHECK(leg.kind == message_kind::deltas);
      CHECK(leg.of_root == root_answer::leg_3);
      CHECK(is_bare(leg));
      CHECK(leg.receiver.heartbeat == given.p.heartbeat);
    }
  }
}

TEST_CASE("sums: leg 3 after a stale leg tells the suspicions that were left aside") {
  sums_node given;
  suspicion_entry suspected;
  suspected.name_hash = given.other.hash();
  suspected.generation = given.other.generation;
  suspected.heartbeat = given.other.heartbeat;
  suspected.suspicion_age = 16;
  given.world.steady += 3s;
  given.world.wall += 3s;
  begin(given.p, message_kind::reply).suspicions.push_back(suspected);
  static_cast<void>(given.p.send());
  begin(given.p, message_kind::reply).of_root = root_answer::is_stale;

  const letters sent = given.p.send();

  const auto is_leg_3 = [](const letter& one) { return one.content.kind == message_kind::deltas; };
  REQUIRE(count(sent, is_leg_3) == 1);
  const message& leg = std::find_if(sent.begin(), sent.end(), is_leg_3)->content;
  REQUIRE(leg.suspicions.size() == 1);
  CHECK(leg.suspicions.front().name_hash == given.other.hash());
}

TEST_CASE("sums: leg 3 that requests is a reply, which is not taken for an answer to a leg 1") {
  sums_node given;
  message& answer = begin(given.p, message_kind::reply);
  answer.of_root = root_answer::leg_2;
  digest_entry named = given.node.peers()[*given.node.peers().find(given.other.hash())].entry();
  named.max_version = 5;
  answer.requests.push_back(named);

  const letters sent = given.p.send();

  REQUIRE(sent.size() == 1);
  CHECK(sent.front().content.kind == message_kind::reply);
  CHECK(sent.front().content.of_root == root_answer::leg_3);
  REQUIRE(sent.front().content.requests.size() == 1);
  CHECK(sent.front().content.requests[0].name_hash == given.other.hash());

  // The same of a peer: its requests are answered, and it begins nothing anew.
  REQUIRE(given.node.set("k", "v"));
  message& last = begin(given.p, message_kind::reply);
  last.of_root = root_answer::leg_3;
  digest_entry wanted = given.node.peers().self().entry();
  wanted.max_version = 0;
  last.requests.push_back(wanted);
  last.more = true;
  const letters answered = given.p.send();
  REQUIRE(answered.size() == 1);
  CHECK(answered.front().content.kind == message_kind::deltas);
  CHECK(answered.front().content.deltas.size() == 1);
}

TEST_CASE("sums: buckets that differ are told row by row, once a peer and round") {
  sums_node given;
  static_cast<void>(given.round());
  const auto answer = [&given] {
    message& told = begin(given.p, message_kind::reply);
    told.of_root = root_answer::leg_2;
    told.sum_bits = 3;
    for (std::uint64_t i = 0; i < 8; ++i) told.sums.push_back(i % 2 == 0 ? 0 : 12345);
    return given.p.send();
  };

  const letters sent = answer();
  CHECK(count(answer(), tells_rows) == 0);  // the same round
  static_cast<void>(given.world.collect_round("a"));
  CHECK(count(answer(), tells_rows) == 1);

  REQUIRE(count(sent, tells_rows) == 1);
  const digest& known = std::find_if(sent.begin(), sent.end(), tells_rows)->content.known;
  REQUIRE(known.buckets.has_value());
  for (std::size_t bucket = 0; bucket < bucket_set::count; ++bucket) {
    if (bucket / 64 % 2 == 1) CHECK(known.buckets->has(bucket));
  }
  for (const packed_entry& row : known.range) CHECK(known.buckets->has_hash(row.name_hash));
}

TEST_CASE("sums: buckets of several parts of sums go in one digest, where one waits for them") {
  sums_node given;
  static_cast<void>(given.round());
  for (std::uint8_t part = 0; part < 4; ++part) {
    message& told = begin(given.p, message_kind::reply);
    told.of_root = root_answer::leg_2;
    told.sum_bits = 9;
    told.sum_part = part;
    told.sums.resize(128, 12345);
    given.world.deliver(letter(told, given.p.address, given.node.address()));
  }

  const letters sent = given.world.collect("a");

  REQUIRE(count(sent, tells_rows) == 1);
  const digest& known = std::find_if(sent.begin(), sent.end(), tells_rows)->content.known;
  REQUIRE(known.buckets.has_value());
  CHECK(known.buckets->size() == 512);
  CHECK(known.range.size() == 3);
  CHECK(count(sent, is_short) == 0);
}

TEST_CASE("sums: parts of the sums that come one by one are each followed by a digest") {
  sums_node given;
  static_cast<void>(given.round());
  for (std::uint8_t part = 0; part < 4; ++part) {
    message& told = begin(given.p, message_kind::reply);
    told.of_root = root_answer::leg_2;
    told.sum_bits = 9;
    told.sum_part = part;
    told.sums.resize(128, 12345);

    const letters sent = given.p.send();

    REQUIRE(count(sent, tells_rows) == 1);
    const digest& known = std::find_if(sent.begin(), sent.end(), tells_rows)->content.known;
    REQUIRE(known.buckets.has_value());
    for (std::size_t bucket = 0; bucket < bucket_set::count; ++bucket) {
      const bool is_of_part = bucket / 128 == part;
      CHECK(known.buckets->has(bucket) == is_of_part);
    }
  }
}

TEST_CASE("sums: a digest of buckets goes once, whoever is refused outside of them") {
  sums_node given;
  for (int i = 0; i < 20; ++i) {  // of dates too far ahead
    identity_view who = given.other.identity();
    const std::string name = "refused " + std::to_string(i);
    who.name = name;
    who.generation += 1'000'000'000;
    begin(given.other, message_kind::reply).identities.push_back(who);
    static_cast<void>(given.other.send());
  }
  REQUIRE(given.node.unwanted().all().size() == 20);
  static_cast<void>(given.round());
  // One bucket of 128 differs, and nothing here lies in it.
  std::size_t empty = 0;
  const auto is_taken = [&](std::uint64_t hash) { return hash >> 57 == empty; };
  const auto is_free = [&] {
    const protocol& node = given.node;
    return std::none_of(node.peers().entries().begin(), node.peers().entries().end(),
                        [&](const packed_entry& one) { return is_taken(one.name_hash); }) &&
           std::none_of(node.unwanted().all().begin(), node.unwanted().all().end(),
                        [&](const unwanted_peer& one) { return is_taken(one.name_hash); });
  };
  while (!is_free()) ++empty;
  message& told = begin(given.p, message_kind::reply);
  told.of_root = root_answer::leg_2;
  told.sum_bits = 7;
  std::vector<row_sum> sums(128);
  for (const packed_entry& row : given.node.peers().entries()) {
    const packed_entry& said = row.name_hash == given.p.hash() ? packed_entry(told.sender) : row;
    sums[row.name_hash >> 57].add(part_of(said), said.max_version());
  }
  sums[empty].parts = 9;
  for (const row_sum& one : sums) told.sums.push_back(one.packed());

  const letters sent = given.p.send();

  REQUIRE(sent.size() == 1);
  const digest& known = sent.front().content.known;
  REQUIRE(known.buckets.has_value());
  CHECK(known.buckets->size() == 4);
  CHECK(known.buckets->has_hash(std::uint64_t{empty} << 57));
  CHECK(known.range.empty());
  CHECK(known.unwanted.empty());
}

TEST_CASE("sums: digests of buckets that have no place for all tell of each row in turn") {
  config settings = make_sums_config("a");
  settings.digest_datagrams_max = 2;  // places for 86 rows
  settings.dead_peer_phi = 1000;      // nobody is suspected: that would take places
  sums_node given(settings);
  for (int i = 0; i < 200; ++i) {
    identity_view who = given.other.identity();
    const std::string name = "peer " + std::to_string(i);
    who.name = name;
    begin(given.other, message_kind::reply).identities.push_back(who);
    static_cast<void>(given.other.send());
  }
  REQUIRE(given.node.peers().size() == 202);

  std::set<std::uint64_t> told;
  std::set<std::uint64_t> begins;
  for (int round = 0; round < 60; ++round) {
    static_cast<void>(given.round());
    message& answer = begin(given.p, message_kind::reply);
    answer.of_root = root_answer::leg_2;
    answer.sum_bits = 3;
    answer.sums.resize(8, 12345);  // all buckets differ
    const letters sent = given.p.send();
    const auto first = std::find_if(sent.begin(), sent.end(), tells_rows);
    REQUIRE(first != sent.end());
    REQUIRE(first->content.known.buckets.has_value());
    begins.insert(first->content.known.lo);
    for (const letter& one : sent) {
      for (const packed_entry& row : one.content.known.range) told.insert(row.name_hash);
    }
  }

  CHECK(begins.size() == 60);
  CHECK(told.size() == 203);
}

TEST_CASE("sums: to a peer that wants rows all are told, at once") {
  sums_node given;
  static_cast<void>(given.round());
  begin(given.p, message_kind::reply).of_root = root_answer::leg_2 | root_answer::wants_rows;

  const letters sent = given.p.send();

  REQUIRE(sent.size() == 1);
  CHECK(tells_rows(sent.front()));
  CHECK_FALSE(sent.front().content.known.buckets.has_value());
  CHECK(sent.front().content.known.range.size() == 3);
}

// ----------------------------------------------------------------------- what is told again

namespace {

/// "a" knows five peers; one of them is silent, and some of the others were asked for it.
struct asked_around {
  asked_around() {
    world.add(make_sums_config("a"));
    for (std::uint8_t i = 0; i < 5; ++i) {
      const auto host = static_cast<std::uint8_t>(i + 1);
      peers.push_back(std::make_unique<puppet>(world, "a", "p" + std::to_string(i), host));
      enter(*peers.back());
    }
    world.steady += 10ms;
    const letters first = world.collect_round("a");
    REQUIRE(first.size() == 1);
    silent = first.front().to;
    others_speak();
    for (const letter& one : world.collect_round("a")) {
      if (one.to == silent || one.content.suspicions.empty()) continue;
      REQUIRE(one.content.suspicions.front().is_probe_request);
      asked = find(one.to);
    }
    REQUIRE(asked != nullptr);
  }

  void others_speak() {
    for (const auto& one : peers) {
      if (one->address != silent) static_cast<void>(beat(*one));
    }
  }
  [[nodiscard]] puppet* find(const endpoint& address) {
    for (const auto& one : peers) {
      if (one->address == address) return one.get();
    }
    return nullptr;
  }
  /// The one that was asked says that it left the request aside.
  [[nodiscard]] letters say_stale() {
    begin(*asked, message_kind::reply).of_root = root_answer::is_stale;
    return asked->send();
  }

  small_cluster world;
  std::vector<std::unique_ptr<puppet>> peers;
  endpoint silent;
  puppet* asked = nullptr;
};

}  // namespace

TEST_CASE("sums: a probe request that was left aside is told again once, with the ages of now") {
  asked_around given;
  given.world.steady += 250ms;
  given.world.wall += 250ms;

  const letters again = given.say_stale();
  const letters later = given.say_stale();

  REQUIRE(again.size() == 1);
  CHECK(is_short(again.front()));
  CHECK(again.front().to == given.asked->address);
  REQUIRE(again.front().content.suspicions.size() == 1);
  const suspicion_entry& told = again.front().content.suspicions.front();
  CHECK(told.is_probe_request);
  CHECK(told.name_hash == given.find(given.silent)->hash());
  CHECK(told.suspicion_age == 4);  // a quarter of a round since the answer was missed
  REQUIRE(later.size() == 1);
  CHECK(later.front().content.kind == message_kind::deltas);
  CHECK(later.front().content.of_root == root_answer::leg_3);
}

TEST_CASE("sums: a probe request about a run that is no more is not told again") {
  asked_around given;
  puppet& silent = *given.find(given.silent);
  silent.generation += 5;
  begin(*given.asked, message_kind::reply).identities.push_back(silent.identity());
  static_cast<void>(given.asked->send());

  const letters sent = given.say_stale();

  REQUIRE(sent.size() == 1);
  CHECK(sent.front().content.kind == message_kind::deltas);
}

TEST_CASE("sums: a probe request that is over is not told again") {
  asked_around given;
  for (int i = 0; i < 20; ++i) {
    for (const auto& one : given.peers) static_cast<void>(beat(*one));
    static_cast<void>(given.world.collect_round("a"));
  }
  for (const auto& one : given.peers) static_cast<void>(beat(*one));

  const letters sent = given.say_stale();

  REQUIRE(sent.size() == 1);
  CHECK(sent.front().content.kind == message_kind::deltas);
}

// ----------------------------------------------------------------------- what came before

TEST_CASE("sums: a peer is complete once all that a delta told of is here") {
  small_cluster world;
  protocol& node = world.add(make_sums_config("a"));
  puppet p(world, "a", "p", 1);
  static_cast<void>(p.verify());
  change_cursor cursor{};
  message& told = begin(p, message_kind::reply);
  told.sender.max_version = 5;
  told.identities.push_back(p.identity());
  p.add_delta(0, 5, {make_entry("k", "old", 5)}, 9);
  static_cast<void>(p.send());
  const auto is_complete = [&] {
    return read_events(node, cursor).find("peer_complete p") != std::string::npos;
  };

  CHECK_FALSE(is_complete());
  begin(p, message_kind::deltas);
  p.add_delta(5, 8, {make_entry("l", "v", 8)}, 9);
  static_cast<void>(p.send());
  CHECK_FALSE(is_complete());
  begin(p, message_kind::deltas);
  p.add_delta(8, 9, {make_entry("k", "new", 9)}, 9);
  static_cast<void>(p.send());
  CHECK(is_complete());
}

TEST_CASE("sums: of two runs of a name that are both too far ahead neither is requested again") {
  constexpr std::uint64_t day_ms = 86'400'000;
  sums_node given;
  const auto name_run = [&given](std::uint64_t generation) {
    message& told = begin(given.p, message_kind::digest);
    digest_entry far;
    far.name_hash = hash_of("far");
    far.generation = generation;
    far.heartbeat = 5;
    told.known.extra.push_back(told.sender);
    told.known.extra.push_back(far);
    std::size_t requests = 0;
    for (const letter& one : given.p.send()) requests += one.content.requests.size();
    return requests;
  };
  const std::uint64_t first = given.p.generation + 2 * day_ms;
  const std::uint64_t second = given.p.generation + 3 * day_ms;
  REQUIRE(name_run(second) == 1);
  identity_view who = given.other.identity();
  who.name = "far";
  who.generation = second;
  begin(given.p, message_kind::reply).identities.push_back(who);
  static_cast<void>(given.p.send());
  REQUIRE(drops(given.node, drop_reason::far_future) == 1);

  CHECK(name_run(second) == 0);
  CHECK(name_run(first) == 0);
  CHECK(name_run(second) == 0);
  CHECK(name_run(given.p.generation) == 1);  // a run of today is news
}

// ------------------------------------------------------------------------- two whole nodes

namespace {

/// Nodes "a" and "b" that know each other, and two hundred owners by the word of one teller.
class two_nodes {
 public:
  static constexpr std::size_t owners = 200;

  explicit two_nodes(std::uint64_t seed) : draws_(seed) {
    for (const char* name : {"a", "b"}) {
      config settings = make_config(name);
      settings.suspicion_rounds = 1000;  // nobody answers but these two
      settings.dead_peer_phi = 1000;
      settings.fanout = 16;
      world.add(settings);
    }
    world.exchange("a", "b");
    for (const char* name : {"a", "b"}) {
      tellers_.push_back(std::make_unique<puppet>(world, name, "teller", 1));
      enter(*tellers_.back());
    }
    for (std::size_t i = 0; i < owners; ++i) add_owner("owner " + std::to_string(i));
  }

  /// Nothing passes but one exchange that "a" begins with "b" by a root, in a later round.
  void exchange_by_sums() {
    const endpoint a = world.find("a").address;
    const endpoint b = world.find("b").address;
    bool is_open = false;
    world.on_send = [&](const letter& one) {
      const bool is_theirs = (one.from == a && one.to == b) || (one.from == b && one.to == a);
      is_open = is_open || (rounds_left == 0 && one.from == a && is_theirs && tells_root(one));
      if (is_open && is_theirs) {
        bytes += one.bytes;
        rows_told += one.content.known.range.size();
      }
      return is_open && is_theirs;
    };
    for (int i = 0; i < 200 && !is_open; ++i) {
      world.round("a");
      rounds_left -= rounds_left > 0 ? 1 : 0;
    }
    REQUIRE(is_open);
    world.on_send = [](const letter&) { return false; };
  }
  /// The owners that lie otherwise there than here.
  [[nodiscard]] std::vector<std::string> differing() {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < owners; ++i) {
      const std::string name = "owner " + std::to_string(i);
      if (holding_of("a", name) != holding_of("b", name)) found.push_back(name);
    }
    return found;
  }
  /// One of the two gets to know more of that owner, or all of it for the first time.
  void change(std::size_t i) {
    const std::size_t at = draws_.below(2);
    const std::string name = "owner " + std::to_string(i);
    const std::uint64_t kind = draws_.below(10);
    if (kind == 0) return tell_run(at, name, generation + 1, draws_.below(5));
    tell_entries(at, name, held_[name], held_[name] + 1 + draws_.below(30));
  }
  /// Peers that one of the two alone knows.
  void add_known_to_one() {
    const std::size_t at = draws_.below(2);
    tell_run(at, "alone " + std::to_string(at) + std::to_string(draws_.below(1000)), generation, 2);
  }
  [[nodiscard]] bool know_the_same() {
    const auto a = world["a"].peers().entries();
    const auto b = world["b"].peers().entries();
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const packed_entry& one, const packed_entry& other) {
                        return part_of(one) == part_of(other);
                      });
  }
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return draws_.below(bound); }

  small_cluster world;
  std::uint64_t generation = 1'704'067'200'000;
  std::uint64_t rounds_left = 0;  // before the exchange
  std::size_t bytes = 0;          // of the exchange
  std::size_t rows_told = 0;

 private:
  void add_owner(const std::string& name) {
    held_[name] = 1 + draws_.below(50);
    for (const std::size_t at : {0U, 1U}) {
      tell_run(at, name, generation, 0);
      tell_entries(at, name, 0, held_[name]);
    }
  }
  /// A teller tells one of the two of a run, and of its entries up to `upto`.
  void tell_run(std::size_t at, const std::string& name, std::uint64_t run, std::uint64_t upto) {
    puppet& teller = *tellers_[at];
    const endpoint address = endpoint::v4(10, 1, static_cast<std::uint8_t>(hash_of(name)),
                                          static_cast<std::uint8_t>(hash_of(name) >> 8), 7000);
    identity_view who;
    who.name = name;
    who.generation = run;
    who.instance = 1;
    who.heartbeat = 1;
    who.address = address;
    begin(teller, message_kind::reply).identities.push_back(who);
    static_cast<void>(teller.send());
    if (upto > 0) tell_entries(at, name, 0, upto, run);
  }
  void tell_entries(std::size_t at, const std::string& name, std::uint64_t after,
                    std::uint64_t upto, std::uint64_t run = 0) {
    puppet& teller = *tellers_[at];
    begin(teller, message_kind::deltas);
    std::vector<std::string> keys;
    for (std::uint64_t version = after + 1; version <= upto; ++version) {
      keys.push_back("key " + std::to_string(version));
    }
    std::vector<entry_view> entries;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      entries.push_back(make_entry(keys[i], "value", after + 1 + i));
    }
    teller.add_delta(after, upto, entries);
    teller.draft.deltas.back().name_hash = hash_of(name);
    teller.draft.deltas.back().generation = run == 0 ? generation : run;
    static_cast<void>(teller.send());
  }
  /// Generation, version and keys.
  [[nodiscard]] std::string holding_of(std::string_view node, std::string_view owner) {
    const std::optional<slot_index> slot = world[node].peers().find(hash_of(owner));
    if (!slot) return "unknown";
    const peer_view row = world[node].peers()[*slot];
    return std::to_string(row.generation()) + " " + std::to_string(row.max_version()) + " " +
           std::to_string(world[node].usage(owner).live_keys);
  }

  random_source draws_;
  std::vector<std::unique_ptr<puppet>> tellers_;
  std::map<std::string, std::uint64_t> held_;
};

}  // namespace

TEST_CASE("sums: one exchange makes two nodes equal, however many owners differ either way") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    two_nodes given(seed);
    REQUIRE(given.differing().empty());
    std::vector<std::size_t> order(two_nodes::owners);
    std::iota(order.begin(), order.end(), std::size_t{0});
    random_source draws(seed);
    draws.shuffle(std::span(order));
    const std::size_t changed = 5 + given.below(146);
    for (std::size_t i = 0; i < changed; ++i) given.change(order[i]);
    for (std::uint64_t left = given.below(4); left > 0; --left) given.add_known_to_one();
    given.rounds_left = given.below(3) * 12;
    CAPTURE(changed);
    REQUIRE(given.differing().size() == changed);

    given.exchange_by_sums();

    CHECK(given.differing().empty());
    CHECK(given.know_the_same());
    if (changed < 8) CHECK(given.rows_told < 100);
  }
}

TEST_CASE("sums: between equal nodes an exchange is a root and a bare answer") {
  two_nodes given(1);

  given.exchange_by_sums();

  CHECK(given.rows_told == 0);
  // Each way one datagram: 152 bytes and 24 a row beside the root, at most 26; 120 in answer.
  CHECK(given.bytes <= 152 + 24 * 26 + 120 + 2 * 24);
}
