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

/// Entries of one incarnation above `after` that the other side lacks.
struct owed_delta {
  owed_delta(slot_index of_slot, std::uint64_t of_generation, std::uint64_t after_version)
      : slot(of_slot), generation(of_generation), after(after_version) {}

  slot_index slot;
  std::uint64_t generation;
  std::uint64_t after;
  position part;            ///< of a value that spans datagrams: its version, what went of it
  std::size_t deficit = 0;  ///< bytes left of its turn (deficit round robin)
};

/// One leg to be sent to one address, as a plan; `fill` turns it into datagrams.
struct exchange {
  exchange() = default;

  /// Whether it goes before bulk copies: a digest, the first datagram of an answer (it has news of
  /// everybody in turn), and membership.
  [[nodiscard]] bool is_urgent() const {
    return kind == message_kind::digest || is_first || is_news_due || !identities.empty() ||
           !requests.empty() || !heartbeats.empty();
  }

  endpoint to;
  endpoint from;  ///< the local address that it leaves from; a wildcard: the driver's choice
  message_kind kind = message_kind::digest;
  std::uint64_t remote_hash = 0;  ///< 0: not known (a seed)
  /// Legs 2 and 3: the remote's run and heartbeat, as the datagram says that this leg answers. The
  /// leg echoes at least that, so the remote sees that it was heard.
  std::uint64_t asked_generation = 0;
  std::uint64_t asked_heartbeat = 0;
  std::uint64_t cookie_echo = 0;
  std::optional<wire_range> spoken;  ///< wire versions of the remote, if they are known
  std::uint32_t unanswered = 0;  ///< leg 1 to who is not live: starts in a row, this one included
  std::size_t bytes_left = 0;
  std::size_t datagrams_left = 0;
  /// Answers an address without proof: bytes_left is the 3x rule's, say `more` if it runs out. What
  /// its sender says of itself, anybody can say: nothing that is kept of that peer is read or
  /// written.
  bool is_unproved = false;
  std::size_t padded_bytes = 0;
  bool is_narrow = false;        ///< its datagrams take 1200 bytes at most
  std::size_t filled_bytes = 0;  ///< of its latest datagram
  /// Its first datagram did not go yet, and is a sign of life that the remote waits for: a probe,
  /// or the answer to one. Under a byte budget it goes before all else.
  bool is_sign_due = false;
  /// A bare sign of life went ahead of the first datagram of an answer, which is still to go.
  bool is_news_due = false;

  // Leg 1: where the range goes on, and what it has not claimed yet.
  std::uint64_t digest_from = 0;
  std::size_t digest_rows_left = 0;
  std::size_t digest_graves_left = 0;
  /// The bytes that the byte budget leaves to this digest.
  std::size_t digest_bytes_left = std::numeric_limits<std::size_t>::max();
  // Where graves end the range early, rows are told without a claim, from here on, once each.
  std::uint64_t extra_from = 0;
  std::size_t extra_rows_left = 0;
  bool has_extra = false;           ///< nothing of it went out yet
  bool is_partial = false;          ///< it cannot tell of everything
  bool is_short = false;            ///< no claim: sender, receiver and doubts only
  std::optional<slot_index> about;  ///< and that peer, of whose value a part is here
  /// Whose answer is awaited from its first datagram on, and of which run; 0: nobody's.
  slot_index awaited = self_slot;
  std::uint64_t awaited_generation = 0;

  std::vector<doubt_entry> doubts;  ///< of any leg; its first datagram carries them

