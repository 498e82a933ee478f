#include "core/membership/peer_ring.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

using namespace gossipmonger;

namespace {

std::vector<slot_index> turn(peer_ring& ring, random_source& draws) {
  std::vector<slot_index> met;
  for (std::size_t i = 0; i < ring.size(); ++i) met.push_back(ring.next(draws));
  return met;
}

peer_ring make_ring(slot_index slots, random_source& draws) {
  peer_ring ring;
  for (slot_index slot = 1; slot <= slots; ++slot) ring.add(slot, draws);
  return ring;
}

}  // namespace

TEST_CASE("peer_ring: everyone is met once in a turn") {
  random_source draws(1);
  peer_ring ring = make_ring(20, draws);

  for (int i = 0; i < 5; ++i) {
    const std::vector<slot_index> met = turn(ring, draws);
    CHECK(std::set<slot_index>(met.begin(), met.end()).size() == 20);
  }
}

TEST_CASE("peer_ring: turns differ in their order") {
  random_source draws(1);
  peer_ring ring = make_ring(20, draws);

  CHECK(turn(ring, draws) != turn(ring, draws));
}

TEST_CASE("peer_ring: nobody waits for more than two turns less one, whoever comes between") {
  random_source draws(3);
  peer_ring ring = make_ring(10, draws);
  std::size_t waited = 0;
  std::size_t longest = 0;
  for (int i = 0; i < 400; ++i) {
    waited = ring.next(draws) == 7 ? 0 : waited + 1;
    longest = std::max(longest, waited);
  }

  CHECK(longest <= 18);  // last of one turn, first of ... the one after: 9 + 9 others between
  CHECK(longest > 9);
}

TEST_CASE("peer_ring: who comes in the middle of a turn is met in that turn") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_source draws(seed);
    peer_ring ring = make_ring(10, draws);
    for (int i = 0; i < 5; ++i) static_cast<void>(ring.next(draws));

    ring.add(99, draws);

    std::vector<slot_index> rest;
    for (int i = 0; i < 6; ++i) rest.push_back(ring.next(draws));
    CHECK(std::count(rest.begin(), rest.end(), slot_index{99}) == 1);
  }
}

TEST_CASE("peer_ring: who goes is not met, and nobody is skipped or met twice for it") {
  for (slot_index gone = 1; gone <= 10; ++gone) {
    random_source draws(gone);
    peer_ring ring = make_ring(10, draws);
    std::vector<slot_index> met;
    for (int i = 0; i < 5; ++i) met.push_back(ring.next(draws));
    const bool was_met = std::count(met.begin(), met.end(), gone) == 1;

    ring.remove(gone);
    CHECK(ring.size() == 9);
    for (int i = 0; i < (was_met ? 5 : 4); ++i) met.push_back(ring.next(draws));

    const std::set<slot_index> distinct(met.begin(), met.end());
    CHECK(distinct.size() == met.size());
    CHECK(met.size() == (was_met ? 10 : 9));
    CHECK((was_met || !distinct.contains(gone)));
  }
}

TEST_CASE("peer_ring: removing an unknown peer is nothing") {
  random_source draws(1);
  peer_ring ring = make_ring(3, draws);

  ring.remove(77);

  CHECK(ring.size() == 3);
}

TEST_CASE("peer_ring: one alone is met every time") {
  random_source draws(1);
  peer_ring ring = make_ring(1, draws);

  for (int i = 0; i < 3; ++i) CHECK(ring.next(draws) == 1);
}
