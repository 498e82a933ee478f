#include "core/exchange/row_sums.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exchange_fixture.hpp"
#include "gossipmonger/testing/random.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// Later than any row here was heard of, by half a grace: of a dead peer digests tell no more.
std::chrono::nanoseconds late(const exchange_fixture& given) {
  return given.settings.dead_peer_grace / 2;
}

/// Sums by the words of the header: rows that digests tell of, named ones in their place.
std::vector<row_sum> sum_naively(const exchange_fixture& given, std::chrono::nanoseconds now,
                                 const std::vector<packed_entry>& named, unsigned bits) {
  std::map<std::uint64_t, packed_entry> counted;
  for (const peer_view row : given.peers.by_hash()) {
    if (given.shared.is_advertised(row, now)) counted[row.name_hash()] = row.entry();
  }
  for (std::size_t left = named.size(); left > 0; --left) {  // the first of a name is put last
    const packed_entry& one = named[left - 1];
    counted.erase(one.name_hash);
    const bool is_first = std::none_of(
        named.begin(), named.begin() + static_cast<std::ptrdiff_t>(left - 1),
        [&one](const packed_entry& other) { return other.name_hash == one.name_hash; });
    if (is_first && one.generation() != 0) counted[one.name_hash] = one;
  }
  std::vector<row_sum> sums(std::size_t{1} << bits);
  for (const auto& [hash, row] : counted) {
    sums[bits == 0 ? 0 : hash >> (64 - bits)].add(part_of(row), row.max_version());
  }
  return sums;
}

/// Draws what may become of a row.
void change(exchange_fixture& given, slot_index slot, random_source& draws) {
  const peer row = given.peers[slot];
  switch (draws.below(10)) {
    case 0:
      return row.set_status(peer_status::dead);
    case 1:
      row.set_left();
      return row.set_status(peer_status::left);
    case 2:
      return row.set_over_capacity(true);
    case 3:
      return row.set_put_off(true);
    case 4:
      return;  // new
    default:
      return row.set_status(peer_status::live);
  }
}

/// A node that knows `count` peers in any state.
void fill_table(exchange_fixture& given, std::size_t count, random_source& draws) {
  for (std::size_t i = 0; i < count; ++i) {
    const slot_index slot = given.add("peer " + std::to_string(i), draws.below(5000));
    // Half of them were heard of late enough for a dead one to be told of.
    if (draws.below(2) == 0) given.peers.restart_silence(slot, late(given));
    change(given, slot, draws);
  }
}

/// Says the sums of `of`, or a part of them.
void tell_sums(const exchange_fixture& of, const std::vector<packed_entry>& named, unsigned bits,
               unsigned part, message& out) {
  std::vector<row_sum> sums;
  sum_rows(of.shared, {}, named, bits, sums);
  out.sum_bits = static_cast<std::uint8_t>(bits);
  out.sum_part = static_cast<std::uint8_t>(part);
  out.sums.clear();
  for (std::size_t i = 0; i < sums_in_part(bits); ++i) {
    out.sums.push_back(sums[part * sums_in_part(bits) + i].packed());
  }
}

/// Two nodes that know the same peers, all of them live.
struct two_nodes {
  explicit two_nodes(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) add("peer " + std::to_string(i), 100 + i);
  }

  void add(const std::string& name, std::uint64_t version) {
    here.peers[here.add(name, version)].set_status(peer_status::live);
    there.peers[there.add(name, version)].set_status(peer_status::live);
  }
  [[nodiscard]] static slot_index slot_in(const exchange_fixture& node, const std::string& name) {
    return *node.peers.find(hash_of(name));
  }
  /// The difference that the sums of `there` show at `here`, all parts together.
  [[nodiscard]] sum_difference compare(unsigned bits, const std::vector<packed_entry>& named = {},
                                       const std::vector<std::uint64_t>& on_their_way = {}) const {
    sum_difference all;
    message told;
    for (unsigned part = 0; part < sum_parts(bits); ++part) {
      tell_sums(there, named, bits, part, told);
      const sum_difference seen = compare_sums(here.shared, {}, told, named, on_their_way);
      all.rows.insert(all.rows.end(), seen.rows.begin(), seen.rows.end());
      for (std::size_t bucket = 0; bucket < bucket_set::count; ++bucket) {
        if (seen.rest.has(bucket)) all.rest.add(bucket);
      }
    }
    return all;
  }

  exchange_fixture here;
  exchange_fixture there;
};

