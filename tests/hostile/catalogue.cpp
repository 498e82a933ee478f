#include "catalogue.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include <doctest/doctest.h>

#include "../sim/cluster.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view enemy_name = "enemy";
constexpr std::uint64_t enemy_generation = 1'704'000'000'000;
constexpr std::size_t cluster_at = 4;
constexpr std::size_t cookie_echo_at = 12;
constexpr std::size_t cookie_at = 18;
constexpr std::size_t cookie_bytes = 6;

}  // namespace

config arena::small() {
  config common;
  common.peers_max = 3;  // with the enemy the node knows as many
  common.parked_bytes_max = 0;
  common.keys_per_peer_max = 16;
  common.bytes_per_peer_max = 4096;
  return common;
}

config arena::with_sums() {
  config common = small();
  common.sums_peers_min = 1;
  return common;
}

arena::arena(config common) : where(1), heard_(4, datagram(0)) {
  where.on_delivery = [this](std::size_t to, std::span<const std::byte> bytes) {
    if (to == 0) overhear(bytes);
  };
  where.on_send = [this](std::size_t from, const endpoint& to, std::span<const std::byte> bytes) {
    if (from != 0) return;
    if (to == enemy || to == outsider) {
      answered_bytes += bytes.size();
      if (on_answered) on_answered(bytes);
    } else {
      ++asked;
    }
    if (to == enemy) std::memcpy(&cookie_, bytes.data() + cookie_at, cookie_bytes);
  };
  add_cluster(where, 3, common);
  for (std::size_t node = 0; node < 3; ++node) {
    REQUIRE(where[node].set("key", std::string(40, 'v')));
    REQUIRE(where[node].set("other", "w"));
  }
  settle_in();
}

void arena::overhear(std::span<const std::byte> bytes) {
  datagram wire(bytes.size());
  std::copy(bytes.begin(), bytes.end(), wire.bytes().begin());
  message m;
  const codec format(make_cluster_id("default"), 1200);
  REQUIRE(format.decode(wire.bytes(), m).has_value());
  const bool is_neighbour = m.sender.name_hash == siphash(make_cluster_key("default"), "n1");
  if (is_neighbour) heard_[static_cast<std::size_t>(m.kind)] = wire;
}

void arena::settle_in() {
  REQUIRE(where.run_until([this] { return where.has_agreed(); }, 20s));
  for (int i = 0; i < 20 && heard_[3].bytes().empty(); ++i) {
    REQUIRE(where[1].set("key", std::to_string(i)));
    REQUIRE(where[2].set("key", std::to_string(i)));
    where.run_for(2s);
  }
  where.run_for(10s);
  where.on_delivery = nullptr;
  // The enemy verifies its address, and then tells who it is and that it has three keys.
  message hello;
  begin(hello, message_kind::digest);
  hello.known.extra.push_back(hello.sender);
  hello.padded_bytes = 400;
  send(hello);
  REQUIRE(cookie_ != 0);
  message news;
  begin(news, message_kind::reply);
  news.identities.push_back(identity(enemy_name, enemy_generation));
  delta_view delta;
  delta.name_hash = news.sender.name_hash;
  delta.generation = enemy_generation;
  delta.upto = position(3);
  delta.top = 3;
  delta.entry_count = 3;
  news.deltas.push_back(delta);
  for (std::uint64_t version = 1; version <= 3; ++version) {
    entry_view& entry = news.entries.emplace_back();
    entry.key = version == 1 ? "a" : version == 2 ? "b" : "c";
    entry.value = "1";
    entry.version = version;
  }
  send(news);
  REQUIRE(node().find_member(enemy_name, where.now(0)).has_value());
  REQUIRE(value_at(where, 0, enemy_name, "c") == "1");
  sent = 0;
  sent_bytes = 0;
  answered_bytes = 0;
  asked = 0;
}

