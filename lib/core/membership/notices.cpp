#include "core/membership/notices.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// A node is alone that was to ask a seed in so many rounds, and knows no peer.
constexpr std::size_t alone_rounds_max = 16;
constexpr std::size_t seeds_named_max = 4;
/// A peer is named for its interval after so many digests in a row that say so.
constexpr std::uint8_t interval_words_min = 3;
/// While the interval of some node changed so lately, others may follow: no peer is named.
constexpr std::chrono::minutes interval_move_time{5};

/// The first of them, and how many more there are.
std::string list_of(const std::vector<std::string>& seeds) {
  std::string list;
  for (std::size_t i = 0; i < std::min(seeds.size(), seeds_named_max); ++i) {
    list += (i == 0 ? "" : ", ") + seeds[i];
  }
  if (seeds.size() > seeds_named_max) {
    list += " and " + std::to_string(seeds.size() - seeds_named_max) + " more";
  }
  return list;
}

std::string_view advice_for(refusal reason) {
  switch (reason) {
    case refusal::far_future:
      return "this peer refuses this node, whose generation is more than a day ahead of that "
             "peer's "
             "clock: set the clock that is wrong, and restart this node if it was its own";
    case refusal::no_room:
      return "this peer has no room for this node: raise peers_max there";
    case refusal::capacity:
      return "this peer takes nothing further of this node, whose entries exceed what it allows: "
             "erase some, or raise keys_per_peer_max, bytes_per_peer_max or value_bytes_max there";
    case refusal::storage:
      return "the storage of this peer refuses entries of this node: see the events of that peer";
    case refusal::none:
      break;
  }
  return {};
}

std::string text_of(const wire_range& range) {
  return std::to_string(range.lowest) + " to " + std::to_string(range.highest);
}

}  // namespace

void notices::report(std::string text) {
  changes_.notice(event_kind::error, {}, 0, std::move(text));
}

void notices::report_once(event_kind kind, const identity_view& who, std::uint64_t subject,
                          std::string text, nanoseconds now) {
  if (!reported_names_.try_note(subject, now, settings_.dead_peer_grace)) return;
  changes_.notice(kind, who.name, who.generation, std::move(text));
}

void notices::report_once(const identity_view& who, const endpoint& about, std::string text,
                          nanoseconds now) {
  report_once(event_kind::error, who, siphash(cluster_key_, about), std::move(text), now);
}

void notices::handle_foreign(const endpoint& source, nanoseconds now) {
  const std::uint64_t source_hash = siphash(cluster_key_, source);
  if (!reported_clusters_.try_note(source_hash, now, settings_.dead_peer_grace)) return;
  report(
      "the node at " + source.to_string() + " belongs to another cluster than \"" +
      settings_.cluster_name +
      "\", this node's: cluster_name must be equal on all nodes of a cluster, and no seed may be "
      "of another");
}

void notices::handle_unreadable(const wire_range& theirs, const wire_range& mine,
                                const endpoint& source, nanoseconds now) {
  // A sender that speaks one of this node's versions does not know that yet.
  if (common_wire_version(theirs, mine) != 0) return;
  const std::uint64_t subject = siphash(cluster_key_, source);
  if (!reported_names_.may_note(subject, now, settings_.dead_peer_grace)) return;
  identity_view who;
  for (const peer_view one : peers_.by_hash()) {
    const peer_details& of = peers_.details(one.slot());
    if (of.way() != source) continue;
    who.name = of.name;
    who.generation = one.generation();
  }
  report_once(who, source,
              "the node at " + source.to_string() + " speaks wire versions " + text_of(theirs) +
                  ", this one " + text_of(mine) + ": neither can read the other",
              now);
}

void notices::handle_refusal(refusal reason, std::uint64_t name_hash, const endpoint& source,
                             nanoseconds now) {
  const auto number = static_cast<std::size_t>(reason);
  if (number >= refused_at_.size()) return;  // of a later release
  std::optional<nanoseconds>& last = refused_at_[number];
  const bool goes_on = last && now - *last < settings_.dead_peer_grace;
  last = now;
  if (goes_on) return;
  std::string text(advice_for(reason));
  const std::optional<slot_index> slot = peers_.find(name_hash);
  if (!slot) return report(text + " (it is at " + source.to_string() + ")");
  changes_.notice(event_kind::error, peers_.details(*slot).name, peers_[*slot].generation(),
                  std::move(text));
}

notices::interval_watch& notices::watch_of(slot_index slot) {
  if (slot >= intervals_.size()) intervals_.resize(slot + std::size_t{1});
  return intervals_[slot];
}

void notices::handle_interval(slot_index slot, interval_code theirs, nanoseconds now) {
  if (!theirs.is_said()) return;
  peer_details& of = peers_.details(slot);
  interval_watch& watch = watch_of(slot);
  if (theirs != of.interval) {
    if (of.interval.is_said()) interval_moved_ = now;
    of.interval = theirs;
    watch.words = 0;
  }
  if (watch.words < interval_words_min) ++watch.words;
  const interval_code mine(settings_.gossip_interval);
  if (!theirs.is_far_from(mine)) watch.is_told = false;
  if (!theirs.is_far_from(mine) || watch.is_told) return;
  const bool is_moving = interval_moved_ && now - *interval_moved_ < interval_move_time;
  if (is_moving || watch.words < interval_words_min) return;
  const peer_view row = peers_[slot];
  if (!reported_intervals_.try_note(row.name_hash(), now, settings_.dead_peer_grace)) return;
  watch.is_told = true;
  changes_.notice(event_kind::error, of.name, row.generation(),
                  "this peer gossips about every " + std::to_string(theirs.length().count()) +
                      " ms, this node every " + std::to_string(settings_.gossip_interval.count()) +
                      " ms: gossip_interval must be equal on all nodes");
}

void notices::watch_alone(bool has_seed_to_ask, std::span<const endpoint> seeds) {
  if (peers_.size() > 0) {
    alone_rounds_ = 0;
    if (!std::exchange(is_alone_told_, false)) return;
    const auto rows = peers_.by_hash();
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [](peer_view one) { return one.slot() != self_slot; });
    changes_.notice(event_kind::error, peers_.details((*found).slot()).name, (*found).generation(),
                    "this node is alone no more: this peer is known");
    return;
  }
  if (!has_seed_to_ask || is_alone_told_) return;
  if (++alone_rounds_ < alone_rounds_max) return;
  is_alone_told_ = true;
  std::vector<std::string> named = settings_.seeds;
  if (named.empty()) {
    for (const endpoint& one : seeds) named.push_back(one.to_string());
  }
  report("nobody is known after " + std::to_string(alone_rounds_max) +
         " rounds: no seed answers as a node of cluster \"" + settings_.cluster_name + "\" (" +
         list_of(named) +
         "); check that one runs there, its cluster_name, and what filters UDP between");
}

void notices::forget(slot_index slot) {
  if (slot < intervals_.size()) intervals_[slot] = interval_watch();
}

}  // namespace gossipmonger
