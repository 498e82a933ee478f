// A gossip node: the protocol, driven by coroutines over a transport.
//
// Thread contract: a node belongs to the executor of its transport; every member is called on it.
// Another thread gets there by asio::post. Several nodes may share an io_context.
#pragma once

#include "gossipmonger/net/asio_definitions.hpp"  // first

#include <algorithm>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/core/config.hpp"
#include "gossipmonger/core/error.hpp"
#include "gossipmonger/core/event.hpp"
#include "gossipmonger/core/memory_storage.hpp"
#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/core/protocol.hpp"
#include "gossipmonger/core/storage.hpp"
#include "gossipmonger/net/node_state.hpp"
#include "gossipmonger/net/resolver.hpp"
#include "gossipmonger/net/subscription.hpp"
#include "gossipmonger/net/transport.hpp"
#include "gossipmonger/wire/codec.hpp"

namespace gossipmonger {

/// When `replicated` is done. A value; made by `all_live` and `at_least`.
struct replication_policy {
  replication_policy() = default;

  std::size_t copies = 0;  ///< 0: every peer that is live then, and at least one
};

/// Every peer live at the moment of completion, and at least one.
[[nodiscard]] inline replication_policy all_live() { return {}; }
/// `copies` distinct peers, live or not.
[[nodiscard]] inline replication_policy at_least(std::size_t copies) {
  replication_policy policy;
  policy.copies = copies;
  return policy;
}

/// How many peers know that I leave.
struct leave_result {
  leave_result() = default;

  std::size_t acknowledged = 0;  ///< live peers that know
  std::size_t live = 0;          ///< live peers
};

/// A resource; the transport outlives it. Its destructor is `stop`. Operations that are still
/// awaited then, and `run` itself, end by themselves or go with the io_context. They need the node
/// no more, and the transport only as far as the contract of `transport` says (ours: not at all).
/// Subscriptions may outlive it.
///
/// The awaited operations (`replicated`, `wait_for`, `wait_live`, `writable`, `leave`) take a
/// trailing timeout on the transport's clock (duration::max(): for ever). They resume on the
/// executor of the awaiting coroutine, which must be the node's. They fail with errc::timed_out,
/// errc::cancelled or errc::stopped.
template <storage Storage, transport Transport>
class basic_node {
 public:
  using clock_type = typename Transport::clock_type;
  using duration = std::chrono::nanoseconds;

  /// A node at the address of the open `over`, or as `settings.advertise` says. Does not gossip
  /// before `run`.
  ///   errors: the first option that is not allowed; `transport` where that is not open. A
  ///           transport on a wildcard finds the local address by the seeds: without any,
  ///           `advertise`
  [[nodiscard]] static tl::expected<std::unique_ptr<basic_node>, config_error> create(
      config settings, Transport& over) {
    // No requires-clause: clang 19 mangles it, g++ 12 does not, and the library of one could not be
    // linked by the other.
    if constexpr (std::constructible_from<Storage, memory_storage_limits, hash_key>) {
      std::random_device device;
      const auto word = [&device] { return (std::uint64_t{device()} << 32) | device(); };
      const hash_key key(word(), word());
      return create(std::move(settings), over, Storage(memory_storage_limits(), key));
    } else {
      return create(std::move(settings), over, Storage());
    }
  }

  /// The same over a storage of the caller's, which is moved into the node. To speak other wire
  /// versions than the library does is for tests of roll-outs, as `codec` says.
  ///   errors:  also `storage` where `entries` is not empty
  ///   expects: of `spoken` what `codec` does
  [[nodiscard]] static tl::expected<std::unique_ptr<basic_node>, config_error> create(
      config settings, Transport& over, Storage entries,
      wire_range spoken = wire_range(wire_version_lowest, wire_version_highest)) {
    tl::expected<config, config_error> checked = validated(std::move(settings));
    if (!checked) return tl::unexpected<config_error>(std::move(checked.error()));
    if (over.local_endpoint().port == 0) {
      config_error error;
      error.option = "transport";
      error.value = "not open";
      error.allowed = "one that has been opened, and so has a port";
      return tl::unexpected<config_error>(std::move(error));
    }
    if (!is_empty(storage_ref(entries), checked->peers_max + 1)) {
      config_error error;
      error.option = "storage";
      error.value = "not empty";
      error.allowed = "one without entries: a node starts with none";
      return tl::unexpected<config_error>(std::move(error));
    }
    const endpoint address = checked->advertise.value_or(over.local_endpoint());
    if (address.is_wildcard() && checked->seeds.empty()) {
      config_error error;
      error.option = "advertise";
      error.value = "none";
      error.allowed = "an address of this machine, since the transport listens on all of them";
      return tl::unexpected<config_error>(std::move(error));
    }
    return std::unique_ptr<basic_node>(
        new basic_node(std::move(*checked), over, std::move(entries), address, spoken));
  }

