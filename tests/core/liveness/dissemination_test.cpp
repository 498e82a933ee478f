#include "core/liveness/dissemination.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

endpoint host(std::uint8_t number) { return endpoint::v4(10, 0, 0, number, 7000); }

std::vector<slot_index> chosen(dissemination& spreading, std::size_t most) {
  const auto slots = spreading.choose(most);
  return {slots.begin(), slots.end()};
}

wanted_probe leg_to(std::uint8_t number) { return {host(number), number}; }

void expire(dissemination& spreading, std::size_t nodes) {
  spreading.expire(nodes, [](slot_index) { return false; });
}

}  // namespace

TEST_CASE("dissemination: a leg tells of the peers that were told least often") {
  dissemination spreading;
  spreading.tell_anew(5);
  spreading.tell_anew(3);
  CHECK(chosen(spreading, 1) == std::vector<slot_index>{3});
  CHECK(chosen(spreading, 1) == std::vector<slot_index>{5});
  spreading.tell_anew(7);

  CHECK(chosen(spreading, 2) == std::vector<slot_index>{7, 3});
  CHECK(chosen(spreading, 9) == std::vector<slot_index>{5, 7, 3});
}

TEST_CASE("dissemination: each change is told three times log2 n") {
  dissemination spreading;
  spreading.tell_anew(3);
  for (int time = 0; time < 11; ++time) static_cast<void>(spreading.choose(1));
  expire(spreading, 10);
  CHECK_FALSE(spreading.is_done(3, 10));
  CHECK(spreading.size() == 1);

  static_cast<void>(spreading.choose(1));
  CHECK(spreading.is_done(3, 10));
  expire(spreading, 16);
  CHECK(spreading.size() == 1);  // more nodes need more
  expire(spreading, 10);
  CHECK(spreading.is_empty());

  spreading.tell_anew(3);
  CHECK_FALSE(spreading.is_done(3, 10));
  CHECK(spreading.size() == 1);
}

TEST_CASE("dissemination: of a peer that is over, or forgotten, nothing is told") {
  dissemination spreading;
  for (const slot_index slot : {1U, 2U, 3U}) spreading.tell_anew(slot);
  spreading.expire(10, [](slot_index slot) { return slot == 2; });
  spreading.forget(3);
  spreading.forget(60);  // never told

  CHECK(chosen(spreading, 9) == std::vector<slot_index>{1});
  spreading.clear();
  CHECK(spreading.is_empty());
}

TEST_CASE("dissemination: while a change is news, two more legs a round tell it") {
  dissemination spreading;
  spreading.plan_legs(10s, 1s, 7);
  CHECK(spreading.legs_left() == 0);  // nothing to tell

  spreading.spread(3, 10s);
  spreading.plan_legs(14s, 1s, 7);  // three bits, and one round
  REQUIRE(spreading.legs_left() == 2);
  spreading.count_leg();
  CHECK(spreading.legs_left() == 1);
  spreading.end_legs();
  CHECK(spreading.legs_left() == 0);

  spreading.plan_legs(14s + 1ns, 1s, 7);
  CHECK(spreading.legs_left() == 0);
  spreading.tell_anew(4);  // by the usual legs only
  spreading.plan_legs(15s, 1s, 7);
  CHECK(spreading.legs_left() == 0);
}

TEST_CASE("dissemination: the first answer to an address in a round tells") {
  dissemination spreading;
  CHECK_FALSE(spreading.try_visit(host(2)));  // nothing to tell
  spreading.tell_anew(3);
  CHECK(spreading.try_visit(host(2)));
  CHECK_FALSE(spreading.try_visit(host(2)));
  CHECK(spreading.try_visit(host(3)));
  CHECK(spreading.addresses() == 2);

  spreading.begin_round(0);
  CHECK(spreading.try_visit(host(2)));
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(spreading.try_visit(host(static_cast<std::uint8_t>(100 + i))));
  }
  CHECK(spreading.addresses() == dissemination::addresses_max);
}

TEST_CASE("dissemination: a short leg is remembered for some rounds, and taken once") {
  dissemination spreading;
  spreading.remember(leg_to(2), 5);
  spreading.remember(leg_to(3), 6);
  REQUIRE(spreading.take_leg(2).has_value());
  CHECK_FALSE(spreading.take_leg(2).has_value());

  spreading.begin_round(6);
  spreading.remember(leg_to(4), 7);
  spreading.begin_round(7);
  CHECK_FALSE(spreading.take_leg(3).has_value());
  CHECK(spreading.take_leg(4)->to == host(4));

  for (std::size_t i = 0; i <= dissemination::short_legs_max; ++i) {
    spreading.remember(leg_to(static_cast<std::uint8_t>(10 + i)), 8);
  }
  CHECK_FALSE(spreading.take_leg(10).has_value());  // the oldest went
  CHECK(spreading.take_leg(11).has_value());
}
