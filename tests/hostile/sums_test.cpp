// A member that abuses the exchange by sums, again and again in a round. Its datagrams are well
// formed; what they bring out of a node has a bound, in datagrams and in bytes.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include "../sim/cluster.hpp"
#include "catalogue.hpp"
#include "core/model/row_sum.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

/// The datagrams that the node sent to the enemy, by kind.
struct answers {
  answers() = default;

  std::size_t roots = 0;
  std::size_t claims = 0;  ///< datagrams of digests that tell rows of a claim
  std::size_t whole_claims = 0;
  std::size_t short_digests = 0;
  std::size_t last_legs = 0;
  std::size_t others = 0;
  std::size_t bytes = 0;
};

/// Counts into `seen`, as long as the arena is.
void count_answers(arena& field, answers& seen) {
  field.on_answered = [&seen](std::span<const std::byte> bytes) {
    datagram wire(bytes.size());
    std::copy(bytes.begin(), bytes.end(), wire.bytes().begin());
    message m;
    REQUIRE(codec(make_cluster_id("default"), 1200).decode(wire.bytes(), m).has_value());
    seen.bytes += bytes.size();
    if (m.kind == message_kind::digest) {
      const bool is_row_digest = m.known.has_claim();
      seen.roots += m.known.root ? 1 : 0;
      seen.claims += is_row_digest ? 1 : 0;
      seen.whole_claims += is_row_digest && !m.known.buckets ? 1 : 0;
      seen.short_digests += !is_row_digest && !m.known.root ? 1 : 0;
    } else if (has(m.of_root, root_answer::leg_3)) {
      ++seen.last_legs;
    } else {
      ++seen.others;
    }
  };
}

void send_answer(arena& to, root_answer answer, unsigned sum_bits = 0, std::uint64_t seed = 1) {
  message m;
  to.begin(m, message_kind::reply);
  m.features = feature_sums;
  m.of_root = answer;
  random_source numbers(seed);
  if (sum_bits != 0) {
    m.sum_bits = static_cast<std::uint8_t>(sum_bits);
    m.sum_part = static_cast<std::uint8_t>(seed % sum_parts(sum_bits));
    for (std::size_t i = 0; i < sums_in_part(sum_bits); ++i) m.sums.push_back(numbers.next() >> 16);
  }
  to.send(m);
}

constexpr int demands = 100;

using enum root_answer;

TEST_CASE("sums: a member that demands all rows 100 times in a round gets them once") {
  arena field(arena::with_sums());
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    answers seen;
    count_answers(field, seen);
    for (int i = 0; i < demands; ++i) {
      send_answer(field, leg_2 | wants_rows);
      // The sums beside a demand make no difference.
      send_answer(field, leg_2 | wants_rows, bucket_set::bits, static_cast<std::uint64_t>(i));
    }

    CHECK(seen.claims == 1);
    CHECK(seen.whole_claims == 1);
    CHECK(seen.roots + seen.short_digests + seen.last_legs + seen.others == 0);
    field.where.run_for(1s);
  }
}

TEST_CASE("sums: a member whose sums are random gets the rows of each part once in a round") {
  arena field(arena::with_sums());
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    answers seen;
    count_answers(field, seen);
    for (int i = 0; i < demands; ++i) {
      send_answer(field, leg_2, bucket_set::bits, static_cast<std::uint64_t>(i));
    }

    CHECK(seen.claims == sum_parts(bucket_set::bits));  // for each part of the sums
    CHECK(seen.whole_claims == 0);                      // each node's bucket by name
    CHECK(seen.roots + seen.short_digests + seen.last_legs + seen.others == 0);
    field.where.run_for(1s);
  }
}

TEST_CASE("sums: a member that calls each leg stale gets one last leg for each, or rows") {
  arena field(arena::with_sums());
  answers seen;
  count_answers(field, seen);
  for (int i = 0; i < demands; ++i) send_answer(field, leg_2 | is_stale);
  CHECK(seen.last_legs <= demands);
  CHECK(seen.last_legs > 0);
  CHECK(seen.claims + seen.roots + seen.others == 0);
  CHECK(seen.short_digests <= 1);
  CHECK(seen.bytes <= field.sent_bytes);

  // With all that an answer may ask for: rows once, and then last legs.
  field.where.run_for(1s);
  seen = answers();
  field.sent_bytes = 0;
  for (int i = 0; i < demands; ++i)
    send_answer(field, leg_2 | is_stale | wants_rows, bucket_set::bits);
  CHECK(seen.claims == 1);
  CHECK(seen.last_legs <= demands);
  CHECK(seen.roots + seen.others == 0);
  CHECK(seen.bytes <= field.sent_bytes);
}

TEST_CASE("sums: last legs end an exchange, and nothing answers them") {
  arena field(arena::with_sums());
  answers seen;
  count_answers(field, seen);
  for (const root_answer answer : {leg_3, leg_3 | wants_rows}) {
    for (int i = 0; i < demands; ++i) {
      send_answer(field, answer);
      send_answer(field, answer, bucket_set::bits);
    }
  }
  CHECK(seen.bytes == 0);
}

TEST_CASE("sums: a root gets one answer, of a bounded size, whatever it claims") {
  arena field(arena::with_sums());
  answers seen;
  count_answers(field, seen);
  random_source numbers(7);
  for (int i = 0; i < demands; ++i) {
    message m;
    field.begin(m, message_kind::digest);
    m.features = feature_sums;
    m.known.extra.push_back(m.sender);
    root_sum& root = m.known.root.emplace();
    root.parts = numbers.next();
    root.nodes = static_cast<std::uint32_t>(numbers.next() >> numbers.below(64));
    field.send(m);
  }
  CHECK(seen.others == demands);
  CHECK(seen.claims + seen.roots + seen.short_digests + seen.last_legs == 0);
  CHECK(seen.bytes <= 3 * field.sent_bytes);
}

// Hours of it, from a peer that the node takes for live: nothing piles up, and all others agree.
TEST_CASE("sums: a member that lies in each leg keeps nobody from agreeing") {
  arena field(arena::with_sums());
  constexpr std::uint64_t digests_a_round_max = 24 + 3 + 1 + 1 + 16;
  for (int round = 0; round < 200; ++round) {
    const protocol_stats before = field.node().stats();
    for (int i = 0; i < 10; ++i) {
      const auto seed = static_cast<std::uint64_t>(10 * round + i);
      send_answer(field, leg_2 | is_stale, sum_bits_min + static_cast<unsigned>(seed % 7), seed);
      send_answer(field, leg_2 | wants_rows);
    }
    if (round % 10 == 0) REQUIRE(field.where[1].set("key", std::to_string(round)));
    field.where.run_for(1s);
    const protocol_stats now = field.node().stats();
    CHECK(now.digests_sent - before.digests_sent <=
          (now.rounds - before.rounds + 1) * digests_a_round_max);
  }
  field.where.run_for(10s);
  CHECK(field.where.has_agreed());
  CHECK(value_at(field.where, 0, "n1", "key") == "190");
  for (const char* neighbour : {"n1", "n2"}) {
    CHECK_FALSE(field.node().find_member(neighbour, field.where.now(0))->is_suspect);
  }
}

}  // namespace
}  // namespace gossipmonger
