// The one sequence in which every change of content takes its place, and those of its items that
// are no entries: statuses, supersedes, forgettings, notices. Entries keep theirs in the storage.
// Conflated: an item moves to the tail when it changes, nothing is queued or copied. A resource.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gossipmonger/event.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// A subscription's place in the change list, and what it wants to see. A value; memory: two
/// bytes a peer, to tell whether an event would repeat what was shown last.
struct change_cursor {
  change_cursor() = default;

  std::string peer;        ///< only this peer's events; empty: all
  std::string key_prefix;  ///< only keys that begin so; empty: all
  bool is_without_self = false;

  std::uint64_t sequence = 0;       ///< everything up to here was delivered
  std::uint64_t snapshot_upto = 0;  ///< up to here, removals are not worth telling
  /// Notices above this are shown, if they are still kept; unset: those after the first read.
  std::uint64_t notices_from = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t epoch = 0;  ///< of the change list, when the snapshot began
  bool has_begun = false;
  /// The events of one peer that were delivered last. A value.
  struct shown_peer {
    shown_peer() = default;

    peer_status status = peer_status::self;  ///< `self`: nothing of the peer
    bool is_complete = false;                ///< peer_complete, since its latest peer_live
  };
  std::vector<shown_peer> shown;  ///< by slot
};

/// The content of a forgetting or a notice: there may be no row of that peer. A value.
struct told_change {
  told_change() = default;

  event_kind event = event_kind::error;  ///< notice
  std::string name;
  std::uint64_t generation = 0;
  std::string text;  ///< notice
};

/// Moved, not copied: each peer has three, so what only forgettings and notices have lies apart.
struct change_item {
  enum class what : std::uint8_t { introduced, status, complete, forgotten, notice };

  change_item(what of_kind, slot_index at_slot) : kind(of_kind), slot(at_slot) {}

  what kind;
  slot_index slot;
  std::unique_ptr<told_change> told;  ///< forgotten, notice
};

/// The places of one peer's items in the sequence.
struct peer_places {
  peer_places() = default;

  std::uint64_t introduced = 0;  ///< of new_peer or peer_restarted; 0: there is none
  std::uint64_t status = 0;      ///< of the latest status; 0 while the peer is new
  std::uint64_t complete = 0;    ///< of peer_complete in this status; 0: there is none
  bool is_restart = false;       ///< the peer was known before, as an earlier incarnation
};

class change_list {
 public:
  /// So many of the latest notices stay when everybody has read them: for a subscription that was
  /// made before them, and of which nothing was read yet.
  static constexpr std::size_t late_notices_max = 64;

  /// At most `kept_max` forgettings and notices stay. A further one evicts the oldest, and a
  /// subscription that had not read an evicted forgetting lags.
  explicit change_list(std::size_t kept_max);
  change_list(const change_list&) = delete;
  change_list& operator=(const change_list&) = delete;

  /// The next sequence number, for an entry.
  [[nodiscard]] std::uint64_t take() { return ++last_; }
  [[nodiscard]] std::uint64_t last() const { return last_; }
  /// The storage gave out sequences up to `sequence` itself.
  void advance_to(std::uint64_t sequence) { last_ = sequence; }

  /// The slot is of a new incarnation. The items of the one before go.
  void introduce(slot_index slot, bool is_restart);
  /// The status of the peer changed. It is not complete any more.
  void change_status(slot_index slot);
  /// All that the peer had when it turned live is here.
  void complete(slot_index slot);
  /// An entry of the peer that stood at `sequence` is at the end now. If it stood before
  /// `complete`, that moves behind it: a reader that comes late sees it first. 0: the entry is any
  /// of them.
  void handle_moved(slot_index slot, std::uint64_t sequence) {
    if (slot < places_.size() && sequence < places_[slot].complete) complete(slot);
  }
  /// The peer goes, and its items with it. A forgetting stays.
  void forget(slot_index slot, std::string_view name, std::uint64_t generation);
  /// The places of the peer in that slot.
  [[nodiscard]] peer_places places_of(slot_index slot) const {
    return slot < places_.size() ? places_[slot] : peer_places();
  }
  void notice(event_kind kind, std::string_view name, std::uint64_t generation, std::string text);

  /// The first item above `sequence`, nullptr if none.
  [[nodiscard]] const change_item* first_above(std::uint64_t sequence, std::uint64_t& at) const {
    // Mostly entries alone are new.
    if (items_.empty() || items_.rbegin()->first <= sequence) return nullptr;
    const auto place = items_.upper_bound(sequence);
    at = place->first;
    return &place->second;
  }

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  /// Of them, forgettings and notices.
  [[nodiscard]] std::size_t kept() const { return kept_.size(); }

  /// Nobody needs what stands at or below `sequence` any more, but the latest notices.
  void release(std::uint64_t sequence);
  /// Cursors below `sequence` must begin anew.
  void cut(std::uint64_t sequence);
  [[nodiscard]] bool has_lost(const change_cursor& cursor) const;
  void begin(change_cursor& cursor) const;

 private:
  void keep(change_item item);
  [[nodiscard]] peer_places& place_of(slot_index slot);
  void erase_items(const peer_places& of);

  std::map<std::uint64_t, change_item> items_;
  std::vector<peer_places> places_;  // by slot
  // Sequences of forgettings and notices, and which of the two each is.
  std::map<std::uint64_t, change_item::what> kept_;
  std::size_t notices_ = 0;
  std::size_t kept_max_;
  std::uint64_t last_ = 0;
  std::uint64_t cut_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace gossipmonger
