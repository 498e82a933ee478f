#include "core/membership/peer_table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gossipmonger/testing/random.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

/// A table with self at hash 50.
class table_with_self {
 public:
  explicit table_with_self(std::size_t capacity) : peers(capacity) {
    REQUIRE(peers.try_add("self", 50) == self_slot);
  }

  std::optional<slot_index> add(std::uint64_t hash) {
    return peers.try_add("peer " + std::to_string(hash), hash);
  }

  std::vector<std::uint64_t> hashes() const {
    std::vector<std::uint64_t> found;
    for (const peer_view one : peers.by_hash()) found.push_back(one.name_hash());
    return found;
  }

  std::vector<slot_index> latest(std::size_t count) {
    const auto found = peers.latest(count);
    return {found.begin(), found.end()};
  }

  peer_table peers;
};

std::vector<slot_index> slots_of(const peer_table& peers, std::span<const row_place> places) {
  std::vector<slot_index> slots;
  for (const row_place place : places) slots.push_back(peers.at(place).slot());
  return slots;
}

}  // namespace

TEST_CASE("peer_table: rows stand by ascending hash, self among them") {
  table_with_self table(8);
  for (const std::uint64_t hash : {70U, 30U, 60U, 10U}) REQUIRE(table.add(hash));

  CHECK(table.hashes() == std::vector<std::uint64_t>{10, 30, 50, 60, 70});
  CHECK(table.peers.size() == 4);
  CHECK(table.peers.lower_bound(0) == 0);
  CHECK(table.peers.lower_bound(30) == 1);
  CHECK(table.peers.lower_bound(31) == 2);
  CHECK(table.peers.lower_bound(71) == 5);
}

TEST_CASE("peer_table: places are found however the hashes lie") {
  random_source draws(7);
  const auto spread = [&draws] { return draws.next(); };
  const auto low = [&draws] { return 1 + draws.below(1'000'000); };
  const auto high = [&draws] { return ~std::uint64_t{0} - draws.below(1'000'000); };
  const auto mixed = [&] { return draws.below(2) == 0 ? low() : high(); };
  for (const std::function<std::uint64_t()>& draw :
       std::initializer_list<std::function<std::uint64_t()>>{spread, low, high, mixed}) {
    table_with_self table(300);
    std::set<std::uint64_t> hashes{50};  // self's
    while (hashes.size() < 300) {
      const std::uint64_t hash = draw();
      if (hashes.insert(hash).second) REQUIRE(table.add(hash));
    }

    std::vector<std::uint64_t> asked(hashes.begin(), hashes.end());
    for (const std::uint64_t hash : hashes) asked.push_back(hash + 1);
    for (int i = 0; i < 300; ++i) asked.push_back(draws.next());
    for (const std::uint64_t hash : asked) {
      const auto place = std::distance(hashes.begin(), hashes.lower_bound(hash));
      CHECK(table.peers.lower_bound(hash) == static_cast<std::size_t>(place));
    }
  }
}

TEST_CASE("peer_table: each of a list is found, in any order, and who is not there as no slot") {
  table_with_self table(64);
  for (std::uint64_t hash = 100; hash < 140; hash += 2) REQUIRE(table.add(hash));
  std::vector<packed_entry> asked;
  for (const std::uint64_t hash : {50U, 100U, 101U, 102U, 136U, 104U, 138U, 139U, 50U}) {
    asked.emplace_back().name_hash = hash;
  }

  comparison seen;
  table.peers.compare(asked, true, seen);

  REQUIRE(seen.others().size() == asked.size());
  CHECK(seen.unknown() == 2);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto [index, slot] = seen.others()[i];
    CHECK(index == i);
    CHECK((slot == no_slot) == (asked[i].name_hash % 2 == 1));
    if (slot != no_slot) CHECK(table.peers.find(asked[i].name_hash) == slot);
  }
}

