#include "core/membership/partners.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// A node that leaves has few rounds left: it tells so many peers in each, until they know.
constexpr std::size_t leaving_fanout = 16;
/// So many seeds are looked at in a round while nobody is live.
constexpr std::size_t seed_tries_max = 256;

}  // namespace

// ------------------------------------------------------------------------------ the addresses

void partners::set_seeds(const std::vector<endpoint>& seeds) {
  const std::vector<known_seed> before = std::exchange(seeds_, {});
  for (const endpoint& address : seeds) {
    const auto known = std::find_if(before.begin(), before.end(),
                                    [&](const known_seed& one) { return one.at == address; });
    seeds_.push_back(known == before.end() ? known_seed(address) : *known);
  }
}

std::vector<endpoint> partners::seeds() const {
  std::vector<endpoint> all;
  all.reserve(seeds_.size());
  for (const known_seed& one : seeds_) all.push_back(one.at);
  return all;
}

void partners::handle_reflection(const endpoint& source) {
  for (known_seed& one : seeds_) one.is_mine = one.is_mine || one.at == source;
}

void partners::join(const endpoint& address) {
  if (joining_.size() < joining_max) joining_.push_back(address);
}

bool partners::is_partner(const endpoint& to) const {
  const endpoint& mine = peers_.details(self_slot).address;
  const bool is_mine = to.port == mine.port && to.has_address_of(mine);
  if (is_mine || !to.is_routable()) return false;
  const auto is_at = [&to](const known_seed& one) { return one.at == to; };
  return !settings_.is_observer || std::ranges::any_of(seeds_, is_at);
}

// ---------------------------------------------------------------------------------- the round

void partners::begin_round(const partner_round& round) {
  round_ = choice(round);
  round_.starts_left = std::max(settings_.fanout, std::min(leaving_fanout, round.lacking_leave));
}

std::optional<partner> partners::poll_partner(member_rings& rings, random_source& draws,
                                              const std::function<bool(slot_index)>& is_holding) {
  std::optional<partner> chosen;
  if (round_.at == stage::members) {
    chosen = next_member(rings, draws, is_holding);
    if (!chosen) round_.at = stage::dead;
  }
  if (round_.at == stage::dead) {
    round_.at = stage::seeds;
    chosen = draw_dead(rings, draws);
  }
  if (!chosen && round_.at == stage::seeds) {
    round_.at = stage::joins;
    begin_seeds(rings.live.size(), draws);
    if (round_.is_seed_wanted && round_.at == stage::joins) chosen = draw_seed(draws);
  }
  if (!chosen && round_.at == stage::seed_turns) {
    chosen = next_seed_turn();
    if (!chosen) round_.at = stage::joins;
  }
  if (!chosen) chosen = next_joined();
  if (chosen) round_.asked = chosen->reason;
  return chosen;
}

void partners::handle_started(start_outcome outcome) {
  const bool is_started = outcome == start_outcome::started;
  switch (round_.asked) {
    case partner::why::member:
      if (!is_started) return;
      --round_.starts_left;
      round_.walk.reset();
      return;
    case partner::why::dead:
      return;
    case partner::why::seed:
      if (is_started && round_.at == stage::seed_turns) --round_.seed_starts_left;
      return;
    case partner::why::joined:
      // An address for which this round has no room is asked in one of the next.
      if (outcome == start_outcome::refused) {
        ++round_.join_place;
      } else {
        joining_.erase(joining_.begin() + static_cast<std::ptrdiff_t>(round_.join_place));
      }
      return;
  }
}

bool partners::ring_walk::try_next() {
  tries = 0;
  is_second = !is_second;
  if (is_second) return true;
  return std::exchange(is_choosy, false);
}

std::optional<partner> partners::next_member(member_rings& rings, random_source& draws,
                                             const std::function<bool(slot_index)>& is_holding) {
  while (round_.starts_left > 0) {
    if (!round_.walk) {
      // Newcomers, however many come and go, take at most every other start from live peers.
      const bool has_both = rings.live.size() > 0 && rings.newcomers.size() > 0;
      is_newcomers_turn_ = has_both ? !is_newcomers_turn_ : rings.newcomers.size() > 0;
      // While somebody waits for a version, or this node leaves, peers that may lack it come first.
      round_.walk.emplace(preferred_version_ != 0 || round_.facts.has_left);
    }
    peer_ring& ring = is_newcomers_turn_ != round_.walk->is_second ? rings.newcomers : rings.live;
    // A peer that stands first in one turn may stand last in the next: two turns show all of them.
    if (round_.walk->tries == 2 * ring.size()) {
      if (!round_.walk->try_next()) round_.starts_left = 0;
      continue;
    }
    ++round_.walk->tries;
    const slot_index slot = ring.next(draws);
    if (round_.walk->is_choosy && is_holding(slot)) continue;
    partner chosen(partner::why::member, peers_.details(slot).way(), peers_[slot].name_hash());
    chosen.slot = slot;
    return chosen;
  }
  return std::nullopt;
}

