// All machines of the exchange together: what each side owes, the order in which it goes out, and
// what compaction does at replicas. Driven through protocols.
#include "core/exchange/exchange.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "../protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

std::string text_of(std::uint64_t floor) {
  std::string text;
  for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>(floor >> (8 * i)));
  return text;
}

digest_entry entry_of(const puppet& p, std::uint64_t max_version = 0) {
  digest_entry entry;
  entry.name_hash = p.hash();
  entry.generation = p.generation;
  entry.max_version = max_version;
  entry.heartbeat = p.heartbeat;
  return entry;
}

/// A node "a" that holds what several puppets published, and one more that asks for it.
class node_of_owners {
 public:
  explicit node_of_owners(config settings = make_config("a"))
      : node(world.add(settings)), asker(world, "a", "asker", 99) {
    asker.enter();
  }

  puppet& add_owner(const std::string& name, std::uint64_t keys, std::size_t value_bytes) {
    owners.push_back(
        std::make_unique<puppet>(world, "a", name, static_cast<std::uint8_t>(owners.size() + 1)));
    puppet& owner = *owners.back();
    owner.enter();
    const std::string value(value_bytes, 'v');
    for (std::uint64_t version = 1; version <= keys; ++version) {
      const std::string key = "key " + std::to_string(version);
      static_cast<void>(owner.tell(version - 1, version, {make_entry(key, value, version)}));
    }
    REQUIRE(node.find_member(name, world.now())->max_version == keys);
    return owner;
  }

  /// The node's answer to a digest of the asker.
  letters ask(const std::vector<digest_entry>& range, bool claims_all = true) {
    message& told = asker.begin(message_kind::digest);
    if (claims_all) told.known.lo = 0;
    if (claims_all) told.known.hi = ~std::uint64_t{0};
    std::vector<packed_entry>& list = (claims_all ? told.known.range : told.known.extra).own();
    list.assign(range.begin(), range.end());
    if (!claims_all) return asker.send();
    std::sort(list.begin(), list.end(), [](const packed_entry& one, const packed_entry& other) {
      return one.name_hash < other.name_hash;
    });
    return asker.send();
  }

  /// The asker's entries of all peers, with nothing held of the owners.
  std::vector<digest_entry> all_known() {
    std::vector<digest_entry> known{entry_of(asker)};
    digest_entry self;
    self.name_hash = hash_of("a");
    self.generation = node.generation();
    known.push_back(self);
    for (const auto& owner : owners) known.push_back(entry_of(*owner));
    return known;
  }

  small_cluster world;
  protocol& node;
  puppet asker;
  std::vector<std::unique_ptr<puppet>> owners;
};

/// How often each of the first `count` datagrams with entries names an owner in a delta.
std::vector<std::set<std::uint64_t>> owners_in(const letters& sent) {
  std::vector<std::set<std::uint64_t>> named;
  for (const letter& one : sent) {
    std::set<std::uint64_t>& here = named.emplace_back();
    for (const delta_view& delta : one.content.deltas) here.insert(delta.name_hash);
  }
  return named;
}

/// The intervals of one owner, in the order they went out.
std::vector<std::pair<std::uint64_t, std::uint64_t>> intervals_of(const letters& sent,
                                                                  std::uint64_t owner) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> intervals;
  for (const letter& one : sent) {
    for (const delta_view& delta : one.content.deltas) {
      if (delta.name_hash != owner) continue;
      intervals.emplace_back(delta.after.version, delta.upto.version);
    }
  }
  return intervals;
}

}  // namespace

// ------------------------------------------------------------------------------ what is owed