TEST_CASE("peer_table: of plain peers, entries that differ in the heartbeat alone are told apart") {
  table_with_self table(64);
  table.peers[self_slot].set_status(peer_status::self);
  std::vector<digest_entry> entries;
  for (std::uint64_t hash = 100; hash < 116; ++hash) {
    const peer row = table.peers[*table.add(hash)];
    row.set_status(peer_status::live);
    row.set_generation(7);
    row.set_max_version(8);
    row.set_heartbeat(9);
    entries.push_back(row.entry());
  }
  const auto row_of = [&](std::size_t i) { return table.peers[*table.peers.find(100 + i)]; };
  // Two of each, and each way to be no plain peer, or to differ otherwise, once.
  for (const std::size_t i : {0U, 5U}) entries[i].heartbeat = 10;
  for (const std::size_t i : {1U, 6U}) entries[i].heartbeat = 8;
  entries[2].generation = 6;
  entries[3].max_version = 9;
  for (const std::size_t i : {4U, 10U}) entries[i].has_left = true;
  for (std::size_t i = 7; i <= 13; ++i) entries[i].heartbeat = i % 2 == 0 ? 10 : 8;
  table.peers.set_suspect(row_of(7).slot(), true);
  row_of(8).set_put_off(true);
  row_of(9).set_over_capacity(true);
  row_of(10).set_left();
  row_of(11).set_status(peer_status::introduced);
  row_of(12).set_status(peer_status::dead);
  row_of(13).set_status(peer_status::left);
  entries.push_back(table.peers[self_slot].entry());
  entries.back().heartbeat += 1;
  const std::vector<packed_entry> asked(entries.begin(), entries.end());

  comparison seen;
  const auto indices = [](const auto& list) {
    std::vector<std::size_t> found;
    for (const auto& at : list) found.push_back(at.index);
    return found;
  };
  for (int times = 0; times < 2; ++times) {  // nothing is left of what it compared before
    table.peers.compare(asked, false, seen);

    CHECK(indices(seen.ahead()) == std::vector<std::size_t>{0, 5});
    CHECK(slots_of(table.peers, seen.behind()) ==
          std::vector<slot_index>{*table.peers.find(101), *table.peers.find(106)});
    CHECK(indices(seen.others()) == std::vector<std::size_t>{2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 16});
    CHECK(seen.unknown() == 0);
    for (const placed_entry& at : seen.ahead()) {
      CHECK(table.peers.at(at.place).name_hash() == asked[at.index].name_hash);
    }
    CHECK_FALSE(seen.is_thorough());
  }

  // An entry that equals its row is in no list, whichever row it is.
  std::vector<packed_entry> equal;
  for (std::size_t i = 0; i < 16; ++i) equal.push_back(row_of(i).entry());
  equal.push_back(table.peers[self_slot].entry());
  table.peers.compare(equal, false, seen);
  CHECK(seen.ahead().empty());
  CHECK(seen.behind().empty());
  CHECK(seen.others().empty());

  table.peers.compare(asked, true, seen);
  CHECK(seen.is_thorough());
  CHECK(seen.ahead().empty());
  CHECK(seen.behind().empty());
  CHECK(seen.others().size() == asked.size());
}

TEST_CASE("peer_table: heartbeats that differ above their low 20 bits are looked at one by one") {
  constexpr std::uint64_t turn = std::uint64_t{1} << 20;
  table_with_self table(8);
  std::vector<packed_entry> entries;
  for (const auto& [mine, theirs] : std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{
           {turn - 1, turn}, {turn, turn - 1}, {turn, turn + 1}, {turn + 1, turn}}) {
    const peer row = table.peers[*table.add(100 + entries.size())];
    row.set_status(peer_status::live);
    row.set_heartbeat(theirs);
    entries.push_back(row.entry());
    row.set_heartbeat(mine);
  }

  comparison seen;
  table.peers.compare(entries, false, seen);

  REQUIRE(seen.others().size() == 2);
  CHECK(seen.others()[0].index == 0);
  CHECK(seen.others()[1].index == 1);
  REQUIRE(seen.ahead().size() == 1);
  CHECK(seen.ahead()[0].index == 2);
  CHECK(seen.behind().size() == 1);
}

