// All that a node consists of: its machines, and the tables that they share. A resource, without
// rules of its own: the scripts below `protocol` pass on what one machine wants of another. Here
// stand the acts of which several machines must hear.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "core/exchange/exchange.hpp"
#include "core/exchange/sending.hpp"
#include "core/liveness/liveness.hpp"
#include "core/liveness/round_trips.hpp"
#include "core/local/own_map.hpp"
#include "core/membership/address_book.hpp"
#include "core/membership/completeness.hpp"
#include "core/membership/membership.hpp"
#include "core/membership/notices.hpp"
#include "core/membership/own_incarnation.hpp"
#include "core/membership/partners.hpp"
#include "core/membership/peer_table.hpp"
#include "core/membership/unwanted_peers.hpp"
#include "core/model/message.hpp"
#include "core/model/node_clock.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/drop_reason.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/replication.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

struct node_parts {
  /// As the constructor of `protocol`.
  node_parts(config options, storage_ref storage, const endpoint& address, std::uint64_t seed,
             moment now);
  node_parts(const node_parts&) = delete;
  node_parts& operator=(const node_parts&) = delete;

  [[nodiscard]] std::string_view name() const { return settings.name; }
  [[nodiscard]] std::uint64_t generation() const { return peers.self().generation(); }
  [[nodiscard]] bool has_left() const { return peers.self().has_left(); }
  /// Whether it is known where peers reach this node. Until then it gossips with nobody.
  [[nodiscard]] bool has_address() const { return !peers.details(self_slot).address.is_wildcard(); }
  [[nodiscard]] std::optional<slot_index> find_slot(std::string_view peer) const;
  [[nodiscard]] bool is_reachable(slot_index slot) const;
  [[nodiscard]] replication replicated(std::uint64_t version, bool leave) const;
  /// A peer that is met once in a turn of the ring is silent for longer: two turns, and some more.
  [[nodiscard]] std::chrono::nanoseconds silence_max() const;
  /// The longest wait for a heartbeat of a node that is there, as a rival of a name is.
  [[nodiscard]] std::chrono::nanoseconds heartbeat_wait_max() const;
  /// The slot of the sender, if its row is of the run that sent this.
  [[nodiscard]] std::optional<slot_index> find_sender(const message& received) const;
  /// Whether the sender's entry of this node is of this run of it.
  [[nodiscard]] bool is_of_this_run(const message& received) const;
  /// Which heartbeat of this run of mine the sender has seen; 0: none.
  [[nodiscard]] std::uint64_t seen_heartbeat(const message& received) const;
  /// Why this node may not write now; no error: it may.
  [[nodiscard]] std::error_code write_refusal() const;

  void drop(drop_reason reason) { ++stats.drops[static_cast<std::size_t>(reason)]; }
  /// Tells users something in an `error` event.
  void report(std::string text);
  void observe_time(moment now);
  /// Tells liveness how often to expect peers: their number, the options or the budget changed.
  void update_expectation();
  void set_status(slot_index slot, peer_status status);
  void set_status(slot_index slot, std::optional<peer_status> status) {
    if (status) set_status(slot, *status);
  }
  /// Tells that the peer is complete, if it became so: its word or its entries came.
  void try_complete(slot_index slot);
  /// The row is of a new incarnation, of which `heartbeat` is known. With `forget_slot` the one
  /// list of the machines that keep something by slot.
  void begin_slot(slot_index slot, std::uint64_t heartbeat);
  /// The row goes, and the peer is remembered as forgotten.
  void forget_slot(slot_index slot);

  config settings;
  wire_range spoken;
  storage_ref entries;
  random_source random;
  hash_key cluster_key;
  protocol_stats stats;
  peer_table peers;
  unwanted_peers unwanted;
  change_list changes;
  gossipmonger::exchange exchange;
  gossipmonger::own_map own_map;
  address_book addresses;
  gossipmonger::membership membership;
  gossipmonger::completeness completeness;
  gossipmonger::partners partners;
  gossipmonger::notices notices;
  endpoint source;  ///< of the legs that this node starts; a wildcard: the driver's choice
  gossipmonger::sending sending;
  node_clock clock;
  gossipmonger::liveness liveness;
  gossipmonger::round_trips round_trips;
  own_incarnation incarnation;
};

/// How long the secrets behind cookies hold: two turns of the ring.
[[nodiscard]] std::chrono::nanoseconds secret_lifetime(const config& settings);

}  // namespace gossipmonger
