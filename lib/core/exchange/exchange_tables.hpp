// The tables that the machines of an exchange share: those of the node, and those of the exchange
// that more than one machine uses. It decides nothing. A resource; not thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/exchange/flight_log.hpp"
#include "core/exchange/legs.hpp"
#include "core/exchange/partial_values.hpp"
#include "core/exchange/path_watch.hpp"
#include "core/exchange/transfers.hpp"
#include "core/membership/peer_table.hpp"
#include "core/membership/unwanted_peers.hpp"
#include "core/model/message.hpp"
#include "core/model/slot_column.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/storage.hpp"

namespace gossipmonger {

class packer;

/// The path between this node and one peer.
struct remote_path {
  remote_path() = default;

  path_watch watch;
  bool is_narrow = false;  ///< large datagrams do not reach the peer: 1200 bytes at most are sent
};

class exchange_tables {
 public:
  exchange_tables(const config& settings, peer_table& peers, unwanted_peers& unwanted,
                  storage_ref entries);
  exchange_tables(const exchange_tables&) = delete;
  exchange_tables& operator=(const exchange_tables&) = delete;

  /// The row of that slot is of an incarnation of which nothing is known.
  void begin(slot_index slot);

  /// Whether digests tell of the row; if not, they name it as unwanted only.
  [[nodiscard]] bool is_advertised(peer_view row, std::chrono::nanoseconds now) const {
    if (row.is_refused()) return false;
    return !row.is_gone() || now - peers.silent_since(row.slot()) < settings.dead_peer_grace / 2;
  }
  /// Whether digests tell sums before rows. Sums tell no heartbeats, so who relies on those alone
  /// to find crashes does not use them; and in a small cluster rows cost as little.
  [[nodiscard]] bool tells_sums() const {
    return settings.suspicion_rounds > 0 && peers.size() >= settings.sums_peers_min;
  }
  /// The part of the peer's next value that this node holds, if it holds one.
  [[nodiscard]] std::optional<partial_entry> partial_of(slot_index slot) const;
  /// Whether a sender was asked for the peer's entries, so that no other one is to send them. Of a
  /// value in parts others may: a lost part holds back all that follows.
  [[nodiscard]] bool is_brought(slot_index slot) const {
    return transfers.is_brought(slot) && !partial_of(slot);
  }
  /// A digest tells it of the peer's entries beside its row: that another node brings them, or
  /// else that part.
  [[nodiscard]] std::optional<partial_entry> partial_told(slot_index slot) const;
  /// Whether digests tell of more than rows: of parts held, or of owners that a node brings.
  [[nodiscard]] bool has_partials() const { return !partials.is_empty() || !transfers.is_empty(); }

  /// The highest version of its owner that there is evidence of.
  [[nodiscard]] std::uint64_t top_of(slot_index slot) const {
    return std::max(tops_[slot], peers[slot].max_version());
  }
  void raise_top(slot_index slot, std::uint64_t evidence) {
    tops_[slot] = std::max(tops_[slot], evidence);
  }

  /// The node at `teller` said that this run of a peer has an address to which nobody can send. It
  /// would say so each time, with all of the peer's keys.
  void note_unroutable(std::uint64_t name_hash, std::uint64_t generation, const endpoint& teller);
  /// Whether it said so in the latest 16 rounds, of this run or a later one. Only the latest 16
  /// such words are remembered.
  [[nodiscard]] bool is_unroutable(std::uint64_t name_hash, std::uint64_t generation,
                                   const endpoint& teller) const;

  /// Bytes of a datagram that a message may take: the seal's room stays free (I4).
  [[nodiscard]] std::size_t message_bytes_max() const;
  /// The same for a datagram of `leg`.
  [[nodiscard]] std::size_t message_bytes_max(const leg_base& leg) const;
  /// Whether large datagrams do not reach the remote of `leg`.
  [[nodiscard]] bool is_narrow(const leg_base& leg) const;
  /// The fields that each leg bears: the sender, its entry of the receiver, and the cookie.
  void set_frame(const leg_base& leg, message& out) const;
  /// The suspicions of a leg go into its first datagram, `count_max` at most.
  static void add_suspicions(leg_base& leg, packer& pack, std::size_t count_max);

  const config& settings;
  peer_table& peers;
  unwanted_peers& unwanted;
  storage_ref entries;
  partial_values partials;
  flight_log flights;
  gossipmonger::transfers transfers;
  slot_column<remote_path> paths;
  std::uint64_t round = 0;                          ///< of this node
  std::uint64_t generation_limit = generation_max;  ///< a higher one is of a date too far ahead

 private:
  struct unroutable_word {
    unroutable_word() = default;

    std::uint64_t name_hash = 0;
    std::uint64_t generation = 0;
    endpoint teller;
    std::uint64_t round = 0;
  };

  slot_column<std::uint64_t> tops_;
  std::array<unroutable_word, 16> unroutable_;
  std::size_t next_unroutable_ = 0;  // takes the place of the oldest
};

}  // namespace gossipmonger
