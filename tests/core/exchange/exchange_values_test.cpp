// Values that span datagrams, between the exchanges of two nodes: the test loses, repeats, reorders
// or forges what goes from one to the other. Without a protocol.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answering.hpp"
#include "core/exchange/value_checksums.hpp"
#include "gossipmonger/testing/random.hpp"

using namespace gossipmonger;

namespace {

/// Bytes that differ from place to place and from value to value.
std::string make_bytes(std::size_t count, std::uint64_t seed) {
  random_source draws(seed);
  std::string bytes(count, ' ');
  for (char& byte : bytes) byte = static_cast<char>(draws.next() & 0xff);
  return bytes;
}

config make_large_config() {
  config settings = make_config("a");
  settings.value_bytes_max = offset_max;
  return settings;
}

std::uint64_t checksum_of(std::string_view key, std::string_view value) {
  return value_checksum(make_cluster_key("default"), key, value);
}

std::size_t fragments_in(const letters& sent) {
  std::size_t fragments = 0;
  for (const letter& one : sent) {
    for (const delta_view& delta : one.content.deltas) fragments += delta.value_bytes != 0 ? 1 : 0;
  }
  return fragments;
}

/// Where the first fragment begins in its value.
std::uint32_t first_offset(const letters& sent) {
  for (const letter& one : sent) {
    for (const delta_view& delta : one.content.deltas) {
      if (delta.value_bytes != 0) return delta.after.offset;
    }
  }
  return 0;
}

/// A node that holds entries of "owner", in slot 2.
class replica : public answering {
 public:
  explicit replica(const config& of_node = make_large_config())
      : answering(of_node), owner(add("owner", 0)) {}

  /// The next version of the owner comes whole, whatever its size.
  void put(std::string_view key, std::string_view value) {
    apply(owner, version(), version() + 1, {make_entry(key, value, version() + 1)});
  }
  /// The answer to "b", which holds as much of the owner as `other`.
  letters answer_to(const replica& other) {
    beat();
    return ask(naming({other.known()}), other.parts());
  }
  /// Takes datagrams until `fragments` of values came; loses the rest.
  void take(const letters& sent, std::size_t fragments = ~std::size_t{0}) {
    for (const letter& one : sent) {
      for (const delta_view& delta : one.content.deltas) {
        if (delta.value_bytes != 0 && fragments-- == 0) return;
        machines.deltas.apply(one.content, delta);
      }
    }
  }
  /// The owner starts anew: all of its former run goes.
  void begin_run(std::uint64_t generation) {
    machines.forget(owner);
    peers.begin(owner, generation, 5, {}, {});
    machines.begin(owner);
  }

  [[nodiscard]] std::uint64_t version() const { return peers[owner].max_version(); }
  [[nodiscard]] digest_entry known() const { return peers[owner].entry(); }
  [[nodiscard]] std::vector<partial_entry> parts() const {
    std::vector<partial_entry> held;
    if (const auto part = shared.partial_of(owner)) held.push_back(*part);
    return held;
  }
  [[nodiscard]] std::size_t bytes_of_parts() const { return shared.partials.bytes(); }
  /// The value, or "-" where there is none.
  [[nodiscard]] std::string value_of(std::string_view key) const {
    const std::optional<entry_view> held = entries.find(owner, key);
    return held && !held->is_tombstone ? std::string(held->value) : "-";
  }
  [[nodiscard]] std::uint64_t drops(drop_reason reason) const {
    return machines.deltas.counted().drops[static_cast<std::size_t>(reason)];
  }

  slot_index owner;
};

/// A fragment of `value` from `offset` on, as it should be, of the owner or another peer.
class forged {
 public:
  forged(std::string_view key, std::string_view value, std::uint64_t version) : value_(value) {
    entry.key = key;
    entry.version = version;
    delta.value_bytes = static_cast<std::uint32_t>(value.size());
    delta.value_checksum = checksum_of(key, value);
    delta.after = position(version - 1);
    delta.top = version;
    delta.entry_count = 1;
  }