TEST_CASE(
    "exchange: who is absent inside the range is unknown to the sender, outside nothing is said") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 2, 10);
  const auto identities = [&](std::uint64_t lo, std::uint64_t hi) {
    message& told = owners.asker.begin(message_kind::digest);
    told.known.lo = lo;
    told.known.hi = hi;
    std::set<std::string> names;
    for (const letter& answer : owners.asker.send()) {
      for (const identity_view& who : answer.content.identities) names.emplace(who.name);
    }
    return names;
  };

  CHECK(identities(owner.hash(), owner.hash()) == std::set<std::string>{"owner"});
  CHECK(identities(owner.hash() + 1, ~std::uint64_t{0}).contains("owner") == false);
  CHECK(identities(0, owner.hash() - 1).contains("owner") == false);
  CHECK(identities(1, 0).empty());
  CHECK(identities(0, ~std::uint64_t{0}) == std::set<std::string>{"a", "owner"});
}

TEST_CASE("exchange: entries from where the sender is, an identity only where it knows none") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 5, 10);

  const letters answer = owners.ask({entry_of(owner, 3)}, false);

  REQUIRE(answer.size() == 1);
  CHECK(answer.front().content.identities.empty());
  REQUIRE(answer.front().content.deltas.size() == 1);
  const delta_view& delta = answer.front().content.deltas[0];
  CHECK(delta.after == position(3));
  CHECK(delta.upto == position(5));
  CHECK(delta.top == 5);
  CHECK(delta.entry_count == 2);
  CHECK(owners.ask({entry_of(owner, 5)}, false).front().content.deltas.empty());
}

TEST_CASE("exchange: a delta reaches as far as I hold, beyond its last entry") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 1, 10);
  static_cast<void>(owner.tell(1, 9, {}));

  const letters answer = owners.ask({entry_of(owner)}, false);

  CHECK(answer.front().content.deltas.at(0).upto == position(9));
  CHECK(answer.front().content.deltas.at(0).entry_count == 1);
}

TEST_CASE("exchange: who stands in extra is known to the sender, though absent in the range") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 1, 10);
  message& told = owners.asker.begin(message_kind::digest);
  told.known.lo = 0;
  told.known.hi = ~std::uint64_t{0};
  told.known.extra.push_back(entry_of(owner, 1));

  const letters answer = owners.asker.send();

  REQUIRE(answer.front().content.identities.size() == 1);
  CHECK(answer.front().content.identities[0].name == "a");
  CHECK(answer.front().content.deltas.empty());
}

TEST_CASE("exchange: an identity says for how long its peer was silent, and mine that I am not") {
  node_of_owners owners;
  owners.add_owner("owner", 0, 0);
  owners.world.run_for(30s);

  const letters answer = owners.ask({entry_of(owners.asker)});

  REQUIRE(answer.front().content.identities.size() == 2);
  CHECK(answer.front().content.identities[0].silent == 0ms);
  CHECK(answer.front().content.identities[1].name == "owner");
  CHECK(answer.front().content.identities[1].silent == 30s);
}

TEST_CASE("exchange: an older generation gets identity and all entries, a newer one is asked for") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 2, 10);

  digest_entry older = entry_of(owner, 9);
  older.generation -= 1;
  const letters answer = owners.ask({older}, false);
  CHECK(answer.front().content.identities.size() == 1);
  CHECK(answer.front().content.deltas.at(0).after == position(0));
  CHECK(answer.front().content.requests.empty());

  digest_entry newer = entry_of(owner);
  newer.generation += 1;
  const letters asked = owners.ask({newer}, false);
  CHECK(asked.front().content.identities.empty());
  REQUIRE(asked.front().content.requests.size() == 1);
  CHECK(asked.front().content.requests[0].generation() == owner.generation);
  CHECK(asked.front().content.requests[0].max_version() == 2);
}

TEST_CASE(
    "exchange: versions that I lack, and unknown peers, are asked for; what I refuse is not") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 2, 10);
  digest_entry unknown;
  unknown.name_hash = hash_of("stranger");
  unknown.generation = 5;
  puppet refused(owners.world, "a", "refused", 50);
  refused.generation = generation_max;
  refused.enter();

  const letters answer = owners.ask({entry_of(owner, 7), unknown, entry_of(refused)}, false);

  REQUIRE(answer.front().content.requests.size() == 2);
  CHECK(answer.front().content.requests[0] == packed_entry(entry_of(owner, 2)));
  CHECK(answer.front().content.requests[1].name_hash == unknown.name_hash);
  CHECK(answer.front().content.requests[1].generation() == 0);
}