TEST_CASE("peer_table: whatever is listed, and in whatever order, is compared as one by one") {
  constexpr std::size_t rounds = 400;
  random_source draws(3);
  comparison seen;
  for (std::size_t round = 0; round < rounds; ++round) {
    // Hashes that lie close, or far apart.
    const std::uint64_t spread = round % 2 == 0 ? 200 : std::numeric_limits<std::uint64_t>::max();
    table_with_self table(128);
    std::vector<packed_entry> listed;
    const std::size_t rows = 1 + static_cast<std::size_t>(draws.below(60));
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint64_t hash = draws.below(spread);
      if (table.peers.find(hash)) continue;
      const peer row = table.peers[*table.add(hash)];
      row.set_status(draws.below(6) == 0 ? peer_status::dead : peer_status::live);
      if (draws.below(20) == 0) row.set_left();
      if (draws.below(20) == 0) row.set_put_off(true);
      row.set_generation(1 + draws.below(10) / 9);
      row.set_heartbeat(5 + draws.below(3));
    }
    // Some of the rows, as few as one in thirty, and others; in order, or in none.
    const std::uint64_t part = 1 + draws.below(30);
    for (const peer_view row : table.peers.by_hash()) {
      if (draws.below(part) != 0) continue;
      digest_entry entry = row.entry();
      entry.heartbeat = 5 + draws.below(3);
      if (draws.below(10) == 0) entry.generation += 1;
      listed.push_back(entry);
      if (draws.below(20) == 0) listed.push_back(entry);
      if (draws.below(10) != 0) continue;
      entry.name_hash += 1;
      listed.push_back(entry);
    }
    if (draws.below(4) == 0) draws.shuffle(std::span<packed_entry>(listed));

    std::vector<std::pair<std::size_t, slot_index>> ahead;
    std::vector<slot_index> behind;
    std::vector<std::pair<std::size_t, slot_index>> others;
    std::size_t unknown = 0;
    for (std::size_t i = 0; i < listed.size(); ++i) {
      const std::optional<slot_index> slot = table.peers.find(listed[i].name_hash);
      const digest_entry theirs = listed[i];
      if (!slot) {
        ++unknown;
        others.emplace_back(i, no_slot);
        continue;
      }
      const peer_view row = table.peers[*slot];
      digest_entry mine = row.entry();
      if (mine == theirs) continue;
      mine.heartbeat = theirs.heartbeat;
      if (!row.is_plain() || mine != theirs) {
        others.emplace_back(i, *slot);
      } else if (theirs.heartbeat > row.heartbeat()) {
        ahead.emplace_back(i, *slot);
      } else {
        behind.push_back(*slot);
      }
    }

    table.peers.compare(listed, false, seen);

    std::vector<std::pair<std::size_t, slot_index>> seen_ahead;
    for (const placed_entry& at : seen.ahead()) {
      seen_ahead.emplace_back(at.index, table.peers.at(at.place).slot());
    }
    CHECK(seen_ahead == ahead);
    CHECK(slots_of(table.peers, seen.behind()) == behind);
    std::vector<std::pair<std::size_t, slot_index>> seen_others;
    for (const located_entry& at : seen.others()) seen_others.emplace_back(at.index, at.slot);
    CHECK(seen_others == others);
    CHECK(seen.unknown() == unknown);
  }
}

TEST_CASE("peer_table: who is not plain is counted, whatever happens to a row") {
  random_source draws(11);
  table_with_self table(8);
  std::vector<slot_index> slots;
  std::uint64_t hash = 60;
  for (int step = 0; step < 4000; ++step) {
    CAPTURE(step);
    const std::uint64_t what = draws.below(9);
    if (slots.empty() || (what == 0 && slots.size() < 8)) {
      slots.push_back(*table.add(++hash));
    }
    const std::size_t turn = static_cast<std::size_t>(draws.below(slots.size()));
    const peer row = table.peers[slots[turn]];
    const bool is_set = draws.below(3) == 0;
    if (what == 1) {
      table.peers.remove(slots[turn]);
      slots.erase(slots.begin() + static_cast<std::ptrdiff_t>(turn));
    } else if (what == 2) {
      table.peers.begin(slots[turn], 1, 1, 1s, 1s);
    } else if (what == 3) {
      table.peers.set_suspect(slots[turn], is_set);
    } else if (what == 4) {
      row.set_put_off(is_set);
    } else if (what == 5) {
      row.set_over_capacity(is_set);
    } else if (what == 6 && draws.below(4) == 0) {
      row.set_left();
    } else {
      row.set_status(is_set ? peer_status::dead : peer_status::live);
    }
    std::size_t irregular = 0;
    for (const peer_view one : table.peers.by_hash()) irregular += one.is_plain() ? 0U : 1U;
    REQUIRE(table.peers.irregular() == irregular);
    REQUIRE(table.peers.self().slot() == self_slot);
  }
}

