#include "sim/application.hpp"

#include <map>
#include <string>

#include <doctest/doctest.h>

namespace gossipmonger {
namespace {

using disk = std::map<std::string, std::string>;

decision restart_with(disk_state state, std::uint64_t count = 0) {
  decision how;
  how.disk = state;
  how.count = count;
  return how;
}

/// a=1 b=1 a=2 c=1, and b erased.
application written() {
  application app;
  app.set("a", "1");
  app.set("b", "1");
  app.set("a", "2");
  app.set("c", "1");
  app.erase("b");
  return app;
}

TEST_CASE("application: its disk has what was set last, and not what was erased") {
  CHECK(written().disk() == disk{{"a", "2"}, {"c", "1"}});
}

TEST_CASE("application: an intact disk loses nothing, a lost one all") {
  application app = written();

  CHECK_FALSE(app.lose(restart_with(disk_state::intact)));
  CHECK(app.disk() == disk{{"a", "2"}, {"c", "1"}});

  CHECK(app.lose(restart_with(disk_state::lost)));
  CHECK(app.disk().empty());
  CHECK_FALSE(app.lose(restart_with(disk_state::lost)));  // there was nothing
}

TEST_CASE("application: a stale disk is as it was some writes ago") {
  application two = written();
  CHECK(two.lose(restart_with(disk_state::stale, 2)));
  CHECK(two.disk() == disk{{"a", "2"}, {"b", "1"}});

  application three = written();
  CHECK(three.lose(restart_with(disk_state::stale, 3)));
  CHECK(three.disk() == disk{{"a", "1"}, {"b", "1"}});

  application more = written();
  CHECK(more.lose(restart_with(disk_state::stale, 100)));
  CHECK(more.disk().empty());
  // The values from before the last start are beyond reach.
  more.set("d", "1");
  CHECK(more.lose(restart_with(disk_state::stale, 100)));
  CHECK(more.disk().empty());
}

TEST_CASE("application: of a torn disk some keys are left, as they were") {
  application app;
  for (int i = 0; i < 100; ++i) app.set("k" + std::to_string(i), std::to_string(i));

  CHECK(app.lose(restart_with(disk_state::torn)));

  // Five standard deviations around the half.
  CHECK(app.disk().size() > 25);
  CHECK(app.disk().size() < 75);
  for (const auto& [key, value] : app.disk()) CHECK(key == "k" + value);
}

}  // namespace
}  // namespace gossipmonger