  basic_node(const basic_node&) = delete;
  basic_node& operator=(const basic_node&) = delete;
  ~basic_node() { state_->begin_stop(); }

  // Queries.
  [[nodiscard]] std::string_view name() const { return core().name(); }
  [[nodiscard]] std::uint64_t generation() const { return core().generation(); }
  /// My latest version; 0 before the first write.
  [[nodiscard]] std::uint64_t version() const { return core().version(); }
  /// Where peers reach me.
  [[nodiscard]] endpoint local_endpoint() const { return core().address(); }
  [[nodiscard]] asio::any_io_executor get_executor() { return state_->transport.get_executor(); }
  [[nodiscard]] const config& settings() const { return core().settings(); }
  /// The value of a key, self's too. The views are valid until the next call into the node.
  [[nodiscard]] std::optional<entry_view> get(std::string_view peer, std::string_view key) const {
    return core().get(peer, key);
  }
  [[nodiscard]] bool is_known(std::string_view peer) const { return core().is_known(peer); }
  /// Calls `visit(const entry_view&)` for each live key of `peer`, in the order of versions.
  ///   expects: `visit` does not call non-const members of the node
  template <class Visit>
  void for_each(std::string_view peer, Visit visit) const {
    std::uint64_t from = 0;
    while (const std::optional<entry_view> entry = core().first_above(peer, from)) {
      visit(*entry);
      from = entry->version;
    }
  }
  /// Self first, then the others by name.
  [[nodiscard]] std::vector<member> peers() const { return core().members(now()); }
  [[nodiscard]] protocol_stats stats() const { return core().stats(); }
  /// The size of each table, for tests: O(1).
  [[nodiscard]] table_sizes tables() const { return core().tables(); }
  /// For other members of the storage: counters, faults in a test. On the node's executor, as all
  /// else.
  ///   expects: only the node changes what it holds (I1, I2)
  [[nodiscard]] Storage& entries() { return state_->entries; }

  // Publishing. None of these waits; gossip carries the writes on.
  /// Errors as protocol::set.
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value) {
    if (state_->is_stopped) return fail(errc::stopped);
    result<std::uint64_t> written = core().set(key, value);
    state_->notify();
    return written;
  }
  [[nodiscard]] result<std::uint64_t> set(
      std::span<const std::pair<std::string_view, std::string_view>> pairs) {
    if (state_->is_stopped) return fail(errc::stopped);
    result<std::uint64_t> written = core().set(pairs);
    state_->notify();
    return written;
  }
  /// The same for `ttl` from now on: while `run` runs, they are then erased.
  [[nodiscard]] result<std::uint64_t> set(std::string_view key, std::string_view value,
                                          duration ttl) {
    const std::pair<std::string_view, std::string_view> one(key, value);
    return set(std::span(&one, 1), ttl);
  }
  [[nodiscard]] result<std::uint64_t> set(
      std::span<const std::pair<std::string_view, std::string_view>> pairs, duration ttl) {
    if (state_->is_stopped) return fail(errc::stopped);
    result<std::uint64_t> written = core().set(pairs, ttl, now());
    state_->wake_timer();  // they may expire before the next round
    state_->notify();
    return written;
  }
  [[nodiscard]] result<std::optional<std::uint64_t>> erase(std::string_view key) {
    if (state_->is_stopped) return fail(errc::stopped);
    result<std::optional<std::uint64_t>> written = core().erase(key);
    state_->notify();
    return written;
  }
  /// Begins an exchange with `address` in the next round: a seed for once.
  void join(const endpoint& address) { core().join(address); }
  /// Lets go of `peer`, here only; as protocol::forget.
  [[nodiscard]] result<void> forget(std::string_view peer) {
    if (state_->is_stopped) return fail(errc::stopped);
    result<void> forgotten = core().forget(peer);
    state_->notify();
    return forgotten;
  }

  /// Runs with other options from now on, as protocol::change: take `settings()`, change what shall
  /// be otherwise. The timer and the look-up of seeds follow at once.
  /// Another `advertise` makes a new incarnation, which peers see restart; without one the address
  /// is again the transport's, or that of the route to a seed.
  [[nodiscard]] tl::expected<void, config_error> change(config wanted) {
    const bool has_other_seeds = wanted.seeds != settings().seeds;
    const bool is_released = settings().advertise && !wanted.advertise;
    const endpoint bound = state_->transport.local_endpoint();
    if (is_released && bound.is_wildcard() && wanted.seeds.empty()) {
      config_error error;
      error.option = "advertise";
      error.value = "none";
      error.allowed = "an address of this machine, since the transport listens on all of them";
      return tl::unexpected<config_error>(std::move(error));
    }
    tl::expected<void, config_error> changed = core().change(std::move(wanted), now());
    if (!changed) return changed;
    if (is_released && !bound.is_wildcard()) core().set_address(bound);
    state_->next_route_look = typename clock_type::time_point();
    state_->wake_timer();
    state_->notify();
    if (has_other_seeds) watch_seeds(state_);
    return changed;
  }

