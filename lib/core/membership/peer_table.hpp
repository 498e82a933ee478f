// The known peers: one row each, self in slot 0, in the order of their hashes; and the local status
// of each. The table is a resource with a capacity; rows are views into it. Digest entries, states,
// detectors and details lie apart from each other.
//
// More than 250 lines, because rows are views of these columns. An exchange reads them by the
// thousand, so views, comparison and table are inline and know each other's columns.
#pragma once

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/membership/namesake_watch.hpp"
#include "core/model/digest.hpp"
#include "core/model/failure_detector.hpp"
#include "core/model/interval_code.hpp"
#include "core/model/row_sum.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// The slot of a peer that is not in the table.
inline constexpr slot_index no_slot = ~slot_index{0};

/// The local state of a peer, and the slot by which it is known elsewhere: eight in a cache line.
/// A value; the fields are as `peer_view` names them.
struct row_state {
  enum flag : std::uint8_t { over_capacity = 1, put_off = 2, suspect = 4, left = 8 };

  row_state() = default;

  peer_status status = peer_status::introduced;
  std::uint8_t advances = 0;
  std::uint8_t flags = 0;
  slot_index slot = no_slot;

  /// A higher heartbeat of it changes nothing but what `peer_table::advance` does.
  [[nodiscard]] bool is_plain() const { return status == peer_status::live && flags == 0; }
};
static_assert(sizeof(row_state) == 8);

/// A row, to read: the peer's digest entry, and what this node decided of it. It stands in the
/// table by its hash, and moves there as others come and go: what is kept of a peer is its slot. A
/// view, good until a peer is added or removed.
class peer_view {
 public:
  peer_view(const packed_entry& entry, const row_state& state) : entry_(&entry), state_(&state) {}

  [[nodiscard]] slot_index slot() const { return state_->slot; }
  /// This replica's digest entry of the peer.
  [[nodiscard]] const packed_entry& entry() const { return *entry_; }
  [[nodiscard]] std::uint64_t name_hash() const { return entry_->name_hash; }
  [[nodiscard]] std::uint64_t generation() const { return entry_->generation(); }
  [[nodiscard]] std::uint64_t max_version() const { return entry_->max_version(); }
  [[nodiscard]] std::uint64_t heartbeat() const { return entry_->heartbeat(); }
  [[nodiscard]] bool has_left() const { return entry_->has_left(); }

  [[nodiscard]] peer_status status() const { return state_->status; }
  /// How often its heartbeat advanced since birth or death, to `peer::advances_max`.
  [[nodiscard]] std::uint8_t advances() const { return state_->advances; }
  /// Whether silence may still declare it dead: live, or new.
  [[nodiscard]] bool may_die() const {
    return status() == peer_status::live || status() == peer_status::introduced;
  }
  /// Something of it was refused for want of room: it is unwanted as it is.
  [[nodiscard]] bool is_over_capacity() const {
    return (state_->flags & row_state::over_capacity) != 0;
  }
  /// Likewise, for some rounds: the storage refused an entry.
  [[nodiscard]] bool is_put_off() const { return (state_->flags & row_state::put_off) != 0; }
  /// Nothing is taken of this incarnation now, and peers are told so.
  [[nodiscard]] bool is_refused() const {
    return (state_->flags & (row_state::over_capacity | row_state::put_off)) != 0;
  }
  /// Set by `peer_table::set_suspect`, which counts.
  [[nodiscard]] bool is_suspect() const { return (state_->flags & row_state::suspect) != 0; }
  [[nodiscard]] bool is_plain() const { return state_->is_plain(); }
  /// Nothing more is expected of it.
  [[nodiscard]] bool is_gone() const {
    return status() == peer_status::dead || status() == peer_status::left;
  }

 private:
  const packed_entry* entry_;
  const row_state* state_;
};

/// The same, to write.
class peer : public peer_view {
 public:
  /// Of as many advances a peer is live; more are not counted.
  static constexpr std::uint8_t advances_max = 2;

  /// `irregular` counts the rows that are not plain. `part` is what the row adds to sums.
  peer(packed_entry& entry, row_state& state, std::uint64_t& part, std::size_t& irregular)
      : peer_view(entry, state),
        entry_(&entry),
        state_(&state),
        part_(&part),
        irregular_(&irregular) {}

