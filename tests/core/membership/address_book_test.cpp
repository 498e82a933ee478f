#include "core/membership/address_book.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace gossipmonger;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

endpoint host(std::uint8_t last) { return endpoint::v4(10, 0, 0, last, 7000); }

/// The rounds in which an address that never answers is started with.
std::vector<std::uint64_t> starts(address_book& book, std::uint64_t rounds) {
  std::vector<std::uint64_t> started;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    if (book.try_start(host(1), round, 16)) started.push_back(round);
  }
  return started;
}

}  // namespace

TEST_CASE("address_book: a cookie verifies the address it was given to, and no other") {
  address_book book(16, 100s, 1);
  const std::uint64_t cookie = book.cookie_for(host(1), 1s);

  CHECK(cookie != 0);
  CHECK(cookie < std::uint64_t{1} << 48);
  CHECK(cookie != book.cookie_for(host(2), 1s));
  CHECK(cookie != book.cookie_for(endpoint::v4(10, 0, 0, 1, 7001), 1s));
  CHECK(book.is_valid_echo(cookie, host(1), 1s));
  CHECK_FALSE(book.is_valid_echo(cookie, host(2), 1s));
  CHECK_FALSE(book.is_valid_echo(cookie + 1, host(1), 1s));
}

TEST_CASE("address_book: no cookie verifies nothing, whatever the address") {
  address_book book(16, 100s, 1);

  for (std::uint8_t i = 0; i < 255; ++i) CHECK_FALSE(book.is_valid_echo(0, host(i), 1s));
}

TEST_CASE("address_book: two books give different cookies") {
  address_book one(16, 100s, 1);
  address_book other(16, 100s, 2);

  CHECK_FALSE(other.is_valid_echo(one.cookie_for(host(1), 1s), host(1), 1s));
}

TEST_CASE("address_book: a cookie is good for one lifetime at least, and for two at most") {
  // Given at any time of a secret's life, and asked for at any rhythm.
  for (const nanoseconds step : {nanoseconds(1s), nanoseconds(30s), nanoseconds(99s),
                                 nanoseconds(150s), nanoseconds(199s), nanoseconds(500s)}) {
    for (const nanoseconds given : {1s, 50s, 99s, 100s, 101s, 250s}) {
      address_book book(16, 100s, 1);
      static_cast<void>(book.cookie_for(host(9), 1s));
      const std::uint64_t cookie = book.cookie_for(host(1), given);
      for (nanoseconds now = given; now <= given + 600s; now += step) {
        const bool is_valid_echo = book.is_valid_echo(cookie, host(1), now);
        CAPTURE(step.count());
        CAPTURE(given.count());
        CAPTURE(now.count());
        if (now - given <= 100s) CHECK(is_valid_echo);
        if (now - given >= 200s) CHECK_FALSE(is_valid_echo);
      }
    }
  }
}

TEST_CASE("address_book: a shorter lifetime takes no cookie that was given within it") {
  address_book book(16, 100s, 1);
  static_cast<void>(book.cookie_for(host(9), 1s));
  const std::uint64_t cookie = book.cookie_for(host(1), 90s);

  book.set_secret_lifetime(20s, 91s);

  CHECK(book.is_valid_echo(cookie, host(1), 92s));
  CHECK(book.is_valid_echo(cookie, host(1), 110s));
  CHECK_FALSE(book.is_valid_echo(cookie, host(1), 131s));
}

TEST_CASE("address_book: the cookie of another is kept until it gives a newer one") {
  address_book book(16, 100s, 1);
  CHECK(book.cookie_from(host(1)) == 0);

  book.handle_verified(host(1), 77);
  CHECK(book.cookie_from(host(1)) == 77);
  book.handle_verified(host(1), 0);
  CHECK(book.cookie_from(host(1)) == 77);
  book.handle_verified(host(1), 78);
  CHECK(book.cookie_from(host(1)) == 78);
  CHECK(book.cookie_from(host(2)) == 0);
}

TEST_CASE("address_book: who never answers is asked again after 1, 2, 2, 4, 4, 8, 8, 16 rounds") {
  address_book book(16, 100s, 1);

  // 2 to the power of half the starts so far, and never more than 16.
  CHECK(starts(book, 100) ==
        std::vector<std::uint64_t>{1, 2, 4, 6, 10, 14, 22, 30, 46, 62, 78, 94});
}

TEST_CASE("address_book: an unverified address may be started with once a round") {
  address_book book(16, 100s, 1);

  CHECK(book.try_start(host(1), 1, 16));
  CHECK_FALSE(book.try_start(host(1), 1, 16));
  CHECK(book.try_start(host(1), 2, 16));
}

TEST_CASE("address_book: so many unverified addresses a round, and not one more") {
  address_book book(16, 100s, 1);

  CHECK(book.try_start(host(1), 1, 2));
  CHECK(book.try_start(host(2), 1, 2));
  CHECK_FALSE(book.try_start(host(3), 1, 2));
  CHECK(book.try_start(host(3), 2, 2));
}

