// Watches a world, and holds every node to the invariants of lib/README.md at every step: each
// datagram sent or received, each write to a storage, each event. Looks only at what changed, and
// keeps its first finding. A resource; the world outlives it; not thread-safe.
//
// It keeps a ledger of what each run of each name wrote, from the writes to its own storage, and
// compares with it whatever any replica stores.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/storage/change_list.hpp"
#include "gossipmonger/event.hpp"
#include "sim/belief.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

/// A broken rule: which, where, when.
struct violation {
  violation() = default;

  std::string rule;  ///< "I2 prefix", "events", "progress", …
  std::string text;
  std::chrono::nanoseconds at{};
  std::vector<std::size_t> nodes;
};

class checker : public world_observer {
 public:
  /// `trusts_content`: no node forges. Else no node is held to what nodes say of each other.
  checker(world& watched, bool trusts_content);
  ~checker() override;

  /// Around each command that the application gives the node.
  void begin_command(node_index node);
  void end_command(node_index node);
  /// The node's application set `key` to live until `deadline`, or not to expire. Before the
  /// deadline no node erases its own key unasked; after it, the key goes.
  void expect_expiry(node_index node, const std::string& key,
                     std::optional<std::chrono::nanoseconds> deadline);
  /// Own keys that expired.
  [[nodiscard]] std::uint64_t expired() const { return expired_; }
  /// Every node has a reader that folds its events at once, and compares with the state. Where
  /// `is_prompt` is not set, it has a second one that waits for `read_events`.
  void set_prompt(node_index node, bool is_prompt);
  void read_events(node_index node);

  /// From now on no node pauses and all intervals are equal. So no node tells of a sign of life
  /// that is later than the end of a run that ends from now on.
  void expect_true_alive_ages() { true_alive_ages_since_ = world_.time(); }

  [[nodiscard]] const std::optional<violation>& fault() const { return fault_; }
  /// For rules that hold over more than one step; kept if it is the first.
  void report(std::string rule, std::string text, std::vector<std::size_t> nodes);
  /// Told of the fault where it is found: what a node does after it may not come to an end.
  std::function<void(const violation& found)> on_fault;
  /// Each event, as the reader of that node gets it.
  std::function<void(node_index node, const event_view& seen)> on_event;

  void handle_start(node_index node) override;
  void handle_stop(node_index node) override;
  void handle_arrival(node_index node, const endpoint& source, const message& received,
                      std::size_t bytes) override;
  void handle_step(node_index node, bool is_timer) override;
  void handle_send(node_index node, const endpoint& to, const message& sent,
                   std::size_t bytes) override;

 private:
  struct record {
    record() = default;

    std::string key;
    std::uint64_t value_hash = 0;
    std::uint64_t value_checksum = 0;  // as its fragments bear it
    bool is_tombstone = false;
  };
  /// The most that a run ever held of one incarnation of another.
  struct held_copy {
    held_copy() = default;

    std::uint64_t max_version = 0;
    bool has_left = false;
  };
  /// The writes of one run of one name, and the copies that it held.
  struct ledger {
    ledger() = default;

    std::uint32_t instance = 0;
    std::vector<std::uint64_t> generations;  // it may have taken a higher one on the way
    std::vector<record> records;             // of version 1, 2, …
    std::vector<std::uint64_t> written_at;   // how many of them, by heartbeat: as it began
    std::unordered_map<std::string, std::uint64_t> latest;    // version, by key
    std::unordered_map<std::string, std::uint64_t> erasures;  // version of the last, by key
    std::uint64_t floor = 0;
    std::optional<std::chrono::nanoseconds> ended_at;                     // when its process ended
    std::map<std::pair<std::uint64_t, std::uint64_t>, held_copy> copies;  // by hash and generation
  };
  class watch;

  [[nodiscard]] static std::uint64_t hash_of(std::string_view value);
  /// The runs that bore this generation; nullptr: none, or more than one.
  [[nodiscard]] const ledger* find_run(const std::string& name, std::uint64_t generation,
                                       std::size_t& count) const;
  [[nodiscard]] bool has_written(const std::string& name, std::uint64_t generation,
                                 const entry_view& entry) const;
  void read(node_index node, belief& by, bool is_shown);
  /// Lets the node drop changes that every reader has passed.
  void release(node_index node);
  void check_rows(node_index node);
  void check_row(node_index node, slot_index slot);
  /// A reader is told that a peer is complete. All is held, and was shown to that reader, that the
  /// peer had at the heartbeat known when it turned live.
  void check_complete(node_index node, const belief& by, const event_view& seen);
  void check_prefix(node_index node, slot_index slot, std::uint64_t from);
  void check_tables(node_index node);
  void check_own_usage(node_index node);
  /// A node that says that it leaves is shown as left at once.
  void check_leaver(node_index node);
  /// A peer that spoke from an address is sent to there.
  void check_route(node_index node);
  /// No peer is said to hold more of this node than it ever held.
  void check_copies(node_index node);
  /// The byte budget, and the limits of an answer.
  void check_spending(node_index node, const message& sent, std::size_t bytes);
  void check_exchange(node_index node, const message& sent, std::size_t bytes);
  void check_phi(node_index node);
  void check_expiry(node_index node);
  /// By silence alone, and not before its time.
  void check_declared_dead(node_index node, slot_index slot);
  /// A run that ended before a node declared it dead is never live there again, unless its last
  /// signs of life were still on their way.
  void check_revival(node_index node, const std::string& name, std::uint64_t generation,
                     std::chrono::nanoseconds died_at);
  /// A peer that is live from the first is so by the word of a node that holds it live.
  void check_vouched(node_index node, slot_index slot);
  /// The longest time that a datagram is on its way now, late duplicates left out.
  [[nodiscard]] std::chrono::nanoseconds longest_delay() const;
  /// How many nodes of the world bear that name.
  [[nodiscard]] std::size_t count_nodes(const std::string& name) const;
  void check_wire_version(node_index node, const endpoint& to, const message& sent);
  /// The ages of signs of life that a datagram tells of.
  void check_alive_ages(node_index node, const message& sent);
  /// The checksums of the fragments that a datagram carries.
  void check_fragments(node_index node, const message& sent);
  /// The notices that a node must tell of itself.
  void check_notices(node_index node, bool is_timer);

  world& world_;
  bool trusts_content_;
  std::optional<std::chrono::nanoseconds> true_alive_ages_since_;
  std::uint64_t expired_ = 0;
  std::chrono::nanoseconds stopped_at_{};  // a node, last
  std::optional<violation> fault_;
  std::vector<std::unique_ptr<watch>> watches_;  // by node; null while it does not run
  std::vector<bool> is_prompt_;
  std::map<std::string, std::vector<std::unique_ptr<ledger>>> ledgers_;  // by name
};

}  // namespace gossipmonger