  // What happens.
  [[nodiscard]] subscription subscribe(const event_filter& filter = event_filter()) {
    return subscription(state_, filter);
  }
  /// Shows each message to `seen`, on the node's executor: `protocol::on_message` says when. It may
  /// call `find_name` of this node, and nothing else. It is kept until it is replaced, and is
  /// called as long as the loops of `run` go on.
  void on_message(message_hook seen) { core().on_message(std::move(seen)); }
  /// The name with that hash, for `to_string(message, ...)`; empty if no such node is known.
  [[nodiscard]] std::string_view find_name(std::uint64_t name_hash) const {
    return core().find_name(name_hash);
  }

  // Running.
  /// Gossips until `stop`, cancellation (which means the same) or an exception of the transport.
  /// Owns its loops: when it returns, nothing of the node runs any more. Once per node.
  ///   errors: stopped, if it was stopped before it began; transport_failed, if the transport ended
  ///           by itself, or somebody else closed it: an `error` event names the cause
  [[nodiscard]] asio::awaitable<result<void>> run() { return run(state_); }
  /// Ends `run`, closes the transport, and ends what is awaited. Idempotent.
  void stop() { state_->begin_stop(); }

  // Awaited operations.
  /// Until `version` of mine is held as the policy says.
  ///   errors: lost_owner, if I took a new generation meanwhile; timed_out, cancelled, stopped
  [[nodiscard]] asio::awaitable<result<replication>> replicated(std::uint64_t version,
                                                                replication_policy policy,
                                                                duration timeout) {
    return replicated(state_, version, policy, timeout);
  }

  /// Until `peer` publishes a value under `key`; returns it. The peer need not be known yet.
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(std::string peer, std::string key,
                                                              duration timeout) {
    return wait_for(state_, std::move(peer), std::move(key), nullptr, timeout);
  }
  /// The same until the value is `value`.
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(std::string peer, std::string key,
                                                              std::string value, duration timeout) {
    auto is_wanted = [value = std::move(value)](std::string_view seen) { return seen == value; };
    return wait_for(state_, std::move(peer), std::move(key), std::move(is_wanted), timeout);
  }
  void wait_for(std::string, std::string, std::nullptr_t, duration) = delete;  // no value
  /// The same until `is_wanted(std::string_view)` holds of the value; an empty function accepts
  /// any. The call copies `is_wanted`, which must be a named object: g++ 12 destroys a lambda twice
  /// that stands in a `co_await` statement.
  template <class Predicate>
    requires std::predicate<Predicate&, std::string_view>
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(std::string peer, std::string key,
                                                              Predicate&& is_wanted,
                                                              duration timeout) {
    static_assert(std::is_lvalue_reference_v<Predicate>,
                  "wait_for: name the predicate first: `auto is_wanted = [...](std::string_view "
                  "value) {...};`, then `co_await node.wait_for(peer, key, is_wanted, timeout)`");
    return wait_for(state_, std::move(peer), std::move(key),
                    std::function<bool(std::string_view)>(is_wanted), timeout);
  }

  /// Until `count` peers are live; returns how many are.
  [[nodiscard]] asio::awaitable<result<std::size_t>> wait_live(std::size_t count,
                                                               duration timeout) {
    return wait_live(state_, count, timeout);
  }

  /// Until what I write is carried as fast as I write it: a writer that awaits this before each
  /// `set` is held to what its peers keep up with. At once while there is room; `set` never waits.
  [[nodiscard]] asio::awaitable<result<void>> writable(duration timeout) {
    return writable(state_, timeout);
  }

  /// Tells the cluster that this incarnation leaves, until every live peer knows it. Final: `set`
  /// is refused from now on. `run` goes on until `stop`.
  ///   errors: none for a timeout: the result says how many know; cancelled, stopped
  [[nodiscard]] asio::awaitable<result<leave_result>> leave(duration timeout) {
    return leave(state_, timeout);
  }

 private:
  using timer = asio::basic_waitable_timer<clock_type>;

  /// A seed that is a name, looked up again and again by a loop of its own: one whose look-up hangs
  /// holds up no other.
  struct watched_seed {
    explicit watched_seed(std::string host_port) : seed(std::move(host_port)) {}

    void end() {
      is_wanted = false;
      cancel.emit(asio::cancellation_type::terminal);
    }

