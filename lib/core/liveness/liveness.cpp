#include "core/liveness/liveness.hpp"

#include <algorithm>
#include <cassert>
#include <ranges>

#include "core/model/size_limits.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// Third peers that are asked beside the silent one, in each try.
constexpr std::size_t asked_a_try = 3;
/// A sign of life this old, in rounds, is no reason to leave a peer unasked that others suspect.
constexpr int rounds_unasked = 4;
constexpr std::size_t draws_max = 16;
/// The suspicions in one leg take this part of the budget at most.
constexpr std::size_t suspicions_part = 16;
constexpr std::size_t suspicions_min = 4;
/// Under a byte budget a peer is declared dead only after so many probes.
constexpr std::size_t asks_under_budget = 2;
/// Relayed heartbeats may rise so many times as fast as mine: while gossip_interval changes from
/// node to node, some beat faster than others.
constexpr std::int64_t faster_max = 16;
/// That much any relayed heartbeat may be above the one that the row has.
constexpr std::uint64_t heartbeats_unasked = 64;
/// So far ahead a round looks whether a peer may fall silent. With the usual `dead_peer_phi`,
/// silence has to last much longer. With a low one, a peer may, and the next round looks again.
constexpr int silence_look_intervals = 8;

}  // namespace

liveness::peer_life& liveness::life(slot_index slot) {
  if (slot >= lives_.size()) lives_.resize(peers_.slots());
  return lives_[slot];
}

const liveness::peer_life& liveness::life(slot_index slot) const {
  static const peer_life unknown;
  return slot < lives_.size() ? lives_[slot] : unknown;
}

suspicion_rules liveness::rules() const {
  return {settings_.gossip_interval, settings_.jitter, settings_.suspicion_rounds};
}

// ------------------------------------------------------------------------------ life of a row

void liveness::begin(slot_index slot) {
  spreading_.forget(slot);
  freshness_.begin(slot);
  life(slot) = peer_life();
}

void liveness::forget(slot_index slot) {
  spreading_.forget(slot);
  freshness_.forget(slot);
  life(slot) = peer_life();
}

void liveness::handle_death(slot_index slot) {
  // A node that was told since that the peer is live hears of the suspicion now.
  if (peers_[slot].is_suspect()) spreading_.tell_anew(slot);
  freshness_.handle_death(slot, reachable_heartbeat(slot));
  // Without a suspicion nobody knows when it fell silent; its last word is as old as a fresh echo.
  life(slot).returns_from =
      peers_[slot].is_suspect() ? 0 : credible_heartbeat(slot) + freshness_.rounds_max();
}

// ----------------------------------------------------------------------------------- heartbeats

void liveness::handle_stale(slot_index slot, std::uint64_t heartbeat, const endpoint& source) {
  const peer_view row = peers_[slot];
  const bool is_open = row.is_suspect() || row.status() == peer_status::introduced ||
                       row.status() == peer_status::dead;
  if (!is_open || heartbeat <= row.heartbeat()) return;
  wanted_.emplace_back(source, row.name_hash());
}

void liveness::handle_ahead(std::span<const packed_entry> entries,
                            std::span<const placed_entry> ahead) {
  for (const placed_entry& at : ahead) {
    const std::uint64_t heartbeat = entries[at.index].heartbeat();
    const peer_view row = peers_.at(at.place);
    if (heartbeat > row.heartbeat() && heartbeat - row.heartbeat() <= heartbeats_unasked) {
      peers_.advance_at(at.place, heartbeat, clock_.now(), expected_, settings_.detector_window);
      continue;
    }
    // The list names it twice, and its first entry raised the row; or this is more than 64 ahead.
    const digest_entry entry = entries[at.index];
    if (!accepts(row.slot(), entry)) continue;
    [[maybe_unused]] const std::optional<peer_status> status = handle_heartbeat(row.slot(), entry);
    assert(!status);  // the row is live already
  }
}

bool liveness::accepts(slot_index slot, const digest_entry& entry) {
  assert(slot != self_slot);
  const peer_view row = peers_[slot];
  if (row.generation() != entry.generation || is_plausible(row, entry.heartbeat)) return true;
  ++counters_.heartbeats_refused;
  return false;
}