TEST_CASE("exchange: heartbeats and leaves that are newer here are told") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 1, 10);
  const digest_entry before = entry_of(owner, 1);
  owner.heartbeat = 9;
  owner.begin(message_kind::reply);
  static_cast<void>(owner.send());

  const letters answer = owners.ask({before}, false);
  REQUIRE(answer.front().content.heartbeats.size() == 1);
  CHECK(answer.front().content.heartbeats[0].heartbeat() == 9);
  CHECK(owners.ask({entry_of(owner, 1)}, false).front().content.heartbeats.empty());

  owner.begin(message_kind::reply).sender.has_left = true;
  static_cast<void>(owner.send());
  const letters left = owners.ask({entry_of(owner, 1)}, false);
  REQUIRE(left.front().content.heartbeats.size() == 1);
  CHECK(left.front().content.heartbeats[0].has_left());
}

TEST_CASE(
    "exchange: of heartbeats in two datagrams, who goes in between is left out, nobody else") {
  node_of_owners owners;
  constexpr std::size_t count = 70;
  for (std::size_t i = 0; i < count; ++i) owners.add_owner("owner " + std::to_string(i), 0, 0);
  message& asked = owners.asker.begin(message_kind::digest);
  asked.known.lo = 0;
  asked.known.hi = ~std::uint64_t{0};
  for (digest_entry known : owners.all_known()) {
    if (known.name_hash != owners.asker.hash()) known.heartbeat = 0;
    asked.known.range.push_back(known);
  }
  std::vector<packed_entry>& range = asked.known.range.own();
  std::sort(range.begin(), range.end(), [](const packed_entry& one, const packed_entry& other) {
    return one.name_hash < other.name_hash;
  });
  owners.world.deliver(letter(asked, owners.asker.address, owners.world.find("a").address));
  std::vector<std::uint64_t> told;
  message out;
  const auto take = [&] {
    if (!owners.node.poll_transmit(owners.world.now(), out)) return false;
    for (const packed_entry& one : out.heartbeats) told.push_back(one.name_hash);
    return true;
  };
  const auto is_told = [&](const std::unique_ptr<puppet>& one) {
    return std::find(told.begin(), told.end(), one->hash()) != told.end();
  };

  REQUIRE(take());
  REQUIRE(told.size() > 30);
  REQUIRE(told.size() < count);
  // Of the told one, and of those to be told the next and another.
  std::set<std::uint64_t> gone;
  std::vector<std::string> leaving;
  for (const auto& one : owners.owners) {
    if (is_told(one) && leaving.empty()) leaving.push_back(one->name);
  }
  std::size_t seen = 0;
  for (const packed_entry& entry : asked.known.range) {
    for (const auto& one : owners.owners) {
      if (one->hash() != entry.name_hash || is_told(one)) continue;
      if (seen == 0 || seen == 5) {
        leaving.push_back(one->name);
        gone.insert(one->hash());
      }
      ++seen;
    }
  }
  REQUIRE(leaving.size() == 3);
  for (const std::string& name : leaving) REQUIRE(owners.node.forget(name));
  while (take()) {
  }

  std::set<std::uint64_t> expected;
  for (const auto& one : owners.owners) {
    if (!gone.contains(one->hash())) expected.insert(one->hash());
  }
  std::erase(told, hash_of("a"));  // its own, which the digest named with a lower one as well
  CHECK(told.size() == expected.size());
  CHECK(std::set<std::uint64_t>(told.begin(), told.end()) == expected);
}

