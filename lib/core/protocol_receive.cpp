// Received messages: the sender, its words on itself, on this node and on others, and the answer.
#include <algorithm>
#include <utility>

#include "core/protocol.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

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

std::uint8_t protocol::version_for(const leg_base& leg, std::uint32_t unanswered) const {
  // Losses alone make nobody write what a peer does not read.
  constexpr std::uint32_t patience = 2;
  std::optional<wire_range> spoken = leg.spoken;
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
  return static_cast<std::uint8_t>(spoken_.lowest + (usual - spoken_.lowest + turns) % count);
}

void protocol::observe_time(moment now) {
  // The first round may be late: before it, this node awaits nothing of its peers.
  const nanoseconds late_max = stats_.rounds > 0 ? settings_.gossip_interval : nanoseconds::max();
  if (!clock_.observe(now, partners_.next_round(), late_max)) return;
  partners_.set_next_round(now.steady);
  ++stats_.pauses;
  liveness_.suspend(stats_.rounds + 2);
}

void protocol::handle_namesake(const message& received, const endpoint& source, std::size_t bytes,
                               bool is_verified) {
  drop(drop_reason::reflected);
  const peer_view self = peers_.self();
  const bool is_mine = received.sender.generation == self.generation() &&
                       received.sender.heartbeat <= self.heartbeat();
  if (is_mine) return partners_.handle_reflection(source);
  if (is_verified) {
    addresses_.handle_verified(source, received.cookie);
    in_hand_.is_by_peer = false;
    handle_own_entry(received.sender, 0);
    const std::uint64_t theirs = received.sender.generation;
    const bool is_older = theirs < self.generation();
    if (is_older && own_.handle_older(theirs, liveness_.expected().maximum,
                                      settings_.dead_peer_grace, clock_.now())) {
      tell_older_run(theirs);
    }
  }
  if (received.kind != message_kind::digest) return;
  // The other node of this name is to learn of me, and to verify its address: an empty reply.
  answer_leg leg;
  leg.to = source;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.is_unverified = !is_verified;
  leg.bytes_left = bytes * address_book::amplification_max;
  leg.datagrams_left = 1;
  add_answer(std::move(leg));
}

void protocol::handle_message(const message& received, const endpoint& source, std::size_t bytes,
                              moment now, const endpoint& local) {
  if (on_message_) on_message_(message_direction::received, source, received);
  observe_time(now);
  liveness_.begin_message();
  in_hand_.sent_to = local;
  const peer_view self = peers_.self();
  const bool is_verified = addresses_.is_valid_echo(received.cookie_echo, source, now.steady);
  if (received.sender.name_hash == self.name_hash()) {
    return handle_namesake(received, source, bytes, is_verified);
  }
  if (received.receiver.generation != 0 &&
      low_half(received.receiver.name_hash) != low_half(self.name_hash())) {
    return drop(drop_reason::not_for_me);
  }
  const std::uint64_t cookie = is_my_source(local) ? received.cookie : 0;
  const bool was_verified = is_verified && addresses_.handle_verified(source, cookie);
  // Asked before what the sender holds of me is taken, which may move me to a higher run.
  const bool is_heard = is_verified && liveness_.is_fresh(received);
  if (is_verified) {
    watch_path(received, bytes);
    handle_word_of_me(received);
  }
  if (received.kind == message_kind::digest) {
    ++stats_.digests_received;
    handle_digest(received, source, bytes, is_verified, is_heard);
    return;
  }
  if (!is_verified) {
    report_other_source(received, source, now);
    return drop(drop_reason::unverified);
  }
  ++stats_.replies_received;
  handle_reply(received, source, is_heard);
  // To an unverified address went one datagram only: now the rest may follow, at once.
  const bool was_partial = !was_verified && peers_.by_hash().size() + unwanted_.all().size() >
                                                exchange_.digests.rows_a_datagram();
  // The 3x rule may have cut an answer, here or there: it is asked for anew. A value goes on.
  const bool goes_on = handle_parts(received, source) && was_verified;
  const bool is_cut = (received.more && !goes_on) || was_partial;
  if (received.kind == message_kind::reply && is_cut) {
    begin_anew(source, received.sender.name_hash);
  }
}

