// An outsider's datagrams are counted, and a valid digest gets a short answer. They do nothing
// else. The ancestor dies of the first one, or believes it. CONFORMANCE.md beside it names these
// tests.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/testing/random.hpp"
#include "hostile_target.hpp"
#include "sim/world.hpp"
#include "wire/codec.hpp"
#include "wire/crc32c.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

std::uint64_t count_at(const world& where, std::size_t node, drop_reason reason) {
  return where[node].stats().drops[static_cast<std::size_t>(reason)];
}

/// Makes the checksum fit what the datagram now says.
void seal(datagram& bytes) {
  if (bytes.size() < 24) return;
  std::fill_n(bytes.begin() + 8, 4, std::byte{0});
  const std::uint32_t sum = crc32c(bytes);
  for (std::size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<std::byte>(sum >> (8 * i));
}

/// A forged message as bytes, with everything valid but the right to send it.
datagram forged(const message& content) {
  std::vector<std::uint64_t> words(150);
  const codec wire(make_cluster_id("default"), 1200);
  const std::size_t size = wire.encode(content, std::as_writable_bytes(std::span(words)));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(words)).first(size);
  return datagram(bytes.begin(), bytes.end());
}

digest_entry own_entry(const protocol& core) {
  digest_entry entry;
  entry.name_hash = siphash(make_cluster_key("default"), core.name());
  entry.generation = core.generation();
  entry.max_version = core.version();
  entry.heartbeat = 5000;
  return entry;
}

/// Says a newer run of n2, a new peer, other values, and that the receiver itself has moved on.
void fill_lies(const world& where, message& lies) {
  lies.kind = message_kind::reply;
  lies.sender = own_entry(where[1]);
  lies.receiver = own_entry(where[0]);
  lies.receiver.generation += 5;
  lies.receiver_instance = 77;

  identity_view newer;
  newer.name = "n2";
  newer.generation = where[2].generation() + 1;
  newer.instance = 9;
  newer.heartbeat = 1;
  newer.address = outsider;
  lies.identities.push_back(newer);
  identity_view fresh = newer;
  fresh.name = "evil";
  lies.identities.push_back(fresh);

  digest_entry beat = own_entry(where[3]);
  beat.has_left = true;
  lies.heartbeats.push_back(beat);

  delta_view delta;
  delta.name_hash = own_entry(where[2]).name_hash;
  delta.generation = where[2].generation();
  delta.after = position(where[2].version());
  delta.upto = position(where[2].version() + 1);
  delta.top = delta.upto.version;
  delta.entry_count = 1;
  lies.deltas.push_back(delta);
  entry_view entry;
  entry.key = "key0";
  entry.value = "injected";
  entry.version = delta.upto.version;
  lies.entries.push_back(entry);
}

}  // namespace

// There: one line that is no JSON, or a delta that is no array, ends the process.
TEST_CASE("conformance: random bytes of any size are dropped, each with its reason") {
  hostile_target attacked;
  random_source draws(2);
  constexpr std::uint64_t count = 20'000;

  for (std::uint64_t i = 0; i < count; ++i) {
    datagram noise(static_cast<std::size_t>(draws.below(1400)));
    for (std::byte& one : noise) one = static_cast<std::byte>(draws.next());
    // Half of them look like ours up to the checksum, or beyond it.
    if (i % 2 == 1 && noise.size() >= 24) {
      noise.resize(noise.size() / 8 * 8);
      std::copy_n(attacked.seen[0].begin(), 8, noise.begin());
      noise[2] = static_cast<std::byte>(1 + draws.below(3));
      if (i % 4 == 1) seal(noise);
    }
    attacked.where.inject(0, i % 3 == 0 ? attacked.where.address(1) : outsider, noise);
  }

  const drop_counters drops = attacked.where[0].stats().drops;
  CHECK(sum(drops) == attacked.drops_before + count);
  for (const drop_reason reason :
       {drop_reason::length, drop_reason::magic, drop_reason::checksum, drop_reason::malformed}) {
    CHECK(drops[static_cast<std::size_t>(reason)] > 0);
  }
  CHECK(attacked.answered == 0);
  attacked.check_unharmed();
}

TEST_CASE("conformance: damaged datagrams of the cluster's own are dropped") {
  hostile_target attacked;
  random_source draws(3);
  std::uint64_t count = 0;

  for (int i = 0; i < 20'000; ++i) {
    datagram damaged = attacked.seen[static_cast<std::size_t>(draws.below(attacked.seen.size()))];
    const datagram whole = damaged;
    switch (draws.below(4)) {
      case 0:
        damaged.resize(static_cast<std::size_t>(draws.below(damaged.size())));
        break;
      case 1:
        damaged.resize(damaged.size() + 8 * (1 + static_cast<std::size_t>(draws.below(4))));
        break;
      default:
        for (std::uint64_t flips = 1 + draws.below(8); flips > 0; --flips) {
          const std::uint64_t bit = draws.below(8 * damaged.size());
          damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        }
    }
    if (damaged == whole) continue;
    ++count;
    attacked.where.inject(0, attacked.where.address(1), damaged);
  }

  CHECK(sum(attacked.where[0].stats().drops) == attacked.drops_before + count);
  attacked.check_unharmed();
}

