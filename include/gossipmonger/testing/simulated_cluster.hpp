// A cluster of real nodes, and of the services on top of them, in one thread. Their coroutines run
// over a simulated network and a clock that jumps from timer to timer. Hours pass in moments, and
// one seed gives one schedule. For the tests of whoever builds on nodes; lib/ uses it for its own.
//
// Each node has an io_context of its own, as a process has: it can crash, stand still and have a
// wrong clock, and its service with it. Use a cluster from the thread that made it, one at a time.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/basic_node.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/keyring.hpp"
#include "gossipmonger/testing/manual_clock.hpp"
#include "gossipmonger/testing/memory_transport.hpp"
#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/testing/simulated_storage.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

extern template class basic_node<simulated_storage, memory_transport>;

/// The counterpart of `node`, which runs over UDP. A service under test is a template over its
/// node, or takes this one.
using simulated_node = basic_node<simulated_storage, memory_transport>;

/// A resource. Time and dates: `manual_clock`, which a cluster sets to 0 when it is made.
class simulated_cluster {
 public:
  /// A service runs beside a node, from each start of it to its crash; with the node it ends, at
  /// the latest. An exception that leaves it is thrown by whoever runs the cluster.
  using service = std::function<asio::awaitable<void>(simulated_node&)>;
  /// The timer of a service. An asio::steady_timer compiles as well, but waits for real time, which
  /// does not pass here: a service that is a template over its node takes `Node::timer`.
  using timer = simulated_node::timer;

  /// `seed` decides everything that is left to chance, on the network and in the nodes. Datagrams
  /// take 1 to 2 ms unless `network()` is told otherwise.
  explicit simulated_cluster(std::uint64_t seed);
  simulated_cluster(const simulated_cluster&) = delete;
  simulated_cluster& operator=(const simulated_cluster&) = delete;
  ~simulated_cluster();

  /// Starts a node at an address of its own; returns its index. Without a name it is called "n"
  /// and its index; without seeds the first node is its seed. Seeds are addresses in numbers: the
  /// look-up of a name takes real time, which does not pass here.
  ///   throws: std::invalid_argument with the message of a config_error
  std::size_t add(config settings = config(), service beside = nullptr);

  /// Processes that were added, running or not.
  [[nodiscard]] std::size_t size() const { return processes_.size(); }
  /// Whether that process runs: it did not crash, or was restarted.
  [[nodiscard]] bool is_running(std::size_t index) const;
  /// @{
  /// Its node. Where dates differ, call it anew for each use: the clock shows the date of the node
  /// that was named last.
  ///   throws: std::logic_error where it is not running
  [[nodiscard]] simulated_node& operator[](std::size_t index);
  [[nodiscard]] const simulated_node& operator[](std::size_t index) const;
  /// @}
  /// How it runs, or will when it is started again.
  [[nodiscard]] const config& settings(std::size_t index) const;
  /// Where it is seen by others.
  [[nodiscard]] const endpoint& address(std::size_t index) const;
  /// Loss, delay, counters of the network; `cut` below owns its `is_cut`.
  [[nodiscard]] memory_network& network() { return network_; }

  /// Runs `body` in the process of that node. It ends with the node, at the latest.
  void spawn(std::size_t index, asio::awaitable<void> body);

