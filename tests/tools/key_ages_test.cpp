#include "../../tools/gossipmonger/key_ages.hpp"

#include <chrono>
#include <optional>
#include <string_view>

#include <doctest/doctest.h>

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr key_ages::time start{};

event_view make(event_kind kind, std::string_view peer, std::string_view key = {}) {
  event_view made;
  made.kind = kind;
  made.peer = peer;
  made.key = key;
  return made;
}

}  // namespace

TEST_CASE("key_ages: an own key has the time left that it was set for, and a peer's has none") {
  key_ages ages("me");
  ages.apply(make(event_kind::update, "me", "k"), start);
  ages.apply(make(event_kind::update, "other", "k"), start);
  ages.set_deadline("k", start + 10s);

  CHECK(ages.find("me", "k", start + 4s).here == 4s);
  CHECK(ages.find("me", "k", start + 4s).left == 6s);
  CHECK_FALSE(ages.find("other", "k", start + 4s).left);
  CHECK_FALSE(ages.find("me", "k", start + 10s).left);
  ages.set_deadline("k", std::nullopt);
  CHECK_FALSE(ages.find("me", "k", start + 4s).left);
}

TEST_CASE("key_ages: a deadline goes with its key, and not with a peer's key of that name") {
  key_ages ages("me");
  ages.set_deadline("k", start + 10s);
  ages.apply(make(event_kind::removed, "other", "k"), start + 1s);
  CHECK(ages.find("me", "k", start + 2s).left == 8s);

  ages.apply(make(event_kind::removed, "me", "k"), start + 3s);

  CHECK_FALSE(ages.find("me", "k", start + 4s).left);
}

TEST_CASE("key_ages: after lost events only deadlines that are yet to come are kept") {
  key_ages ages("me");
  ages.set_deadline("early", start + 1s);
  ages.set_deadline("late", start + 10s);

  ages.apply(make(event_kind::lagged, ""), start + 5s);

  CHECK_FALSE(ages.find("me", "early", start).left);
  CHECK(ages.find("me", "late", start + 5s).left == 5s);
}

}  // namespace gossipmonger
