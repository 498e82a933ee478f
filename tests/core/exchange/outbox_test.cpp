#include "core/exchange/outbox.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

using namespace gossipmonger;

namespace {

endpoint address_of(std::size_t i) {
  return endpoint::v4(10, 1, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256),
                      7000);
}

answer_leg make_answer(std::size_t to, bool is_unverified) {
  answer_leg leg;
  leg.to = address_of(to);
  leg.is_unverified = is_unverified;
  return leg;
}

/// The leg whose turn it is in that lane.
leg_base& turn(outbox& box, outbox_lane lane) {
  if (lane == outbox_lane::digests) return box.digest_turn();
  return box.answer_turn(lane);
}

/// The addresses of the legs that wait, in the order in which they go, a datagram each.
std::vector<endpoint> drain(outbox& box, bool may_answer_unverified = true) {
  std::vector<endpoint> to;
  while (const std::optional<outbox_lane> lane = box.next(may_answer_unverified)) {
    to.push_back(turn(box, *lane).to);
    box.end(*lane);
  }
  return to;
}

}  // namespace

TEST_CASE(
    "outbox: digests, then answers to members, then to unverified addresses, whenever they came") {
  outbox box;
  CHECK(box.is_empty());
  CHECK(box.add_answer(make_answer(3, true)) == 0);
  CHECK(box.add_answer(make_answer(2, false)) == 0);
  box.add_digest(address_of(1)).digest_rows_left = 1;
  CHECK_FALSE(box.is_empty());

  CHECK(drain(box) == std::vector<endpoint>{address_of(1), address_of(2), address_of(3)});
  CHECK(box.is_empty());
}

TEST_CASE("outbox: one digest an address, and no more than it holds") {
  outbox box;
  for (std::size_t i = 0; i < outbox::digests_max; ++i) {
    REQUIRE(box.has_room_for_digest(address_of(i)));
    box.add_digest(address_of(i)).is_short = true;
    REQUIRE_FALSE(box.has_room_for_digest(address_of(i)));
  }

  CHECK_FALSE(box.has_room_for_digest(address_of(1000)));
  CHECK(box.find_digest(address_of(7))->to == address_of(7));
  CHECK(box.find_digest(address_of(1000)) == nullptr);
}

TEST_CASE("outbox: unverified addresses push out each other, and nobody else") {
  outbox box;
  box.add_digest(address_of(1)).is_short = true;
  CHECK(box.add_answer(make_answer(2, false)) == 0);
  for (std::size_t i = 0; i < outbox::unverified_max; ++i) {
    CHECK(box.add_answer(make_answer(100 + i, true)) == 0);
  }

  CHECK(box.add_answer(make_answer(999, true)) == 1);

  const std::vector<endpoint> left = drain(box);
  REQUIRE(left.size() == 2 + outbox::unverified_max);
  CHECK(left[0] == address_of(1));
  CHECK(left[1] == address_of(2));
  CHECK(left[2] == address_of(101));
  CHECK(left.back() == address_of(999));
}

TEST_CASE("outbox: an answer to a member pushes out what is left of one, then the oldest") {
  outbox box;
  for (std::size_t i = 0; i < outbox::answers_max; ++i) {
    CHECK(box.add_answer(make_answer(i, false)) == 0);
  }
  box.answer_turn(outbox_lane::answers).is_first = false;
  box.end_turn(outbox_lane::answers);  // of 0, only bulk is left

  CHECK(box.add_answer(make_answer(1000, false)) == 1);
  CHECK(box.add_answer(make_answer(1001, false)) == 1);

  const std::vector<endpoint> left = drain(box);
  CHECK(left.size() == outbox::answers_max);
  CHECK(left.front() == address_of(2));
  CHECK(left.back() == address_of(1001));
}

TEST_CASE("outbox: inside a lane each has its turn, and what is left of an answer waits for all") {
  outbox box;
  for (const std::size_t i : {1U, 2U}) CHECK(box.add_answer(make_answer(i, false)) == 0);
  CHECK(box.add_answer(make_answer(3, true)) == 0);

  box.end_turn(outbox_lane::answers);  // 1 is urgent still
  CHECK(box.answer_turn(outbox_lane::answers).to == address_of(2));
  box.answer_turn(outbox_lane::answers).is_first = false;
  box.end_turn(outbox_lane::answers);

  CHECK(drain(box) == std::vector<endpoint>{address_of(1), address_of(3), address_of(2)});
}

