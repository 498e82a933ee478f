#include "seal/replay_windows.hpp"

#include <limits>
#include <set>

#include <doctest/doctest.h>

#include "../core/allocations.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;
using standing = replay_window::standing;

constexpr std::uint32_t count_max = std::numeric_limits<std::uint32_t>::max();

/// A window whose highest count is `highest`, which alone was seen.
replay_window window_at(std::uint32_t highest) {
  replay_window made(highest);
  made.mark(highest);
  return made;
}

TEST_CASE("replay_windows: the edges of a window") {
  const replay_window window = window_at(10'000);

  CHECK(window.look(10'000) == standing::replayed);
  CHECK(window.look(9'999) == standing::fresh);
  CHECK(window.look(10'000 - 64) == standing::fresh);
  CHECK(window.look(10'000 - 959) == standing::fresh);
  CHECK(window.look(10'000 - 960) == standing::behind);
  CHECK(window.look(0) == standing::behind);
  CHECK(window.look(10'001) == standing::fresh);
  CHECK(window.look(count_max) == standing::fresh);
}

TEST_CASE("replay_windows: the first and the last counts that there are") {
  replay_window window = window_at(1);
  CHECK(window.look(0) == standing::fresh);
  CHECK(window.look(1) == standing::replayed);

  window.mark(count_max);

  CHECK(window.look(count_max) == standing::replayed);
  CHECK(window.look(count_max - 1) == standing::fresh);
  CHECK(window.look(count_max - 959) == standing::fresh);
  CHECK(window.look(count_max - 960) == standing::behind);
  CHECK(window.look(1) == standing::behind);
}

TEST_CASE("replay_windows: a jump of any width forgets what it passes, and nothing else") {
  for (const std::uint32_t jump :
       {1U, 63U, 64U, 65U, 895U, 959U, 960U, 1023U, 1024U, 1025U, 5000U}) {
    CAPTURE(jump);
    replay_window window = window_at(5'000);
    window.mark(4'990);

    window.mark(5'000 + jump);

    CHECK(window.look(5'000 + jump) == standing::replayed);
    const bool has_old = jump < 960;
    CHECK(window.look(5'000) == (has_old ? standing::replayed : standing::behind));
    if (jump > 1) CHECK(window.look(5'000 + jump - 1) == standing::fresh);
    if (jump + 10 < 960) CHECK(window.look(4'990) == standing::replayed);
  }
}

TEST_CASE("replay_windows: of any order, each count within the window is taken once") {
  // A model that remembers everything. The generator is that of Numerical Recipes; its seed is 7.
  std::uint32_t state = 7;
  const auto draw = [&state](std::uint32_t below) {
    state = state * 1'664'525 + 1'013'904'223;
    return (state >> 8) % below;
  };
  replay_window window = window_at(100);
  std::set<std::uint32_t> seen{100};
  std::uint32_t highest = 100;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint32_t count = draw(50) == 0 ? highest + draw(2'000) : highest + 40 - draw(1'100);
    if (count > highest + 40 + 2'000) continue;  // below 0
    const standing found = window.look(count);
    const bool is_behind = count <= highest && highest - count >= 960;
    const standing expected = is_behind              ? standing::behind
                              : seen.contains(count) ? standing::replayed
                                                     : standing::fresh;
    REQUIRE(found == expected);
    if (found != standing::fresh) continue;
    window.mark(count);
    seen.insert(count);
    highest = std::max(highest, count);
  }
}

TEST_CASE("replay_windows: an instance that was never marked is unknown") {
  replay_windows all(1);
  CHECK(all.find(5) == nullptr);

  all.mark(5, 9, 0, 0s);

  REQUIRE(all.find(5) != nullptr);
  CHECK(all.find(5)->look(9) == standing::replayed);
  CHECK(all.find(6) == nullptr);
}

TEST_CASE("replay_windows: a full table gives up the sender unheard for longest, within 1 MiB") {
  const std::size_t before = allocated_bytes();
  replay_windows all(1);
  for (std::uint64_t i = 0; i < 4096; ++i) all.mark(i, 1, 0, std::chrono::seconds(i));
  CHECK(allocated_bytes() - before <= 1U << 20);
  CHECK(all.evictions() == 0);
  all.mark(0, 2, 0, 5'000s);  // heard again

  all.mark(1'000'000, 1, 0, 5'000s);

  CHECK(all.size() == 4096);
  CHECK(all.evictions() == 1);
  CHECK(all.find(0) != nullptr);
  CHECK(all.find(1) == nullptr);
  CHECK(all.find(2) != nullptr);
  CHECK(all.find(1'000'000) != nullptr);
}

TEST_CASE(
    "replay_windows: a table for a large cluster holds as many as it is told, 4,096 at least") {
  replay_windows all(1);
  all.set_capacity(10);
  CHECK(all.capacity() == 4096);
  all.set_capacity(10'000);

  for (std::uint64_t i = 0; i < 10'000; ++i) all.mark(i, 1, 0, 0s);
  CHECK(all.size() == 10'000);
  CHECK(all.evictions() == 0);
  all.mark(10'000, 1, 0, 0s);

  CHECK(all.size() == 10'000);
  CHECK(all.evictions() == 1);
}

TEST_CASE("replay_windows: senders unheard for the silence are forgotten, once an hour") {
  constexpr std::chrono::seconds any_date = std::chrono::seconds::max();
  replay_windows all(1);
  all.mark(1, 1, 0, 0s);
  all.mark(2, 1, 0, 50h);

  all.forget_idle(47h, 48h, any_date);
  CHECK(all.size() == 2);
  all.forget_idle(47h + 30min, 1h, any_date);
  CHECK(all.size() == 2);
  all.forget_idle(48h, 48h, any_date);

  CHECK(all.size() == 1);
  CHECK(all.find(2) != nullptr);
}

TEST_CASE(
    "replay_windows: a sender stays while its highest date is in time, however long unheard") {
  replay_windows all(1);
  all.mark(1, 1, 5'000, 0s);
  all.mark(1, 2, 4'000, 0s);  // dated before the first
  all.mark(2, 1, 4'999, 0s);

  all.forget_idle(48h, 48h, 5'000s);
  CHECK(all.find(1) != nullptr);
  CHECK(all.find(2) == nullptr);
  all.forget_idle(50h, 48h, 5'001s);

  CHECK(all.size() == 0);
}

}  // namespace
}  // namespace gossipmonger
