#include "core/exchange/planner.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/exchange/row_sums.hpp"
#include "exchange_fixture.hpp"
#include "gossipmonger/testing/random.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// A planner, and a remote "b" whose digests it is shown.
class planning : public exchange_fixture {
 public:
  explicit planning(const config& of_node = make_config("a"))
      : exchange_fixture(1000, of_node), plans(shared) {
    begin(add("b", 0));
  }

  slot_index begin(slot_index slot) {
    plans.begin(slot);
    return slot;
  }
  /// The plan of an answer to a digest with these entries beside its range.
  [[nodiscard]] answer_leg compare(const std::vector<digest_entry>& extra) {
    digest theirs;
    for (const digest_entry& one : extra) theirs.extra.push_back(one);
    return compare(theirs);
  }
  [[nodiscard]] answer_leg compare(const digest& theirs) {
    answer_leg leg;
    leg.bytes_left = 10'000;
    leg.datagrams_left = settings.exchange_datagrams_max;
    leg.seen_heartbeat = 2;
    leg.spared = &spared;
    leg.partials = &partials;
    digest_comparison seen;
    peers.compare(theirs.range, true, seen.range);
    peers.compare(theirs.extra, true, seen.extra);
    plans.compare(theirs, seen, hash_of("b"), now, leg);
    return leg;
  }

  planner plans;
  std::chrono::nanoseconds now{10s};
  std::vector<spared_interval> spared;  // beside the digest
  std::vector<partial_entry> partials;
};

/// A node that tells sums, and knows live peers "peer 0", "peer 1" ... of version 10.
class summing : public planning {
 public:
  explicit summing(std::size_t count, std::size_t sums_peers_min = 1)
      : planning(make_summing_config(sums_peers_min)) {
    for (std::size_t i = 0; i < count; ++i) {
      peers[begin(add("peer " + std::to_string(i), 10))].set_status(peer_status::live);
    }
    peers.begin_round(1000);
  }

  /// The root of a node that knows the rows of `other`, and names these.
  [[nodiscard]] digest root_of(const exchange_fixture& other,
                               const std::vector<packed_entry>& extra = {}) const {
    digest told;
    for (const packed_entry& one : extra) told.extra.push_back(one);
    std::vector<row_sum> sums;
    sum_rows(other.shared, now, extra, 0, sums);
    told.root.emplace();
    told.root->parts = sums.front().parts;
    told.root->nodes = static_cast<std::uint32_t>(other.peers.entries().size());
    return told;
  }
  [[nodiscard]] answer_leg answer(const digest& theirs, std::size_t bytes = 100'000) {
    answer_leg leg;
    leg.of_root = root_answer::leg_2;
    leg.bytes_left = bytes;
    plans.answer_root(theirs, now, leg);
    return leg;
  }
  /// The answer of "b", which knows the rows of `there`, to a root: these rows, and sums.
  [[nodiscard]] message& answer_of(const exchange_fixture& there,
                                   const std::vector<packed_entry>& named, unsigned bits = 7) {
    said.clear();
    said.kind = message_kind::reply;
    said.of_root = root_answer::leg_2;
    said.sender = there.peers[slot_of("b")].entry();
    for (const packed_entry& one : named) said.requests.push_back(one);
    std::vector<packed_entry> in_place = named;
    in_place.emplace_back(said.sender);
    std::vector<row_sum> sums;
    sum_rows(there.shared, now, in_place, bits, sums);
    said.sum_bits = static_cast<std::uint8_t>(bits);
    for (const row_sum& one : sums) said.sums.push_back(one.packed());
    return said;
  }
  /// The plan of leg 3.
  [[nodiscard]] answer_leg go_on(const message& answered) {
    answer_leg leg;
    leg.remote_hash = hash_of("b");
    leg.bytes_left = 100'000;
    leg.seen_heartbeat = 2;
    rest = plans.compare_root(answered, now, leg);
    return leg;
  }
  [[nodiscard]] slot_index slot_of(std::string_view name) const {
    return *peers.find(hash_of(name));
  }

  bucket_set rest;  // of the latest plan of leg 3
  message said;     // the latest answer

