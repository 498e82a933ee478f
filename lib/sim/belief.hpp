// A reader of a node's events folds them into a belief, and compares that with the node's state. A
// resource; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/protocol.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/testing/simulated_storage.hpp"

namespace gossipmonger {

class belief {
 public:
  belief() { cursor_.notices_from = 0; }  // as if subscribed before the node ran
  belief(const belief&) = delete;
  belief& operator=(const belief&) = delete;

  /// The key's entry changed since the last `read`.
  void touch(slot_index slot, std::string_view key) { touched_.emplace_back(slot, key); }
  /// Reads all events there are, each shown to `on_event`, and compares what changed, and
  /// who is known as what, with the state. Returns the first broken rule of events, or nothing.
  [[nodiscard]] std::string read(protocol& from, const simulated_storage& entries,
                                 const std::function<void(const event_view&)>& on_event);
  [[nodiscard]] const change_cursor& cursor() const { return cursor_; }

  struct shown_key {
    shown_key() = default;

    std::string value;
    std::uint64_t version = 0;
    bool is_live = false;
  };
  /// The key as the events showed it so far; nullptr: they showed none. Valid until the next
  /// `read`.
  [[nodiscard]] const shown_key* find(std::string_view peer, const std::string& key) const;

 private:
  struct shown_peer {
    shown_peer() = default;

    std::unordered_map<std::string, shown_key> keys;
    std::size_t live_keys = 0;
    event_kind shown = event_kind::error;  // error: never introduced
    bool is_complete = false;
  };

  void fail(std::string rule);
  void fold(const event_view& seen, const protocol& from);
  void fold_status(const event_view& seen);
  void fold_entry(const event_view& seen);
  /// Those that were touched.
  void compare_keys(const protocol& from, const simulated_storage& entries);
  /// Each peer has the status and as many keys as were shown, and no other peer is shown.
  void compare_peers(const protocol& from, const simulated_storage& entries);

  change_cursor cursor_;
  std::map<std::string, shown_peer, std::less<>> peers_;
  std::vector<std::pair<slot_index, std::string>> touched_;
  std::string fault_;
};

}  // namespace gossipmonger
