// The checker's memory of one run of one node: its rows as they were, its contacts, its readers of
// events. It sees each write to the node's storage and each word of a peer. Part of the checker.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/belief.hpp"
#include "sim/checker.hpp"
#include "sim/notice_watch.hpp"

namespace gossipmonger {

/// "n1 key @7", for a text about an entry.
[[nodiscard]] std::string quoted(std::string_view peer, std::string_view key,
                                 std::uint64_t version);

/// A resource; the checker outlives it.
class checker::watch : public storage_observer {
 public:
  /// A row as it was after the last step.
  struct replica {
    replica() = default;

    std::uint64_t name_hash = 0;  // 0: none
    std::uint64_t generation = 0;
    std::uint64_t max_version = 0;
    std::uint64_t heartbeat = 0;
    bool has_left = false;
    std::uint64_t seen_step = 0;
    peer_status status = peer_status::introduced;
    std::uint64_t live_heartbeat = 0;    // known when it turned live last
    std::chrono::nanoseconds beat_at{};  // when a new heartbeat came from itself, verified
    std::chrono::nanoseconds died_at{};  // when it was declared dead last
    std::unordered_map<std::string, std::uint64_t> erased;  // version, by key
  };
  struct forgotten {
    forgotten() = default;

    std::uint64_t generation = 0;
    std::uint64_t heartbeat = 0;
    std::chrono::nanoseconds until{};
  };
  /// A cookie that was given to an address.
  struct given_cookie {
    given_cookie() = default;

    std::uint64_t cookie = 0;
    std::chrono::nanoseconds at{};  // last
  };
  /// The traffic with an address.
  struct contact {
    contact() = default;

    /// When that cookie was given to it last; nullopt: not lately, or never.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> find_cookie(std::uint64_t cookie) const {
      for (const given_cookie& one : cookies) {
        if (one.cookie == cookie && cookie != 0) return one.at;
      }
      return std::nullopt;
    }
    void remember_cookie(std::uint64_t cookie, std::chrono::nanoseconds now) {
      for (given_cookie& one : cookies) {
        if (one.cookie == cookie) one.at = now;
      }
      if (cookie == 0 || find_cookie(cookie)) return;
      given_cookie& next = cookies[next_cookie++ % cookies.size()];
      next.cookie = cookie;
      next.at = now;
    }

    std::array<given_cookie, 4> cookies{};  // the latest
    std::size_t next_cookie = 0;
    bool is_verified = false;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_replied = 0;
    std::uint64_t digest_round = 0;
    std::size_t digests = 0;  // in that round, while it was unverified
    // Its wire versions by its latest word, and by the last word that said otherwise.
    std::optional<wire_range> spoken;
    std::optional<wire_range> spoken_before;
    std::chrono::nanoseconds heard_at{};
  };
  /// A peer that spoke, and the address that it spoke from.
  struct speaker {
    speaker() = default;

    slot_index slot = 0;
    std::uint64_t generation = 0;
    endpoint source;
  };
  /// A bucket for the bytes that were sent under a budget. It holds one interval's worth, and the
  /// last datagram may overdraw it.
  struct spending {
    spending() = default;

    std::size_t budget = 0;
    std::chrono::nanoseconds interval{};
    double spent = 0;
    std::chrono::nanoseconds at{};
  };
  /// A cookie is good for so many rounds at least.
  static constexpr int cookie_rounds_min = 64;
  enum class input { command, datagram, timer };

  watch(checker& owner, node_index node) : owner_(owner), node_(node) {}

  void handle_put(slot_index slot, const entry_view& entry) override;
  void handle_drop_upto(slot_index slot, std::uint64_t version) override;
  void handle_forget(slot_index slot) override { row(slot).erased.clear(); }

  [[nodiscard]] const protocol& core() const { return owner_.world_[node_]; }
  [[nodiscard]] replica& row(slot_index slot) {
    if (rows.size() <= slot) rows.resize(slot + 1);
    return rows[slot];
  }
  void report(std::string rule, std::string text) {
    owner_.report(std::move(rule), std::move(text), {node_});
  }

  /// It said something itself, from `source`, under a cookie of mine.
  void handle_word(const message& received, const endpoint& source, contact& from);
  /// Whether that word shows for sure that its sender hears this node.
  [[nodiscard]] bool is_surely_fresh(const message& received) const;

  ledger* own = nullptr;
  input running = input::timer;  // the cause of the step, unless a datagram or a command is
  std::vector<replica> rows;     // by slot
  std::uint64_t step = 0;
  std::map<std::uint64_t, forgotten> unwanted;  // refused peers, by name hash
  std::map<endpoint, contact> contacts;
  storage_usage own_usage;  // after the last step or command
  std::chrono::nanoseconds shortest_round =
      std::chrono::nanoseconds::max() / cookie_rounds_min;  // that this run ever had
  std::optional<slot_index> leaver;  // the sender of the datagram that says so
  std::optional<speaker> heard;      // the sender of the datagram
  spending spent;
  bool had_budget = false;       // so that answers may have waited
  std::size_t answer_bytes = 0;  // since the last step
  std::size_t answer_datagrams = 0;
  std::uint64_t round = 0;  // of the last step
  std::uint64_t unverified_round = 0;
  std::size_t unverified_count = 0;
  std::size_t digests_waiting = 0;  // after the last step or datagram
  std::size_t digests_left = 0;     // of the rounds before, when the present one began
  std::map<std::string, std::chrono::nanoseconds> deadlines;  // of own keys that expire
  std::chrono::nanoseconds excused_until{};     // from expiring: it stood still, or its disk failed
  std::unordered_map<std::string, double> phi;  // by peer, after the last round
  belief reader;                                // reads at once
  notice_watch notices;                         // follows `reader`
  std::unique_ptr<belief> late;                 // reads at `read_events` only

 private:
  void touch(slot_index slot, std::string_view key) {
    reader.touch(slot, key);
    if (late) late->touch(slot, key);
  }
  void handle_own_put(const entry_view& entry);

  checker& owner_;
  node_index node_;
};

}  // namespace gossipmonger
