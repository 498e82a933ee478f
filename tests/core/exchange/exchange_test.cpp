// All machines of the exchange together: what each side owes, the order in which it goes out, and
// what compaction does at replicas. Driven without a protocol.
#include "core/exchange/exchange.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answering.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

std::string text_of(std::uint64_t floor) {
  std::string text;
  for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>(floor >> (8 * i)));
  return text;
}

/// The owners that each datagram names in a delta.
std::vector<std::set<std::uint64_t>> owners_in(const letters& sent) {
  std::vector<std::set<std::uint64_t>> named;
  for (const letter& one : sent) {
    std::set<std::uint64_t>& here = named.emplace_back();
    for (const delta_view& delta : one.content.deltas) here.insert(delta.name_hash);
  }
  return named;
}

/// The intervals of one owner, in the order in which they went out.
std::vector<std::pair<std::uint64_t, std::uint64_t>> intervals_of(const letters& sent,
                                                                  std::string_view owner) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> intervals;
  for (const letter& one : sent) {
    for (const delta_view& delta : one.content.deltas) {
      if (delta.name_hash != hash_of(owner)) continue;
      intervals.emplace_back(delta.after.version, delta.upto.version);
    }
  }
  return intervals;
}

std::set<std::string> identities_in(const letters& sent) {
  std::set<std::string> names;
  for (const letter& one : sent) {
    for (const identity_view& who : one.content.identities) names.emplace(who.name);
  }
  return names;
}

}  // namespace

// ------------------------------------------------------------------------------ what is owed

TEST_CASE("exchange: a peer absent inside the range is unknown to the sender, one outside is not") {
  answering given;
  given.add_owner("owner", 2, 10);
  const std::uint64_t owner = hash_of("owner");
  const auto identities = [&given](std::uint64_t lo, std::uint64_t hi) {
    digest told;
    told.lo = lo;
    told.hi = hi;
    told.extra.push_back(given.entry_of("b", 0));
    return identities_in(given.ask(told));
  };

  CHECK(identities(owner, owner) == std::set<std::string>{"owner"});
  CHECK_FALSE(identities(owner + 1, ~std::uint64_t{0}).contains("owner"));
  CHECK_FALSE(identities(0, owner - 1).contains("owner"));
  CHECK(identities(1, 0).empty());
  CHECK(identities(0, ~std::uint64_t{0}) == std::set<std::string>{"a", "owner"});
}

TEST_CASE("exchange: entries go from the sender's version on, and no identity that it knows") {
  answering given;
  given.add_owner("owner", 5, 10);

  const letters answer = given.ask(naming({given.entry_of("owner", 3)}));

  REQUIRE(answer.size() == 1);
  CHECK(answer.front().content.identities.empty());
  REQUIRE(answer.front().content.deltas.size() == 1);
  const delta_view& delta = answer.front().content.deltas[0];
  CHECK(delta.after == position(3));
  CHECK(delta.upto == position(5));
  CHECK(delta.top == 5);
  CHECK(delta.entry_count == 2);
  CHECK(given.ask(naming({given.entry_of("owner", 5)})).front().content.deltas.empty());
}

TEST_CASE("exchange: a delta reaches as far as the node holds, beyond its last entry") {
  answering given;
  const slot_index owner = given.add_owner("owner", 1, 10);
  given.apply(owner, 1, 9, {});

  const letters answer = given.ask(naming({given.entry_of("owner", 0)}));

  CHECK(answer.front().content.deltas.at(0).upto == position(9));
  CHECK(answer.front().content.deltas.at(0).entry_count == 1);
}

TEST_CASE("exchange: a peer in extra is known to the sender, though absent in the range") {
  answering given;
  given.add_owner("owner", 1, 10);
  digest told = claiming({given.entry_of("b", 0)});
  told.extra.push_back(given.entry_of("owner", 1));

  const letters answer = given.ask(told);

  CHECK(identities_in(answer) == std::set<std::string>{"a"});
  CHECK(answer.front().content.deltas.empty());
}

