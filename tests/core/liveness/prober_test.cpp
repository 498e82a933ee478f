#include "core/liveness/prober.hpp"

#include <doctest/doctest.h>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

endpoint host(std::uint8_t number) { return endpoint::v4(10, 0, 0, number, 7000); }

/// Counts 2,000 outcomes, of which `failures` of every 100 are failures, evenly spread.
void count_outcomes(prober& probes, unsigned failures) {
  unsigned sum = 0;
  for (unsigned i = 0; i < 2000; ++i) {
    sum += failures;
    probes.count_outcome(sum < 100);
    if (sum >= 100) sum -= 100;
  }
}

std::size_t tries_at(unsigned failures) {
  prober probes;
  count_outcomes(probes, failures);
  return probes.tries_needed();
}

std::size_t asks_at(unsigned failures) {
  prober probes;
  count_outcomes(probes, failures);
  return probes.asks_needed();
}

}  // namespace

TEST_CASE("prober: a peer is awaited once, and at most 64 are") {
  prober probes;
  probes.expect(3, 1, 1s);
  probes.expect(3, 1, 2s);
  REQUIRE(probes.pending().size() == 1);
  CHECK(probes.pending()[0].sent == 1s);

  for (slot_index slot = 10; slot < 100; ++slot) probes.expect(slot, 1, 3s);
  CHECK(probes.pending().size() == prober::pending_max);

  probes.handle_pause();
  CHECK(probes.pending().empty());
}

// f * (f * (1 - (1 - f)^2)^3)^t < 1e-4, where f of all probes fail: t = 1 up to 10.8 %, 2 up to
// 24.5 %, 3 up to 34.5 %.
TEST_CASE("prober: tries follow from the failures seen, between one and four") {
  CHECK(prober().tries_needed() == 1);
  CHECK(tries_at(0) == 1);
  CHECK(tries_at(5) == 1);
  CHECK(tries_at(18) == 2);
  CHECK(tries_at(30) == 3);
  CHECK(tries_at(50) == 4);
  CHECK(tries_at(100) == 4);
}

// f^k <= 1e-3, where f of all probes fail: 0.2^4 is 1.6e-3, 0.2^5 is 3.2e-4.
TEST_CASE("prober: asks follow from the failures seen, between two and sixteen") {
  CHECK(prober().asks_needed() == 3);
  CHECK(asks_at(0) == 2);
  CHECK(asks_at(20) == 5);
  CHECK(asks_at(100) == 16);
}

TEST_CASE("prober: failures of long ago are forgotten") {
  prober probes;
  for (int i = 0; i < 1000; ++i) probes.count_outcome(false);
  REQUIRE(probes.tries_needed() == 4);

  for (int i = 0; i < 300; ++i) probes.count_outcome(true);

  CHECK(probes.tries_needed() == 1);
}

TEST_CASE("prober: who asked about an incarnation is told of it, once, or too late") {
  prober probes;
  probes.add_request(probe_request(3, 1, 5s, host(1), 11, 7));
  probes.add_request(probe_request(3, 1, 5s, host(1), 11, 7));
  probes.add_request(probe_request(3, 1, 5s, host(2), 12, 8));
  CHECK_FALSE(probes.take_request(4, 1, 9s));
  CHECK_FALSE(probes.take_request(3, 2, 9s));

  probes.expire_requests(8);

  const std::optional<probe_request> taken = probes.take_request(3, 1, 9s);
  REQUIRE(taken);
  CHECK(taken->address == host(2));
  CHECK(taken->name_hash == 12);
  CHECK_FALSE(probes.take_request(3, 1, 9s));
}

TEST_CASE("prober: a sign of life from before the request's suspicion does not answer it") {
  prober probes;
  probes.add_request(probe_request(3, 1, 5s, host(1), 11, 7));
  probes.add_request(probe_request(3, 1, 8s, host(2), 12, 7));

  CHECK_FALSE(probes.take_request(3, 1, 5s - 1ns));
  REQUIRE(probes.take_request(3, 1, 5s));
  CHECK_FALSE(probes.take_request(3, 1, 5s));
  CHECK(probes.take_request(3, 1, 8s)->name_hash == 12);
}

TEST_CASE("prober: at most 64 requests wait") {
  prober probes;
  for (std::uint8_t i = 0; i < 100; ++i) probes.add_request(probe_request(3, 1, 5s, host(i), i, 1));

  std::size_t taken = 0;
  while (probes.take_request(3, 1, 9s)) ++taken;
  CHECK(taken == prober::requests_max);
}

TEST_CASE("prober: where answers were missed and none came for four rounds, it asks more") {
  prober probes;
  const auto end_bad_round = [&probes] {
    probes.count_missed();
    return probes.end_round();
  };
  for (int round = 0; round < 3; ++round) CHECK(end_bad_round() == 0);
  for (const std::size_t asks : {1U, 2U, 4U, 8U, 16U, 16U}) CHECK(end_bad_round() == asks);

  CHECK(probes.end_round() == 0);  // nobody was asked
  for (int round = 0; round < 3; ++round) CHECK(end_bad_round() == 0);
  probes.count_outcome(true);
  CHECK(end_bad_round() == 0);
  CHECK(end_bad_round() == 0);
}
