// A node's account of its copies at others, and where it finds them: never more than they told.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// A puppet with a verified address tells "a" of a run above its own.
void tell_of_newer(small_cluster& world, puppet& teller) {
  protocol& a = world["a"];
  static_cast<void>(teller.verify());
  message& told = teller.begin(message_kind::digest);
  told.known.extra.push_back(told.sender);
  told.receiver.name_hash = hash_of("a");
  told.receiver.generation = a.generation() + 5;
  static_cast<void>(teller.send());
}

/// Where the next round of "a" sends to, of which nothing arrives.
std::vector<endpoint> addresses_in_round(small_cluster& world) {
  std::vector<endpoint> to;
  world.on_send = [&to](const letter& sent) {
    to.push_back(sent.to);
    return false;
  };
  world.round("a");
  world.on_send = nullptr;
  return to;
}

}  // namespace

TEST_CASE("copies: after a refutation nobody holds what was written, until it is told again") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  REQUIRE(a.set("k", "1"));
  world.exchange("a", "b");
  world.exchange("b", "a");
  REQUIRE(a.replicated(1).live_holding == 1);
  REQUIRE(a.find_member("b", world.now())->backlog == 0);
  puppet teller(world, "a", "teller", 1);

  tell_of_newer(world, teller);

  REQUIRE(a.stats().refutations == 1);
  CHECK(a.replicated(1).holding == 0);
  CHECK(a.find_member("b", world.now())->backlog == 1);
  CHECK(a.stats().backlog_max == 1);
  world.exchange("a", "b");
  world.exchange("b", "a");
  CHECK(a.replicated(1).live_holding == 1);
  CHECK(a.find_member("b", world.now())->backlog == 0);
}

TEST_CASE("copies: a peer that is back at its own address is sent to there") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  const endpoint own = p.address;
  const auto speak_from = [&p](const endpoint& address) {
    p.address = address;
    p.cookie = 0;
    static_cast<void>(p.verify());
    ++p.heartbeat;
    p.begin(message_kind::reply);
    static_cast<void>(p.send());
  };
  endpoint other = own;
  other.port = 9999;
  speak_from(other);
  REQUIRE(addresses_in_round(world) == std::vector<endpoint>{other});

  speak_from(own);

  CHECK(addresses_in_round(world) == std::vector<endpoint>{own});
}

TEST_CASE("copies: who goes on is asked for the owners that the request names, and for no other") {
  for (const std::size_t budget : {std::size_t{0}, std::size_t{1'200}}) {
    CAPTURE(budget);
    small_cluster world;
    config settings = make_config("a");
    settings.send_bytes_per_interval = budget;
    protocol& a = world.add(settings);
    puppet source(world, "a", "source", 1);
    source.enter();
    puppet other(world, "a", "other", 2);
    other.enter();
    std::vector<std::unique_ptr<puppet>> owners;
    for (std::uint8_t i = 0; i < 12; ++i) {
      owners.push_back(std::make_unique<puppet>(world, "a", "owner" + std::to_string(i),
                                                static_cast<std::uint8_t>(10 + i)));
      source.begin(message_kind::reply).identities.push_back(owners.back()->identity());
      static_cast<void>(source.send());
      REQUIRE(a.is_known(owners.back()->name));
    }

    // Each has 99 more entries.
    message& told = source.begin(message_kind::deltas);
    told.more = true;
    for (const auto& owner : owners) {
      delta_view& delta = told.deltas.emplace_back();
      delta.name_hash = owner->hash();
      delta.generation = owner->generation;
      delta.upto = position(1);
      delta.top = 100;
      delta.first_entry = told.entries.size();
      delta.entry_count = 1;
      told.entries.push_back(make_entry("k", "v", 1));
    }
    std::set<std::uint64_t> named;
    for (const letter& sent : source.send()) {
      for (const packed_entry& one : sent.content.known.extra) named.insert(one.name_hash);
    }
    // Another node has as much: what nobody was asked for is requested of it.
    message& digest = other.begin(message_kind::digest);
    for (const auto& owner : owners) {
      digest_entry row;
      row.name_hash = owner->hash();
      row.generation = owner->generation;
      row.heartbeat = owner->heartbeat;
      row.max_version = 100;
      digest.known.extra.push_back(row);
    }
    std::set<std::uint64_t> requested;
    for (const letter& sent : other.send()) {
      for (const packed_entry& one : sent.content.requests) requested.insert(one.name_hash);
    }

    std::size_t asked = 0;
    for (const auto& owner : owners) {
      CAPTURE(owner->name);
      const bool is_named = named.contains(owner->hash());
      asked += is_named ? 1 : 0;
      CHECK(requested.contains(owner->hash()) == !is_named);
    }
    const bool is_room_for_all = budget == 0;
    CHECK((asked == 12) == is_room_for_all);
    CHECK(asked > 0);
  }
}

TEST_CASE(
    "copies: an owner with more gaps than a small request has room for is named all the same") {
  small_cluster world;
  config settings = make_config("a");
  settings.send_bytes_per_interval = 1'200;
  settings.fanout = 4;
  world.add(settings);
  puppet source(world, "a", "source", 1);
  source.enter();
  puppet owner(world, "a", "owner", 10);
  source.begin(message_kind::reply).identities.push_back(owner.identity());
  static_cast<void>(source.send());

  message& told = source.begin(message_kind::deltas);
  told.more = true;
  for (std::uint64_t version = 1; version < 60; version += 2) {  // each second one is missing
    delta_view& delta = told.deltas.emplace_back();
    delta.name_hash = owner.hash();
    delta.generation = owner.generation;
    delta.after = position(version - 1);
    delta.upto = position(version);
    delta.top = 100;
    delta.first_entry = told.entries.size();
    delta.entry_count = 1;
    told.entries.push_back(make_entry("k", "v", version));
  }
  static_cast<void>(source.send());  // it is asked for more, and what is missing may be on its way
  message& late = source.begin(message_kind::deltas);
  late.more = true;
  delta_view& delta = late.deltas.emplace_back();
  delta.name_hash = owner.hash();
  delta.generation = owner.generation;
  delta.after = position(60);
  delta.upto = position(61);
  delta.top = 100;
  delta.entry_count = 1;
  late.entries.push_back(make_entry("k", "v", 61));
  std::size_t named = 0;
  std::size_t gaps = 0;
  for (const letter& sent : source.send()) {
    for (const packed_entry& one : sent.content.known.extra) named += one.name_hash == owner.hash();
    gaps += sent.content.spared.size();
  }

  CHECK(named == 1);
  CHECK(gaps > 0);
  CHECK(gaps < 24);
}