TEST_CASE("exchange: an identity says for how long its peer was silent, and mine that I am not") {
  answering given;
  given.add_owner("owner", 0, 0);
  given.now = 30s;

  const letters answer = given.ask(claiming({given.entry_of("b", 0)}));

  REQUIRE(answer.front().content.identities.size() == 2);
  CHECK(answer.front().content.identities[0].name == "a");
  CHECK(answer.front().content.identities[0].silent == 0ms);
  CHECK(answer.front().content.identities[1].name == "owner");
  CHECK(answer.front().content.identities[1].silent == 30s);
}

TEST_CASE("exchange: an older generation gets identity and all entries, a newer one is asked for") {
  answering given;
  given.add_owner("owner", 2, 10);

  digest_entry older = given.entry_of("owner", 9);
  older.generation -= 1;
  const letters answer = given.ask(naming({older}));
  CHECK(answer.front().content.identities.size() == 1);
  CHECK(answer.front().content.deltas.at(0).after == position(0));
  CHECK(answer.front().content.requests.empty());

  digest_entry newer = given.entry_of("owner", 0);
  newer.generation += 1;
  const letters asked = given.ask(naming({newer}));
  CHECK(asked.front().content.identities.empty());
  REQUIRE(asked.front().content.requests.size() == 1);
  CHECK(asked.front().content.requests[0].generation() == 7);
  CHECK(asked.front().content.requests[0].max_version() == 2);
}

TEST_CASE("exchange: versions that are missing here, and unknown peers, are asked for") {
  answering given;
  given.add_owner("owner", 2, 10);
  unwanted_peer refused;
  refused.name_hash = hash_of("refused");
  refused.generation = 7;
  refused.heartbeat = heartbeat_max;
  given.unwanted.add(refused);

  const letters answer = given.ask(naming(
      {given.entry_of("owner", 7), given.entry_of("stranger", 1), given.entry_of("refused", 1)}));

  std::map<std::uint64_t, packed_entry> requests;
  for (const packed_entry& one : answer.front().content.requests) {
    requests.emplace(one.name_hash, one);
  }
  REQUIRE(requests.size() == 2);
  CHECK(requests.at(hash_of("owner")) == packed_entry(given.entry_of("owner", 2)));
  CHECK(requests.at(hash_of("stranger")).generation() == 0);
}

TEST_CASE("exchange: heartbeats and leaves that are newer here are told") {
  answering given;
  const slot_index owner = given.add_owner("owner", 1, 10);
  const digest before = naming({given.entry_of("owner", 1)});
  given.peers[owner].set_heartbeat(9);

  const letters answer = given.ask(before);
  REQUIRE(answer.front().content.heartbeats.size() == 1);
  CHECK(answer.front().content.heartbeats[0].heartbeat() == 9);
  digest_entry level = given.entry_of("owner", 1);
  level.heartbeat = 9;
  CHECK(given.ask(naming({level})).front().content.heartbeats.empty());

  given.peers[owner].set_left();
  const letters left = given.ask(naming({level}));
  REQUIRE(left.front().content.heartbeats.size() == 1);
  CHECK(left.front().content.heartbeats[0].has_left());
}

