// Fills the datagrams of an answer, leg 2 or 3: identities, requests and heartbeats first, then the
// entries of each owner in turn (deficit round robin). A resource over the tables of the exchange.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/exchange/exchange_tables.hpp"
#include "core/exchange/legs.hpp"
#include "core/exchange/packer.hpp"
#include "core/exchange/value_checksums.hpp"
#include "core/membership/peer_table.hpp"
#include "core/model/message.hpp"
#include "core/model/row_sum.hpp"

namespace gossipmonger {

class answer_writer {
 public:
  struct counters {
    counters() = default;

    std::uint64_t entries_sent = 0;
    std::uint64_t fragments_sent = 0;
    std::uint64_t replies_cut = 0;  ///< by the 3x rule
  };

  explicit answer_writer(exchange_tables& shared);
  answer_writer(const answer_writer&) = delete;
  answer_writer& operator=(const answer_writer&) = delete;

  /// Fills the next datagram of the leg. False: nothing is left to say.
  [[nodiscard]] bool fill(answer_leg& leg, message& out, std::chrono::nanoseconds now);
  /// The entries of the slot go: its checksums do.
  void forget(slot_index slot);

  [[nodiscard]] std::size_t checksums() const { return checksums_.size(); }
  [[nodiscard]] const counters& counted() const { return counted_; }

 private:
  /// Says which leg of an exchange by sums this is, and makes room for sums that are due.
  static void begin_sums(answer_leg& leg, packer& pack);
  /// Sums the rows that I tell of, once the message names what it names.
  void fill_sums(message& out, std::chrono::nanoseconds now);
  /// Echoes the datagram that the leg answers in the receiver's entry.
  static void add_echo(const answer_leg& leg, message& out);
  void fill_identities(answer_leg& leg, packer& pack, std::chrono::nanoseconds now) const;
  void fill_requests(answer_leg& leg, packer& pack, const message& out) const;
  void fill_heartbeats(answer_leg& leg, packer& pack) const;
  void fill_deltas(answer_leg& leg, packer& pack, const message& out);
  /// Why the entries of one turn ended.
  enum class turn_end : std::uint8_t {
    taken,        // not yet
    none_left,    // the remote is owed nothing more of this owner
    others_turn,  // its quantum is spent
    large,        // the next entry travels in fragments
    full,         // the datagram is
  };

  /// The next entry of that turn, `upto` at most.
  [[nodiscard]] std::optional<entry_view> next_of(const owed_delta& turn, std::uint64_t upto) const;
  /// Adds an entry of the turn, for which there were `room_before` bytes before its first one.
  [[nodiscard]] turn_end try_send(answer_leg& leg, packer& pack,
                                  const std::optional<entry_view>& entry, std::size_t room_before);
  /// False: the datagram is full.
  [[nodiscard]] bool fill_turn(answer_leg& leg, packer& pack, const message& out);
  /// False: the datagram has no room for a part of that value.
  [[nodiscard]] bool fill_fragment(answer_leg& leg, packer& pack, const message& out,
                                   const entry_view& entry);
  /// The version up to which the remote is owed the entries of that turn.
  [[nodiscard]] std::uint64_t upto_of(const owed_delta& turn) const {
    const std::uint64_t most = peers_[turn.slot].max_version();
    return turn.upto == 0 ? most : std::min(turn.upto, most);
  }
  /// Counts bytes against the turn, which ends when too few are left of its quantum.
  void spend(answer_leg& leg, std::size_t used) const;
  /// Whether key and value travel in fragments.
  [[nodiscard]] bool is_large(const entry_view& entry, const leg_base& leg) const {
    const std::size_t most = leg.is_narrow ? narrow_whole_bytes_max_ : whole_bytes_max_;
    return entry.key.size() + entry.value.size() > most;
  }
  /// Remembers the deltas of a datagram as on their way to the remote.
  void note_flights(const answer_leg& leg, const message& out, std::chrono::nanoseconds now);

  exchange_tables& shared_;
  const config& settings_;
  const peer_table& peers_;
  storage_ref entries_;
  value_checksums checksums_;
  std::size_t whole_bytes_max_;
  std::size_t narrow_whole_bytes_max_;
  std::vector<row_sum> sums_;             // of the datagram in hand, to reuse its memory
  std::vector<std::size_t> filled_gaps_;  // deltas of the datagram in hand that fill a gap
  counters counted_;
};

}  // namespace gossipmonger