TEST_CASE("peer_table: self is found wherever it stands") {
  table_with_self table(8);
  for (const std::uint64_t hash : {60U, 10U, 40U, 70U, 20U}) {
    REQUIRE(table.add(hash));
    CHECK(table.peers.self().name_hash() == 50);
  }
  table.peers.remove(*table.peers.find(10));
  CHECK(table.peers.self().name_hash() == 50);
  CHECK(std::as_const(table).peers.self().slot() == self_slot);
}

TEST_CASE("peer_table: tells whether anybody is suspected, whoever else comes and goes") {
  table_with_self table(8);
  const slot_index one = *table.add(30);
  const slot_index other = *table.add(70);
  CHECK_FALSE(table.peers.has_suspects());

  table.peers.set_suspect(one, true);
  table.peers.set_suspect(one, true);
  table.peers.set_suspect(other, true);
  CHECK(table.peers[one].is_suspect());
  table.peers.set_suspect(one, false);
  table.peers.set_suspect(one, false);
  CHECK_FALSE(table.peers[one].is_suspect());
  CHECK(table.peers.has_suspects());

  table.peers.remove(other);
  CHECK_FALSE(table.peers.has_suspects());
  CHECK_FALSE(table.peers[*table.add(70)].is_suspect());
}

TEST_CASE("peer_table: finds a row by its hash, and by its name where the hash agrees") {
  table_with_self table(8);
  const slot_index slot = *table.add(30);

  CHECK(table.peers.find(30) == slot);
  CHECK_FALSE(table.peers.find(31).has_value());
  CHECK(table.peers.find_name("peer 30", 30) == slot);
  CHECK_FALSE(table.peers.find_name("another", 30).has_value());
  CHECK_FALSE(table.peers.find_name("peer 30", 31).has_value());
  CHECK(table.peers.details(slot).name == "peer 30");
  CHECK(table.peers[slot].name_hash() == 30);
}

TEST_CASE("peer_table: the capacity counts peers besides self") {
  table_with_self table(2);
  CHECK(table.add(1).has_value());
  CHECK(table.add(2).has_value());

  CHECK_FALSE(table.add(3).has_value());
  CHECK(table.hashes() == std::vector<std::uint64_t>{1, 2, 50});

  table.peers.remove(*table.peers.find(1));
  CHECK(table.add(3).has_value());
}

TEST_CASE("peer_table: a slot is used again, and nothing of its last peer is left") {
  table_with_self table(8);
  const slot_index slot = *table.add(30);
  table.peers[slot].set_max_version(9);
  table.peers[slot].set_generation(8);
  table.peers[slot].set_left();
  table.peers[slot].set_over_capacity(true);
  table.peers.details(slot).instance = 3;
  table.peers.details(slot).features = 4;
  table.peers[slot].set_status(peer_status::dead);
  table.peers.touch(slot);

  table.peers.remove(slot);
  CHECK_FALSE(table.peers.is_used(slot));
  CHECK_FALSE(table.peers.find(30).has_value());
  CHECK(table.latest(5).empty());
  CHECK(table.add(40) == slot);

  const peer_view row = table.peers[slot];
  CHECK(table.peers.is_used(slot));
  CHECK(table.peers.slots() == 2);
  CHECK(table.peers.details(slot).name == "peer 40");
  CHECK(row.max_version() == 0);
  CHECK(row.generation() == 0);
  CHECK_FALSE(row.has_left());
  CHECK_FALSE(row.is_over_capacity());
  CHECK(table.peers.details(slot).instance == 0);
  CHECK(table.peers.details(slot).features == 0);
  CHECK(row.status() == peer_status::introduced);
  CHECK(table.peers.detector(slot).samples() == 0);
}

TEST_CASE("peer_table: slots never given out are not in use") {
  table_with_self table(8);

  CHECK(table.peers.is_used(self_slot));
  CHECK_FALSE(table.peers.is_used(1));
}

