// The Scuttlebutt node as a state machine: no I/O, no clock, no random device (I6). Four kinds of
// members, told by prefix: getters; `handle_*` inputs; commands of the application; `poll_*`
// outputs. A resource; not thread-safe; drives nothing itself.
//
// Its driver's duties, in this order, whatever happens:
//   1. Call `handle_timeout` when `next_deadline` has come. `leave`, `change` and a `set` with a
//      time to live may bring that forward. Call `handle_message` for each datagram that decodes,
//      `handle_unreadable` for each in a wire version of others, `handle_foreign` for each whole
//      one of another cluster, `count_drop` for any other.
//   2. After either, and after `leave`, call `poll_transmit` until it returns nothing, and send
//      each message before the next call: it points into the node.
//   3. Tell the release of subscriptions' places (`release_changes`) now and then.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/exchange/exchange.hpp"
#include "core/exchange/legs.hpp"
#include "core/exchange/sending.hpp"
#include "core/liveness/liveness.hpp"
#include "core/local/own_map.hpp"
#include "core/membership/address_book.hpp"
#include "core/membership/membership.hpp"
#include "core/membership/notices.hpp"
#include "core/membership/own_incarnation.hpp"
#include "core/membership/partners.hpp"
#include "core/membership/peer_table.hpp"
#include "core/model/message.hpp"
#include "core/model/node_clock.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/replication.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/table_sizes.hpp"
#include "gossipmonger/testing/random.hpp"

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
  [[nodiscard]] const config& settings() const { return settings_; }
  [[nodiscard]] std::string_view name() const { return settings_.name; }
  [[nodiscard]] std::uint64_t generation() const { return peers_.self().generation(); }
  [[nodiscard]] std::uint64_t version() const { return peers_.self().max_version(); }
  [[nodiscard]] const endpoint& address() const { return peers_.details(self_slot).address; }
  [[nodiscard]] bool has_left() const { return peers_.self().has_left(); }
  /// The name with that hash, as `to_string` of a message wants it; empty if no such peer is known.
  [[nodiscard]] std::string_view find_name(std::uint64_t name_hash) const;
  [[nodiscard]] bool is_known(std::string_view peer) const { return find_slot(peer).has_value(); }
  /// The entry, if it is there and not erased. Valid until the next non-const call.
  [[nodiscard]] std::optional<entry_view> get(std::string_view peer, std::string_view key) const;
  /// The live entry of `peer` with the lowest version above `version`; walks a peer's map.
  [[nodiscard]] std::optional<entry_view> first_above(std::string_view peer,
                                                      std::uint64_t version) const;
  /// The room that the entries of `peer` take here; zeros where it is not known.
  [[nodiscard]] storage_usage usage(std::string_view peer) const;
  /// Self first, then the others by name.
  [[nodiscard]] std::vector<member> members(moment now) const;
  [[nodiscard]] std::optional<member> find_member(std::string_view peer, moment now) const;
  [[nodiscard]] protocol_stats stats() const;
  /// The size of each table; O(1).
  [[nodiscard]] table_sizes tables() const;
  /// Whether `received` is by a peer known here, in its present run, and shows that `source` is
  /// where that peer hears me.
  [[nodiscard]] bool is_from_verified_peer(const message& received, const endpoint& source);
  /// Which peers hold `version` of my present generation; with `leave` true, my leaving.
  [[nodiscard]] replication replicated(std::uint64_t version, bool leave = false) const;
  [[nodiscard]] std::size_t live_peers() const { return membership_.rings().live.size(); }
  /// The rows as they are, for who watches a node from outside: a simulator, a test.
  [[nodiscard]] const peer_table& peers() const { return peers_; }
  [[nodiscard]] const unwanted_peers& unwanted() const { return unwanted_; }
  [[nodiscard]] const change_list& changes() const { return changes_; }
  /// When `handle_timeout`, and then `poll_transmit`, want to be called: the next round is due, or
  /// the budget lets what waits go on.
  [[nodiscard]] std::chrono::nanoseconds next_deadline() const;
  /// The same without what waits for the budget.
  [[nodiscard]] std::chrono::nanoseconds next_timeout() const {
    return std::min(partners_.next_round(), own_map_.next_due());
  }
  /// Whether what I write is carried as fast as I write it: false after more than the cluster
  /// carries in an interval, or while live peers fall behind. Writing goes on to be allowed.
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
  void report(std::string text);
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
  void set_source(const endpoint& address) { source_ = address; }
  /// The wire versions that my driver reads and writes, if not version 1 alone.  expects: no round
  /// has run yet
  void set_wire_versions(const wire_range& spoken) { spoken_ = spoken; }
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
  ///   errors: key_invalid, value_too_large, capacity_reached, storage_failed, stopped (has left),
  ///           name_taken (another node lives under this name, and others hold that one)
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value);
  /// Several at once, with consecutive versions, in this order: a replica that holds the last
  /// holds all. All are checked first; then a storage that fails midway keeps those before.
  [[nodiscard]] result<std::uint64_t> set(pair_views pairs);
  /// The same for `ttl` from now on, on the steady clock, which goes on while the process stands
  /// still: then I erase them. A plain `set` of a key ends that, and so does `erase`; a set with a
  /// ttl and equal bytes prolongs it and writes nothing. Nobody but me counts the time: the keys of
  /// a node that died or left stay until it is forgotten.
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
  void prefer_lacking(std::uint64_t version) { partners_.prefer_lacking(version); }
  /// Shows each message to `seen`, with the address of the other end: a received one before it is
  /// handled, a sent one when it is polled. Each is valid during the call, which must not change
  /// this node. A null hook ends that, and costs one branch a message.
  void on_message(message_hook seen) { on_message_ = std::move(seen); }

  // Outputs.
  /// Sets the next message, and says where it goes; its views are valid until the next call into
  /// the protocol. Nodes that are called in turn may use one message.
  [[nodiscard]] std::optional<endpoint> poll_transmit(moment now, message& out);
  /// The local address that the latest of them leaves from; a wildcard: the driver's choice.
  [[nodiscard]] const endpoint& transmit_source() const { return sending_.source(); }
  /// The next event above the cursor; its view is valid until the next call.
  [[nodiscard]] std::optional<event_view> poll_event(change_cursor& cursor);
  /// The sequence of the latest change: a cursor below it has something to read, or to skip.
  [[nodiscard]] std::uint64_t last_change() const { return changes_.last(); }
  /// No cursor is below `sequence`.
  void release_changes(std::uint64_t sequence);

 private:
  /// The circumstances of the message that is handled.
  struct message_in_hand {
    message_in_hand() = default;

    endpoint sent_to;         // an address of this host; a wildcard: not known
    bool is_by_peer = false;  // its sender is live here, and another node
    digest_comparison seen;
  };

  [[nodiscard]] std::optional<slot_index> find_slot(std::string_view peer) const;
  [[nodiscard]] bool is_reachable(slot_index slot) const;
  [[nodiscard]] member describe(slot_index slot, std::chrono::nanoseconds now) const;
  void drop(drop_reason reason) { ++stats_.drops[static_cast<std::size_t>(reason)]; }
  void observe_time(moment now);

  // Receiving.
  /// From somebody who bears my name: myself, a former run, or another node.
  void handle_namesake(const message& received, const endpoint& source, std::size_t bytes,
                       bool is_verified);
  void add_answer(answer_leg&& leg) {
    leg.planned = clock_.now();
    leg.from = in_hand_.sent_to;
    sending_.add_answer(std::move(leg));
  }
  /// Whether a leg that I start leaves from the address that this datagram was sent to: a cookie
  /// verifies one address, and is of no use for another.
  [[nodiscard]] bool is_my_source(const endpoint& local) const {
    return source_.is_wildcard() || local.is_wildcard() || local.has_address_of(source_);
  }
  /// A reply with a cookie that I gave to another address: that one is named once.
  void report_other_source(const message& received, const endpoint& source, moment now);
  /// From a verified address: notes its size, and tells where it shows that large datagrams of mine
  /// do not reach the sender, and short ones do.
  void watch_path(const message& received, std::size_t bytes);
  /// Takes a word of this node's name from a verified sender of another name.
  void handle_word_of_me(const message& received);
  /// Looks whether an older run of `slot` lives beside the one held.
  void handle_older_run(const message& received, slot_index slot);
  /// Tells that an older run of my own name lives, with `generation`.
  void tell_older_run(std::uint64_t generation);
  /// A peer that is met once in a turn of the ring is silent for longer: two turns, and some more.
  [[nodiscard]] std::chrono::nanoseconds silence_max() const;
  /// Which heartbeat of this run of mine the sender has seen; 0: none.
  [[nodiscard]] std::uint64_t seen_heartbeat(const message& received) const;
  void handle_digest(const message& received, const endpoint& source, std::size_t bytes,
                     bool is_verified, bool is_fresh);
  void handle_reply(const message& received, const endpoint& source, bool is_fresh);
  /// A fresh leg 1, at once, but once a round and address.
  void begin_anew(const endpoint& source, std::uint64_t remote_hash);
  /// Notes the sender of each part of a value, and asks it for more unless the part is the last.
  /// True: a transfer took a part of this message.
  bool handle_parts(const message& received, const endpoint& source);
  /// expects: the message came from a verified address
  void handle_sender(const message& received, const endpoint& source, bool is_fresh);
  void handle_identity(const identity_view& who, bool is_fresh);
  void handle_heartbeats(std::span<const packed_entry> entries, const comparison& seen,
                         bool is_fresh);
  void handle_heartbeat(slot_index slot, const digest_entry& entry);
  /// The same by another peer's word, which may be impossible.
  void handle_relayed(slot_index slot, const digest_entry& entry);
  /// That the peer leaves, if the entry says so; of its heartbeat nothing.
  void handle_leave(slot_index slot, const digest_entry& entry);
  void handle_own_entry(const digest_entry& mine, std::uint32_t instance);
  /// Takes a generation above `generation`, which others hold of this node.
  void refute(std::uint64_t generation);
  void end_conflict();
  /// The wire version for this leg: the highest that both sides speak, or my lowest if the peer's
  /// range is unknown. A silent peer may not read that: each of mine in turn.
  [[nodiscard]] std::uint8_t version_for(const leg_base& leg, std::uint32_t unanswered) const;
  void set_status(slot_index slot, peer_status status);
  void set_status(slot_index slot, std::optional<peer_status> status) {
    if (status) set_status(slot, *status);
  }

  // Suspicion.
  /// Does what liveness wants: its probes become legs.
  void start_probes();
  /// A leg 1 without a claim, to hear whether a peer answers, or to tell it something.
  void start_short(const wanted_probe& wanted);
  void handle_suspicions(const message& received, const endpoint& source);

  // The round.
  void run_round(moment now);
  void update_expectation();
  void declare_dead();
  void forget_gone();
  /// The row goes, and the peer is remembered as forgotten.
  void forget_slot(slot_index slot);
  void choose_partners();
  /// Begins an exchange with a partner of this round.
  [[nodiscard]] start_outcome start(const partner& chosen);
  /// Whether a digest to it waits already.
  [[nodiscard]] bool is_started(const endpoint& to) { return sending_.find_digest(to) != nullptr; }
  /// A digest to that address; null where it may not go, or one waits, or too many do.
  [[nodiscard]] digest_leg* try_start(const endpoint& to, std::uint64_t remote_hash);
  /// expects: the outbox has room for it
  digest_leg& start_exchange(const endpoint& to, std::uint64_t remote_hash);
  /// Asks the sender of a value for more of it by a short leg 1, if this round has one left.
  void try_continue(const value_transfer& one);
  /// Asks once a round for more of each value, unless a leg to its sender waits already.
  void continue_values();
  /// The budget held up a probe of mine for a whole round.
  void handle_delayed_probe();
  /// Tells in an event where the byte budget becomes too small for membership, or enough again.
  void end_budget_round();
  /// Decides whether the sender of that digest waits for a sign of life, and counts the answer.
  void plan_sign(const message& received, std::size_t bytes, answer_leg& answer);

  // Writing.
  /// Why this node may not write now; no error: it may.
  [[nodiscard]] std::error_code write_refusal() const;
  [[nodiscard]] result<std::uint64_t> set_until(pair_views pairs,
                                                std::optional<std::chrono::nanoseconds> deadline);

  config settings_;
  wire_range spoken_;
  storage_ref entries_;
  random_source random_;
  hash_key cluster_key_;
  protocol_stats stats_;
  peer_table peers_;
  unwanted_peers unwanted_;
  change_list changes_;
  exchange exchange_;
  own_map own_map_;
  address_book addresses_;
  membership membership_;
  partners partners_;
  notices notices_;

  endpoint source_;  // of the legs that I start
  sending sending_;
  message_in_hand in_hand_;

  node_clock clock_;

  liveness liveness_;

  own_incarnation own_;
  message_hook on_message_;
};

}  // namespace gossipmonger
