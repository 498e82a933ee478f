// Datagrams between endpoints of one process, on the manual clock. The network delays, loses and
// duplicates by a seeded generator, so that a test of real nodes runs the same way every time.
//
// One thread and one io_context: the network and all its transports are used from there.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/testing/manual_clock.hpp"
#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/transport.hpp"
#include "gossipmonger/udp_transport.hpp"

namespace gossipmonger {

/// How a memory network treats datagrams. A value.
struct memory_network_options {
  memory_network_options() = default;

  /// Probabilities, 0 to 1, a datagram. A lost datagram is not duplicated.
  double loss = 0.0;
  double duplication = 0.0;  ///< a second copy
  double corruption = 0.0;   ///< one flipped bit
  double garbling = 0.0;     ///< damage that leaves UDP's sum valid
  double truncation = 0.0;   ///< cut at a random byte

  /// The delay is uniform between both; where they differ, datagrams overtake each other.
  manual_clock::duration delay_min{0};
  manual_clock::duration delay_max{0};  ///< at least delay_min

  /// Datagrams that may be on the way to, or wait at, one receiver; further ones are dropped.
  std::size_t queue_datagrams_max = 4096;

  /// The longest datagram that the network carries; UDP over IPv4 carries this much. The sender of
  /// a longer one learns nothing of it, or is told as by EMSGSIZE: the datagram is then not sent.
  std::size_t datagram_bytes_max = 65507;
  bool reports_too_large = false;  ///< whether the sender is told
};

/// Counts of datagrams, by what became of them. A value.
struct memory_network_counters {
  memory_network_counters() = default;
  friend bool operator==(const memory_network_counters&, const memory_network_counters&) = default;

  std::uint64_t sent = 0;         ///< handed to the network, whatever became of them
  std::uint64_t delivered = 0;    ///< taken by a receiver; duplicates count each
  std::uint64_t lost = 0;         ///< by chance
  std::uint64_t duplicated = 0;   ///< extra copies
  std::uint64_t reordered = 0;    ///< delivered after one that was sent there later
  std::uint64_t corrupted = 0;    ///< by a flipped bit
  std::uint64_t garbled = 0;      ///< with a valid UDP sum
  std::uint64_t truncated = 0;    ///< cut short
  std::uint64_t mutated = 0;      ///< by their sender, with a checksum that holds
  std::uint64_t cut = 0;          ///< by `is_cut`
  std::uint64_t unreachable = 0;  ///< no transport was open there when it came
  std::uint64_t overflowed = 0;   ///< the receiver's queue was full
  std::uint64_t too_large = 0;    ///< above datagram_bytes_max, and nobody was told
  std::uint64_t refused = 0;      ///< above it, and its sender was told; not `sent`
};

class memory_transport;

/// The network: which transport is where, and what it does to datagrams. A resource; it outlives
/// its transports.
class memory_network {
 public:
  /// `seed` decides every chance.
  explicit memory_network(std::uint64_t seed, memory_network_options options = {});
  memory_network(const memory_network&) = delete;
  memory_network& operator=(const memory_network&) = delete;

  /// For datagrams sent from now on: a loss of 1 cuts the network, 0 heals it.
  void set_options(memory_network_options options);
  /// The common options.
  [[nodiscard]] const memory_network_options& options() const { return options_; }
  /// In place of the common options, for datagrams from `from` to `to`: addresses as seen from
  /// outside.
  void set_link_options(const endpoint& from, const endpoint& to, memory_network_options options);
  /// All links have the common options again.
  void clear_links() { links_.clear(); }
  /// The options of the links from and to `before` move to `after`, in place of those that its
  /// links had.
  void move_links(const endpoint& before, const endpoint& after);
  /// The transport is seen at `outside` from now on, as behind a NAT that binds anew; it does not
  /// notice. Datagrams on the way to the old address still come.
  ///   errors: std::errc::address_in_use; expects: it is open
  [[nodiscard]] result<void> rebind(memory_transport& transport, const endpoint& outside);
  /// Counts since the start.
  [[nodiscard]] const memory_network_counters& counters() const { return counters_; }
  /// Delivers `bytes` at `to`, undamaged, as though `from` had sent them: for attackers of tests,
  /// who may write any source address. Nothing where nobody listens there.
  void inject(const endpoint& from, const endpoint& to, std::span<const std::byte> bytes);

  /// Directed cuts; true: what `from` sends does not arrive at `to`. None by default.
  std::function<bool(const endpoint& from, const endpoint& to)> is_cut;
  /// Sees each datagram that a receiver takes, just before it does.
  std::function<void(const endpoint& to, const inbound& datagram)> on_delivery;

 private:
  friend class memory_transport;