/// The name of a peer, not `other`, in the same of 2^bits buckets.
std::string neighbour_of(const std::string& other, unsigned bits) {
  for (int i = 0;; ++i) {
    const std::string name = "neighbour " + std::to_string(i);
    if (bucket_of(hash_of(name), bits) == bucket_of(hash_of(other), bits)) return name;
  }
}

}  // namespace

// ------------------------------------------------------------------------------------- sums

TEST_CASE("row_sums: of no row, each sum is of self alone") {
  const exchange_fixture given;
  std::vector<row_sum> sums(3);

  sum_rows(given.shared, {}, {}, 3, sums);

  REQUIRE(sums.size() == 8);
  row_sum own;
  own.add(part_of(given.peers.self().entry()), 0);
  for (std::size_t bucket = 0; bucket < 8; ++bucket) {
    const bool is_own = bucket == hash_of("a") >> 61;
    CHECK(sums[bucket] == (is_own ? own : row_sum()));
  }
}

TEST_CASE("row_sums: rows of which digests do not tell are not counted") {
  exchange_fixture given;
  const std::vector<row_sum> before = sum_naively(given, {}, {}, 0);
  given.peers[given.add("full", 3)].set_over_capacity(true);
  given.peers[given.add("put off", 3)].set_put_off(true);
  for (const char* name : {"dead", "left"}) given.add(name, 3);
  given.peers[*given.peers.find(hash_of("dead"))].set_status(peer_status::dead);
  given.peers[*given.peers.find(hash_of("left"))].set_status(peer_status::left);

  std::vector<row_sum> sums;
  sum_rows(given.shared, late(given), {}, 0, sums);

  CHECK(sums == before);
  sum_rows(given.shared, late(given) - 1ns, {}, 0, sums);  // dead and left are told of until then
  CHECK(sums != before);
}

TEST_CASE("row_sums: a named entry counts in the place of the row, the first one of a name") {
  exchange_fixture given;
  given.peers[given.add("b", 3)].set_status(peer_status::live);
  packed_entry first = given.peers[1].entry();
  first.set_max_version(9);
  packed_entry second = first;
  second.set_max_version(11);
  packed_entry absent;
  absent.name_hash = hash_of("b");
  packed_entry stranger = first;
  stranger.name_hash = hash_of("stranger");
  const auto sum = [&given](const std::vector<packed_entry>& named) {
    std::vector<row_sum> sums;
    sum_rows(given.shared, {}, named, 0, sums);
    return sums.front();
  };
  row_sum of_self;
  of_self.add(part_of(given.peers.self().entry()), 0);
  row_sum of_first = of_self;
  of_first.add(part_of(first), 9);
  row_sum of_both = of_first;
  of_both.add(part_of(stranger), 9);

  CHECK(sum({first}) == of_first);
  CHECK(sum({first, second}) == of_first);
  CHECK(sum({absent}) == of_self);
  CHECK(sum({absent, second}) == of_self);
  CHECK(sum({stranger, first}) == of_both);
}

TEST_CASE("row_sums: sums are those of the rows one by one, whatever is named") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    random_source draws(seed);
    exchange_fixture given;
    fill_table(given, draws.below(100), draws);
    std::vector<packed_entry> named;
    // Few are looked through one by one, more than 64 are sorted.
    for (std::uint64_t left = draws.below(seed % 2 == 0 ? 40 : 200); left > 0; --left) {
      packed_entry one;
      one.name_hash = hash_of("peer " + std::to_string(draws.below(110)));
      if (draws.below(4) != 0) one.set_generation(6 + draws.below(3));
      one.set_max_version(draws.below(5000));
      if (draws.below(8) == 0) one.set_left();
      named.push_back(one);
      if (draws.below(8) == 0) named.push_back(named.front());
    }

    std::vector<row_sum> sums;
    for (unsigned bits = 0; bits <= sum_bits_max; ++bits) {
      CAPTURE(bits);
      sum_rows(given.shared, late(given), named, bits, sums);
      CHECK(sums == sum_naively(given, late(given), named, bits));
    }
  }
}

// ------------------------------------------------------------------------------- differences

TEST_CASE("row_sums: equal tables do not differ, whatever their heartbeats are") {
  two_nodes given(60);
  given.there.peers[5].set_heartbeat(99);

  for (unsigned bits = sum_bits_min; bits <= sum_bits_max; ++bits) {
    const sum_difference seen = given.compare(bits);
    CHECK(seen.rows.empty());
    CHECK(seen.rest.is_empty());
  }
}

