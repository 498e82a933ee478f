#include "net/node_driver.hpp"

#include <optional>
#include <random>
#include <span>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include "core/model/size_limits.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/key_scope.hpp"

namespace gossipmonger {
namespace {

std::uint64_t draw_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

node_driver::node_driver(config settings, storage_ref entries, std::shared_ptr<void> owner,
                         transport_ref over, const endpoint& address, const wire_range& spoken)
    : node_state(over, std::move(owner)),
      coder_(make_cluster_id(settings.cluster_name), datagram_bytes_ceiling, spoken),
      seal_(settings.peers_max),
      address_(*this, seeds_) {
  const std::uint64_t seed = settings.random_seed ? *settings.random_seed : draw_seed();
  core = std::make_unique<protocol>(std::move(settings), entries, address, seed, now());
  core->set_wire_versions(coder_.versions());
}

std::shared_ptr<node_driver> node_driver::self() {
  return std::static_pointer_cast<node_driver>(shared_from_this());
}

// ------------------------------------------------------------------------------ running, stopping

asio::awaitable<result<void>> node_driver::run(std::shared_ptr<node_driver> of) {
  if (of->is_stopped) co_return fail(errc::stopped);
  if (of->has_run_) co_return fail(errc::already_running);
  of->has_run_ = true;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::unique_ptr<node_timer> timer = of->transport.make_timer(executor);
  const wake_signal::waiter here(of->ended_, *timer);

  // Before the first round, which asks a seed.
  of->watch_seeds();
  of->spawn(receive_loop(of));
  of->spawn(round_loop(of));
  // Cancellation means stop; the loops are then awaited all the same. The caller's coroutine is
  // left as it was found.
  const bool was_throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) of->stop();
    if (of->running_ == 0) break;
    co_await timer->wait_until(duration::max());
  }
  co_await asio::this_coro::throw_if_cancelled(was_throwing);
  of->stop();
  if (of->thrown_) std::rethrow_exception(of->thrown_);
  if (of->has_transport_failed_) co_return fail(errc::transport_failed);
  co_return result<void>();
}

void node_driver::stop() {
  if (is_stopped) return;
  is_stopped = true;
  transport.close();
  round_.wake();
  seeds_.end();
  notify();
}

void node_driver::spawn(asio::awaitable<void> loop, asio::cancellation_slot slot,
                        std::shared_ptr<const void> owner) {
  ++running_;
  auto on_end = [of = self(), owner = std::move(owner)](std::exception_ptr thrown) {
    of->handle_end(thrown);
  };
  asio::co_spawn(transport.get_executor(), std::move(loop),
                 asio::bind_cancellation_slot(slot, std::move(on_end)));
}

void node_driver::handle_end(std::exception_ptr thrown) {
  --running_;
  if (thrown && !thrown_) thrown_ = thrown;
  if (thrown) stop();
  if (running_ == 0) ended_.wake();
}

void node_driver::handle_transport_end(std::error_code why) {
  has_transport_failed_ = true;
  core->report("the transport ended: " + why.message());
  stop();
}

void node_driver::handle_change(bool has_other_seeds) {
  address_.look_again();
  wake_timer();
  notify();
  if (has_other_seeds) watch_seeds();
}

void node_driver::publish_stage() {
  // A node that has left, or whose name is taken, publishes nothing: its ring works all the same.
  const result<std::uint64_t> published = core->set(keyring_key, seal_.stage());
  const bool is_refused = !published && !core->has_left();
  if (is_refused && !seal_.is_stage_due()) {
    core->report("the keys of this node's keyring are not published yet: " +
                 published.error().message());
  }
  seal_.set_stage_due(is_refused);
}

tl::expected<void, keyring_error> node_driver::set_keyring(keyring ring) {
  tl::expected<void, keyring_error> changed = seal_.set_keyring(std::move(ring));
  if (!changed) return changed;
  core->set_frame_bytes(seal_bytes);
  seal_.set_stage_due(false);  // of the ring before
  publish_stage();
  if (std::optional<std::string> told = seal_.warning()) core->report(std::move(*told));
  wake_timer();
  notify();
  return changed;
}

std::vector<member> node_driver::members() const {
  std::vector<member> all = core.see().members(now());
  const hash_key cluster = make_cluster_key(settings().cluster_name);
  for (member& one : all) tell_seal(one, cluster);
  return all;
}

std::optional<member> node_driver::find_member(std::string_view peer) const {
  std::optional<member> found = core.see().find_member(peer, now());
  if (found) tell_seal(*found, make_cluster_key(settings().cluster_name));
  return found;
}

void node_driver::tell_seal(member& of, const hash_key& cluster) const {
  if (of.status == peer_status::self) return;
  of.sealed_with = seal_.sealed_with(siphash(cluster, of.name));
}

// ------------------------------------------------------------------------------------- the loops

asio::awaitable<void> node_driver::receive_loop(std::shared_ptr<node_driver> of) {
  // Peers may send larger datagrams than this node does. The unused part of a slot is never
  // touched, and takes no memory.
  constexpr std::size_t words = datagram_bytes_ceiling / 8;
  const auto room = std::make_unique_for_overwrite<std::uint64_t[]>(words * batch);
  std::vector<inbound> arrived(batch);
  while (!of->is_stopped) {
    for (std::size_t i = 0; i < batch; ++i) {
      arrived[i].buffer = std::as_writable_bytes(std::span(room.get() + i * words, words));
    }
    const result<std::size_t> count = co_await of->transport.receive(arrived);
    if (of->is_stopped) co_return;
    if (!count) co_return of->handle_transport_end(count.error());
    for (std::size_t i = 0; i < *count; ++i) of->handle(arrived[i]);
    co_await send_all(of);
    if (of->is_stopped) co_return;
    of->notify();
  }
}

