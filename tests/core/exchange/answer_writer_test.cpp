#include "core/exchange/answer_writer.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/exchange/packer.hpp"
#include "core/exchange/row_sums.hpp"
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

TEST_CASE("answer_writer: the bytes that a leg may take hold the frame of each of its datagrams") {
  exchange_fixture given;
  given.add("b", 0);
  const slot_index owner = given.add_with_entries("owner", 90, std::string(20, 'v'));
  constexpr std::size_t frame = 40;
  for (std::size_t limit = 1000; limit < 4000; limit += 8) {
    CAPTURE(limit);
    answer_writer writer(given.shared);
    answer_leg leg = make_leg();
    leg.bytes_left = limit;
    leg.frame_bytes = frame;
    leg.is_unverified = true;
    leg.owed.emplace_back(owner, 7, 0);
    message out;

    std::size_t bytes = 0;
    while (writer.fill(leg, out, {})) bytes += leg.filled_bytes + frame;

    CHECK(bytes <= limit);
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

// -------------------------------------------------------------------------------------- sums

namespace {

/// A leg that answers a root, which differs.
answer_leg make_sums_leg(unsigned bits) {
  answer_leg leg = make_leg();
  leg.of_root = root_answer::leg_2 | root_answer::is_stale;
  leg.sum_bits = bits;
  return leg;
}

/// The sums of a node that names the same as this message.
std::vector<std::uint64_t> sums_of(const exchange_fixture& given, const message& said) {
  std::vector<packed_entry> named(said.requests.begin(), said.requests.end());
  named.emplace_back(said.sender);
  std::vector<row_sum> sums;
  sum_rows(given.shared, {}, named, said.sum_bits, sums);
  std::vector<std::uint64_t> packed;
  const std::size_t first = said.sum_part * sums_in_part(said.sum_bits);
  for (std::size_t i = 0; i < sums_in_part(said.sum_bits); ++i) {
    packed.push_back(sums[first + i].packed());
  }
  return packed;
}

}  // namespace

TEST_CASE("answer_writer: the first datagram tells sums, and each one which leg it belongs to") {
  exchange_fixture given;
  given.add("b", 0);
  answer_leg leg = make_sums_leg(7);
  for (int i = 0; i < 60; ++i) {
    const slot_index slot = given.add("peer " + std::to_string(i), 1);
    given.peers[slot].set_status(peer_status::live);
    digest_entry known = given.peers[slot].entry();
    if (i % 3 == 0) known.generation = 0;
    leg.requests.push_back(known);
  }
  answer_writer writer(given.shared);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.of_root == (root_answer::leg_2 | root_answer::is_stale));
  CHECK(out.sums.size() == 128);
  CHECK(encoded_bytes(out) <= given.shared.message_bytes_max());
  CHECK(out.requests.size() < 60);  // 768 bytes are of sums
  CHECK(!out.requests.empty());
  CHECK(out.sums == sums_of(given, out));
  std::size_t requests = out.requests.size();
  std::size_t more = 0;
  for (; writer.fill(leg, out, {}); ++more) {
    CHECK(out.of_root == root_answer::leg_2);
    CHECK(out.sums.empty());
    requests += out.requests.size();
  }
  CHECK(more > 0);
  CHECK(requests == 60);
}

TEST_CASE("answer_writer: sums that are due go though nothing else is") {
  exchange_fixture given;
  given.add("b", 0);
  for (const bool is_first : {true, false}) {  // not the first: a bare sign of life went ahead
    CAPTURE(is_first);
    answer_leg leg = make_sums_leg(3);
    leg.is_first = is_first;
    answer_writer writer(given.shared);
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    CHECK(out.sums.size() == 8);
    CHECK(out.sums == sums_of(given, out));
    CHECK(has(out.of_root, root_answer::leg_2));
    CHECK_FALSE(writer.fill(leg, out, {}));
  }
}

TEST_CASE("answer_writer: of more than 128 sums each datagram tells a part, until all are told") {
  exchange_fixture given;
  given.add("b", 0);
  for (int i = 0; i < 90; ++i) {
    given.peers[given.add("peer " + std::to_string(i), 3)].set_status(peer_status::live);
  }
  answer_leg leg = make_sums_leg(9);
  for (slot_index slot = 5; slot < 30; ++slot) leg.requests.push_back(given.peers[slot].entry());
  answer_writer writer(given.shared);
  std::size_t requests = 0;
  std::size_t parts = 0;

  for (message out; writer.fill(leg, out, {});) {
    CHECK(has(out.of_root, root_answer::leg_2));
    CHECK(has(out.of_root, root_answer::is_stale) == (parts == 0));
    CHECK(encoded_bytes(out) <= given.shared.message_bytes_max());
    requests += out.requests.size();
    if (out.sums.empty()) continue;
    CHECK(out.sum_bits == 9);
    CHECK(out.sum_part == parts);
    CHECK(out.sums == sums_of(given, out));
    ++parts;
  }

  CHECK(parts == 4);
  CHECK(requests == 25);
}

TEST_CASE("answer_writer: an answer to a root that is equal tells no sums") {
  exchange_fixture given;
  given.add("b", 0);
  answer_leg leg = make_leg();
  leg.of_root = root_answer::leg_2;
  answer_writer writer(given.shared);
  message out;

  REQUIRE(writer.fill(leg, out, {}));

  CHECK(out.of_root == root_answer::leg_2);
  CHECK(out.sums.empty());
  CHECK_FALSE(writer.fill(leg, out, {}));
}

TEST_CASE("answer_writer: a leg that answers no root says nothing of one, in any datagram") {
  exchange_fixture given;
  given.add("b", 0);
  answer_leg leg = make_leg();
  leg.owed.emplace_back(given.add_with_entries("owner", 9, std::string(400, 'v')), 7, 0);
  answer_writer writer(given.shared);

  for (message out; writer.fill(leg, out, {});) {
    CHECK(out.of_root == root_answer::none);
    CHECK(out.sums.empty());
  }
}

TEST_CASE("answer_writer: where little may be sent, sums are coarser, or left out") {
  // 96 bytes of frame, 24 of news, 8 of the list's tag; and 6 of each sum.
  for (const auto& [bytes, sums] :
       {std::pair(128 + 8 * 6 - 1, 0), std::pair(128 + 8 * 6, 8), std::pair(128 + 16 * 6, 16),
        std::pair(400, 32), std::pair(128 + 64 * 6, 64), std::pair(1152, 128)}) {
    CAPTURE(bytes);
    exchange_fixture given;
    given.add("b", 0);
    answer_leg leg = make_sums_leg(7);
    leg.bytes_left = static_cast<std::size_t>(bytes);
    leg.is_unverified = true;
    answer_writer writer(given.shared);
    message out;

    REQUIRE(writer.fill(leg, out, {}));

    CHECK(out.sums.size() == static_cast<std::size_t>(sums));
    CHECK(has(out.of_root, root_answer::leg_2));
    CHECK(has(out.of_root, root_answer::is_stale));
    CHECK(encoded_bytes(out) <= static_cast<std::size_t>(bytes));
    if (sums != 0) CHECK(out.sums == sums_of(given, out));
  }
}