TEST_CASE("row_sums: one row that is ahead or behind is decoded, within 2048 versions") {
  // The sum tells twelve bits of the difference: -2048 to 2047.
  for (const std::int64_t distance : {1, -1, 700, -700, 2047, -2048, 2048, -2049, 5000}) {
    CAPTURE(distance);
    two_nodes given(60);
    const slot_index slot = two_nodes::slot_in(given.here, "peer 7");
    given.here.peers[slot].set_max_version(10'000);
    const auto version = static_cast<std::uint64_t>(10'000 + distance);
    given.there.peers[slot].set_max_version(version);

    const sum_difference seen = given.compare(3);

    const bool is_near = distance >= -2048 && distance <= 2047;
    REQUIRE(seen.rows.size() == (is_near ? 1 : 0));
    CHECK(seen.rest.is_empty() == is_near);
    CHECK(seen.rest.has_hash(hash_of("peer 7")) != is_near);
    if (is_near) CHECK(seen.rows[0].slot == slot);
    if (is_near) CHECK(seen.rows[0].version == version);
  }
}

TEST_CASE("row_sums: no version below 0 or above the limit is decoded") {
  // A distance of 4095 reads as -1, and one of 4095 downwards as 1.
  two_nodes given(3);
  given.here.peers[1].set_max_version(0);
  given.there.peers[1].set_max_version(4095);
  given.here.peers[2].set_max_version(version_max);
  given.there.peers[2].set_max_version(version_max - 4095);

  const sum_difference seen = given.compare(9);

  CHECK(seen.rows.empty());
  CHECK(seen.rest.size() == 2);
}

TEST_CASE("row_sums: a bucket in which two rows differ is one of the rest, with all its parts") {
  two_nodes given(40);
  const std::string other = neighbour_of("peer 3", 3);
  given.add(other, 50);
  given.there.peers[two_nodes::slot_in(given.there, "peer 3")].set_max_version(104);
  given.there.peers[two_nodes::slot_in(given.there, other)].set_max_version(51);

  const sum_difference seen = given.compare(3);

  CHECK(seen.rows.empty());
  bucket_set expected;
  expected.add(bucket_of(hash_of(other), 3), 3);
  CHECK(seen.rest == expected);
  CHECK(seen.rest.size() == 64);  // of the 512
}

TEST_CASE("row_sums: a row that one side does not have makes its bucket one of the rest") {
  for (const bool is_here : {true, false}) {
    CAPTURE(is_here);
    two_nodes given(40);
    exchange_fixture& has_it = is_here ? given.here : given.there;
    has_it.peers[has_it.add("more", 5)].set_status(peer_status::live);

    const sum_difference seen = given.compare(7);

    CHECK(seen.rows.empty());
    CHECK(seen.rest.size() == 4);
    CHECK(seen.rest.has_hash(hash_of("more")));
  }
}

TEST_CASE("row_sums: another generation, and a leave, make a bucket one of the rest") {
  two_nodes given(40);
  given.there.peers[3].set_generation(8);
  given.there.peers[9].set_left();

  const sum_difference seen = given.compare(9);

  CHECK(seen.rows.empty());
  CHECK(seen.rest.size() == 2);
  CHECK(seen.rest.has_hash(given.here.peers[3].name_hash()));
  CHECK(seen.rest.has_hash(given.here.peers[9].name_hash()));
}

TEST_CASE("row_sums: what is named does not differ, and another row is decoded beside it") {
  two_nodes given(40);
  const std::string other = neighbour_of("peer 3", 3);
  given.add(other, 50);
  const peer named = given.there.peers[two_nodes::slot_in(given.there, "peer 3")];
  named.set_max_version(104);
  named.set_generation(9);

  CHECK(given.compare(3, {named.entry()}).rest.is_empty());
  CHECK(given.compare(3, {named.entry()}).rows.empty());
  given.there.peers[two_nodes::slot_in(given.there, other)].set_max_version(44);
  const sum_difference seen = given.compare(3, {named.entry()});

  REQUIRE(seen.rows.size() == 1);
  CHECK(seen.rows[0].slot == two_nodes::slot_in(given.here, other));
  CHECK(seen.rows[0].version == 44);
  CHECK(seen.rest.is_empty());
}

TEST_CASE("row_sums: buckets of peers whose entries come count as equal") {
  two_nodes given(40);
  given.there.peers[3].set_max_version(1);
  given.there.peers[4].set_max_version(1);
  const std::uint64_t third = given.here.peers[3].name_hash();
  REQUIRE(bucket_of(third, 9) != bucket_of(given.here.peers[4].name_hash(), 9));

  const sum_difference seen = given.compare(9, {}, {third});

  REQUIRE(seen.rows.size() == 1);
  CHECK(seen.rows[0].slot == 4);
  CHECK(seen.rest.is_empty());
}

TEST_CASE("row_sums: a part of the sums shows what differs in its buckets, and no more") {
  // Of 512 buckets a part is 128: the hashes that share their first two bits.
  two_nodes given(60);
  for (slot_index slot = 1; slot <= 60; ++slot) given.there.peers[slot].set_max_version(1000);
  message told;
  std::size_t rows = 0;
  for (unsigned part = 0; part < 4; ++part) {
    tell_sums(given.there, {}, 9, part, told);
    REQUIRE(told.sums.size() == 128);

    const sum_difference seen = compare_sums(given.here.shared, {}, told, {}, {});

    rows += seen.rows.size();
    CHECK(!seen.rows.empty());
    for (const decoded_row& one : seen.rows) {
      const std::uint64_t first_bits = given.here.peers[one.slot].name_hash() >> 62;
      CHECK(first_bits == part);
    }
    for (std::size_t bucket = 0; bucket < bucket_set::count; ++bucket) {
      const std::size_t of_part = bucket / 128;
      if (seen.rest.has(bucket)) CHECK(of_part == part);
    }
  }
  CHECK(rows > 40);
}

TEST_CASE("row_sums: each row that differs is decoded as it is there, or lies in the rest") {
  std::size_t decoded = 0;
  std::size_t undecoded = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    random_source draws(seed);
    two_nodes given(draws.below(90));
    for (std::uint64_t left = draws.below(30); left > 0; --left) {
      exchange_fixture& changed = draws.below(2) == 0 ? given.here : given.there;
      const std::uint64_t kind = draws.below(8);
      if (kind == 0 && changed.peers.has_room()) {
        const std::string name = "more " + std::to_string(left);
        changed.peers[changed.add(name, 3)].set_status(peer_status::live);
        continue;
      }
      const auto slot = static_cast<slot_index>(draws.below(changed.peers.size() + 1));
      if (slot == self_slot) continue;
      const peer row = changed.peers[slot];
      if (kind == 1) row.set_generation(8);
      if (kind == 2) change(changed, slot, draws);
      if (kind > 2) row.set_max_version(draws.below(kind == 3 ? 100'000 : 300));
    }
    std::vector<packed_entry> named;
    for (const peer_view row : given.there.peers.by_hash()) {
      const bool is_told = given.there.shared.is_advertised(row, {});
      if (is_told && draws.below(8) == 0) named.push_back(row.entry());
    }
    const auto bits = static_cast<unsigned>(sum_bits_min + draws.below(7));

    const sum_difference seen = given.compare(bits, named);

    std::map<std::uint64_t, std::optional<packed_entry>> here;
    std::map<std::uint64_t, std::optional<packed_entry>> there;
    const auto note = [](const exchange_fixture& node, auto& mine, auto& other) {
      for (const peer_view row : node.peers.by_hash()) {
        mine[row.name_hash()];
        other[row.name_hash()];
        if (node.shared.is_advertised(row, {})) mine[row.name_hash()] = row.entry();
      }
    };
    note(given.here, here, there);
    note(given.there, there, here);
    for (const auto& held : here) {  // names of its parts are not to be captured
      const std::uint64_t hash = held.first;
      const std::optional<packed_entry>& mine = held.second;
      const auto is_it = [hash](const packed_entry& one) { return one.name_hash == hash; };
      const std::optional<packed_entry> theirs = there[hash];
      const bool is_equal =
          mine.has_value() == theirs.has_value() && (!mine || part_of(*mine) == part_of(*theirs));
      const auto found = std::find_if(
          seen.rows.begin(), seen.rows.end(),
          [&](const decoded_row& one) { return given.here.peers[one.slot].name_hash() == hash; });
      if (std::any_of(named.begin(), named.end(), is_it)) {
        CHECK(found == seen.rows.end());
      } else if (is_equal) {
        CHECK(found == seen.rows.end());
      } else if (found != seen.rows.end()) {
        ++decoded;
        REQUIRE(theirs.has_value());
        CHECK(found->version == theirs->max_version());
        CHECK_FALSE(seen.rest.has_hash(hash));
      } else {
        ++undecoded;
        CHECK(seen.rest.has_hash(hash));
      }
    }
  }
  CHECK(decoded > 100);
  CHECK(undecoded > 100);
}
