// The Scuttlebutt node as a state machine: no I/O, no clock, no random device (I6). Four kinds of
// members, told by prefix: getters; `handle_*` inputs; commands of the application; `poll_*`
// outputs. A resource; not thread-safe; drives nothing itself.
//
// Its driver's duties, in this order, whatever happens:
//   1. Call `handle_timeout` when `next_deadline` has come. `leave`, `change`, `set_address` and
//      a `set` with a time to live may bring that forward. Call `handle_message` for each datagram
//      that decodes, `handle_unreadable` for each in a wire version of others, `handle_foreign` for
//      each whole one of another cluster, `count_drop` for any other.
//   2. After either, and after `leave`, call `poll_transmit` until it returns nothing, and send
//      each message before the next call: it points into the node.
//   3. Tell the release of subscriptions' places (`release_changes`) now and then.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/local/change_reader.hpp"
#include "core/node_parts.hpp"
#include "core/outgoing.hpp"
#include "core/receiving.hpp"
#include "core/rounds.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/table_sizes.hpp"

namespace gossipmonger {

class protocol {
 public:
  /// `settings` must be validated. `address` is where peers reach me. `seed` feeds every random
  /// decision. The storage must be empty and outlive the protocol.
  protocol(config settings, storage_ref entries, const endpoint& address, std::uint64_t seed,
           moment now);
  protocol(const protocol&) = delete;
  protocol& operator=(const protocol&) = delete;

  // Getters.
  [[nodiscard]] const config& settings() const { return node_.settings; }
  [[nodiscard]] std::string_view name() const { return node_.name(); }
  [[nodiscard]] std::uint64_t generation() const { return node_.generation(); }
  [[nodiscard]] std::uint64_t version() const { return node_.peers.self().max_version(); }
  [[nodiscard]] const endpoint& address() const { return node_.peers.details(self_slot).address; }
  [[nodiscard]] bool has_left() const { return node_.has_left(); }
  /// The name with that hash, as `to_string` of a message wants it; empty if no such peer is known.
  [[nodiscard]] std::string_view find_name(std::uint64_t name_hash) const;
  [[nodiscard]] bool is_known(std::string_view peer) const {
    return node_.find_slot(peer).has_value();
  }
  /// The entry, if it is there and not erased. Valid until the next non-const call.
  [[nodiscard]] std::optional<entry_view> get(std::string_view peer, std::string_view key) const;
  /// The live entry of `peer` with the lowest version above `version`; walks a peer's map.
  [[nodiscard]] std::optional<entry_view> first_above(std::string_view peer,
                                                      std::uint64_t version) const;
  /// The same by the slot, without a look-up of the name.
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot, std::uint64_t version) const;
  /// The room that the entries of `peer` take here; zeros where it is not known.
  [[nodiscard]] storage_usage usage(std::string_view peer) const;
  /// Where the entries of a node lie, self's too; holds until it is forgotten.
  [[nodiscard]] std::optional<slot_index> find_slot(std::string_view peer) const {
    return node_.find_slot(peer);
  }
  [[nodiscard]] peer_status status(slot_index slot) const { return node_.peers[slot].status(); }
  /// Self first, then the others by name.
  [[nodiscard]] std::vector<member> members(moment now) const;
  [[nodiscard]] std::optional<member> find_member(std::string_view peer, moment now) const;
  [[nodiscard]] protocol_stats stats() const;
  /// The size of each table; O(1).
  [[nodiscard]] table_sizes tables() const;
  /// Whether `received` is by a peer known here, in its present run, and shows that `source` is
  /// where that peer hears me.
  [[nodiscard]] bool is_from_verified_peer(const message& received, const endpoint& source,
                                           moment now);
  /// Which peers hold `version` of my present generation; with `leave` true, my leaving.
  [[nodiscard]] replication replicated(std::uint64_t version, bool leave = false) const {
    return node_.replicated(version, leave);
  }
  [[nodiscard]] std::size_t live_peers() const { return node_.membership.rings().live.size(); }
  /// The rows as they are, for a simulator or a test that watches the node from outside.
  [[nodiscard]] const peer_table& peers() const { return node_.peers; }
  [[nodiscard]] const unwanted_peers& unwanted() const { return node_.unwanted; }
  [[nodiscard]] const change_list& changes() const { return node_.changes; }
  /// When `handle_timeout`, and then `poll_transmit`, want to be called: the next round is due, or
  /// the budget lets what waits go on.
  [[nodiscard]] std::chrono::nanoseconds next_deadline() const;
  /// The same without what waits for the budget.
  [[nodiscard]] std::chrono::nanoseconds next_timeout() const {
    const std::chrono::nanoseconds due = node_.own_map.next_due();
    return node_.has_address() ? std::min(node_.partners.next_round(), due) : due;
  }
  /// Back-pressure: whether the cluster keeps up with this node's writes. False after more bytes
  /// than it carries in an interval, or while live peers fall behind. No write is refused for that.
  [[nodiscard]] bool is_writable(moment now);
  /// When that will be so if nothing is written until then; after `is_writable`.
  [[nodiscard]] std::chrono::nanoseconds writable_at() const;

