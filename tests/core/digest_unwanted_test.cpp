// Digests of a node that knows many forgotten peers beside those that live.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gossipmonger/testing/random.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t nodes = 60;

std::string node_name(std::size_t i) { return "n" + std::to_string(i); }

config make_node_config(std::string_view name) {
  config settings = make_config(name);
  settings.peers_max = 6000;
  settings.jitter = 0.1;
  return settings;
}

/// The node knew that many peers, and forgot them.
void forget_peers(small_cluster& world, std::string_view node, std::size_t forgotten) {
  puppet teller(world, node, "teller", 1);
  static_cast<void>(teller.verify());
  for (std::size_t i = 0; i < forgotten; ++i) {
    const std::string name = "gone " + std::to_string(i);
    identity_view who = teller.identity();
    who.name = name;
    teller.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(teller.send());
    REQUIRE(world[node].forget(name));
  }
}

std::uint64_t declared_dead(small_cluster& world) {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < nodes; ++i) all += world[node_name(i)].stats().declared_dead;
  return all;
}

std::size_t holding(small_cluster& world, std::string_view key) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    count += world[node_name(i)].get(node_name(0), key) ? 1 : 0;
  }
  return count;
}

/// All that the node sends in its next round, after which `to` answers.
letters round_of(small_cluster& world, puppet& to) {
  letters sent;
  world.on_send = [&](const letter& one) {
    sent.emplace_back(one.content, one.from, one.to);
    return false;
  };
  world.round("n0");
  world.on_send = nullptr;
  to.heartbeat += 1;
  to.begin(message_kind::reply);
  static_cast<void>(to.send());
  return sent;
}

}  // namespace

TEST_CASE(
    "unwanted: news is everywhere in a few rounds, no live peer is declared dead, however many") {
  for (const std::size_t forgotten : {0U, 1000U, 5000U}) {
    CAPTURE(forgotten);
    small_cluster world;
    for (std::size_t i = 0; i < nodes; ++i) world.add(make_node_config(node_name(i)));
    const endpoint first = world[node_name(0)].address();
    for (std::size_t i = 1; i < nodes; ++i) world[node_name(i)].join(first);
    world.run_for(20s);
    for (std::size_t i = 0; i < nodes; ++i) {
      REQUIRE(world[node_name(i)].stats().peers_live == nodes - 1);
      forget_peers(world, node_name(i), forgotten);
    }
    world.run_for(20s);

    REQUIRE(world[node_name(0)].set("k", "v"));
    std::size_t rounds = 0;
    while (holding(world, "k") < nodes && rounds < 60) {
      world.run_for(1s);
      ++rounds;
    }
    CAPTURE(rounds);
    CHECK(rounds <= 10);

    world.run_for(30s);
    std::size_t sent_again = 0;
    world.on_send = [&](const letter& sent) {
      sent_again += sent.content.identities.size() + sent.content.entries.size();
      return true;
    };
    world.run_for(20s);
    CHECK(sent_again == 0);
    CHECK(declared_dead(world) == 0);
    for (std::size_t i = 0; i < nodes; ++i) {
      CHECK(world[node_name(i)].stats().peers_live == nodes - 1);
      CHECK(world[node_name(i)].stats().peers_unwanted == forgotten);
    }
  }
}

