#include "core/exchange/planner.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <ranges>
#include <span>
#include <utility>

#include "core/exchange/row_sums.hpp"
#include "core/membership/news_rounds.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t hash_max = std::numeric_limits<std::uint64_t>::max();
// The least that an identity takes in a datagram.
constexpr std::size_t identity_bytes_min = 64;
// An exchange window is not made smaller than this. It grows by a step after each leg that came
// whole.
constexpr std::size_t window_datagrams_min = 32;
constexpr std::size_t window_datagrams_step = 8;
// A reader that asks for more tells its losses once an answer: they count once in so long a part of
// an interval.
constexpr int asked_part = 8;

// Room beside a count of versions for an offset in a value.
constexpr unsigned offset_bits = 24;
constexpr std::uint64_t lacking_max = std::uint64_t{1} << 32U;
static_assert(offset_max < std::uint64_t{1} << offset_bits);

const packed_entry* find_sorted(std::span<const packed_entry> list, std::uint64_t name_hash) {
  const auto place = std::lower_bound(
      list.begin(), list.end(), name_hash,
      [](const packed_entry& one, std::uint64_t hash) { return one.name_hash < hash; });
  return place == list.end() || place->name_hash != name_hash ? nullptr : &*place;
}

/// Whether the sender of `theirs` refuses this incarnation.
bool is_refused(const digest& theirs, peer_view row) {
  const packed_entry* refused = find_sorted(theirs.unwanted, row.name_hash());
  if (refused == nullptr || std::pair(row.generation(), row.heartbeat()) >
                                std::pair(refused->generation(), refused->heartbeat())) {
    return false;
  }
  // A later run beside the one that it holds: that generation alone is refused.
  const packed_entry* held = find_sorted(theirs.range, row.name_hash());
  const bool is_beside = held != nullptr && held->generation() < refused->generation();
  return !is_beside || row.generation() == refused->generation();
}

}  // namespace

planner::planner(exchange_tables& shared)
    : shared_(shared),
      settings_(shared.settings),
      peers_(shared.peers),
      unwanted_(shared.unwanted) {
  begin(self_slot);
}

bool planner::refuses(const digest_entry& theirs, nanoseconds now, const answer_leg& out) {
  // Of a name, one run is remembered as too far ahead. Others that are too are no news either.
  const std::optional<unwanted_peer> found = unwanted_.find(theirs.name_hash);
  const bool is_early = found && found->kind == unwanted_kind::early;
  const bool is_as_early = is_early && theirs.generation > shared_.generation_limit;
  const std::uint64_t generation = is_as_early ? found->generation : theirs.generation;
  if (out.is_unverified) {
    return unwanted_.refuses(theirs.name_hash, generation, theirs.heartbeat);
  }
  return unwanted_.refuses_told(theirs.name_hash, generation, theirs.heartbeat,
                                now + settings_.dead_peer_grace);
}

void planner::request_unknown(const digest_entry& theirs, nanoseconds now, answer_leg& out) {
  if (refuses(theirs, now, out)) return;
  if (shared_.is_unroutable(theirs.name_hash, theirs.generation, out.to)) return;
  digest_entry request;
  request.name_hash = theirs.name_hash;
  out.requests.push_back(request);
}

void planner::compare_request(const digest_entry& theirs, nanoseconds now, answer_leg& out) {
  if (const std::optional<slot_index> slot = peers_.find(theirs.name_hash)) {
    compare_entry(theirs, *slot, now, out, nullptr);
  }
}

