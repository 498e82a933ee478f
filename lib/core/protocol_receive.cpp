// What comes in: who sent it, what it says of them, of me and of others, and what to answer.
#include <algorithm>
#include <utility>

#include "gossipmonger/core/protocol.hpp"
#include "planted.hpp"

namespace gossipmonger {

namespace {

using planted::defect;
using planted::is_on;
using std::chrono::nanoseconds;

// Heartbeats that others tell of may rise so many times as fast as mine: while gossip_interval
// changes from node to node, some beat faster than others.
constexpr std::int64_t faster_max = 16;
// That much any relayed one may be above the one I know.
constexpr std::uint64_t heartbeats_unasked = 64;

std::uint32_t low_half(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

/// How many bytes of the value that follows what it holds of me the sender has.
std::size_t part_of_mine(const message& received, peer_view self) {
  for (const partial_entry& one : received.partials) {
    if (one.name_hash == self.name_hash() && one.generation == self.generation()) return one.offset;
  }
  return 0;
}

}  // namespace

void protocol::count_drop(drop_reason reason) { drop(reason); }

void protocol::handle_unreadable(const wire_range& theirs, const endpoint& source) {
  drop(drop_reason::wire_version);
  notices_.handle_unreadable(theirs, spoken_, source, clock_.now());
}

void protocol::handle_foreign(const endpoint& source) {
  drop(drop_reason::cluster);
  notices_.handle_foreign(source, clock_.now());
}

std::uint8_t protocol::version_for(const exchange& leg) const {
  // Losses alone make nobody write what a peer does not read.
  constexpr std::uint32_t patience = 2;
  std::optional<wire_range> spoken = leg.spoken;
  std::uint32_t unanswered = leg.unanswered;
  // The version is chosen now: the receiver may have named others while the leg waited.
  const std::optional<slot_index> slot = peers_.find(leg.remote_hash);
  if (slot && peers_.details(*slot).way() == leg.to) {
    const peer_details& of = peers_.details(*slot);
    if (of.last_reply && *of.last_reply >= leg.planned) spoken = of.spoken;
    if (peers_[*slot].status() == peer_status::live) unanswered = 0;
  }
  const std::uint8_t common = spoken ? common_wire_version(*spoken, spoken_) : std::uint8_t{0};
  const std::uint32_t usual = common != 0 ? common : spoken_.lowest;
  const std::uint32_t turns = unanswered - std::min(unanswered, patience);
  const std::uint32_t count = spoken_.highest - spoken_.lowest + 1U;
  if (is_on(defect::version_unread)) return spoken_.highest;
  if (is_on(defect::version_untried)) return static_cast<std::uint8_t>(usual);
  return static_cast<std::uint8_t>(spoken_.lowest + (usual - spoken_.lowest + turns) % count);
}

void protocol::observe_time(moment now) {
  // The first round may be late: before it, this node awaits nothing of its peers.
  const nanoseconds late_max = stats_.rounds > 0 ? settings_.gossip_interval : nanoseconds::max();
  if (!clock_.observe(now, partners_.next_round(), late_max)) return;
  partners_.set_next_round(now.steady);
  judge_from_round_ = stats_.rounds + 2;
  ++stats_.pauses;
  suspend_suspicion();
}

void protocol::handle_namesake(const message& received, const endpoint& source, std::size_t bytes,
                               bool is_proved) {
  drop(drop_reason::reflected);
  const peer_view self = peers_.self();
  const bool is_mine = received.sender.generation == self.generation() &&
                       received.sender.heartbeat <= self.heartbeat();
  if (is_mine) return partners_.handle_reflection(source);
  if (is_proved) {
    addresses_.handle_proof(source, received.cookie);
    is_told_by_peer_ = false;
    handle_own_entry(received.sender, 0);
    const std::uint64_t theirs = received.sender.generation;
    const bool is_older = theirs < self.generation();
    if (is_older &&
        own_.handle_older(theirs, expected_.maximum, settings_.dead_peer_grace, clock_.now())) {
      tell_older_run(theirs);
    }
  }
  if (received.kind != message_kind::digest) return;
  // Who lives under my name shall learn of me, and be able to prove itself: an empty reply.
  exchange leg;
  leg.to = source;
  leg.kind = message_kind::reply;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.is_unproved = !is_proved;
  leg.bytes_left = bytes * address_book::amplification_max;
  leg.datagrams_left = 1;
  add_answer(std::move(leg));
}

void protocol::handle_message(const message& received, const endpoint& source, std::size_t bytes,
                              moment now, const endpoint& local) {
  if (on_message_) on_message_(message_direction::received, source, received);
  observe_time(now);
  asked_at_ = local;
  const peer_view self = peers_.self();
  const bool is_proved = addresses_.is_proof(received.cookie_echo, source, now.steady);
  if (received.sender.name_hash == self.name_hash()) {
    return handle_namesake(received, source, bytes, is_proved);
  }
  if (received.receiver.generation != 0 &&
      low_half(received.receiver.name_hash) != low_half(self.name_hash())) {
    return drop(drop_reason::not_for_me);
  }
  const std::uint64_t cookie = is_my_source(local) ? received.cookie : 0;
  const bool was_proved = is_proved && addresses_.handle_proof(source, cookie);
  // Asked before what the sender holds of me is taken, which may move me to a higher run.
  const bool is_heard = is_proved && hears_me(received);
  if (is_proved) {
    watch_path(received, bytes);
    handle_word_of_me(received);
  }
  if (received.kind == message_kind::digest) {
    ++stats_.digests_received;
    handle_digest(received, source, bytes, is_proved, is_heard);
    return;
  }
  if (!is_proved) {
    report_other_source(received, source, now);
    return drop(drop_reason::unproved);
  }
  ++stats_.replies_received;
  handle_reply(received, source, is_heard);
  // To an address without proof went one datagram only: now the rest may follow, at once.
  const bool was_partial = !was_proved && peers_.by_hash().size() + graves_.all().size() >
                                              reconciler_.digest_rows_a_datagram();
  // What the 3x rule cut, here or there, is asked for anew; a value goes on.
  const bool goes_on = handle_parts(received, source) && was_proved;
  const bool is_cut = (received.more && !goes_on) || was_partial || is_on(defect::answers_restart);
  if (received.kind == message_kind::reply && is_cut) {
    begin_anew(source, received.sender.name_hash);
  }
}

bool protocol::handle_parts(const message& received, const endpoint& source) {
  value_transfer part;
  part.source = source;
  part.remote_hash = received.sender.name_hash;
  part.round = stats_.rounds;
  bool has_part = false;
  for (const delta_view& delta : received.deltas) {
    if (delta.upto.offset == 0) continue;
    const std::optional<slot_index> slot = peers_.find(delta.name_hash);
    if (!slot || !reconciler_.partial_of(*slot)) continue;
    part.slot = *slot;
    if (!transfers_.handle_part(part)) continue;
    has_part = true;
    if (received.more) try_continue(part);
  }
  return has_part;
}

void protocol::try_continue(const value_transfer& one) {
  if (!transfers_.may_continue() || !addresses_.is_proved(one.source)) return;
  if (!outbox_.has_room_for_digest(one.source)) return;
  transfers_.handle_continued();
  exchange& leg = start_exchange(one.source, one.remote_hash);
  leg.is_short = true;
  leg.is_sign_due = false;
  leg.about = one.slot;
  leg.has_extra = false;
  leg.datagrams_left = 1;
}

void protocol::continue_values() {
  transfers_.begin_round(stats_.rounds, [this](slot_index slot) {
    return peers_.is_used(slot) && reconciler_.partial_of(slot).has_value();
  });
  for (const value_transfer& one : transfers_.all()) {
    if (!is_started(one.source)) try_continue(one);
  }
}

void protocol::begin_anew(const endpoint& source, std::uint64_t remote_hash) {
  const bool has_begun =
      std::find(restarted_.begin(), restarted_.end(), source) != restarted_.end();
  if (has_begun && !is_on(defect::answers_restart)) return;
  if (restarted_.size() >= settings_.unproved_addresses_max) return;
  if (!outbox_.has_room_for_digest(source)) return;
  restarted_.push_back(source);
  start_exchange(source, remote_hash).is_sign_due = false;
}

void protocol::handle_digest(const message& received, const endpoint& source, std::size_t bytes,
                             bool is_proved, bool is_fresh) {
  if (is_proved) handle_sender(received, source, is_fresh);
  if (is_proved) {
    const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
    const bool is_held = slot && peers_[*slot].generation() == received.sender.generation;
    if (is_held) notices_.handle_interval(*slot, received.interval, clock_.now());
  }
  // What stands there as it does here may have arrived.
  const bool is_thorough = is_on(defect::heartbeat_regression) ||
                           (is_proved && reconciler_.has_flights(received.sender.name_hash));
  peers_.compare(received.known.range, is_thorough, compared_.range);
  peers_.compare(received.known.extra, is_thorough, compared_.extra);
  if (is_proved) {
    handle_heartbeats(received.known.range, compared_.range, is_fresh);
    handle_heartbeats(received.known.extra, compared_.extra, is_fresh);
    handle_doubts(received, source, is_fresh);
  }

  exchange leg;
  leg.to = source;
  leg.kind = message_kind::reply;
  leg.asked_generation = received.sender.generation;
  leg.asked_heartbeat = received.sender.heartbeat;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.is_unproved = !is_proved;
  leg.bytes_left = settings_.exchange_bytes_max;
  if (!is_proved && !is_on(defect::replies_unlimited)) {
    leg.bytes_left =
        std::min({leg.bytes_left, bytes * address_book::amplification_max, stranger_bytes_max()});
  }
  leg.datagrams_left = settings_.exchange_datagrams_max;
  leg.is_sign_due = true;
  if (is_proved && is_on(defect::exchange_unlimited)) {
    leg.bytes_left = 1U << 30;
    leg.datagrams_left = 1U << 30;
  }
  if (is_proved) {
    leg.seen_heartbeat = seen_heartbeat(received);
    leg.refused = membership_.refusal_of(received.sender);
  }
  leg.partials = &received.partials;
  reconciler_.compare(received.known, compared_, received.sender.name_hash, clock_.now(), leg);
  leg.partials = nullptr;
  reconciler_.limit_burst(leg);
  reconciler_.shuffle(leg);
  if (is_proved) {
    supersede(leg);
    leg.doubts = answers_;
    if (!received.doubts.empty() || is_to_be_told(source)) plan_doubts(leg);
    plan_sign(received, bytes, leg);
  }
  add_answer(std::move(leg));
}

void protocol::report_other_source(const message& received, const endpoint& source, moment now) {
  const std::optional<endpoint> asked = addresses_.find_asked(received.cookie_echo, now.steady);
  if (!asked) return;
  notices_.report_once(
      identity_view(), *asked,
      "the node asked at " + asked->to_string() + " answers from " + source.to_string() +
          ": an answer proves nothing unless it comes from the address that was asked",
      clock_.now());
}

void protocol::watch_path(const message& received, std::size_t bytes) {
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  if (!slot || peers_[*slot].generation() != received.sender.generation) return;
  const peer_view row = peers_[*slot];
  peer_details& of = peers_.details(*slot);
  of.path.handle_received(bytes);
  if (received.kind != message_kind::digest) return;
  if (!of.path.handle_told(received.largest_received, seen_heartbeat(received))) return;
  identity_view who;
  who.name = of.name;
  who.generation = row.generation();
  std::string text = "large datagrams do not reach " + of.way().to_string() + ", short ones do: ";
  const bool has_larger = settings_.datagram_bytes_max > datagram_bytes_floor && !of.is_narrow;
  if (has_larger) {
    of.is_narrow = true;
    text += "it is sent 1200 bytes at most from now on";
  } else {
    text += "a path must carry packets of 1228 bytes, or 1248 with IPv6";
  }
  // Told of a name besides what else is told of it.
  const std::uint64_t subject = row.name_hash() + (has_larger ? 1 : 2);
  notices_.report_once(event_kind::error, who, subject, std::move(text), clock_.now());
}

std::uint64_t protocol::seen_heartbeat(const message& received) const {
  const peer_view self = peers_.self();
  const bool is_of_this_run = received.receiver.generation == self.generation() &&
                              received.receiver_instance == peers_.details(self_slot).instance;
  return is_of_this_run ? received.receiver.heartbeat : 0;
}

void protocol::supersede(const exchange& fresh) {
  if (fresh.owed.empty()) return;
  std::vector<bool> is_planned;
  const auto strike_out = [&](exchange& waiting) {
    if (waiting.owed.empty() || waiting.to != fresh.to) return;
    if (is_planned.empty()) {
      is_planned.resize(peers_.slots(), false);
      for (const owed_delta& turn : fresh.owed) is_planned[turn.slot] = true;
    }
    std::erase_if(waiting.owed, [&](const owed_delta& turn) { return is_planned[turn.slot]; });
    waiting.turn = 0;
  };
  outbox_.for_each_answer(strike_out);
}

void protocol::handle_reply(const message& received, const endpoint& source, bool is_fresh) {
  for (const identity_view& who : received.identities) handle_identity(who, is_fresh);
  handle_sender(received, source, is_fresh);
  if (received.refused != refusal::none) {
    notices_.handle_refusal(received.refused, received.sender.name_hash, source, clock_.now());
  }
  peers_.compare(received.heartbeats, is_on(defect::heartbeat_regression), compared_.range);
  handle_heartbeats(received.heartbeats, compared_.range, is_fresh);
  handle_doubts(received, source, is_fresh);
  stats_.deltas_received += received.deltas.size();
  for (const delta_view& delta : received.deltas) reconciler_.apply(received, delta);

  if (received.kind != message_kind::reply || received.requests.empty()) return;
  exchange leg;
  leg.to = source;
  leg.kind = message_kind::deltas;
  leg.asked_generation = received.sender.generation;
  leg.asked_heartbeat = received.sender.heartbeat;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.remote_hash = received.sender.name_hash;
  leg.is_first = false;
  leg.bytes_left = settings_.exchange_bytes_max;
  leg.datagrams_left = settings_.exchange_datagrams_max;
  leg.seen_heartbeat = seen_heartbeat(received);
  leg.partials = &received.partials;
  for (const packed_entry& request : received.requests) {
    reconciler_.compare_request(request, clock_.now(), leg);
  }
  leg.partials = nullptr;
  if (leg.identities.empty() && leg.owed.empty()) return;
  reconciler_.limit_burst(leg);
  reconciler_.shuffle(leg);
  supersede(leg);
  add_answer(std::move(leg));
}

std::uint64_t protocol::fresh_rounds(std::uint32_t path_rounds) const {
  return fresh_rounds_max(peers_.by_hash().size(), settings_.gossip_interval, path_rounds);
}

bool protocol::hears_me(const message& received) {
  echo of_me;
  of_me.generation = received.receiver.generation;
  of_me.heartbeat = received.receiver.heartbeat;
  of_me.instance = received.receiver_instance;
  of_me.is_answer = received.kind != message_kind::digest;
  const peer_view self = peers_.self();
  std::uint32_t path_rounds = 0;
  std::uint64_t after = 0;
  if (const std::optional<slot_index> sender = peers_.find(received.sender.name_hash)) {
    peer_details& of = peers_.details(*sender);
    const bool is_of_this_run = of_me.generation == self.generation();
    if (of_me.is_answer && is_of_this_run && of_me.heartbeat <= self.heartbeat()) {
      of.path_rounds = smoothed_path_rounds(of.path_rounds, self.heartbeat() - of_me.heartbeat);
    }
    path_rounds = of.path_rounds;
    const bool is_dead = peers_[*sender].status() == peer_status::dead;
    // An answer that names a higher run of mine bears no heartbeat of mine: its own tells its age.
    const bool is_of_higher_run = of_me.is_answer && of_me.generation > self.generation();
    const bool is_from_after =
        is_of_higher_run && received.sender.heartbeat > of.died_at_own_heartbeat;
    if (is_dead && !is_from_after && !is_on(defect::dead_revived)) after = of.died_at_heartbeat;
  }
  const std::uint64_t rounds_max = fresh_rounds(path_rounds);
  return is_fresh(of_me, self.entry(), peers_.details(self_slot).instance, rounds_max, after);
}

void protocol::ask_back(slot_index slot, const message& received, const endpoint& source) {
  const peer_view row = peers_[slot];
  const bool is_in_question = row.is_suspect() || row.status() == peer_status::unjudged ||
                              row.status() == peer_status::dead;
  if (!is_in_question || received.sender.heartbeat <= row.heartbeat()) return;
  start_short(source, row.name_hash(), {});
}

void protocol::handle_sender(const message& received, const endpoint& source, bool is_fresh) {
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  if (!slot || peers_[*slot].generation() != received.sender.generation) return;

  peer_details& of = peers_.details(*slot);
  if (is_fresh) {
    handle_heartbeat(*slot, received.sender);
    of.last_reply = clock_.now();
    of.spoken = received.versions;
    of.features = received.features;
    handle_direct_proof(*slot, received.sender.heartbeat);
    if (!is_on(defect::route_kept)) of.route.reset();
    if (source != of.address) of.route = source;
  } else {
    handle_leave(*slot, received.sender);
    ask_back(*slot, received, source);
  }

  const peer_view self = peers_.self();
  const digest_entry& mine = received.receiver;
  const bool is_of_this_run = mine.generation == self.generation() &&
                              received.receiver_instance == peers_.details(self_slot).instance;
  if (is_of_this_run) {
    own_map_.handle_held(*slot, mine, part_of_mine(received, self));
  }
  const peer row = peers_[*slot];
  const bool was_silent =
      row.status() == peer_status::unjudged || row.status() == peer_status::dead;
  if (was_silent && is_fresh) {
    peers_.restart_silence(*slot, clock_.now());
    set_status(*slot, peer_status::live);
  }
}

void protocol::handle_heartbeats(std::span<const packed_entry> entries, const comparison& seen,
                                 bool is_fresh) {
  if (!is_fresh && !is_on(defect::deaf_vouches)) {
    for (const located_entry& at : seen.others()) {
      if (at.slot != no_slot) handle_leave(at.slot, entries[at.index]);
    }
    return;
  }
  for (const placed_entry& at : seen.ahead()) {
    const std::uint64_t heartbeat = entries[at.index].heartbeat();
    const peer_view row = peers_.at(at.place);
    // Raised meanwhile, where the list names it twice; or by more than is taken unasked.
    if (heartbeat > row.heartbeat() && heartbeat - row.heartbeat() <= heartbeats_unasked) {
      peers_.advance_at(at.place, heartbeat, clock_.now(), expected_, settings_.detector_window);
    } else {
      handle_relayed(row.slot(), entries[at.index]);
    }
  }
  for (const located_entry& at : seen.others()) {
    if (at.slot != no_slot) handle_relayed(at.slot, entries[at.index]);
  }
}

void protocol::handle_relayed(slot_index slot, const digest_entry& entry) {
  const peer_view row = peers_[slot];
  if (slot != self_slot && row.generation() == entry.generation &&
      !is_plausible(row, entry.heartbeat)) {
    return drop(drop_reason::field);
  }
  handle_heartbeat(slot, entry);
}

bool protocol::is_plausible(peer_view row, std::uint64_t heartbeat) const {
  if (heartbeat <= row.heartbeat() + heartbeats_unasked) return true;
  // What I know may be as old as the longest interval that counts; others beat while I stood still.
  const nanoseconds since =
      clock_.now() - peers_.silent_since(row.slot()) + clock_.paused() + expected_.maximum;
  const std::int64_t rounds = std::max(nanoseconds{0}, since) / settings_.gossip_interval;
  return heartbeat - row.heartbeat() <= static_cast<std::uint64_t>(faster_max * rounds);
}

std::uint64_t protocol::credible_heartbeat(slot_index slot) const {
  const peer_view row = peers_[slot];
  const suspicion& heard = peers_.details(slot).doubts;
  if (!heard.proved()) return row.heartbeat();
  const nanoseconds until = heard.suspected_since().value_or(peers_.silent_since(slot));
  const nanoseconds since = std::max(nanoseconds{0}, until - *heard.proved()) + expected_.maximum;
  const std::int64_t rounds = since / settings_.gossip_interval;
  return std::min(row.heartbeat(), heard.proof_heartbeat() + heartbeats_unasked +
                                       static_cast<std::uint64_t>(faster_max * rounds));
}

std::uint64_t protocol::reachable_heartbeat(slot_index slot) const {
  const peer_details& of = peers_.details(slot);
  const std::uint64_t held = credible_heartbeat(slot);
  if (!of.doubts.has_proof()) return held + fresh_rounds(0);
  suspicion_rules rules = make_suspicion_rules();
  if (of.interval.is_said()) {
    rules.interval = std::min<nanoseconds>(rules.interval, of.interval.length());
  }
  return std::max(held, of.doubts.heartbeat_after(clock_.now(), rules));
}

void protocol::handle_heartbeat(slot_index slot, const digest_entry& entry) {
  if (slot == self_slot) return handle_own_entry(entry, 0);
  const peer row = peers_[slot];
  if (row.generation() != entry.generation) return;
  const bool is_newer = entry.heartbeat > row.heartbeat() || is_on(defect::heartbeat_regression);
  if (is_newer) advance_heartbeat(slot, entry.heartbeat);
  handle_leave(slot, entry);
}

void protocol::handle_leave(slot_index slot, const digest_entry& entry) {
  if (slot == self_slot) return handle_own_entry(entry, 0);
  const peer row = peers_[slot];
  if (row.generation() != entry.generation) return;
  if (entry.has_left && !row.has_left() && !is_on(defect::leave_unheard)) {
    row.set_left();
    set_status(slot, peer_status::left);
  }
}

void protocol::advance_heartbeat(slot_index slot, std::uint64_t heartbeat) {
  const peer row = peers_[slot];
  if (row.is_suspect() &&
      peers_.details(slot).doubts.handle_heartbeat(heartbeat, make_suspicion_rules())) {
    peers_.set_suspect(slot, false);
    ++stats_.doubts_refuted;
  }
  // A heartbeat from before it fell silent may still be on its way: that is no sign of life. A
  // suspicion knows how far its heartbeat can have come by then.
  const bool is_from_before = row.is_suspect() || heartbeat < peers_.details(slot).returns_from;
  if (row.status() == peer_status::dead && is_from_before) {
    row.set_heartbeat(heartbeat);
    return;
  }
  // The silence that ends here was an outage, no interval of a peer that lives: it does not make
  // the next crash harder to find.
  const bool was_gone = row.status() == peer_status::dead && row.advances() == 0;
  if (was_gone) {
    peers_.advance_anew(slot, heartbeat, clock_.now());
  } else {
    peers_.advance(slot, heartbeat, clock_.now(), expected_, settings_.detector_window);
  }
  const bool is_silent = row.status() == peer_status::unjudged || row.status() == peer_status::dead;
  if (is_silent && row.advances() == peer::advances_max) set_status(slot, peer_status::live);
}

void protocol::set_status(slot_index slot, peer_status status) {
  if (status == peer_status::dead) {
    peer_details& of = peers_.details(slot);
    of.died_at_heartbeat = peers_.self().heartbeat();
    of.died_at_own_heartbeat = reachable_heartbeat(slot);
    // Without a suspicion nobody knows when the peer fell silent. Its latest words may be as old as
    // a fresh echo.
    of.returns_from = peers_[slot].is_suspect() ? 0 : credible_heartbeat(slot) + fresh_rounds(0);
  }
  membership_.set_status(slot, status, clock_.now(), random_);
}

// --------------------------------------------------------------------------------- identities

void protocol::handle_identity(const identity_view& who, bool is_fresh) {
  using what = introduction::what;
  const std::uint64_t name_hash = siphash(cluster_key_, who.name);
  introduction seen = membership_.introduce(who, name_hash, clock_);
  digest_entry known;
  known.name_hash = name_hash;
  known.generation = who.generation;
  known.heartbeat = who.heartbeat;
  known.has_left = who.has_left;
  switch (seen.kind) {
    case what::dropped:
      drop(seen.reason);
      if (seen.text.empty()) return;
      return notices_.report_once(seen.notice, who, name_hash, std::move(seen.text), clock_.now());
    case what::about_self:
      drop(drop_reason::about_self);
      return handle_own_entry(known, who.instance);
    case what::known:
      // Peers tell of an unwanted peer by its identity: that brings its heartbeat.
      return is_fresh ? handle_relayed(seen.slot, known) : handle_leave(seen.slot, known);
    case what::restarted:
      if (!is_on(defect::state_kept)) reconciler_.forget(seen.slot);
      break;
    case what::admitted:
      if (seen.evicted) bury(*seen.evicted);
      break;
  }
  const slot_index slot = membership_.enter(who, name_hash, clock_.now(), random_);
  std::erase(rumours_, slot);
  own_map_.forget(slot);
  notices_.forget(slot);
}

// --------------------------------------------------------------------------------- my own name

void protocol::handle_word_of_me(const message& received) {
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  const bool is_of_its_run = slot && peers_[*slot].generation() == received.sender.generation;
  is_told_by_peer_ = is_of_its_run && peers_[*slot].status() == peer_status::live;
  const digest_entry& mine = received.receiver;
  if (mine.generation != 0) handle_own_entry(mine, received.receiver_instance);
  if (!slot) return;
  if (!is_of_its_run) return handle_older_run(received, *slot);
  const bool is_shared = received.is_name_shared && seen_heartbeat(received) != 0;
  if (is_shared && own_.may_tell_older(settings_.dead_peer_grace, clock_.now())) {
    tell_older_run(generation());  // which one it heard it does not say
  }
  if (!has_left() || mine.generation <= generation()) return;
  own_map_.handle_later_run(*slot);
}

void protocol::handle_older_run(const message& received, slot_index slot) {
  const peer_view row = peers_[slot];
  if (received.sender.generation >= row.generation()) return;
  if (row.status() != peer_status::live) return;
  peer_details& of = peers_.details(slot);
  const bool is_shared =
      of.namesake.hear(seen_heartbeat(received), peers_.detector(slot).last_advance(),
                       expected_.maximum / 2, silence_max(), clock_.now());
  if (!is_shared || !of.namesake.may_tell(clock_.now(), settings_.dead_peer_grace)) return;
  changes_.notice(event_kind::conflict, of.name, received.sender.generation,
                  "two nodes live under this name; the one with the lower generation is not heard");
}

void protocol::tell_older_run(std::uint64_t generation) {
  changes_.notice(event_kind::conflict, name(), generation,
                  "another node lives under this name, with a lower generation: stop one of the "
                  "two, or give one another name");
}

void protocol::handle_own_entry(const digest_entry& mine, std::uint32_t instance) {
  const peer_view self = peers_.self();
  own_run run;
  run.generation = self.generation();
  run.max_version = self.max_version();
  run.heartbeat = self.heartbeat();
  run.instance = peers_.details(self_slot).instance;
  run.has_left = self.has_left();
  run.generation_limit = clock_.generation_limit();
  own_word word;
  word.held = mine;
  word.instance = instance;
  word.is_by_peer = is_told_by_peer_;
  const own_name_outcome outcome = own_.handle(word, run, expected_.maximum, clock_.now());
  using what = own_name_outcome::what;
  switch (outcome.kind) {
    case what::nothing:
      return;
    case what::far_future:
      return drop(drop_reason::far_future);
    case what::refute:
      refute(outcome.generation);
      if (outcome.ends_conflict) end_conflict();
      return;
    case what::conflict_begins:
      peers_.self().set_status(peer_status::conflict);
      changes_.notice(event_kind::conflict, name(), outcome.generation,
                      "another node lives under this name, with a higher generation: stop one of "
                      "the two, or give one another name");
      return;
    case what::conflict_ends:
      return end_conflict();
  }
}

void protocol::refute(std::uint64_t generation) {
  // Two runs of this node that refute the same relic seldom meet in one generation. The step stays
  // below the date that others would refuse.
  constexpr std::uint64_t steps = 64;
  const std::uint64_t step = 1 + random_.below(steps);
  const std::uint64_t wanted = std::max(generation + 1, clock_.date_generation()) + step;
  const std::uint64_t allowed = std::max(generation + 1, clock_.generation_limit());
  peers_.self().set_generation(std::min({wanted, allowed, generation_max}));
  ++stats_.refutations;
  changes_.notice(event_kind::refuted, name(), this->generation(),
                  "others held generation " + std::to_string(generation) + " of this node");
}

void protocol::end_conflict() {
  peers_.self().set_status(peer_status::self);
  changes_.notice(event_kind::conflict_ended, name(), generation(),
                  "no other node is known to live under this name any more");
}

}  // namespace gossipmonger