  // Each expects: not above its limit (types.hpp).
  void set_generation(std::uint64_t generation) const {
    entry_->set_generation(generation);
    *part_ = 0;
  }
  void set_max_version(std::uint64_t version) const {
    entry_->set_max_version(version);
    *part_ = 0;
  }
  void set_heartbeat(std::uint64_t heartbeat) const { entry_->set_heartbeat(heartbeat); }
  void set_left() const {
    entry_->set_left();
    *part_ = 0;
    set(row_state::left, true);
  }

  /// See what `peer_table::may_exceed` expects.
  void set_status(peer_status status) const {
    row_state changed = *state_;
    changed.status = status;
    set_state(changed);
  }
  void reset_advances() const { state_->advances = 0; }
  void set_over_capacity(bool is_over) const { set(row_state::over_capacity, is_over); }
  void set_put_off(bool is_off) const { set(row_state::put_off, is_off); }

 private:
  friend class peer_table;

  void set(row_state::flag one, bool is_set) const {
    row_state changed = *state_;
    changed.flags = static_cast<std::uint8_t>(is_set ? changed.flags | one : changed.flags & ~one);
    set_state(changed);
  }
  void set_state(const row_state& changed) const {
    if (is_plain()) ++*irregular_;
    *state_ = changed;
    if (is_plain()) --*irregular_;
  }
  void count_advance(std::uint64_t to) const {
    set_heartbeat(to);
    if (state_->advances < advances_max) ++state_->advances;
  }

  packed_entry* entry_;
  row_state* state_;
  std::uint64_t* part_;
  std::size_t* irregular_;
};

/// Where a row stands among those by hash, as long as nobody is added or removed.
using row_place = std::uint32_t;

/// An entry of a list, by its index there, and the row that it names; `no_slot` for an unknown
/// peer.
struct located_entry {
  located_entry() = default;

  std::uint32_t index = 0;
  slot_index slot = no_slot;
};

/// The same by the row's place.
struct placed_entry {
  placed_entry() = default;

  std::uint32_t index = 0;
  row_place place = 0;
};

/// How the entries of a list differ from the rows that they name, as both were when they were
/// compared. Most differ in the heartbeat alone, if at all: these are told by their places, and so
/// only until a peer is added or removed. A value; for reuse, its lists keep their room.
class comparison {
 public:
  comparison() = default;

  // Plain peers, all as it is here but for the low 20 bits of the heartbeat:
  /// Higher there.
  [[nodiscard]] std::span<const placed_entry> ahead() const {
    return std::span(ahead_).first(ahead_count_);
  }
  /// Higher here.
  [[nodiscard]] std::span<const row_place> behind() const {
    return std::span(behind_).first(behind_count_);
  }
  /// All else that is not equal: unknown peers and rows that are not plain are among them.
  [[nodiscard]] std::span<const located_entry> others() const {
    return std::span(others_).first(others_count_);
  }
  [[nodiscard]] std::size_t unknown() const { return unknown_; }
  /// Whether all of them were called others.
  [[nodiscard]] bool is_thorough() const { return is_thorough_; }

 private:
  friend class peer_table;

  /// Empties the lists, and makes room for so many in each: a place is written before it counts.
  void begin(std::size_t entries, bool is_thorough);

  std::vector<placed_entry> ahead_;
  std::vector<row_place> behind_;
  std::vector<located_entry> others_;
  std::size_t ahead_count_ = 0;
  std::size_t behind_count_ = 0;
  std::size_t others_count_ = 0;
  std::size_t unknown_ = 0;
  bool is_thorough_ = false;
};

/// The same of a digest's lists.
struct digest_comparison {
  digest_comparison() = default;

  comparison range;
  comparison extra;
};

/// The rest of what this node knows of one incarnation.
struct peer_details {
  peer_details() = default;

  // Identity, and the state of the incarnation.
  std::string name;
  std::uint32_t instance = 0;
  endpoint address;                  ///< as it advertises itself
  std::optional<endpoint> route;     ///< where it was last verified, if that differs
  std::optional<wire_range> spoken;  ///< wire versions, as it said itself
  std::uint8_t features = 0;         ///< likewise
  interval_code interval;            ///< how often it gossips, likewise

  /// Where datagrams to it go.
  [[nodiscard]] const endpoint& way() const { return route ? *route : address; }

  /// Verified, straight from it; on the liveness clock, which stands still during pauses.
  std::optional<std::chrono::nanoseconds> last_reply;

  /// Whether an older run of it lives beside this one.
  namesake_watch namesake;
};

class peer_table {
 public:
  /// `capacity` peers besides self.
  explicit peer_table(std::size_t capacity);
  peer_table(const peer_table&) = delete;
  peer_table& operator=(const peer_table&) = delete;

