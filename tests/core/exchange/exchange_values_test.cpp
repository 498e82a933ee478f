// Values that span datagrams, between protocols whose datagrams the test may lose, repeat, reorder
// or forge.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../protocol_fixture.hpp"
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

config make_large_config(std::string_view name) {
  config settings = make_config(name);
  settings.value_bytes_max = offset_max;
  return settings;
}

std::uint64_t checksum_of(std::string_view key, std::string_view value) {
  return value_checksum(make_cluster_key("default"), key, value);
}

std::size_t fragments_in(const letter& sent) {
  return static_cast<std::size_t>(
      std::count_if(sent.content.deltas.begin(), sent.content.deltas.end(),
                    [](const delta_view& delta) { return delta.value_bytes != 0; }));
}

/// Two nodes that know each other; of `a` the other holds everything.
class pair_of_nodes {
 public:
  pair_of_nodes() : pair_of_nodes(make_large_config("a"), make_large_config("b")) {}
  pair_of_nodes(const config& first, const config& second)
      : a(world.add(first)), b(world.add(second)) {
    world.exchange("a", "b");
    world.exchange("b", "a");
  }

  /// Lets at most `count` fragments through and loses what follows, in this exchange.
  void exchange_with(std::size_t count) {
    world.on_send = [&count](const letter& sent) {
      const std::size_t fragments = fragments_in(sent);
      if (fragments > count) return false;
      count -= fragments;
      return true;
    };
    world.exchange("b", "a");
    world.on_send = nullptr;
  }
  /// A round of each, with an exchange: by a later heartbeat of `a` it is known what was lost.
  void round_of_each() {
    world.exchange("a", "b");
    world.exchange("b", "a");
  }

  [[nodiscard]] std::uint64_t version_at_b() {
    return b.find_member("a", world.now())->max_version;
  }

  small_cluster world;
  protocol& a;
  protocol& b;
};

/// A puppet's fragment of `value` from `offset` on, as it should be.
class forged {
 public:
  forged(std::string_view key, std::string_view value, std::uint64_t version) : value_(value) {
    entry.key = key;
    entry.version = version;
    delta.value_bytes = static_cast<std::uint32_t>(value.size());
    delta.value_checksum = checksum_of(key, value);
    delta.after = position(version - 1);
    delta.top = version;
  }

  letters send(puppet& by, std::uint32_t offset, std::size_t count) {
    entry.value = value_.substr(offset, count);
    delta.after.offset = offset;
    const std::uint32_t end = offset + static_cast<std::uint32_t>(entry.value.size());
    delta.upto =
        end == value_.size() ? position(entry.version) : position(delta.after.version, end);
    message& draft = by.begin(message_kind::deltas);
    delta.name_hash = by.hash();
    delta.generation = by.generation;
    delta.entry_count = 1;
    draft.deltas.push_back(delta);
    draft.entries.push_back(entry);
    return by.send();
  }

  delta_view delta;
  entry_view entry;

 private:
  std::string_view value_;
};

/// A node, and a puppet that it knows.
class forger {
 public:
  explicit forger(const config& settings) : node(world.add(settings)), by(world, "a", "p", 1) {
    by.enter();
  }
  forger() : forger(make_large_config("a")) {}

  [[nodiscard]] std::uint64_t version() { return node.find_member("p", world.now())->max_version; }

  small_cluster world;
  protocol& node;
  puppet by;
};

}  // namespace

TEST_CASE(
    "exchange_values: one of several datagrams arrives, with what was written before and after "
    "it") {
  pair_of_nodes nodes;
  const std::string large = make_bytes(64 * 1024, 1);
  REQUIRE(nodes.a.set("before", "1"));
  REQUIRE(nodes.a.set("large", large));
  REQUIRE(nodes.a.set("after", "2"));

  nodes.world.exchange("b", "a");

  CHECK(value_of(nodes.b, "a", "before") == "1");
  CHECK(value_of(nodes.b, "a", "large") == large);
  CHECK(value_of(nodes.b, "a", "after") == "2");
  CHECK(nodes.world.bytes_max_seen <= 1160);
  CHECK(nodes.b.stats().partial_bytes == 0);
}

