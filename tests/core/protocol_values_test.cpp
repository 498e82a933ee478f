// Values that span datagrams, between whole protocols: how soon a transfer goes on, over rounds and
// beside loss. The rules of one exchange: exchange/exchange_values_test.cpp.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gossipmonger/testing/random.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;

namespace {

/// Bytes that differ from place to place and from value to value.
std::string make_bytes(std::size_t count, std::uint64_t seed) {
  random_source draws(seed);
  std::string bytes(count, ' ');
  for (char& byte : bytes) byte = static_cast<char>(draws.next() & 0xff);
  return bytes;
}

config make_large_config(std::string_view name, std::size_t exchange_bytes_max) {
  config settings = make_config(name);
  settings.exchange_bytes_max = exchange_bytes_max;
  settings.value_bytes_max = offset_max;
  return settings;
}

/// Two nodes that know each other; of `a` the other holds everything.
class pair_of_nodes {
 public:
  explicit pair_of_nodes(std::size_t exchange_bytes_max = config().exchange_bytes_max)
      : a(world.add(make_large_config("a", exchange_bytes_max))),
        b(world.add(make_large_config("b", exchange_bytes_max))) {
    world.exchange("a", "b");
    world.exchange("b", "a");
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

}  // namespace

TEST_CASE("protocol values: a node that gets a part asks for more at once, 256 times a round") {
  pair_of_nodes nodes(1200);  // one datagram an exchange, with about 990 bytes of the value
  const std::string large = make_bytes(500'000, 1);
  REQUIRE(nodes.a.set("large", large));
  std::size_t digests = 0;
  nodes.world.on_send = [&](const letter& sent) {
    const bool is_of_b = sent.from == nodes.world.find("b").address;
    digests += is_of_b && sent.content.kind == message_kind::digest ? 1 : 0;
    return true;
  };

  nodes.world.exchange("b", "a");

  CHECK(digests == 1 + 256);
  CHECK(nodes.b.stats().partial_bytes > std::size_t{257 * 980});
  CHECK(nodes.b.stats().partial_bytes <= std::size_t{257 * 1000});
  CHECK(nodes.b.stats().parked_bytes == 0);
  nodes.world.round("b");
  nodes.world.round("b");
  CHECK(digests <= 3 * 257);
  CHECK(value_of(nodes.b, "a", "large") == large);
  CHECK(nodes.a.stats().fragments_sent <= nodes.b.stats().fragments_applied + 3);
}

TEST_CASE("protocol values: what is lost of a window is all that is sent again, in time") {
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

TEST_CASE("protocol values: set takes values up to value_bytes_max, and no byte more") {
  small_cluster world;
  protocol& a = world.add("a");
  CHECK(a.set(std::string(255, 'k'), std::string(65536, 'v')) == 1);

  const auto refused = a.set("k", std::string(65537, 'v'));

  REQUIRE_FALSE(refused);
  CHECK(refused.error() == make_error_code(errc::value_too_large));
  CHECK(a.version() == 1);
}

TEST_CASE("protocol values: one written in larger datagrams goes on where they are smaller") {
  small_cluster world;
  config wide = make_large_config("wide", config().exchange_bytes_max);
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
