// A gossip node: the protocol, driven by coroutines over a transport.
//
// Thread contract: a node belongs to the executor of its transport; every member is called on it.
// Another thread gets there by asio::post. Several nodes may share an io_context.
#pragma once

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

/// A resource. It outlives what `run` returned; the transport outlives it. Subscriptions may
/// outlive it.
///
/// The awaited operations (`replicated`, `wait_for`, `wait_live`, `writable`, `leave`) take a
/// trailing timeout on the transport's clock, resume on the executor of the awaiting coroutine,
/// which must be the node's, and end with errc::timed_out, errc::cancelled or errc::stopped. They
/// may outlive the node object once it was stopped.
template <storage Storage, transport Transport>
class basic_node {
 public:
  using clock_type = typename Transport::clock_type;
  using duration = std::chrono::nanoseconds;

  /// A node at the address of the open `over`, or as `settings.advertise` says. Does not gossip
  /// before `run`.
  ///   errors: the first option that is not allowed; `advertise` where the transport listens on a
  ///           wildcard and there are no seeds to find the local address by
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

  /// The same over a storage of the caller's, which must be empty.
  [[nodiscard]] static tl::expected<std::unique_ptr<basic_node>, config_error> create(
      config settings, Transport& over, Storage entries) {
    tl::expected<config, config_error> checked = validated(std::move(settings));
    if (!checked) return tl::unexpected<config_error>(std::move(checked.error()));
    const endpoint address = checked->advertise.value_or(over.local_endpoint());
    if (address.is_wildcard() && checked->seeds.empty()) {
      config_error error;
      error.option = "advertise";
      error.value = "none";
      error.allowed = "an address of this machine, since the transport listens on all of them";
      return tl::unexpected<config_error>(std::move(error));
    }
    return std::unique_ptr<basic_node>(
        new basic_node(std::move(*checked), over, std::move(entries), address));
  }

  basic_node(const basic_node&) = delete;
  basic_node& operator=(const basic_node&) = delete;
  ~basic_node() {
    assert(running_ == 0 && "run() must have returned before its node goes");
    begin_stop();
  }

  // What is known.
  [[nodiscard]] std::string_view name() const { return core().name(); }
  [[nodiscard]] std::uint64_t generation() const { return core().generation(); }
  /// My latest version; 0 before the first write.
  [[nodiscard]] std::uint64_t version() const { return core().version(); }
  /// Where peers reach me.
  [[nodiscard]] endpoint local_endpoint() const { return core().address(); }
  [[nodiscard]] asio::any_io_executor get_executor() { return transport_.get_executor(); }
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

  // What I publish. None of these waits; gossip carries it on.
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
    wake_timer();  // they may expire before the next round
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
  [[nodiscard]] tl::expected<void, config_error> change(config wanted) {
    const bool has_other_seeds = wanted.seeds != settings().seeds;
    tl::expected<void, config_error> changed = core().change(std::move(wanted), now());
    if (!changed) return changed;
    wake_timer();
    if (has_other_seeds) {
      ++seeds_revision_;
      if (seeds_timer_ != nullptr) seeds_timer_->cancel();
      start_seeds_loop();
    }
    return changed;
  }

  // What happens.
  [[nodiscard]] subscription subscribe(const event_filter& filter = event_filter()) {
    return subscription(state_, filter);
  }
  [[nodiscard]] trace_stream trace() { return trace_stream(state_); }

  // Running.
  /// Gossips until `stop`, cancellation (which means the same) or an exception of the transport.
  /// Owns its loops: when it returns, nothing of the node runs any more. Once per node.
  ///   errors: stopped, if it was stopped before it began
  [[nodiscard]] asio::awaitable<result<void>> run();
  /// Ends `run`, closes the transport, and ends what is awaited. Idempotent.
  void stop() { begin_stop(); }

