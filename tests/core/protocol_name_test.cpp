// Names that a node refuses: two with one hash, and how many of the refused are told of.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "core/protocol.hpp"
#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

// Two names of one hash, under the key of the cluster "default". A walk of 4.0e9 steps found them,
// in some minutes of one core: x -> siphash(key, the 16 hexadecimal digits of x, lowest first).
// Every 2^22nd value was kept as a mark (van Oorschot and Wiener, 1999).
constexpr std::string_view first_name = "a9c797fe962d191d";
constexpr std::string_view second_name = "eb1f23ba41b984c8";

identity_view identity_of(std::string_view name, const puppet& teller) {
  identity_view who = teller.identity();
  who.name = name;
  who.address = endpoint::v4(10, 0, 8, 1, 7000);
  return who;
}

}  // namespace

TEST_CASE("protocol name: a second name with a known hash is refused, told of once and counted") {
  REQUIRE(hash_of(first_name) == hash_of(second_name));
  small_cluster world;
  protocol& a = world.add("a");
  puppet teller(world, "a", "teller", 1);
  teller.enter();
  const identity_view first = identity_of(first_name, teller);
  teller.begin(message_kind::reply).identities.push_back(first);
  static_cast<void>(teller.send());
  REQUIRE(a.is_known(first_name));
  change_cursor cursor;
  static_cast<void>(read_events(a, cursor));

  for (int again = 0; again < 3; ++again) {
    const identity_view second = identity_of(second_name, teller);
    teller.begin(message_kind::reply).identities.push_back(second);
    static_cast<void>(teller.send());
  }

  CHECK(drops(a, drop_reason::name_conflict) == 3);
  CHECK(read_events(a, cursor) == "conflict eb1f23ba41b984c8\n");
  CHECK(a.is_known(first_name));
  CHECK_FALSE(a.is_known(second_name));
  CHECK(a.members(world.now()).size() == 3);
}

TEST_CASE("protocol name: a name with the hash of my own is refused as well") {
  small_cluster world;
  protocol& a = world.add(first_name);
  puppet teller(world, first_name, "teller", 1);
  teller.enter();

  identity_view second = identity_of(second_name, teller);
  second.generation = a.generation() + 1'000;
  teller.begin(message_kind::reply).identities.push_back(second);
  static_cast<void>(teller.send());

  CHECK(drops(a, drop_reason::name_conflict) == 1);
  CHECK(drops(a, drop_reason::about_self) == 0);
  CHECK(a.stats().refutations == 0);
  CHECK(a.find_member(first_name, world.now())->status == peer_status::self);
}

TEST_CASE("protocol name: 64 refused names are told of, all are counted") {
  small_cluster world;
  protocol& a = world.add("a");
  puppet teller(world, "a", "teller", 1);
  teller.enter();
  change_cursor cursor;
  static_cast<void>(read_events(a, cursor));

  for (int number = 0; number < 70; ++number) {
    const std::string name = "early" + std::to_string(number);
    identity_view who = identity_of(name, teller);
    who.generation = teller.generation + 2 * 86'400'000U;  // two days ahead
    teller.begin(message_kind::reply).identities.push_back(who);
    static_cast<void>(teller.send());
  }

  CHECK(drops(a, drop_reason::far_future) == 70);
  const std::string events = read_events(a, cursor);
  CHECK(std::count(events.begin(), events.end(), '\n') == 64);
  CHECK(events.find("error early63\n") != std::string::npos);
  CHECK(events.find("error early64\n") == std::string::npos);
}