  /// Whether `try_add` has a row for a new peer.
  [[nodiscard]] bool has_room() const;
  /// A row for a new peer; nullopt when the capacity is reached.
  ///   expects: no row has that hash
  [[nodiscard]] std::optional<slot_index> try_add(std::string_view name, std::uint64_t name_hash);
  /// expects: slot is in use, and not self's
  void remove(slot_index slot);

  /// expects: slot is in use
  [[nodiscard]] peer operator[](slot_index slot) {
    assert(is_used(slot));
    return row_at(places_[slot]);
  }
  [[nodiscard]] peer_view operator[](slot_index slot) const {
    assert(is_used(slot));
    return at(places_[slot]);
  }
  /// expects: place < entries().size()
  [[nodiscard]] peer_view at(std::size_t place) const {
    return peer_view(entries_[place], states_[place]);
  }
  /// The row's part of sums, as `part_of` says. It is worked out once after each change.
  [[nodiscard]] std::uint64_t part(std::size_t place) const {
    if (parts_[place] == 0) parts_[place] = part_of(entries_[place]);
    return parts_[place];
  }
  /// Of this node.
  [[nodiscard]] peer self() { return row_at(self_place_); }
  [[nodiscard]] peer_view self() const { return at(self_place_); }
  [[nodiscard]] const failure_detector& detector(slot_index slot) const {
    assert(is_used(slot));
    return detectors_[places_[slot]];
  }
  /// Its last advance, by the whole cluster's word.
  [[nodiscard]] std::chrono::nanoseconds silent_since(slot_index slot) const {
    const failure_detector& seen = detector(slot);
    return seen.samples() == 0 ? silent_before_[slot] : seen.last_advance();
  }
  [[nodiscard]] peer_details& details(slot_index slot) { return details_[slot]; }
  [[nodiscard]] const peer_details& details(slot_index slot) const { return details_[slot]; }
  [[nodiscard]] bool is_used(slot_index slot) const {
    return slot < places_.size() && places_[slot] != no_place;
  }

  /// O(log n), and O(1) for the one looked up last: a sender is looked up many times.
  [[nodiscard]] std::optional<slot_index> find(std::uint64_t name_hash) const {
    if (last_asked_ >= entries_.size() || entries_[last_asked_].name_hash != name_hash) {
      const std::size_t place = lower_bound(name_hash);
      if (place == entries_.size() || entries_[place].name_hash != name_hash) return std::nullopt;
      last_asked_ = place;
    }
    return states_[last_asked_].slot;
  }
  [[nodiscard]] std::optional<slot_index> find_name(std::string_view name,
                                                    std::uint64_t name_hash) const;

  /// All rows, self included, by ascending hash: a random-access range of views.
  [[nodiscard]] auto by_hash() const {
    const auto count = static_cast<row_place>(entries_.size());
    return std::views::transform(std::views::iota(row_place{0}, count),
                                 [this](row_place place) { return at(place); });
  }
  /// Their digest entries, in the same order.
  [[nodiscard]] std::span<const packed_entry> entries() const { return entries_; }
  /// Place of the first row with a hash >= `name_hash`; entries().size() if none.
  [[nodiscard]] std::size_t lower_bound(std::uint64_t name_hash) const;

  /// Finds the rows of `entries`, and what differs; O(1) an entry where they ascend as the rows do,
  /// but they may stand in any order, and name one twice. `is_thorough`: all of them are `others`.
  void compare(std::span<const packed_entry> entries, bool is_thorough, comparison& out) const;

