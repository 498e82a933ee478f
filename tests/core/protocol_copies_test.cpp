// A node's account of its copies at others, and where it finds them: never more than they told.
#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

/// A puppet with a verified address tells "a" of a run above its own.
void tell_of_newer(small_cluster& world, puppet& teller) {
  protocol& a = world["a"];
  static_cast<void>(teller.verify());
  message& told = teller.begin(message_kind::digest);
  told.known.extra.push_back(told.sender);
  told.receiver.name_hash = hash_of("a");
  told.receiver.generation = a.generation() + 5;
  static_cast<void>(teller.send());
}

/// Where the next round of "a" sends to, of which nothing arrives.
std::vector<endpoint> addresses_in_round(small_cluster& world) {
  std::vector<endpoint> to;
  world.on_send = [&to](const letter& sent) {
    to.push_back(sent.to);
    return false;
  };
  world.round("a");
  world.on_send = nullptr;
  return to;
}

}  // namespace

TEST_CASE("copies: after a refutation nobody holds what was written, until it is told again") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  REQUIRE(a.set("k", "1"));
  world.exchange("a", "b");
  world.exchange("b", "a");
  REQUIRE(a.replicated(1).live_holding == 1);
  REQUIRE(a.find_member("b", world.now())->backlog == 0);
  puppet teller(world, "a", "teller", 1);

  tell_of_newer(world, teller);

  REQUIRE(a.stats().refutations == 1);
  CHECK(a.replicated(1).holding == 0);
  CHECK(a.find_member("b", world.now())->backlog == 1);
  CHECK(a.stats().backlog_max == 1);
  world.exchange("a", "b");
  world.exchange("b", "a");
  CHECK(a.replicated(1).live_holding == 1);
  CHECK(a.find_member("b", world.now())->backlog == 0);
}

TEST_CASE("copies: a peer that is back at its own address is sent to there") {
  small_cluster world;
  world.add("a");
  puppet p(world, "a", "p", 1);
  p.enter();
  const endpoint own = p.address;
  const auto speak_from = [&p](const endpoint& address) {
    p.address = address;
    p.cookie = 0;
    static_cast<void>(p.verify());
    ++p.heartbeat;
    p.begin(message_kind::reply);
    static_cast<void>(p.send());
  };
  endpoint other = own;
  other.port = 9999;
  speak_from(other);
  REQUIRE(addresses_in_round(world) == std::vector<endpoint>{other});

  speak_from(own);

  CHECK(addresses_in_round(world) == std::vector<endpoint>{own});
}