  // Faults.
  /// The process ends without a word to anybody.
  void crash(std::size_t index);
  /// It starts anew, empty, as a new run, with its service; crashes first where it was running.
  /// From now on it has the options of `settings`, if given, such as a `generation_last` that it
  /// kept on a disk. Nothing is filled in, as `add` does: begin with `settings(index)`.
  ///   throws: std::invalid_argument with the message of a config_error; nothing has changed then
  void restart(std::size_t index, std::optional<config> settings = std::nullopt);
  /// The versions that it reads and writes from its next start on: a release that speaks other wire
  /// versions.
  ///   expects: as `create_speaking`
  void set_wire_versions(std::size_t index, const wire_range& spoken);
  /// Its keyring from now on, and after a restart; before the first, it is plain.
  ///   throws: std::invalid_argument with the message of a keyring_error
  void set_keyring(std::size_t index, keyring ring);
  /// The process stands still, its timers and its socket with it. A pause within a pause does not
  /// end that early.
  void pause(std::size_t index, std::chrono::nanoseconds length);
  /// Until when it stands still, by `time`; a time that has passed: it does not.
  [[nodiscard]] std::chrono::nanoseconds paused_until(std::size_t index) const;
  /// Its storage refuses writes, or takes its time, while the process stands still: from now on,
  /// and after a restart.
  void set_storage(std::size_t index, const storage_conditions& faults);
  /// This part of what it sends is changed at random, under a checksum that holds, from now on and
  /// after a restart: a node that lies.
  void set_mutation(std::size_t index, double probability);
  /// Its date is off by this much from now on.
  void set_wall_offset(std::size_t index, std::chrono::nanoseconds offset);
  /// It is seen at another address from now on, without noticing: a NAT that binds anew.
  void move(std::size_t index);
  /// Datagrams from `from` to `to` are treated so, in place of the network's common options; until
  /// `network().clear_links()`.
  void set_link(std::size_t from, std::size_t to, const memory_network_options& options);
  /// Datagrams from `from` do not arrive at `to`; the other way they do.
  void cut(std::size_t from, std::size_t to);
  /// Two halves: those of `one_side`, and all others.
  void partition(const std::vector<std::size_t>& one_side);
  /// No cuts any more.
  void heal() { cuts_.clear(); }

  // Time.
  /// Lets `time` pass.
  ///   throws: std::logic_error where something waits for real time: a service made an
  ///           asio::steady_timer, or a seed is a name (Asio up to 1.30)
  void run_for(std::chrono::nanoseconds time);
  /// Runs from event to event until `done()`; false where `limit` passed first. Throws as
  /// `run_for`.
  template <std::predicate Done>
  [[nodiscard]] bool run_until(Done done, std::chrono::nanoseconds limit) {
    const manual_clock::time_point end = manual_clock::now() + limit;
    settle();
    while (!done()) {
      if (!advance(end)) return done();
    }
    return true;
  }
  /// Since the cluster was made.
  [[nodiscard]] std::chrono::nanoseconds time() const;

  /// Whether every running node has exactly the keys and values that every running node publishes,
  /// and takes all of them for live.
  [[nodiscard]] bool has_agreed() const;
  /// Prints each event of each node from now on, with its time: call it first in a test that fails.
  /// The schedule stays the same.
  void print_events(std::FILE* to = stderr);
  /// Of every datagram that was delivered: when, to whom, from whom, each byte. Equal for equal
  /// schedules.
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  struct process {
    process() = default;

    config settings;
    service beside;
    endpoint address;
    wire_range spoken = wire_range(wire_version_lowest, wire_version_highest);
    std::optional<keyring> ring;
    storage_conditions storage;
    double mutation = 0;
    std::chrono::nanoseconds wall_offset{};
    manual_clock::time_point resumes{};
    // In the order in which they are made; they go in the opposite one.
    std::unique_ptr<asio::io_context> context;
    std::unique_ptr<manual_clock_driver> driver;
    std::unique_ptr<memory_transport> transport;
    std::unique_ptr<simulated_node> node;
    std::optional<subscription> printed;
  };

  void start(process& started);
  /// Gives the node of `sealed` its keyring; its nonces come from the seed.
  void seal(process& sealed);
  [[nodiscard]] simulated_node& running(std::size_t index) const;
  void print_new_events(process& of) const;
  void spawn_in(process& of, asio::awaitable<void> body);
  [[nodiscard]] static manual_clock::time_point next_event(const process& of);
  /// Runs every process, and again those that have something to do at this time.
  void settle();
  void settle_due();
  /// Whether anything ran.
  bool settle(process& one);
  /// On to the next event, or to `end` where none is before; then false.
  bool advance(manual_clock::time_point end);
  void refuse_real_timers() const;
  [[nodiscard]] endpoint fresh_address();
  [[nodiscard]] bool is_paused(const process& one) const;
  [[nodiscard]] bool has_all_of(const simulated_node& replica, const simulated_node& owner) const;

  struct clock_reset {
    clock_reset() { manual_clock::reset(); }
  };
  clock_reset clock_;
  random_source random_;
  memory_network network_;
  std::vector<std::unique_ptr<process>> processes_;
  std::vector<std::pair<endpoint, endpoint>> cuts_;
  std::uint32_t addresses_ = 0;
  std::uint64_t trace_hash_ = 0;
  std::exception_ptr thrown_;
  std::FILE* events_to_ = nullptr;  // of `print_events`
};

}  // namespace gossipmonger
