// Fills the datagrams of a digest: the range that it claims, refused peers, rows without a claim,
// and the sender and the receiver in each. A resource over the tables of the exchange.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/exchange/exchange_tables.hpp"
#include "core/exchange/legs.hpp"
#include "core/exchange/packer.hpp"
#include "core/membership/peer_table.hpp"
#include "core/membership/unwanted_peers.hpp"
#include "core/model/message.hpp"
#include "core/model/row_sum.hpp"

namespace gossipmonger {

class digest_writer {
 public:
  explicit digest_writer(exchange_tables& shared);
  digest_writer(const digest_writer&) = delete;
  digest_writer& operator=(const digest_writer&) = delete;

  /// Fills the next datagram of the leg. False: nothing is left to say.
  [[nodiscard]] bool fill(digest_leg& leg, message& out, std::chrono::nanoseconds now);

  /// Rows of a digest that surely fit into one datagram.
  [[nodiscard]] std::size_t rows_a_datagram() const;
  /// The same of so many bytes of datagrams.
  [[nodiscard]] std::size_t rows_within(std::size_t bytes) const;
  /// Rows that a digest of so many datagrams and bytes tells at least, if there are more. Refused
  /// peers take places of them.
  [[nodiscard]] std::size_t rows_min(std::size_t datagrams, std::size_t bytes) const;
  /// Rows, besides the latest, that a root tells of; fewer under a byte budget. They are the most
  /// silent of the next so many in turn, with so many dead ones at most.
  static constexpr std::size_t root_rows = 7;
  static constexpr std::size_t root_rows_seen = 64;
  static constexpr std::size_t root_rows_dead = 2;
  /// Bytes of a root with all its rows.
  [[nodiscard]] static std::size_t bytes_root();
  /// Bytes of a digest that tells of everybody, as far as `datagrams` do.
  [[nodiscard]] std::size_t bytes_whole(std::size_t datagrams) const;

 private:
  /// The entries that still want a place in the datagram, wherever the range ends.
  struct row_places {
    row_places() = default;

    std::size_t rows_max = 0;  // of the datagram, besides sender and receiver
    bool has_sender = false;
    bool has_receiver = false;
    bool is_receiver_refused = false;          // it, or a later run of it
    std::optional<partial_entry> of_receiver;  // beside its entry
    std::size_t extra = 0;                     // for the rows that changed last
    bool is_cut_by_unwanted = false;           // refused peers ended the range
  };

  /// Where the range goes on: in the rows, in the refused peers, and how many of these still have a
  /// place in the datagram.
  struct range_place {
    range_place() = default;

    std::size_t row = 0;
    std::size_t refused = 0;
    std::size_t refused_places = 0;
  };

  /// Bytes that the range leaves to entries that stand beside it.
  [[nodiscard]] static std::size_t kept_free(const message& out, const row_places& wanted);
  void fill_range(digest_leg& leg, packer& pack, message& out, std::chrono::nanoseconds now,
                  row_places& wanted) const;
  /// Skips rows and refused peers of buckets that are not claimed. False: the range is whole.
  [[nodiscard]] bool try_go_on(const digest_leg& leg, const message& out, range_place& at) const;
  /// Adds the plain rows that come next, as far as they have room. False: there are none.
  [[nodiscard]] bool add_run(digest_leg& leg, packer& pack, const message& out,
                             std::chrono::nanoseconds now, const row_places& wanted,
                             range_place& at) const;
  /// Adds the row or the refused peer that comes next. False: it has no room, and the range ends
  /// before it.
  [[nodiscard]] bool try_add_next(digest_leg& leg, packer& pack, message& out,
                                  std::chrono::nanoseconds now, row_places& wanted,
                                  range_place& at) const;
  /// Adds rows from index `first` of `by_hash` on, `count_max` at most. Stops at the hash `until`,
  /// and at a row that takes more than an entry in the range. Returns how many it added.
  [[nodiscard]] std::size_t add_plain_rows(std::size_t first, std::size_t count_max,
                                           std::uint64_t until, packer& pack, const message& out,
                                           std::chrono::nanoseconds now) const;
  /// `beside`: the refused later run of the row's name, or null.
  void add_row(slot_index slot, const unwanted_peer* beside, packer& pack, const message& out,
               std::chrono::nanoseconds now, row_places& wanted) const;
  void fill_extra(digest_leg& leg, packer& pack, message& out, std::chrono::nanoseconds now,
                  const row_places& wanted);
  /// Adds a row outside the range, unless it has a place already or none is due. False: no room.
  [[nodiscard]] bool try_add_unclaimed(slot_index slot, packer& pack, const message& out,
                                       std::chrono::nanoseconds now) const;
  /// The rows whose turn it is beside a root, from the hash `from` on, which goes on behind them.
  [[nodiscard]] std::span<const slot_index> choose_silent(std::uint64_t& from, const message& out);
  /// Adds the rows that a root tells of, and the root.
  void fill_root(digest_leg& leg, packer& pack, message& out, std::chrono::nanoseconds now);
  /// Adds the row, and the part of its next value that is here, to a digest without a claim.
  void add_about(slot_index slot, const digest_leg& leg, packer& pack, const message& out) const;

  exchange_tables& shared_;
  const config& settings_;
  peer_table& peers_;
  const unwanted_peers& unwanted_;
  std::vector<row_sum> sums_;       // of a root, to reuse its memory
  std::vector<slot_index> silent_;  // likewise
};

}  // namespace gossipmonger