 private:
  static config make_summing_config(std::size_t sums_peers_min) {
    config settings = make_config("a");
    settings.sums_peers_min = sums_peers_min;
    return settings;
  }
};

}  // namespace

TEST_CASE("planner: gaps between spared versions are owed, and what lies behind the last") {
  planning given;
  const slot_index owner = given.begin(given.add("owner", 20));
  const std::uint64_t hash = hash_of("owner");
  given.spared = {{hash, 1, 2}, {hash, 5, 8}, {hash, 11, 15}, {hash + 1, 16, 18}};

  const answer_leg leg = given.compare({given.entry_of("owner", 3)});

  REQUIRE(leg.owed.size() == 3);
  CHECK(leg.owed[0].slot == owner);
  CHECK(leg.owed[0].after == 3);
  CHECK(leg.owed[0].upto == 5);
  CHECK(leg.owed[1].after == 8);
  CHECK(leg.owed[1].upto == 11);
  CHECK(leg.owed[2].after == 15);
  CHECK(leg.owed[2].upto == 0);
  CHECK_FALSE(leg.is_held_back);
}

TEST_CASE("planner: where nothing behind the last gap is wanted, the leg is held back") {
  planning given;
  given.begin(given.add("owner", 20));
  const std::uint64_t hash = hash_of("owner");
  given.spared = {{hash, 5, version_max}};

  const answer_leg leg = given.compare({given.entry_of("owner", 3)});
  const answer_leg whole = given.compare({given.entry_of("owner", 5)});

  REQUIRE(leg.owed.size() == 1);
  CHECK(leg.owed[0].after == 3);
  CHECK(leg.owed[0].upto == 5);
  CHECK(leg.is_held_back);
  CHECK(whole.owed.empty());
  CHECK_FALSE(whole.is_held_back);
}

TEST_CASE(
    "planner: a reader that tells its losses makes the window smaller each eighth of a round") {
  planning given;
  given.begin(given.add("owner", 20));
  given.spared = {{hash_of("owner"), 5, 8}};
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(20), 5, 60s);
  const auto ask_at = [&given](std::chrono::nanoseconds at) {
    given.now = at;
    static_cast<void>(given.compare({given.entry_of("owner", 3)}));
    return given.plans.counted().windows_halved;
  };
  const std::chrono::nanoseconds part = given.settings.gossip_interval / 8;

  CHECK(ask_at(10s) == 1);
  CHECK(ask_at(10s + part - 1ns) == 1);
  CHECK(ask_at(10s + part) == 2);
}

TEST_CASE("planner: what another node brings the remote is not owed, not even by its owner") {
  planning given;
  given.begin(given.add("owner", 5));
  given.peers.self().set_max_version(7);
  for (const char* name : {"owner", "a"}) {
    partial_entry brought;
    brought.name_hash = hash_of(name);
    brought.generation = given.entry_of(name, 0).generation;
    brought.version = brought_version;
    brought.offset = 1;
    given.partials = {brought};

    CHECK(given.compare({given.entry_of(name, 3)}).owed.empty());
    given.partials.clear();
    CHECK(given.compare({given.entry_of(name, 3)}).owed.size() == 1);
  }
}

TEST_CASE("planner: what a sender was asked for is not requested from another") {
  planning given;
  transfer part;
  part.slot = given.begin(given.add("owner", 5));
  part.wanted = 9;
  REQUIRE(given.compare({given.entry_of("owner", 9)}).requests.size() == 1);

  given.shared.transfers.handle_part(part);
  CHECK(given.compare({given.entry_of("owner", 9)}).requests.size() == 1);
  given.shared.transfers.handle_asked(part.slot, 5);

  CHECK(given.compare({given.entry_of("owner", 9)}).requests.empty());
}

TEST_CASE("planner: entries above the version that the remote holds are owed, and no others") {
  planning given;
  const slot_index owner = given.begin(given.add("owner", 5));

  const answer_leg behind = given.compare({given.entry_of("owner", 3)});
  const answer_leg level = given.compare({given.entry_of("owner", 5)});

  REQUIRE(behind.owed.size() == 1);
  CHECK(behind.owed[0].slot == owner);
  CHECK(behind.owed[0].after == 3);
  CHECK(behind.requests.empty());
  CHECK(level.owed.empty());
}