TEST_CASE("peer_table: latest names each slot once, what changed last first") {
  table_with_self table(8);
  for (const std::uint64_t hash : {1U, 2U, 3U}) REQUIRE(table.add(hash));

  for (const slot_index slot : {1U, 2U, 1U, 1U, 3U, 2U}) table.peers.touch(slot);

  CHECK(table.latest(10) == std::vector<slot_index>{2, 3, 1});
  CHECK(table.latest(2) == std::vector<slot_index>{2, 3});
  CHECK(table.latest(0).empty());
}

TEST_CASE("peer_table: latest forgets who went") {
  table_with_self table(8);
  for (const std::uint64_t hash : {1U, 2U, 3U}) REQUIRE(table.add(hash));
  for (const slot_index slot : {1U, 2U, 3U}) table.peers.touch(slot);

  table.peers.remove(2);

  CHECK(table.latest(10) == std::vector<slot_index>{3, 1});
}

TEST_CASE("peer_table: latest stays right over any number of touches") {
  // The log of touches is cut at 1024 to the latest 128.
  table_with_self table(300);
  for (std::uint64_t hash = 100; hash < 300; ++hash) REQUIRE(table.add(hash));

  for (slot_index i = 0; i < 4000; ++i) {
    table.peers.touch(1 + i % 200);
    if (i < 1000 || i % 50 != 0) continue;
    std::vector<slot_index> expected;
    for (slot_index back = 0; back < 64; ++back) expected.push_back(1 + (i - back) % 200);
    CHECK(table.latest(64) == expected);
  }
  table.peers.touch(7);
  CHECK(table.latest(2) == std::vector<slot_index>{7, 200});
}

TEST_CASE("peer_table: latest stays right just after its log was cut") {
  table_with_self table(300);
  for (std::uint64_t hash = 100; hash < 300; ++hash) REQUIRE(table.add(hash));

  for (slot_index i = 0; i < 1025; ++i) table.peers.touch(1 + i % 200);

  std::vector<slot_index> expected;
  for (slot_index back = 0; back < 64; ++back) expected.push_back(1 + (1024 - back) % 200);
  CHECK(table.latest(64) == expected);
}

TEST_CASE("peer_table: a slot keeps its row and what is beside it, whoever else comes and goes") {
  random_source draws(3);
  table_with_self table(100);
  std::map<slot_index, std::uint64_t> known;
  for (int step = 0; step < 2000; ++step) {
    if (known.size() < 100 && draws.below(3) > 0) {
      const std::uint64_t hash = draws.next();
      const slot_index slot = *table.add(hash);
      CHECK(known.emplace(slot, hash).second);
      table.peers.begin(slot, 1, hash % heartbeat_max, nanoseconds(hash % 1000), 0s);
    } else if (!known.empty()) {
      const auto goes = std::next(known.begin(), static_cast<int>(draws.below(known.size())));
      table.peers.remove(goes->first);
      known.erase(goes);
    }
    if (step % 50 != 0) continue;
    for (const auto& [slot, hash] : known) {
      REQUIRE(table.peers.is_used(slot));
      CHECK(table.peers[slot].slot() == slot);
      CHECK(table.peers[slot].name_hash() == hash);
      CHECK(table.peers[slot].heartbeat() == hash % heartbeat_max);
      CHECK(table.peers.silent_since(slot) == nanoseconds(hash % 1000));
      CHECK(table.peers.details(slot).name == "peer " + std::to_string(hash));
      CHECK(table.peers.find(hash) == slot);
    }
    const std::vector<std::uint64_t> hashes = table.hashes();
    CHECK(hashes.size() == known.size() + 1);
    CHECK(std::is_sorted(hashes.begin(), hashes.end()));
    CHECK(table.peers[self_slot].name_hash() == 50);
  }
}

