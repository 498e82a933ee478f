#include "core/exchange/sending.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <utility>

#include "../protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

endpoint address_of(std::uint8_t i) { return endpoint::v4(10, 0, 0, i, 7000); }

answer_leg make_answer(std::uint8_t to) {
  answer_leg leg;
  leg.to = address_of(to);
  leg.bytes_left = 1000;
  leg.datagrams_left = 5;
  return leg;
}

/// A datagram of so many bytes.
void fill(message& out, std::size_t bytes) {
  out.clear();
  out.padded_bytes = bytes;
}

}  // namespace

TEST_CASE("sending: the next digest goes on where the last one ended") {
  const config settings = make_config("a");
  sending queue(settings);
  digest_leg& first = queue.add_digest(address_of(1), 10, 0);
  CHECK(first.digest_from == 0);
  const std::optional<leg_turn> turn = queue.next(0s);
  REQUIRE(turn);
  turn->digest->digest_from = 77;
  turn->digest->digest_rows_left = 3;
  turn->digest->has_extra = false;
  queue.end(*turn);

  CHECK(queue.add_digest(address_of(2), 10, 0).digest_from == 77);
  const std::optional<leg_turn> whole = queue.next(0s);
  REQUIRE(whole);
  whole->digest->digest_rows_left = 0;
  queue.end(*whole);

  CHECK(queue.add_digest(address_of(3), 10, 0).digest_from == 0);
}

TEST_CASE("sending: a spent budget holds a leg back until it is refilled") {
  config settings = make_config("a");
  settings.send_bytes_per_interval = 4000;
  sending queue(settings);
  queue.add_answer(make_answer(1));
  message out;
  fill(out, 4000);

  const std::optional<leg_turn> turn = queue.next(0s);
  REQUIRE(turn);
  queue.took(*turn, out);
  CHECK_FALSE(queue.next(0s));
  CHECK(queue.counted().sends_delayed == 1);
  REQUIRE(queue.opens_at());
  CHECK(*queue.opens_at() > 0s);
  CHECK(queue.next(*queue.opens_at()));
}

TEST_CASE("sending: the budget counts what the driver adds to each datagram") {
  config settings = make_config("a");
  settings.send_bytes_per_interval = 4000;
  std::chrono::nanoseconds opens[2];
  for (const std::size_t added : {std::size_t{0}, std::size_t{400}}) {
    sending queue(settings);
    queue.set_frame_bytes(added);
    queue.add_answer(make_answer(1));
    message out;
    fill(out, 4000);
    const std::optional<leg_turn> turn = queue.next(0s);
    REQUIRE(turn);
    queue.took(*turn, out);
    CHECK_FALSE(queue.next(0s));
    opens[added / 400] = queue.opens_at().value();
  }

  // A tenth of the interval's bytes more.
  CHECK(opens[1] - opens[0] == settings.gossip_interval / 10);
}

TEST_CASE("sending: membership needs what the driver adds to each datagram, too") {
  const config settings = make_config("a");
  std::size_t needed[2];
  for (const std::size_t added : {std::size_t{0}, std::size_t{40}}) {
    sending queue(settings);
    queue.set_frame_bytes(added);
    for (int round = 0; round < 100; ++round) {
      static_cast<void>(queue.begin_round());
      queue.handle_short_started();
      static_cast<void>(queue.add_digest(address_of(1), 10, 0));
      queue.plan_digests();
      static_cast<void>(queue.end_round(1000));
      queue.end(queue.next(0s).value());
    }
    needed[added / 40] = queue.membership_bytes();
  }

  // Two datagrams an interval: a short leg and a digest.
  CHECK(needed[1] - needed[0] == 80);
}

TEST_CASE("sending: a sign of life goes bare where the budget has no room for its leg") {
  config settings = make_config("a");
  settings.send_bytes_per_interval = 4000;
  sending queue(settings);
  queue.add_answer(make_answer(1));
  message out;
  fill(out, 3800);  // the rest is kept for signs of life
  const std::optional<leg_turn> spending = queue.next(0s);
  REQUIRE(spending);
  queue.took(*spending, out);
  answer_leg signing = make_answer(2);
  signing.is_sign_due = true;
  signing.frame_bytes = 40;
  signing.owed.emplace_back(slot_index{3}, 1, 0);
  signing.of_root = root_answer::leg_2 | root_answer::is_stale;
  signing.sum_bits = 5;
  queue.add_answer(std::move(signing));

  const std::optional<leg_turn> turn = queue.next(0s);

  REQUIRE(turn);
  REQUIRE(turn->answer != nullptr);
  CHECK(turn->answer->to == address_of(2));
  CHECK(turn->answer->owed.empty());
  CHECK(turn->answer->datagrams_left == 1);
  CHECK(turn->answer->frame_bytes == 40);
  CHECK(turn->answer->of_root == (root_answer::leg_2 | root_answer::is_stale));
  CHECK(turn->answer->sum_bits == 0);
  turn->answer->bytes_left = 900;
  fill(out, 100);
  queue.took(*turn, out);
  // The leg itself waits, without its sign, and shares the limit of bytes.
  CHECK(queue.waiting(outbox_lane::answers) == 2);
  const std::optional<leg_turn> later = queue.next(10s);
  REQUIRE(later);
  if (later->answer->to == address_of(1)) queue.end(*later);
  const std::optional<leg_turn> rest = queue.next(10s);
  REQUIRE(rest);
  CHECK(rest->answer->to == address_of(2));
  CHECK(rest->answer->owed.size() == 1);
  CHECK(rest->answer->bytes_left == 900);
  CHECK_FALSE(rest->answer->is_sign_due);
  CHECK(rest->answer->of_root == root_answer::leg_2);  // the rest was said
  CHECK(rest->answer->sum_bits == 5);
}

