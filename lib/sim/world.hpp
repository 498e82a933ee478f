// A simulated world for bare protocols: a virtual clock, and a network that loses, duplicates,
// delays, cuts and corrupts. Thousands of nodes in one thread. A resource; not thread-safe.
// Datagrams are real: every message goes through the codec, so what a test sees of sizes, drops
// and damage is what a socket would see. One seed and the same calls give the same schedule, to
// the byte (I6): `trace_hash` tells. Nothing here reads a clock, a socket or a random device.
//
// More than 250 lines, because network, nodes and their processes share one queue of what comes
// next; a test sets the faults of all three by fields.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/protocol.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/testing/simulated_storage.hpp"
#include "wire/codec.hpp"

namespace gossipmonger {

/// The faults that meet datagrams on their way.
struct network_conditions {
  network_conditions() = default;

  double loss = 0;                      ///< probability, 0 - 1
  double duplication = 0;               ///< probability of a second copy
  std::chrono::nanoseconds late_max{};  ///< a second copy comes up to so much later
  double corruption = 0;                ///< probability of one flipped bit
  double garbling = 0;                  ///< probability of damage that leaves UDP's sum valid
  double truncation = 0;                ///< probability that the end is missing
  bool is_cut = false;                  ///< nothing arrives
  std::size_t mtu_bytes = 0;            ///< larger datagrams vanish silently; 0: all pass
  std::chrono::nanoseconds delay_min = std::chrono::milliseconds{1};
  std::chrono::nanoseconds delay_max = std::chrono::milliseconds{2};  ///< reordering emerges
  /// The socket of a process that stands still holds so many datagrams, from all senders, and drops
  /// the rest. Of a link: as it was when the datagram was sent.
  std::size_t inbox_datagrams_max = 4096;
};

struct world_counters {
  world_counters() = default;

  std::uint64_t datagrams = 0;    ///< sent
  std::uint64_t bytes = 0;        ///< sent
  std::uint64_t lost = 0;         ///< by chance
  std::uint64_t unreachable = 0;  ///< cut off, or no node has that address
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t garbled = 0;
  std::uint64_t truncated = 0;
  std::uint64_t over_mtu = 0;
  std::uint64_t mutated = 0;           ///< by their sender, with a checksum that holds
  std::uint64_t overflowed = 0;        ///< the inbox of a paused node was full
  std::uint64_t delivered = 0;         ///< copies that a running node got
  std::size_t datagram_bytes_max = 0;  ///< the largest seen
};

/// Sees what happens in a world. All calls name a node that runs.
class world_observer {
 public:
  using node_index = std::size_t;

  world_observer() = default;
  world_observer(const world_observer&) = delete;
  world_observer& operator=(const world_observer&) = delete;
  virtual ~world_observer() = default;

  /// Its protocol is there, and has done nothing yet.
  virtual void handle_start(node_index node) = 0;
  virtual void handle_stop(node_index node) = 0;
  /// `source` has sent it a datagram that decoded to `received`; the protocol gets it next.
  virtual void handle_arrival(node_index node, const endpoint& source, const message& received,
                              std::size_t bytes) = 0;
  /// It was given what arrived, or its time; what it wants to send comes next.
  virtual void handle_step(node_index node, bool is_timer) = 0;
  virtual void handle_send(node_index node, const endpoint& to, const message& sent,
                           std::size_t bytes) = 0;
};

class world {
 public:
  using node_index = std::size_t;