  // Legs 2 and 3.
  refusal refused = refusal::none;  ///< why I refuse the remote; the first datagram says it
  std::vector<slot_index> identities;
  std::vector<slot_index> heartbeats;
  std::vector<digest_entry> requests;
  std::vector<owed_delta> owed;
  std::size_t turn = 0;              ///< index in `owed` of whose turn it is
  bool is_first = true;              ///< one datagram is sent even if there is nothing to say
  std::uint64_t seen_heartbeat = 0;  ///< of mine, that the remote has seen; 0: none known
  /// What the remote holds of large values: taken up where it stopped. For as long as it is
  /// planned.
  const std::vector<partial_entry>* partials = nullptr;
  bool has_flights = false;  ///< something was on its way to the remote when this was planned
  std::chrono::nanoseconds planned{};  ///< when
  std::uint64_t lacking = 0;           ///< of all owners, then; 2^24 a version, less offsets
};

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
               std::chrono::nanoseconds now, exchange& out);
  /// What one request of theirs shows: it wants no request back.
  void compare_request(const digest_entry& theirs, std::chrono::nanoseconds now, exchange& out);
  /// What the remote's window leaves of the budgets: smaller while datagrams to it are lost.
  void limit_burst(exchange& out) const;
  /// Puts the owners in the order of this exchange.
  void shuffle(exchange& out);

  /// The next datagram of a digest or reply. False when nothing is left to say.
  [[nodiscard]] bool fill_digest(exchange& leg, message& out, std::chrono::nanoseconds now);
  [[nodiscard]] bool fill_reply(exchange& leg, message& out, std::chrono::nanoseconds now);

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
  [[nodiscard]] std::size_t message_bytes_max(const exchange& leg) const;
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
                     exchange& out, const digest* in);
  /// Whether the graveyard refuses what somebody tells of there.
  [[nodiscard]] bool refuses(const digest_entry& theirs, std::chrono::nanoseconds now,
                             const exchange& out);
  void request_stranger(const digest_entry& theirs, std::chrono::nanoseconds now, exchange& out);
  /// What their range skips, they do not know.
  void compare_absent(const digest& theirs, const comparison& seen, std::chrono::nanoseconds now,
                      exchange& out);
  /// Plans the entries of a row above `after`, save those that are on their way to the remote.
  void owe(slot_index slot, std::uint64_t after, std::chrono::nanoseconds now, exchange& out);
  void adapt_burst(std::uint64_t remote_hash, const flight_answer& seen,
                   std::chrono::nanoseconds now);
  void set_frame(const exchange& leg, message& out) const;
  /// Echoes the datagram that the leg answers in the receiver's entry.
  static void add_echo(const exchange& leg, message& out);
  /// Rows of a digest, besides sender and receiver, that fit into so many bytes of datagrams.
  [[nodiscard]] std::size_t digest_rows_within(std::size_t bytes) const;
  void fill_range(exchange& leg, packer& pack, message& out, std::chrono::nanoseconds now,
                  digest_places& places) const;
  /// Adds rows from index `first` of `by_hash` on, `count_max` at most, up to one that takes more
  /// than an entry in the range, or the hash `until`. Returns how many.
  [[nodiscard]] std::size_t add_plain_rows(std::size_t first, std::size_t count_max,
                                           std::uint64_t until, packer& pack, const message& out,
                                           std::chrono::nanoseconds now) const;
  void fill_heartbeats(exchange& leg, packer& pack) const;
  void fill_extra(exchange& leg, packer& pack, message& out, std::chrono::nanoseconds now,
                  const digest_places& places);
  /// A row outside the range; nothing where it has a place, or none is due. False: no room.
  [[nodiscard]] bool try_add_unclaimed(slot_index slot, packer& pack, const message& out,
                                       std::chrono::nanoseconds now) const;
  /// `beside` is the grave of a later run of the row's name, or null.
  void add_row(slot_index slot, const grave* beside, packer& pack, const message& out,
               std::chrono::nanoseconds now, digest_places& places) const;
  void fill_deltas(exchange& leg, packer& pack, const message& out);
  /// False: the datagram is full.
  [[nodiscard]] bool fill_turn(exchange& leg, packer& pack, const message& out);
  /// False: the datagram has no room for a part of that value.
  [[nodiscard]] bool fill_fragment(exchange& leg, packer& pack, const message& out,
                                   const entry_view& entry);
  /// Counts bytes against the turn, which ends when too few are left of its quantum.
  void spend(exchange& leg, std::size_t used) const;
  /// The highest version of its owner that there is evidence of.
  [[nodiscard]] std::uint64_t top_of(slot_index slot) const {
    return std::max(peers_.details(slot).top, peers_[slot].max_version());
  }
  void raise_top(slot_index slot, std::uint64_t evidence) {
    std::uint64_t& top = peers_.details(slot).top;
    top = std::max(top, evidence);
  }
  /// Whether key and value travel in fragments.
  [[nodiscard]] bool is_large(const entry_view& entry, const exchange& leg) const {
    const std::size_t most = leg.is_narrow ? narrow_whole_bytes_max_ : whole_bytes_max_;
    return entry.key.size() + entry.value.size() > most;
  }
  /// Whether large datagrams do not reach the remote of `leg`, and it shall have smaller ones.
  [[nodiscard]] bool is_narrow(const exchange& leg) const;
  /// What the remote of `leg` says that it holds of the row's value after `after`.
  [[nodiscard]] std::optional<position> part_held(peer_view row, std::uint64_t after,
                                                  const exchange& leg) const;
  /// The row, and how much of its next value is here, in a digest without a claim.
  void add_about(slot_index slot, packer& pack, const message& out) const;
  [[nodiscard]] bool is_wanted(const digest& theirs, peer_view row, const exchange& out) const;
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
