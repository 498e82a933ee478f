// Writing at the edges: views of what is being replaced, the brim of a capacity, the last version.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

using pair_view = std::pair<std::string_view, std::string_view>;

// A block of its own, which malloc gives back to the next who asks for as much.
const std::string large(5000, 'x');

}  // namespace

// --------------------------------------------------------------------- views of entries of mine

// That nothing freed is read is for the sanitizers to see; that a deadline is found, for all.
TEST_CASE("write: a key may be a view of the entry that goes, and its deadline goes with it") {
  small_cluster world;
  protocol& a = world.add("a");
  const std::string long_key(200, 'k');
  REQUIRE(a.set(long_key, large, 5s, world.now()));

  REQUIRE(a.erase(a.first_above("a", 0)->key));

  CHECK(value_of(a, "a", long_key) == "-");
  REQUIRE(a.set(long_key, large, 5s, world.now()));
  REQUIRE(a.set(a.first_above("a", 0)->key, "short"));
  world.run_for(10s);
  CHECK(value_of(a, "a", long_key) == "short");
}

TEST_CASE("write: pairs may be views of entries that pairs before them replace") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("one", large));
  const std::string other(5000, 'y');

  // The second is a view of what the first replaces with as much, in the block just freed.
  const std::string_view seen = a.get("a", "one")->value;
  const std::array<pair_view, 3> pairs{pair_view("one", "1"), pair_view("two", other),
                                       pair_view("three", seen)};
  REQUIRE(a.set(pairs) == 4);

  CHECK(value_of(a, "a", "one") == "1");
  CHECK(value_of(a, "a", "two") == other);
  CHECK(value_of(a, "a", "three") == large);
}
