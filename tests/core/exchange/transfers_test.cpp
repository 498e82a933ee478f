#include "core/exchange/transfers.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Entries of the owner in `slot` from the sender at 10.0.0.`host`, who has all up to 100.
transfer make_part(slot_index slot, std::uint8_t host, std::uint64_t round) {
  transfer part;
  part.slot = slot;
  part.source = endpoint::v4(10, 0, 0, host, 7000);
  part.remote_hash = host;
  part.round = round;
  part.last = round * 1s;
  part.wanted = 100;
  return part;
}

std::vector<slot_index> slots_of(const transfers& all) {
  std::vector<slot_index> slots;
  for (const transfer& one : all.all()) slots.push_back(one.slot);
  return slots;
}

}  // namespace

TEST_CASE("transfers: the sender that was asked goes on, another one is not taken") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  all.handle_asked(1, 20);

  CHECK(all.handle_part(make_part(1, 5, 11)));
  CHECK_FALSE(all.handle_part(make_part(1, 6, 11)));

  REQUIRE(all.all().size() == 1);
  CHECK(all.all()[0].source == endpoint::v4(10, 0, 0, 5, 7000));
  CHECK(all.all()[0].remote_hash == 5);
  CHECK(all.all()[0].round == 11);
  CHECK(all.all()[0].asked_upto == 20);
}

TEST_CASE("transfers: before a sender was asked, the latest one takes its place") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  CHECK_FALSE(all.is_brought(1));

  CHECK(all.handle_part(make_part(1, 6, 10)));
  all.handle_asked(1, 20);

  CHECK(all.all()[0].remote_hash == 6);
  CHECK(all.is_brought(1));
  CHECK_FALSE(all.is_brought(2));
}

TEST_CASE("transfers: another sender takes over once the first was idle for over two rounds") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  all.handle_asked(1, 20);

  CHECK_FALSE(all.handle_part(make_part(1, 6, 12)));
  CHECK(all.handle_part(make_part(1, 6, 13)));

  REQUIRE(all.all().size() == 1);
  CHECK(all.all()[0].remote_hash == 6);
  CHECK_FALSE(all.is_brought(1));
}

TEST_CASE("transfers: a full table takes no further owner, but entries of those it has") {
  transfers all;
  for (slot_index slot = 1; slot <= 64; ++slot) CHECK(all.handle_part(make_part(slot, 5, 1)));

  CHECK_FALSE(all.handle_part(make_part(65, 5, 1)));
  CHECK(all.handle_part(make_part(64, 5, 2)));

  CHECK(all.all().size() == 64);
}

TEST_CASE("transfers: a round ends a transfer that was idle for over two rounds") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  CHECK(all.handle_part(make_part(2, 5, 10)));
  all.handle_asked(1, 20);
  all.handle_asked(2, 20);
  all.handle_last(make_part(2, 5, 11));

  all.begin_round(12);
  CHECK(slots_of(all) == std::vector<slot_index>{1, 2});
  all.begin_round(13);
  CHECK(slots_of(all) == std::vector<slot_index>{2});
}

TEST_CASE("transfers: a round ends a transfer whose sender was not asked for more") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  CHECK(all.handle_part(make_part(2, 5, 10)));
  all.handle_asked(2, 20);

  all.begin_round(11);

  CHECK(slots_of(all) == std::vector<slot_index>{2});
}

TEST_CASE("transfers: one ends when all is here that its sender had when it was asked") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  all.handle_asked(1, 20);
  transfer later = make_part(1, 5, 10);
  later.wanted = 200;
  CHECK(all.handle_part(later));

  all.handle_held(1, 99, false);
  all.handle_held(1, 100, true);  // a part of a value is under way
  CHECK(all.is_brought(1));
  all.handle_held(1, 100, false);
  CHECK_FALSE(all.is_brought(1));
  CHECK(all.is_empty());
}

TEST_CASE("transfers: a forgotten peer's transfer goes, the others stay") {
  transfers all;
  CHECK(all.handle_part(make_part(1, 5, 10)));
  CHECK(all.handle_part(make_part(2, 5, 10)));

  all.forget(1);

  CHECK(slots_of(all) == std::vector<slot_index>{2});
}

TEST_CASE("transfers: 256 legs a round ask for more, and the next round as many again") {
  transfers all;
  for (std::size_t i = 0; i < 256; ++i) {
    REQUIRE(all.may_continue());
    all.handle_continued();
  }
  CHECK_FALSE(all.may_continue());

  all.begin_round(1);

  CHECK(all.may_continue());
}

TEST_CASE("spared_of: all that is parked, where every gap was lost") {
  const std::vector<spared_interval> parked = {{9, 5, 10}, {9, 12, 20}};

  CHECK(spared_of(parked, 20, false) == parked);
  CHECK(spared_of(parked, version_max, false) == parked);
  CHECK(spared_of({}, 7, true).empty());
}

TEST_CASE("spared_of: what is missing above the lost versions may be on its way") {
  const std::vector<spared_interval> parked = {{9, 5, 10}, {9, 12, 20}};

  // (10, 11] was lost.
  CHECK(spared_of(parked, 11, false) == std::vector<spared_interval>{{9, 5, 10}, {9, 11, 20}});
  // Of (10, 12] nothing was.
  CHECK(spared_of(parked, 7, false) == std::vector<spared_interval>{{9, 5, 20}});
  CHECK(spared_of(parked, 3, false) == std::vector<spared_interval>{{9, 3, 20}});
}

TEST_CASE(
    "spared_of: without room, or beyond 24 intervals, nothing behind the last gap is wanted") {
  const std::vector<spared_interval> parked = {{9, 5, 10}, {9, 12, 20}};
  std::vector<spared_interval> many;
  for (std::uint64_t i = 1; i <= 25; ++i) many.emplace_back(9, 10 * i, 10 * i + 5);
  std::vector<spared_interval> first(many.begin(), many.begin() + 24);

  CHECK(spared_of(first, version_max, false) == first);
  first.back().upto = version_max;
  CHECK(spared_of(many, version_max, false) == first);
  CHECK(spared_of(parked, version_max, true) ==
        std::vector<spared_interval>{{9, 5, 10}, {9, 12, version_max}});
}

}  // namespace gossipmonger