  /// The row is of a new incarnation, of which nothing else is known yet. Phi counts its silence
  /// from `counted_from` on.
  void begin(slot_index slot, std::uint64_t generation, std::uint64_t heartbeat,
             std::chrono::nanoseconds silent_since, std::chrono::nanoseconds counted_from);
  /// Its heartbeat rose: an interval of a peer that lives.
  void advance(slot_index slot, std::uint64_t heartbeat, std::chrono::nanoseconds now,
               const detector_expectation& expected, std::size_t window) {
    advance_at(places_[slot], heartbeat, now, expected, window);
  }
  /// The same of the row that stands there.
  void advance_at(row_place place, std::uint64_t heartbeat, std::chrono::nanoseconds now,
                  const detector_expectation& expected, std::size_t window) {
    // Rows mostly advance one after the other: those to come are fetched meanwhile.
    const std::size_t later = std::min(place + fetched_ahead, detectors_.size() - 1);
    __builtin_prefetch(&detectors_[later], 1);
    failure_detector& seen = detectors_[place];
    seen.advance(now, expected, window);
    row_at(place).count_advance(heartbeat);
    note_silence(seen);
  }
  /// Its heartbeat rose, after a silence that was no interval of a peer that lives.
  void advance_anew(slot_index slot, std::uint64_t heartbeat, std::chrono::nanoseconds now) {
    restart_silence(slot, now);
    (*this)[slot].count_advance(heartbeat);
  }
  /// Its detector forgets what it saw.
  void reset_detector(slot_index slot, std::chrono::nanoseconds now) {
    reset_detector(slot, now, silent_since(slot));
  }
  /// The same, and it is heard of now.
  void restart_silence(slot_index slot, std::chrono::nanoseconds now) {
    reset_detector(slot, now, now);
  }
  /// Whether the phi of any peer that may die can exceed the limit; false is certain. A call looks
  /// at all peers. If none can exceed the limit `ahead` later either, calls until then are O(1).
  ///   expects: a peer that comes to live is new, or it advanced then, or its silence restarted
  [[nodiscard]] bool may_exceed(const phi_limit& limit, std::chrono::nanoseconds ahead);

  /// Whether it is suspected now.
  void set_suspect(slot_index slot, bool is_suspect);
  /// Whether anybody is.
  [[nodiscard]] bool has_suspects() const { return suspects_ != 0; }
  /// Rows that are not plain, self's among them.
  [[nodiscard]] std::size_t irregular() const { return irregular_; }

  /// Its versions changed, in the round that began last: it is now the latest.
  void touch(slot_index slot);
  /// Up to `count` slots whose versions changed last, latest first.
  [[nodiscard]] std::span<const slot_index> latest(std::size_t count);
  /// The same of those that changed in the last `rounds` rounds only.
  [[nodiscard]] std::span<const slot_index> latest(std::size_t count, std::uint64_t rounds);
  void begin_round(std::uint64_t round) { round_ = round; }

  /// Rows besides self.
  [[nodiscard]] std::size_t size() const { return entries_.size() - 1; }
  /// One more than the highest slot ever used.
  [[nodiscard]] std::size_t slots() const { return places_.size(); }

 private:
  static constexpr int near_rows = 32;
  static constexpr std::size_t fetched_ahead = 16;
  static constexpr row_place no_place = ~row_place{0};

  [[nodiscard]] peer row_at(row_place place) {
    return peer(entries_[place], states_[place], parts_[place], irregular_);
  }
  /// Its detector changed: a look ahead holds no longer where it may exceed what was looked for.
  void note_silence(const failure_detector& changed) {
    if (quiet_until_ && changed.may_exceed(*quiet_until_)) quiet_until_.reset();
  }
  void reset_detector(slot_index slot, std::chrono::nanoseconds now,
                      std::chrono::nanoseconds silent_since);
  /// Of `entries` from `index` on, those that ascend as the rows from `next` on do, and are plain
  /// and equal but for the heartbeat. Both go on to where that ends.
  void compare_usual(std::span<const packed_entry> entries, std::size_t& index, std::size_t& next,
                     comparison& out) const;
  /// Notes where the rows from there on stand now.
  void number_from(std::size_t place);

  std::size_t capacity_;
  // The rows by hash, and what is known of each in the order of what touches it: an exchange in a
  // large cluster is mostly the fetching of these.
  std::vector<packed_entry> entries_;
  std::vector<row_state> states_;
  std::vector<failure_detector> detectors_;
  mutable std::vector<std::uint64_t> parts_;  // 0: not worked out since the row changed
  std::vector<row_place> places_;             // of the rows, by slot
  std::vector<peer_details> details_;         // by slot
  // Since when it is silent, by slot, where its detector has seen nothing since it was reset.
  std::vector<std::chrono::nanoseconds> silent_before_;
  std::vector<slot_index> free_;
  row_place self_place_ = 0;
  std::size_t irregular_ = 0;
  std::size_t suspects_ = 0;
  std::vector<slot_index> recent_;  // a log, latest last; a slot may stand in it more than once
  std::vector<slot_index> latest_;
  std::vector<std::uint64_t> touched_;  // the round of the last change, by slot
  std::uint64_t round_ = 0;
  std::optional<phi_limit> quiet_until_;  // no peer that may die exceeds that, as it is now
  mutable std::size_t last_asked_ = 0;    // a hint, checked before use
};

}  // namespace gossipmonger