TEST_CASE(
    "exchange_values: what goes whole into a datagram travels as ever, one byte more in "
    "fragments") {
  pair_of_nodes nodes;
  REQUIRE(nodes.a.set("key", make_bytes(995, 1)));
  nodes.world.exchange("b", "a");
  CHECK(nodes.a.stats().fragments_sent == 0);

  REQUIRE(nodes.a.set("key", make_bytes(996, 2)));
  nodes.world.exchange("b", "a");

  CHECK(nodes.a.stats().fragments_sent > 0);
  CHECK(value_of(nodes.b, "a", "key") == make_bytes(996, 2));
}

TEST_CASE(
    "exchange_values: until it is whole it is neither shown nor counted as held nor relayed") {
  pair_of_nodes nodes;
  protocol& c = nodes.world.add(make_large_config("c"));
  nodes.world.exchange("b", "c");
  const std::string large = make_bytes(20'000, 1);
  change_cursor cursor;
  cursor.peer = "a";
  static_cast<void>(read_events(nodes.b, cursor));
  REQUIRE(nodes.a.set("large", large));
  const std::uint64_t version = nodes.a.version();
  nodes.world.stop("c");

  nodes.exchange_with(10);

  CHECK(nodes.b.stats().partial_bytes > 5'000);
  CHECK(nodes.version_at_b() == version - 1);
  CHECK(value_of(nodes.b, "a", "large") == "-");
  CHECK(read_events(nodes.b, cursor) == "");
  CHECK(nodes.a.replicated(version).holding == 0);

  nodes.world.resume("c");
  nodes.world.stop("a");
  nodes.world.exchange("c", "b");
  CHECK(c.stats().partial_bytes == 0);
  CHECK(c.stats().fragments_applied == 0);

  nodes.world.resume("a");
  nodes.round_of_each();
  CHECK(nodes.version_at_b() == version);
  CHECK(read_events(nodes.b, cursor) ==
        "update a large=" + large + "@" + std::to_string(version) + "\n");
}

TEST_CASE("exchange_values: a transfer goes on where it stopped") {
  pair_of_nodes nodes;
  const std::string large = make_bytes(100'000, 1);
  REQUIRE(nodes.a.set("large", large));

  nodes.exchange_with(40);
  const std::size_t held = nodes.b.stats().partial_bytes;
  REQUIRE(held > 30'000);
  const std::uint64_t sent = nodes.a.stats().fragments_sent;
  std::uint32_t first_offset = 0;
  nodes.world.on_send = [&first_offset](const letter& letter_sent) {
    if (fragments_in(letter_sent) > 0 && first_offset == 0) {
      first_offset = letter_sent.content.deltas.front().after.offset;
    }
    return true;
  };
  nodes.round_of_each();

  CHECK(first_offset == held);
  CHECK(value_of(nodes.b, "a", "large") == large);
  CHECK(nodes.a.stats().fragments_sent - sent < 75);  // of 103 in all
}

TEST_CASE(
    "exchange_values: who gets a part asks for more at once, 16 times a round, and goes on in the "
    "next") {
  pair_of_nodes nodes;
  const std::string large = make_bytes(4'000'000, 1);
  REQUIRE(nodes.a.set("large", large));
  std::size_t digests = 0;
  nodes.world.on_send = [&](const letter& sent) {
    const bool is_of_b = sent.from == nodes.world.find("b").address;
    digests += is_of_b && sent.content.kind == message_kind::digest ? 1 : 0;
    return true;
  };

  nodes.world.exchange("b", "a");

  // An exchange carries 128 datagrams of a value at most, or 131,072 bytes.
  CHECK(digests == 1 + 16);
  CHECK(nodes.b.stats().partial_bytes > std::size_t{17 * 110'000});
  CHECK(nodes.b.stats().partial_bytes <= std::size_t{17 * 131'072});
  CHECK(nodes.b.stats().parked_bytes == 0);
  nodes.world.round("b");
  nodes.world.round("b");
  CHECK(digests <= 3 * 17);
  CHECK(value_of(nodes.b, "a", "large") == large);
  CHECK(nodes.a.stats().fragments_sent <= nodes.b.stats().fragments_applied + 3);
}

TEST_CASE("exchange_values: it goes on where it stopped by another node that has it") {
  pair_of_nodes nodes;
  protocol& c = nodes.world.add(make_large_config("c"));
  const std::string large = make_bytes(100'000, 1);
  REQUIRE(nodes.a.set("large", large));
  nodes.world.stop("b");
  nodes.world.exchange("c", "a");
  REQUIRE(value_of(c, "a", "large") == large);
  nodes.world.resume("b");
  nodes.world.stop("c");
  nodes.exchange_with(40);
  REQUIRE(nodes.b.stats().partial_bytes > 30'000);

  nodes.world.stop("a");
  nodes.world.resume("c");
  nodes.world.exchange("b", "c");

  CHECK(value_of(nodes.b, "a", "large") == large);
  CHECK(c.stats().fragments_sent < 75);
}

TEST_CASE(
    "exchange_values: who asks for more than the digest told says in its request where it "
    "stopped") {
  pair_of_nodes nodes;
  const std::string large = make_bytes(100'000, 1);
  REQUIRE(nodes.a.set("large", large));
  nodes.exchange_with(40);
  const std::size_t held = nodes.b.stats().partial_bytes;
  std::uint32_t first_offset = 0;
  nodes.world.on_send = [&first_offset](const letter& sent) {
    if (fragments_in(sent) > 0 && first_offset == 0) {
      first_offset = sent.content.deltas.front().after.offset;
      CHECK(sent.content.kind == message_kind::deltas);
    }
    return true;
  };

  nodes.world.exchange("a", "b");  // leg 1 is the owner's

  CHECK(first_offset == held);
  CHECK(value_of(nodes.b, "a", "large") == large);
}

TEST_CASE("exchange_values: overwritten midway, the partial goes and the newer value comes") {
  pair_of_nodes nodes;
  REQUIRE(nodes.a.set("large", make_bytes(50'000, 1)));
  nodes.exchange_with(20);
  REQUIRE(nodes.b.stats().partial_bytes > 0);

  SUBCASE("by a small one") {
    REQUIRE(nodes.a.set("large", "small"));
    nodes.round_of_each();
    CHECK(value_of(nodes.b, "a", "large") == "small");
  }
  SUBCASE("by a large one, with what stood behind") {
    REQUIRE(nodes.a.set("behind", "1"));
    REQUIRE(nodes.a.set("large", make_bytes(60'000, 2)));
    nodes.round_of_each();
    CHECK(value_of(nodes.b, "a", "behind") == "1");
    CHECK(value_of(nodes.b, "a", "large") == make_bytes(60'000, 2));
  }
  SUBCASE("by a large one that stops midway too") {
    REQUIRE(nodes.a.set("large", make_bytes(60'000, 2)));
    nodes.exchange_with(20);
    CHECK(value_of(nodes.b, "a", "large") == "-");
    nodes.round_of_each();
    CHECK(value_of(nodes.b, "a", "large") == make_bytes(60'000, 2));
  }
  CHECK(nodes.version_at_b() == nodes.a.version());
  CHECK(nodes.b.stats().partial_bytes == 0);
  CHECK(drops(nodes.b, drop_reason::fragment) == 0);
}

TEST_CASE("exchange_values: erased midway, the partial goes") {
  pair_of_nodes nodes;
  REQUIRE(nodes.a.set("large", make_bytes(50'000, 1)));
  nodes.exchange_with(20);
  REQUIRE(nodes.b.stats().partial_bytes > 0);
  REQUIRE(nodes.a.erase("large"));

  nodes.round_of_each();

  CHECK(value_of(nodes.b, "a", "large") == "-");
  CHECK(nodes.version_at_b() == nodes.a.version());
  CHECK(nodes.b.stats().partial_bytes == 0);
}

TEST_CASE(
    "exchange_values: the owner starts again midway: nothing of the former run's value stays") {
  pair_of_nodes nodes;
  REQUIRE(nodes.a.set("large", make_bytes(50'000, 1)));
  nodes.exchange_with(20);
  REQUIRE(nodes.b.stats().partial_bytes > 0);

  nodes.world.wall += std::chrono::seconds(10);
  protocol& again = nodes.world.restart("a");
  REQUIRE(again.set("large", make_bytes(50'000, 2)));
  nodes.world.exchange("a", "b");
  nodes.world.exchange("b", "a");

  CHECK(value_of(nodes.b, "a", "large") == make_bytes(50'000, 2));
  CHECK(nodes.b.stats().partial_bytes == 0);
  CHECK(drops(nodes.b, drop_reason::fragment) == 0);
}

TEST_CASE("exchange_values: fragments that come in any order, and twice, make one value") {
  pair_of_nodes nodes;
  const std::string large = make_bytes(60'000, 1);
  REQUIRE(nodes.a.set("large", large));
  nodes.a.join(nodes.world.find("b").address);
  std::vector<const letter*> held;
  letters kept;
  nodes.world.on_send = [&](const letter& sent) {
    if (fragments_in(sent) == 0) return true;
    held.push_back(&kept.emplace_back(sent.content, sent.from, sent.to));
    return false;
  };
  nodes.world.exchange("b", "a");
  REQUIRE(held.size() > 50);

  random_source draws(7);
  const auto count = held.size();
  for (std::size_t i = 0; i < count; i += 2) held.push_back(held[i]);
  for (std::size_t i = held.size(); i > 1; --i) std::swap(held[i - 1], held[draws.below(i)]);
  for (const letter* sent : held) nodes.world.deliver(*sent);

  CHECK(value_of(nodes.b, "a", "large") == large);
  CHECK(drops(nodes.b, drop_reason::fragment) == 0);
  CHECK(nodes.b.stats().parked_bytes == 0);
}

TEST_CASE("exchange_values: what is lost of a window is all that is sent again, in time") {
  struct wanted {
    std::size_t bytes;
    unsigned percent;
    int rounds_max;
  };
  // The window of an exchange carries about 110 kB, and there are up to 17 a round. In order alone,
  // one would get 4 fragments further at 20 % loss.
  for (const wanted& one :
       {wanted{65'536, 0, 1}, wanted{65'536, 5, 4}, wanted{65'536, 20, 8}, wanted{1 << 20, 0, 1},
        wanted{1 << 20, 5, 14}, wanted{1 << 20, 20, 50}, wanted{offset_max, 0, 10},
        wanted{offset_max, 5, 110}, wanted{offset_max, 20, 700}}) {
    pair_of_nodes nodes;
    const std::string large = make_bytes(one.bytes, 1);
    REQUIRE(nodes.a.set("large", large));
    random_source draws(one.percent);
    nodes.world.on_send = [&](const letter&) { return draws.below(100) >= one.percent; };

    int rounds = 0;
    const std::uint64_t version = nodes.a.version();
    while (nodes.version_at_b() < version && rounds < 1000) {
      nodes.round_of_each();
      ++rounds;
    }

    MESSAGE(one.bytes, " bytes at ", one.percent, " % loss: ", rounds, " rounds");
    CHECK(rounds <= one.rounds_max);
    CHECK(value_of(nodes.b, "a", "large") == large);
  }
}

TEST_CASE("exchange_values: a large value does not delay other owners' small news") {
  small_cluster world;
  protocol& a = world.add(make_large_config("a"));
  protocol& b = world.add(make_large_config("b"));
  protocol& c = world.add(make_large_config("c"));
  world.exchange("a", "b");
  world.exchange("c", "b");
  world.exchange("a", "b");
  world.stop("c");
  REQUIRE(a.set("large", make_bytes(1 << 20, 1)));
  REQUIRE(b.set("small", "1"));
  for (int i = 0; i < 12; ++i) world.exchange("b", "a");
  REQUIRE(value_of(b, "a", "large") == make_bytes(1 << 20, 1));
  world.resume("c");
  std::size_t datagrams = 0;
  std::size_t datagrams_before = 0;
  world.on_send = [&](const letter& sent) {
    if (sent.from != world.find("b").address) return true;
    ++datagrams;
    for (const entry_view& entry : sent.content.entries) {
      if (entry.key == "small" && datagrams_before == 0) datagrams_before = datagrams;
    }
    return true;
  };

  world.exchange("c", "b");

  CHECK(value_of(c, "b", "small") == "1");
  CHECK(datagrams > 100);
  CHECK(datagrams_before <= 3);  // identities, and at most one turn of a
}

TEST_CASE("exchange_values: set takes them up to value_bytes_max, and no byte more") {
  small_cluster world;
  protocol& a = world.add("a");
  CHECK(a.set(std::string(255, 'k'), std::string(65536, 'v')) == 1);

  const auto refused = a.set("k", std::string(65537, 'v'));

  REQUIRE_FALSE(refused);
  CHECK(refused.error() == make_error_code(errc::value_too_large));
  CHECK(a.version() == 1);
}

TEST_CASE(
    "exchange_values: written where datagrams are larger, they go on where they are smaller") {
  small_cluster world;
  config wide = make_large_config("wide");
  wide.datagram_bytes_max = 9000;
  protocol& a = world.add(wide);
  protocol& b = world.add("b");
  protocol& c = world.add("c");
  world.exchange("wide", "b");
  world.exchange("b", "c");
  world.stop("c");
  const std::string value = make_bytes(5000, 1);
  REQUIRE(a.set("k", value));
  REQUIRE(a.set("behind", "1"));
  world.exchange("b", "wide");
  REQUIRE(value_of(b, "wide", "k") == value);
  REQUIRE(a.stats().fragments_sent == 0);

  world.stop("wide");
  world.resume("c");
  world.exchange("c", "b");

  CHECK(value_of(c, "wide", "k") == value);
  CHECK(value_of(c, "wide", "behind") == "1");
}

// ------------------------------------------------------------------------------------- hostile

TEST_CASE(
    "exchange_values: one above my value_bytes_max is refused once, and nothing of it is asked "
    "again") {
  for (const bool is_whole : {false, true}) {
    CAPTURE(is_whole);
    config small = make_config("b");
    small.value_bytes_max = 4096;
    config wide = make_large_config("a");
    if (is_whole) wide.datagram_bytes_max = 9000;
    pair_of_nodes nodes(wide, small);
    change_cursor cursor;
    static_cast<void>(read_events(nodes.b, cursor));
    REQUIRE(nodes.a.set("k", make_bytes(4097, 1)));

    nodes.world.exchange("b", "a");
    const std::uint64_t sent = nodes.a.stats().fragments_sent + nodes.a.stats().entries_sent;
    std::string events = read_events(nodes.b, cursor);
    for (int i = 0; i < 20; ++i) nodes.world.exchange("b", "a");

    CHECK(events == "error a\n");
    CHECK(read_events(nodes.b, cursor) == "");
    CHECK(drops(nodes.b, drop_reason::capacity) > 0);
    CHECK(nodes.a.stats().fragments_sent + nodes.a.stats().entries_sent == sent);
    CHECK(nodes.b.stats().partial_bytes == 0);
  }
}

TEST_CASE("exchange_values: a total is not believed: memory grows with what comes") {
  forger hostile;
  const std::string value(offset_max, 'v');
  forged fragment("k", value, 1);

  static_cast<void>(fragment.send(hostile.by, 0, 1000));

  CHECK(hostile.node.stats().partial_bytes == 1000);
}

TEST_CASE("exchange_values: of all peers together no more is under way than partial_bytes_max") {
  config settings = make_config("a");
  settings.partial_bytes_max = 100'000;
  forger hostile(settings);
  const std::string value = make_bytes(60'000, 1);
  forged first("k", value, 1);
  static_cast<void>(first.send(hostile.by, 0, 1000));
  puppet second_by(hostile.world, "a", "q", 2);
  second_by.enter();
  forged second("k", value, 1);

  static_cast<void>(second.send(second_by, 0, 1000));
  CHECK(drops(hostile.node, drop_reason::capacity) == 1);
  CHECK(hostile.node.stats().partial_bytes == 1000);

  // The value that was let in can be completed, and makes room.
  static_cast<void>(first.send(hostile.by, 1000, value.size()));
  CHECK(value_of(hostile.node, "p", "k") == value);
  static_cast<void>(second.send(second_by, 0, value.size()));
  CHECK(value_of(hostile.node, "q", "k") == value);
}

TEST_CASE("exchange_values: a peer that never sends the rest is given up, and may begin anew") {
  config settings = make_config("a");
  settings.partial_bytes_max = 65'536;
  forger hostile(settings);
  const std::string value = make_bytes(60'000, 1);
  forged fragment("k", value, 1);
  static_cast<void>(fragment.send(hostile.by, 0, 1000));
  // 16 rounds, and two for each peer.
  for (int i = 0; i < 18; ++i) hostile.world.round("a");
  CHECK(hostile.node.stats().partial_bytes == 1000);

  hostile.world.round("a");

  CHECK(hostile.node.stats().partial_bytes == 0);
}

TEST_CASE(
    "exchange_values: a fragment that contradicts those before discards them, and nothing is "
    "shown") {
  const std::string value = make_bytes(5000, 1);
  const std::string other = make_bytes(5000, 2);
  forger hostile;
  forged good("k", value, 1);
  static_cast<void>(good.send(hostile.by, 0, 1000));
  forged bad("k", value, 1);
  bool is_contradiction = true;

  SUBCASE("another length") {
    bad.delta.value_bytes = 5001;
    static_cast<void>(bad.send(hostile.by, 1000, 1000));
  }
  SUBCASE("another checksum") {
    bad.delta.value_checksum ^= 1;
    static_cast<void>(bad.send(hostile.by, 1000, 1000));
  }
  SUBCASE("another key") {
    bad.entry.key = "l";
    static_cast<void>(bad.send(hostile.by, 1000, 1000));
  }
  SUBCASE("a last byte that the checksum does not know") {
    forged wrong("k", other, 1);
    wrong.delta.value_checksum = good.delta.value_checksum;
    static_cast<void>(wrong.send(hostile.by, 1000, 4000));
  }
  SUBCASE("none: the twin") {
    is_contradiction = false;
    static_cast<void>(bad.send(hostile.by, 1000, 4000));
  }

  CHECK(drops(hostile.node, drop_reason::fragment) == (is_contradiction ? 1 : 0));
  CHECK(value_of(hostile.node, "p", "k") == (is_contradiction ? "-" : value));
  CHECK(hostile.node.stats().partial_bytes == 0);
  CHECK(hostile.version() == (is_contradiction ? 0 : 1));
}

TEST_CASE("exchange_values: an older value does not displace the newer one that is under way") {
  const std::string value = make_bytes(5000, 1);
  forger hostile;
  forged newer("k", value, 7);
  newer.delta.after.version = 0;
  static_cast<void>(newer.send(hostile.by, 0, 1000));
  forged older("k", value, 5);
  older.delta.after.version = 0;
  static_cast<void>(older.send(hostile.by, 0, 2000));
  CHECK(hostile.node.stats().partial_bytes == 1000);

  static_cast<void>(newer.send(hostile.by, 1000, 4000));
  CHECK(hostile.version() == 7);
}

TEST_CASE(
    "exchange_values: a partial of a version that I have not gets nothing older, unless I am its "
    "owner") {
  pair_of_nodes nodes;
  REQUIRE(nodes.a.set("k", make_bytes(5000, 1)));
  nodes.world.exchange("b", "a");
  REQUIRE(nodes.version_at_b() == 1);
  // Says that it holds nothing of a but a part of its value of that version.
  const auto told = [&](std::string_view node, std::uint64_t version) {
    // Another one each time: to the same one, what went is on its way.
    const std::string name = std::string(node) + std::to_string(version);
    puppet asker(nodes.world, node, name, static_cast<std::uint8_t>(10 + version));
    asker.cookie = asker.verify().front().content.cookie;
    message& draft = asker.begin(message_kind::digest);
    digest_entry mine;
    mine.name_hash = asker.hash();
    mine.generation = asker.generation;
    mine.heartbeat = 1;
    digest_entry of_a;
    of_a.name_hash = hash_of("a");
    of_a.generation = nodes.a.generation();
    draft.sender = mine;
    draft.known.extra = {mine, of_a};
    partial_entry partial;
    partial.name_hash = of_a.name_hash;
    partial.generation = of_a.generation;
    partial.version = version;
    partial.offset = 1000;
    draft.partials.push_back(partial);
    std::size_t fragments = 0;
    for (const letter& answer : asker.send()) fragments += fragments_in(answer);
    return fragments;
  };

  CHECK(told("b", 1) > 0);
  // Its owner wrote that when all before it was as it is there.
  CHECK(told("b", 2) == 0);
  // The owner knows that it never did: somebody forged it.
  CHECK(told("a", 1) > 0);
  CHECK(told("a", 2) > 0);
}

TEST_CASE("exchange_values: who asks for more does not name an owner whose later run it refuses") {
  for (const bool is_refused : {false, true}) {
    CAPTURE(is_refused);
    forger owner;
    puppet teller(owner.world, "a", "q", 2);
    teller.enter();
    const std::uint64_t held = owner.by.generation;
    if (is_refused) {
      owner.by.generation += 2 * 86'400'000U;  // two days ahead
      owner.by.enter();
      REQUIRE(drops(owner.node, drop_reason::far_future) == 1);
    }
    const std::string value = make_bytes(5000, 1);

    message& draft = teller.begin(message_kind::reply);
    draft.more = true;
    delta_view& delta = draft.deltas.emplace_back();
    delta.name_hash = owner.by.hash();
    delta.generation = held;
    delta.upto = position(0, 1000);
    delta.top = 1;
    delta.entry_count = 1;
    delta.value_bytes = 5000;
    delta.value_checksum = checksum_of("k", value);
    draft.entries.push_back(make_entry("k", std::string_view(value).substr(0, 1000), 1));
    std::size_t digests = 0;
    std::size_t named = 0;
    for (const letter& one : teller.send()) {
      if (one.content.kind != message_kind::digest) continue;
      ++digests;
      named += static_cast<std::size_t>(std::count_if(
          one.content.known.extra.begin(), one.content.known.extra.end(),
          [&owner](const digest_entry& entry) { return entry.name_hash == owner.by.hash(); }));
    }

    REQUIRE(owner.node.stats().partial_bytes == 1000);
    CHECK(digests == 1);
    CHECK(named == (is_refused ? 0 : 1));
  }
}

TEST_CASE("exchange_values: a relay tells a new run's value with a checksum of its own") {
  small_cluster world;
  for (const char* name : {"owner", "relay", "reader"}) world.add(make_large_config(name));
  const endpoint owner = world.find("owner").address;
  const endpoint reader = world.find("reader").address;
  world.on_send = [&](const letter& sent) {
    const bool is_between =
        (sent.from == owner && sent.to == reader) || (sent.from == reader && sent.to == owner);
    return !is_between;
  };
  const auto tell_both = [&world] {
    for (int i = 0; i < 2; ++i) {
      world.exchange("relay", "owner");
      world.exchange("owner", "relay");
    }
    for (int i = 0; i < 2; ++i) {
      world.exchange("reader", "relay");
      world.exchange("relay", "reader");
    }
  };
  REQUIRE(world["owner"].set("large", make_bytes(50'000, 1)));
  tell_both();
  REQUIRE(value_of(world["reader"], "owner", "large") == make_bytes(50'000, 1));

  // As large, and at the same version, of the run that follows.
  world.wall += std::chrono::seconds(10);
  protocol& again = world.restart("owner");
  REQUIRE(again.set("large", make_bytes(50'000, 2)));
  tell_both();

  CHECK(value_of(world["reader"], "owner", "large") == make_bytes(50'000, 2));
  CHECK(drops(world["reader"], drop_reason::fragment) == 0);
}

TEST_CASE(
    "exchange_values: a floor that waits takes effect when a large value is the last of its "
    "owner's") {
  forger forging;
  const std::string large = make_bytes(3000, 1);
  const std::string floor("\x03\0\0\0\0\0\0\0", 8);
  static_cast<void>(forging.by.tell(0, 2, {make_entry("k", "1", 1), make_entry("erased", "1", 2)}));
  // It erased that key at 3, which never came here, and compacted; then it wrote a large value.
  static_cast<void>(forging.by.tell(2, 5, {make_entry("k", "1", 4), make_entry("", floor, 5)}, 6));
  REQUIRE(value_of(forging.node, "p", "erased") == "1");

  forged value("large", large, 6);
  for (std::uint32_t offset = 0; offset < large.size(); offset += 1000) {
    static_cast<void>(value.send(forging.by, offset, 1000));
  }

  REQUIRE(value_of(forging.node, "p", "large") == large);
  CHECK(value_of(forging.node, "p", "erased") == "-");
  CHECK(value_of(forging.node, "p", "k") == "1");
}