  void carry(memory_transport& sender, outbound datagram);
  void enqueue(memory_transport& receiver, const endpoint& source, const outbound& datagram,
               const memory_network_options& link);
  [[nodiscard]] const memory_network_options& link_options(const endpoint& from,
                                                           const endpoint& to) const;
  void damage(std::vector<std::byte>& bytes, const memory_network_options& link);
  [[nodiscard]] endpoint free_endpoint(endpoint wanted) const;

  random_source random_;
  memory_network_options options_;
  memory_network_counters counters_;
  std::uint64_t next_sequence_ = 0;
  std::map<endpoint, memory_transport*> open_;
  std::map<std::pair<endpoint, endpoint>, memory_network_options> links_;
  std::vector<std::vector<std::byte>> spare_buffers_;  // at most as many as were queued at once
  std::vector<std::byte> mutated_;                     // the datagram that is being sent
};

/// One endpoint of a memory network. A resource. Its destructor is `close`: pending calls need it
/// no more. Cancellation is level-triggered, as udp_transport has it.
class memory_transport {
 public:
  /// The clock of the node's timers.
  using clock_type = manual_clock;

  /// A closed transport; `network` outlives it.
  memory_transport(asio::any_io_executor executor, memory_network& network);
  memory_transport(const memory_transport&) = delete;
  memory_transport& operator=(const memory_transport&) = delete;
  ~memory_transport();

  /// Takes the endpoint; port 0 takes the next free port from 49152 on. Once per transport.
  ///   errors: std::errc::address_in_use, and it can be opened anew; errc::stopped after `close`;
  ///           asio::error::already_open
  [[nodiscard]] result<void> open(endpoint listen);
  /// Takes one more address, with the port of the first, as a host with several does. Datagrams
  /// sent there arrive here. Those that name it as their source leave from it.
  ///   errors: std::errc::address_in_use; expects: it is open
  [[nodiscard]] result<void> add_address(endpoint address);

  /// The executor that its calls resume on.
  [[nodiscard]] asio::any_io_executor get_executor() const { return executor_; }
  /// The endpoint that it took, with its port; port 0 before `open`.
  [[nodiscard]] endpoint local_endpoint() const { return local_; }
  /// When the first datagram that waits here, or is on the way, is due; max() for none.
  [[nodiscard]] manual_clock::time_point next_arrival() const;

  /// Takes the datagrams that are due, in the order of (due time, sent); waits for one.
  /// `transport`'s contract.
  ///   errors:  errc::stopped, also where it was never opened; errc::cancelled
  ///   expects: in.size() > 0; no other receive pending
  [[nodiscard]] asio::awaitable<result<std::size_t>> receive(std::span<inbound> in);

  /// Hands all of `out` to the network; never suspends. A refused datagram is counted and skipped.
  ///   errors:  errc::stopped, errc::cancelled; then nothing was sent
  [[nodiscard]] asio::awaitable<result<std::size_t>> send(std::span<const outbound> out);

  /// This part of what it sends is changed at random, under a checksum that holds, as by a node
  /// that lies. None by default.
  void set_mutation(double probability) { mutation_ = probability; }

  /// Its counts, as a udp_transport counts; datagrams that it had no room for are kernel drops.
  [[nodiscard]] const udp_counters& counters() const { return counters_; }

  /// Leaves the network; what was on the way is gone. Pending calls get errc::stopped. Idempotent.
  void close();

 private:
  friend class memory_network;

  struct queued {
    queued() = default;

    manual_clock::time_point due;
    std::uint64_t sequence = 0;
    endpoint source;
    endpoint local;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] static bool is_later(const queued& a, const queued& b);
  std::size_t take_due(std::span<inbound> in);
  /// The address that a datagram leaves from which names `wanted`.
  [[nodiscard]] const endpoint& source_for(const endpoint& wanted) const;

  memory_network& network_;
  asio::any_io_executor executor_;
  asio::basic_waitable_timer<manual_clock> arrival_;
  endpoint local_;
  endpoint outside_;              // as others see it: local_, unless it was bound anew
  std::vector<endpoint> others_;  // addresses besides, seen as they are
  double mutation_ = 0.0;
  udp_counters counters_;
  std::uint64_t latest_sequence_ = 0;  // among those delivered
  /// The flags that a pending `receive` reads before it touches the transport, which may have gone.
  struct shared_flags {
    shared_flags() = default;

    bool is_open = false;
    bool is_receiving = false;
  };
  std::shared_ptr<shared_flags> flags_ = std::make_shared<shared_flags>();
  bool is_closed_ = false;
  std::vector<queued> queue_;  // a heap, the next one in front
};

}  // namespace gossipmonger
