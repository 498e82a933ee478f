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

class change_reader {
 public:
  /// All three outlive the reader.
  change_reader(change_list& changes, storage_ref entries, const peer_table& peers)
      : changes_(&changes), entries_(entries), peers_(&peers) {}

  /// Moves the cursor to the next event that its subscription wants; nullopt if there is none. A
  /// cursor that lost a change gets `lagged`, and begins anew.
  [[nodiscard]] std::optional<event_view> poll(change_cursor& cursor) const;
  /// Moves the cursor in front of the event that `poll` gives next, behind those that the
  /// subscription does not want. Whether there is one.
  ///   expects: cursor.has_begun
  [[nodiscard]] bool has_next(change_cursor& cursor) const;
  /// Frees changes up to `sequence`: no cursor is below it. If more than `retired_max` retired
  /// entries remain, the reader frees them too, and cursors that have not read them begin anew.
  void release(std::uint64_t sequence, std::size_t retired_max);

 private:
  /// An item of the change list, or, where `item` is null, an entry of the storage.
  struct change {
    change() = default;

    std::uint64_t sequence = 0;
    const change_item* item = nullptr;
    std::optional<changed_entry> entry;
  };

  /// The first of both above `sequence`.
  [[nodiscard]] std::optional<change> first_above(std::uint64_t sequence) const;
  /// The place of what was shown last of the item's peer.
  [[nodiscard]] static change_cursor::shown_peer& last_shown(const change_item& item,
                                                             change_cursor& cursor);
  [[nodiscard]] std::optional<event_view> show_entry(const changed_entry& changed,
                                                     const change_cursor& cursor) const;
  [[nodiscard]] std::optional<event_view> show_item(const change_item& item,
                                                    change_cursor& cursor) const;

  change_list* changes_;
  storage_ref entries_;
  const peer_table* peers_;
};

}  // namespace gossipmonger