TEST_CASE("planner: versions that the remote has more of, and unknown peers, are asked for") {
  planning given;
  given.begin(given.add("owner", 5));
  unwanted_peer refused;
  refused.name_hash = hash_of("refused");
  refused.generation = 7;
  refused.heartbeat = heartbeat_max;
  given.unwanted.add(refused);

  const answer_leg leg = given.compare(
      {given.entry_of("owner", 6), given.entry_of("stranger", 1), given.entry_of("refused", 1)});

  REQUIRE(leg.requests.size() == 2);
  CHECK(leg.requests[0].max_version == 5);
  CHECK(leg.requests[1].name_hash == hash_of("stranger"));
  CHECK(leg.owed.empty());
}

TEST_CASE("planner: a peer that the range skips is told with all it wrote, one outside it is not") {
  planning given;
  const slot_index owner = given.begin(given.add("owner", 5));
  digest all;
  all.lo = 0;
  all.hi = ~std::uint64_t{0};
  digest none = all;
  none.lo = hash_of("owner") + 1;

  const answer_leg told = given.compare(all);
  const answer_leg untold = given.compare(none);

  CHECK(std::count(told.identities.begin(), told.identities.end(), owner) == 1);
  REQUIRE(told.owed.size() == 1);
  CHECK(told.owed[0].after == 0);
  CHECK(std::count(untold.identities.begin(), untold.identities.end(), owner) == 0);
}

TEST_CASE("planner: entries that are on their way to the remote are not owed again") {
  planning given;
  given.begin(given.add("owner", 5));
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(5), 2, 60s);

  const answer_leg leg = given.compare({given.entry_of("owner", 3)});

  CHECK(leg.owed.empty());
  CHECK(given.plans.counted().entries_spared == 2);
}

TEST_CASE("planner: entries that got lost are owed again, in a window of half the size") {
  planning given;
  given.begin(given.add("owner", 5));
  // They went at an earlier heartbeat than the remote has seen by now.
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(5), 1, 60s);

  answer_leg leg = given.compare({given.entry_of("owner", 3)});
  given.plans.limit_window(leg);

  CHECK(leg.owed.size() == 1);
  CHECK(given.plans.counted().windows_halved == 1);
  CHECK(leg.datagrams_left == given.settings.exchange_datagrams_max / 2);
}

TEST_CASE("planner: a new incarnation of the remote has the whole window again") {
  planning given;
  given.begin(given.add("owner", 5));
  given.shared.flights.handle_sent(hash_of("b"), hash_of("owner"), 7, flight_place(5), 1, 60s);
  answer_leg leg = given.compare({given.entry_of("owner", 3)});
  REQUIRE(given.plans.counted().windows_halved == 1);

  given.plans.begin(*given.peers.find(hash_of("b")));
  given.plans.limit_window(leg);

  CHECK(leg.datagrams_left == given.settings.exchange_datagrams_max);
}

TEST_CASE(
    "planner: my own identity goes first, and the owners from a random start in their order") {
  planning given;
  answer_leg leg;
  leg.identities = {3, 4, self_slot};
  for (slot_index slot = 1; slot <= 3; ++slot) leg.owed.emplace_back(slot, 7, 0);
  random_source draws(1);

  given.plans.shuffle(leg, draws);

  CHECK(leg.identities.front() == self_slot);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(leg.owed[(i + 1) % 3].slot % 3 == (leg.owed[i].slot + 1) % 3);
  }
}

// ----------------------------------------------------------------------- the answer to a root

TEST_CASE("planner: to a root that is the sum of the rows here there is nothing to say") {
  summing given(20);
  summing there(20);
  there.peers[5].set_max_version(17);  // named, so that it does not count
  given.peers.touch(7);
  there.peers[9].set_heartbeat(99);

  const answer_leg leg = given.answer(given.root_of(there, {there.peers[5].entry()}));

  CHECK(leg.of_root == root_answer::leg_2);
  CHECK(leg.sum_bits == 0);
  CHECK(leg.requests.empty());
}