TEST_CASE("sending: a fresh answer strikes its owners out of those that wait for the same remote") {
  const config settings = make_config("a");
  sending queue(settings);
  answer_leg waiting = make_answer(1);
  waiting.owed.emplace_back(slot_index{1}, 1, 0);
  waiting.owed.emplace_back(slot_index{2}, 1, 0);
  queue.add_answer(std::move(waiting));
  answer_leg other = make_answer(2);
  other.owed.emplace_back(slot_index{1}, 1, 0);
  queue.add_answer(std::move(other));
  answer_leg fresh = make_answer(1);
  fresh.owed.emplace_back(slot_index{1}, 1, 4);

  queue.supersede(fresh, 3);

  const std::optional<leg_turn> first = queue.next(0s);
  REQUIRE(first);
  REQUIRE(first->answer->owed.size() == 1);
  CHECK(first->answer->owed[0].slot == 2);
  queue.end(*first);
  const std::optional<leg_turn> second = queue.next(0s);
  REQUIRE(second);
  CHECK(second->answer->owed.size() == 1);
}

TEST_CASE("sending: the digests that begin in a round share half of the budget evenly") {
  config settings = make_config("a");
  settings.send_bytes_per_interval = 8000;
  sending queue(settings);
  static_cast<void>(queue.add_digest(address_of(1), 10, 0));
  static_cast<void>(queue.add_digest(address_of(2), 10, 0));
  digest_leg& first_contact = queue.add_digest(address_of(3), 10, 0);
  queue.pad(first_contact, 304);

  queue.plan_digests();

  CHECK(queue.find_digest(address_of(1))->digest_bytes_left == 2000);
  CHECK(queue.find_digest(address_of(2))->digest_bytes_left == 2000);
  CHECK(queue.find_digest(address_of(3))->digest_bytes_left == 304);
  CHECK(queue.find_digest(address_of(3))->datagrams_left == 1);
}

TEST_CASE("sending: a probe that waited for the budget a whole round is told, and stays") {
  config settings = make_config("a");
  settings.send_bytes_per_interval = 8000;
  sending queue(settings);
  queue.add_digest(address_of(1), 10, 0).is_sign_due = true;
  static_cast<void>(queue.add_digest(address_of(2), 10, 0));  // its sign went

  CHECK(queue.begin_round());

  CHECK(queue.find_digest(address_of(1)) != nullptr);
  CHECK(queue.find_digest(address_of(2)) == nullptr);
}

TEST_CASE("sending: a peer waits for a sign of life again half an interval after the last") {
  const config settings = make_config("a");
  sending queue(settings);
  queue.begin(1);
  queue.begin(2);

  CHECK(queue.try_give_sign(1, 10s));
  CHECK_FALSE(queue.try_give_sign(1, 10s + settings.gossip_interval / 2 - 1ns));
  CHECK(queue.try_give_sign(2, 10s));  // of each peer for itself
  CHECK(queue.try_give_sign(1, 10s + settings.gossip_interval / 2));

  queue.begin(1);  // a new incarnation got none
  CHECK(queue.try_give_sign(1, 10s + settings.gossip_interval / 2));
}

TEST_CASE("sending: a round has 24 short legs, or as many as take half of a byte budget") {
  config settings = make_config("a");
  const auto count_short_legs = [&settings] {
    sending queue(settings);
    static_cast<void>(queue.begin_round());
    int legs = 0;
    for (; queue.may_start_short(); ++legs) queue.handle_short_started();
    static_cast<void>(queue.begin_round());
    CHECK(queue.may_start_short());
    return legs;
  };

  CHECK(count_short_legs() == 24);
  settings.send_bytes_per_interval = 3200;  // half of it holds 10 legs of 160 bytes
  CHECK(count_short_legs() == 10);
  settings.send_bytes_per_interval = 1000;  // a silent peer, and three that are asked to probe it
  CHECK(count_short_legs() == 4);
}

TEST_CASE("sending: an address gets one fresh digest a round, and one for each part of its sums") {
  config settings = make_config("a");
  settings.unverified_addresses_max = 3;
  sending queue(settings);

  CHECK(queue.try_restart(address_of(1)));
  CHECK_FALSE(queue.try_restart(address_of(1)));
  CHECK(queue.try_restart(address_of(1), 1));
  CHECK(queue.try_restart(address_of(2)));
  CHECK_FALSE(queue.try_restart(address_of(3)));  // three are all that a round may begin
  CHECK(queue.restarted() == 3);

  static_cast<void>(queue.begin_round());
  CHECK(queue.try_restart(address_of(1)));
}

TEST_CASE("sending: bulk is thrown away after three intervals, and other answers under a budget") {
  config settings = make_config("a");
  for (const std::size_t budget : {std::size_t{0}, std::size_t{8000}}) {
    settings.send_bytes_per_interval = budget;
    sending queue(settings);
    answer_leg copy = make_answer(2);
    copy.is_first = false;
    copy.owed.emplace_back(slot_index{1}, 1, 0);
    queue.add_answer(std::move(copy));
    message out;
    fill(out, 100);
    queue.took(queue.next(0s).value(), out);  // the rest of it is bulk
    queue.add_answer(make_answer(1));
    REQUIRE(queue.waiting(outbox_lane::bulk) == 1);

    queue.expire(3 * settings.gossip_interval);
    CHECK(queue.waiting(outbox_lane::bulk) == 1);
    queue.expire(3 * settings.gossip_interval + 1ns);
    CHECK(queue.waiting(outbox_lane::bulk) == 0);
    CHECK(queue.waiting(outbox_lane::answers) == (budget == 0 ? 1 : 0));
  }
}
