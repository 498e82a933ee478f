// Shared by the tests over the simulated world: a cluster built in one line, rounds of one second.
// Helpers read the entries that a node holds, and count the events that it raised. Test code only.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sim/world.hpp"

namespace gossipmonger {

/// The name of node `number` of a cluster.
[[nodiscard]] inline std::string name_of(std::size_t number) {
  return "n" + std::to_string(number);
}

/// The default options, hence rounds of 1 s.
[[nodiscard]] inline config named(std::string name) {
  config settings;
  settings.name = std::move(name);
  return settings;
}

/// `count` nodes with the options of `common` (its name is not used); all know the first one.
inline void add_cluster(world& where, std::size_t count, const config& common = config()) {
  for (std::size_t node = 0; node < count; ++node) {
    config settings = common;
    settings.name = name_of(node);
    where.add(settings, node == 0 ? std::nullopt : std::optional<std::size_t>(0));
  }
}

/// The value that `node` holds, or "(none)".
[[nodiscard]] inline std::string value_at(const world& where, std::size_t node,
                                          std::string_view peer, std::string_view key) {
  const std::optional<entry_view> entry = where[node].get(peer, key);
  return entry ? std::string(entry->value) : "(none)";
}

/// How many live keys of `peer` the node holds.
[[nodiscard]] inline std::size_t count_keys(const world& where, std::size_t node,
                                            std::string_view peer) {
  std::size_t count = 0;
  std::uint64_t from = 0;
  while (const std::optional<entry_view> entry = where[node].first_above(peer, from)) {
    from = entry->version;
    ++count;
  }
  return count;
}

/// The status of `peer` at `node`; nothing where it knows no such peer.
[[nodiscard]] inline std::optional<peer_status> status_at(const world& where, std::size_t node,
                                                          std::string_view peer) {
  const std::optional<member> seen = where[node].find_member(peer, where.now(node));
  if (!seen) return std::nullopt;
  return seen->status;
}

/// Whether every running node but `peer` itself holds it for that.
[[nodiscard]] inline bool all_see(const world& where, std::string_view peer, peer_status status) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (!where.is_running(node) || where[node].name() == peer) continue;
    if (status_at(where, node, peer) != status) return false;
  }
  return true;
}

/// Whether the digests of every running node tell sums, by the default options.
[[nodiscard]] inline bool all_tell_sums(const world& where) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (!where.is_running(node)) continue;
    const config& settings = where[node].settings();
    if (settings.sums_peers_min != config().sums_peers_min) return false;
    if (settings.suspicion_rounds == 0) return false;
    if (where[node].peers().size() < settings.sums_peers_min) return false;
  }
  return true;
}

/// Whether every running node holds that value.
[[nodiscard]] inline bool all_hold(const world& where, std::string_view peer, std::string_view key,
                                   std::string_view value) {
  for (std::size_t node = 0; node < where.size(); ++node) {
    if (where.is_running(node) && value_at(where, node, peer, key) != value) return false;
  }
  return true;
}

/// The events that one node raised, from what it knew when this began.
class event_log {
 public:
  event_log(world& where, std::size_t node) : node_(node) { read(where); }

  /// Reads what there is; call again after the node restarted only with a fresh log.
  void read(world& where) {
    while (const std::optional<event_view> seen = where[node_].poll_event(cursor_)) {
      ++counts_[seen->kind];
      // It comes when the two have met, which differs from peer to peer.
      if (seen->kind == event_kind::peer_complete) continue;
      if (!text_.empty()) text_ += "; ";
      text_ += std::string(to_string(seen->kind)) + " " + std::string(seen->peer);
      if (!seen->key.empty()) text_ += " " + std::string(seen->key);
      if (seen->kind == event_kind::update) text_ += "=" + std::string(seen->value);
    }
    where[node_].release_changes(cursor_.sequence);
  }

  [[nodiscard]] std::size_t count(event_kind kind) const {
    const auto place = counts_.find(kind);
    return place == counts_.end() ? 0 : place->second;
  }
  /// "peer_live n1; update n1 key=value", in the order of delivery; without peer_complete.
  [[nodiscard]] const std::string& text() const { return text_; }
  void clear() {
    counts_.clear();
    text_.clear();
  }

 private:
  std::size_t node_;
  change_cursor cursor_;
  std::map<event_kind, std::size_t> counts_;
  std::string text_;
};

}  // namespace gossipmonger
