// Bare protocols that hand each other their messages at once, over a clock that the test moves; and
// a peer whose every word the test chooses. Sizes are the packer's; no codec, no network.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/message.hpp"
#include "core/protocol.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/memory_storage.hpp"

namespace gossipmonger {

/// A message that owns what it points at, with its addresses.
class letter {
 public:
  letter(const message& original, const endpoint& sender, const endpoint& receiver);
  letter(const letter&) = delete;
  letter& operator=(const letter&) = delete;

  message content;
  endpoint from;
  endpoint to;
  std::size_t bytes = 0;

 private:
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }

  std::deque<std::string> texts_;
};

using letters = std::list<letter>;

/// The options that tests change least: an interval of one second without jitter, and one fan-out.
[[nodiscard]] config make_config(std::string_view name);

class small_cluster {
 public:
  struct node {
    node(const config& settings, const endpoint& at, std::uint64_t seed, moment now)
        : address(at), core(settings, storage_ref(entries), at, seed, now) {}

    memory_storage entries;
    endpoint address;
    protocol core;
    bool is_up = true;
  };

  small_cluster() = default;
  small_cluster(const small_cluster&) = delete;
  small_cluster& operator=(const small_cluster&) = delete;

  protocol& add(const config& settings);
  protocol& add(std::string_view name) { return add(make_config(name)); }
  /// A node whose storage takes so many keys of all peers together.
  protocol& add_with_room_for(std::size_t keys, std::string_view name);
  /// A new run of the same name at the same address, empty.
  protocol& restart(std::string_view name);
  void stop(std::string_view name) { find(name).is_up = false; }
  void resume(std::string_view name) { find(name).is_up = true; }
  [[nodiscard]] node& find(std::string_view name);
  [[nodiscard]] protocol& operator[](std::string_view name) { return find(name).core; }

  /// `one` begins an exchange with `other` in the next round, which comes at once.
  void exchange(std::string_view one, std::string_view other);
  /// The next round of one node, when it is due, with all that follows from it.
  void round(std::string_view name);
  /// The next round of one node, when it is due; its datagrams are returned, not handed over.
  letters collect_round(std::string_view name);
  /// Each node that is up runs its rounds as they fall due, for `length`.
  void run_for(std::chrono::nanoseconds length);
  /// Hands over until nobody has anything to say.
  void settle();
  /// The datagrams that `name` has to send, without handing them over.
  [[nodiscard]] letters collect(std::string_view name);
  void deliver(const letter& sent);

  [[nodiscard]] moment now() const { return moment(steady, wall); }

  std::chrono::nanoseconds steady = std::chrono::seconds{100};
  std::chrono::nanoseconds wall = std::chrono::seconds{1'704'067'200};  // 2024-01-01
  /// Sees each datagram; false: it is lost.
  std::function<bool(const letter&)> on_send;
  std::size_t bytes_max_seen = 0;

 private:
  void begin_round(std::string_view name);

  std::vector<std::unique_ptr<node>> nodes_;
};

/// The events above the cursor, as "new_peer b", "update b k=v@3", "removed b k@4"; one a line.
[[nodiscard]] std::string read_events(protocol& from, change_cursor& cursor);

/// A peer that is played by the test.
class puppet {
 public:
  puppet(small_cluster& in, std::string_view node, std::string_view own_name, std::uint8_t host);
  puppet(const puppet&) = delete;
  puppet& operator=(const puppet&) = delete;

  [[nodiscard]] std::uint64_t hash() const;
  [[nodiscard]] identity_view identity() const;
  /// Sends a digest and keeps the cookie of the answer.
  letters verify();
  /// Verifies its address and tells its identity: known at the node from then on.
  void enter();

  /// Begins a message that echoes the node's heartbeat of now; `send` hands it over and returns the
  /// answers.
  message& begin(message_kind kind);
  void add_delta(std::uint64_t after, std::uint64_t upto, const std::vector<entry_view>& entries,
                 std::uint64_t top = 0);
  letters send();

  /// One delta of the puppet's own in a message of its own.
  letters tell(std::uint64_t after, std::uint64_t upto, const std::vector<entry_view>& entries,
               std::uint64_t top = 0);

  std::string name;
  endpoint address;
  std::uint64_t generation = 1'704'067'200'000;
  std::uint64_t heartbeat = 1;
  std::uint64_t cookie = 0;
  message draft;

 private:
  small_cluster& world_;
  std::string node_;
};

/// A suspicion about `who`, in ages of a sixteenth of a round.
[[nodiscard]] suspicion_entry make_suspicion(const puppet& who, std::uint16_t suspicion_age,
                                             std::uint32_t alive_age);
/// Tells it in a digest leg of `teller`, and returns the answers.
letters tell(puppet& teller, const suspicion_entry& suspicion);

[[nodiscard]] entry_view make_entry(std::string_view key, std::string_view value,
                                    std::uint64_t version);
[[nodiscard]] entry_view make_tombstone(std::string_view key, std::uint64_t version);
[[nodiscard]] std::uint64_t hash_of(std::string_view name);
[[nodiscard]] std::uint64_t drops(const protocol& at, drop_reason reason);
/// The value, or "-" where there is none.
[[nodiscard]] std::string value_of(const protocol& at, std::string_view peer, std::string_view key);

}  // namespace gossipmonger
