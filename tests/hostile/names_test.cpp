// Tests of a million forged names, from a known and verified member, and from a million invented
// addresses. Every table stays at its capacity, and the memory with them (I5).
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../core/allocations.hpp"
#include "../sim/cluster.hpp"
#include "../wire/sample_message.hpp"
#include "catalogue.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

constexpr int names_count = NAMES_COUNT;  // a million; fewer under sanitizers, ten by --long
constexpr int names_a_datagram = 10;

config with_room_for(std::size_t peers) {
  config common;
  common.peers_max = peers;
  return common;
}

/// Forges names from `first` on, in datagrams of ten.
void send_names(arena& to, int first, int count) {
  std::vector<std::string> names(names_a_datagram);
  message m;
  for (int sent = 0; sent < count; sent += names_a_datagram) {
    to.begin(m, message_kind::reply);
    for (int i = 0; i < names_a_datagram; ++i) {
      const int number = first + sent + i;
      names[static_cast<std::size_t>(i)] = "forged-" + std::to_string(number);
      identity_view who = arena::identity(names[static_cast<std::size_t>(i)], 0);
      who.address = endpoint::v4(100, static_cast<std::uint8_t>(number >> 16),
                                 static_cast<std::uint8_t>(number >> 8),
                                 static_cast<std::uint8_t>(number), 7000);
      m.identities.push_back(who);
    }
    to.send(m);
  }
}

TEST_CASE("names: a million from a member leave every table at its capacity, and memory flat") {
  constexpr int part = names_count / 40;
  arena field(with_room_for(64));
  // All have readers, as real nodes do: forgettings are kept until those passed them.
  std::vector<event_log> readers;
  for (std::size_t node = 0; node < field.where.size(); ++node) {
    readers.emplace_back(field.where, node);
  }
  std::size_t bytes_full = 0;

  for (int first = 0; first < names_count; first += part) {
    send_names(field, first, part);
    field.where.run_for(20s);
    for (event_log& events : readers) {
      events.read(field.where);
      events.clear();
    }
    const protocol_stats stats = field.node().stats();
    CHECK(stats.peers_known == 64);
    CHECK(stats.peers_unwanted <= 64 + 1024);
    // All is full by then: addresses that were asked, and last the peers that were forgotten.
    if (first == 29 * part) bytes_full = allocated_bytes();
  }

  CHECK(allocated_bytes() <= bytes_full + 65536);
  CHECK(value_at(field.where, 0, "n1", "other") == "w");
  CHECK(status_at(field.where, 0, "n1") == peer_status::live);
  CHECK(status_at(field.where, 0, "n2") == peer_status::live);
}

TEST_CASE("names: digests from a million addresses leave no trace of them") {
  constexpr int part = names_count / 10;
  arena field;
  std::size_t bytes_before = 0;
  message m;
  m.kind = message_kind::digest;
  m.cookie_echo = 1;

  for (int number = 0; number < names_count; ++number) {
    m.sender = make_entry(1 + static_cast<std::uint64_t>(number), 1, 1, 1);
    m.known.extra = {m.sender};
    const endpoint source = endpoint::v4(100, static_cast<std::uint8_t>(number >> 16),
                                         static_cast<std::uint8_t>(number >> 8),
                                         static_cast<std::uint8_t>(number), 7000);
    field.send_from(source, field.encoded(m));
    if (number == part) bytes_before = allocated_bytes();
  }

  CHECK(allocated_bytes() <= bytes_before + 4096);
  CHECK(field.node().stats().peers_known == 3);
  field.where.run_for(10s);
  CHECK(field.where.has_agreed());
}

}  // namespace
}  // namespace gossipmonger
