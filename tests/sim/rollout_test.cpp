// A cluster whose nodes are replaced, one after the other, by a release that speaks other wire
// versions.
#include <cstdint>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "cluster.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t size = 8;

/// Which wire versions were on the wire since the last look: bit v for version v.
struct seen_versions {
  explicit seen_versions(world& where) {
    where.on_send = [this](std::size_t, const endpoint&, std::span<const std::byte> datagram) {
      const auto versions = static_cast<unsigned>(datagram[1]);
      const auto kind = static_cast<unsigned>(datagram[2]);
      bits |= 1U << ((versions >> 4) - ((kind >> 4) & 7));
    };
  }

  unsigned take() { return std::exchange(bits, 0U); }

  unsigned bits = 0;
};

std::uint64_t count_declared_dead(const world& where) {
  std::uint64_t count = 0;
  for (std::size_t node = 0; node < where.size(); ++node) {
    count += where[node].stats().declared_dead;
  }
  return count;
}

bool has_agreed_soon(world& where) {
  return where.run_until([&where] { return where.has_agreed(); }, 60s);
}

/// Each node in turn restarts with the new release, and publishes; all must have it before the
/// next one goes.
void upgrade(world& where, const wire_range& spoken, const std::string& value) {
  for (std::size_t node = 0; node < size; ++node) {
    where.set_wire_versions(node, spoken);
    where.restart(node);
    REQUIRE(where[node].set("release", value));
    REQUIRE(has_agreed_soon(where));
    CHECK(all_hold(where, name_of(node), "release", value));
  }
}

}  // namespace

TEST_CASE("rollout: a cluster changes its wire version node by node, and nothing is lost") {
  world where(1);
  add_cluster(where, size);
  REQUIRE(has_agreed_soon(where));
  seen_versions seen(where);

  upgrade(where, wire_range(1, 2), "second");
  // Everybody reads both, and writes the higher one to whom it has heard.
  where.run_for(120s);
  seen.take();
  where.run_for(60s);
  CHECK(seen.take() == 1U << 2);

  upgrade(where, wire_range(2, 2), "third");
  where.run_for(60s);

  CHECK(count_declared_dead(where) == 0);
  for (std::size_t node = 0; node < size; ++node) {
    event_log log(where, node);
    CHECK(log.count(event_kind::error) == 0);
    const auto other = where[node].find_member(name_of((node + 1) % size), where.now(node));
    REQUIRE(other);
    CHECK(other->wire_versions == wire_range(2, 2));
  }
}

TEST_CASE("rollout: half a cluster of each release goes on as one") {
  world where(2);
  add_cluster(where, size);
  for (std::size_t node = 0; node < size; node += 2) {
    where.set_wire_versions(node, wire_range(1, 2));
    where.restart(node);
  }
  seen_versions seen(where);

  REQUIRE(has_agreed_soon(where));
  where.run_for(300s);

  CHECK(seen.take() == ((1U << 1) | (1U << 2)));
  CHECK(count_declared_dead(where) == 0);
  CHECK(where[1].stats().drops[static_cast<std::size_t>(drop_reason::wire_version)] == 0);
}

// Two faults that gossip_sim found. The joiner wrote for ever in its lowest version, which the seed
// does not read. The others wrote to the seed in a version of its former release.
TEST_CASE("rollout: a node of both versions joins by a seed that reads the higher one alone") {
  world where(4);
  add_cluster(where, 1);
  where.set_wire_versions(0, wire_range(2, 2));
  where.restart(0);
  config settings;
  settings.name = "n1";
  where.add_stopped(settings);
  where.set_seeds(1, {0});
  where.set_wire_versions(1, wire_range(1, 2));

  where.restart(1);

  CHECK(where.run_until([&where] { return where.has_agreed(); }, 20s));
}

TEST_CASE("rollout: a seed that comes back as a release that reads another version is found") {
  world where(5);
  for (std::size_t node = 0; node < 3; ++node) where.add_stopped(named(name_of(node)));
  where.set_wire_versions(1, wire_range(1, 2));
  where.set_wire_versions(2, wire_range(1, 2));
  where.set_seeds(1, {0});
  where.set_seeds(2, {0});
  for (std::size_t node = 0; node < 3; ++node) where.restart(node);
  REQUIRE(has_agreed_soon(where));

  where.set_wire_versions(0, wire_range(2, 2));
  where.restart(0);

  CHECK(has_agreed_soon(where));
  CHECK(where[1].stats().declared_dead <= 1);
}

// Found by gossip_sim: who was known by the address it advertises was unverified by its real one.
TEST_CASE("rollout: a seed behind another address than it advertises is written to as it reads") {
  world where(6);
  for (std::size_t node = 0; node < 2; ++node) where.add_stopped(named(name_of(node)));
  where.set_wire_versions(0, wire_range(2, 2));
  where.set_wire_versions(1, wire_range(1, 2));
  where.set_seeds(0, {1});
  where.set_seeds(1, {0});
  where.restart(0);
  where.restart(1);
  REQUIRE(has_agreed_soon(where));
  where.move(0);
  where.set_seeds(1, {0});
  where.run_for(5s);
  const auto unread = [&where] {
    return where[0].stats().drops[static_cast<std::size_t>(drop_reason::wire_version)];
  };
  const std::uint64_t before = unread();

  where.run_for(100s);

  CHECK(unread() == before);
  CHECK(where.has_agreed());
}

TEST_CASE("rollout: a node with no version in common is named once, counted, and changes nothing") {
  world where(3);
  add_cluster(where, 3);
  REQUIRE(has_agreed_soon(where));
  event_log log(where, 0);
  log.clear();
  const auto drops = [&where](std::size_t node) {
    return where[node].stats().drops[static_cast<std::size_t>(drop_reason::wire_version)];
  };

  where.set_wire_versions(2, wire_range(2, 3));
  where.restart(2);
  where.run_for(30s);
  log.read(where);

  CHECK(drops(0) > 5);
  CHECK(drops(2) > 5);
  CHECK(log.count(event_kind::error) == 1);
  CHECK(log.count(event_kind::update) == 0);
  // As the peer of the old run, which it still is here.
  CHECK(log.text().find("error n2") != std::string::npos);
}

}  // namespace gossipmonger