void planner::compare_entry(const digest_entry& theirs, slot_index slot, nanoseconds now,
                            answer_leg& out, const digest* in) {
  const peer_view mine = peers_[slot];
  // A peer that digests no longer tell of comes back by a higher generation.
  if (!shared_.is_advertised(mine, now) && theirs.generation <= mine.generation()) return;
  // No node takes entries of itself. Each leg's frame says which run of the receiver I hold.
  const bool is_of_remote = mine.name_hash() == out.remote_hash;
  if (theirs.generation < mine.generation()) {
    if (is_of_remote || (in != nullptr && is_refused(*in, mine))) return;
    out.identities.push_back(slot);
    owe(slot, 0, now, out);
    return;
  }
  const bool may_request = in != nullptr && slot != self_slot;
  if (theirs.generation > mine.generation() || theirs.max_version > mine.max_version()) {
    const bool is_refused_here = theirs.generation > mine.generation() && refuses(theirs, now, out);
    // Another sender was asked for what is lacking, and brings it.
    const bool is_brought = theirs.generation == mine.generation() && shared_.is_brought(slot);
    if (may_request && !is_refused_here && !is_brought) out.requests.push_back(mine.entry());
    return;
  }
  if (theirs.max_version < mine.max_version()) {
    const bool is_owed = !is_of_remote && (in == nullptr || !is_refused(*in, mine));
    if (is_owed) owe(slot, theirs.max_version, now, out);
  } else if (out.has_flights) {
    const flight_answer seen =
        shared_.flights.handle_held(out.remote_hash, mine.name_hash(), mine.generation(),
                                    theirs.max_version, out.seen_heartbeat, now);
    adapt_window(out.remote_hash, seen, now, settings_.gossip_interval);
  }
  if (may_request &&
      (theirs.heartbeat < mine.heartbeat() || (mine.has_left() && !theirs.has_left))) {
    out.heartbeats.push_back(slot);
  }
}

void planner::owe(slot_index slot, std::uint64_t after, nanoseconds now, answer_leg& out) {
  const peer_view row = peers_[slot];
  std::optional<position> part = part_held(row, after, out);
  if (part && part->version == brought_version) return;
  if (part && part->version > row.max_version()) {
    // The owner wrote that value when all before it was as it is there, so older news help nobody.
    // But if I am the owner, I know that I never wrote it: I go on as ever.
    if (slot != self_slot) return;
    part.reset();
  }
  const lost_parts lost = part ? lost_parts(after) : owe_lost(slot, after, out);
  const flight_place held(lost.upto, part.value_or(position()));
  flight_answer seen;
  seen.after = held.after;
  seen.part = held.part;
  if (!out.is_unverified && !shared_.flights.is_empty()) {
    seen = shared_.flights.handle_held(out.remote_hash, row.name_hash(), row.generation(), held,
                                       out.seen_heartbeat, now);
    seen.was_lost = seen.was_lost || lost.has_any;
    seen.has_arrived = seen.has_arrived && !lost.has_any;
    adapt_window(out.remote_hash, seen, now,
                 lost.has_any ? settings_.gossip_interval / asked_part : settings_.gossip_interval);
    counted_.entries_spared += seen.after - lost.upto;
  }
  if (seen.after >= row.max_version()) return;
  owed_delta& owed = out.owed.emplace_back(slot, row.generation(), seen.after);
  owed.part = seen.part;
  // Among remotes that lack as many versions, the one with most of the next value is whole first.
  const std::uint64_t versions = std::min(row.max_version() - seen.after, lacking_max);
  out.lacking += (versions << offset_bits) - std::min(seen.part.offset, offset_max);
}

planner::lost_parts planner::owe_lost(slot_index slot, std::uint64_t after, answer_leg& out) {
  lost_parts lost(after);
  if (out.spared == nullptr || out.spared->empty()) return lost;
  const peer_view row = peers_[slot];
  for (const spared_interval& one : *out.spared) {
    if (one.name_hash != row.name_hash() || one.upto <= lost.upto) continue;
    if (one.after > lost.upto && lost.upto < row.max_version()) {
      lost.has_any = true;
      owed_delta& owed = out.owed.emplace_back(slot, row.generation(), lost.upto);
      owed.upto = one.after;
      out.lacking += std::min(one.after - lost.upto, lacking_max) << offset_bits;
    }
    lost.upto = one.upto;
  }
  if (lost.has_any && lost.upto >= row.max_version()) out.is_held_back = true;
  return lost;
}

std::optional<position> planner::part_held(peer_view row, std::uint64_t after,
                                           const answer_leg& leg) {
  if (leg.partials == nullptr || leg.partials->empty()) return std::nullopt;
  const auto told = std::lower_bound(
      leg.partials->begin(), leg.partials->end(), row.name_hash(),
      [](const partial_entry& one, std::uint64_t hash) { return one.name_hash < hash; });
  if (told == leg.partials->end() || told->name_hash != row.name_hash()) return std::nullopt;
  if (told->generation != row.generation() || told->version <= after) return std::nullopt;
  return position(told->version, told->offset);
}