    void look_again() {
      if (pause != nullptr) pause->cancel();
    }

    std::string seed;
    std::vector<endpoint> found;  // the last good answer
    bool is_wanted = true;
    asio::cancellation_signal cancel;
    timer* pause = nullptr;  // between two look-ups, while it waits
  };

  /// The state that the loops of `run` and the awaited operations need: it goes with the last of
  /// them.
  struct shared : node_state_of<Storage> {
    shared(Storage held, Transport& over, std::uint32_t cluster, const wire_range& spoken)
        : node_state_of<Storage>(std::move(held)),
          transport(over),
          coder(cluster, datagram_bytes_ceiling, spoken) {}

    /// The protocol's next deadline may have come nearer.
    void wake_timer() {
      if (round_timer != nullptr) round_timer->cancel();
    }

    void begin_stop() {
      if (this->is_stopped) return;
      this->is_stopped = true;
      transport.close();
      wake_timer();
      for (const auto& one : std::exchange(watched, {})) one->end();
      this->notify();
    }

    std::shared_ptr<void> call_after(const asio::any_io_executor& executor,
                                     std::chrono::nanoseconds time,
                                     std::function<void()> then) override {
      const auto alarm = std::make_shared<timer>(executor, after(time));
      alarm->async_wait(
          [kept = std::weak_ptr<timer>(alarm), call = std::move(then)](const std::error_code&) {
            if (!kept.expired()) call();
          });
      return alarm;
    }

    Transport& transport;  // not to be touched once it is stopped
    codec coder;
    message received;
    message outgoing;
    std::vector<std::uint64_t> send_room;
    std::vector<outbound> send_batch;
    timer* round_timer = nullptr;                        // of the round loop, while it waits
    timer* ended = nullptr;                              // of `run`, while it waits
    std::vector<std::uint64_t> preferred;                // versions that somebody awaits
    std::vector<std::shared_ptr<watched_seed>> watched;  // the seeds that are names
    bool is_without_route_reported = false;
    std::vector<std::string> seeds_without_family;  // seeds reported so
    typename clock_type::time_point next_route_look{};
    bool was_alone = true;    // nobody was live after the latest round
    std::size_t running = 0;  // loops
    bool has_run = false;
    bool is_sending = false;
    std::exception_ptr thrown;
    bool has_transport_failed = false;
  };

  /// Known to the shared state while it is waited on, also where the frame is destroyed meanwhile.
  struct known_timer {
    known_timer(timer*& at, timer& waits) : at_(at) { at_ = &waits; }
    known_timer(const known_timer&) = delete;
    known_timer& operator=(const known_timer&) = delete;
    ~known_timer() { at_ = nullptr; }

   private:
    timer*& at_;
  };

  /// While it lives, rounds choose first among peers not known to hold `version`.
  struct preference {
    preference(shared& of, std::uint64_t version) : of_(of), version_(version) {
      of_.preferred.push_back(version_);
      update();
    }
    preference(const preference&) = delete;
    preference& operator=(const preference&) = delete;
    ~preference() {
      of_.preferred.erase(std::find(of_.preferred.begin(), of_.preferred.end(), version_));
      update();
    }

   private:
    void update() {
      const auto highest = std::max_element(of_.preferred.begin(), of_.preferred.end());
      of_.core->prefer_lacking(highest == of_.preferred.end() ? 0 : *highest);
    }

    shared& of_;
    std::uint64_t version_;
  };

  // The coroutines hold the shared state and not the node, which may go while they wait, or before
  // they began.
  static asio::awaitable<result<replication>> replicated(std::shared_ptr<shared> state,
                                                         std::uint64_t version,
                                                         replication_policy policy,
                                                         duration timeout) {
    const std::uint64_t owner = state->core->generation();
    const preference preferred(*state, version);
    auto is_done = [state, version, policy, owner] {
      const protocol& node = *state->core;
      if (node.generation() != owner) return true;
      const replication reached = node.replicated(version);
      if (policy.copies > 0) return reached.holding >= policy.copies;
      return reached.live > 0 && reached.live_holding == reached.live;
    };
    const std::error_code error = co_await wait_until(state, std::move(is_done), timeout);
    if (state->core->generation() != owner) co_return fail(errc::lost_owner);
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return state->core->replicated(version);
  }

  static asio::awaitable<result<std::string>> wait_for(
      std::shared_ptr<shared> state, std::string peer, std::string key,
      std::function<bool(std::string_view)> is_wanted, duration timeout) {
    auto is_done = [&state, &peer, &key, &is_wanted] {
      const std::optional<entry_view> entry = state->core->get(peer, key);
      return entry && (!is_wanted || is_wanted(entry->value));
    };
    const std::error_code error = co_await wait_until(state, std::move(is_done), timeout);
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return std::string(state->core->get(peer, key)->value);
  }

