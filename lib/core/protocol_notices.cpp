// Notices of a node about itself: it is alone, a peer refuses it, a peer's options do not fit its
// own. All of it is information for its users: no state of the protocol follows from it.
#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "gossipmonger/core/protocol.hpp"
#include "planted.hpp"

namespace gossipmonger {

namespace {

using planted::defect;
using planted::is_on;
using std::chrono::nanoseconds;

/// In so many rounds a seed was to be asked while nobody was known.
constexpr std::size_t alone_rounds_max = 16;
constexpr std::size_t seeds_named_max = 4;
/// A peer is named for its interval after so many digests in a row that say so.
constexpr std::uint8_t interval_words_min = 3;
/// While the interval of some node changed so lately, others may follow: nobody is named.
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

}  // namespace

void protocol::handle_foreign(const endpoint& source) {
  drop(drop_reason::cluster);
  const std::uint64_t source_hash = siphash(cluster_key_, source);
  if (!reported_clusters_.try_note(source_hash, clock_.now(), settings_.dead_peer_grace)) return;
  report(
      "the node at " + source.to_string() + " belongs to another cluster than \"" +
      settings_.cluster_name +
      "\", this node's: cluster_name must be equal on all nodes of a cluster, and no seed may be "
      "of another");
}

void protocol::watch_alone(bool has_seed_to_ask) {
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
  if (!has_seed_to_ask || has_left() || is_alone_told_) return;
  if (++alone_rounds_ < alone_rounds_max || is_on(defect::alone_untold)) return;
  is_alone_told_ = true;
  std::vector<std::string> seeds = settings_.seeds;
  if (seeds.empty()) {
    for (const endpoint& one : partners_.seeds()) seeds.push_back(one.to_string());
  }
  report("nobody is known after " + std::to_string(alone_rounds_max) +
         " rounds: no seed answers as a node of cluster \"" + settings_.cluster_name + "\" (" +
         list_of(seeds) +
         "); check that one runs there, its cluster_name, and what filters UDP between");
}

// ----------------------------------------------------------------------------------- refusals

void protocol::handle_refusal(const message& received, const endpoint& source) {
  const auto reason = static_cast<std::size_t>(received.refused);
  if (reason >= refused_at_.size()) return;  // of a later release
  std::optional<nanoseconds>& last = refused_at_[reason];
  const bool goes_on = last && clock_.now() - *last < settings_.dead_peer_grace;
  last = clock_.now();
  if (goes_on) return;
  std::string text(advice_for(received.refused));
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  if (!slot) return report(text + " (it is at " + source.to_string() + ")");
  changes_.notice(event_kind::error, peers_.details(*slot).name, peers_[*slot].generation(),
                  std::move(text));
}

// ---------------------------------------------------------------------------------- intervals

void protocol::watch_interval(const message& received) {
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  if (!slot || peers_[*slot].generation() != received.sender.generation) return;
  if (!received.interval.is_said()) return;
  peer_details& of = peers_.details(*slot);
  if (received.interval != of.interval) {
    if (of.interval.is_said()) interval_moved_ = clock_.now();
    of.interval = received.interval;
    of.interval_words = 0;
  }
  if (of.interval_words < interval_words_min) ++of.interval_words;
  const interval_code mine(settings_.gossip_interval);
  if (!of.interval.is_far_from(mine)) of.is_interval_told = false;
  if (!of.interval.is_far_from(mine) || of.is_interval_told) return;
  const bool is_moving = interval_moved_ && clock_.now() - *interval_moved_ < interval_move_time;
  if (is_moving || of.interval_words < interval_words_min || is_on(defect::interval_untold)) return;
  if (!reported_intervals_.try_note(received.sender.name_hash, clock_.now(),
                                    settings_.dead_peer_grace)) {
    return;
  }
  of.is_interval_told = true;
  changes_.notice(event_kind::error, of.name, peers_[*slot].generation(),
                  "this peer gossips about every " + std::to_string(of.interval.length().count()) +
                      " ms, this node every " + std::to_string(settings_.gossip_interval.count()) +
                      " ms: gossip_interval must be equal on all nodes");
}

}  // namespace gossipmonger
