// The exchange of a node that answers one remote, and applies the deltas that the test hands it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/local/change_reader.hpp"
#include "exchange_fixture.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

inline void sort_by_hash(entry_list& list) {
  std::vector<packed_entry>& own = list.own();
  std::sort(own.begin(), own.end(), [](const packed_entry& one, const packed_entry& other) {
    return one.name_hash < other.name_hash;
  });
}

/// A digest that claims every hash.
[[nodiscard]] inline digest claiming(const std::vector<digest_entry>& range) {
  digest told;
  told.lo = 0;
  told.hi = ~std::uint64_t{0};
  for (const digest_entry& one : range) told.range.push_back(one);
  sort_by_hash(told.range);
  return told;
}

/// A digest that claims nothing, and names these.
[[nodiscard]] inline digest naming(const std::vector<digest_entry>& extra) {
  digest told;
  for (const digest_entry& one : extra) told.extra.push_back(one);
  sort_by_hash(told.extra);
  return told;
}

/// The exchange of a node "a" with owners whose deltas it applied, and a remote "b" that asks it.
class answering : public exchange_fixture {
 public:
  explicit answering(const config& of_node = make_config("a")) : exchange_fixture(5000, of_node) {
    static_cast<void>(add("b", 0));
  }

  // What comes.

  /// The owner's keys are "key 1", "key 2" … at each version.
  slot_index add_owner(std::string_view name, std::uint64_t keys, std::size_t value_bytes) {
    const slot_index slot = add(name, 0);
    const std::string value(value_bytes, 'v');
    for (std::uint64_t version = 1; version <= keys; ++version) {
      const std::string key = "key " + std::to_string(version);
      apply(slot, version - 1, version, {make_entry(key, value, version)});
    }
    REQUIRE(peers[slot].max_version() == keys);
    return slot;
  }
  /// One delta of that owner comes.
  void apply(slot_index owner, std::uint64_t after, std::uint64_t upto,
             const std::vector<entry_view>& written, std::uint64_t top = 0) {
    message from;
    delta_view delta;
    delta.name_hash = peers[owner].name_hash();
    delta.generation = peers[owner].generation();
    delta.after = position(after);
    delta.upto = position(upto);
    delta.top = std::max(top, upto);
    delta.entry_count = written.size();
    from.entries = written;
    machines.deltas.apply(from, delta);
  }
  /// All deltas of an answer come.
  void apply(const letters& answer) {
    for (const letter& one : answer) {
      for (const delta_view& delta : one.content.deltas) {
        machines.deltas.apply(one.content, delta);
      }
    }
  }

  // What goes.
  /// The plan of the answer to a digest of "b", which holds these parts of values.
  answer_leg plan(const digest& theirs, const std::vector<partial_entry>& partials = {}) {
    answer_leg leg;
    limit(leg);
    leg.partials = &partials;
    digest_comparison seen;
    const bool is_thorough = machines.plans.has_flights(hash_of("b"));
    peers.compare(theirs.range, is_thorough, seen.range);
    peers.compare(theirs.extra, is_thorough, seen.extra);
    machines.plans.compare(theirs, seen, hash_of("b"), now, leg);
    leg.partials = nullptr;
    machines.plans.limit_window(leg);
    machines.plans.shuffle(leg, draws);
    return leg;
  }
  letters ask(const digest& theirs, const std::vector<partial_entry>& partials = {}) {
    answer_leg leg = plan(theirs, partials);
    return fill(leg);
  }
  /// The answer to requests of "b".
  letters request(const std::vector<digest_entry>& wanted,
                  const std::vector<partial_entry>& partials = {}) {
    answer_leg leg;
    leg.kind = message_kind::deltas;
    leg.is_first = false;
    limit(leg);
    leg.partials = &partials;
    for (const digest_entry& one : wanted) machines.plans.compare_request(one, now, leg);
    leg.partials = nullptr;
    machines.plans.shuffle(leg, draws);
    return fill(leg);
  }
  /// Datagrams until nothing is left, or `count` at most.
  letters fill(answer_leg& leg, std::size_t count = ~std::size_t{0}) {
    letters sent;
    message out;
    while (sent.size() < count && machines.answers.fill(leg, out, now)) {
      sent.emplace_back(out, endpoint(), endpoint());
    }
    return sent;
  }
  /// A round is over, and "b" has seen its heartbeat: what it lacks then was lost.
  void beat() {
    now += std::chrono::seconds{1};
    peers.self().set_heartbeat(peers.self().heartbeat() + 1);
    machines.begin_round(++round);
  }

  /// The entry of "b" for each peer here, with nothing held.
  [[nodiscard]] std::vector<digest_entry> all_known() const {
    std::vector<digest_entry> known;
    for (const peer_view one : peers.by_hash()) {
      known.push_back(one.entry());
      known.back().max_version = 0;
    }
    return known;
  }
  [[nodiscard]] std::string events(change_cursor& cursor) {
    std::string lines;
    const change_reader reader(changes, storage_ref(entries), peers);
    while (const std::optional<event_view> seen = reader.poll(cursor)) {
      lines += std::string(to_string(seen->kind)) + " " + std::string(seen->key);
      if (seen->kind == event_kind::update) lines += "=" + std::string(seen->value);
      lines += "@" + std::to_string(seen->version) + "\n";
    }
    return lines;
  }
  [[nodiscard]] bool holds(slot_index slot, std::string_view key) const {
    return entries.find(slot, key).has_value();
  }

  std::chrono::nanoseconds now{};
  std::uint64_t round = 0;
  random_source draws{1};

 private:
  /// As the conductor limits an answer to a verified peer.
  void limit(answer_leg& leg) const {
    leg.remote_hash = hash_of("b");
    leg.seen_heartbeat = peers.self().heartbeat();
    leg.bytes_left = settings.exchange_bytes_max;
    leg.datagrams_left = settings.exchange_datagrams_max;
  }
};

}  // namespace gossipmonger