TEST_CASE("exchange: what the sender does not want is sent only if it is higher than that") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 1, 10);
  owner.heartbeat = 5;
  owner.begin(message_kind::reply);
  static_cast<void>(owner.send());
  const auto is_sent = [&](std::uint64_t generation, std::uint64_t heartbeat) {
    message& told = owners.asker.begin(message_kind::digest);
    told.known.lo = 0;
    told.known.hi = ~std::uint64_t{0};
    digest_entry refused = entry_of(owner);
    refused.generation = generation;
    refused.heartbeat = heartbeat;
    told.known.unwanted.push_back(refused);
    bool is_there = false;
    for (const letter& answer : owners.asker.send()) {
      for (const identity_view& who : answer.content.identities) {
        is_there = is_there || who.name == "owner";
      }
    }
    return is_there;
  };

  CHECK_FALSE(is_sent(owner.generation, 5));
  CHECK(is_sent(owner.generation, 4));
  CHECK(is_sent(owner.generation - 1, 100));
  CHECK_FALSE(is_sent(owner.generation + 1, 0));
}

TEST_CASE(
    "exchange: a later run that the sender refuses keeps neither the run it holds nor the next") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 3, 10);
  // Holds that generation up to `held`, and does not want a run further ahead.
  const auto entries_sent = [&](std::uint64_t generation, std::uint64_t held,
                                std::uint64_t refused) {
    message& told = owners.asker.begin(message_kind::digest);
    digest_entry here = entry_of(owner, held);
    here.generation = generation;
    told.known.lo = here.name_hash;
    told.known.hi = here.name_hash;
    told.known.range.push_back(here);
    here.generation = refused;
    here.max_version = 0;
    here.heartbeat = heartbeat_max;
    told.known.unwanted.push_back(here);
    std::size_t entries = 0;
    for (const letter& answer : owners.asker.send()) entries += answer.content.entries.size();
    return entries;
  };

  CHECK(entries_sent(owner.generation, 1, owner.generation + 1'000) == 2);
  CHECK(entries_sent(owner.generation - 1, 3, owner.generation + 1'000) == 3);
  CHECK(entries_sent(owner.generation - 1, 3, owner.generation) == 0);
}

TEST_CASE("exchange: a request is answered by leg 3, and asks for nothing back") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 3, 10);
  digest_entry beyond = entry_of(owner, 9);  // I lack what it has
  digest_entry wanted = entry_of(owner, 1);

  digest_entry unknown;
  unknown.name_hash = hash_of("stranger");
  const puppet& other = owners.add_owner("other", 3, 10);
  owners.asker.begin(message_kind::reply).requests = {wanted, unknown, entry_of(other, 9)};
  const letters answer = owners.asker.send();
  REQUIRE(answer.size() == 1);
  CHECK(answer.front().content.kind == message_kind::deltas);
  CHECK(answer.front().content.deltas.at(0).after == position(1));
  CHECK(answer.front().content.requests.empty());

  owners.asker.begin(message_kind::reply).requests = {beyond};
  CHECK(owners.asker.send().empty());
  owners.asker.begin(message_kind::reply).requests = {unknown};
  CHECK(owners.asker.send().empty());
}

// ------------------------------------------------------------------------------------- order

TEST_CASE("exchange: the identities that the receiver lacks come before any entry") {
  node_of_owners owners;
  // Long names, so that what is left of a datagram would hold a small delta.
  for (int i = 0; i < 40; ++i) {
    owners.add_owner("owner " + std::to_string(i) + std::string(200, 'n'), 3, 5);
  }

  const letters answer = owners.ask({entry_of(owners.asker)});

  REQUIRE(answer.size() > 4);
  std::set<std::string> told;
  bool is_entry_seen = false;
  for (const letter& one : answer) {
    CHECK((!is_entry_seen || one.content.identities.empty()));
    for (const identity_view& who : one.content.identities) told.emplace(who.name);
    is_entry_seen = is_entry_seen || !one.content.deltas.empty();
  }
  CHECK(told.size() == 41);
  CHECK(answer.front().content.identities[0].name == "a");  // my own first of all
}

TEST_CASE("exchange: a quiet owner is not starved by a chatty one") {
  // Every starting owner: the order is shuffled per exchange.
  node_of_owners owners;
  const puppet& chatty = owners.add_owner("chatty", 100, 500);
  const puppet& quiet = owners.add_owner("quiet", 1, 500);
  std::size_t latest = 0;
  std::set<std::uint64_t> began;
  for (int i = 0; i < 40; ++i) {
    // It all came, and the asker forgot it; the budget of sending is full again.
    owners.world.run_for(std::chrono::seconds{1});
    static_cast<void>(owners.ask({entry_of(chatty, 100), entry_of(quiet, 1)}, false));
    const letters answer = owners.ask(owners.all_known());
    const auto named = owners_in(answer);
    REQUIRE(answer.size() > 40);
    began.insert(*named[0].begin());
    for (std::size_t at = 0; at < named.size(); ++at) {
      if (named[at].contains(quiet.hash())) latest = std::max(latest, at);
    }
    CHECK(intervals_of(answer, chatty.hash()).back().second == 100);
  }

  CHECK(latest <= 2);
  CHECK(began.size() == 2);
}

TEST_CASE("exchange: owners with as much to tell take turns of a datagram or two") {
  node_of_owners owners;
  for (const char* name : {"x", "y", "z"}) owners.add_owner(name, 40, 480);

  const letters answer = owners.ask(owners.all_known());
  const auto named = owners_in(answer);

  REQUIRE(named.size() >= 40);
  for (std::size_t at = 0; at + 8 < 36; ++at) {
    std::set<std::uint64_t> in_eight;
    for (std::size_t i = at; i < at + 8; ++i) in_eight.insert(named[i].begin(), named[i].end());
    CHECK(in_eight.size() == 3);
  }
}

TEST_CASE("exchange: the deltas of one owner follow each other without a gap, to its end") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 50, 400);
  owners.add_owner("other", 50, 300);

  const letters answer = owners.ask(owners.all_known());

  const auto intervals = intervals_of(answer, owner.hash());
  REQUIRE(intervals.size() > 10);
  CHECK(intervals.front().first == 0);
  CHECK(intervals.back().second == 50);
  for (std::size_t i = 1; i < intervals.size(); ++i) {
    CHECK(intervals[i].first == intervals[i - 1].second);
  }
  for (const letter& one : answer) {
    CHECK(one.bytes <= 1160);
    CHECK((!one.content.deltas.empty() || &one == &answer.front()));
  }
}