  static asio::awaitable<result<std::size_t>> wait_live(std::shared_ptr<shared> state,
                                                        std::size_t count, duration timeout) {
    auto is_done = [state, count] { return state->core->live_peers() >= count; };
    const std::error_code error = co_await wait_until(state, std::move(is_done), timeout);
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return state->core->live_peers();
  }

  static asio::awaitable<result<void>> writable(std::shared_ptr<shared> state, duration timeout) {
    if (state->is_stopped) co_return fail(errc::stopped);
    auto is_done = [state] { return state->core->is_writable(now()); };
    auto next_look = [state] { return state->core->writable_at(); };
    const std::error_code error =
        co_await wait_until(state, std::move(is_done), timeout, std::move(next_look));
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return result<void>();
  }

  static asio::awaitable<result<leave_result>> leave(std::shared_ptr<shared> state,
                                                     duration timeout) {
    state->core->leave(now());
    state->wake_timer();
    auto is_done = [state] {
      const replication reached = state->core->replicated(0, true);
      return reached.live_holding == reached.live;
    };
    const std::error_code error = co_await wait_until(state, std::move(is_done), timeout);
    if (error && error != errc::timed_out) co_return tl::unexpected<std::error_code>(error);
    const replication reached = state->core->replicated(0, true);
    leave_result left;
    left.acknowledged = reached.live_holding;
    left.live = reached.live;
    co_return left;
  }

  /// A pending `wait_until`: its timer runs to the deadline, and is cancelled to look again.
  struct waiter final : wakeable {
    waiter(node_state& of, timer& waits_on) : wakeable(of), deadline(waits_on) {}

    void wake() override { deadline.cancel(); }
    [[nodiscard]] std::uint64_t position() const override { return ~std::uint64_t{0}; }

    timer& deadline;
  };

  basic_node(config settings, Transport& over, Storage entries, const endpoint& address,
             const wire_range& spoken)
      : state_(std::make_shared<shared>(std::move(entries), over,
                                        make_cluster_id(settings.cluster_name), spoken)) {
    std::random_device device;
    const std::uint64_t drawn = (std::uint64_t{device()} << 32) | device();
    const std::uint64_t seed = settings.random_seed.value_or(drawn);
    state_->core = std::make_unique<protocol>(std::move(settings),
                                              storage_ref(static_cast<Storage&>(state_->entries)),
                                              address, seed, now());
    state_->core->set_wire_versions(state_->coder.versions());
  }

  [[nodiscard]] protocol& core() { return *state_->core; }
  [[nodiscard]] const protocol& core() const { return *state_->core; }

  [[nodiscard]] static moment now() {
    using std::chrono::nanoseconds;
    const auto steady =
        std::chrono::duration_cast<nanoseconds>(clock_type::now().time_since_epoch());
    // A clock of a simulation has a date of its own.
    if constexpr (requires { clock_type::wall(); }) {
      return moment(steady, std::chrono::duration_cast<nanoseconds>(clock_type::wall()));
    } else {
      const auto wall = std::chrono::system_clock::now().time_since_epoch();
      return moment(steady, std::chrono::duration_cast<nanoseconds>(wall));
    }
  }

  /// The last time that the clock can say, where `timeout` reaches beyond it.
  static typename clock_type::time_point after(duration timeout) {
    const typename clock_type::time_point begin = clock_type::now();
    const auto limit = std::chrono::duration_cast<typename clock_type::duration>(timeout);
    const bool is_for_ever = limit >= clock_type::time_point::max() - begin;
    return is_for_ever ? clock_type::time_point::max() : begin + limit;
  }

  static std::chrono::nanoseconds never() { return std::chrono::nanoseconds::max(); }

