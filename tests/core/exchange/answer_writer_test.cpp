#include "core/exchange/answer_writer.hpp"

#include <doctest/doctest.h>

#include <string>

#include "exchange_fixture.hpp"

using namespace gossipmonger;

namespace {

answer_leg make_leg() {
  answer_leg leg;
  leg.remote_hash = hash_of("b");
  leg.bytes_left = 100'000;
  leg.datagrams_left = 100;
  return leg;
}

}  // namespace

TEST_CASE("answer_writer: entries follow only once every identity and request has gone") {
  exchange_fixture given;
  given.add("b", 0);
  answer_leg leg = make_leg();
  for (int i = 0; i < 20; ++i) {
    const std::string name = std::string(100, 'n') + std::to_string(i);
    leg.identities.push_back(given.add_with_entries(name, 1, "value"));
    leg.owed.emplace_back(leg.identities.back(), 7, 0);
  }
  answer_writer writer(given.shared);
  message out;

  std::size_t identities = 0;
  std::size_t deltas = 0;
  while (writer.fill(leg, out, {})) {
    identities += out.identities.size();
    deltas += out.deltas.size();
    CHECK((deltas == 0 || identities == 20));
  }

  CHECK(identities == 20);
  CHECK(deltas == 20);
  CHECK(writer.counted().entries_sent == 20);
}

TEST_CASE("answer_writer: a delta goes on where the datagram before it ended, to the max version") {
  exchange_fixture given;
  given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 9, std::string(400, 'v'));
  answer_writer writer(given.shared);
  answer_leg leg = make_leg();
  leg.owed.emplace_back(owner, 7, 2);
  message out;

  std::uint64_t after = 2;
  while (writer.fill(leg, out, {})) {
    for (const delta_view& delta : out.deltas) {
      CHECK(delta.after == position(after));
      after = delta.upto.version;
    }
  }

  CHECK(after == 9);
  CHECK(writer.counted().entries_sent == 7);
}

TEST_CASE("answer_writer: an answer whose bytes run out within entries says `more`") {
  exchange_fixture given;
  given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 9, std::string(400, 'v'));
  for (const bool is_unverified : {false, true}) {
    CAPTURE(is_unverified);
    answer_writer writer(given.shared);
    answer_leg leg = make_leg();
    leg.bytes_left = 1000;
    leg.is_unverified = is_unverified;
    leg.owed.emplace_back(owner, 7, 0);
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    CHECK(out.more);
    CHECK(writer.counted().replies_cut == (is_unverified ? 1 : 0));
    CHECK_FALSE(writer.fill(leg, out, {}));
  }
}

TEST_CASE(
    "answer_writer: an answer that fills gaps alone says `more`, where the rest is held back") {
  exchange_fixture given;
  given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 9, std::string(100, 'v'));
  for (const bool is_held_back : {false, true}) {
    CAPTURE(is_held_back);
    answer_writer writer(given.shared);
    answer_leg leg = make_leg();
    leg.is_held_back = is_held_back;
    leg.owed.emplace_back(owner, 7, 2).upto = 4;
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    REQUIRE(out.deltas.size() == 1);
    CHECK(out.deltas[0].upto == position(4));
    CHECK(out.more == is_held_back);
  }
}

TEST_CASE("answer_writer: a gap that is filled is not remembered as on its way") {
  exchange_fixture given;
  given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 9, std::string(400, 'v'));
  for (const bool is_gap : {true, false}) {
    answer_writer writer(given.shared);
    answer_leg leg = make_leg();
    leg.owed.emplace_back(owner, 7, 0).upto = is_gap ? 8 : 0;
    message out;

    while (writer.fill(leg, out, {})) {
    }

    CHECK(given.shared.flights.has_any(hash_of("b")) != is_gap);
  }
}

TEST_CASE("answer_writer: a leg echoes the run and the heartbeat that it answers") {
  exchange_fixture given;
  given.add("b", 0);
  answer_writer writer(given.shared);
  answer_leg leg = make_leg();
  leg.asked_generation = 7;
  leg.asked_heartbeat = 12;
  message out;

  REQUIRE(writer.fill(leg, out, {}));
  CHECK(out.receiver.generation == 7);
  CHECK(out.receiver.heartbeat == 12);

  // An older run that asks is shown the run that is held, with the heartbeat held of that.
  answer_leg older = make_leg();
  older.asked_generation = 6;
  older.asked_heartbeat = 99;
  REQUIRE(writer.fill(older, out, {}));
  CHECK(out.receiver.generation == 7);
  CHECK(out.receiver.heartbeat == 5);
}

TEST_CASE("answer_writer: the datagrams behind the first are remembered as on their way") {
  exchange_fixture given;
  given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 9, std::string(400, 'v'));
  answer_writer writer(given.shared);
  answer_leg leg = make_leg();
  leg.owed.emplace_back(owner, 7, 0);
  message out;

  REQUIRE(writer.fill(leg, out, {}));
  CHECK_FALSE(given.shared.flights.has_any(hash_of("b")));
  REQUIRE(writer.fill(leg, out, {}));
  CHECK(given.shared.flights.has_any(hash_of("b")));
}

TEST_CASE("answer_writer: a value too large for a narrow path goes in parts, whole where it fits") {
  exchange_fixture given;
  given.settings.datagram_bytes_max = 9000;
  const slot_index b = given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 1, std::string(3000, 'v'));
  for (const bool is_narrow : {false, true}) {
    CAPTURE(is_narrow);
    given.shared.paths[b].is_narrow = is_narrow;
    answer_writer writer(given.shared);
    answer_leg leg = make_leg();
    leg.owed.emplace_back(owner, 7, 0);
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    REQUIRE(out.deltas.size() == 1);
    CHECK((out.deltas[0].value_bytes != 0) == is_narrow);
    CHECK(encoded_bytes(out) <= (is_narrow ? 1160 : 8960));
  }
}