  // What can be awaited.
  /// Until `version` of mine is held as the policy says.
  ///   errors: lost_owner, if I took a new generation meanwhile; timed_out, cancelled, stopped
  [[nodiscard]] asio::awaitable<result<replication>> replicated(std::uint64_t version,
                                                                replication_policy policy,
                                                                duration timeout) {
    const std::shared_ptr<shared> state = state_;
    const std::uint64_t owner = core().generation();
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

  /// Until `peer` publishes a value under `key` that satisfies `is_wanted`; returns it. The peer
  /// need not be known yet.
  [[nodiscard]] asio::awaitable<result<std::string>> wait_for(
      std::string peer, std::string key, std::function<bool(std::string_view)> is_wanted,
      duration timeout) {
    const std::shared_ptr<shared> state = state_;
    auto is_done = [&state, &peer, &key, &is_wanted] {
      const std::optional<entry_view> entry = state->core->get(peer, key);
      return entry && is_wanted(entry->value);
    };
    const std::error_code error = co_await wait_until(state, std::move(is_done), timeout);
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return std::string(state->core->get(peer, key)->value);
  }

  /// Until `count` peers are live; returns how many are.
  [[nodiscard]] asio::awaitable<result<std::size_t>> wait_live(std::size_t count,
                                                               duration timeout) {
    const std::shared_ptr<shared> state = state_;
    auto is_done = [state, count] { return state->core->live_peers() >= count; };
    const std::error_code error = co_await wait_until(state, std::move(is_done), timeout);
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return state->core->live_peers();
  }

  /// Until what I write is carried as fast as I write it: a writer that awaits this before each
  /// `set` is held to what its peers keep up with. At once while there is room; `set` never waits.
  [[nodiscard]] asio::awaitable<result<void>> writable(duration timeout) {
    const std::shared_ptr<shared> state = state_;
    if (state->is_stopped) co_return fail(errc::stopped);
    auto is_done = [state] { return state->core->is_writable(now()); };
    auto next_look = [state] { return state->core->writable_at(); };
    const std::error_code error =
        co_await wait_until(state, std::move(is_done), timeout, std::move(next_look));
    if (error) co_return tl::unexpected<std::error_code>(error);
    co_return result<void>();
  }

  /// Tells the cluster that this incarnation leaves, until every live peer knows it. Final: `set`
  /// is refused from now on. `run` goes on until `stop`.
  ///   errors: none for a timeout: the result says how many know; cancelled, stopped
  [[nodiscard]] asio::awaitable<result<leave_result>> leave(duration timeout) {
    const std::shared_ptr<shared> state = state_;
    state->core->leave(now());
    wake_timer();
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

 private:
  using timer = asio::basic_waitable_timer<clock_type>;

  struct shared : node_state_of<Storage> {
    using node_state_of<Storage>::node_state_of;

    timer* round_timer = nullptr;          // of the round loop, while it waits
    std::vector<std::uint64_t> preferred;  // versions that somebody awaits
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

  /// A pending `wait_until`: its timer runs to the deadline, and is cancelled to look again.
  struct waiter final : wakeable {
    waiter(node_state& of, timer& waits_on) : wakeable(of), deadline(waits_on) {}

    void wake() override { deadline.cancel(); }
    [[nodiscard]] std::uint64_t position() const override { return ~std::uint64_t{0}; }

    timer& deadline;
  };

  basic_node(config settings, Transport& over, Storage entries, const endpoint& address)
      : transport_(over),
        codec_(make_cluster_id(settings.cluster_name), datagram_bytes_ceiling),
        state_(std::make_shared<shared>(std::move(entries))) {
    std::random_device device;
    const std::uint64_t drawn = (std::uint64_t{device()} << 32) | device();
    const std::uint64_t seed = settings.random_seed.value_or(drawn);
    state_->core = std::make_unique<protocol>(std::move(settings),
                                              storage_ref(static_cast<Storage&>(state_->entries)),
                                              address, seed, now());
    state_->core->set_wire_versions(codec_.versions());
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

  static std::chrono::nanoseconds never() { return std::chrono::nanoseconds::max(); }

  /// Looks whenever the node changed, and at the time that `next_look` names.
  template <class IsDone, class NextLook = std::chrono::nanoseconds (*)()>
  static asio::awaitable<std::error_code> wait_until(std::shared_ptr<shared> state, IsDone is_done,
                                                     duration timeout,
                                                     NextLook next_look = &never) {
    const auto limit = std::chrono::duration_cast<typename clock_type::duration>(timeout);
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    timer deadline(executor);
    const typename clock_type::time_point end = clock_type::now() + limit;
    while (!is_done()) {
      if (state->is_stopped) co_return make_error_code(errc::stopped);
      if (clock_type::now() >= end) co_return make_error_code(errc::timed_out);
      const typename clock_type::time_point look(
          std::chrono::duration_cast<typename clock_type::duration>(next_look()));
      deadline.expires_at(std::min(end, look));
      std::error_code woken;
      {
        const waiter registered(*state, deadline);
        co_await deadline.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      }
      const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) {
        co_return make_error_code(errc::cancelled);
      }
    }
    co_return std::error_code();
  }

  /// The protocol's next deadline may have come nearer.
  void wake_timer() {
    if (state_->round_timer != nullptr) state_->round_timer->cancel();
  }

  void start_seeds_loop() {
    const bool is_running = has_run_ && !state_->is_stopped;
    if (!is_running || has_seeds_loop_ || settings().seeds.empty()) return;
    has_seeds_loop_ = true;
    spawn(seeds_loop(), seeds_cancel_.slot());
  }

  void begin_stop() {
    if (state_->is_stopped) return;
    state_->is_stopped = true;
    transport_.close();
    wake_timer();
    seeds_cancel_.emit(asio::cancellation_type::terminal);
    state_->notify();
  }

  // The loops of `run`. Each looks at is_stopped after every await.
  asio::awaitable<void> receive_loop();
  asio::awaitable<void> round_loop();
  asio::awaitable<void> seeds_loop();
  asio::awaitable<void> find_seeds(std::vector<endpoint>& found, bool& is_whole);
  [[nodiscard]] bool try_find_address(const std::vector<endpoint>& seeds);
  asio::awaitable<void> send_all();
  void handle(const inbound& received);
  template <class Slot>
  void spawn(asio::awaitable<void> loop, Slot slot);
  void handle_end(std::exception_ptr thrown);

  static constexpr std::size_t batch = 32;

  Transport& transport_;
  codec codec_;
  std::shared_ptr<shared> state_;
  message received_;
  std::vector<std::uint64_t> send_room_;
  std::vector<outbound> send_batch_;
  asio::cancellation_signal seeds_cancel_;
  timer* seeds_timer_ = nullptr;      // of the seeds loop, while it waits
  std::uint64_t seeds_revision_ = 0;  // raised with each change of the option
  bool has_seeds_loop_ = false;
  std::size_t running_ = 0;
  bool has_run_ = false;
  bool is_sending_ = false;
  std::exception_ptr thrown_;
  timer* ended_ = nullptr;
};

template <storage Storage, transport Transport>
asio::awaitable<result<void>> basic_node<Storage, Transport>::run() {
  if (state_->is_stopped || has_run_) co_return fail(errc::stopped);
  has_run_ = true;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  timer ended(executor);
  ended.expires_at(clock_type::time_point::max());
  ended_ = &ended;

  spawn(receive_loop(), asio::cancellation_slot());
  spawn(round_loop(), asio::cancellation_slot());
  start_seeds_loop();
  // Cancellation means stop; the loops are then awaited all the same.
  co_await asio::this_coro::throw_if_cancelled(false);
  while (running_ > 0) {
    std::error_code woken;
    co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (running_ == 0) break;
    begin_stop();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    ended.expires_at(clock_type::time_point::max());
  }
  ended_ = nullptr;
  begin_stop();
  if (thrown_) std::rethrow_exception(thrown_);
  co_return result<void>();
}

template <storage Storage, transport Transport>
template <class Slot>
void basic_node<Storage, Transport>::spawn(asio::awaitable<void> loop, Slot slot) {
  ++running_;
  auto on_end = [this](std::exception_ptr thrown) { handle_end(thrown); };
  asio::co_spawn(transport_.get_executor(), std::move(loop),
                 asio::bind_cancellation_slot(slot, std::move(on_end)));
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::handle_end(std::exception_ptr thrown) {
  --running_;
  if (thrown && !thrown_) thrown_ = thrown;
  if (thrown) begin_stop();
  if (running_ == 0 && ended_ != nullptr) ended_->cancel();
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::receive_loop() {
  // Peers may send larger datagrams than this node does: what a slot never held is never touched,
  // and takes no memory.
  constexpr std::size_t words = datagram_bytes_ceiling / 8;
  const auto room = std::make_unique_for_overwrite<std::uint64_t[]>(words * batch);
  std::vector<inbound> arrived(batch);
  for (;;) {
    for (std::size_t i = 0; i < batch; ++i) {
      arrived[i].buffer = std::as_writable_bytes(std::span(room.get() + i * words, words));
    }
    const result<std::size_t> count = co_await transport_.receive(arrived);
    if (!count || state_->is_stopped) co_return;
    for (std::size_t i = 0; i < *count; ++i) handle(arrived[i]);
    co_await send_all();
    if (state_->is_stopped) co_return;
    state_->notify();
  }
}

template <storage Storage, transport Transport>
void basic_node<Storage, Transport>::handle(const inbound& received) {
  if (received.size > received.buffer.size()) return core().count_drop(drop_reason::length);
  const std::span<const std::byte> datagram = received.buffer.first(received.size);
  const tl::expected<void, drop_reason> decoded = codec_.decode(datagram, received_);
  if (!decoded && decoded.error() == drop_reason::wire_version) {
    return core().handle_unreadable(received_.versions, received.source);
  }
  if (!decoded) return core().count_drop(decoded.error());
  core().handle_message(received_, received.source, received.size, now());
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::round_loop() {
  timer round(transport_.get_executor());
  while (!state_->is_stopped) {
    // Until it is known where peers reach me there is nothing to gossip.
    const bool has_address = !core().address().is_wildcard();
    // While the other loop sends, it also sees to what waits for the budget.
    const std::chrono::nanoseconds wanted =
        is_sending_ ? core().next_timeout() : core().next_deadline();
    const typename clock_type::duration due =
        std::chrono::duration_cast<typename clock_type::duration>(wanted);
    typename clock_type::time_point at(due);
    if (!has_address) at = clock_type::now() + settings().gossip_interval;
    if (at > clock_type::now()) {
      round.expires_at(at);
      state_->round_timer = &round;
      std::error_code woken;
      co_await round.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      state_->round_timer = nullptr;
      continue;
    }
    core().handle_timeout(now());
    co_await send_all();
    state_->notify();
    state_->release_changes();
  }
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::send_all() {
  // One coroutine sends at a time; it goes on until the protocol has nothing left, so what another
  // caused meanwhile goes out too.
  if (is_sending_) co_return;
  is_sending_ = true;
  const std::size_t words = settings().datagram_bytes_max / 8;
  send_room_.resize(words * batch);
  send_batch_.resize(batch);
  for (;;) {
    std::size_t count = 0;
    while (count < batch) {
      const std::optional<transmit> next = core().poll_transmit(now());
      if (!next) break;
      const std::span<std::byte> room =
          std::as_writable_bytes(std::span(send_room_).subspan(count * words, words));
      const std::size_t size = codec_.encode(*next->content, room);
      send_batch_[count].bytes = room.first(size);
      send_batch_[count].destination = next->to;
      ++count;
    }
    if (count == 0) break;
    const std::span<const outbound> filled = std::span<const outbound>(send_batch_).first(count);
    const result<std::size_t> sent = co_await transport_.send(filled);
    if (!sent || state_->is_stopped) break;
  }
  is_sending_ = false;
  // What the budget keeps waiting goes on before the next round.
  if (state_->round_timer != nullptr && core().next_deadline() < core().next_timeout()) {
    state_->round_timer->cancel();
  }
}

template <storage Storage, transport Transport>
bool basic_node<Storage, Transport>::try_find_address(const std::vector<endpoint>& seeds) {
  if (!core().address().is_wildcard()) return true;
  for (const endpoint& seed : seeds) {
    const result<endpoint> local = route_source(seed);
    if (!local || local->is_wildcard()) continue;
    endpoint address = *local;
    address.port = transport_.local_endpoint().port;
    core().set_address(address);
    return true;
  }
  return false;
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::find_seeds(std::vector<endpoint>& found,
                                                                 bool& is_whole) {
  const std::vector<std::string> wanted = settings().seeds;  // they may be changed meanwhile
  for (const std::string& seed : wanted) {
    if (const std::optional<endpoint> numeric = endpoint::parse(seed)) {
      found.push_back(*numeric);
      continue;
    }
    const result<std::vector<endpoint>> resolved = co_await resolve(seed);
    if (state_->is_stopped) co_return;
    if (resolved) {
      found.insert(found.end(), resolved->begin(), resolved->end());
    } else {
      is_whole = false;
    }
  }
}

template <storage Storage, transport Transport>
asio::awaitable<void> basic_node<Storage, Transport>::seeds_loop() {
  co_await asio::this_coro::throw_if_cancelled(false);
  timer pause(transport_.get_executor());
  std::chrono::milliseconds backoff{1000};
  bool is_reported = false;
  while (!state_->is_stopped) {
    std::vector<endpoint> found;
    bool is_whole = true;
    const std::uint64_t revision = seeds_revision_;
    co_await find_seeds(found, is_whole);
    if (state_->is_stopped) co_return;
    if (revision != seeds_revision_) continue;
    const bool has_address = try_find_address(found);
    const bool is_good = is_whole && has_address;
    if (!found.empty() || settings().seeds.empty()) core().set_seeds(std::move(found));
    if (has_address) wake_timer();
    if (!is_good && !is_reported) {
      core().report(has_address ? "a seed's name could not be resolved; it is tried again"
                                : "no route to a seed: where peers reach me is not known yet");
      state_->notify();
    }
    is_reported = !is_good;

    pause.expires_after(is_good ? settings().resolve_interval : backoff);
    backoff = is_good ? std::chrono::milliseconds{1000}
                      : std::min(2 * backoff, settings().resolve_interval);
    std::error_code woken;
    seeds_timer_ = &pause;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    seeds_timer_ = nullptr;
  }
}

}  // namespace gossipmonger