bool liveness::is_plausible(peer_view row, std::uint64_t heartbeat) const {
  if (heartbeat <= row.heartbeat() + heartbeats_unasked) return true;
  // The row may be as old as the longest interval that counts; others beat while I stood still.
  const nanoseconds since =
      clock_.now() - peers_.silent_since(row.slot()) + clock_.paused() + expected_.maximum;
  const std::int64_t rounds = std::max(nanoseconds{0}, since) / settings_.gossip_interval;
  return heartbeat - row.heartbeat() <= static_cast<std::uint64_t>(faster_max * rounds);
}

std::uint64_t liveness::credible_heartbeat(slot_index slot) const {
  const peer_view row = peers_[slot];
  const suspicion& heard = life(slot).state;
  if (!heard.alive_at()) return row.heartbeat();
  const nanoseconds until = heard.suspected_since().value_or(peers_.silent_since(slot));
  const nanoseconds since = std::max(nanoseconds{0}, until - *heard.alive_at()) + expected_.maximum;
  const std::int64_t rounds = since / settings_.gossip_interval;
  return std::min(row.heartbeat(), heard.alive_heartbeat() + heartbeats_unasked +
                                       static_cast<std::uint64_t>(faster_max * rounds));
}

std::uint64_t liveness::reachable_heartbeat(slot_index slot) const {
  const suspicion& heard = life(slot).state;
  const std::uint64_t held = credible_heartbeat(slot);
  if (!heard.was_heard()) return held + freshness_.rounds_max();
  suspicion_rules slowest = rules();
  const interval_code& interval = peers_.details(slot).interval;
  if (interval.is_said()) {
    slowest.interval = std::min<nanoseconds>(slowest.interval, interval.length());
  }
  return std::max(held, heard.heartbeat_after(clock_.now(), slowest));
}

std::optional<peer_status> liveness::handle_heartbeat(slot_index slot, const digest_entry& entry) {
  const peer_view row = peers_[slot];
  if (row.generation() != entry.generation) return std::nullopt;
  const bool is_newer = entry.heartbeat > row.heartbeat();
  return is_newer ? advance(slot, entry.heartbeat) : std::nullopt;
}

std::optional<peer_status> liveness::handle_leave(slot_index slot, const digest_entry& entry) {
  const peer row = peers_[slot];
  if (row.generation() != entry.generation) return std::nullopt;
  if (!entry.has_left || row.has_left()) return std::nullopt;
  row.set_left();
  return peer_status::left;
}

std::optional<peer_status> liveness::advance(slot_index slot, std::uint64_t heartbeat) {
  const peer row = peers_[slot];
  if (row.is_suspect() && life(slot).state.handle_heartbeat(heartbeat, rules())) {
    peers_.set_suspect(slot, false);
    ++counters_.suspicions_refuted;
  }
  // A heartbeat from before it fell silent may still be on its way: that is no sign of life. A
  // suspicion knows how far its heartbeat can have come by then.
  const bool is_from_before = row.is_suspect() || heartbeat < life(slot).returns_from;
  if (row.status() == peer_status::dead && is_from_before) {
    row.set_heartbeat(heartbeat);
    return std::nullopt;
  }
  // The silence that ends here was an outage, no interval of a peer that lives: it does not make
  // the next crash harder to find.
  const bool was_gone = row.status() == peer_status::dead && row.advances() == 0;
  if (was_gone) {
    peers_.advance_anew(slot, heartbeat, clock_.now());
  } else {
    peers_.advance(slot, heartbeat, clock_.now(), expected_, settings_.detector_window);
  }
  const bool is_silent =
      row.status() == peer_status::introduced || row.status() == peer_status::dead;
  const bool is_live = is_silent && row.advances() == peer::advances_max;
  return is_live ? std::optional(peer_status::live) : std::nullopt;
}

// ---------------------------------------------------------------------------------- suspicions

suspicion_entry liveness::describe(slot_index slot, std::optional<nanoseconds> suspected) const {
  const peer_view row = peers_[slot];
  suspicion_entry told = life(slot).state.entry(clock_.now(), settings_.gossip_interval, suspected);
  told.name_hash = row.name_hash();
  told.generation = row.generation();
  return told;
}

