// Damage that the header's checks find, cheapest first, and datagrams that are whole but come from
// the wrong place.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "catalogue.hpp"

namespace gossipmonger {

namespace {

using enum drop_reason;
using enum outcome;

void send_text(arena& to, std::string_view text) {
  to.send_bytes(std::as_bytes(std::span(text.data(), text.size())));
}

datagram valid(const arena& to) { return to.heard(message_kind::reply); }

void send_with_byte(arena& to, std::size_t at, int value) {
  datagram wire = valid(to);
  wire.byte(at) = static_cast<std::uint8_t>(value);
  to.send(std::move(wire));
}

void send_sized(arena& to, std::size_t size) {
  datagram wire = valid(to);
  wire.resize(size);
  to.send_as_is(std::move(wire));
}

void send_longer(arena& to, std::size_t size) {
  datagram wire = valid(to);
  wire.resize(size);
  to.send(std::move(wire));
}

/// A digest, a reply and deltas as the neighbour sent them.
std::vector<datagram> all_kinds(const arena& to) {
  return {to.heard(message_kind::digest), valid(to), to.heard(message_kind::deltas)};
}

void send_truncations(arena& to) {
  for (datagram whole : all_kinds(to)) {
    for (std::size_t size = 0; size < whole.bytes().size(); ++size) {
      datagram wire = whole;
      wire.resize(size);
      to.send_as_is(std::move(wire));
    }
  }
}

void send_bit_flips(arena& to) {
  for (datagram wire : all_kinds(to)) {
    for (std::size_t bit = 0; bit < 8 * wire.bytes().size(); ++bit) {
      const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
      wire.byte(bit / 8) ^= mask;
      to.send_as_is(wire);
      wire.byte(bit / 8) ^= mask;
    }
  }
}

void send_swaps(arena& to) {
  datagram wire = valid(to);
  for (std::size_t at = 8; at + 4 <= wire.bytes().size(); at += 2) {
    const bool is_same =
        wire.byte(at) == wire.byte(at + 2) && wire.byte(at + 1) == wire.byte(at + 3);
    if (is_same) continue;
    std::swap_ranges(&wire.byte(at), &wire.byte(at) + 2, &wire.byte(at + 2));
    to.send_as_is(wire);
    std::swap_ranges(&wire.byte(at), &wire.byte(at) + 2, &wire.byte(at + 2));
  }
}

void send_glued(arena& to) {
  datagram wire = valid(to);
  const std::size_t size = wire.bytes().size();
  wire.resize(2 * size);
  std::memcpy(wire.bytes().data() + size, wire.bytes().data(), size);
  to.send_as_is(std::move(wire));
}

/// A digest as the node itself would send it.
datagram own_digest(const arena& to) {
  message m;
  to.begin(m, message_kind::digest);
  m.sender = to.entry_of(to.node().name());
  m.known.extra.push_back(m.sender);
  return to.encoded(m);
}

void reflect_reply(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  m.sender = to.entry_of(to.node().name());
  to.send(m);
}

void send_for_another(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  m.receiver = to.entry_of("n1");
  to.send(m);
}

void send_guesses(arena& to) {
  message m;
  to.begin(m, message_kind::deltas);
  for (std::uint64_t guess = 1; guess <= 50; ++guess) {
    m.cookie_echo = guess * 0x0000'1234'5678'9abd % (std::uint64_t{1} << 48);
    to.send(m);
  }
}

}  // namespace

std::vector<bad_input> datagram_rows() {
  return {
      {"empty", {length}, dropped, [](arena& to) { to.send_bytes({}); }},
      {"one byte", {length}, dropped, [](arena& to) { send_sized(to, 1); }},
      {"a header without a body", {length}, dropped, [](arena& to) { send_sized(to, 24); }},
      {"a byte short of the least", {length}, dropped, [](arena& to) { send_sized(to, 31); }},
      {"a byte too long for whole words",
       {length},
       dropped,
       [](arena& to) { send_sized(to, valid(to).bytes().size() + 1); }},
      {"a word over the limit", {length}, dropped, [](arena& to) { send_longer(to, 65512); }},
      {"as long as UDP can carry", {length}, dropped, [](arena& to) { send_longer(to, 65507); }},
      {"65,504 bytes, from an unverified address",
       {unverified},
       dropped,
       [](arena& to) { send_longer(to, 65504); }},
      {"every truncation of each kind", {length, checksum}, dropped, send_truncations},
      {"wrong magic", {magic}, dropped, [](arena& to) { send_with_byte(to, 0, 0x47); }},
      {"a line of JSON, as the ancestor speaks",
       {magic},
       dropped,
       [](arena& to) { send_text(to, R"({"digest":[["peer",1,"127.0.0.1:9999"]]})"); }},
      {"an HTTP request",
       {magic},
       dropped,
       [](arena& to) { send_text(to, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n   "); }},
      {"zeros only", {magic}, dropped, [](arena& to) { to.send_as_is(datagram(1200)); }},
      {"wire version 0", {wire_version}, dropped, [](arena& to) { send_with_byte(to, 1, 0); }},
      {"a version range upside down",
       {wire_version},
       dropped,
       [](arena& to) { send_with_byte(to, 1, 0x12); }},
      {"only later wire versions",
       {wire_version},
       dropped,
       [](arena& to) { send_with_byte(to, 1, 0xff); }},
      {"another cluster's", {cluster}, dropped, [](arena& to) { send_with_byte(to, 4, 0x5a); }},
      {"a checksum of zero",
       {checksum},
       dropped,
       [](arena& to) {
         datagram wire = valid(to);
         std::memset(wire.bytes().data() + 8, 0, 4);
         to.send_as_is(wire);
       }},
      {"every flip of a single bit in each kind",
       {magic, wire_version, cluster, checksum},
       dropped,
       send_bit_flips},
      {"every swap of neighbouring 16-bit words, which UDP's sum misses",
       {checksum},
       dropped,
       send_swaps},
      {"trailing zeros",
       {checksum},
       dropped,
       [](arena& to) { send_sized(to, valid(to).bytes().size() + 8); }},
      {"two datagrams in one", {checksum}, dropped, send_glued},
      {"kind 0", {kind}, dropped, [](arena& to) { send_with_byte(to, 2, 0); }},
      {"a kind of a later version", {kind}, dropped, [](arena& to) { send_with_byte(to, 2, 15); }},
      {"a body in a version below all that its sender names",
       {wire_version},
       dropped,
       [](arena& to) { send_with_byte(to, 2, 0x42); }},
      {"my own digest, reflected",
       {reflected},
       dropped,
       [](arena& to) { to.send(own_digest(to)); }},
      {"my own reply, reflected", {reflected}, dropped, reflect_reply},
      {"meant for another node", {not_for_me}, dropped, send_for_another},
      {"a neighbour's reply, replayed from elsewhere",
       {unverified},
       dropped,
       [](arena& to) { to.send_as_is(to.heard(message_kind::reply)); }},
      {"a neighbour's deltas, replayed from elsewhere",
       {unverified},
       dropped,
       [](arena& to) { to.send_as_is(to.heard(message_kind::deltas)); }},
      {"a neighbour's reply, replayed under its address",
       {},
       ignored,
       [](arena& to) { to.send_from(to.where.address(1), to.heard(message_kind::reply)); }},
      {"a neighbour's digest, replayed from elsewhere",
       {},
       answered,
       [](arena& to) { to.send_from(to.outsider, to.heard(message_kind::digest)); }},
      {"deltas with guessed cookies", {unverified}, dropped, send_guesses},
      {"a cookie that was given to another address",
       {unverified},
       dropped,
       [](arena& to) {
         message m;
         to.begin(m, message_kind::deltas);
         to.send_from(to.outsider, to.encoded(m));
       }},
  };
}

}  // namespace gossipmonger
