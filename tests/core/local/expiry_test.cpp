#include "core/local/expiry.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> take_all(expiry& keys, std::chrono::nanoseconds now) {
  std::vector<std::string> taken;
  while (std::optional<std::string> key = keys.take_due(now)) taken.push_back(*key);
  return taken;
}

}  // namespace

TEST_CASE("expiry: keys fall due by their deadlines, equal ones in the order they were set") {
  expiry keys;
  keys.set("late", 30s);
  keys.set("zebra", 10s);
  keys.set("ant", 10s);

  CHECK(keys.next() == 10s);
  CHECK(take_all(keys, 10s - 1ns).empty());
  CHECK(take_all(keys, 10s) == std::vector<std::string>{"zebra", "ant"});
  CHECK(keys.next() == 30s);
  CHECK(keys.size() == 1);
}

TEST_CASE("expiry: nothing is due where nothing was set") {
  expiry keys;

  CHECK(keys.next() == std::chrono::nanoseconds::max());
  CHECK_FALSE(keys.take_due(1000h));
}

TEST_CASE("expiry: a key has the deadline that was set last, later or earlier") {
  expiry keys;
  keys.set("a", 10s);
  keys.set("a", 20s);
  keys.set("b", 10s);
  keys.set("b", 5s);

  CHECK(keys.size() == 2);
  CHECK(take_all(keys, 10s) == std::vector<std::string>{"b"});
  CHECK(take_all(keys, 20s) == std::vector<std::string>{"a"});
}

TEST_CASE("expiry: what was cleared never falls due, and clearing an unknown key is nothing") {
  expiry keys;
  keys.set("a", 10s);
  keys.set("b", 10s);

  keys.clear("a");
  keys.clear("stranger");
  CHECK(take_all(keys, 1h) == std::vector<std::string>{"b"});

  keys.set("c", 2h);
  keys.clear_all();
  CHECK(take_all(keys, 3h).empty());
  CHECK(keys.size() == 0);
}

TEST_CASE("expiry: many keys of one deadline come in batches with a pause between") {
  expiry keys;
  for (int i = 0; i < 1000; ++i) keys.set("key" + std::to_string(i), 10s);

  CHECK(take_all(keys, 10s).size() == 256);
  CHECK(keys.next() == 10s + 1ms);
  CHECK(take_all(keys, 10s + 999us).empty());
  CHECK(take_all(keys, 10s + 1ms).size() == 256);
  CHECK(take_all(keys, 10s + 2ms).size() == 256);
  CHECK(take_all(keys, 10s + 3ms).size() == 232);  // 1000 - 3 * 256
  CHECK(keys.next() == std::chrono::nanoseconds::max());
}

TEST_CASE("expiry: a batch that was not filled starts anew the next time") {
  expiry keys;
  for (int i = 0; i < 200; ++i) keys.set("early" + std::to_string(i), 10s);
  for (int i = 0; i < 200; ++i) keys.set("late" + std::to_string(i), 11s);

  CHECK(take_all(keys, 10s).size() == 200);
  CHECK(take_all(keys, 11s).size() == 200);
}

TEST_CASE("expiry: a time to live is above 0 and at most 365 days") {
  CHECK(expiry::is_allowed(1ns));
  CHECK(expiry::is_allowed(24h * 365));

  CHECK_FALSE(expiry::is_allowed(0s));
  CHECK_FALSE(expiry::is_allowed(-1s));
  CHECK_FALSE(expiry::is_allowed(24h * 365 + 1ns));
  CHECK_FALSE(expiry::is_allowed(std::chrono::nanoseconds::max()));
}