std::optional<slot_index> liveness::find_subject(const suspicion_entry& told) const {
  if (settings_.suspicion_rounds == 0) return std::nullopt;
  const std::optional<slot_index> slot = peers_.find(told.name_hash);
  if (!slot || *slot == self_slot) return std::nullopt;
  const peer_view row = peers_[*slot];
  const bool depends_on_silence = row.may_die() || row.status() == peer_status::dead;
  const bool is_concerned = row.generation() == told.generation && depends_on_silence;
  return is_concerned ? slot : std::nullopt;
}

std::optional<peer_status> liveness::handle_evidence(const suspicion_entry& told) {
  const std::optional<slot_index> slot = find_subject(told);
  if (!slot) return std::nullopt;
  if (!is_plausible(peers_[*slot], told.heartbeat)) {
    ++counters_.heartbeats_refused;
    return std::nullopt;
  }
  const nanoseconds alive_at = clock_.now() - age_unit(settings_.gossip_interval) * told.alive_age;
  const bool was_heard = told.alive_age < suspicion_entry::alive_age_max;
  if (was_heard && life(*slot).state.adopt(told.heartbeat, alive_at)) refute(*slot);
  answer_requests(*slot);
  if (told.heartbeat <= peers_[*slot].heartbeat()) return std::nullopt;
  return advance(*slot, told.heartbeat);
}

void liveness::handle_suspicion(const suspicion_entry& told, std::uint64_t from_hash,
                                const endpoint& source) {
  const bool is_refuted = told.alive_age < told.suspicion_age;  // by its own sign of life
  if (told.suspicion_age == suspicion_entry::no_suspicion || is_refuted) return;
  const std::optional<slot_index> slot = find_subject(told);
  if (!slot || !is_plausible(peers_[*slot], told.heartbeat)) return;
  const peer_view row = peers_[*slot];
  suspicion& held = life(*slot).state;
  const nanoseconds suspected =
      clock_.now() - age_unit(settings_.gossip_interval) * told.suspicion_age;
  if (held.is_alive_after(suspected)) return handle_outdated(*slot, told);
  if (!row.may_die()) return;
  if (held.was_heard() && row.heartbeat() >= held.heartbeat_after(suspected, rules())) {
    return look_again(*slot, told);
  }
  if (told.is_probe_request) {
    prober_.add_request(
        probe_request(*slot, row.generation(), suspected, source, from_hash, round_));
    return want(*slot);
  }
  if (!held.suspect(suspected, row.heartbeat(), clock_.now())) return;
  peers_.set_suspect(*slot, true);
  spread(*slot);
  // While it is fresh, each node that hears of it looks for itself; later, others have done so.
  if (clock_.now() - suspected <= 2 * rules().interval) want(*slot);
}

void liveness::look_again(slot_index slot, const suspicion_entry& told) {
  const std::optional<nanoseconds> alive_at = life(slot).state.alive_at();
  const bool is_old = !alive_at || clock_.now() - *alive_at > rounds_unasked * rules().interval;
  if (!is_old || !peers_[slot].may_die() || told.is_probe_request) return;
  want(slot, wanted_probe::cause::awaited);
}

void liveness::handle_outdated(slot_index slot, const suspicion_entry& told) {
  look_again(slot, told);
  // The sender's own sign of life is as late as its suspicion: it learns nothing new here.
  if (told.alive_age <= told.suspicion_age) return;
  if (answers_.size() < suspicions_a_leg()) answers_.push_back(describe(slot, std::nullopt));
  if (!told.is_probe_request && spreading_.is_done(slot, peers_.by_hash().size())) spread(slot);
}

void liveness::handle_alive(slot_index slot, std::uint64_t heartbeat) {
  if (life(slot).state.handle_alive(heartbeat, clock_.now())) refute(slot);
  answer_requests(slot);
}

void liveness::answer_requests(slot_index slot) {
  const peer_view row = peers_[slot];
  const std::optional<nanoseconds> alive_at = life(slot).state.alive_at();
  if (!alive_at) return;
  while (const std::optional<probe_request> waiting =
             prober_.take_request(slot, row.generation(), *alive_at)) {
    wanted_.emplace_back(waiting->address, waiting->name_hash);
    wanted_.back().told = describe(slot, std::nullopt);
  }
}

void liveness::refute(slot_index slot) {
  peers_.set_suspect(slot, false);
  ++counters_.suspicions_refuted;
  spread(slot);
}

// ----------------------------------------------------------------------------------- spreading

void liveness::spread(slot_index slot) { spreading_.spread(slot, clock_.now()); }