TEST_CASE(
    "planner: another root is answered by sums, and by the latest rows that it did not name") {
  summing given(40);
  summing there(40);
  there.peers[5].set_max_version(17);
  unwanted_peer later;
  later.name_hash = given.peers[12].name_hash();
  later.generation = 8;
  given.unwanted.add(later);
  transfer part;
  part.slot = 13;
  part.wanted = 99;
  REQUIRE(given.shared.transfers.handle_part(part));
  given.shared.transfers.handle_asked(13, 10);
  given.peers[14].set_over_capacity(true);
  // Slot 30 changed too long ago: 42 nodes, so news takes 12 rounds.
  given.peers.begin_round(987);
  given.peers.touch(30);
  given.peers.begin_round(988);
  given.peers.touch(10);
  given.peers.begin_round(1000);
  for (slot_index slot = 11; slot <= 15; ++slot) given.peers.touch(slot);

  const answer_leg leg = given.answer(given.root_of(there, {there.peers[11].entry()}));

  CHECK(leg.of_root == root_answer::leg_2);
  CHECK(leg.sum_bits != 0);
  REQUIRE(leg.requests.size() == 2);
  CHECK(leg.requests[0] == digest_entry(given.peers[15].entry()));
  CHECK(leg.requests[1] == digest_entry(given.peers[10].entry()));
}

TEST_CASE("planner: of the latest rows a quarter are told beside sums, and sixteen at most") {
  // With "a" and "b", 42 nodes and 92.
  for (const auto& [peers, told] : {std::pair(40U, 11U), std::pair(90U, 16U)}) {
    summing given(peers);
    summing there(peers - 1);
    for (slot_index slot = 2; slot < 40; ++slot) given.peers.touch(slot);

    CHECK(given.answer(given.root_of(there)).requests.size() == told);
  }
}

TEST_CASE("planner: there are as many buckets as rows changed of late, within limits") {
  // 92 nodes: 8 buckets at least, by half the bits of their number.
  for (const auto& [changed, bits] :
       {std::pair(0U, 3U), std::pair(7U, 3U), std::pair(8U, 4U), std::pair(31U, 5U),
        std::pair(32U, 6U), std::pair(63U, 6U), std::pair(64U, 7U), std::pair(90U, 7U)}) {
    CAPTURE(changed);
    summing given(90);
    summing there(89);
    for (slot_index slot = 1; slot <= changed; ++slot) given.peers.touch(slot);

    CHECK(given.answer(given.root_of(there)).sum_bits == bits);
    given.peers.begin_round(1008);
    CHECK(given.answer(given.root_of(there)).sum_bits == bits);
    given.peers.begin_round(1009);
    CHECK(given.answer(given.root_of(there)).sum_bits == 3);
  }
}

TEST_CASE(
    "planner: where many rows of 600 changed, there are 256 buckets, if the answer may be long") {
  for (const std::size_t bytes : {1900U, 2000U}) {
    for (const slot_index changed : {slot_index{63}, slot_index{64}}) {
      CAPTURE(bytes);
      CAPTURE(changed);
      summing given(600);
      summing there(599);
      for (slot_index slot = 1; slot <= changed; ++slot) given.peers.touch(slot);

      const unsigned of_many = bytes == 2000 ? 8 : 7;
      CHECK(given.answer(given.root_of(there), bytes).sum_bits == (changed == 64 ? of_many : 6));
    }
  }
}

TEST_CASE("planner: a node that knows less than half of the nodes wants rows") {
  summing given(9);  // with "a" and "b", eleven
  summing there(20);
  for (const std::uint32_t nodes : {22U, 23U}) {
    CAPTURE(nodes);
    digest told = given.root_of(there);
    told.root->nodes = nodes;
    given.peers.touch(3);

    const answer_leg leg = given.answer(told);

    const bool is_wanting = nodes == 23;
    CHECK(leg.of_root ==
          (is_wanting ? root_answer::leg_2 | root_answer::wants_rows : root_answer::leg_2));
    CHECK((leg.sum_bits == 0) == is_wanting);
    CHECK(leg.requests.size() == (is_wanting ? 0 : 1));
  }
}

TEST_CASE("planner: a node that does not tell sums wants rows, even of an equal root") {
  for (const std::size_t peers_min : {21U, 22U}) {  // it knows "b" and twenty
    summing given(20, peers_min);
    summing there(20);

    const answer_leg leg = given.answer(given.root_of(there));

    CHECK(has(leg.of_root, root_answer::wants_rows) == (peers_min == 22));
    CHECK(leg.sum_bits == 0);
  }
}