void node_driver::handle(const inbound& received) {
  if (received.size > received.buffer.size()) return core->count_drop(drop_reason::length);
  const moment present = now();
  const std::optional<std::span<const std::byte>> content =
      open(received.buffer.first(received.size), received.source, present);
  if (!content) return;
  const tl::expected<void, drop_reason> decoded = coder_.decode(*content, received_);
  if (!decoded && decoded.error() == drop_reason::wire_version) {
    return core->handle_unreadable(received_.versions, received.source);
  }
  if (!decoded && decoded.error() == drop_reason::cluster &&
      coder_.is_of_another_cluster(*content)) {
    return core->handle_foreign(received.source);
  }
  if (!decoded) return core->count_drop(decoded.error());
  const std::uint32_t scope = received.source.scope;
  set_scopes(received_.identities, scope != 0 ? scope : received.interface);
  const std::size_t size = content->size();
  core->handle_message(received_, received.source, size, present, received.local);
  if (seal_.is_on() && core->is_from_verified_peer(received_, received.source, present)) {
    seal_.note_sender(received_.sender.name_hash);
  }
}

std::optional<std::span<const std::byte>> node_driver::open(std::span<std::byte> datagram,
                                                            const endpoint& source,
                                                            const moment& present) {
  if (!seal_.is_on()) return datagram;
  const node_seal::expected_content content = seal_.open(datagram, present);
  if (content) return *content;
  std::optional<std::string> told = seal_.report_of(content.error(), datagram, source, present);
  if (told) core->report(std::move(*told));
  return std::nullopt;
}

asio::awaitable<void> node_driver::round_loop(std::shared_ptr<node_driver> of) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::unique_ptr<node_timer> timer = of->transport.make_timer(executor);
  while (!of->is_stopped) {
    // Until it is known where peers reach me there is nothing to gossip.
    const bool has_address = of->address_.try_find();
    // While the other loop sends, it also sees to the datagrams that wait for the budget.
    const std::chrono::nanoseconds now = of->now().steady;
    std::chrono::nanoseconds due =
        of->is_sending_ ? of->core->next_timeout() : of->core->next_deadline();
    if (!has_address) due = std::min(due, now + of->settings().gossip_interval);
    if (due > now) {
      const wake_signal::waiter here(of->round_, *timer);
      co_await timer->wait_until(due);
      continue;
    }
    of->core->handle_timeout(of->now());
    if (of->seal_.is_stage_due()) of->publish_stage();
    co_await send_all(of);
    of->notify();
    of->release_changes();
    const bool is_alone = of->core->live_peers() == 0;
    if (is_alone && !of->was_alone_) of->seeds_.look_again();
    of->was_alone_ = is_alone;
  }
}

asio::awaitable<void> node_driver::send_all(std::shared_ptr<node_driver> of) {
  // One coroutine sends at a time. It goes on until the protocol has nothing left, so the datagrams
  // that another caused meanwhile go out too.
  if (of->is_sending_) co_return;
  of->is_sending_ = true;
  while (const std::size_t count = of->fill_send_batch()) {
    const auto filled = std::span<const outbound>(of->send_batch_).first(count);
    const result<std::size_t> sent = co_await of->transport.send(filled);
    if (!sent && !of->is_stopped) of->handle_transport_end(sent.error());
    if (of->is_stopped) break;
  }
  of->is_sending_ = false;
  // Datagrams that the budget keeps waiting go on before the next round.
  if (of->core->next_deadline() < of->core->next_timeout()) of->wake_timer();
}

std::size_t node_driver::fill_send_batch() {
  const std::size_t words = settings().datagram_bytes_max / 8;
  send_room_.resize(words * batch);
  send_batch_.resize(batch);
  std::size_t count = 0;
  while (count < batch) {
    const moment present = now();
    const std::optional<endpoint> to = core->poll_transmit(present, outgoing_);
    if (!to) break;
    const std::span<std::byte> room =
        std::as_writable_bytes(std::span(send_room_).subspan(count * words, words));
    // The core keeps the bytes of a seal free in every datagram (I4).
    if (seal_.is_on()) {
      const std::span<std::byte> content =
          room.subspan(seal_head_bytes, room.size() - seal_head_bytes - seal_tag_bytes);
      const std::size_t size = coder_.encode(outgoing_, content);
      send_batch_[count].bytes = seal_.seal(room, size, present);
      if (send_batch_[count].bytes.empty()) continue;
    } else {
      send_batch_[count].bytes = room.first(coder_.encode(outgoing_, room));
    }
    send_batch_[count].destination = *to;
    send_batch_[count].source = core->transmit_source();
    ++count;
  }
  return count;
}

// ------------------------------------------------------------------------------------------ seeds

void node_driver::apply_seeds() {
  const std::vector<endpoint> found = seeds_.addresses(settings().seeds);
  // Until a name is found, the addresses from before are better than none.
  if (found.empty() && !settings().seeds.empty()) return;
  address_.look_again();
  if (address_.try_find()) wake_timer();
  address_.report_families();
  core->set_seeds(found);
}

void node_driver::watch_seeds() {
  const bool is_running = has_run_ && !is_stopped;
  if (!is_running) return;
  for (const std::shared_ptr<watched_seed>& added : seeds_.follow(settings().seeds)) {
    auto on_found = [of = self()] { of->apply_seeds(); };
    spawn(seed_watcher::look_up(self(), added, std::move(on_found)), added->cancel.slot(), added);
  }
  apply_seeds();
}

}  // namespace gossipmonger
