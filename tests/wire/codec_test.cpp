// Round trips, sizes, and the rules of the header.

#include "wire/codec.hpp"

#include <bit>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "sample_message.hpp"

namespace gossipmonger {
namespace {

datagram sample() {
  message m;
  fill_sample_reply(m);
  return datagram(m);
}

std::string_view outcome_with_byte(std::size_t at, int value) {
  datagram changed = sample();
  changed.byte(at) = static_cast<std::uint8_t>(value);
  return changed.outcome();
}

TEST_CASE("codec: random messages come back as they went, in the size of the model") {
  constexpr std::uint64_t seed = 20080901;
  CAPTURE(seed);
  random_source numbers(seed);
  std::vector<std::string> texts;
  message sent;
  message received;
  for (int round = 0; round < 20000; ++round) {
    CAPTURE(round);
    fill_random(sent, texts, numbers);

    datagram wire(sent);

    REQUIRE(wire.bytes().size() == std::max(encoded_bytes(sent), sent.padded_bytes));
    REQUIRE(wire.decode(received).has_value());
    REQUIRE(is_same(received, sent));

    datagram dirty(wire.bytes().size());
    std::memset(dirty.bytes().data(), 0xa5, dirty.bytes().size());
    REQUIRE(codec(test_cluster, 65504).encode(sent, dirty.bytes()) == wire.bytes().size());
    REQUIRE(std::memcmp(dirty.bytes().data(), wire.bytes().data(), wire.bytes().size()) == 0);
  }
}

TEST_CASE("codec: an encoding does not depend on what the buffer held") {
  for (const auto fill : {fill_sample_digest, fill_sample_reply, fill_sample_deltas}) {
    message m;
    fill(m);
    for (const std::size_t padding : {std::size_t{0}, encoded_bytes(m) + 96}) {
      m.padded_bytes = padding;
      datagram clean(m);
      datagram dirty(1200);
      std::memset(dirty.bytes().data(), 0xa5, dirty.bytes().size());

      dirty.resize(codec(test_cluster, 1200).encode(m, dirty.bytes()));

      REQUIRE(dirty.bytes().size() == clean.bytes().size());
      CHECK(std::memcmp(dirty.bytes().data(), clean.bytes().data(), clean.bytes().size()) == 0);
    }
  }
}

TEST_CASE("codec: padding is a least size, counted in whole words") {
  message m;
  fill_sample_digest(m);  // 152 bytes
  m.padded_bytes = 152;
  CHECK(datagram(m).bytes().size() == 152);
  m.padded_bytes = 153;
  CHECK(datagram(m).bytes().size() == 160);
  m.padded_bytes = 8;
  CHECK(datagram(m).bytes().size() == 152);
}

TEST_CASE("codec: a full datagram of 45 digest entries fits into 1200 bytes with its seal") {
  message m;
  m.known.hi = ~std::uint64_t{0};
  for (std::uint64_t hash = 1; hash <= 45; ++hash) {
    m.known.range.push_back(make_entry(hash, 1, 1, 1));
  }
  m.sender = m.known.range[44];

  datagram wire(m);

  CHECK(wire.bytes().size() == 1160);  // 24 + 48 + 8 + 45 * 24
  message received;
  REQUIRE(wire.decode(received).has_value());
  CHECK(is_same(received, m));
}

TEST_CASE("codec: entries are read where they stand in the datagram, where that can be") {
  message m;
  fill_sample_digest(m);
  datagram wire(m);
  message received;
  REQUIRE(wire.decode(received).has_value());

  REQUIRE_FALSE(received.known.range.empty());
  const auto* const first = reinterpret_cast<const std::byte*>(received.known.range.data());
  const bool is_within = std::less_equal<>()(wire.bytes().data(), first) &&
                         std::less<>()(first, wire.bytes().data() + wire.bytes().size());
  CHECK(is_within == (std::endian::native == std::endian::little));
}

TEST_CASE("codec: the widest numbers travel") {
  message m;
  m.kind = message_kind::reply;
  m.features = 0xff;
  m.cookie = (std::uint64_t{1} << 48) - 1;
  m.cookie_echo = m.cookie;
  m.sender = make_entry(~std::uint64_t{0}, generation_max, version_max, heartbeat_max);
  m.sender.has_left = true;
  m.receiver = m.sender;
  m.requests.push_back(m.sender);
  identity_view& who = m.identities.emplace_back();
  const std::string name(255, 'x');
  who.name = name;
  who.generation = generation_max;
  who.heartbeat = heartbeat_max;
  who.silent = std::chrono::milliseconds(0xffffffff);
  who.address.port = 0xffff;
  delta_view& delta = m.deltas.emplace_back();
  delta.generation = generation_max;
  delta.upto = position(version_max);
  delta.top = version_max;
  delta.entry_count = 1;
  m.entries.push_back(make_value(name, "v", version_max));

  message received;
  datagram wire(m);

  REQUIRE(wire.decode(received).has_value());
  CHECK(is_same(received, m));
}

TEST_CASE("codec: the scope of an address means nothing elsewhere, and is not sent") {
  message m;
  fill_sample_reply(m);
  m.identities[0].address = *endpoint::parse("[fe80::1%3]:7000");

  message received;
  datagram wire(m);

  REQUIRE(wire.decode(received).has_value());
  CHECK(received.identities[0].address.to_string() == "[fe80::1]:7000");
}

TEST_CASE("codec: a silence too long for its field saturates") {
  message m;
  fill_sample_reply(m);
  m.identities[0].silent = std::chrono::milliseconds(std::int64_t{1} << 32);

  message received;
  datagram wire(m);

  REQUIRE(wire.decode(received).has_value());
  CHECK(received.identities[0].silent.count() == 0xffffffff);
}

TEST_CASE("codec: keys and values are views into the datagram") {
  datagram wire = sample();
  message received;
  REQUIRE(wire.decode(received).has_value());

  const auto* const first = reinterpret_cast<const char*>(wire.bytes().data());
  const auto* const last = first + wire.bytes().size();
  CHECK(received.entries[0].value == "abc");
  CHECK(received.entries[0].value.data() > first);
  CHECK(received.entries[0].value.data() < last);
}

TEST_CASE("codec: decoding leaves nothing of the message before") {
  message m;
  fill_sample_digest(m);
  datagram wire(m);
  message received;
  fill_sample_reply(received);
  received.padded_bytes = 400;

  REQUIRE(wire.decode(received).has_value());

  CHECK(is_same(received, m));
  CHECK(received.padded_bytes == 0);
}

TEST_CASE("codec: a size that no datagram has is refused before anything is read") {
  datagram wire = sample();  // 328 bytes
  message out;
  const auto reason_of = [&](std::size_t size, std::size_t limit) {
    const auto decoded = codec(test_cluster, limit).decode(wire.bytes().first(size), out);
    return decoded ? "ok" : to_string(decoded.error());
  };
  CHECK(reason_of(328, 328) == "ok");
  CHECK(reason_of(328, 320) == "length");
  CHECK(reason_of(327, 1200) == "length");
  CHECK(reason_of(24, 1200) == "length");
  CHECK(reason_of(0, 1200) == "length");
  CHECK(reason_of(32, 1200) == "checksum");
}

TEST_CASE("codec: magic, versions, cluster and kind are each refused by name") {
  CHECK(outcome_with_byte(0, 0x67) == "ok");
  CHECK(outcome_with_byte(0, 0x66) == "magic");

  CHECK(outcome_with_byte(1, 0x11) == "ok");            // 1 to 1
  CHECK(outcome_with_byte(1, 0x22) == "wire_version");  // 2 to 2
  CHECK(outcome_with_byte(1, 0x21) == "wire_version");  // 1 to 2, so written in 2
  CHECK(outcome_with_byte(1, 0x12) == "wire_version");  // upside down
  CHECK(outcome_with_byte(1, 0x10) == "wire_version");  // there is no version 0
  CHECK(outcome_with_byte(1, 0x00) == "wire_version");

  CHECK(outcome_with_byte(4, 0x44) == "ok");
  CHECK(outcome_with_byte(4, 0x45) == "cluster");
  CHECK(outcome_with_byte(7, 0x91) == "cluster");

  CHECK(outcome_with_byte(2, 0x02) == "ok");
  CHECK(outcome_with_byte(2, 0x03) == "ok");  // replies and deltas have one root
  CHECK(outcome_with_byte(2, 0x00) == "kind");
  CHECK(outcome_with_byte(2, 0x04) == "kind");
  CHECK(outcome_with_byte(2, 0x0f) == "kind");
  CHECK(outcome_with_byte(2, 0x12) == "wire_version");  // one below the highest: version 0

  CHECK(outcome_with_byte(3, 0xff) == "ok");  // unknown features are ignored
}

TEST_CASE(
    "codec: of another cluster is what is undamaged, and of a version and kind that there is") {
  const codec mine(test_cluster, 1200);
  const codec other(test_cluster + 1, 1200);
  datagram wire = sample();
  CHECK(other.is_of_another_cluster(wire.bytes()));
  CHECK_FALSE(mine.is_of_another_cluster(wire.bytes()));

  const auto is_with_byte = [&](std::size_t at, int value) {
    datagram changed = sample();
    changed.byte(at) = static_cast<std::uint8_t>(value);
    changed.fix_checksum();
    return other.is_of_another_cluster(changed.bytes());
  };
  CHECK(is_with_byte(1, 0x22));  // in a version that I do not read
  CHECK(is_with_byte(3, 0xff));
  CHECK(is_with_byte(4, 0x77));  // a third cluster
  CHECK_FALSE(is_with_byte(0, 0x66));
  CHECK_FALSE(is_with_byte(1, 0x12));
  CHECK_FALSE(is_with_byte(2, 0x04));

  // One bit anywhere, and it may have come from anybody.
  for (std::size_t at = 0; at < wire.bytes().size(); ++at) {
    wire.byte(at) ^= 0x10;
    CHECK_FALSE(other.is_of_another_cluster(wire.bytes()));
    wire.byte(at) ^= 0x10;
  }
  for (const std::size_t size : {0U, 8U, 24U, 31U, 33U}) {
    CHECK_FALSE(other.is_of_another_cluster(wire.bytes().first(size)));
  }
  datagram large(1208);
  CHECK_FALSE(other.is_of_another_cluster(large.bytes()));
}

TEST_CASE("codec: the cheapest check comes first") {
  datagram wire = sample();
  message out;
  const auto reason = [&] { return to_string(wire.decode(out).error()); };

  // A version that was damaged on the way says nothing of who sent it.
  wire.byte(1) ^= 1;
  CHECK(reason() == "checksum");
  wire.byte(4) ^= 1;
  CHECK(reason() == "cluster");
  wire.byte(0) ^= 1;
  CHECK(reason() == "magic");
}

TEST_CASE("codec: a body is read in any version of my own range, and named where it is not") {
  constexpr std::size_t bytes = 1200;
  const codec former(1, bytes, wire_range(1, 1));
  const codec latter(1, bytes, wire_range(1, 2));
  const codec latest(1, bytes, wire_range(2, 3));
  std::vector<std::uint64_t> room(bytes / 8);
  const auto outcome = [&room](const codec& writer, std::uint8_t version, const codec& reader,
                               message& out) -> std::string {
    message m;
    m.sender.name_hash = 7;
    m.sender.generation = 1;
    m.wire_version = version;
    m.known.extra.push_back(m.sender);
    const std::span<std::byte> buffer = std::as_writable_bytes(std::span(room));
    const std::size_t size = writer.encode(m, buffer);
    const auto read = reader.decode(buffer.first(size), out);
    return read ? "ok" : std::string(to_string(read.error()));
  };
  message out;

  CHECK(outcome(former, 1, latter, out) == "ok");
  CHECK(out.versions == wire_range(1, 1));
  CHECK(outcome(latter, 1, former, out) == "ok");
  CHECK(out.versions == wire_range(1, 2));
  CHECK(out.wire_version == 1);
  CHECK(outcome(latter, 2, former, out) == "wire_version");
  CHECK(out.versions == wire_range(1, 2));
  CHECK(outcome(latter, 2, latest, out) == "ok");
  CHECK(out.wire_version == 2);
  CHECK(outcome(latest, 3, former, out) == "wire_version");
  CHECK(out.versions == wire_range(2, 3));
}

}  // namespace
}  // namespace gossipmonger