  void send(replica& to, std::uint32_t offset, std::size_t count, std::string_view by = "owner") {
    entry.value = value_.substr(offset, count);
    delta.after.offset = offset;
    const std::uint32_t end = offset + static_cast<std::uint32_t>(entry.value.size());
    delta.upto =
        end == value_.size() ? position(entry.version) : position(delta.after.version, end);
    delta.name_hash = hash_of(by);
    delta.generation = 7;
    message sent;
    sent.deltas.push_back(delta);
    sent.entries.push_back(entry);
    to.machines.deltas.apply(sent, delta);
  }

  delta_view delta;
  entry_view entry;

 private:
  std::string_view value_;
};

}  // namespace

TEST_CASE("exchange_values: a large value arrives, with what was written before and after it") {
  replica giver;
  replica taker;
  const std::string large = make_bytes(64 * 1024, 1);
  giver.put("before", "1");
  giver.put("large", large);
  giver.put("after", "2");

  const letters sent = giver.answer_to(taker);
  taker.take(sent);

  CHECK(fragments_in(sent) > 50);
  CHECK(taker.value_of("before") == "1");
  CHECK(taker.value_of("large") == large);
  CHECK(taker.value_of("after") == "2");
  for (const letter& one : sent) CHECK(one.bytes <= 1160);
  CHECK(taker.bytes_of_parts() == 0);
}

TEST_CASE("exchange_values: a value that fits a datagram goes whole, one byte more in fragments") {
  replica giver;
  replica taker;
  giver.put("key", make_bytes(971, 1));
  const letters whole = giver.answer_to(taker);
  taker.take(whole);
  giver.put("key", make_bytes(972, 2));
  const letters parts = giver.answer_to(taker);
  taker.take(parts);

  CHECK(fragments_in(whole) == 0);
  CHECK(fragments_in(parts) > 0);
  CHECK(taker.value_of("key") == make_bytes(972, 2));
}