TEST_CASE("peer_table: a new incarnation keeps name and slot alone") {
  table_with_self table(8);
  REQUIRE(table.add(70));
  const slot_index slot = *table.add(60);
  const peer row = table.peers[slot];
  row.set_generation(5);
  row.set_max_version(6);
  row.set_left();
  row.set_status(peer_status::dead);
  table.peers.set_suspect(slot, true);
  table.peers.advance(slot, 7, 1s, detector_expectation(1s, 8, 1, 8), 16);
  CHECK(row.heartbeat() == 7);
  CHECK(row.advances() == 1);
  CHECK(table.peers.silent_since(slot) == 1s);
  CHECK(table.peers.detector(slot).samples() == 1);

  table.peers.begin(slot, 8, 9, 2s, 3s);

  CHECK(table.peers.find(60) == slot);
  CHECK(row.slot() == slot);
  CHECK(row.name_hash() == 60);
  CHECK(row.generation() == 8);
  CHECK(row.max_version() == 0);
  CHECK(row.heartbeat() == 9);
  CHECK_FALSE(row.has_left());
  CHECK(row.status() == peer_status::introduced);
  CHECK(row.advances() == 0);
  CHECK_FALSE(row.is_suspect());
  CHECK_FALSE(table.peers.has_suspects());
  CHECK(table.peers.silent_since(slot) == 2s);
  CHECK(table.peers.detector(slot).samples() == 0);
  CHECK(table.peers.detector(slot).last_advance() == 3s);
  CHECK(table.peers.details(slot).name == "peer 60");
}

TEST_CASE("peer_table: a row's digest entry says what is set, each up to its limit") {
  for (const bool is_largest : {true, false}) {
    const auto value = [is_largest](std::uint64_t largest) {
      return is_largest ? largest : largest / 3;
    };
    table_with_self table(1);
    const peer row = table.peers.self();
    row.set_generation(generation_max);
    row.set_max_version(version_max);
    row.set_heartbeat(heartbeat_max);

    row.set_heartbeat(value(heartbeat_max));
    row.set_max_version(value(version_max));
    row.set_generation(value(generation_max));
    CHECK_FALSE(row.has_left());
    row.set_left();

    const digest_entry entry = row.entry();
    CHECK(entry.generation == value(generation_max));
    CHECK(entry.max_version == value(version_max));
    CHECK(entry.heartbeat == value(heartbeat_max));
    CHECK(entry.has_left);
    CHECK(row.generation() == entry.generation);
    CHECK(row.max_version() == entry.max_version);
    CHECK(row.heartbeat() == entry.heartbeat);
    CHECK(row.has_left());
    row.set_max_version(0);
    row.set_heartbeat(0);
    CHECK(row.has_left());
  }
}

TEST_CASE("peer_table: whether anybody may be silent is as if each were asked each time") {
  std::size_t silent = 0;
  std::size_t quiet = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    random_source draws(seed);
    table_with_self table(8);
    table.peers[self_slot].set_status(peer_status::self);
    std::vector<slot_index> slots;
    nanoseconds now = 1s;
    std::uint64_t beats = 0;
    double phi = 1;
    nanoseconds round = 50ms;
    const auto any_slot = [&] {
      return slots[static_cast<std::size_t>(draws.below(slots.size()))];
    };
    for (int step = 0; step < 1500; ++step) {
      CAPTURE(seed);
      CAPTURE(step);
      // Some beat in runs, so that their means fall.
      now += std::chrono::milliseconds(draws.below(step % 300 < 150 ? 300 : 20));
      const detector_expectation expected(round, 8, 1, 8);
      const std::uint64_t what = draws.below(1000);
      if (slots.empty() || (what < 4 && slots.size() < 8)) {
        slots.push_back(*table.add(draws.next()));
        table.peers.begin(slots.back(), 1, 1, now, now);
      } else if (what < 6) {
        const slot_index goes = any_slot();
        table.peers.remove(goes);
        std::erase(slots, goes);
      } else if (what < 10) {
        table.peers.begin(any_slot(), 1, 1, now, now);
      } else if (what < 16) {
        table.peers.restart_silence(any_slot(), now);
      } else if (what < 20) {
        const slot_index dies = any_slot();
        table.peers[dies].set_status(peer_status::dead);
        table.peers.reset_detector(dies, now);
      } else if (what < 22) {
        phi = 1 + static_cast<double>(draws.below(3));
      } else if (what < 24) {
        round = std::chrono::milliseconds(20 + draws.below(80));
      } else {
        const slot_index lives = any_slot();
        table.peers.advance(lives, ++beats, now, expected, 8);
        table.peers[lives].set_status(peer_status::live);
      }

      const phi_limit limit(phi, now, expected);
      const bool is_silent = std::any_of(slots.begin(), slots.end(), [&](slot_index slot) {
        return table.peers[slot].may_die() && table.peers.detector(slot).may_exceed(limit);
      });
      const nanoseconds ahead = draws.below(2) == 0 ? 100ms : draws.below(2) == 0 ? 300ms : 2s;
      REQUIRE(table.peers.may_exceed(limit, ahead) == is_silent);
      ++(is_silent ? silent : quiet);
    }
  }
  CHECK(silent > 1000);
  CHECK(quiet > 1000);
}