  explicit world(std::uint64_t seed);
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  /// A node at an address of its own that starts now, knowing the address of `seed` if given.
  node_index add(config settings, std::optional<node_index> seed = std::nullopt);
  /// A node that does not run yet: `restart` starts it.
  node_index add_stopped(config settings);
  /// The nodes whose addresses it knows, from now on and when it starts.
  ///   expects: each of them was added before
  void set_seeds(node_index node, const std::vector<node_index>& seeds);
  [[nodiscard]] const std::vector<endpoint>& seeds(node_index node) const {
    return nodes_[node].seeds;
  }
  /// The process ends without a word.
  void crash(node_index node);
  /// It starts anew, empty, with the same configuration, or another; as a new run.
  void restart(node_index node, std::optional<config> settings = std::nullopt);
  /// From its next start on, the node is a release that speaks these wire versions.
  void set_wire_versions(node_index node, const wire_range& spoken) {
    nodes_[node].spoken = spoken;
  }
  [[nodiscard]] const wire_range& wire_versions(node_index node) const {
    return nodes_[node].spoken;
  }
  /// It runs with these options from now on, and after a restart; false: they are not allowed, and
  /// nothing changes.
  [[nodiscard]] bool try_change(node_index node, config settings);
  /// After a command that may have brought its next deadline forward.
  void reschedule(node_index node);
  /// Moves to a fresh address. A running node goes on without noticing, as behind a NAT that binds
  /// anew; one that starts after this advertises the new address.
  void move(node_index node);
  /// A running node is again at the address that its run advertises.
  void move_back(node_index node);
  /// A running node moves to a fresh address and advertises it from now on (`config::advertise`).
  void advertise(node_index node);
  /// The process stands still; its datagrams wait in the socket.
  void pause(node_index node, std::chrono::nanoseconds length);
  [[nodiscard]] std::chrono::nanoseconds paused_until(node_index node) const {
    return nodes_[node].resumes;
  }
  /// Its wall clock is off by this much from now on.
  void set_wall_offset(node_index node, std::chrono::nanoseconds offset);
  /// Its wall clock gains so many nanoseconds each millisecond from now on.
  void set_wall_drift(node_index node, std::int64_t ppm);
  /// This part of what it sends is changed at random, under a checksum that holds.
  void set_mutation(node_index node, double probability) { nodes_[node].mutation = probability; }
  /// Of its storage, from now on and after a restart.
  void set_storage(node_index node, const storage_conditions& faults);

  [[nodiscard]] protocol& operator[](node_index node) { return *nodes_[node].core; }
  [[nodiscard]] const protocol& operator[](node_index node) const { return *nodes_[node].core; }
  /// The storage of a running node.
  [[nodiscard]] simulated_storage& storage_of(node_index node) { return *nodes_[node].entries; }
  [[nodiscard]] const simulated_storage& storage_of(node_index node) const {
    return *nodes_[node].entries;
  }
  [[nodiscard]] const config& settings(node_index node) const { return nodes_[node].settings; }
  [[nodiscard]] bool is_running(node_index node) const { return nodes_[node].core != nullptr; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] const endpoint& address(node_index node) const { return nodes_[node].address; }
  [[nodiscard]] moment now(node_index node) const;

  network_conditions conditions;
  /// Conditions of a directed link, instead of those of all.
  std::map<std::pair<node_index, node_index>, network_conditions> links;
  world_observer* observer = nullptr;
  /// Directed cuts; true: what `from` sends does not arrive at `to`. None by default.
  std::function<bool(node_index from, node_index to)> is_cut;
  /// So many steps at one time are too many: each datagram that arrives or is sent, and each timer.
  std::uint64_t idle_steps_max = 4'000'000;
  /// Whether the digest that came to each node last is kept, for `replay`.
  bool keeps_digests = false;
  /// Sees every datagram that is sent, whether it arrives or not.
  std::function<void(node_index from, const endpoint& to, std::span<const std::byte> datagram)>
      on_send;
  /// Sees every datagram that is delivered, before the node does.
  std::function<void(node_index to, std::span<const std::byte> datagram)> on_delivery;

  void run_for(std::chrono::nanoseconds length);
  /// Runs until `is_done`, asked after every `step`; false if it was not within `limit`.
  [[nodiscard]] bool run_until(const std::function<bool()>& is_done, std::chrono::nanoseconds limit,
                               std::chrono::nanoseconds step = std::chrono::milliseconds{100});
  /// A forged datagram of any size, delivered at once.
  void inject(node_index to, const endpoint& source, std::span<const std::byte> datagram);

  /// The digest that came to a running node last comes again so often, at once: from where it came,
  /// or, with `is_spoofed`, each time from a vacant address.
  ///   expects: keeps_digests, since before that digest came
  void replay(node_index node, std::size_t count, bool is_spoofed);
  /// An address at which no node is.
  [[nodiscard]] endpoint vacant_address();

  /// Whether every running node holds exactly what every running node publishes, and knows none
  /// of them as dead.
  [[nodiscard]] bool has_agreed() const;