TEST_CASE(
    "unwanted: each digest tells of each row, whatever lies between, and in turn of the unwanted") {
  for (const std::size_t forgotten : {30U, 400U, 5000U}) {
    CAPTURE(forgotten);
    small_cluster world;
    config settings = make_node_config("n0");
    settings.suspicion_rounds = 0;  // suspicions of peers that never answer would take places
    world.add(settings);
    puppet p(world, "n0", "p", 2);
    p.enter();
    std::set<std::uint64_t> rows{hash_of("n0"), hash_of("p")};
    for (int i = 0; i < 98; ++i) {
      const std::string name = "row " + std::to_string(i);
      identity_view who = p.identity();
      who.name = name;
      p.begin(message_kind::reply).identities.push_back(who);
      static_cast<void>(p.send());
      rows.insert(hash_of(name));
    }
    forget_peers(world, "n0", forgotten);
    std::set<std::uint64_t> gone;
    for (std::size_t i = 0; i < forgotten; ++i) gone.insert(hash_of("gone " + std::to_string(i)));

    std::set<std::uint64_t> told_unwanted;
    for (std::size_t turn = 0; turn < 600 && told_unwanted.size() < forgotten; ++turn) {
      std::set<std::uint64_t> told;
      bool is_told_to_p = false;
      for (const letter& one : round_of(world, p)) {
        const digest& known = one.content.known;
        std::set<std::uint64_t> in_range;
        std::set<std::uint64_t> unwanted;
        for (const packed_entry& entry : known.range) in_range.insert(entry.name_hash);
        for (const packed_entry& entry : known.unwanted) unwanted.insert(entry.name_hash);
        told_unwanted.insert(unwanted.begin(), unwanted.end());
        if (one.to == p.address) {
          is_told_to_p = true;
          told.insert(in_range.begin(), in_range.end());
          for (const packed_entry& entry : known.extra) told.insert(entry.name_hash);
        }
        if (known.lo > known.hi) continue;
        // A digest names each row and each unwanted peer of the range that it claims.
        const auto is_told = [&](const std::set<std::uint64_t>& all,
                                 const std::set<std::uint64_t>& said) {
          return std::all_of(all.lower_bound(known.lo), all.upper_bound(known.hi),
                             [&said](std::uint64_t hash) { return said.contains(hash); });
        };
        REQUIRE(is_told(rows, in_range));
        REQUIRE(is_told(gone, unwanted));
      }
      if (!is_told_to_p) continue;
      CHECK(std::includes(told.begin(), told.end(), rows.begin(), rows.end()));
    }
    CHECK(told_unwanted == gone);
  }
}

TEST_CASE("unwanted: a run that is held is not told of without the later one that is refused") {
  for (const std::size_t datagrams : {1U, 8U}) {
    CAPTURE(datagrams);
    small_cluster world;
    config settings = make_node_config("n0");
    settings.digest_datagrams_max = datagrams;
    settings.sums_peers_min = 1000;  // it tells rows, though it knows many
    world.add(settings);
    puppet p(world, "n0", "p", 2);
    p.enter();
    for (int i = 0; i < 200; ++i) {
      identity_view who = p.identity();
      const std::string name = "row " + std::to_string(i);
      who.name = name;
      p.begin(message_kind::reply).identities.push_back(who);
      static_cast<void>(p.send());
    }
    constexpr std::uint64_t two_days = 2 * 86'400'000;  // ms
    p.generation += two_days;
    p.enter();
    REQUIRE(drops(world["n0"], drop_reason::far_future) == 1);
    p.generation -= two_days;

    std::size_t with = 0;
    std::size_t without = 0;
    for (std::uint64_t round = 1; round <= 60; ++round) {
      // It is what changed last, each time.
      static_cast<void>(p.tell(round - 1, round, {make_entry("k", "v", round)}));
      for (const letter& one : round_of(world, p)) {
        if (one.content.kind != message_kind::digest) continue;
        const auto is_p = [&p](const digest_entry& entry) { return entry.name_hash == p.hash(); };
        const digest& known = one.content.known;
        const bool is_named = std::any_of(known.range.begin(), known.range.end(), is_p) ||
                              std::any_of(known.extra.begin(), known.extra.end(), is_p) ||
                              (one.content.receiver.generation != 0 && is_p(one.content.receiver));
        const bool is_unwanted = std::any_of(known.unwanted.begin(), known.unwanted.end(), is_p);
        if (is_named) CHECK(is_unwanted);
        (is_named ? with : without) += 1;
      }
    }
    CHECK(with > 0);
    CHECK(without > 0);
  }
}