std::optional<partner> partners::draw_dead(const member_rings& rings, random_source& draws) {
  std::vector<slot_index> dead;
  std::copy_if(rings.gone.begin(), rings.gone.end(), std::back_inserter(dead),
               [this](slot_index slot) { return peers_[slot].status() == peer_status::dead; });
  if (dead.empty()) return std::nullopt;
  const std::size_t live = rings.live.size();
  if (live != 0 && draws.below(live + 1) >= dead.size()) return std::nullopt;
  const slot_index slot = dead[static_cast<std::size_t>(draws.below(dead.size()))];
  return partner(partner::why::dead, peers_.details(slot).address, peers_[slot].name_hash());
}

void partners::begin_seeds(std::size_t live, random_source& draws) {
  const std::uint64_t stagger = peers_.self().name_hash() % settings_.seed_every_rounds;
  const bool is_seed_round = round_.facts.number % settings_.seed_every_rounds == stagger;
  round_.is_seed_wanted = live < settings_.live_peers_min || is_seed_round;
  if (!round_.is_seed_wanted || live != 0 || seeds_.size() < 2) return;
  round_.at = stage::seed_turns;
  if (seed_turn_ == 0) seed_turn_ = 1 + static_cast<std::size_t>(draws.below(seeds_.size()));
  round_.seed_tries_left = std::min(seeds_.size(), seed_tries_max);
  round_.seed_starts_left = settings_.unverified_addresses_max;
}

std::optional<partner> partners::draw_seed(random_source& draws) {
  std::vector<known_seed*> others;
  for (known_seed& one : seeds_) {
    if (is_partner(one.at)) others.push_back(&one);
  }
  if (others.empty()) return std::nullopt;
  return make_partner(*others[static_cast<std::size_t>(draws.below(others.size()))]);
}

std::optional<partner> partners::next_seed_turn() {
  if (round_.seed_tries_left == 0 || round_.seed_starts_left == 0) return std::nullopt;
  --round_.seed_tries_left;
  return make_partner(seeds_[seed_turn_++ % seeds_.size()]);
}

partner partners::make_partner(known_seed& asked) {
  const std::optional<slot_index> known = peers_.find(asked.remote_hash);
  const bool is_there = known && peers_[*known].status() == peer_status::live &&
                        peers_.details(*known).way() == asked.at;
  if (!is_there) asked.remote_hash = find_peer_at(asked.at);
  return {partner::why::seed, asked.at, asked.remote_hash};
}

std::uint64_t partners::find_peer_at(const endpoint& address) const {
  std::uint64_t found = 0;
  for (const peer_view one : peers_.by_hash()) {
    if (one.is_gone() || peers_.details(one.slot()).way() != address) continue;
    // One of the two has moved away, or lies. The other shall not drop a digest for that one.
    if (found != 0) return 0;
    found = one.name_hash();
  }
  return found;
}

std::optional<partner> partners::next_joined() {
  while (round_.join_place < joining_.size()) {
    const endpoint& joined = joining_[round_.join_place];
    if (is_partner(joined)) return partner(partner::why::joined, joined, 0);
    joining_.erase(joining_.begin() + static_cast<std::ptrdiff_t>(round_.join_place));
  }
  return std::nullopt;
}

bool partners::has_seed_to_ask() const {
  return round_.is_seed_wanted && std::ranges::any_of(seeds_, [this](const known_seed& one) {
           return !one.is_mine && is_partner(one.at);
         });
}

// -------------------------------------------------------------------- the time of the next round

void partners::schedule_next(nanoseconds now, random_source& draws) {
  const nanoseconds interval = settings_.gossip_interval;
  // One product, and sums of whole numbers: nothing that one compiler fuses and another does not
  // (I6).
  const auto spread =
      static_cast<std::int64_t>(settings_.jitter * static_cast<double>(interval.count()));
  const std::uint64_t drawn = draws.below(2 * static_cast<std::uint64_t>(spread) + 1);
  const nanoseconds next = interval + nanoseconds{static_cast<std::int64_t>(drawn) - spread};
  // From the time when this round was due, so that a late timer does not slow the cluster down.
  const nanoseconds due = std::max(next_round_, now - interval);
  next_round_ = std::max(due + next, now + next / 2);
}

}  // namespace gossipmonger
