#include "core/exchange/path_watch.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>

using namespace gossipmonger;

TEST_CASE("path_watch: a size class rises in steps of a sixteenth") {
  CHECK(size_class(0) == 0);
  CHECK(size_class(1) == 1);
  CHECK(size_class(15) == 1);
  CHECK(size_class(16) == 16);     // 2^4, nothing below
  CHECK(size_class(1024) == 112);  // 16 * (10 - 3)
  CHECK(size_class(1151) == 113);  // 1024 + 1 * 64 + 63
  CHECK(size_class(1152) == 114);
  CHECK(size_class(1200) == 114);
  CHECK(size_class(65504) == 207);  // 16 * (15 - 3) + 15
  for (std::size_t bytes = 1; bytes < 70'000; ++bytes) {
    REQUIRE(size_class(bytes) >= size_class(bytes - 1));
  }
}

TEST_CASE("path_watch: ten large datagrams lost in a row, while shorter ones come, are a finding") {
  path_watch watch;
  const std::uint8_t shorter = size_class(300);
  for (std::uint64_t heartbeat = 1; heartbeat < 10; ++heartbeat) {
    watch.handle_sent(1160, heartbeat);
    CHECK_FALSE(watch.handle_told(shorter, heartbeat + 1));
  }

  watch.handle_sent(1160, 10);
  CHECK(watch.handle_told(shorter, 11));

  // And the next takes as many again.
  watch.handle_sent(1160, 12);
  CHECK_FALSE(watch.handle_told(shorter, 13));
}

TEST_CASE("path_watch: one that arrives ends the count, and so does silence") {
  path_watch watch;
  std::uint64_t heartbeat = 0;
  const auto lose = [&] {
    watch.handle_sent(1160, ++heartbeat);
    return watch.handle_told(size_class(300), heartbeat + 1);
  };
  for (const std::uint8_t told : {size_class(1160), size_class(0)}) {
    for (int i = 0; i < 9; ++i) CHECK_FALSE(lose());

    watch.handle_sent(1160, ++heartbeat);
    CHECK_FALSE(watch.handle_told(told, heartbeat + 1));
  }

  for (int i = 0; i < 9; ++i) CHECK_FALSE(lose());
  CHECK(lose());
}

TEST_CASE("path_watch: short datagrams, silence and what crossed mine are no evidence") {
  const auto is_found_after = [](std::size_t bytes, std::uint8_t told, std::uint64_t seen) {
    path_watch watch;
    bool is_found = false;
    for (std::uint64_t i = 0; i < 20; ++i) {
      watch.handle_sent(bytes, 10);
      is_found = watch.handle_told(told, seen) || is_found;
    }
    return is_found;
  };
  CHECK(is_found_after(1160, size_class(300), 11));

  CHECK_FALSE(is_found_after(548, size_class(300), 11));
  CHECK_FALSE(is_found_after(1160, 0, 11));
  CHECK_FALSE(is_found_after(1160, size_class(300), 10));
  CHECK_FALSE(is_found_after(1160, size_class(1160), 11));
}

TEST_CASE("path_watch: what came is told in two rounds of digests, and then no more") {
  path_watch watch;
  CHECK(watch.tell(1) == 0);
  watch.handle_received(1160);
  watch.handle_received(300);

  CHECK(watch.tell(2) == size_class(1160));
  CHECK(watch.tell(2) == size_class(1160));  // each datagram of a digest says so
  CHECK(watch.tell(5) == size_class(1160));  // the one before may have got lost
  watch.handle_received(300);
  CHECK(watch.tell(6) == size_class(300));
}
