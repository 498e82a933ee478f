#include "sim/run_hash.hpp"

#include <array>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "sim/simulation.hpp"

namespace gossipmonger {

namespace {

template <typename Hashed>
std::uint64_t hash_of_one(const Hashed& what) {
  run_hash hash;
  hash.add(what);
  return hash.value();
}

/// A run of three nodes, of which n1 and n2 are alike but for their names, and what ends it.
std::uint64_t trace_hash(const std::string& end, bool is_checked = true) {
  const auto read = parse_scenario(
      "node n0\n"
      "node n1 seeds=n0\n"
      "node n2 seeds=n0\n"
      "at 0ms start n0\n"
      "at 0ms start n1\n"
      "at 0ms start n2\n" +
      end);
  REQUIRE_MESSAGE(read, read.error());
  simulation_options how;
  how.is_checked = is_checked;
  return simulate(*read, how).trace_hash;
}

}  // namespace

TEST_CASE("run_hash: each field of an event changes it") {
  const std::vector<std::function<void(event_view&)>> changes = {
      [](event_view&) {},
      [](event_view& seen) { seen.kind = event_kind::update; },
      [](event_view& seen) { seen.peer = "a"; },
      [](event_view& seen) { seen.generation = 1; },
      [](event_view& seen) { seen.key = "a"; },
      [](event_view& seen) { seen.value = "a"; },
      [](event_view& seen) { seen.version = 1; },
      [](event_view& seen) { seen.text = "a"; },
  };
  std::set<std::uint64_t> hashes;

  for (const auto& change : changes) {
    event_view seen;
    change(seen);
    hashes.insert(hash_of_one(seen));
  }

  CHECK(hashes.size() == changes.size());
}

TEST_CASE("run_hash: each counter changes it") {
  std::set<std::uint64_t> hashes{hash_of_one(protocol_stats())};
  // Counters are of 8 bytes each, without a gap between them.
  static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
  constexpr std::size_t count = sizeof(protocol_stats) / sizeof(std::uint64_t);

  for (std::size_t i = 0; i < count; ++i) {
    std::array<std::uint64_t, count> numbers{};
    numbers[i] = 1;
    protocol_stats stats;
    std::memcpy(static_cast<void*>(&stats), numbers.data(), sizeof stats);
    hashes.insert(hash_of_one(stats));
  }

  CHECK(hashes.size() == count + 1);
}

TEST_CASE("run_hash: the same text gives the same value, and a longer or cut one another") {
  CHECK(hash_of_one(std::string_view("12345678")) == hash_of_one(std::string_view("12345678")));
  CHECK(hash_of_one(std::string_view("12345678")) != hash_of_one(std::string_view("1234567")));
  CHECK(hash_of_one(std::string_view("\0", 1)) != hash_of_one(std::string_view()));
  CHECK(hash_of_one(std::string_view("123456789")) != hash_of_one(std::string_view("123456780")));

  // By hand: the first number that splitmix64 draws from the seed 0, in its reference code.
  run_hash zero;
  zero.add(std::uint64_t{0});
  CHECK(zero.value() == 0xe220a8397b1dcdaf);
}

TEST_CASE("run_hash: a run in which but one event differs has another hash") {
  // The counters are the same, and no datagram is delivered any more.
  const auto forgotten = [](const std::string& peer) {
    return trace_hash("at 5s crash n1\nat 5s crash n2\nat 5s forget n0 " + peer +
                      "\nat 6s crash n1\n");
  };

  CHECK(forgotten("n1") == forgotten("n1"));
  CHECK(forgotten("n1") != forgotten("n2"));
}

TEST_CASE("run_hash: a run in which but one counter differs has another hash") {
  // The peers of n0 lack a version, which no datagram and, unchecked, no event tells.
  const std::uint64_t written = trace_hash("at 20s set n0 key value\n", false);

  CHECK(written == trace_hash("at 20s set n0 key value\n", false));
  CHECK(written != trace_hash("at 20s erase n0 key\n", false));
}

}  // namespace gossipmonger
