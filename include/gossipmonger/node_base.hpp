// A gossip node, whatever its storage and its transport are: what services call. Compiled once, in
// the library; `basic_node` makes one. It is longer than other headers, because each call of a
// service stands here with its contract.
//
// Thread contract: a node belongs to the executor of its transport; every member is called on it.
// Another thread gets there by asio::post. Several nodes may share an io_context.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "gossipmonger/config.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/key_scope.hpp"
#include "gossipmonger/keyring.hpp"
#include "gossipmonger/replication.hpp"
#include "gossipmonger/start_error.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/subscription.hpp"
#include "gossipmonger/table_sizes.hpp"
#include "gossipmonger/transport_ref.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class node_driver;
struct seal_draw_access;

/// A resource. A service that takes a `node_base&` runs over UDP and in a simulated cluster alike.
///
/// The awaited operations (`replicated`, `wait_for`, `wait_live`, `writable`, `leave`) take a
/// trailing timeout on the transport's clock. They resume on the executor of the awaiting
/// coroutine, which must be the node's. They fail with errc::timed_out, errc::cancelled or
/// errc::stopped. Of a node that was stopped, all fail with errc::stopped, also where the condition
/// holds.
class node_base {
 public:
  /// Of timeouts and times to live.
  using duration = std::chrono::nanoseconds;
  /// A key and its value.
  using pair = std::pair<std::string_view, std::string_view>;

  node_base(const node_base&) = delete;
  node_base& operator=(const node_base&) = delete;

  // Queries.
  /// As configured.
  [[nodiscard]] std::string_view name() const;
  /// Of this run; rises when the node refutes or moves.
  [[nodiscard]] std::uint64_t generation() const;
  /// My latest version; 0 before the first write.
  [[nodiscard]] std::uint64_t version() const;
  /// Where peers reach me; a wildcard while that is not known yet.
  [[nodiscard]] endpoint advertised_endpoint() const;
  /// The transport's: every member is called on it.
  [[nodiscard]] asio::any_io_executor get_executor();
  /// The options in force. Valid until `change`.
  [[nodiscard]] const config& settings() const;
  /// The value of a key, self's too. With key_scope::live there is none of a peer that is not live:
  /// the keys of a dead peer stay until it is forgotten. The views are valid until the next call
  /// into the node.
  [[nodiscard]] std::optional<entry_view> get(std::string_view peer, std::string_view key,
                                              key_scope scope = key_scope::all) const;
  /// Whether that name is this node's or that of a peer, whatever its status.
  [[nodiscard]] bool is_known(std::string_view peer) const;
  /// Calls `visit(const entry_view&)` for each key of `peer`, in the order of versions.
  ///   expects: `visit` does not call non-const members of the node
  template <class Visit>
  void for_each(std::string_view peer, Visit visit, key_scope scope = key_scope::all) const {
    const std::optional<slot_index> slot = find_slot(peer, scope);
    std::uint64_t from = 0;
    while (const std::optional<entry_view> entry = first_above(slot, from)) {
      visit(*entry);
      from = entry->version;
    }
  }
  /// Self first, then the others by name.
  [[nodiscard]] std::vector<member> members() const;
  /// The one of them with that name; nullopt where it is not known.
  [[nodiscard]] std::optional<member> find_member(std::string_view peer) const;
  /// Counters since the start, and gauges.
  [[nodiscard]] protocol_stats stats() const;
  /// The size of each table, for tests: O(1).
  [[nodiscard]] table_sizes tables() const;