bool protocol::is_from_verified_peer(const message& received, const endpoint& source) {
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  return slot && *slot != self_slot && peers_[*slot].generation() == received.sender.generation &&
         addresses_.is_valid_echo(received.cookie_echo, source, clock_.now());
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
    if (!slot || !exchange_.shared.partial_of(*slot)) continue;
    part.slot = *slot;
    if (!exchange_.transfers.handle_part(part)) continue;
    has_part = true;
    if (received.more) try_continue(part);
  }
  return has_part;
}

void protocol::try_continue(const value_transfer& one) {
  if (!exchange_.transfers.may_continue() || !addresses_.is_verified(one.source)) return;
  if (!sending_.has_room_for_digest(one.source)) return;
  exchange_.transfers.handle_continued();
  digest_leg& leg = start_exchange(one.source, one.remote_hash);
  leg.is_short = true;
  leg.is_sign_due = false;
  leg.about = one.slot;
  leg.has_extra = false;
  leg.datagrams_left = 1;
}

void protocol::continue_values() {
  exchange_.transfers.begin_round(stats_.rounds, [this](slot_index slot) {
    return peers_.is_used(slot) && exchange_.shared.partial_of(slot).has_value();
  });
  for (const value_transfer& one : exchange_.transfers.all()) {
    if (!is_started(one.source)) try_continue(one);
  }
}

void protocol::begin_anew(const endpoint& source, std::uint64_t remote_hash) {
  if (!sending_.try_restart(source)) return;
  start_exchange(source, remote_hash).is_sign_due = false;
}

