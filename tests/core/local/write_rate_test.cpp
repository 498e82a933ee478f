#include "core/local/write_rate.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

namespace gossipmonger {

using namespace std::chrono_literals;

namespace {

/// A writer of entries of 100 bytes in rounds of one second, in a cluster of two: what it writes is
/// everywhere in 2 * 1 + 4 = 6 rounds.
class writer {
 public:
  explicit writer(std::size_t bytes_per_interval) : rate(bytes_per_interval, 0s) {}

  /// A round with so many entries; true: the rate fell.
  bool round(std::uint64_t entries) {
    for (std::uint64_t i = 0; i < entries; ++i) rate.spend(100, ++version);
    now += 1s;
    return rate.end_round(now, 1s, 1);
  }
  /// A round in which `held` is what the peer says that it holds at its end.
  bool round(std::uint64_t entries, std::uint64_t held) {
    for (std::uint64_t i = 0; i < entries; ++i) rate.spend(100, ++version);
    rate.handle_held(peer, held, 0);
    now += 1s;
    return rate.end_round(now, 1s, 1);
  }

  write_rate rate;
  write_progress peer;
  std::uint64_t version = 0;
  std::chrono::nanoseconds now{};
};

}  // namespace

TEST_CASE("write_rate: writing borrows, and is open again when that is paid back") {
  write_rate rate(32000, 5s);

  CHECK(rate.is_open(5s, 1s));
  rate.spend(32000, 1);
  CHECK(rate.is_open(5s, 1s));
  rate.spend(16000, 2);
  CHECK_FALSE(rate.is_open(5s, 1s));

  CHECK(rate.is_open_at(1s) >= 5s + 500ms);
  CHECK(rate.is_open_at(1s) <= 5s + 501ms);
  CHECK_FALSE(rate.is_open(5s + 499ms, 1s));
  CHECK(rate.is_open(5s + 501ms, 1s));
}

TEST_CASE("write_rate: a writer that ignores it is held to account for one interval, not more") {
  write_rate rate(32000, 5s);
  rate.spend(1'000'000, 1);
  static_cast<void>(rate.end_round(6s, 1s, 1));
  const auto at = rate.is_open_at(1s);

  CHECK(at > 6s);
  CHECK(at <= 7s + 1us);
}

TEST_CASE("write_rate: rises by a ninth a round while half of it is used, and not else") {
  // 1.5 times the six rounds that news takes.
  writer used(9000);
  CHECK_FALSE(used.round(45));
  CHECK(used.rate.bytes_per_interval() == 10000);

  writer unused(9000);
  CHECK_FALSE(unused.round(44));
  CHECK(unused.rate.bytes_per_interval() == 9000);
}

TEST_CASE("write_rate: a peer that lacks only what is on its way changes nothing") {
  writer one(9000);
  // It holds what was written four rounds ago.
  for (std::uint64_t i = 0; i < 20; ++i) CHECK_FALSE(one.round(10, i < 4 ? 0 : 10 * (i - 4)));

  CHECK(one.rate.bytes_per_interval() == 9000);
  CHECK_FALSE(one.peer.is_behind);
}

TEST_CASE("write_rate: falls by a quarter when a peer falls behind, once in the rounds of news") {
  writer one(9000);
  // Rounds 0 to 6: what was written in round 0 is not late yet.
  for (int i = 0; i < 7; ++i) CHECK_FALSE(one.round(40, 39));
  CHECK_FALSE(one.peer.is_behind);
  CHECK(one.round(40, 39));

  CHECK(one.peer.is_behind);
  // Of 4,500, half the rate: less was written, but that says nothing about what can be carried.
  CHECK(one.rate.bytes_per_interval() == 3375);
  // It takes nothing: another quarter, but not before seven rounds.
  for (int i = 0; i < 6; ++i) CHECK_FALSE(one.round(33, 39));
  CHECK(one.round(33, 39));
  CHECK(one.rate.bytes_per_interval() == 2475);  // of 3,300 written
}

TEST_CASE("write_rate: what a peer that is behind takes is what it follows, but for a quarter") {
  writer one(32000);
  for (int i = 0; i < 8; ++i) static_cast<void>(one.round(200, 10));
  CHECK(one.peer.is_behind);
  CHECK(one.rate.bytes_per_interval() == 16000);  // three quarters of half of 42,666

  // From here it takes 120 entries a round, 12,000 bytes; after six rounds that is known.
  std::uint64_t held = 10;
  for (int i = 0; i < 5; ++i) CHECK_FALSE(one.round(150, held += 120));
  CHECK(one.round(150, held += 120));
  CHECK(one.rate.bytes_per_interval() == 9000);

  // And of 160, a quarter of the way up to 12,000, though it is still behind.
  for (int i = 0; i < 6; ++i) CHECK_FALSE(one.round(90, held += 160));
  CHECK(one.peer.is_behind);
  CHECK(one.rate.bytes_per_interval() == 9750);
}

TEST_CASE("write_rate: does not rise while somebody is behind, and carefully for a turn after") {
  writer one(1800);
  for (int i = 0; i < 8; ++i) static_cast<void>(one.round(9, 1));
  const std::size_t fallen = one.rate.bytes_per_interval();
  CHECK(fallen < 1800);
  for (int i = 0; i < 5; ++i) static_cast<void>(one.round(18, 10));
  CHECK(one.rate.bytes_per_interval() <= fallen);

  // It has caught up: after the six rounds that news takes, an 18th a round, then a ninth.
  while (one.rate.bytes_per_interval() <= fallen) static_cast<void>(one.round(18, one.version));
  const auto step = [&] {
    const std::size_t before = one.rate.bytes_per_interval();
    static_cast<void>(one.round(40, one.version));
    return static_cast<double>(one.rate.bytes_per_interval() - before) /
           static_cast<double>(before);
  };
  CHECK(one.rate.bytes_per_interval() <= fallen + fallen / 18 + 1);
  CHECK(step() > 1.0 / 9 - 0.01);  // a turn of one peer is one round
}

TEST_CASE("write_rate: who takes nothing for four times the rounds of news is not waited for") {
  writer one(9000);
  std::size_t least = 9000;
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(one.round(one.rate.bytes_per_interval() / 100 + 1, 5));
    least = std::min(least, one.rate.bytes_per_interval());
  }