TEST_CASE("exchange: a peer that is removed between two datagrams of heartbeats is left out") {
  answering given;
  constexpr std::size_t count = 70;
  std::vector<digest_entry> known{given.entry_of("b", 0), given.entry_of("a", 0)};
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "owner " + std::to_string(i);
    given.add_owner(name, 0, 0);
    known.push_back(given.entry_of(name, 0));
    known.back().heartbeat = 0;
  }
  answer_leg leg = given.plan(claiming(known));
  std::vector<std::uint64_t> told;
  const auto take = [&told](const letters& sent) {
    for (const letter& one : sent) {
      for (const packed_entry& entry : one.content.heartbeats) told.push_back(entry.name_hash);
    }
  };
  take(given.fill(leg, 1));
  REQUIRE(told.size() > 30);
  REQUIRE(told.size() < count);

  // One that was told, the next to be told, and another one behind it.
  std::set<std::uint64_t> gone;
  const std::vector<slot_index> leaving{*given.peers.find(told.front()), leg.heartbeats.at(0),
                                        leg.heartbeats.at(5)};
  for (const slot_index slot : leaving) {
    gone.insert(given.peers[slot].name_hash());
    given.machines.forget(slot);
    given.peers.remove(slot);
  }
  gone.erase(told.front());
  take(given.fill(leg));

  std::set<std::uint64_t> expected;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t hash = hash_of("owner " + std::to_string(i));
    if (!gone.contains(hash)) expected.insert(hash);
  }
  CHECK(gone.size() == 2);
  CHECK(told.size() == expected.size());
  CHECK(std::set<std::uint64_t>(told.begin(), told.end()) == expected);
}

TEST_CASE("exchange: a peer that the sender does not want is sent only if it is higher than that") {
  answering given;
  given.add_owner("owner", 1, 10);
  const auto is_sent = [&given](std::uint64_t generation, std::uint64_t heartbeat) {
    digest told = claiming({given.entry_of("b", 0)});
    digest_entry refused = given.entry_of("owner", 0);
    refused.generation = generation;
    refused.heartbeat = heartbeat;
    told.unwanted.push_back(refused);
    return identities_in(given.ask(told)).contains("owner");
  };

  CHECK_FALSE(is_sent(7, 5));
  CHECK(is_sent(7, 4));
  CHECK(is_sent(6, 100));
  CHECK_FALSE(is_sent(8, 0));
}