TEST_CASE("peer_table: a row that was only added counts as silent, whatever was looked at before") {
  const detector_expectation expected(1s, 8, 1, 8);
  table_with_self table(8);
  table.peers[self_slot].set_status(peer_status::self);
  REQUIRE_FALSE(table.peers.may_exceed(phi_limit(8, 100s, expected), 8s));

  REQUIRE(table.add(60));

  CHECK(table.peers.may_exceed(phi_limit(8, 101s, expected), 8s));
}

TEST_CASE("peer_table: latest of some rounds leaves out what changed before them") {
  table_with_self table(8);
  for (const std::uint64_t hash : {1U, 2U, 3U}) REQUIRE(table.add(hash));
  const auto latest = [&table](std::size_t count, std::uint64_t rounds) {
    const auto found = table.peers.latest(count, rounds);
    return std::vector<slot_index>(found.begin(), found.end());
  };
  table.peers.begin_round(4);
  table.peers.touch(1);
  table.peers.begin_round(6);
  table.peers.touch(2);
  table.peers.touch(2);
  table.peers.begin_round(7);
  table.peers.touch(3);
  table.peers.touch(1);
  table.peers.touch(3);

  CHECK(latest(10, 0) == std::vector<slot_index>{3, 1});
  CHECK(latest(10, 1) == std::vector<slot_index>{3, 1, 2});
  CHECK(latest(1, 1) == std::vector<slot_index>{3});
  table.peers.begin_round(8);
  CHECK(latest(10, 0).empty());
  CHECK(latest(10, 1) == std::vector<slot_index>{3, 1});
  CHECK(latest(10, 2) == std::vector<slot_index>{3, 1, 2});
  CHECK(table.latest(10) == std::vector<slot_index>{3, 1, 2});
  table.peers.remove(3);
  table.peers.begin_round(10);
  CHECK(latest(10, 3) == std::vector<slot_index>{1});
  CHECK(latest(10, 100) == std::vector<slot_index>{1, 2});
}

TEST_CASE("peer_table: what a row adds to sums is as its entry is, whatever happened to it") {
  random_source draws(5);
  table_with_self table(40);
  std::vector<slot_index> known{self_slot};
  const detector_expectation expected;
  for (int step = 0; step < 3000; ++step) {
    CAPTURE(step);
    const slot_index slot = known[draws.below(known.size())];
    const peer row = table.peers[slot];
    switch (draws.below(12)) {
      case 0:
        if (const auto added = table.add(draws.next())) known.push_back(*added);
        break;
      case 1:
        if (slot == self_slot || draws.below(2) == 0) break;
        table.peers.remove(slot);
        std::erase(known, slot);
        break;
      case 2:
        table.peers.begin(slot, 1 + draws.below(100), draws.below(100), 0s, 0s);
        break;
      case 3:
        row.set_generation(draws.below(100));
        break;
      case 4:
        row.set_max_version(draws.below(100));
        break;
      case 5:
        row.set_left();
        break;
      case 6:
        row.set_heartbeat(draws.below(heartbeat_max));
        break;
      case 7:
        table.peers.advance(slot, row.heartbeat() + 1, nanoseconds(step), expected, 10);
        break;
      case 8:
        table.peers.advance_anew(slot, row.heartbeat() + 1, nanoseconds(step));
        break;
      case 9:
        table.peers.set_suspect(slot, draws.below(2) == 0);
        break;
      case 10:
        row.set_status(draws.below(2) == 0 ? peer_status::live : peer_status::dead);
        row.set_over_capacity(draws.below(2) == 0);
        break;
      default:
        table.peers.touch(slot);
        break;
    }

    for (std::size_t place = 0; place < table.peers.entries().size(); ++place) {
      REQUIRE(table.peers.part(place) == part_of(table.peers.entries()[place]));
    }
  }
}
