// The coroutines of a node: they drive the protocol over any storage and any transport, and are
// compiled once. The duties of a driver stand in protocol.hpp.
//
// Thread contract: that of the node. The coroutines hold the driver and not the node, which may go
// while they wait, or before they began. A resource, shared by the node, its loops and what awaits.
// It has more data members than other classes, for its loops share their buffers and their end.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include "core/model/message.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/keyring.hpp"
#include "gossipmonger/replication.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/transport_ref.hpp"
#include "net/address_finder.hpp"
#include "net/node_seal.hpp"
#include "net/node_state.hpp"
#include "net/seed_watcher.hpp"
#include "net/wake_signal.hpp"
#include "wire/codec.hpp"

namespace gossipmonger {

class node_driver final : public node_state {
 public:
  using duration = std::chrono::nanoseconds;

  /// `settings` must be validated; `owner` keeps the object behind `entries`.
  ///   expects: of `spoken` the same as `codec`
  node_driver(config settings, storage_ref entries, std::shared_ptr<void> owner, transport_ref over,
              const endpoint& address, const wire_range& spoken);

  /// Gossips until it is stopped or cancelled. Owns its loops: when it returns, none runs any more.
  [[nodiscard]] static asio::awaitable<result<void>> run(std::shared_ptr<node_driver> of);
  void stop();

  /// The protocol's next deadline may have come nearer.
  void wake_timer() { round_.wake(); }
  /// The options have changed: looks at address and deadlines anew, and at the seeds if they
  /// differ.
  void handle_change(bool has_other_seeds);

  /// Seals with `ring` from now on, and publishes which keys it has. Where that is refused, each
  /// round tries it again.
  [[nodiscard]] tl::expected<void, keyring_error> set_keyring(keyring ring);
  [[nodiscard]] node_seal& seal() { return seal_; }
  [[nodiscard]] std::vector<member> members() const;
  [[nodiscard]] std::optional<member> find_member(std::string_view peer) const;

  // The awaited conditions.
  [[nodiscard]] static asio::awaitable<result<replication>> replicated(
      std::shared_ptr<node_driver> of, std::uint64_t version, replication_policy policy,
      duration timeout);
  [[nodiscard]] static asio::awaitable<result<std::string>> wait_for(
      std::shared_ptr<node_driver> of, std::string peer, std::string key,
      std::function<bool(std::string_view)> is_wanted, duration timeout);
  [[nodiscard]] static asio::awaitable<result<std::size_t>> wait_live(
      std::shared_ptr<node_driver> of, std::size_t count, duration timeout);
  [[nodiscard]] static asio::awaitable<result<void>> writable(std::shared_ptr<node_driver> of,
                                                              duration timeout);
  [[nodiscard]] static asio::awaitable<result<leave_result>> leave(std::shared_ptr<node_driver> of,
                                                                   duration timeout);

 private:
  class preference;

  // The loops of `run`. Each looks at is_stopped before it touches the transport.
  static asio::awaitable<void> receive_loop(std::shared_ptr<node_driver> of);
  static asio::awaitable<void> round_loop(std::shared_ptr<node_driver> of);
  static asio::awaitable<void> send_all(std::shared_ptr<node_driver> of);
  /// Starts a loop that `run` waits for. `owner` goes with it.
  void spawn(asio::awaitable<void> loop, asio::cancellation_slot slot = {},
             std::shared_ptr<const void> owner = nullptr);
  /// Publishes the keys of the ring, or has the next round do it.
  void publish_stage();
  /// Sets the key that the peer seals with.
  void tell_seal(member& of, const hash_key& cluster) const;
  void handle_end(std::exception_ptr thrown);
  void handle_transport_end(std::error_code why);
  void handle(const inbound& received);
  /// The content of a datagram, which may be all of it; nothing where it cannot be opened.
  [[nodiscard]] std::optional<std::span<const std::byte>> open(std::span<std::byte> datagram,
                                                               const endpoint& source,
                                                               const moment& present);
  /// Encodes what the protocol wants sent next; 0: nothing.
  [[nodiscard]] std::size_t fill_send_batch();

  /// Takes the addresses that the seeds have now.
  void apply_seeds();
  void watch_seeds();

  /// Ends when `is_done`. Looks whenever the node changed, and at the time that `next_look` names.
  template <class IsDone, class NextLook>
  static asio::awaitable<std::error_code> wait_until(std::shared_ptr<node_driver> of,
                                                     IsDone is_done, duration timeout,
                                                     NextLook next_look);
  [[nodiscard]] std::shared_ptr<node_driver> self();
  [[nodiscard]] const config& settings() const { return core.see().settings(); }

  static constexpr std::size_t batch = 32;

  codec coder_;
  message received_;
  message outgoing_;
  std::vector<std::uint64_t> send_room_;
  std::vector<outbound> send_batch_;
  node_seal seal_;
  seed_watcher seeds_;
  address_finder address_;
  wake_signal round_;                     // of the round loop
  wake_signal ended_;                     // of `run`
  std::vector<std::uint64_t> preferred_;  // versions that somebody awaits
  std::size_t running_ = 0;               // loops
  std::exception_ptr thrown_;
  bool was_alone_ = true;  // nobody was live after the latest round
  bool has_run_ = false;
  bool is_sending_ = false;
  bool has_transport_failed_ = false;
};

}  // namespace gossipmonger