std::string arena::fingerprint() const {
  std::string known;
  for (const member& peer : where[0].members(where.now(0))) {
    known += peer.name + " " + std::to_string(peer.generation) + " " + peer.address.to_string() +
             " " + std::string(to_string(peer.status)) + " " + std::to_string(peer.max_version) +
             " " + std::to_string(peer.heartbeat) + "\n";
    std::uint64_t from = 0;
    while (const std::optional<entry_view> entry = where[0].first_above(peer.name, from)) {
      known += std::string(entry->key) + "=" + std::string(entry->value) + "\n";
      from = entry->version;
    }
  }
  return known;
}

// -------------------------------------------------------------------------------------- forging

digest_entry arena::entry_of(std::string_view name) const {
  const std::optional<member> known = where[0].find_member(name, where.now(0));
  digest_entry entry;
  entry.name_hash = siphash(make_cluster_key("default"), name);
  if (!known) return entry;
  entry.generation = known->generation;
  entry.max_version = known->max_version;
  entry.heartbeat = known->heartbeat;
  return entry;
}

void arena::begin(message& m, message_kind kind) const {
  m.clear();
  m.kind = kind;
  m.sender = entry_of(enemy_name);
  m.sender.generation = enemy_generation;
  m.sender.heartbeat = 1;
  // It hears the node: what it says is fresh.
  const peer_view heard = where[0].peers().self();
  m.receiver.name_hash = heard.name_hash();
  m.receiver.generation = heard.generation();
  m.receiver.heartbeat = heard.heartbeat();
  if (kind == message_kind::digest) m.known.extra.push_back(m.receiver);
}

suspicion_entry arena::suspicion_of(std::string_view name, std::uint16_t suspicion_age,
                                    std::uint32_t alive_age) const {
  const digest_entry held = entry_of(name);
  suspicion_entry suspicion;
  suspicion.name_hash = held.name_hash;
  suspicion.generation = held.generation == 0 ? enemy_generation : held.generation;
  suspicion.heartbeat = held.heartbeat;
  suspicion.suspicion_age = suspicion_age;
  suspicion.alive_age = alive_age;
  return suspicion;
}

identity_view arena::identity(std::string_view name, std::uint64_t generation) {
  identity_view who;
  who.name = name;
  who.generation = generation == 0 ? enemy_generation : generation;
  who.instance = 1;
  who.heartbeat = 1;
  who.address = endpoint::v4(203, 0, 113, 66, 6666);
  return who;
}

delta_view& arena::add_delta(message& m, std::string_view name, std::uint64_t after,
                             std::uint64_t upto) const {
  const digest_entry held = entry_of(name);
  delta_view& delta = m.deltas.emplace_back();
  delta.name_hash = held.name_hash;
  delta.generation = held.generation == 0 ? enemy_generation : held.generation;
  delta.after = position(after);
  delta.upto = position(upto);
  delta.top = upto;
  delta.first_entry = m.entries.size();
  return delta;
}

datagram arena::encoded(const message& m) const {
  datagram wire(m);
  const std::uint32_t cluster = make_cluster_id("default");
  std::memcpy(wire.bytes().data() + cluster_at, &cluster, sizeof cluster);
  if (m.cookie_echo == 0) {
    std::memcpy(wire.bytes().data() + cookie_echo_at, &cookie_, cookie_bytes);
  }
  wire.fix_checksum();
  return wire;
}

datagram arena::heard(message_kind kind) const {
  const datagram& wire = heard_[static_cast<std::size_t>(kind)];
  REQUIRE(datagram(wire).bytes().size() >= header_bytes);
  return wire;
}

// ----------------------------------------------------------------------------------- delivering

void arena::send_bytes(std::span<const std::byte> bytes) {
  ++sent;
  sent_bytes += bytes.size();
  if (on_sent) on_sent(bytes);
  where.inject(0, enemy, bytes);
}

void arena::send_as_is(datagram wire) { send_bytes(wire.bytes()); }

void arena::send(datagram wire) {
  wire.fix_checksum();
  send_bytes(wire.bytes());
}

void arena::send(const message& m) { send_bytes(encoded(m).bytes()); }

void arena::send_from(const endpoint& source, datagram wire) {
  ++sent;
  sent_bytes += wire.bytes().size();
  if (on_sent) on_sent(wire.bytes());
  where.inject(0, source, wire.bytes());
}

}  // namespace gossipmonger