  /// Looks whenever the node changed, and at the time that `next_look` names.
  template <class IsDone, class NextLook = std::chrono::nanoseconds (*)()>
  static asio::awaitable<std::error_code> wait_until(std::shared_ptr<shared> state, IsDone is_done,
                                                     duration timeout,
                                                     NextLook next_look = &never) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    timer deadline(executor);
    const typename clock_type::time_point end = after(timeout);
    while (!is_done()) {
      if (state->is_stopped) co_return make_error_code(errc::stopped);
      // Also before the first wait: a coroutine may have been cancelled long ago, and go on.
      const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) {
        co_return make_error_code(errc::cancelled);
      }
      if (clock_type::now() >= end) co_return make_error_code(errc::timed_out);
      const typename clock_type::time_point look(
          std::chrono::duration_cast<typename clock_type::duration>(next_look()));
      deadline.expires_at(std::min(end, look));
      std::error_code woken;
      const waiter registered(*state, deadline);
      co_await deadline.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    co_return std::error_code();
  }

  // The loops of `run`. Each looks at is_stopped after every await.
  static asio::awaitable<result<void>> run(std::shared_ptr<shared> state);
  static asio::awaitable<void> receive_loop(std::shared_ptr<shared> state);
  static asio::awaitable<void> round_loop(std::shared_ptr<shared> state);
  static asio::awaitable<void> seed_loop(std::shared_ptr<shared> state,
                                         std::shared_ptr<watched_seed> watched);
  static void watch_seeds(const std::shared_ptr<shared>& state);
  static void apply_seeds(shared& state);
  [[nodiscard]] static std::vector<endpoint> found_seeds(const shared& state);
  [[nodiscard]] static std::vector<endpoint> found_addresses(const shared& state,
                                                             const std::string& seed);
  /// Whether peers can be told where they reach me; asks the routes anew, once a round.
  [[nodiscard]] static bool try_find_address(shared& state);
  static void follow_route(shared& state);
  static void report_families(shared& state);
  static asio::awaitable<void> send_all(std::shared_ptr<shared> state);
  static void handle(shared& state, const inbound& received);
  /// `owner` is what `slot` belongs to, if anything.
  template <class Slot>
  static void spawn(const std::shared_ptr<shared>& state, asio::awaitable<void> loop, Slot slot,
                    std::shared_ptr<const void> owner = nullptr);
  static void handle_end(shared& state, std::exception_ptr thrown);
  static void handle_transport_end(shared& state, std::error_code why);

  static constexpr std::size_t batch = 32;

  std::shared_ptr<shared> state_;
};

template <storage Storage, transport Transport>
asio::awaitable<result<void>> basic_node<Storage, Transport>::run(std::shared_ptr<shared> state) {
  if (state->is_stopped || state->has_run) co_return fail(errc::stopped);
  state->has_run = true;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  timer ended(executor);
  ended.expires_at(clock_type::time_point::max());
  const known_timer known(state->ended, ended);

  // Before the first round, which asks a seed.
  watch_seeds(state);
  spawn(state, receive_loop(state), asio::cancellation_slot());
  spawn(state, round_loop(state), asio::cancellation_slot());
  // Cancellation means stop; the loops are then awaited all the same. The caller's coroutine is
  // left as it was found.
  const bool was_throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) state->begin_stop();
    if (state->running == 0) break;
    std::error_code woken;
    co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  co_await asio::this_coro::throw_if_cancelled(was_throwing);
  state->begin_stop();
  if (state->thrown) std::rethrow_exception(state->thrown);
  if (state->has_transport_failed) co_return fail(errc::transport_failed);
  co_return result<void>();
}

