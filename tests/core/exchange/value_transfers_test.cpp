#include "core/exchange/value_transfers.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

/// A part of the value of the peer in `slot`, from the sender at 10.0.0.`host`.
value_transfer make_part(slot_index slot, std::uint8_t host, std::uint64_t round) {
  value_transfer part;
  part.slot = slot;
  part.source = endpoint::v4(10, 0, 0, host, 7000);
  part.remote_hash = host;
  part.round = round;
  return part;
}

bool every(slot_index) { return true; }

std::vector<slot_index> slots_of(const value_transfers& transfers) {
  std::vector<slot_index> slots;
  for (const value_transfer& one : transfers.all()) slots.push_back(one.slot);
  return slots;
}

}  // namespace

TEST_CASE("value_transfers: the sender of the first part goes on, another one is not taken") {
  value_transfers transfers;

  CHECK(transfers.handle_part(make_part(1, 5, 10)));
  CHECK(transfers.handle_part(make_part(1, 5, 11)));
  CHECK_FALSE(transfers.handle_part(make_part(1, 6, 11)));

  REQUIRE(transfers.all().size() == 1);
  CHECK(transfers.all()[0].source == endpoint::v4(10, 0, 0, 5, 7000));
  CHECK(transfers.all()[0].remote_hash == 5);
  CHECK(transfers.all()[0].round == 11);
}

TEST_CASE(
    "value_transfers: another sender takes over once the first was idle for over two rounds") {
  value_transfers transfers;
  CHECK(transfers.handle_part(make_part(1, 5, 10)));

  CHECK_FALSE(transfers.handle_part(make_part(1, 6, 12)));
  CHECK(transfers.handle_part(make_part(1, 6, 13)));

  REQUIRE(transfers.all().size() == 1);
  CHECK(transfers.all()[0].source == endpoint::v4(10, 0, 0, 6, 7000));
  CHECK(transfers.all()[0].remote_hash == 6);
}

TEST_CASE("value_transfers: a full table takes no further value, but parts of those it has") {
  value_transfers transfers;
  for (slot_index slot = 1; slot <= 16; ++slot) CHECK(transfers.handle_part(make_part(slot, 5, 1)));

  CHECK_FALSE(transfers.handle_part(make_part(17, 5, 1)));
  CHECK(transfers.handle_part(make_part(16, 5, 2)));

  CHECK(transfers.all().size() == 16);
}

TEST_CASE("value_transfers: a round ends a transfer that was idle for over two rounds") {
  value_transfers transfers;
  CHECK(transfers.handle_part(make_part(1, 5, 10)));
  CHECK(transfers.handle_part(make_part(2, 5, 11)));

  transfers.begin_round(12, every);
  CHECK(slots_of(transfers) == std::vector<slot_index>{1, 2});
  transfers.begin_round(13, every);
  CHECK(slots_of(transfers) == std::vector<slot_index>{2});
}

TEST_CASE("value_transfers: a round ends a transfer whose value is whole") {
  value_transfers transfers;
  CHECK(transfers.handle_part(make_part(1, 5, 10)));
  CHECK(transfers.handle_part(make_part(2, 5, 10)));

  transfers.begin_round(11, [](slot_index slot) { return slot == 2; });

  CHECK(slots_of(transfers) == std::vector<slot_index>{2});
}

TEST_CASE("value_transfers: a forgotten peer's transfer goes, the others stay") {
  value_transfers transfers;
  CHECK(transfers.handle_part(make_part(1, 5, 10)));
  CHECK(transfers.handle_part(make_part(2, 5, 10)));

  transfers.forget(1);

  CHECK(slots_of(transfers) == std::vector<slot_index>{2});
  CHECK(transfers.handle_part(make_part(1, 6, 10)));
}

TEST_CASE("value_transfers: sixteen legs a round ask for more, and the next round as many again") {
  value_transfers transfers;
  for (std::size_t i = 0; i < 16; ++i) {
    REQUIRE(transfers.may_continue());
    transfers.handle_continued();
  }
  CHECK_FALSE(transfers.may_continue());

  transfers.begin_round(1, every);

  CHECK(transfers.may_continue());
}

}  // namespace gossipmonger