// ------------------------------------------------------------------------------------ windows

void planner::adapt_window(std::uint64_t remote_hash, const flight_answer& seen, nanoseconds now,
                           nanoseconds pause) {
  if (!seen.was_lost && !seen.has_arrived) return;
  const std::optional<slot_index> slot = peers_.find(remote_hash);
  if (!slot) return;
  window& of = windows_[*slot];
  const std::size_t most = settings_.exchange_datagrams_max;
  const std::size_t held = of.datagrams == 0 ? most : of.datagrams;
  if (seen.was_lost && now - of.changed >= pause) {
    of.datagrams = std::min(most, std::max(held / 2, window_datagrams_min));
    of.changed = now;
    ++counted_.windows_halved;
  } else if (seen.has_arrived && of.datagrams != 0) {
    const std::size_t larger = held + window_datagrams_step;
    of.datagrams = larger >= most ? 0 : larger;
  }
}

void planner::limit_window(answer_leg& out) const {
  if (out.is_unverified) return;
  const std::optional<slot_index> slot = peers_.find(out.remote_hash);
  if (!slot || windows_[*slot].datagrams == 0) return;
  out.datagrams_left = std::min(out.datagrams_left, windows_[*slot].datagrams);
}

bool planner::is_wanted(const digest& theirs, peer_view row, const answer_leg& out) const {
  if (row.name_hash() == out.remote_hash || has_entry(theirs.extra, row.name_hash())) return false;
  return !is_refused(theirs, row);
}

void planner::compare(const digest& theirs, const digest_comparison& seen,
                      std::uint64_t sender_hash, nanoseconds now, answer_leg& out) {
  out.remote_hash = sender_hash;
  out.has_flights = !out.is_unverified && has_flights(sender_hash);
  assert(seen.range.is_thorough() || !out.has_flights);
  const auto compare_all = [&](std::span<const packed_entry> entries, const comparison& of) {
    for (const located_entry& at : of.others()) {
      if (at.slot == no_slot) {
        request_unknown(entries[at.index], now, out);
      } else {
        compare_entry(entries[at.index], at.slot, now, out, &theirs);
      }
    }
    // If a heartbeat alone is higher there, no side owes anything.
    const auto slot_at = [this](row_place place) { return peers_.at(place).slot(); };
    const auto slots = std::views::transform(of.behind(), slot_at);
    out.heartbeats.insert(out.heartbeats.end(), slots.begin(), slots.end());
  };
  compare_all(theirs.range, seen.range);
  compare_all(theirs.extra, seen.extra);
  if (theirs.has_claim()) compare_absent(theirs, seen.range, now, out);
  // Its root told some heartbeats, and the next ones tell others.
  if (theirs.buckets) {
    std::erase_if(out.heartbeats, [this](slot_index slot) { return !peers_[slot].has_left(); });
  }
}

unsigned planner::choose_sum_bits(std::size_t bytes_max) const {
  constexpr std::size_t many_changed = 64;
  constexpr std::uint64_t changed_rounds = 8;
  constexpr std::size_t part_bytes = 1000;  // of a datagram with one part
  const auto nodes = static_cast<unsigned>(std::bit_width(peers_.entries().size()));
  const std::size_t changed = shared_.peers.latest(many_changed, changed_rounds).size();
  unsigned bits = std::max(static_cast<unsigned>(std::bit_width(changed)), nodes / 2);
  // Where many rows change, few of them are to share a bucket.
  if (changed == many_changed) bits = std::max(bits, nodes - std::min(nodes, 2U));
  bits = std::clamp(bits, sum_bits_min, sum_bits_max);
  while (bits > sum_bits_min && sum_parts(bits) > 1 && sum_parts(bits) * part_bytes > bytes_max) {
    --bits;
  }
  return bits;
}

