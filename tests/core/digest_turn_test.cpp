// A digest that has no room for everybody goes on in the next: how soon all were told of.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

namespace gossipmonger {

namespace {

/// Rows that a digest of so many datagrams of 1200 bytes is sure to tell of. Each datagram has
/// places for 43 rows besides sender and receiver; 16 places of the first are for the latest
/// changes.
constexpr std::size_t rows_a_digest(std::size_t datagrams) { return 43 * datagrams - 16; }

/// Digests to a verified peer until all of 1,000 stood in one of them.
std::size_t count_digests(std::size_t datagrams) {
  small_cluster world;
  config settings = make_config("a");
  settings.digest_datagrams_max = datagrams;
  settings.suspicion_rounds = 0;  // suspicions of peers that never answer would take places
  protocol& node = world.add(settings);
  puppet by(world, "a", "p", 1);
  by.enter();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 998; ++i) names.push_back("peer " + std::to_string(i));
  for (std::size_t i = 0; i < names.size(); ++i) {
    identity_view who = by.identity();
    who.name = names[i];
    who.address = endpoint::v4(10, 1, static_cast<std::uint8_t>(i / 250),
                               static_cast<std::uint8_t>(i % 250 + 1), 7000);
    by.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(by.send());
  }
  REQUIRE(node.stats().peers_known == 999);

  std::set<std::uint64_t> told;
  std::size_t digests = 0;
  bool is_begun = false;
  world.on_send = [&](const letter& sent) {
    if (sent.to != by.address || sent.content.kind != message_kind::digest) return false;
    if (!is_begun) ++digests;
    is_begun = true;
    for (const packed_entry& entry : sent.content.known.range) told.insert(entry.name_hash);
    return false;
  };
  for (int round = 0; round < 200 && told.size() < 1000; ++round) {
    is_begun = false;
    // It stays live, and verified.
    ++by.heartbeat;
    static_cast<void>(by.begin(message_kind::reply));
    world.deliver(letter(by.draft, by.address, world.find("a").address));
    world.round("a");
  }
  CHECK(told.size() == 1000);
  return digests;
}

}  // namespace

TEST_CASE("digest: of 1,000 all are told of in 1,000 / (43 D - 16) digests of D datagrams") {
  CHECK(rows_a_digest(8) == 328);
  CHECK(count_digests(8) == 4);
  CHECK(count_digests(2) <= (1000 + 69) / 70);
  CHECK(count_digests(2) >= 1000 / 86);
  CHECK(count_digests(24) == 1);
}

}  // namespace gossipmonger
