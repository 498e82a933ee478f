// A node over a storage and a transport of the user's choice. The calls of services stand in
// `node_base`: this class adds only the ways to make a node.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <concepts>
#include <memory>
#include <string_view>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/basic_waitable_timer.hpp>

#include "gossipmonger/config.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "gossipmonger/node_base.hpp"
#include "gossipmonger/start_error.hpp"
#include "gossipmonger/storage.hpp"
#include "gossipmonger/transport.hpp"
#include "gossipmonger/transport_ref.hpp"

namespace gossipmonger {

struct wire_version_access;

/// A resource. Its destructor is `stop`. Operations that are still awaited then, and `run` itself,
/// end by themselves or go with the io_context. They need the node no more, and the transport only
/// as far as the contract of `transport` says (ours: not at all). Subscriptions may outlive it.
template <storage Storage, transport Transport>
class basic_node : public node_base {
 public:
  /// The clock of its timers and timeouts.
  using clock_type = typename Transport::clock_type;
  /// For the pauses of a service: it runs on the node's clock, also where a test moves that.
  using timer = asio::basic_waitable_timer<clock_type>;
  /// A node, or the reason why there is none.
  using expected_node = tl::expected<std::unique_ptr<basic_node>, start_error>;

  /// Opens a socket at `listen` and makes a node that owns it. Does not gossip before `run`.
  /// `listen` is an address in numbers, localhost:PORT, or *:PORT for all addresses. The system
  /// chooses the port if it is 0.
  ///   errors: `listen` for any other text, or with the system's reason in `code`; those of
  ///   `create`
  template <class Executor>
  [[nodiscard]] static expected_node open(Executor executor, config settings,
                                          std::string_view listen) {
    static_assert(std::constructible_from<Transport, asio::any_io_executor>,
                  "open is for a transport that is made of an executor alone, as udp_transport is; "
                  "make any other transport first, and the node by create");
    auto owned = std::make_unique<Transport>(asio::any_io_executor(std::move(executor)));
    tl::expected<void, start_error> opened =
        open_at(listen, [&owned](const endpoint& address) { return owned->open(address); });
    if (!opened) return tl::unexpected<start_error>(std::move(opened.error()));
    expected_node made = create(std::move(settings), *owned);
    if (made) (*made)->owned_ = std::move(owned);
    return made;
  }

  /// A node over the open `over`, which outlives it, at the address of that, or as
  /// `settings.advertise` says.
  ///   errors: the first option that is not allowed; `transport` where that is not open. A
  ///           transport on a wildcard finds the local address by the seeds: without any,
  ///           `advertise`
  [[nodiscard]] static expected_node create(config settings, Transport& over) {
    // No requires-clause: clang 19 mangles it, g++ 12 does not, and the library of one could not be
    // linked by the other.
    if constexpr (std::constructible_from<Storage, memory_storage_limits, hash_key>) {
      return create(std::move(settings), over, Storage(memory_storage_limits(), draw_key()));
    } else {
      return create(std::move(settings), over, Storage());
    }
  }

  /// The same over a storage of the caller's, which is moved into the node.
  ///   errors:  also `storage` where `entries` is not empty
  [[nodiscard]] static expected_node create(config settings, Transport& over, Storage entries) {
    return make(std::move(settings), over, std::move(entries), spoken_by_library());
  }

  ~basic_node() { stop(); }

  /// For other members of the storage: counters, faults in a test. On the node's executor, as all
  /// else.
  ///   expects: only the node changes what it holds (I1, I2)
  [[nodiscard]] Storage& entries() { return *entries_; }
  /// Likewise of the transport: counters, the address that it is bound to.
  [[nodiscard]] Transport& carrier() { return over_; }

 private:
  friend wire_version_access;  // tests of roll-outs

  [[nodiscard]] static expected_node make(config settings, Transport& over, Storage entries,
                                          const wire_range& spoken) {
    tl::expected<parts, start_error> checked =
        check(std::move(settings), transport_ref(over), storage_ref(entries));
    if (!checked) return tl::unexpected<start_error>(std::move(checked.error()));
    checked->spoken = spoken;
    auto kept = std::make_shared<Storage>(std::move(entries));
    return std::unique_ptr<basic_node>(new basic_node(std::move(*checked), over, std::move(kept)));
  }

  basic_node(parts of, Transport& over, std::shared_ptr<Storage> entries)
      : node_base(std::move(of), storage_ref(*entries), entries),
        entries_(std::move(entries)),
        over_(over) {}

  std::shared_ptr<Storage> entries_;
  std::unique_ptr<Transport> owned_;  // of `open`
  Transport& over_;
};

}  // namespace gossipmonger