TEST_CASE(
    "exchange_values: until it is whole it is neither shown nor counted as held nor relayed") {
  replica giver;
  replica taker;
  replica third;
  const std::string large = make_bytes(20'000, 1);
  giver.put("small", "1");
  giver.put("large", large);
  change_cursor cursor;
  cursor.peer = "owner";

  taker.take(giver.answer_to(taker), 10);

  CHECK(taker.bytes_of_parts() > 5'000);
  CHECK(taker.version() == 1);
  CHECK(taker.value_of("large") == "-");
  CHECK(taker.events(cursor) == "update small=1@1\n");
  CHECK(fragments_in(taker.answer_to(third)) == 0);

  taker.take(giver.answer_to(taker));
  CHECK(taker.version() == 2);
  CHECK(taker.events(cursor) == "update large=" + large + "@2\n");
}

TEST_CASE("exchange_values: a transfer goes on where it stopped") {
  replica giver;
  replica other;
  replica taker;
  const std::string large = make_bytes(100'000, 1);
  giver.put("large", large);
  other.put("large", large);
  taker.take(giver.answer_to(taker), 40);
  const std::size_t held = taker.bytes_of_parts();
  REQUIRE(held > 30'000);

  bool is_by_other = false;
  SUBCASE("from its first source") {}
  SUBCASE("from another one") { is_by_other = true; }
  const letters rest = (is_by_other ? other : giver).answer_to(taker);
  taker.take(rest);

  CHECK(first_offset(rest) == held);
  CHECK(fragments_in(rest) < 75);  // of 103 in all
  CHECK(taker.value_of("large") == large);
}

TEST_CASE("exchange_values: a request says where the transfer stopped") {
  replica giver;
  replica taker;
  const std::string large = make_bytes(100'000, 1);
  giver.put("large", large);
  taker.take(giver.answer_to(taker), 40);
  const std::size_t held = taker.bytes_of_parts();

  giver.beat();
  const letters rest = giver.request({taker.known()}, taker.parts());
  taker.take(rest);

  CHECK(rest.front().content.kind == message_kind::deltas);
  CHECK(first_offset(rest) == held);
  CHECK(taker.value_of("large") == large);
}

TEST_CASE("exchange_values: overwritten or erased midway, the part goes and what is newer comes") {
  replica giver;
  replica taker;
  giver.put("large", make_bytes(50'000, 1));
  taker.take(giver.answer_to(taker), 20);
  REQUIRE(taker.bytes_of_parts() > 0);

  SUBCASE("by a small one") {
    giver.put("large", "small");
    taker.take(giver.answer_to(taker));
    CHECK(taker.value_of("large") == "small");
  }
  SUBCASE("by a large one, with what stood behind") {
    giver.put("behind", "1");
    giver.put("large", make_bytes(60'000, 2));
    taker.take(giver.answer_to(taker));
    CHECK(taker.value_of("behind") == "1");
    CHECK(taker.value_of("large") == make_bytes(60'000, 2));
  }
  SUBCASE("by a large one that stops midway too") {
    giver.put("large", make_bytes(60'000, 2));
    taker.take(giver.answer_to(taker), 20);
    CHECK(taker.value_of("large") == "-");
    // Two losses made the window of an exchange smaller.
    for (int i = 0; i < 2; ++i) taker.take(giver.answer_to(taker));
    CHECK(taker.value_of("large") == make_bytes(60'000, 2));
  }
  SUBCASE("by nothing") {
    giver.apply(giver.owner, 1, 2, {make_tombstone("large", 2)});
    taker.take(giver.answer_to(taker));
    CHECK(taker.value_of("large") == "-");
  }
  CHECK(taker.version() == giver.version());
  CHECK(taker.bytes_of_parts() == 0);
  CHECK(taker.drops(drop_reason::fragment) == 0);
}

TEST_CASE("exchange_values: when the owner starts again midway, nothing of its former run stays") {
  replica giver;
  replica taker;
  giver.put("large", make_bytes(50'000, 1));
  taker.take(giver.answer_to(taker), 20);
  REQUIRE(taker.bytes_of_parts() > 0);

  giver.begin_run(8);
  giver.put("large", make_bytes(50'000, 2));
  taker.begin_run(8);
  CHECK(taker.bytes_of_parts() == 0);
  taker.take(giver.answer_to(taker));

  CHECK(taker.value_of("large") == make_bytes(50'000, 2));
  CHECK(taker.drops(drop_reason::fragment) == 0);
}

TEST_CASE("exchange_values: a relay tells a new run's value with a checksum of its own") {
  replica relay;
  replica reader;
  relay.put("large", make_bytes(50'000, 1));
  reader.take(relay.answer_to(reader));
  REQUIRE(reader.value_of("large") == make_bytes(50'000, 1));

  // As large, and at the same version, of the run that follows.
  relay.begin_run(8);
  relay.put("large", make_bytes(50'000, 2));
  reader.begin_run(8);
  reader.take(relay.answer_to(reader));

  CHECK(reader.value_of("large") == make_bytes(50'000, 2));
  CHECK(reader.drops(drop_reason::fragment) == 0);
}

TEST_CASE("exchange_values: fragments that come in any order, and twice, make one value") {
  replica giver;
  replica taker;
  const std::string large = make_bytes(60'000, 1);
  giver.put("large", large);
  const letters sent = giver.answer_to(taker);
  std::vector<std::pair<const letter*, const delta_view*>> order;
  for (const letter& one : sent) {
    for (const delta_view& delta : one.content.deltas) order.emplace_back(&one, &delta);
  }
  REQUIRE(order.size() > 50);

  random_source draws(7);
  const std::size_t count = order.size();
  for (std::size_t i = 0; i < count; i += 2) order.push_back(order[i]);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draws.below(i)]);
  for (const auto& [one, delta] : order) taker.machines.deltas.apply(one->content, *delta);

  CHECK(taker.value_of("large") == large);
  CHECK(taker.drops(drop_reason::fragment) == 0);
  CHECK(taker.machines.deltas.parked_bytes() == 0);
}

TEST_CASE("exchange_values: a large value does not delay other owners' small news") {
  replica giver;
  giver.put("large", make_bytes(1 << 20, 1));
  giver.add_owner("other", 1, 1);
  // With either owner as the first one: the start is drawn for each leg.
  for (int i = 0; i < 8; ++i) {
    replica taker;
    std::vector<digest_entry> known{taker.known(), taker.entry_of("other", 0)};
    giver.beat();
    const letters sent = giver.ask(naming(known));
    std::size_t datagrams_before = 0;
    for (const letter& one : sent) {
      const bool has_news = std::ranges::any_of(one.content.deltas, [](const delta_view& delta) {
        return delta.name_hash == hash_of("other");
      });
      if (has_news) break;
      ++datagrams_before;
    }

    CHECK(fragments_in(sent) > 30);
    CHECK(datagrams_before <= 2);  // at most one turn of the large value
  }
}

// ------------------------------------------------------------------------------------- hostile

TEST_CASE("exchange_values: one above my value_bytes_max is refused once, and asked for no more") {
  for (const bool is_whole : {false, true}) {
    CAPTURE(is_whole);
    config small = make_config("a");
    small.value_bytes_max = 4096;
    replica giver;
    replica taker(small);
    change_cursor cursor;
    static_cast<void>(taker.events(cursor));
    const std::string value = make_bytes(4097, 1);
    giver.put("k", value);

    if (is_whole) {
      taker.put("k", value);
    } else {
      taker.take(giver.answer_to(taker));
    }

    CHECK(taker.events(cursor).starts_with("error"));
    CHECK(taker.drops(drop_reason::capacity) > 0);
    CHECK(taker.peers[taker.owner].is_over_capacity());
    CHECK(taker.bytes_of_parts() == 0);
    taker.take(giver.answer_to(taker));
    CHECK(taker.events(cursor).empty());
    // Its digests name the owner as unwanted, and its answers request nothing of it.
    const letters answer = taker.ask(naming({giver.known()}));
    CHECK(answer.front().content.requests.empty());
  }
}

TEST_CASE("exchange_values: a total is not believed: memory grows with what comes") {
  replica node;
  const std::string value(offset_max, 'v');

  forged("k", value, 1).send(node, 0, 1000);

  CHECK(node.bytes_of_parts() == 1000);
}

TEST_CASE("exchange_values: of all peers together no more is under way than partial_bytes_max") {
  config settings = make_config("a");
  settings.partial_bytes_max = 100'000;
  replica node(settings);
  const slot_index other = node.add("other", 0);
  const std::string value = make_bytes(60'000, 1);
  forged first("k", value, 1);
  first.send(node, 0, 1000);
  forged second("k", value, 1);

  second.send(node, 0, 1000, "other");
  CHECK(node.drops(drop_reason::capacity) == 1);
  CHECK(node.bytes_of_parts() == 1000);

  // The value that was let in can be completed, and makes room.
  first.send(node, 1000, value.size());
  CHECK(node.value_of("k") == value);
  second.send(node, 0, value.size(), "other");
  CHECK(node.entries.find(other, "k")->value == value);
}

TEST_CASE("exchange_values: a peer that never sends the rest is given up, and may begin anew") {
  config settings = make_config("a");
  settings.partial_bytes_max = 65'536;
  replica node(settings);
  const std::string value = make_bytes(60'000, 1);
  forged fragment("k", value, 1);
  fragment.send(node, 0, 1000);
  // 16 rounds, and two for each of two peers.
  for (std::uint64_t round = 1; round <= 20; ++round) node.machines.begin_round(round);
  CHECK(node.bytes_of_parts() == 1000);

  node.machines.begin_round(21);
  CHECK(node.bytes_of_parts() == 0);

  fragment.send(node, 0, value.size());
  CHECK(node.value_of("k") == value);
}

TEST_CASE(
    "exchange_values: a fragment that contradicts those before discards them, and nothing is "
    "shown") {
  const std::string value = make_bytes(5000, 1);
  const std::string other = make_bytes(5000, 2);
  replica node;
  forged good("k", value, 1);
  good.send(node, 0, 1000);
  forged bad("k", value, 1);
  bool is_contradiction = true;

  SUBCASE("another length") {
    bad.delta.value_bytes = 5001;
    bad.send(node, 1000, 1000);
  }
  SUBCASE("another checksum") {
    bad.delta.value_checksum ^= 1;
    bad.send(node, 1000, 1000);
  }
  SUBCASE("another key") {
    bad.entry.key = "l";
    bad.send(node, 1000, 1000);
  }
  SUBCASE("a last byte that the checksum does not know") {
    forged wrong("k", other, 1);
    wrong.delta.value_checksum = good.delta.value_checksum;
    wrong.send(node, 1000, 4000);
  }
  SUBCASE("none: the twin") {
    is_contradiction = false;
    bad.send(node, 1000, 4000);
  }

  CHECK(node.drops(drop_reason::fragment) == (is_contradiction ? 1 : 0));
  CHECK(node.value_of("k") == (is_contradiction ? "-" : value));
  CHECK(node.bytes_of_parts() == 0);
  CHECK(node.version() == (is_contradiction ? 0 : 1));
}

TEST_CASE("exchange_values: an older value does not displace the newer one that is under way") {
  const std::string value = make_bytes(5000, 1);
  replica node;
  forged newer("k", value, 7);
  newer.delta.after.version = 0;
  newer.send(node, 0, 1000);
  forged older("k", value, 5);
  older.delta.after.version = 0;
  older.send(node, 0, 2000);
  CHECK(node.bytes_of_parts() == 1000);

  newer.send(node, 1000, 4000);
  CHECK(node.version() == 7);
}

TEST_CASE("exchange_values: a part of a later version gets nothing older, except from its owner") {
  // The remote says that it holds nothing but a part of the owner's value of that version.
  const auto fragments_sent = [](bool is_owner, std::uint64_t version) {
    replica node;
    node.put("k", make_bytes(5000, 1));
    const std::string mine = make_bytes(5000, 2);
    entry_view entry = make_entry("k", mine, 1);
    entry.sequence = node.changes.take();
    REQUIRE(node.entries.put(self_slot, entry));
    node.peers.self().set_max_version(1);
    partial_entry part;
    part.name_hash = hash_of(is_owner ? "a" : "owner");
    part.generation = 7;
    part.version = version;
    part.offset = 1000;
    const digest_entry known = node.entry_of(is_owner ? "a" : "owner", 0);
    return fragments_in(node.ask(naming({known}), {part}));
  };

  CHECK(fragments_sent(false, 1) > 0);
  // Its owner wrote that when all before it was as it is there.
  CHECK(fragments_sent(false, 2) == 0);
  // The owner knows that it never did: somebody forged it.
  CHECK(fragments_sent(true, 1) > 0);
  CHECK(fragments_sent(true, 2) > 0);
}

TEST_CASE("exchange_values: a leg that asks for more names no owner whose later run is refused") {
  for (const bool is_refused : {false, true}) {
    CAPTURE(is_refused);
    replica node;
    const std::string value = make_bytes(5000, 1);
    forged("k", value, 1).send(node, 0, 1000);
    if (is_refused) {
      unwanted_peer later;
      later.name_hash = hash_of("owner");
      later.generation = 9;
      later.heartbeat = heartbeat_max;
      node.unwanted.add(later);
    }
    digest_leg leg;
    leg.remote_hash = hash_of("b");
    leg.datagrams_left = 1;
    leg.digest_rows_left = 1;
    leg.extra_rows_left = 1;
    leg.is_short = true;
    leg.about = {node.owner};
    message out;

    REQUIRE(node.machines.digests.fill(leg, out, {}));

    const auto named = std::ranges::count_if(out.known.extra, [](const packed_entry& entry) {
      return entry.name_hash == hash_of("owner");
    });
    CHECK(named == (is_refused ? 0 : 1));
    CHECK(out.partials.size() == (is_refused ? 0 : 1));
  }
}

TEST_CASE("exchange_values: a floor that waits takes effect when its owner's last value is large") {
  replica node;
  const std::string large = make_bytes(3000, 1);
  const std::string floor("\x03\0\0\0\0\0\0\0", 8);
  node.apply(node.owner, 0, 2, {make_entry("k", "1", 1), make_entry("erased", "1", 2)});
  // It erased that key at 3, which never came here, and compacted; then it wrote a large value.
  node.apply(node.owner, 2, 5, {make_entry("k", "1", 4), make_entry("", floor, 5)}, 6);
  REQUIRE(node.value_of("erased") == "1");

  forged value("large", large, 6);
  for (std::uint32_t offset = 0; offset < large.size(); offset += 1000) {
    value.send(node, offset, 1000);
  }

  REQUIRE(node.value_of("large") == large);
  CHECK(node.value_of("erased") == "-");
  CHECK(node.value_of("k") == "1");
}