template <storage Storage, transport Transport>
template <class Slot>
void basic_node<Storage, Transport>::spawn(const std::shared_ptr<shared>& state,
                                           asio::awaitable<void> loop, Slot slot,
                                           std::shared_ptr<const void> owner) {
  ++state->running;
  auto on_end = [state, owner](std::exception_ptr thrown) { handle_end(*state, thrown); };
  asio::co_spawn(state->transport.get_executor(), std::move(loop),
                 asio::bind_cancellation_slot(slot, std::move(on_end)));
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::handle_end(shared& state, std::exception_ptr thrown) {
  --state.running;
  if (thrown && !state.thrown) state.thrown = thrown;
  if (thrown) state.begin_stop();
  if (state.running == 0 && state.ended != nullptr) state.ended->cancel();
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::handle_transport_end(shared& state, std::error_code why) {
  state.has_transport_failed = true;
  state.core->report("the transport ended: " + why.message());
  state.begin_stop();
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::receive_loop(std::shared_ptr<shared> state) {
  // Peers may send larger datagrams than this node does: what a slot never held is never touched,
  // and takes no memory.
  constexpr std::size_t words = datagram_bytes_ceiling / 8;
  const auto room = std::make_unique_for_overwrite<std::uint64_t[]>(words * batch);
  std::vector<inbound> arrived(batch);
  for (;;) {
    for (std::size_t i = 0; i < batch; ++i) {
      arrived[i].buffer = std::as_writable_bytes(std::span(room.get() + i * words, words));
    }
    const result<std::size_t> count = co_await state->transport.receive(arrived);
    if (state->is_stopped) co_return;
    if (!count) co_return handle_transport_end(*state, count.error());
    for (std::size_t i = 0; i < *count; ++i) handle(*state, arrived[i]);
    co_await send_all(state);
    if (state->is_stopped) co_return;
    state->notify();
  }
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::handle(shared& state, const inbound& received) {
  if (received.size > received.buffer.size()) return state.core->count_drop(drop_reason::length);
  const std::span<const std::byte> datagram = received.buffer.first(received.size);
  const tl::expected<void, drop_reason> decoded = state.coder.decode(datagram, state.received);
  if (!decoded && decoded.error() == drop_reason::wire_version) {
    return state.core->handle_unreadable(state.received.versions, received.source);
  }
  if (!decoded && decoded.error() == drop_reason::cluster &&
      state.coder.is_of_another_cluster(datagram)) {
    return state.core->handle_foreign(received.source);
  }
  if (!decoded) return state.core->count_drop(decoded.error());
  const std::uint32_t scope = received.source.scope;
  set_scopes(state.received.identities, scope != 0 ? scope : received.interface);
  state.core->handle_message(state.received, received.source, received.size, now(), received.local);
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::round_loop(std::shared_ptr<shared> state) {
  timer round(state->transport.get_executor());
  while (!state->is_stopped) {
    // Until it is known where peers reach me there is nothing to gossip.
    const bool has_address = try_find_address(*state);
    // While the other loop sends, it also sees to what waits for the budget.
    const std::chrono::nanoseconds wanted =
        state->is_sending ? state->core->next_timeout() : state->core->next_deadline();
    const typename clock_type::duration due =
        std::chrono::duration_cast<typename clock_type::duration>(wanted);
    typename clock_type::time_point at(due);
    if (!has_address) at = clock_type::now() + state->core->settings().gossip_interval;
    if (at > clock_type::now()) {
      round.expires_at(at);
      const known_timer known(state->round_timer, round);
      std::error_code woken;
      co_await round.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      continue;
    }
    state->core->handle_timeout(now());
    co_await send_all(state);
    state->notify();
    state->release_changes();
    const bool is_alone = state->core->live_peers() == 0;
    if (is_alone && !state->was_alone) {
      for (const auto& one : state->watched) one->look_again();
    }
    state->was_alone = is_alone;
  }
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::send_all(std::shared_ptr<shared> state) {
  // One coroutine sends at a time; it goes on until the protocol has nothing left, so what another
  // caused meanwhile goes out too.
  if (state->is_sending) co_return;
  state->is_sending = true;
  const std::size_t words = state->core->settings().datagram_bytes_max / 8;
  state->send_room.resize(words * batch);
  state->send_batch.resize(batch);
  for (;;) {
    std::size_t count = 0;
    while (count < batch) {
      const std::optional<endpoint> to = state->core->poll_transmit(now(), state->outgoing);
      if (!to) break;
      const std::span<std::byte> room =
          std::as_writable_bytes(std::span(state->send_room).subspan(count * words, words));
      const std::size_t size = state->coder.encode(state->outgoing, room);
      state->send_batch[count].bytes = room.first(size);
      state->send_batch[count].destination = *to;
      state->send_batch[count].source = state->core->transmit_source();
      ++count;
    }
    if (count == 0) break;
    const std::span<const outbound> filled =
        std::span<const outbound>(state->send_batch).first(count);
    const result<std::size_t> sent = co_await state->transport.send(filled);
    if (!sent && !state->is_stopped) handle_transport_end(*state, sent.error());
    if (state->is_stopped) break;
  }
  state->is_sending = false;
  // Datagrams that the budget keeps waiting go on before the next round.
  if (state->round_timer != nullptr && state->core->next_deadline() < state->core->next_timeout()) {
    state->round_timer->cancel();
  }
}

template <storage Storage, transport Transport>
bool basic_node<Storage, Transport>::try_find_address(shared& state) {
  const endpoint bound = state.transport.local_endpoint();
  if (!bound.is_wildcard()) return true;
  if (clock_type::now() >= state.next_route_look) {
    if (!state.core->settings().advertise) follow_route(state);
    const endpoint address = state.core->address();
    state.core->set_source(is_local_address(address) ? address : endpoint());
    // Several times a round in the short ones, in which a timer wakes early.
    state.next_route_look = clock_type::now() + state.core->settings().gossip_interval / 2;
  }
  return !state.core->address().is_wildcard();
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::follow_route(shared& state) {
  std::vector<endpoint> seeds = found_seeds(state);
  const std::vector<std::string>& named = state.core->settings().seeds;
  const bool is_searching = std::any_of(
      named.begin(), named.end(),
      [&state](const std::string& seed) { return found_addresses(state, seed).empty(); });
  // A name that is not found yet may be that of another host, to which loopback does not lead.
  if (is_searching) std::erase_if(seeds, [](const endpoint& one) { return one.is_loopback(); });
  const std::optional<endpoint> local = choose_local_address(seeds, state.core->address());
  if (local) {
    endpoint address = *local;
    address.port = state.transport.local_endpoint().port;
    state.core->set_address(address);
    state.notify();
    return;
  }
  const bool is_lost = state.core->address().is_wildcard() && !found_seeds(state).empty();
  if (is_lost && !is_searching && !state.is_without_route_reported) {
    state.is_without_route_reported = true;
    state.core->report("no route to a seed: where peers reach me is not known yet");
    state.notify();
  }
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::report_families(shared& state) {
  const endpoint bound = state.transport.local_endpoint();
  const std::vector<std::string>& seeds = state.core->settings().seeds;
  std::erase_if(state.seeds_without_family, [&seeds](const std::string& one) {
    return std::find(seeds.begin(), seeds.end(), one) == seeds.end();
  });
  for (const std::string& seed : seeds) {
    const std::vector<endpoint> found = found_addresses(state, seed);
    const auto fits = [&bound](const endpoint& one) { return is_of_family(one, bound); };
    const auto& told = state.seeds_without_family;
    if (found.empty() || std::any_of(found.begin(), found.end(), fits) ||
        std::find(told.begin(), told.end(), seed) != told.end()) {
      continue;
    }
    state.seeds_without_family.push_back(seed);
    state.core->report("seed " + seed + ": a socket on " + bound.to_string() +
                       " cannot send to any of its addresses, such as " +
                       found.front().to_string() + ", which are of the other IP version");
    state.notify();
  }
}

template <storage Storage, transport Transport>
std::vector<endpoint> basic_node<Storage, Transport>::found_seeds(const shared& state) {
  std::vector<endpoint> found;
  for (const std::string& seed : state.core->settings().seeds) {
    const std::vector<endpoint> of_one = found_addresses(state, seed);
    found.insert(found.end(), of_one.begin(), of_one.end());
  }
  return found;
}

template <storage Storage, transport Transport>
std::vector<endpoint> basic_node<Storage, Transport>::found_addresses(const shared& state,
                                                                      const std::string& seed) {
  if (const std::optional<endpoint> numeric = endpoint::parse(seed)) {
    return std::vector<endpoint>(1, *numeric);
  }
  for (const auto& one : state.watched) {
    if (one->seed == seed) return one->found;
  }
  return {};
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::apply_seeds(shared& state) {
  std::vector<endpoint> found = found_seeds(state);
  // Until a name is found, those from before are better than none.
  if (found.empty() && !state.core->settings().seeds.empty()) return;
  state.next_route_look = typename clock_type::time_point();
  if (try_find_address(state)) state.wake_timer();
  report_families(state);
  state.core->set_seeds(found);
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::watch_seeds(const std::shared_ptr<shared>& state) {
  const bool is_running = state->has_run && !state->is_stopped;
  if (!is_running) return;
  const std::vector<std::string>& wanted = state->core->settings().seeds;
  std::vector<std::shared_ptr<watched_seed>> before = std::exchange(state->watched, {});
  for (const std::string& seed : wanted) {
    const auto is_it = [&seed](const auto& one) { return one->seed == seed; };
    if (endpoint::parse(seed) || std::any_of(state->watched.begin(), state->watched.end(), is_it)) {
      continue;
    }
    const auto known = std::find_if(before.begin(), before.end(), is_it);
    if (known != before.end()) {
      state->watched.push_back(*known);
      before.erase(known);
      continue;
    }
    auto added = std::make_shared<watched_seed>(seed);
    state->watched.push_back(added);
    spawn(state, seed_loop(state, added), added->cancel.slot(), added);
  }
  for (const auto& one : before) one->end();
  apply_seeds(*state);
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::seed_loop(
    std::shared_ptr<shared> state, std::shared_ptr<watched_seed> watched) {
  co_await asio::this_coro::throw_if_cancelled(false);
  constexpr std::chrono::milliseconds backoff_min{1000};
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  timer pause(executor);
  std::chrono::milliseconds backoff = backoff_min;
  bool is_reported = false;
  while (!state->is_stopped && watched->is_wanted) {
    const result<std::vector<endpoint>> found = co_await resolve(watched->seed);
    if (state->is_stopped || !watched->is_wanted) co_return;
    const std::chrono::milliseconds interval = state->core->settings().resolve_interval;
    if (found) {
      watched->found = *found;
      apply_seeds(*state);
    } else if (!is_reported) {
      state->core->report("seed " + watched->seed + ": " + found.error().message());
      state->notify();
    }
    is_reported = !found;
    // While nobody is live the answer may be of no use: others may be found there soon.
    const bool is_good = found && state->core->live_peers() > 0;
    pause.expires_after(is_good ? interval : backoff);
    backoff = is_good ? backoff_min : std::min(2 * backoff, interval);
    const known_timer known(watched->pause, pause);
    std::error_code woken;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

}  // namespace gossipmonger
