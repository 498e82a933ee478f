#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

#include "core/liveness/freshness.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t my_instance = 77;

packed_entry make_self() {
  digest_entry self;
  self.generation = 1000;
  self.heartbeat = 500;
  return self;
}

echo make_echo(std::uint64_t generation, std::uint64_t heartbeat) {
  echo of_me;
  of_me.generation = generation;
  of_me.heartbeat = heartbeat;
  return of_me;
}

bool is_fresh_here(const echo& of_me, std::uint64_t after = 0) {
  return is_fresh(of_me, make_self(), my_instance, 12, after);
}

}  // namespace

TEST_CASE("freshness: the limit is twice log2 of the nodes and eight rounds") {
  CHECK(fresh_rounds_max(1, 1s, 0) == 8);
  CHECK(fresh_rounds_max(2, 1s, 0) == 10);
  CHECK(fresh_rounds_max(3, 10ms, 0) == 12);
  CHECK(fresh_rounds_max(4, 1s, 0) == 12);
  CHECK(fresh_rounds_max(5, 1s, 0) == 14);
  CHECK(fresh_rounds_max(1000, 1s, 0) == 28);
  CHECK(fresh_rounds_max(1025, 1s, 0) == 30);
}

TEST_CASE("freshness: a long path counts twice, and no more than five seconds in all") {
  CHECK(fresh_rounds_max(3, 10ms, 40) == 12 + 80);
  CHECK(fresh_rounds_max(3, 10ms, 244) == 500);
  CHECK(fresh_rounds_max(3, 10ms, 245) == 500);
  CHECK(fresh_rounds_max(3, 100ms, 30) == 50);
  CHECK(fresh_rounds_max(3, 1s, 30) == 12);
}

TEST_CASE("freshness: the age of a peer's echoes rises fast and falls slowly") {
  CHECK(smoothed_path_rounds(0, 0) == 0);
  CHECK(smoothed_path_rounds(0, 1) == 1);
  CHECK(smoothed_path_rounds(0, 400) == 100);
  CHECK(smoothed_path_rounds(100, 400) == 175);
  CHECK(smoothed_path_rounds(175, 400) == 232);  // 225 / 4, rounded up
  CHECK(smoothed_path_rounds(400, 0) == 393);    // 400 / 64, rounded up
  CHECK(smoothed_path_rounds(1, 0) == 0);
  CHECK(smoothed_path_rounds(0, ~std::uint64_t{0}) == 250);
}

TEST_CASE("freshness: an echo is fresh up to the limit, and stale a round later") {
  CHECK(is_fresh_here(make_echo(1000, 500)));
  CHECK(is_fresh_here(make_echo(1000, 488)));
  CHECK_FALSE(is_fresh_here(make_echo(1000, 487)));
}

TEST_CASE("freshness: an echo of no run or of a former run is stale") {
  CHECK_FALSE(is_fresh_here(echo()));
  CHECK_FALSE(is_fresh_here(make_echo(999, 500)));
}

TEST_CASE("freshness: another run of my generation is not me, and no run said is") {
  echo of_me = make_echo(1000, 500);
  of_me.instance = my_instance;
  CHECK(is_fresh_here(of_me));
  of_me.instance = my_instance + 1;
  CHECK_FALSE(is_fresh_here(of_me));
}

TEST_CASE("freshness: of a higher run of mine only an answer is fresh") {
  echo of_me = make_echo(1001, 3);
  CHECK_FALSE(is_fresh_here(of_me));
  of_me.is_answer = true;
  CHECK(is_fresh_here(of_me));
  CHECK_FALSE(is_fresh_here(of_me, 400));
}

TEST_CASE("freshness: before its first round a node is heard at heartbeat 0") {
  packed_entry self = make_self();
  self.set_heartbeat(0);

  CHECK(is_fresh(make_echo(1000, 0), self, my_instance, 12, 0));
}

TEST_CASE("freshness: after a death only an echo from after it is fresh") {
  CHECK_FALSE(is_fresh_here(make_echo(1000, 495), 495));
  CHECK(is_fresh_here(make_echo(1000, 496), 495));
}

}  // namespace gossipmonger