std::size_t liveness::suspicions_a_leg() const {
  if (!has_byte_budget()) return suspicion_entry::suspicions_max;
  const std::size_t part = settings_.send_bytes_per_interval / suspicions_part / entry_bytes;
  return std::clamp(part, suspicions_min, suspicion_entry::suspicions_max);
}

void liveness::plan_suspicions(std::vector<suspicion_entry>& told) {
  if (spreading_.is_empty()) return;
  spreading_.expire(peers_.by_hash().size(), [this](slot_index slot) {
    return !peers_.is_used(slot) || peers_[slot].status() == peer_status::left;
  });
  const std::size_t most = suspicions_a_leg();
  if (told.size() >= most) return;
  for (const slot_index slot : spreading_.choose(most - told.size())) {
    told.push_back(describe(slot, std::nullopt));
  }
}

void liveness::ask_more() {
  const std::size_t asks = prober_.end_round();
  if (asks == 0 || settings_.suspicion_rounds == 0 || has_byte_budget()) return;
  asks_left_ = asks;
}

void liveness::spread_suspicions() {
  spreading_.plan_legs(clock_.now(), settings_.gossip_interval, peers_.by_hash().size());
}

void liveness::tell_dead(std::span<const packed_entry> named,
                         std::vector<suspicion_entry>& told) const {
  if (!peers_.has_suspects()) return;
  for (const packed_entry& one : named) {
    const std::optional<slot_index> slot = peers_.find(one.name_hash);
    if (!slot || told.size() >= suspicions_a_leg()) continue;
    const peer_view row = peers_[*slot];
    const auto is_it = [&one](const suspicion_entry& each) {
      return each.name_hash == one.name_hash;
    };
    const bool is_dead = row.status() == peer_status::dead && row.is_suspect() &&
                         row.generation() == one.generation();
    if (is_dead && std::ranges::none_of(told, is_it)) told.push_back(describe(*slot, {}));
  }
}

// -------------------------------------------------------------------------------------- probes

void liveness::begin_round(std::uint64_t round) {
  round_ = round;
  prober_.expire_requests(round - std::min<std::uint64_t>(2, round));
  // As long as an answer may take to say that a leg was stale.
  spreading_.begin_round(round - std::min(freshness_.rounds_max(), round));
  is_settling_ = true;
  settling_ = 0;
}

void liveness::draw_leg(random_source& draws) {
  const std::optional<slot_index> other = draw_live(draws);
  if (indirect_probes_left_ > 0) {
    --indirect_probes_left_;
    const bool is_third = other && peers_[*other].name_hash() != indirect_probe_->name_hash;
    if (is_third) {
      want(*other, wanted_probe::cause::other, indirect_probe_);
      wanted_.back().suspected = suspected_;
    }
    return;
  }
  if (!other) return spreading_.end_legs();
  spreading_.count_leg();
  want(*other);
}

std::optional<wanted_probe> liveness::poll_probe(random_source& draws) {
  // Each leg starts before the next is drawn.
  while (wanted_.empty() && indirect_probes_left_ + spreading_.legs_left() > 0) draw_leg(draws);
  while (wanted_.empty() && asks_left_ > 0) {
    --asks_left_;
    const std::size_t rows = peers_.entries().size();
    const peer_view row = peers_.at(static_cast<std::size_t>(draws.below(rows)));
    if (row.slot() == self_slot || !row.may_die() || row.is_suspect()) continue;
    want(row.slot(), wanted_probe::cause::awaited);
  }
  std::vector<probe>& pending = prober_.pending();
  while (wanted_.empty() && is_settling_) {
    if (settling_ >= pending.size()) {
      is_settling_ = false;
    } else if (try_settle(pending[settling_])) {
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(settling_));
    } else {
      ++settling_;
    }
  }
  if (wanted_.empty()) return std::nullopt;
  wanted_probe next = wanted_.front();
  wanted_.pop_front();
  return next;
}

