// The events in which a node tells its users of itself: it is alone, a peer refuses it, a peer has
// options that do not fit its own. A resource; not thread-safe; reads no clock (I6).
//
// All of it is information: no state of the protocol follows from a notice. Each subject is told
// once in a while, and every table has a bound (I5).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/membership/peer_table.hpp"
#include "core/membership/report_log.hpp"
#include "core/model/delta.hpp"
#include "core/model/message.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

class notices {
 public:
  /// The settings, which may change, the peers and the change list outlive it.
  notices(const config& settings, peer_table& peers, change_list& changes)
      : settings_(settings),
        peers_(peers),
        changes_(changes),
        cluster_key_(make_cluster_key(settings.cluster_name)) {}
  notices(const notices&) = delete;
  notices& operator=(const notices&) = delete;

  /// An event about `who`, unless there was one of that subject within a grace, or 64 of others.
  void report_once(event_kind kind, const identity_view& who, std::uint64_t subject,
                   std::string text, std::chrono::nanoseconds now);
  /// The same, as an error about the node at `about`.
  void report_once(const identity_view& who, const endpoint& about, std::string text,
                   std::chrono::nanoseconds now);

  /// A datagram of another cluster came from `source`.
  void handle_foreign(const endpoint& source, std::chrono::nanoseconds now);
  /// A datagram came from `source` that this node, which speaks `mine`, cannot read.
  void handle_unreadable(const wire_range& theirs, const wire_range& mine, const endpoint& source,
                         std::chrono::nanoseconds now);
  /// The peer with that hash refuses this node: told once, and again after a grace without it.
  void handle_refusal(refusal reason, std::uint64_t name_hash, const endpoint& source,
                      std::chrono::nanoseconds now);
  /// A verified peer says how often it gossips: told once where that differs from this node.
  void handle_interval(slot_index slot, interval_code theirs, std::chrono::nanoseconds now);
  /// The gossip interval of this node changed: others may follow.
  void handle_own_interval_change(std::chrono::nanoseconds now) { interval_moved_ = now; }
  /// A round chose its partners. Tells once that no peer is known though seeds were to be asked in
  /// that many rounds, and when that ends. `seeds` are named where the settings name none.
  void watch_alone(bool has_seed_to_ask, std::span<const endpoint> seeds);
  /// The peer's row is free, or of a new incarnation.
  void forget(slot_index slot);

  /// Entries of each table.
  [[nodiscard]] std::size_t reported_names() const { return reported_names_.size(); }
  [[nodiscard]] std::size_t reported_clusters() const { return reported_clusters_.size(); }
  [[nodiscard]] std::size_t reported_intervals() const { return reported_intervals_.size(); }

 private:
  static constexpr std::size_t reports_max = 64;

  /// The words of one peer about its interval.
  struct interval_watch {
    interval_watch() = default;

    std::uint8_t words = 0;  // digests in a row that said the same, to 3
    bool is_told = false;    // an event says that it differs from this node's
  };

  void report(std::string text);
  [[nodiscard]] interval_watch& watch_of(slot_index slot);

  const config& settings_;
  peer_table& peers_;
  change_list& changes_;
  hash_key cluster_key_;
  report_log reported_names_{reports_max};  // by the hash of a name or an address
  report_log reported_clusters_{reports_max};
  report_log reported_intervals_{reports_max};
  std::array<std::optional<std::chrono::nanoseconds>, refusal_count>
      refused_at_;                                          // last, by reason
  std::vector<interval_watch> intervals_;                   // by slot
  std::optional<std::chrono::nanoseconds> interval_moved_;  // of this node or a peer, last
  std::size_t alone_rounds_ = 0;
  bool is_alone_told_ = false;
};

}  // namespace gossipmonger
