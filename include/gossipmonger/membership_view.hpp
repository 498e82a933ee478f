// The state of a cluster, folded from the events of one subscription: who is there, and which keys
// each publishes. Without it, each service writes the same fold.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first, as in all of net

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gossipmonger/event.hpp"
#include "gossipmonger/key_scope.hpp"

namespace gossipmonger {

/// A value: it copies what it is shown, and needs no node. Feed it every event of one subscription,
/// in order:
///
///     membership_view view;
///     while (auto seen = co_await events.next()) view.apply(*seen);
///
/// The events of a subscription begin with a snapshot, so a view begins empty. Keys and peers that
/// the subscription's filter leaves out are not in it. Keys of this node are shown under its own
/// name, as those of any other.
class membership_view {
 public:
  /// One node, as the events show it. A value.
  struct row {
    row() = default;

    peer_status status = peer_status::self;  ///< `self` also where only keys of it were shown
    /// All that it had when it turned live is here; false also while it is not live.
    bool is_complete = false;
    std::uint64_t generation = 0;                          ///< of the run that is shown
    std::map<std::string, std::string, std::less<>> keys;  ///< with their values
  };

  /// `scope` is the switch of `get`, `for_each` and `live_peers` where they name none. Keys of the
  /// library itself are in the view only where `own` says so.
  explicit membership_view(key_scope scope = key_scope::all,
                           library_keys own = library_keys::hidden)
      : scope_(scope), library_keys_(own) {}

  /// @{
  /// Takes the next event. Returns whether `rows` changed by it, also where the scope hides that.
  bool apply(const event_view& seen);
  bool apply(const event& seen);
  /// @}

  /// Whether there is a row of that name.
  [[nodiscard]] bool is_known(std::string_view peer) const { return find(peer) != nullptr; }
  /// Whether that peer is live; this node is not.
  [[nodiscard]] bool is_live(std::string_view peer) const;
  /// How many peers are live; this node is none.
  [[nodiscard]] std::size_t live_peers() const;
  /// The row of `peer`, or null. Valid until the next `apply`.
  [[nodiscard]] const row* find(std::string_view peer) const;
  /// The value of a key. Valid until the next `apply`.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view peer, std::string_view key,
                                                    std::optional<key_scope> scope = {}) const;
  /// Calls `visit(std::string_view key, std::string_view value)` for each key of `peer`, by name.
  template <class Visit>
  void for_each(std::string_view peer, Visit visit, std::optional<key_scope> scope = {}) const {
    const row* found = find(peer);
    if (found == nullptr || !is_shown(found->status, scope.value_or(scope_))) return;
    for (const auto& [key, value] : found->keys) visit(std::string_view(key), value);
  }
  /// Every row, by name.
  [[nodiscard]] const std::map<std::string, row, std::less<>>& rows() const { return rows_; }

 private:
  /// The row of the event's peer, and whether it is new, or is now of another run.
  std::pair<row&, bool> row_of(const event_view& seen);
  bool set_status(const event_view& seen, peer_status status);

  key_scope scope_;
  library_keys library_keys_;
  std::map<std::string, row, std::less<>> rows_;
};

}  // namespace gossipmonger