TEST_CASE("exchange: a lone owner's entries fill each datagram, in one delta") {
  node_of_owners owners;
  const puppet& owner = owners.add_owner("owner", 300, 60);

  const letters answer = owners.ask(owners.all_known());

  // 300 times a key of 5 to 7 bytes and a value of 60: 66 bytes a pair, 14 or 15 a datagram.
  std::size_t bytes = 0;
  std::size_t payload = 0;
  for (const letter& one : answer) {
    CHECK(one.content.deltas.size() <= 1);
    bytes += one.bytes;
    for (const entry_view& entry : one.content.entries) {
      payload += entry.key.size() + entry.value.size();
    }
  }
  CHECK(intervals_of(answer, owner.hash()).back().second == 300);
  CHECK(static_cast<double>(bytes) < 1.21 * static_cast<double>(payload));
}

TEST_CASE("exchange: one answer keeps to its budgets of bytes and of datagrams") {
  config settings = make_config("a");
  settings.exchange_bytes_max = 5000;
  node_of_owners by_bytes(settings);
  by_bytes.add_owner("owner", 50, 400);
  std::size_t bytes = 0;
  const letters cut = by_bytes.ask(by_bytes.all_known());
  for (const letter& one : cut) {
    bytes += one.bytes;
    CHECK_FALSE(one.content.more);  // that is for the 3x rule; the next round goes on
  }
  CHECK(bytes <= 5000);
  CHECK(bytes > 3500);

  settings.exchange_bytes_max = 131072;
  settings.exchange_datagrams_max = 3;
  node_of_owners by_count(settings);
  by_count.add_owner("owner", 50, 400);
  CHECK(by_count.ask(by_count.all_known()).size() == 3);
}