// --------------------------------------------------------------------------------- leg 3

TEST_CASE("planner: of the rows that an answer names, each side is told what it lacks") {
  summing given(20);
  summing there(20);
  there.peers[3].set_max_version(14);
  there.peers[4].set_max_version(6);
  there.peers[5].set_generation(6);
  there.peers[6].set_generation(8);
  given.peers[self_slot].set_max_version(9);
  const packed_entry stranger = exchange_fixture::entry_of("stranger", 3);
  packed_entry nobody;
  nobody.name_hash = hash_of("nobody");
  packed_entry asked_for;  // there it is not known
  asked_for.name_hash = given.peers[7].name_hash();
  std::vector<packed_entry> named{stranger, nobody, asked_for, there.peers[self_slot].entry()};
  for (slot_index slot = 2; slot <= 6; ++slot) named.push_back(there.peers[slot].entry());

  const answer_leg leg = given.go_on(given.answer_of(there, named));

  CHECK(given.rest.is_empty());
  REQUIRE(leg.requests.size() == 3);
  CHECK(leg.requests[0].name_hash == hash_of("stranger"));
  CHECK(leg.requests[0].generation == 0);
  CHECK(leg.requests[1] == digest_entry(given.peers[3].entry()));
  CHECK(leg.requests[2] == digest_entry(given.peers[6].entry()));
  CHECK(leg.identities == std::vector<slot_index>{7, 5});
  const auto after = [&leg](slot_index slot) -> std::int64_t {
    const auto is_it = [slot](const owed_delta& one) { return one.slot == slot; };
    const auto found = std::find_if(leg.owed.begin(), leg.owed.end(), is_it);
    return found == leg.owed.end() ? -1 : static_cast<std::int64_t>(found->after);
  };
  CHECK(leg.owed.size() == 4);
  CHECK(after(self_slot) == 0);
  CHECK(after(4) == 6);
  CHECK(after(5) == 0);
  CHECK(after(7) == 0);
}

TEST_CASE("planner: an unknown peer that is named and refused here is not requested") {
  summing given(5);
  unwanted_peer refused;
  refused.name_hash = hash_of("stranger");
  refused.generation = 7;
  refused.heartbeat = heartbeat_max;
  given.unwanted.add(refused);
  message& said = given.answer_of(given, {});
  said.sums.clear();
  said.requests.push_back(exchange_fixture::entry_of("stranger", 3));

  CHECK(given.go_on(said).requests.empty());
}

TEST_CASE("planner: no remote is told its own entries") {
  summing given(5);
  summing there(5);
  given.peers[given.slot_of("b")].set_max_version(9);

  const answer_leg leg =
      given.go_on(given.answer_of(there, {there.peers[there.slot_of("b")].entry()}));

  CHECK(leg.owed.empty());
  CHECK(leg.requests.empty());
  CHECK(given.rest.is_empty());
}

TEST_CASE("planner: what a sum alone shows is owed, or requested, unless another one brings it") {
  summing given(40);
  summing there(40);
  there.peers[3].set_max_version(14);
  there.peers[4].set_max_version(6);
  there.peers[5].set_max_version(12);
  transfer part;
  part.slot = 5;
  part.wanted = 99;
  REQUIRE(given.shared.transfers.handle_part(part));
  given.shared.transfers.handle_asked(5, 10);
  given.peers[self_slot].set_max_version(2);

  const answer_leg leg = given.go_on(given.answer_of(there, {}));

  CHECK(given.rest.is_empty());
  REQUIRE(leg.requests.size() == 1);
  CHECK(leg.requests[0] == digest_entry(given.peers[3].entry()));
  REQUIRE(leg.owed.size() == 2);
  for (const owed_delta& one : leg.owed) {
    CHECK((one.slot == 4 || one.slot == self_slot));
    CHECK(one.after == (one.slot == 4 ? 6 : 0));
  }
}