  // Inputs.
  /// `bytes` is the size of the datagram that it came in. It was sent to `local`, an address of
  /// this host, and the answer leaves from there; a wildcard: not known.
  void handle_message(const message& received, const endpoint& source, std::size_t bytes,
                      moment now, const endpoint& local = endpoint());
  void handle_timeout(moment now);
  /// Something the driver wants its users told: becomes an `error` event.
  void report(std::string text) { node_.report(std::move(text)); }
  /// A datagram that did not decode.
  void count_drop(drop_reason reason);
  /// One of the cluster's own, undamaged, in a wire version that I do not read: counted, and where
  /// its sender speaks none of mine, told once in an `error` event.
  void handle_unreadable(const wire_range& theirs, const endpoint& source);
  /// An undamaged datagram of another cluster: counted, and its source told in an `error` event,
  /// once in `dead_peer_grace`.
  void handle_foreign(const endpoint& source);

  // Commands.
  /// Where peers reach me from now on. An address belongs to an incarnation: if a round has run, I
  /// take a higher generation, which carries it to all. An `advertised` event tells.
  void set_address(const endpoint& address);
  /// The local address that the legs I start leave from; a wildcard: the driver's choice.
  void set_source(const endpoint& address) { node_.source = address; }
  /// My driver adds so many bytes to each datagram, as a seal: the byte budget and the 3x rule
  /// count them.
  void set_frame_bytes(std::size_t bytes) { node_.sending.set_frame_bytes(bytes); }
  /// The wire versions that my driver reads and writes, if not version 1 alone.  expects: no round
  /// has run yet
  void set_wire_versions(const wire_range& spoken) { node_.spoken = spoken; }
  /// Runs with `settings` from now on, all of them or, where one is not allowed, none. Seeds are
  /// the driver's to look up: `set_seeds`. The next round may come sooner.
  ///   errors: as validated_change
  [[nodiscard]] tl::expected<void, config_error> change(config settings, moment now);
  /// Where to find the cluster; replaces what was given before. Addresses of mine are skipped.
  void set_seeds(const std::vector<endpoint>& seeds);
  /// Begins an exchange with `address`, once: in the next round, or as soon as a round has room for
  /// one more address that never answered. At most 64 wait; further ones are ignored.
  void join(const endpoint& address);
  /// Publishes; identical bytes write nothing. Returns the version that holds. Keys and values
  /// here, and the key of `erase`, may be views of entries of this node.
  ///   errors: key_invalid, value_too_large, capacity_reached, storage_failed, has_left,
  ///           name_taken (another node lives under this name, and others hold that one)
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value);
  /// Several at once, with consecutive versions, in this order: a replica that holds the last
  /// holds all. All are checked first; then a storage that fails midway keeps those before.
  [[nodiscard]] result<std::uint64_t> set(pair_views pairs);
  /// The same for `ttl` from now on: then this node erases them. The steady clock counts, which
  /// goes on while the process stands still. A plain `set` of a key, or `erase`, ends its deadline.
  /// Setting the same bytes with a ttl extends the deadline without a new version. No other node
  /// counts the time: the keys of a node that died or left stay until it is forgotten.
  ///   errors: also ttl_invalid
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value,
                                          std::chrono::nanoseconds ttl, moment now);
  [[nodiscard]] result<std::uint64_t> set(pair_views pairs, std::chrono::nanoseconds ttl,
                                          moment now);
  /// Erases; returns the tombstone's version, or nothing where there was no such key.
  [[nodiscard]] result<std::optional<std::uint64_t>> erase(std::string_view key);
  /// Lets go of `peer` here, with all that it wrote, as when its grace is over. For one grace it
  /// comes back only by a heartbeat or generation above the one that was known. So a dead peer
  /// stays away, and a live one is back, anew, once it is heard of. Other nodes are not told.
  ///   errors: unknown_peer, own_name
  [[nodiscard]] result<void> forget(std::string_view peer);
  /// Says that I leave: at once to some peers, and in every digest from now on. Final.
  void leave(moment now);
  /// While this is not 0, rounds choose first among peers not known to hold it.
  void prefer_lacking(std::uint64_t version) { node_.partners.prefer_lacking(version); }
  /// Shows each message to `seen`, with the address of the other end: a received one before it is
  /// handled, a sent one when it is polled. Each is valid during the call, which must not change
  /// this node. A null hook ends that, and costs one branch a message.
  void on_message(message_hook seen) { outgoing_.on_message(std::move(seen)); }

  // Outputs.
  /// Sets the next message, and says where it goes; its views are valid until the next call into
  /// the protocol. Nodes that are called in turn may use one message.
  [[nodiscard]] std::optional<endpoint> poll_transmit(moment now, message& out);
  /// The local address that the latest of them leaves from; a wildcard: the driver's choice.
  [[nodiscard]] const endpoint& transmit_source() const { return node_.sending.source(); }
  /// The next event above the cursor; its view is valid until the next call.
  [[nodiscard]] std::optional<event_view> poll_event(change_cursor& cursor) const;
  /// Whether `poll_event` has an event above the cursor. Moves it behind changes that are not
  /// shown. Fills `entry` if an entry is behind that event.
  [[nodiscard]] bool peek_event(change_cursor& cursor, peeked_entry& entry) const;
  /// The sequence of the latest change: a cursor below it has something to read, or to skip.
  [[nodiscard]] std::uint64_t last_change() const { return node_.changes.last(); }
  /// No cursor is below `sequence`.
  void release_changes(std::uint64_t sequence);

 private:
  [[nodiscard]] member describe(slot_index slot, std::chrono::nanoseconds now) const;
  [[nodiscard]] result<std::uint64_t> set_until(pair_views pairs,
                                                std::optional<std::chrono::nanoseconds> deadline);

  node_parts node_;
  outgoing outgoing_;
  receiving receiving_;
  rounds rounds_;
};

}  // namespace gossipmonger