TEST_CASE("exchange: the largest entry of one datagram goes through, and what is behind it") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  const std::string large(entry_bytes_limit(1200) - 5, 'v');
  REQUIRE(a.set("small", "1"));
  for (const char* key : {"key 1", "key 2", "key 3"}) REQUIRE(a.set(key, large));
  REQUIRE(a.set("behind", "1"));

  world.exchange("a", "b");

  CHECK(b.find_member("a", world.now())->max_version == 5);
  CHECK(value_of(b, "a", "key 3") == large);
  CHECK(value_of(b, "a", "behind") == "1");
  CHECK(world.bytes_max_seen <= 1160);
}

// -------------------------------------------------------------------------------- compaction

TEST_CASE("exchange: a floor takes effect only when everything up to the known top is here") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 0, 0);
  const memory_storage& held = owners.world.find("a").entries;
  static_cast<void>(owner.tell(
      0, 3, {make_entry("k", "1", 1), make_tombstone("old", 2), make_entry("l", "1", 3)}));

  // The owner compacted: k at 4, the marker of 3 at 5, l at 6; but this sender has not 6 yet.
  const std::string floor = text_of(3);
  static_cast<void>(owner.tell(3, 5, {make_entry("k", "1", 4), make_entry("", floor, 5)}, 6));
  CHECK(value_of(owners.node, "owner", "l") == "1");
  CHECK(held.find(2, "old").has_value());

  static_cast<void>(owner.tell(5, 6, {make_entry("l", "1", 6)}));
  CHECK(value_of(owners.node, "owner", "l") == "1");
  CHECK(value_of(owners.node, "owner", "k") == "1");
  CHECK_FALSE(held.find(2, "old").has_value());
}

TEST_CASE("exchange: what a floor drops is removed, and is not told again") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 2, 10);
  change_cursor cursor;
  cursor.peer = "owner";
  static_cast<void>(read_events(owners.node, cursor));

  // It erased both, and wrote another, and compacted; the tombstones never came here.
  const std::string floor = text_of(5);
  static_cast<void>(owner.tell(2, 7, {make_entry("new", "1", 6), make_entry("", floor, 7)}));

  CHECK(read_events(owners.node, cursor) ==
        "update owner new=1@6\nremoved owner key 1@1\nremoved owner key 2@2\n");
  CHECK(read_events(owners.node, cursor) == "");
  const letters answer = owners.ask({entry_of(owner)}, false);
  CHECK(answer.front().content.entries.size() == 2);  // new, and the marker
  change_cursor late;
  late.peer = "owner";
  CHECK(read_events(owners.node, late) ==
        "new_peer owner\npeer_live owner\nupdate owner new=1@6\n");
}

TEST_CASE("exchange: a marker is stored and relayed at once") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 1, 10);
  const std::string floor = text_of(1);
  static_cast<void>(owner.tell(1, 2, {make_entry("", floor, 2)}, 9));

  const letters answer = owners.ask({entry_of(owner, 1)}, false);

  REQUIRE(answer.front().content.entries.size() == 1);
  CHECK(answer.front().content.entries[0].key.empty());
  CHECK(answer.front().content.entries[0].value == floor);
  CHECK(answer.front().content.deltas[0].top == 9);  // the evidence goes along
}