  CHECK(least < 4500);
  CHECK(one.rate.bytes_per_interval() > 9000);
}

TEST_CASE("write_rate: parts of the value that a peer lacks count as taken") {
  const auto take = [](std::size_t a_round) {
    writer one(32000);
    one.rate.spend(1'000'000, ++one.version);
    std::size_t part = 0;
    for (int i = 0; i < 16; ++i) {
      one.rate.spend(10'000, ++one.version);
      one.rate.handle_held(one.peer, 0, part += a_round);
      static_cast<void>(one.rate.end_round(one.now += 1s, 1s, 1));
    }
    return one.rate.bytes_per_interval();
  };

  // 13,333 after the first fall; then a quarter of the way to 15,000, or three quarters of what was
  // written.
  CHECK(take(20'000) == 13'750);
  CHECK(take(0) == 7'500);
}

TEST_CASE("write_rate: never falls so low that nothing could be written") {
  writer one(2000);
  for (int i = 0; i < 30; ++i) static_cast<void>(one.round(1, 0));

  CHECK(one.rate.bytes_per_interval() == 1024);
}

TEST_CASE("write_rate: another budget begins anew, and what was written stays known") {
  writer one(9000);
  for (int i = 0; i < 3; ++i) static_cast<void>(one.round(40, one.version));

  one.rate.begin_anew(4000);

  CHECK(one.rate.bytes_per_interval() == 4000);
  for (int i = 0; i < 7; ++i) static_cast<void>(one.round(20, 120));
  CHECK_FALSE(one.peer.is_behind);
  static_cast<void>(one.round(20, 120));
  CHECK(one.peer.is_behind);
}

}  // namespace gossipmonger