TEST_CASE("conformance: changed datagrams with a checksum that fits change nothing") {
  hostile_target attacked;
  random_source draws(4);

  std::size_t received = 0;
  for (int i = 0; i < 40'000; ++i) {
    datagram changed = attacked.seen[static_cast<std::size_t>(draws.below(attacked.seen.size()))];
    for (std::uint64_t flips = 1 + draws.below(6); flips > 0; --flips) {
      const std::uint64_t bit = draws.below(8 * changed.size());
      changed[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    }
    seal(changed);
    received += changed.size();
    attacked.where.inject(0, outsider, changed);
  }

  // Some still were digests, which anybody may send: those are answered, with little.
  CHECK(attacked.answered > 0);
  CHECK(attacked.answered <= 3 * received);
  CHECK(attacked.where[0].stats().digests_received > 0);
  attacked.check_unharmed();
}

TEST_CASE("conformance: a reply without a cookie changes nothing, whoever it claims to be from") {
  hostile_target attacked;
  for (const message_kind kind : {message_kind::reply, message_kind::deltas}) {
    message lies;
    fill_lies(attacked.where, lies);
    lies.kind = kind;
    if (kind == message_kind::deltas) lies.heartbeats.clear();
    random_source draws(5);
    for (int i = 0; i < 1000; ++i) {
      // None, and guesses.
      lies.cookie_echo = i == 0 ? 0 : draws.below(std::uint64_t{1} << 48);
      lies.cookie = draws.below(std::uint64_t{1} << 48);
      const datagram bytes = forged(lies);
      attacked.where.inject(0, outsider, bytes);
      attacked.where.inject(0, attacked.where.address(1), bytes);
    }
  }

  CHECK(count_at(attacked.where, 0, drop_reason::unverified) == 4000);
  CHECK(sum(attacked.where[0].stats().drops) == attacked.drops_before + 4000);
  CHECK(attacked.answered == 0);
  attacked.check_unharmed();
}

TEST_CASE(
    "conformance: the same lies with the cookie of a member are taken: the test above bites") {
  hostile_target attacked;
  message lies;
  fill_lies(attacked.where, lies);
  // The cookie that n1 would echo: the last one that n0 gave it.
  std::uint64_t cookie = 0;
  attacked.where.on_send = [&](std::size_t from, const endpoint& to,
                               std::span<const std::byte> bytes) {
    if (from != 0 || to != attacked.where.address(1)) return;
    cookie = 0;
    std::memcpy(&cookie, bytes.data() + 18, 6);
  };
  attacked.where.run_for(10s);
  lies.cookie_echo = cookie;
  attacked.where.inject(0, attacked.where.address(1), forged(lies));

  CHECK(attacked.where[0].is_known("evil"));
  CHECK(attacked.where[0].stats().refutations == 1);
}

TEST_CASE(
    "conformance: a digest under my own name, unverified, makes me neither refute nor yield") {
  hostile_target attacked;
  message lie;
  lie.kind = message_kind::digest;
  lie.sender = own_entry(attacked.where[0]);
  const std::uint64_t generation = attacked.where[0].generation();
  for (std::uint64_t i = 1; i <= 200; ++i) {
    lie.sender.generation = generation + 1000;
    lie.sender.heartbeat = 5000 + i;
    lie.known.extra = {lie.sender};
    attacked.where.inject(0, outsider, forged(lie));
    attacked.where.inject(0, attacked.where.address(1), forged(lie));
  }

  CHECK(attacked.where[0].generation() == generation);
  CHECK(attacked.answered <= 200 * 3 * forged(lie).size());
  CHECK(count_at(attacked.where, 0, drop_reason::reflected) == 400);
  attacked.check_unharmed();
  CHECK(attacked.where[0].members(attacked.where.now(0))[0].status == peer_status::self);
}

TEST_CASE(
    "conformance: a digest from an outsider teaches nothing and is answered with 3x at most") {
  hostile_target attacked;
  message lie;
  lie.kind = message_kind::digest;
  lie.sender.name_hash = 42;
  lie.sender.generation = 1'700'000'000'000;
  lie.known.lo = 1;
  lie.known.hi = ~std::uint64_t{0};
  digest_entry beat = own_entry(attacked.where[3]);
  beat.has_left = true;
  beat.heartbeat = 100'000;
  beat.max_version = 1'000'000;
  lie.known.extra = {lie.sender, beat};
  const datagram bytes = forged(lie);

  for (int i = 0; i < 1000; ++i) attacked.where.inject(0, outsider, bytes);

  CHECK(attacked.answered > 0);
  CHECK(attacked.answered <= 3 * 1000 * bytes.size());
  attacked.check_unharmed();
  // And nobody goes on sending to it.
  attacked.answered = 0;
  attacked.where.run_for(60s);
  CHECK(attacked.answered == 0);
}

TEST_CASE("conformance: what members once sent changes nothing when it is sent again") {
  for (const std::size_t nodes : {4U, 30U}) check_replays(nodes);
}

}  // namespace gossipmonger
