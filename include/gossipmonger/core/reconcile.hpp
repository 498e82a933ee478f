// Scuttlebutt reconciliation: compares what two nodes know, decides who owes what, fills
// datagrams with it, and applies what comes. A resource over the node's tables.
// Source: van Renesse, Dumitriu, Gough, Thomas, LADIS 2008, sections 2 and 3.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "gossipmonger/core/change_list.hpp"
#include "gossipmonger/core/config.hpp"
#include "gossipmonger/core/event.hpp"
#include "gossipmonger/core/flight_log.hpp"
#include "gossipmonger/core/graveyard.hpp"
#include "gossipmonger/core/legs.hpp"
#include "gossipmonger/core/message.hpp"
#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/core/parking.hpp"
#include "gossipmonger/core/partial_values.hpp"
#include "gossipmonger/core/peer_table.hpp"
#include "gossipmonger/core/random.hpp"
#include "gossipmonger/core/storage.hpp"
#include "gossipmonger/core/table_sizes.hpp"
#include "gossipmonger/core/value_checksums.hpp"

namespace gossipmonger {

class reconciler {
 public:
  reconciler(const config& settings, peer_table& peers, graveyard& graves, storage_ref entries,
             change_list& changes, protocol_stats& stats, random_source& draws);
  reconciler(const reconciler&) = delete;
  reconciler& operator=(const reconciler&) = delete;

  /// Whether a row is still told of; else it is advertised as unwanted only.
  [[nodiscard]] bool is_advertised(peer_view row, std::chrono::nanoseconds now) const {
    if (row.is_refused()) return false;
    return !row.is_gone() || now - peers_.silent_since(row.slot()) < settings_.dead_peer_grace / 2;
  }

  /// Whether something is on its way to that peer.
  [[nodiscard]] bool has_flights(std::uint64_t remote_hash) const {
    return flights_.has_any(remote_hash);
  }
  /// What a digest from `sender_hash`, of which this was `seen`, shows that either side lacks.
  ///   expects: `seen` is thorough if something is on its way to the sender, unless it is unproved
  void compare(const digest& theirs, const digest_comparison& seen, std::uint64_t sender_hash,
               std::chrono::nanoseconds now, answer_leg& out);
  /// What one request of theirs shows: it wants no request back.
  void compare_request(const digest_entry& theirs, std::chrono::nanoseconds now, answer_leg& out);
  /// What the remote's window leaves of the budgets: smaller while datagrams to it are lost.
  void limit_burst(answer_leg& out) const;
  /// Puts the owners in the order of this exchange.
  void shuffle(answer_leg& out);

  /// The next datagram of a digest or reply. False when nothing is left to say.
  [[nodiscard]] bool fill_digest(digest_leg& leg, message& out, std::chrono::nanoseconds now);
  [[nodiscard]] bool fill_reply(answer_leg& leg, message& out, std::chrono::nanoseconds now);

  /// What this node holds of the next value of a peer, if that is a part.
  [[nodiscard]] std::optional<partial_entry> partial_of(slot_index slot) const;
  /// Applies one delta to the row that it is of, or parks or drops it.
  void apply(const message& from, const delta_view& delta);
  /// The row's entries go: it was superseded or forgotten.
  void forget(slot_index slot);
  /// Lets go of parked deltas that waited for a gap that nobody filled, and of partial values of
  /// which nobody had the rest; tries the storage again for whom it is time.
  void begin_round(std::uint64_t round);

  [[nodiscard]] std::size_t parked_bytes() const { return parked_.bytes(); }
  [[nodiscard]] std::size_t partial_bytes() const { return partials_.bytes(); }
  /// Those of its own tables.
  void count_tables(table_sizes& out) const;
  /// Bytes of a datagram that a message may take: the seal's room stays free (I4).
  [[nodiscard]] std::size_t message_bytes_max() const;
  /// The same for a datagram of `leg`.
  [[nodiscard]] std::size_t message_bytes_max(const leg_base& leg) const;
  /// Rows of a digest that surely fit into one datagram.
  [[nodiscard]] std::size_t digest_rows_a_datagram() const;
  /// Rows that a digest of so many datagrams and bytes tells at least, if there are more; fewer
  /// where graves take places.
  [[nodiscard]] std::size_t digest_rows_min(std::size_t datagrams, std::size_t bytes) const;
  /// Bytes of a digest that tells of everybody, as far as `datagrams` do.
  [[nodiscard]] std::size_t digest_bytes_whole(std::size_t datagrams) const;

 private:
  /// Which entries still want a place in the datagram, wherever the range ends.
  struct digest_places {
    digest_places() = default;

    std::size_t rows_max = 0;  // of the datagram, besides sender and receiver
    bool has_sender = false;
    bool has_receiver = false;
    bool is_receiver_refused = false;          // it, or a later run of it
    std::optional<partial_entry> of_receiver;  // beside its entry
    std::size_t extra = 0;                     // for what changed last
    bool is_cut_by_graves = false;             // the range ended because of them
  };