bool liveness::try_settle(probe& one) {
  assert(settings_.suspicion_rounds > 0);
  if (!peers_.is_used(one.slot)) return true;
  const peer_view row = peers_[one.slot];
  if (row.generation() != one.generation || !row.may_die()) return true;
  suspicion& held = life(one.slot).state;
  const bool is_alive = held.is_alive_after(one.sent) ||
                        (one.suspected && held.was_heard() &&
                         row.heartbeat() >= held.heartbeat_after(*one.suspected, rules()));
  if (is_alive) {
    prober_.count_outcome(one.tries == 0);
    return true;
  }
  // A sign of life from before this probe was missed may have ended the suspicion that it raised.
  if (one.is_public && held.is_suspect()) return false;

  if (!one.suspected) one.suspected = clock_.now();
  if (one.tries == 0 && !one.is_public) {
    ++counters_.probes_unanswered;
    prober_.count_missed();
  }
  if (one.tries < prober_.tries_needed() && !one.is_public) {
    want(one.slot, wanted_probe::cause::silent_peer);
    return false;
  }
  one.is_public = true;
  ++counters_.suspicions_raised;
  if (held.suspect(*one.suspected, row.heartbeat(), clock_.now())) {
    peers_.set_suspect(one.slot, true);
  }
  spread(one.slot);
  return false;
}

void liveness::want(slot_index slot, wanted_probe::cause why, std::optional<suspicion_entry> told) {
  wanted_.emplace_back(peers_.details(slot).way(), peers_[slot].name_hash());
  wanted_.back().why = why;
  wanted_.back().told = told;
}

bool liveness::try_tell_again(std::uint64_t remote_hash) {
  std::optional<wanted_probe> leg = spreading_.take_leg(remote_hash);
  if (!leg) return false;
  wanted_probe& again = *leg;
  const std::optional<slot_index> about = peers_.find(again.told->name_hash);
  if (!about || peers_[*about].generation() != again.told->generation) return false;
  // By the ages of now.
  const bool is_probe_request = again.told->is_probe_request;
  again.told = describe(*about, again.suspected);
  again.told->is_probe_request = is_probe_request;
  again.is_again = true;
  wanted_.push_back(again);
  return true;
}

void liveness::handle_started(const wanted_probe& one, bool is_waiting) {
  if (is_waiting && one.told && !one.is_again) {
    spreading_.remember(one, round_);
  }
  if (one.why == wanted_probe::cause::awaited) {
    const std::optional<slot_index> asked = peers_.find(one.remote_hash);
    if (asked && is_waiting) prober_.expect(*asked, peers_[*asked].generation(), clock_.now());
    return;
  }
  if (one.why == wanted_probe::cause::last_word) {
    if (!is_waiting && !unasked_from_) unasked_from_ = one.remote_hash;
    return;
  }
  if (one.why != wanted_probe::cause::silent_peer) return;
  const std::optional<slot_index> slot = peers_.find(one.remote_hash);
  std::vector<probe>& pending = prober_.pending();
  const auto about = std::find_if(pending.begin(), pending.end(),
                                  [&slot](const probe& each) { return each.slot == slot; });
  if (about == pending.end()) return;
  // A byte budget leaves fewer legs; without one, the ring asks in one of the next rounds.
  if (has_byte_budget() && !is_waiting) {
    about->suspected = clock_.now();  // nothing was asked, so nothing was missed
    return;
  }
  probe_indirectly(*about);
  ++about->tries;
}

void liveness::probe_indirectly(const probe& about) {
  suspicion_entry request = describe(about.slot, about.suspected);
  request.is_probe_request = true;
  indirect_probe_ = request;
  suspected_ = about.suspected;
  indirect_probes_left_ = asked_a_try;
}

std::optional<slot_index> liveness::draw_live(random_source& draws) {
  const std::size_t rows = peers_.entries().size();
  for (std::size_t tries = 0; tries < draws_max; ++tries) {
    const peer_view row = peers_.at(static_cast<std::size_t>(draws.below(rows)));
    if (row.status() != peer_status::live) continue;
    if (addresses_.is_verified(peers_.details(row.slot()).way())) return row.slot();
  }
  return std::nullopt;
}

void liveness::handle_asked(std::uint64_t remote_hash) {
  if (!is_starved_ && !peers_.has_suspects()) return;
  const std::optional<slot_index> asked = peers_.find(remote_hash);
  if (!asked) return;
  peer_life& of = life(*asked);
  if (of.silent_heartbeat == peers_[*asked].heartbeat()) ++of.silent_asks;
  if (peers_[*asked].is_suspect()) of.state.handle_asked(clock_.now());
}