void planner::answer_root(const digest& theirs, nanoseconds now, answer_leg& out) {
  const std::size_t nodes = peers_.entries().size();
  if (!shared_.tells_sums() || 2 * nodes < theirs.root->nodes) {
    out.of_root = out.of_root | root_answer::wants_rows;
    return;
  }
  sum_rows(shared_, now, {theirs.extra.begin(), theirs.extra.end()}, 0, sums_);
  if (sums_.front().parts == theirs.root->parts) return;
  out.sum_bits = choose_sum_bits(out.bytes_left);
  for (const slot_index slot : shared_.peers.latest(latest_rows_max(nodes), news_rounds(nodes))) {
    const peer_view row = peers_[slot];
    const bool is_named = has_entry(theirs.extra, row.name_hash());
    if (is_named || shared_.is_brought(slot) || !shared_.is_advertised(row, now)) continue;
    if (unwanted_.find(row.name_hash())) continue;  // a later run would be sent in answer
    out.requests.push_back(row.entry());
  }
}

bucket_set planner::compare_root(const message& received, nanoseconds now, answer_leg& out) {
  static const digest none;
  for (const packed_entry& named : received.requests) {
    if (const std::optional<slot_index> slot = peers_.find(named.name_hash)) {
      compare_entry(named, *slot, now, out, &none);
    } else if (named.generation() != 0) {
      request_unknown(named, now, out);
    }
  }
  if (received.sums.empty()) return {};
  std::vector<packed_entry> named(received.requests.begin(), received.requests.end());
  named.emplace_back(received.sender);
  // Entries on their way in further datagrams make sums differ, and need no request.
  std::vector<std::uint64_t> on_their_way;
  for (const delta_view& delta : received.deltas) {
    if (delta.upto.version < delta.top) on_their_way.push_back(delta.name_hash);
  }
  sum_difference seen = compare_sums(shared_, now, received, named, on_their_way);
  for (const decoded_row& one : seen.rows) {
    const peer_view mine = peers_[one.slot];
    if (one.version < mine.max_version()) {
      if (mine.name_hash() != out.remote_hash) owe(one.slot, one.version, now, out);
    } else if (one.slot != self_slot && !shared_.is_brought(one.slot)) {
      out.requests.push_back(mine.entry());
    }
  }
  return seen.rest;
}

void planner::compare_absent(const digest& theirs, const comparison& seen, nanoseconds now,
                             answer_leg& out) {
  const std::span<const packed_entry> rows = peers_.entries();
  const std::size_t first = peers_.lower_bound(theirs.lo);
  const std::size_t end = theirs.hi == hash_max ? rows.size() : peers_.lower_bound(theirs.hi + 1);
  // All of them stand there.
  if (!theirs.buckets && end - first == theirs.range.size() - seen.unknown()) return;

  // Both sides ascend by hash.
  std::size_t claimed = 0;
  for (std::size_t i = first; i < end; ++i) {
    while (claimed < theirs.range.size() && theirs.range[claimed].name_hash < rows[i].name_hash) {
      ++claimed;
    }
    if (claimed < theirs.range.size() && theirs.range[claimed].name_hash == rows[i].name_hash) {
      continue;
    }
    if (!theirs.claims(rows[i].name_hash)) continue;
    const peer_view row = peers_.at(i);
    if (!shared_.is_advertised(row, now) || !is_wanted(theirs, row, out)) continue;
    // Nothing is planned beyond the budget, so an empty digest from an unverified address costs
    // little.
    if (out.identities.size() > out.bytes_left / identity_bytes_min) return;
    out.identities.push_back(row.slot());
    owe(row.slot(), 0, now, out);
  }
}

void planner::shuffle(answer_leg& out, random_source& draws) const {
  // My own identity goes first: without it a joiner cannot attribute anything to me.
  const auto own = std::find(out.identities.begin(), out.identities.end(), self_slot);
  if (own != out.identities.end()) std::iter_swap(out.identities.begin(), own);
  if (out.owed.empty()) return;
  const auto first = static_cast<std::ptrdiff_t>(draws.below(out.owed.size()));
  std::rotate(out.owed.begin(), out.owed.begin() + first, out.owed.end());
  out.turn = 0;
}

}  // namespace gossipmonger