TEST_CASE("planner: a node does not request entries of its own, whatever a sum shows") {
  summing given(10);
  summing there(10);
  there.peers[self_slot].set_max_version(3);

  const answer_leg leg = given.go_on(given.answer_of(there, {}));

  CHECK(leg.requests.empty());
  CHECK(leg.owed.empty());
}

TEST_CASE("planner: buckets that no sum explains are the rest, but for what is on its way") {
  summing given(10);
  summing there(10);
  there.add("stranger", 3);
  there.peers[5].set_max_version(20);
  message& said = given.answer_of(there, {});
  delta_view delta;
  delta.name_hash = hash_of("stranger");
  delta.generation = 7;
  delta.upto = position(2);
  delta.top = 2;
  said.deltas.push_back(delta);

  const answer_leg leg = given.go_on(said);

  CHECK(given.rest.size() == 4);  // one of 128
  CHECK(given.rest.has_hash(hash_of("stranger")));
  CHECK(leg.requests.size() == 1);
  said.deltas[0].top = 3;  // the rest of it comes
  CHECK(given.go_on(said).requests.size() == 1);
  CHECK(given.rest.is_empty());
}

TEST_CASE("planner: an answer without sums shows no rest") {
  summing given(10);
  summing there(9);
  message& said = given.answer_of(there, {});
  said.sums.clear();

  const answer_leg leg = given.go_on(said);

  CHECK(given.rest.is_empty());
  CHECK(leg.identities.empty());
}

// --------------------------------------------------------------------------------- buckets

TEST_CASE("planner: a digest of buckets shows what is unknown there, and nothing of the others") {
  summing given(40);
  digest theirs;
  theirs.lo = 0;
  theirs.hi = ~std::uint64_t{0};
  theirs.buckets.emplace();
  theirs.buckets->add(given.peers[3].name_hash() >> 55);
  theirs.buckets->add(given.peers[4].name_hash() >> 55);
  REQUIRE(theirs.buckets->size() == 2);
  theirs.range.push_back(given.peers[4].entry());

  const answer_leg leg = given.compare(theirs);

  CHECK(leg.identities == std::vector<slot_index>{3});
  REQUIRE(leg.owed.size() == 1);
  CHECK(leg.owed[0].slot == 3);
  CHECK(leg.owed[0].after == 0);
}

TEST_CASE("planner: an unknown row in a digest of buckets makes up for no row that it skips") {
  summing given(2);
  digest theirs;
  theirs.lo = 0;
  theirs.hi = ~std::uint64_t{0};
  theirs.buckets.emplace();
  theirs.buckets->add(given.peers[2].name_hash() >> 55);
  for (const slot_index slot : {self_slot, slot_index{1}, slot_index{3}}) {
    theirs.buckets->add(given.peers[slot].name_hash() >> 55);
    theirs.range.push_back(given.peers[slot].entry());
  }
  theirs.range.push_back(exchange_fixture::entry_of("stranger", 1));
  theirs.buckets->add(hash_of("stranger") >> 55);
  std::vector<packed_entry>& range = theirs.range.own();
  std::sort(range.begin(), range.end(), [](const packed_entry& one, const packed_entry& other) {
    return one.name_hash < other.name_hash;
  });

  const answer_leg leg = given.compare(theirs);

  CHECK(leg.identities == std::vector<slot_index>{2});
  CHECK(leg.requests.size() == 1);
}

TEST_CASE("planner: to a digest of buckets no heartbeat is told, but a leave is") {
  for (const bool is_limited : {true, false}) {
    CAPTURE(is_limited);
    summing given(10);
    given.peers[3].set_heartbeat(50);
    given.peers[4].set_left();
    given.peers[4].set_status(peer_status::left);
    digest theirs;
    theirs.lo = 0;
    theirs.hi = ~std::uint64_t{0};
    for (std::size_t i = 0; i < given.peers.entries().size(); ++i) {
      digest_entry known = given.peers.entries()[i];
      known.heartbeat = 5;
      known.has_left = false;
      theirs.range.push_back(known);
    }
    if (is_limited) theirs.buckets.emplace().add(0, 0);

    const answer_leg leg = given.compare(theirs);

    CHECK(std::count(leg.heartbeats.begin(), leg.heartbeats.end(), 4) == 1);
    CHECK(leg.heartbeats.size() == (is_limited ? 1 : 2));
  }
}