void liveness::expect_answer(slot_index slot, std::uint64_t generation) {
  if (slot == self_slot || !peers_.is_used(slot)) return;
  if (settings_.suspicion_rounds == 0) return;  // switched off while the leg waited for its turn
  if (peers_[slot].generation() != generation) return;
  prober_.expect(slot, generation, clock_.now());
}

// ------------------------------------------------------------------------------ declaring dead

void liveness::update_expectation(std::size_t rows_a_digest) {
  expected_ = detector_expectation(settings_.gossip_interval, peers_.size() + 1, settings_.fanout,
                                   rows_a_digest);
}

bool liveness::has_silent() {
  const phi_limit limit(settings_.dead_peer_phi, clock_.now(), expected_);
  const nanoseconds ahead = silence_look_intervals * nanoseconds(settings_.gossip_interval);
  if (peers_.may_exceed(limit, ahead)) return true;
  return peers_.has_suspects() && std::ranges::any_of(peers_.by_hash(), [](peer_view row) {
           return row.is_suspect() && row.may_die();
         });
}

void liveness::begin_declaring() {
  rows_left_ = 0;
  if (round_ < decide_from_) return;
  const std::optional<std::uint64_t> first = std::exchange(unasked_from_, std::nullopt);
  if (!has_silent()) return;
  // Where the last round could ask no further this one goes on: no suspect waits behind others.
  next_row_ = first ? peers_.lower_bound(*first) : 0;
  rows_left_ = peers_.entries().size();
}

std::optional<slot_index> liveness::poll_dead() {
  while (rows_left_ > 0) {
    --rows_left_;
    if (next_row_ >= peers_.entries().size()) next_row_ = 0;
    const peer_view row = peers_.at(next_row_++);
    if (!row.may_die()) continue;
    const bool is_silent =
        peers_.detector(row.slot()).phi(clock_.now(), expected_) > settings_.dead_peer_phi;
    if ((is_silent && is_silence_confirmed(row.slot())) || is_confirmed(row.slot())) {
      if (row.status() == peer_status::live) ++counters_.declared_dead;
      return row.slot();
    }
    if (!wanted_.empty()) return std::nullopt;
  }
  return std::nullopt;
}

bool liveness::is_silence_confirmed(slot_index slot) {
  const peer_view row = peers_[slot];
  if (!is_starved_ || settings_.suspicion_rounds == 0) return true;
  if (row.status() != peer_status::live) return true;
  peer_life& of = life(slot);
  if (of.silent_heartbeat != row.heartbeat()) {
    of.silent_heartbeat = row.heartbeat();
    of.silent_asks = 0;
  }
  if (of.silent_asks >= prober_.asks_needed()) return true;
  if (wanted_.empty()) want(slot, wanted_probe::cause::last_word);
  return false;
}

bool liveness::is_confirmed(slot_index slot) {
  if (!peers_[slot].is_suspect()) return false;
  assert(settings_.suspicion_rounds > 0);
  const suspicion_rules limits = rules();
  const suspicion& held = life(slot).state;
  // Where a budget leaves few legs, a suspect is not asked in each round of the last third.
  std::size_t asks = 1;
  if (has_byte_budget()) asks = std::clamp<std::size_t>(limits.rounds / 3, 1, asks_under_budget);
  if (is_starved_) asks = prober_.asks_needed();
  // An observer may ask nobody but its seeds.
  if (settings_.is_observer && !addresses_.is_verified(peers_.details(slot).way())) asks = 0;
  if (held.is_ripe(clock_.now(), limits, asks)) return true;
  // The last word is the suspect's own.
  if (held.is_nearly_ripe(clock_.now(), limits)) want(slot, wanted_probe::cause::last_word);
  return false;
}

void liveness::hold_back(std::uint64_t decide_from) {
  decide_from_ = decide_from;
  prober_.handle_pause();
}

void liveness::suspend(std::uint64_t decide_from) {
  hold_back(decide_from);
  for (const peer_view one : peers_.by_hash()) {
    life(one.slot()).state.handle_pause(clock_.now());
  }
}

void liveness::end_suspicion() {
  prober_.clear();
  spreading_.clear();
  for (const peer_view one : peers_.by_hash()) {
    peers_.set_suspect(one.slot(), false);
    life(one.slot()).state.end();
  }
}

}  // namespace gossipmonger
