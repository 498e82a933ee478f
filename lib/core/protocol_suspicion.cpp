// Suspicion: probes and what follows from silence, doubts and refutations as they come and go.
#include <algorithm>
#include <bit>
#include <cassert>
#include <tuple>

#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/core/protocol.hpp"
#include "planted.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// Who is asked beside the peer itself, in each try.
constexpr std::size_t asked_a_try = 3;
/// More legs a round while there is something to spread.
constexpr std::size_t spreading_legs = 2;
/// Each doubt is told so many times log2 n.
constexpr std::size_t told_times = 3;
constexpr std::size_t told_addresses_max = 64;
constexpr std::size_t draws_max = 16;
/// A short leg takes about so much; all of a round take a part of the budget.
constexpr std::size_t short_leg_bytes = 160;
constexpr std::size_t short_legs_part = 2;
/// The suspicions in one leg take this part of the budget at most.
constexpr std::size_t doubts_part = 16;
constexpr std::size_t doubts_min = 4;
/// Under a byte budget nobody is declared dead who was not asked so often.
constexpr std::size_t asks_needed = 2;
/// To a peer itself, and to others that are asked for it.
constexpr std::size_t short_legs_min = 1 + asked_a_try;

}  // namespace

suspicion_rules protocol::make_suspicion_rules() const {
  return {settings_.gossip_interval, settings_.jitter, settings_.suspicion_rounds};
}

doubt_entry protocol::describe_doubt(slot_index slot, std::optional<nanoseconds> doubted) const {
  const peer_view row = peers_[slot];
  doubt_entry told =
      peers_.details(slot).doubts.entry(clock_.now(), settings_.gossip_interval, doubted);
  told.name_hash = row.name_hash();
  told.generation = row.generation();
  return told;
}

// -------------------------------------------------------------------------------- my own probes