  [[nodiscard]] std::chrono::nanoseconds time() const { return now_; }
  /// When the last late copy arrives of what was sent so far.
  [[nodiscard]] std::chrono::nanoseconds late_until() const { return late_until_; }
  /// The node at whose step this world gave up, where so many steps took no time that none of them
  /// can be the last: from then on nothing happens. No node: all is well.
  [[nodiscard]] std::optional<node_index> stuck() const { return stuck_; }
  [[nodiscard]] const world_counters& counters() const { return counters_; }
  /// Of every delivery so far: when, to whom, and each byte. Equal for equal schedules.
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  struct simulated_node {
    simulated_node() = default;

    std::unique_ptr<simulated_storage> entries;  // outlives the core
    // Each step looks at these: they lie together.
    std::unique_ptr<protocol> core;
    std::unique_ptr<codec> wire;
    std::uint64_t run = 0;
    std::chrono::nanoseconds timer_at{};
    std::uint64_t timer_order = 0;  // of the timer that counts; older ones are void
    std::chrono::nanoseconds resumes{};
    std::size_t waiting = 0;  // datagrams in the inbox while paused
    storage_conditions storage_faults;
    double mutation = 0;
    std::chrono::nanoseconds wall_offset{};
    std::chrono::nanoseconds drifts_since{};
    std::int64_t drift_ppm = 0;
    endpoint address;
    endpoint home;  // as the present run advertises itself

    config settings;
    wire_range spoken;
    std::vector<endpoint> seeds;
    std::vector<std::uint64_t> digest;  // the last, if it is kept, and from where
    endpoint digest_source;
  };
  struct happening {
    happening() = default;

    std::uint64_t order = 0;
    node_index node = 0;
    std::uint64_t run = 0;  // a timer is for this run only
    endpoint source;        // a datagram
    endpoint destination;
    std::vector<std::uint64_t> words;  // with the datagram in front
    std::size_t bytes = 0;             // of it
    std::size_t inbox_datagrams_max = 0;
    bool is_timer = false;    // else it is a datagram
    bool is_waiting = false;  // in the inbox of a paused node
    bool is_damaged = false;  // its checksum does not tell what is in it
  };
  /// When a happening is due. The queue moves these, and leaves what happens where it lies.
  struct due {
    due(std::chrono::nanoseconds when, std::uint64_t in_order, std::size_t at_place)
        : at(when), order(in_order), place(at_place) {}

    std::chrono::nanoseconds at;
    std::uint64_t order;
    std::size_t place;  // in happenings_
  };
  struct is_later {
    bool operator()(const due& one, const due& other) const {
      return one.at != other.at ? one.at > other.at : one.order > other.order;
    }
  };

  void start(node_index node);
  void set_timer(node_index node);
  void finish_step(node_index node, bool is_timer);
  void flush(node_index node);
  /// A step of that node; false: no more.
  [[nodiscard]] bool try_step(node_index node);
  void send(node_index from, const endpoint& to);
  [[nodiscard]] const network_conditions& link(node_index from, node_index to) const;
  /// Turns the first delta of what is sent into news of the receiver's own keys, as a liar would.
  [[nodiscard]] bool try_forge(const endpoint& to);
  void damage(happening& arrival, const network_conditions& on_link);
  /// A place for something that will happen, empty but for its order.
  [[nodiscard]] std::size_t prepare();
  /// The happening at that place is over.
  void release(std::size_t place);
  void schedule(std::size_t place, std::chrono::nanoseconds at);
  void happen(std::size_t place);
  /// Has the processor fetch the node that is next while this one is at work: of a large world no
  /// cache holds them all.
  void fetch_next() const;
  void deliver(happening& arrived);
  enum class put_off : std::uint8_t { no, waits, dropped };
  /// A datagram for a paused node waits for the end of the pause.
  [[nodiscard]] put_off try_put_off(std::size_t place);
  [[nodiscard]] endpoint fresh_address(node_index of);
  [[nodiscard]] std::optional<node_index> find(const endpoint& address) const;

  std::chrono::nanoseconds now_ = std::chrono::seconds{1};
  std::chrono::nanoseconds late_until_{};
  random_source random_;
  std::vector<simulated_node> nodes_;
  std::priority_queue<due, std::vector<due>, is_later> queue_;
  std::deque<happening> happenings_;  // by place; a place is used again
  std::vector<std::size_t> free_places_;
  // Of datagrams that are over, each with room for its sender's largest. The latest is last: what
  // is used again is in the nearest cache.
  std::vector<std::vector<std::uint64_t>> spare_words_;
  std::uint64_t order_ = 0;
  std::vector<node_index> given_addresses_;  // of each address; its number is its place
  std::uint32_t vacant_addresses_ = 0;
  world_counters counters_;
  std::uint64_t trace_hash_ = 0;
  std::uint64_t idle_steps_ = 0;  // since time went on
  std::optional<node_index> stuck_;
  message received_;
  message outgoing_;
  std::vector<std::uint64_t> buffer_;
};

}  // namespace gossipmonger