void protocol::handle_digest(const message& received, const endpoint& source, std::size_t bytes,
                             bool is_verified, bool is_fresh) {
  if (is_verified) handle_sender(received, source, is_fresh);
  if (is_verified) {
    const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
    const bool is_held = slot && peers_[*slot].generation() == received.sender.generation;
    if (is_held) notices_.handle_interval(*slot, received.interval, clock_.now());
  }
  // Entries that are equal there and here may have arrived since they were sent.
  const bool is_thorough = is_verified && exchange_.plans.has_flights(received.sender.name_hash);
  peers_.compare(received.known.range, is_thorough, in_hand_.seen.range);
  peers_.compare(received.known.extra, is_thorough, in_hand_.seen.extra);
  if (is_verified) {
    handle_heartbeats(received.known.range, in_hand_.seen.range, is_fresh);
    handle_heartbeats(received.known.extra, in_hand_.seen.extra, is_fresh);
    if (is_fresh) handle_suspicions(received, source);
  }

  answer_leg leg;
  leg.to = source;
  leg.asked_generation = received.sender.generation;
  leg.asked_heartbeat = received.sender.heartbeat;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.is_unverified = !is_verified;
  leg.bytes_left = settings_.exchange_bytes_max;
  if (!is_verified) {
    leg.bytes_left = std::min(
        {leg.bytes_left, bytes * address_book::amplification_max, sending_.unverified_bytes_max()});
  }
  leg.datagrams_left = settings_.exchange_datagrams_max;
  leg.is_sign_due = true;
  if (is_verified) {
    leg.seen_heartbeat = seen_heartbeat(received);
    leg.refused = membership_.refusal_of(received.sender);
  }
  leg.partials = &received.partials;
  exchange_.plans.compare(received.known, in_hand_.seen, received.sender.name_hash, clock_.now(),
                          leg);
  leg.partials = nullptr;
  exchange_.plans.limit_window(leg);
  exchange_.plans.shuffle(leg, random_);
  if (is_verified) {
    sending_.supersede(leg, peers_.slots());
    leg.suspicions = liveness_.answers();
    const bool is_told = !received.suspicions.empty() || liveness_.is_to_be_told(source);
    if (is_told) liveness_.plan_suspicions(leg.suspicions);
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
  const peer_details& of = peers_.details(*slot);
  remote_path& path = exchange_.shared.paths[*slot];
  path.watch.handle_received(bytes);
  if (received.kind != message_kind::digest) return;
  if (!path.watch.handle_told(received.largest_received, seen_heartbeat(received))) return;
  identity_view who;
  who.name = of.name;
  who.generation = row.generation();
  std::string text = "large datagrams do not reach " + of.way().to_string() + ", short ones do: ";
  const bool has_larger = settings_.datagram_bytes_max > datagram_bytes_floor && !path.is_narrow;
  if (has_larger) {
    path.is_narrow = true;
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

void protocol::handle_reply(const message& received, const endpoint& source, bool is_fresh) {
  for (const identity_view& who : received.identities) handle_identity(who, is_fresh);
  handle_sender(received, source, is_fresh);
  if (received.refused != refusal::none) {
    notices_.handle_refusal(received.refused, received.sender.name_hash, source, clock_.now());
  }
  peers_.compare(received.heartbeats, false, in_hand_.seen.range);
  handle_heartbeats(received.heartbeats, in_hand_.seen.range, is_fresh);
  if (is_fresh) handle_suspicions(received, source);
  stats_.deltas_received += received.deltas.size();
  for (const delta_view& delta : received.deltas) exchange_.deltas.apply(received, delta);

  if (received.kind != message_kind::reply || received.requests.empty()) return;
  answer_leg leg;
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
    exchange_.plans.compare_request(request, clock_.now(), leg);
  }
  leg.partials = nullptr;
  if (leg.identities.empty() && leg.owed.empty()) return;
  exchange_.plans.limit_window(leg);
  exchange_.plans.shuffle(leg, random_);
  sending_.supersede(leg, peers_.slots());
  add_answer(std::move(leg));
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
    liveness_.handle_alive(*slot, received.sender.heartbeat);
    start_probes();
    of.route.reset();
    if (source != of.address) of.route = source;
  } else {
    handle_leave(*slot, received.sender);
    liveness_.handle_stale(*slot, received.sender.heartbeat, source);
    start_probes();
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
      row.status() == peer_status::introduced || row.status() == peer_status::dead;
  if (was_silent && is_fresh) {
    peers_.restart_silence(*slot, clock_.now());
    set_status(*slot, peer_status::live);
  }
}

void protocol::handle_heartbeats(std::span<const packed_entry> entries, const comparison& seen,
                                 bool is_fresh) {
  if (!is_fresh) {
    for (const located_entry& at : seen.others()) {
      if (at.slot != no_slot) handle_leave(at.slot, entries[at.index]);
    }
    return;
  }
  liveness_.handle_ahead(entries, seen.ahead());
  for (const located_entry& at : seen.others()) {
    if (at.slot != no_slot) handle_relayed(at.slot, entries[at.index]);
  }
}

void protocol::handle_relayed(slot_index slot, const digest_entry& entry) {
  if (slot == self_slot) return handle_own_entry(entry, 0);
  if (liveness_.accepts(slot, entry)) handle_heartbeat(slot, entry);
}

void protocol::handle_heartbeat(slot_index slot, const digest_entry& entry) {
  set_status(slot, liveness_.handle_heartbeat(slot, entry));
  handle_leave(slot, entry);
}

void protocol::handle_leave(slot_index slot, const digest_entry& entry) {
  if (slot == self_slot) return handle_own_entry(entry, 0);
  set_status(slot, liveness_.handle_leave(slot, entry));
}

void protocol::handle_suspicions(const message& received, const endpoint& source) {
  for (const suspicion_entry& told : received.suspicions) {
    if (const std::optional<slot_index> slot = peers_.find(told.name_hash)) {
      set_status(*slot, liveness_.handle_evidence(told));
      start_probes();
    }
    liveness_.handle_suspicion(told, received.sender.name_hash, source);
    start_probes();
  }
}

void protocol::set_status(slot_index slot, peer_status status) {
  if (status == peer_status::dead) {
    liveness_.handle_death(slot);
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
      exchange_.forget(seen.slot);
      break;
    case what::admitted:
      if (seen.evicted) forget_slot(*seen.evicted);
      break;
  }
  const slot_index slot = membership_.enter(who, name_hash, clock_.now(), random_);
  exchange_.begin(slot);
  liveness_.begin(slot);
  own_map_.forget(slot);
  notices_.forget(slot);
}

// --------------------------------------------------------------------------------- my own name

void protocol::handle_word_of_me(const message& received) {
  const std::optional<slot_index> slot = peers_.find(received.sender.name_hash);
  const bool is_of_its_run = slot && peers_[*slot].generation() == received.sender.generation;
  in_hand_.is_by_peer = is_of_its_run && peers_[*slot].status() == peer_status::live;
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
                       liveness_.expected().maximum / 2, silence_max(), clock_.now());
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
  word.is_by_peer = in_hand_.is_by_peer;
  const own_name_outcome outcome =
      own_.handle(word, run, liveness_.expected().maximum, clock_.now());
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