TEST_CASE("outbox: bulk goes first to who lacks least, every fourth time to who waits longest") {
  outbox box;
  for (const std::size_t lacking : {9U, 3U, 5U}) {
    answer_leg leg = make_answer(lacking, false);
    leg.is_first = false;
    leg.lacking = lacking;
    CHECK(box.add_answer(std::move(leg)) == 0);
    CHECK(box.answer_turn(outbox_lane::answers).to == address_of(lacking));
    box.end_turn(outbox_lane::answers);  // nothing urgent is in it: it becomes bulk
  }

  std::vector<endpoint> to;
  for (int i = 0; i < 8; ++i) {
    to.push_back(box.answer_turn(outbox_lane::bulk).to);
    box.end_turn(outbox_lane::bulk);
  }
  const endpoint oldest = address_of(9);
  const endpoint nearest = address_of(3);
  CHECK(to == std::vector<endpoint>{oldest, nearest, nearest, nearest, oldest, nearest, nearest,
                                    nearest});

  box.end_turn(outbox_lane::bulk);  // the oldest's
  CHECK(box.answer_turn(outbox_lane::bulk).to == nearest);
  box.end(outbox_lane::bulk);
  CHECK(box.answer_turn(outbox_lane::bulk).to == address_of(5));
}

TEST_CASE("outbox: bulk that was planned too long ago goes, and nothing else does") {
  outbox box;
  for (const std::size_t i : {1U, 2U, 3U}) {
    answer_leg leg = make_answer(i, false);
    leg.planned = std::chrono::seconds(i);
    leg.is_first = i == 1;  // still urgent
    CHECK(box.add_answer(std::move(leg)) == 0);
  }
  CHECK(box.answer_turn(outbox_lane::answers).to == address_of(1));
  for (int i = 0; i < 3; ++i) box.end_turn(outbox_lane::answers);

  box.expire_bulk(std::chrono::seconds(3));

  CHECK(drain(box) == std::vector<endpoint>{address_of(1), address_of(3)});
}

TEST_CASE(
    "outbox: signs of life go by turns, of digests and of answers, and not what waits before") {
  outbox box;
  static_cast<void>(box.add_digest(address_of(1)));  // its sign went
  for (const std::size_t i : {2U, 3U}) box.add_digest(address_of(i)).is_sign_due = true;
  for (const std::size_t i : {4U, 5U, 6U}) {
    answer_leg leg = make_answer(i, false);
    leg.is_sign_due = i != 5;
    CHECK(box.add_answer(std::move(leg)) == 0);
  }
  CHECK(box.has_sign_of_mine());

  std::vector<endpoint> to;
  while (const std::optional<outbox_lane> lane = box.next_sign()) {
    leg_base& leg = turn(box, *lane);
    REQUIRE(leg.is_sign_due);
    to.push_back(leg.to);
    leg.is_sign_due = false;
    box.end_sign(*lane);
  }

  CHECK(to == std::vector<endpoint>{address_of(2), address_of(4), address_of(3), address_of(6)});
  CHECK_FALSE(box.has_sign_of_mine());
  CHECK(drain(box).size() == 6);
}

TEST_CASE("outbox: digests whose sign of life went end when they are told to, others stay") {
  outbox box;
  static_cast<void>(box.add_digest(address_of(1)));
  box.add_digest(address_of(2)).is_sign_due = true;
  box.add_digest(address_of(3)).padded_bytes = 400;  // a first contact

  std::vector<endpoint> ended;
  box.end_digests([&ended](const digest_leg& leg) { ended.push_back(leg.to); });

  CHECK(ended == std::vector<endpoint>{address_of(1)});
  CHECK(drain(box) == std::vector<endpoint>{address_of(2), address_of(3)});
}

TEST_CASE("outbox: answers that were planned too long ago go when they are told to") {
  outbox box;
  for (const std::size_t i : {1U, 2U, 3U, 4U}) {
    answer_leg leg = make_answer(i, i > 2);
    leg.planned = std::chrono::seconds(i);
    CHECK(box.add_answer(std::move(leg)) == 0);
  }

  box.expire_answers(std::chrono::seconds(2));
  CHECK(drain(box) == std::vector<endpoint>{address_of(2), address_of(3), address_of(4)});
}

TEST_CASE("outbox: while unverified addresses may not be answered, the others are") {
  outbox box;
  CHECK(box.add_answer(make_answer(1, true)) == 0);
  CHECK(box.add_answer(make_answer(2, false)) == 0);

  CHECK(drain(box, false) == std::vector<endpoint>{address_of(2)});
  CHECK_FALSE(box.is_empty());
  CHECK(drain(box) == std::vector<endpoint>{address_of(1)});
}