TEST_CASE("exchange: evidence of a higher top holds a floor back, whoever brought it") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 1, 10);
  const memory_storage& held = owners.world.find("a").entries;
  static_cast<void>(owner.tell(1, 2, {make_tombstone("old", 2)}, 9));
  const std::string floor = text_of(2);

  static_cast<void>(owner.tell(2, 4, {make_entry("key 1", "v", 3), make_entry("", floor, 4)}, 4));
  CHECK(held.find(2, "old").has_value());
  static_cast<void>(owner.tell(4, 9, {}, 9));
  CHECK_FALSE(held.find(2, "old").has_value());
}

TEST_CASE("exchange: a parked delta brings its evidence with it") {
  node_of_owners owners;
  puppet& owner = owners.add_owner("owner", 1, 10);
  const memory_storage& held = owners.world.find("a").entries;
  const std::string floor = text_of(2);
  static_cast<void>(owner.tell(2, 4, {make_entry("key 1", "v", 3), make_entry("", floor, 4)}, 9));
  static_cast<void>(owner.tell(1, 2, {make_tombstone("old", 2)}, 2));

  CHECK(owners.node.find_member("owner", owners.world.now())->max_version == 4);
  CHECK(held.find(2, "old").has_value());
  static_cast<void>(owner.tell(4, 9, {}, 9));
  CHECK_FALSE(held.find(2, "old").has_value());
}

TEST_CASE(
    "exchange: keys erased before a compaction never come back, in whatever order replicas meet") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  world.add("c");
  for (int i = 0; i < 70; ++i) REQUIRE(a.set("k" + std::to_string(i), "v"));
  REQUIRE(a.set("stays", "v"));
  world.exchange("b", "a");
  world.exchange("c", "a");
  world.stop("c");
  change_cursor at_b;
  static_cast<void>(read_events(world["b"], at_b));
  for (int i = 0; i < 70; ++i) {
    REQUIRE(a.erase("k" + std::to_string(i)));
    if (i == 20) world.exchange("b", "a");
  }
  REQUIRE(a.stats().compactions == 1);

  // "c" holds all of them still, and meets "b" before and after "b" met "a".
  world.resume("c");
  world.exchange("c", "b");
  world.exchange("b", "a");
  world.exchange("c", "b");
  world.exchange("b", "c");

  CHECK(read_events(world["b"], at_b).find("update a k") == std::string::npos);
  for (const char* name : {"b", "c"}) {
    CHECK(value_of(world[name], "a", "stays") == "v");
    CHECK(world[name].find_member("a", world.now())->max_version == a.version());
    const std::optional<entry_view> first = world[name].first_above("a", 0);
    REQUIRE(first);
    CHECK(first->key == "stays");
    CHECK_FALSE(world[name].first_above("a", first->version).has_value());
    // The last five were erased after the compaction.
    CHECK(world.find(name).entries.find(1, "k64").has_value() == false);
  }
}

// ------------------------------------------------------------------------------ what was lost

TEST_CASE("exchange: a lost answer makes the window smaller once, whatever owners it told of") {
  node_of_owners owners;
  for (const char* name : {"one", "two", "three"}) owners.add_owner(name, 40, 100);
  owners.world.round("a");
  const auto ask = [&owners] {
    message& told = owners.asker.begin(message_kind::digest);
    told.receiver.name_hash = hash_of("a");
    told.receiver.generation = owners.node.generation();
    told.receiver.heartbeat = owners.node.peers().self().heartbeat();
    told.receiver_instance = owners.node.peers().details(self_slot).instance;
    const std::vector<digest_entry> known = owners.all_known();
    told.known.extra.own().assign(known.begin(), known.end());
    return owners.asker.send();
  };
  REQUIRE(ask().size() > 3);
  REQUIRE(owners.node.stats().windows_halved == 0);

  // It has seen a later heartbeat, and holds nothing of any of the three.
  owners.world.round("a");
  REQUIRE(ask().size() > 3);

  CHECK(owners.node.stats().windows_halved == 1);
  owners.world.round("a");
  REQUIRE(ask().size() > 3);
  CHECK(owners.node.stats().windows_halved == 2);
}