  /// What one entry of theirs shows of the peer in `slot`, no_slot for a stranger.
  /// `in`: the digest that it stands in, null for a request.
  void compare_entry(const digest_entry& theirs, slot_index slot, std::chrono::nanoseconds now,
                     answer_leg& out, const digest* in);
  /// Whether the graveyard refuses what somebody tells of there.
  [[nodiscard]] bool refuses(const digest_entry& theirs, std::chrono::nanoseconds now,
                             const answer_leg& out);
  void request_stranger(const digest_entry& theirs, std::chrono::nanoseconds now, answer_leg& out);
  /// What their range skips, they do not know.
  void compare_absent(const digest& theirs, const comparison& seen, std::chrono::nanoseconds now,
                      answer_leg& out);
  /// Plans the entries of a row above `after`, save those that are on their way to the remote.
  void owe(slot_index slot, std::uint64_t after, std::chrono::nanoseconds now, answer_leg& out);
  void adapt_burst(std::uint64_t remote_hash, const flight_answer& seen,
                   std::chrono::nanoseconds now);
  void set_frame(const leg_base& leg, message& out) const;
  /// Echoes the datagram that the leg answers in the receiver's entry.
  static void add_echo(const answer_leg& leg, message& out);
  /// Rows of a digest, besides sender and receiver, that fit into so many bytes of datagrams.
  [[nodiscard]] std::size_t digest_rows_within(std::size_t bytes) const;
  void fill_range(digest_leg& leg, packer& pack, message& out, std::chrono::nanoseconds now,
                  digest_places& places) const;
  /// Adds rows from index `first` of `by_hash` on, `count_max` at most, up to one that takes more
  /// than an entry in the range, or the hash `until`. Returns how many.
  [[nodiscard]] std::size_t add_plain_rows(std::size_t first, std::size_t count_max,
                                           std::uint64_t until, packer& pack, const message& out,
                                           std::chrono::nanoseconds now) const;
  void fill_heartbeats(answer_leg& leg, packer& pack) const;
  void fill_extra(digest_leg& leg, packer& pack, message& out, std::chrono::nanoseconds now,
                  const digest_places& places);
  /// A row outside the range; nothing where it has a place, or none is due. False: no room.
  [[nodiscard]] bool try_add_unclaimed(slot_index slot, packer& pack, const message& out,
                                       std::chrono::nanoseconds now) const;
  /// `beside` is the grave of a later run of the row's name, or null.
  void add_row(slot_index slot, const grave* beside, packer& pack, const message& out,
               std::chrono::nanoseconds now, digest_places& places) const;
  void fill_deltas(answer_leg& leg, packer& pack, const message& out);
  /// False: the datagram is full.
  [[nodiscard]] bool fill_turn(answer_leg& leg, packer& pack, const message& out);
  /// False: the datagram has no room for a part of that value.
  [[nodiscard]] bool fill_fragment(answer_leg& leg, packer& pack, const message& out,
                                   const entry_view& entry);
  /// Counts bytes against the turn, which ends when too few are left of its quantum.
  void spend(answer_leg& leg, std::size_t used) const;
  /// The highest version of its owner that there is evidence of.
  [[nodiscard]] std::uint64_t top_of(slot_index slot) const {
    return std::max(peers_.details(slot).top, peers_[slot].max_version());
  }
  void raise_top(slot_index slot, std::uint64_t evidence) {
    std::uint64_t& top = peers_.details(slot).top;
    top = std::max(top, evidence);
  }
  /// Whether key and value travel in fragments.
  [[nodiscard]] bool is_large(const entry_view& entry, const leg_base& leg) const {
    const std::size_t most = leg.is_narrow ? narrow_whole_bytes_max_ : whole_bytes_max_;
    return entry.key.size() + entry.value.size() > most;
  }
  /// Whether large datagrams do not reach the remote of `leg`, and it shall have smaller ones.
  [[nodiscard]] bool is_narrow(const leg_base& leg) const;
  /// What the remote of `leg` says that it holds of the row's value after `after`.
  [[nodiscard]] std::optional<position> part_held(peer_view row, std::uint64_t after,
                                                  const answer_leg& leg) const;
  /// The row, and how much of its next value is here, in a digest without a claim.
  void add_about(slot_index slot, packer& pack, const message& out) const;
  [[nodiscard]] bool is_wanted(const digest& theirs, peer_view row, const answer_leg& out) const;
  void apply_entries(slot_index slot, const std::vector<entry_view>& entries, std::size_t first,
                     std::size_t count, std::uint64_t upto);
  void apply_fragment(slot_index slot, const message& from, const delta_view& delta);
  void take_fragment(slot_index slot, const delta_view& delta, const entry_view& part);
  [[nodiscard]] bool try_put(slot_index slot, const entry_view& entry);
  /// Whether that much of a peer, in place of what is `held` of the key, exceeds a capacity, which
  /// is then said of it, once.
  [[nodiscard]] bool exceeds_capacity(slot_index slot, const entry_view& entry,
                                      std::size_t value_bytes,
                                      const std::optional<entry_view>& held);
  void apply_floor(slot_index slot);
  void apply_parked(slot_index slot);
  /// The storage refused an entry: of its owner nothing is taken for a while, twice as long each
  /// time, so that nobody sends it again and again.
  void put_off(slot_index slot);
  void resume_put_off();

  const config& settings_;
  peer_table& peers_;
  graveyard& graves_;
  storage_ref entries_;
  change_list& changes_;
  protocol_stats& stats_;
  random_source& random_;
  parking parked_;
  partial_values partials_;
  value_checksums checksums_;
  std::size_t whole_bytes_max_;
  std::size_t narrow_whole_bytes_max_;
  flight_log flights_;
  std::vector<slot_index>
      put_off_;  // whose entries the storage refused, until they are tried again
  std::uint64_t round_ = 0;
};

}  // namespace gossipmonger