TEST_CASE(
    "exchange: a later run that the sender refuses keeps neither the run it holds nor the next") {
  answering given;
  given.add_owner("owner", 3, 10);
  // The sender holds that generation up to `held`, and does not want a run further ahead.
  const auto entries_sent = [&given](std::uint64_t generation, std::uint64_t held,
                                     std::uint64_t refused) {
    digest told;
    digest_entry here = given.entry_of("owner", held);
    here.generation = generation;
    told.lo = here.name_hash;
    told.hi = here.name_hash;
    told.range.push_back(here);
    here.generation = refused;
    here.max_version = 0;
    here.heartbeat = heartbeat_max;
    told.unwanted.push_back(here);
    std::size_t entries = 0;
    for (const letter& answer : given.ask(told)) entries += answer.content.entries.size();
    return entries;
  };

  CHECK(entries_sent(7, 1, 1'007) == 2);
  CHECK(entries_sent(6, 3, 1'007) == 3);
  CHECK(entries_sent(6, 3, 7) == 0);
}

TEST_CASE("exchange: a request is answered by leg 3, and asks for nothing back") {
  answering given;
  given.add_owner("owner", 3, 10);
  given.add_owner("other", 3, 10);

  const letters answer = given.request(
      {given.entry_of("owner", 1), given.entry_of("stranger", 0), given.entry_of("other", 9)});
  REQUIRE(answer.size() == 1);
  CHECK(answer.front().content.kind == message_kind::deltas);
  REQUIRE(answer.front().content.deltas.size() == 1);
  CHECK(answer.front().content.deltas[0].after == position(1));
  CHECK(answer.front().content.requests.empty());

  CHECK(given.request({given.entry_of("owner", 9)}).empty());
  CHECK(given.request({given.entry_of("stranger", 0)}).empty());
}

// ------------------------------------------------------------------------------------- order

TEST_CASE("exchange: the identities that the receiver lacks come before any entry") {
  answering given;
  // Long names: what a datagram has left would hold a small delta.
  for (int i = 0; i < 40; ++i) {
    given.add_owner("owner " + std::to_string(i) + std::string(200, 'n'), 3, 5);
  }

  const letters answer = given.ask(claiming({given.entry_of("b", 0)}));

  REQUIRE(answer.size() > 4);
  bool is_entry_seen = false;
  for (const letter& one : answer) {
    CHECK((!is_entry_seen || one.content.identities.empty()));
    is_entry_seen = is_entry_seen || !one.content.deltas.empty();
  }
  CHECK(is_entry_seen);
  CHECK(identities_in(answer).size() == 41);
  CHECK(answer.front().content.identities[0].name == "a");  // my own first of all
}

TEST_CASE("exchange: a quiet owner is not starved by a chatty one") {
  // With every owner as the first one: the start is drawn for each leg.
  answering given;
  given.add_owner("chatty", 100, 500);
  given.add_owner("quiet", 1, 500);
  std::size_t latest = 0;
  std::set<std::uint64_t> began;
  for (int i = 0; i < 40; ++i) {
    // The remote holds all of it, so nothing is on its way any more; then it asks for all anew.
    given.beat();
    static_cast<void>(
        given.ask(naming({given.entry_of("chatty", 100), given.entry_of("quiet", 1)})));
    const letters answer = given.ask(claiming(given.all_known()));
    const auto named = owners_in(answer);
    REQUIRE(answer.size() > 40);
    began.insert(*named[0].begin());
    for (std::size_t at = 0; at < named.size(); ++at) {
      if (named[at].contains(hash_of("quiet"))) latest = std::max(latest, at);
    }
    CHECK(intervals_of(answer, "chatty").back().second == 100);
  }

  CHECK(latest <= 2);
  CHECK(began.size() == 2);
}

TEST_CASE("exchange: owners with as much to tell take turns of a datagram or two") {
  answering given;
  for (const char* name : {"x", "y", "z"}) given.add_owner(name, 40, 480);

  const auto named = owners_in(given.ask(claiming(given.all_known())));

  REQUIRE(named.size() >= 40);
  for (std::size_t at = 0; at + 8 < 36; ++at) {
    std::set<std::uint64_t> in_eight;
    for (std::size_t i = at; i < at + 8; ++i) in_eight.insert(named[i].begin(), named[i].end());
    CHECK(in_eight.size() == 3);
  }
}

TEST_CASE("exchange: the deltas of one owner follow each other without a gap, to its end") {
  answering given;
  given.add_owner("owner", 50, 400);
  given.add_owner("other", 50, 300);

  const letters answer = given.ask(claiming(given.all_known()));

  const auto intervals = intervals_of(answer, "owner");
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
  answering given;
  given.add_owner("owner", 300, 60);

  const letters answer = given.ask(claiming(given.all_known()));

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
  CHECK(intervals_of(answer, "owner").back().second == 300);
  CHECK(static_cast<double>(bytes) < 1.21 * static_cast<double>(payload));
}

TEST_CASE("exchange: one answer keeps to its budgets of bytes and of datagrams") {
  config settings = make_config("a");
  settings.exchange_bytes_max = 5000;
  answering by_bytes(settings);
  by_bytes.add_owner("owner", 50, 400);
  std::size_t bytes = 0;
  std::size_t more = 0;
  const letters answer = by_bytes.ask(claiming(by_bytes.all_known()));
  for (const letter& one : answer) {
    bytes += one.bytes;
    more += one.content.more ? 1 : 0;
  }
  CHECK(more == 1);
  CHECK(answer.back().content.more);
  CHECK(bytes <= 5000);
  CHECK(bytes > 3500);

  settings.exchange_bytes_max = 131072;
  settings.exchange_datagrams_max = 3;
  answering by_count(settings);
  by_count.add_owner("owner", 50, 400);
  CHECK(by_count.ask(claiming(by_count.all_known())).size() == 3);
}

TEST_CASE("exchange: the largest entry of one datagram goes through, and what is behind it") {
  answering given;
  const slot_index owner = given.add("owner", 0);
  const std::string large(entry_bytes_limit(1200) - 5, 'v');
  given.apply(
      owner, 0, 5,
      {make_entry("small", "1", 1), make_entry("key 1", large, 2), make_entry("key 2", large, 3),
       make_entry("key 3", large, 4), make_entry("behind", "1", 5)});
  answering taking;
  const slot_index taken = taking.add("owner", 0);

  const letters answer = given.ask(claiming(given.all_known()));
  taking.apply(answer);

  CHECK(taking.peers[taken].max_version() == 5);
  CHECK(taking.entries.find(taken, "key 3")->value == large);
  CHECK(taking.holds(taken, "behind"));
  for (const letter& one : answer) CHECK(one.bytes <= 1160);
  CHECK(given.machines.answers.counted().fragments_sent == 0);
}

// -------------------------------------------------------------------------------- compaction

TEST_CASE("exchange: a floor takes effect only when everything up to the known top is here") {
  answering given;
  const slot_index owner = given.add_owner("owner", 0, 0);
  given.apply(owner, 0, 3,
              {make_entry("k", "1", 1), make_tombstone("old", 2), make_entry("l", "1", 3)});

  // The owner compacted: k at 4, the marker of 3 at 5, l at 6; but this sender has not 6 yet.
  const std::string floor = text_of(3);
  given.apply(owner, 3, 5, {make_entry("k", "1", 4), make_entry("", floor, 5)}, 6);
  CHECK(given.holds(owner, "l"));
  CHECK(given.holds(owner, "old"));

  given.apply(owner, 5, 6, {make_entry("l", "1", 6)});
  CHECK(given.holds(owner, "l"));
  CHECK(given.holds(owner, "k"));
  CHECK_FALSE(given.holds(owner, "old"));
}

TEST_CASE("exchange: an entry that a floor drops is removed, and is not told again") {
  answering given;
  const slot_index owner = given.add_owner("owner", 2, 10);
  change_cursor cursor;
  cursor.peer = "owner";
  static_cast<void>(given.events(cursor));

  // The owner erased both, wrote another one and compacted; the tombstones never came here.
  const std::string floor = text_of(5);
  given.apply(owner, 2, 7, {make_entry("new", "1", 6), make_entry("", floor, 7)});

  CHECK(given.events(cursor) == "update new=1@6\nremoved key 1@1\nremoved key 2@2\n");
  CHECK(given.events(cursor).empty());
  const letters answer = given.ask(naming({given.entry_of("owner", 0)}));
  CHECK(answer.front().content.entries.size() == 2);  // new, and the marker
  change_cursor late;
  late.peer = "owner";
  CHECK(given.events(late) == "update new=1@6\n");
}

TEST_CASE("exchange: a marker is stored and relayed at once") {
  answering given;
  const slot_index owner = given.add_owner("owner", 1, 10);
  const std::string floor = text_of(1);
  given.apply(owner, 1, 2, {make_entry("", floor, 2)}, 9);

  const letters answer = given.ask(naming({given.entry_of("owner", 1)}));

  REQUIRE(answer.front().content.entries.size() == 1);
  CHECK(answer.front().content.entries[0].key.empty());
  CHECK(answer.front().content.entries[0].value == floor);
  CHECK(answer.front().content.deltas[0].top == 9);  // the evidence goes along
}

TEST_CASE("exchange: evidence of a higher top holds a floor back, whatever delta brought it") {
  answering given;
  const slot_index owner = given.add_owner("owner", 1, 10);
  given.apply(owner, 1, 2, {make_tombstone("old", 2)}, 9);
  const std::string floor = text_of(2);

  given.apply(owner, 2, 4, {make_entry("key 1", "v", 3), make_entry("", floor, 4)}, 4);
  CHECK(given.holds(owner, "old"));
  given.apply(owner, 4, 9, {}, 9);
  CHECK_FALSE(given.holds(owner, "old"));
}

TEST_CASE("exchange: a parked delta brings its evidence with it") {
  answering given;
  const slot_index owner = given.add_owner("owner", 1, 10);
  const std::string floor = text_of(2);
  given.apply(owner, 2, 4, {make_entry("key 1", "v", 3), make_entry("", floor, 4)}, 9);
  given.apply(owner, 1, 2, {make_tombstone("old", 2)}, 2);

  CHECK(given.peers[owner].max_version() == 4);
  CHECK(given.holds(owner, "old"));
  given.apply(owner, 4, 9, {}, 9);
  CHECK_FALSE(given.holds(owner, "old"));
}

TEST_CASE("exchange: keys erased before a compaction never come back, however replicas meet") {
  bool has_met_before = false;
  SUBCASE("the replicas meet after the owner's last word alone") {}
  SUBCASE("the replicas meet before and after it") { has_met_before = true; }
  answering first;
  answering second;
  const slot_index at_first = first.add("owner", 0);
  const slot_index at_second = second.add("owner", 0);
  // One replica tells the other all that it has, and hears all that it lacks.
  const auto meet = [](answering& one, answering& other) {
    const auto held = [](const answering& by) {
      return by.peers[*by.peers.find(hash_of("owner"))].max_version();
    };
    other.apply(one.ask(naming({one.entry_of("owner", held(other))})));
    one.apply(other.ask(naming({other.entry_of("owner", held(one))})));
    one.beat();
    other.beat();
  };
  // The owner wrote k0 to k69 and then "stays"; both replicas have all of that.
  std::vector<std::string> keys;
  std::vector<entry_view> written;
  for (int i = 0; i < 70; ++i) keys.push_back("k" + std::to_string(i));
  for (std::size_t i = 0; i < 70; ++i) written.push_back(make_entry(keys[i], "v", i + 1));
  written.push_back(make_entry("stays", "v", 71));
  first.apply(at_first, 0, 71, written);
  second.apply(at_second, 0, 71, written);
  // It erased k0 to k20, of which the first replica heard.
  std::vector<entry_view> erased;
  for (std::size_t i = 0; i < 21; ++i) erased.push_back(make_tombstone(keys[i], 72 + i));
  first.apply(at_first, 71, 92, erased);
  change_cursor cursor;
  cursor.peer = "owner";
  static_cast<void>(first.events(cursor));
  // It erased k64 at 136, and compacted: "stays" at 137, the marker at 138. Then it erased k65 to
  // k69.
  const std::string floor = text_of(136);
  std::vector<entry_view> compacted{make_entry("stays", "v", 137), make_entry("", floor, 138)};
  for (std::size_t i = 65; i < 70; ++i) compacted.push_back(make_tombstone(keys[i], 139 + i - 65));

  if (has_met_before) meet(second, first);
  first.apply(at_first, 92, 143, compacted, 143);
  meet(second, first);
  meet(first, second);

  CHECK(first.events(cursor).find("update k") == std::string::npos);
  for (answering* replica : {&first, &second}) {
    const slot_index owner = replica == &first ? at_first : at_second;
    CHECK(replica->peers[owner].max_version() == 143);
    CHECK(replica->holds(owner, "stays"));
    for (std::size_t i = 0; i < 65; ++i) CHECK_FALSE(replica->holds(owner, keys[i]));
    for (std::size_t i = 65; i < 70; ++i) {
      CHECK(replica->entries.find(owner, keys[i])->is_tombstone);
    }
  }
}

// ------------------------------------------------------------------------------ what was lost

TEST_CASE("exchange: a lost answer makes the window smaller once, whatever owners it told of") {
  answering given;
  for (const char* name : {"one", "two", "three"}) given.add_owner(name, 40, 100);
  const digest nothing = naming(given.all_known());
  REQUIRE(given.ask(nothing).size() > 3);
  REQUIRE(given.machines.plans.counted().windows_halved == 0);

  // It has seen a later heartbeat, and holds nothing of any of the three.
  given.beat();
  REQUIRE(given.ask(nothing).size() > 3);

  CHECK(given.machines.plans.counted().windows_halved == 1);
  given.beat();
  REQUIRE(given.ask(nothing).size() > 3);
  CHECK(given.machines.plans.counted().windows_halved == 2);
}