TEST_CASE(
    "address_book: a verified address may always, and does not count against the unverified") {
  address_book book(16, 100s, 1);
  book.handle_verified(host(1), 5);
  CHECK(book.is_verified(host(1)));
  CHECK_FALSE(book.is_verified(host(2)));

  CHECK(book.try_start(host(1), 1, 1));
  CHECK(book.try_start(host(1), 1, 1));
  CHECK(book.try_start(host(2), 1, 1));
  CHECK(book.try_start(host(1), 1, 1));
}

TEST_CASE("address_book: eight starts without an answer are forgiven, the ninth unverifies") {
  address_book book(16, 100s, 1);
  book.handle_verified(host(1), 5);

  for (std::uint64_t round = 1; round <= 8; ++round) CHECK(book.try_start(host(1), round, 1));
  CHECK(book.is_verified(host(1)));
  CHECK(book.try_start(host(1), 9, 1));
  CHECK_FALSE(book.is_verified(host(1)));
}

TEST_CASE("address_book: an answer in between starts the count anew") {
  address_book book(16, 100s, 1);
  book.handle_verified(host(1), 5);
  for (std::uint64_t round = 1; round <= 8; ++round) CHECK(book.try_start(host(1), round, 1));

  book.handle_verified(host(1), 5);

  for (std::uint64_t round = 9; round <= 16; ++round) CHECK(book.try_start(host(1), round, 1));
  CHECK(book.is_verified(host(1)));
}

TEST_CASE("address_book: starts in a row that brought no verification are counted") {
  address_book book(16, 100s, 1);
  CHECK(book.unanswered(host(1)) == 0);

  for (std::uint64_t round = 1; round <= 2; ++round) REQUIRE(book.try_start(host(1), round, 16));
  CHECK(book.unanswered(host(1)) == 2);
  CHECK(book.unanswered(host(2)) == 0);
  CHECK_FALSE(book.try_start(host(1), 2, 16));  // it backs off: that was no start
  CHECK(book.unanswered(host(1)) == 2);

  book.handle_verified(host(1), 5);
  CHECK(book.unanswered(host(1)) == 0);
}

TEST_CASE("address_book: a verification ends the backing off") {
  address_book book(16, 100s, 1);
  for (std::uint64_t round = 1; round <= 40; ++round) {
    static_cast<void>(book.try_start(host(1), round, 16));
  }
  CHECK_FALSE(book.try_start(host(1), 41, 16));

  book.handle_verified(host(1), 5);
  CHECK(book.try_start(host(1), 41, 16));
}

TEST_CASE("address_book: never holds more than its capacity") {
  address_book book(4, 100s, 1);

  for (std::uint8_t i = 0; i < 100; ++i) {
    static_cast<void>(book.try_start(host(i), i, 16));
    if (i % 3 == 0) book.handle_verified(host(static_cast<std::uint8_t>(i + 100)), 5);
  }

  CHECK(book.size() == 4);
}

TEST_CASE("address_book: when it is full, an address that never answered makes room") {
  address_book book(2, 100s, 1);
  book.handle_verified(host(1), 5);
  CHECK(book.try_start(host(2), 1, 16));

  CHECK(book.try_start(host(3), 9, 16));

  CHECK(book.is_verified(host(1)));
  CHECK(book.cookie_from(host(1)) == 5);
  CHECK(book.size() == 2);
}

TEST_CASE(
    "address_book: when it is full of verified ones, the one not met for longest makes room") {
  // Addresses come and go over the years; who is new must still be spoken to.
  address_book book(3, 100s, 1);
  for (std::uint8_t i = 1; i <= 3; ++i) {
    CHECK(book.try_start(host(i), i, 16));
    book.handle_verified(host(i), i);
  }
  CHECK(book.try_start(host(1), 10, 16));

  CHECK(book.try_start(host(4), 11, 16));

  CHECK(book.is_verified(host(1)));
  CHECK_FALSE(book.is_verified(host(2)));
  CHECK(book.is_verified(host(3)));
}

TEST_CASE("address_book: a newly verified address is noted in place of one that never answered") {
  address_book book(2, 100s, 1);
  book.handle_verified(host(1), 5);
  REQUIRE(book.try_start(host(2), 1, 16));  // backs off until round 2
  book.handle_verified(host(3), 7);
  CHECK_FALSE(book.is_verified(host(3)));
  REQUIRE(book.try_start(host(1), 2, 16));

  book.handle_verified(host(3), 7);

  CHECK(book.is_verified(host(3)));
  CHECK(book.cookie_from(host(3)) == 7);
  CHECK(book.is_verified(host(1)));
  CHECK(book.size() == 2);
}

TEST_CASE("address_book: newly verified addresses do not push out whom I speak with") {
  address_book book(2, 100s, 1);
  book.handle_verified(host(1), 5);
  book.handle_verified(host(2), 6);

  book.handle_verified(host(3), 7);

  CHECK_FALSE(book.is_verified(host(3)));
  CHECK(book.cookie_from(host(1)) == 5);
  CHECK(book.cookie_from(host(2)) == 6);
  // An exchange that this node starts there makes room.
  CHECK(book.try_start(host(3), 1, 16));
  book.handle_verified(host(3), 7);
  CHECK(book.is_verified(host(3)));
}
