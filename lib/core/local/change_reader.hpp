// Shows a subscription the changes above its cursor as events. A value that refers to the change
// list, the storage and the peers of a node, and owns nothing. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/membership/peer_table.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/storage.hpp"

namespace gossipmonger {

/// The view of the next event, where an entry is behind it: shown at once, it costs no second look.
/// A value; valid until anything in the node changes.
struct peeked_entry {
  peeked_entry() = default;

  event_view view;
  std::uint64_t sequence = 0;  ///< the cursor's, once it is shown; 0: there is none
};

class change_reader {
 public:
  /// All three outlive the reader.
  change_reader(const change_list& changes, storage_ref entries, const peer_table& peers)
      : changes_(&changes), entries_(entries), peers_(&peers) {}

  /// Moves the cursor to the next event that its subscription wants; nullopt if there is none. A
  /// cursor that lost a change gets `lagged`, and begins anew.
  [[nodiscard]] std::optional<event_view> poll(change_cursor& cursor) const;
  /// Moves the cursor in front of the event that `poll` gives next, behind those that the
  /// subscription does not want. Whether there is one. Fills `entry` if an entry is behind it.
  ///   expects: cursor.has_begun
  [[nodiscard]] bool peek(change_cursor& cursor, peeked_entry& entry) const;

 private:
  enum class look_result { nothing, unwanted, shown };

  /// Looks at the first change above a sequence: calls `on_entry(entry)` or `on_item(item, its
  /// sequence)`, which return whether it is to be shown.
  template <typename OnEntry, typename OnItem>
  [[nodiscard]] look_result look_above(std::uint64_t sequence, OnEntry on_entry,
                                       OnItem on_item) const;
  /// The place of what was shown last of the item's peer.
  [[nodiscard]] static change_cursor::shown_peer& last_shown(const change_item& item,
                                                             change_cursor& cursor);
  /// Both fill `to`, a fresh view. False: the subscription does not want it.
  [[nodiscard]] bool show_entry(const changed_entry& changed, const change_cursor& cursor,
                                event_view& to) const;
  [[nodiscard]] bool show_item(const change_item& item, change_cursor& cursor,
                               event_view& to) const;

  const change_list* changes_;
  storage_ref entries_;
  const peer_table* peers_;
};

/// Frees changes up to `sequence`: no cursor is below it. If more than `retired_max` retired
/// entries remain, they are freed too, and cursors that have not read them begin anew.
void release_changes(change_list& changes, storage_ref entries, std::uint64_t sequence,
                     std::size_t retired_max);

}  // namespace gossipmonger