  // Publishing. None of these waits; gossip carries the writes on.
  /// Publishes a key. Equal bytes write nothing.
  ///   shape:  the version that holds it, for `replicated`
  ///   errors: key_invalid, key_reserved, value_too_large, capacity_reached, name_taken, has_left,
  ///           stopped: nothing was written; storage_failed: as the storage says
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value);
  /// Several keys, with consecutive versions in this order: a peer that holds the last holds all.
  /// All are checked first. A storage that fails midway keeps the pairs before.
  [[nodiscard]] result<std::uint64_t> set(std::span<const pair> pairs);
  /// The same of a list.
  [[nodiscard]] result<std::uint64_t> set(std::initializer_list<pair> pairs);
  /// The same for `ttl` from now on: while `run` runs, they are then erased. A TTL is no lease:
  /// only the key's owner counts it, so a key of a dead owner stays until that is forgotten.
  ///   errors: also ttl_invalid
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value,
                                          duration ttl);
  /// The same of several.
  [[nodiscard]] result<std::uint64_t> set(std::span<const pair> pairs, duration ttl);
  /// The same of a list.
  [[nodiscard]] result<std::uint64_t> set(std::initializer_list<pair> pairs, duration ttl);
  /// Erases a key.
  ///   shape:  the version of the tombstone; nullopt where there was no such key
  ///   errors: key_invalid, key_reserved, capacity_reached (no version is left), name_taken,
  ///           has_left, stopped, storage_failed: the key stays
  [[nodiscard]] result<std::optional<std::uint64_t>> erase(std::string_view key);
  /// Begins an exchange with `address` in the next round: a seed for once.
  void join(const endpoint& address);
  /// Lets go of `peer` and of its keys, on this node only. For one `dead_peer_grace` it comes back
  /// only by a heartbeat or generation above the one that was known. So a dead peer stays away, and
  /// a live one is soon back, as a new peer.
  ///   errors: unknown_peer, own_name, stopped: nothing has changed
  [[nodiscard]] result<void> forget(std::string_view peer);

  /// Runs with other options from now on: take `settings()`, change the fields that are to differ.
  /// The timer and the look-up of seeds follow at once. Another `advertise` makes a new
  /// incarnation, which peers see restart. Without one, the address is the transport's again, or
  /// that of the route to a seed.
  ///
  ///   errors: as `validated_change`. Also `advertise`, where the transport is on a wildcard
  ///           address and no seed is left to find the local one by. All options then stay
  [[nodiscard]] tl::expected<void, config_error> change(config wanted);

  // Sealing.
  /// Seals every datagram with the first key of `ring` from now on, and opens those sealed with any
  /// of its keys. At any time, before `run` or while it runs; the node is never without a keyring
  /// again. It publishes the ids of the ring's keys under `gossipmonger/keys`.
  ///   errors: a ring without a key, with more than 8, or with one key twice; a library that was
  ///           built without libsodium. Nothing changes then
  [[nodiscard]] tl::expected<void, keyring_error> set_keyring(keyring ring);
  /// Counters of sealing and opening; without a keyring all are 0.
  [[nodiscard]] seal_counters seals() const;
  /// Takes nonces that were never used, for a process restored from a snapshot of its machine: it
  /// would repeat those that it used since.
  void renew_seal();
  /// How far the date of a sender's first datagram may be from this node's clock: a day, unless
  /// this changes it; 0 allows any. A negative tolerance means 1 s, and one above 2^32 - 1 s (136
  /// years) means that.
  void set_seal_clock_tolerance(std::chrono::seconds tolerance);

  // What happens.
  /// A reader of all that happens, beginning with a snapshot.
  [[nodiscard]] subscription subscribe(const event_filter& filter = event_filter());
  /// Shows each message to `seen`, on the node's executor: a received one before it takes effect, a
  /// sent one just before it goes out. It may call `find_name` of this node, and nothing else. The
  /// message is valid during the call. `seen` is called as long as the loops of `run` go on. It is
  /// kept until it is replaced; an empty one ends it.
  void on_message(message_hook seen);
  /// The name with that hash, for `to_string(message, ...)`; empty if no such node is known.
  [[nodiscard]] std::string_view find_name(std::uint64_t name_hash) const;

  // Running.
  /// Gossips until `stop`, cancellation (which means the same) or an exception of the transport.
  /// Owns its loops: when it returns, nothing of the node runs any more. Once per node. Await it,
  /// or spawn it: `co_spawn(executor, node.run(), token)` takes any completion token.
  ///   errors: stopped, if it was stopped before it began.
  ///           already_running, if a call is pending.
  ///           transport_failed, if the transport ended by itself, or somebody else closed it. An
  ///           `error` event names the cause.
  [[nodiscard]] asio::awaitable<result<void>> run();
  /// Ends `run`, closes the transport, and ends all awaited operations. Idempotent.
  void stop();

  // Awaited operations.
  /// Until `version` of mine is held as the policy says.
  ///   errors: lost_owner, if I took a new generation meanwhile; timed_out, cancelled, stopped
  [[nodiscard]] asio::awaitable<result<replication>> replicated(std::uint64_t version,
                                                                replication_policy policy,
                                                                duration timeout = no_timeout);
  /// Until `peer` publishes a value under `key`; returns it. The peer need not be known yet.
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(std::string peer, std::string key,
                                                              duration timeout = no_timeout);
  /// The same until the value is `value`.
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(std::string peer, std::string key,
                                                              std::string value,
                                                              duration timeout = no_timeout);
  void wait_for(std::string, std::string, std::nullptr_t, duration = no_timeout) = delete;
  /// The same until `is_wanted(std::string_view)` holds of the value; an empty function accepts
  /// any. The call copies `is_wanted`, which must be a named object: g++ 12 destroys a lambda twice
  /// that stands in a `co_await` statement.
  template <class Predicate>
    requires std::predicate<Predicate&, std::string_view>
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(std::string peer, std::string key,
                                                              Predicate&& is_wanted,
                                                              duration timeout = no_timeout) {
    static_assert(std::is_lvalue_reference_v<Predicate>,
                  "wait_for: name the predicate first: `auto is_wanted = "
                  "[...](std::string_view value) {...};`, then `co_await node.wait_for(peer, key, "
                  "is_wanted, timeout)`");
    return wait_until(std::move(peer), std::move(key),
                      std::function<bool(std::string_view)>(is_wanted), timeout);
  }

  /// Until `count` peers are live; returns how many are.
  [[nodiscard]] asio::awaitable<result<std::size_t>> wait_live(std::size_t count,
                                                               duration timeout = no_timeout);

  /// Back-pressure: completes when the cluster keeps up with this node's writes. A writer that
  /// awaits it before each `set` is held to the pace of its peers. At once while there is room;
  /// `set` never waits.
  [[nodiscard]] asio::awaitable<result<void>> writable(duration timeout = no_timeout);

  /// Tells the cluster that this incarnation leaves, until every live peer knows it. Final: `set`
  /// is refused from now on. `run` goes on until `stop`.
  ///   errors: none for a timeout: the result says how many know; cancelled, stopped
  [[nodiscard]] asio::awaitable<result<leave_result>> leave(duration timeout = no_timeout);

 protected:
  /// The parts of a node, once they have been checked. A value.
  struct parts {
    /// Over that transport.
    explicit parts(transport_ref with) : over(with) {}

    config settings;     ///< validated
    endpoint address;    ///< where peers reach the node
    transport_ref over;  ///< carries its datagrams
    wire_range spoken;   ///< wire versions that it reads and writes
  };

  /// A key for the hashes of a storage, from the system's random device.
  [[nodiscard]] static hash_key draw_key();
  /// The wire versions of the library.
  [[nodiscard]] static wire_range spoken_by_library();
  /// Checks the arguments of `basic_node::create`.
  [[nodiscard]] static tl::expected<parts, start_error> check(config settings, transport_ref over,
                                                              const storage_ref& entries);
  /// Calls `open` with the addresses that `listen` stands for, until one of them opens.
  [[nodiscard]] static tl::expected<void, start_error> open_at(
      std::string_view listen, const std::function<result<void>(const endpoint&)>& open);
  /// `owner` keeps the object behind `entries`.
  node_base(parts of, storage_ref entries, std::shared_ptr<void> owner);
  /// Is `stop`, which the derived class has called where it owns the transport.
  ~node_base();

 private:
  friend struct seal_draw_access;  // of simulations
  [[nodiscard]] bool try_set_seal_draw(std::function<std::uint64_t()> draw);

  /// Where the keys of `peer` lie; none where it is not known, or the scope hides them.
  [[nodiscard]] std::optional<slot_index> find_slot(std::string_view peer, key_scope scope) const;
  [[nodiscard]] std::optional<entry_view> first_above(std::optional<slot_index> slot,
                                                      std::uint64_t version) const;
  [[nodiscard]] asio::awaitable<result<std::string>> wait_until(
      std::string peer, std::string key, std::function<bool(std::string_view)> is_wanted,
      duration timeout = no_timeout);

  std::shared_ptr<node_driver> driver_;
};

}  // namespace gossipmonger