void protocol::begin_suspicion_round() {
  short_legs_left_ = short_legs_max;
  if (sending_.has_byte_budget()) {
    const std::size_t part = settings_.send_bytes_per_interval / short_legs_part / short_leg_bytes;
    short_legs_left_ = std::clamp(part, short_legs_min, short_legs_max);
  }
  told_addresses_.clear();
  prober_.expire_askers(stats_.rounds - std::min<std::uint64_t>(2, stats_.rounds));
  std::vector<probe>& pending = prober_.pending();
  for (std::size_t i = 0; i < pending.size();) {
    if (try_settle(pending[i])) {
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

bool protocol::try_settle(probe& one) {
  assert(settings_.suspicion_rounds > 0);
  if (!peers_.is_used(one.slot)) return true;
  const peer_view row = peers_[one.slot];
  if (row.generation() != one.generation || row.status() != peer_status::live) return true;
  suspicion& doubts = peers_.details(one.slot).doubts;
  const suspicion_rules rules = make_suspicion_rules();
  const bool is_alive = doubts.is_proved_after(one.sent) ||
                        (one.doubted && doubts.has_proof() &&
                         row.heartbeat() >= doubts.heartbeat_after(*one.doubted, rules));
  if (is_alive) {
    prober_.count_outcome(one.tries == 0);
    return true;
  }
  if (one.is_public) return false;

  if (!one.doubted) one.doubted = clock_.now();
  if (one.tries == 0) ++stats_.probes_unanswered;
  if (one.tries < prober_.tries_needed()) {
    if (try_ask_around(one)) {
      ++one.tries;
    } else {
      one.doubted = clock_.now();  // nothing was asked, so nothing was missed
    }
    return false;
  }
  one.is_public = true;
  ++stats_.doubts_raised;
  if (doubts.doubt(*one.doubted, row.heartbeat(), clock_.now())) peers_.set_suspect(one.slot, true);
  spread(one.slot);
  return false;
}

bool protocol::try_ask_around(const probe& about) {
  start_short(about.slot, {});
  // A byte budget leaves fewer legs; without one, the ring asks in one of the next rounds.
  if (sending_.has_byte_budget() && !is_started(peers_.details(about.slot).way())) return false;
  doubt_entry question = describe_doubt(about.slot, about.doubted);
  question.is_question = true;
  for (std::size_t i = 0; i < asked_a_try; ++i) {
    const std::optional<slot_index> other = draw_live();
    if (other && *other != about.slot) start_short(*other, question);
  }
  return true;
}

std::optional<slot_index> protocol::draw_live() {
  const std::size_t rows = peers_.entries().size();
  for (std::size_t tries = 0; tries < draws_max; ++tries) {
    const peer_view row = peers_.at(static_cast<std::size_t>(random_.below(rows)));
    if (row.status() != peer_status::live) continue;
    if (addresses_.is_proved(peers_.details(row.slot()).way())) return row.slot();
  }
  return std::nullopt;
}

void protocol::start_short(slot_index slot, std::optional<doubt_entry> told) {
  start_short(peers_.details(slot).way(), peers_[slot].name_hash(), told);
}

void protocol::start_short(const endpoint& to, std::uint64_t remote_hash,
                           std::optional<doubt_entry> told) {
  if (digest_leg* queued = sending_.find_digest(to)) {
    // The leg that waits there for the budget goes first now.
    if (queued->padded_bytes == 0) queued->is_sign_due = true;
    // A leg that goes there anyway takes the suspicion along, if it has room for it.
    if (told && queued->doubts.size() < doubts_a_leg()) queued->doubts.push_back(*told);
    return;
  }
  if (short_legs_left_ == 0) return;
  digest_leg* started = try_start(to, remote_hash);
  if (started == nullptr) return;
  --short_legs_left_;
  sending_.count_membership(short_leg_bytes);
  digest_leg& leg = *started;
  leg.is_short = true;
  leg.digest_rows_left = 1;
  leg.datagrams_left = 1;
  if (told) leg.doubts.insert(leg.doubts.begin(), *told);
  if (leg.doubts.size() > doubts_a_leg()) leg.doubts.pop_back();
}

// ----------------------------------------------------------------------------------- spreading

void protocol::spread(slot_index slot) {
  peers_.details(slot).doubts.told = 0;
  spread_at_ = clock_.now();
  if (std::find(rumours_.begin(), rumours_.end(), slot) == rumours_.end()) rumours_.push_back(slot);
}

std::uint32_t protocol::told_max() const {
  return static_cast<std::uint32_t>(
      told_times * static_cast<std::size_t>(std::bit_width(peers_.by_hash().size())));
}

std::size_t protocol::doubts_a_leg() const {
  if (!sending_.has_byte_budget()) return doubt_entry::doubts_max;
  const std::size_t part = settings_.send_bytes_per_interval / doubts_part / entry_bytes;
  return std::clamp(part, doubts_min, doubt_entry::doubts_max);
}

void protocol::plan_doubts(leg_base& leg) {
  if (rumours_.empty()) return;
  std::erase_if(rumours_, [this, most = told_max()](slot_index slot) {
    if (!peers_.is_used(slot)) return true;
    const peer_view row = peers_[slot];
    return peers_.details(slot).doubts.told >= most || (row.is_suspect() && !row.may_die());
  });
  std::sort(rumours_.begin(), rumours_.end(), [this](slot_index one, slot_index other) {
    return std::tie(peers_.details(one).doubts.told, one) <
           std::tie(peers_.details(other).doubts.told, other);
  });
  const std::size_t most_a_leg = doubts_a_leg();
  for (const slot_index slot : rumours_) {
    if (leg.doubts.size() >= most_a_leg) return;
    // Counted now, not when the datagram goes: legs that are planned before any of them goes shall
    // tell of different peers. One that is struck out of a full queue is lost as on the way.
    ++peers_.details(slot).doubts.told;
    leg.doubts.push_back(describe_doubt(slot, std::nullopt));
  }
}

void protocol::spread_doubts() {
  if (rumours_.empty()) return;
  const auto rounds = static_cast<std::int64_t>(std::bit_width(peers_.by_hash().size())) + 1;
  if (clock_.now() - spread_at_ > settings_.gossip_interval * rounds) return;
  for (std::size_t i = 0; i < spreading_legs; ++i) {
    const std::optional<slot_index> other = draw_live();
    if (!other) return;
    start_short(*other, std::nullopt);
  }
}

bool protocol::is_to_be_told(const endpoint& address) {
  if (rumours_.empty()) return false;
  if (std::find(told_addresses_.begin(), told_addresses_.end(), address) != told_addresses_.end()) {
    return false;
  }
  if (told_addresses_.size() < told_addresses_max) told_addresses_.push_back(address);
  return true;
}

// ----------------------------------------------------------------------------------- receiving

void protocol::handle_doubts(const message& received, const endpoint& source, bool is_fresh) {
  answers_.clear();
  if (settings_.suspicion_rounds == 0 || !is_fresh) return;
  for (const doubt_entry& told : received.doubts) {
    const std::optional<slot_index> slot = peers_.find(told.name_hash);
    if (!slot || *slot == self_slot) continue;
    const peer_view row = peers_[*slot];
    const bool is_judged_by_silence = row.may_die() || row.status() == peer_status::dead;
    if (row.generation() != told.generation || !is_judged_by_silence) continue;
    handle_doubt(*slot, told, received.sender.name_hash, source);
  }
}

void protocol::handle_doubt(slot_index slot, const doubt_entry& told, std::uint64_t from_hash,
                            const endpoint& source) {
  const peer_view row = peers_[slot];
  if (!is_plausible(row, told.heartbeat)) return drop(drop_reason::field);
  suspicion& doubts = peers_.details(slot).doubts;
  const nanoseconds unit = age_unit(settings_.gossip_interval);
  const nanoseconds proved = clock_.now() - unit * told.proof_age;
  const nanoseconds doubted = clock_.now() - unit * told.doubt_age;
  const bool has_proof = told.proof_age < doubt_entry::proof_age_max;
  if (has_proof && doubts.adopt(told.heartbeat, proved)) end_doubt(slot);
  answer_askers(slot);
  if (told.heartbeat > row.heartbeat()) advance_heartbeat(slot, told.heartbeat);
  if (told.doubt_age == doubt_entry::no_doubt) return;
  // Refuted by its own proof: that is no doubt.
  if (told.proof_age < told.doubt_age) return;

  if (doubts.is_proved_after(doubted)) {
    // I know better than who tells me.
    if (proved >= doubted) return;
    if (answers_.size() < doubts_a_leg()) {
      answers_.push_back(describe_doubt(slot, std::nullopt));
    }
    if (!told.is_question && doubts.told >= told_max()) spread(slot);
    return;
  }
  if (!row.may_die()) return;
  const suspicion_rules rules = make_suspicion_rules();
  if (doubts.has_proof() && row.heartbeat() >= doubts.heartbeat_after(doubted, rules)) return;
  if (told.is_question) {
    prober_.add_asker(asker(slot, row.generation(), doubted, source, from_hash, stats_.rounds));
    start_short(slot, std::nullopt);
    return;
  }
  if (!doubts.doubt(doubted, row.heartbeat(), clock_.now())) return;
  peers_.set_suspect(slot, true);
  spread(slot);
  // While it is fresh, who hears of it looks for itself; later, others have done so.
  if (clock_.now() - doubted <= 2 * rules.interval) static_cast<void>(try_ask(slot));
}

void protocol::handle_direct_proof(slot_index slot, std::uint64_t heartbeat) {
  if (peers_.details(slot).doubts.prove(heartbeat, clock_.now())) end_doubt(slot);
  answer_askers(slot);
}

void protocol::answer_askers(slot_index slot) {
  const peer_view row = peers_[slot];
  const std::optional<nanoseconds> proved = peers_.details(slot).doubts.proved();
  if (!proved) return;
  while (const std::optional<asker> waiting = prober_.take_asker(slot, row.generation(), *proved)) {
    start_short(waiting->address, waiting->name_hash, describe_doubt(slot, std::nullopt));
  }
}

void protocol::end_doubt(slot_index slot) {
  peers_.set_suspect(slot, false);
  ++stats_.doubts_refuted;
  spread(slot);
}

// ------------------------------------------------------------------------------------- judging

bool protocol::is_convicted(slot_index slot) {
  const peer_view row = peers_[slot];
  if (!row.is_suspect()) return false;
  assert(settings_.suspicion_rounds > 0);
  const suspicion_rules rules = make_suspicion_rules();
  const suspicion& doubts = peers_.details(slot).doubts;
  // Where a budget leaves few legs, a suspect is not asked in each round of the last third.
  const std::size_t asks =
      sending_.has_byte_budget() ? std::clamp<std::size_t>(rules.rounds / 3, 1, asks_needed) : 1;
  if (doubts.is_ripe(clock_.now(), rules, asks) ||
      planted::is_on(planted::defect::convicted_at_once)) {
    return true;
  }
  // The last word is the suspect's own.
  const bool is_unasked = doubts.is_near_verdict(clock_.now(), rules) && !try_ask(slot);
  if (is_unasked && !unasked_from_) unasked_from_ = row.name_hash();
  return false;
}

bool protocol::try_ask(slot_index slot) {
  const peer_details& of = peers_.details(slot);
  start_short(slot, std::nullopt);
  return is_started(of.way());
}

void protocol::suspend_suspicion() {
  prober_.handle_pause();
  for (const peer_view one : peers_.by_hash()) {
    peers_.details(one.slot()).doubts.handle_pause(clock_.now());
  }
}

void protocol::end_suspicion() {
  prober_.clear();
  rumours_.clear();
  for (const peer_view one : peers_.by_hash()) {
    peers_.set_suspect(one.slot(), false);
    peers_.details(one.slot()).doubts.end();
  }
}

}  // namespace gossipmonger
