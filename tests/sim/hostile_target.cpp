#include "hostile_target.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>

#include <doctest/doctest.h>

#include "cluster.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

std::string fingerprint(const world& where, std::size_t node) {
  std::string known;
  for (const member& peer : where[node].members(where.now(node))) {
    known += peer.name + " " + std::to_string(peer.generation) + " " + peer.address.to_string() +
             " " + std::string(to_string(peer.status)) + " " + std::to_string(peer.is_reachable) +
             " " + std::to_string(peer.max_version) + " " + std::to_string(peer.heartbeat) + "\n";
    std::uint64_t from = 0;
    while (const std::optional<entry_view> entry = where[node].first_above(peer.name, from)) {
      known += std::string(entry->key) + "=" + std::string(entry->value) + "\n";
      from = entry->version;
    }
  }
  return known;
}

std::uint64_t sum(const drop_counters& drops) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : drops) all += count;
  return all;
}

hostile_target::hostile_target(std::size_t nodes) : where(nodes == 4 ? 1 : nodes) {
  // Of a small cluster all; of a large one as many a node, and not those of the first round alone.
  const std::size_t one_in = 1 + nodes / 128;
  const std::size_t seen_max = std::max<std::size_t>(2000, 20 * nodes);
  where.on_delivery = [this, one_in, seen_max](std::size_t, std::span<const std::byte> bytes) {
    if (deliveries_++ % one_in != 0 || seen.size() >= seen_max) return;
    seen.emplace_back(bytes.begin(), bytes.end());
  };
  where.on_send = [this](std::size_t, const endpoint& to, std::span<const std::byte> bytes) {
    if (to == outsider) answered += bytes.size();
  };
  add_cluster(where, nodes);
  for (std::size_t node = 0; node < nodes; ++node) {
    for (int key = 0; key < 5; ++key) {
      CHECK(where[node].set("key" + std::to_string(key), std::string(40, 'v')));
    }
  }
  const auto limit = nodes < 100 ? 20s : 60s;
  CHECK(where.run_until([this] { return where.has_agreed(); }, limit));
  where.run_for(20s);
  where.on_delivery = nullptr;
  before = fingerprint(where, 0);
  drops_before = sum(where[0].stats().drops);
}

void hostile_target::check_unharmed() {
  const bool is_as_before = fingerprint(where, 0) == before;
  CHECK(is_as_before);
  CHECK(where[0].stats().refutations == 0);
  where.run_for(60s);
  CHECK(where.has_agreed());
  CHECK(where[0].members(where.now(0)).size() == where.size());
  CHECK(where[0].stats().declared_dead == 0);
}

void check_replays(std::size_t nodes) {
  CAPTURE(nodes);
  hostile_target attacked(nodes);
  CHECK(all_tell_sums(attacked.where) == (nodes > config().sums_peers_min));
  attacked.where.run_for(100s);
  REQUIRE(attacked.where[2].set("key0", "newer"));
  REQUIRE(attacked.where.run_until([&] { return attacked.where.has_agreed(); }, 20s));
  attacked.before = fingerprint(attacked.where, 0);

  for (const datagram& bytes : attacked.seen) {
    attacked.where.inject(0, outsider, bytes);
    attacked.where.inject(0, attacked.where.address(2), bytes);
  }

  if (nodes >= 300) MESSAGE(nodes << " nodes: " << attacked.seen.size() << " datagrams again");
  CHECK(attacked.seen.size() >= 10 * nodes);
  CHECK(value_at(attacked.where, 0, "n2", "key0") == "newer");
  attacked.check_unharmed();
}

}  // namespace gossipmonger
