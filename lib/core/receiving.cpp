#include "core/receiving.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/model/size_limits.hpp"

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

void receiving::handle_message(const message& received, const endpoint& source, std::size_t bytes,
                               moment now, const endpoint& local) {
  outgoing_.show_received(source, received);
  node_.observe_time(now);
  node_.liveness.begin_message();
  node_.membership.begin_message();
  sent_to_ = local;
  const peer_view self = node_.peers.self();
  const bool is_verified = node_.addresses.is_valid_echo(received.cookie_echo, source, now.steady);
  if (received.sender.name_hash == self.name_hash()) {
    return handle_namesake(received, source, bytes, is_verified);
  }
  if (received.receiver.generation != 0 &&
      low_half(received.receiver.name_hash) != low_half(self.name_hash())) {
    return node_.drop(drop_reason::not_for_me);
  }
  const std::uint64_t cookie = is_my_source(local) ? received.cookie : 0;
  const bool was_verified = is_verified && node_.addresses.handle_verified(source, cookie);
  // Checked first: the sender's word of this node may move it to a higher run.
  const bool is_heard = is_verified && node_.liveness.is_fresh(received);
  if (is_verified) {
    watch_path(received, bytes);
    own_name_.handle_word_of_me(received);
  }
  if (received.kind == message_kind::digest) {
    ++node_.stats.digests_received;
    handle_digest(received, source, bytes, is_verified, is_heard);
    return;
  }
  if (!is_verified) {
    report_other_source(received, source, now);
    return node_.drop(drop_reason::unverified);
  }
  ++node_.stats.replies_received;
  const bool is_leg_2 =
      received.kind == message_kind::reply && !has(received.of_root, root_answer::leg_3);
  if (is_heard && is_leg_2) measure(received, now);
  const bool is_root_unread =
      outgoing_.tells_root(received.sender.name_hash) && (received.features & feature_sums) == 0;
  handle_reply(received, source, is_heard);
  // To an unverified address went one datagram only: now the rest may follow, at once.
  const bool was_partial = !was_verified && received.of_root == root_answer::none &&
                           node_.peers.by_hash().size() + node_.unwanted.all().size() >
                               node_.exchange.digests.rows_a_datagram();
  // The 3x rule may have cut an answer, here or there: it is asked for anew. Entries go on.
  const bool goes_on = handle_parts(received, source) && was_verified;
  if (received.more && goes_on) outgoing_.try_continue(source, false);
  const bool is_cut = (received.more && !goes_on) || was_partial;
  if (is_leg_2 && is_root_unread) {
    static_cast<void>(outgoing_.try_tell_rows(source, received.sender.name_hash, std::nullopt));
  } else if (is_leg_2 && is_cut) {
    begin_anew(source, received.sender.name_hash);
  }
}

void receiving::handle_namesake(const message& received, const endpoint& source, std::size_t bytes,
                                bool is_verified) {
  node_.drop(drop_reason::reflected);
  const peer_view self = node_.peers.self();
  const bool is_mine = received.sender.generation == self.generation() &&
                       received.sender.heartbeat <= self.heartbeat();
  if (is_mine) return node_.partners.handle_reflection(source);
  if (is_verified) {
    node_.addresses.handle_verified(source, received.cookie);
    own_name_.handle_namesake(received.sender);
  }
  if (received.kind != message_kind::digest) return;
  // The other node of this name is to learn of me, and to verify its address: an empty reply.
  answer_leg leg;
  leg.to = source;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.is_unverified = !is_verified;
  leg.bytes_left = bytes * address_book::amplification_max;
  leg.frame_bytes = node_.sending.frame_bytes();
  leg.datagrams_left = 1;
  outgoing_.add_answer(std::move(leg), sent_to_);
}

void receiving::report_other_source(const message& received, const endpoint& source, moment now) {
  const std::optional<endpoint> asked =
      node_.addresses.find_asked(received.cookie_echo, now.steady);
  if (!asked) return;
  node_.notices.report_once(identity_view(), *asked,
                            "the node asked at " + asked->to_string() + " answers from " +
                                source.to_string() +
                                ": an answer verifies an address only if it comes from there",
                            node_.clock.now());
}

void receiving::measure(const message& received, moment now) {
  const std::optional<slot_index> slot = node_.find_sender(received);
  if (!slot) return;
  node_.round_trips.handle_reply(*slot, node_.seen_heartbeat(received), now.steady);
}

void receiving::watch_path(const message& received, std::size_t bytes) {
  const std::optional<slot_index> slot = node_.find_sender(received);
  if (!slot) return;
  const peer_view row = node_.peers[*slot];
  const peer_details& of = node_.peers.details(*slot);
  remote_path& path = node_.exchange.shared.paths[*slot];
  path.watch.handle_received(bytes);
  if (received.kind != message_kind::digest) return;
  if (!path.watch.handle_told(received.largest_received, node_.seen_heartbeat(received))) return;
  identity_view who;
  who.name = of.name;
  who.generation = row.generation();
  std::string text = "large datagrams do not reach " + of.way().to_string() + ", short ones do: ";
  const bool has_larger =
      node_.settings.datagram_bytes_max > datagram_bytes_floor && !path.is_narrow;
  if (has_larger) {
    path.is_narrow = true;
    text += "it is sent 1200 bytes at most from now on";
  } else {
    text += "a path must carry packets of 1228 bytes, or 1248 with IPv6";
  }
  // Told of a name besides what else is told of it.
  const std::uint64_t subject = row.name_hash() + (has_larger ? 1 : 2);
  node_.notices.report_once(event_kind::error, who, subject, std::move(text), node_.clock.now());
}

void receiving::handle_digest(const message& received, const endpoint& source, std::size_t bytes,
                              bool is_verified, bool is_fresh) {
  if (is_verified) handle_sender(received, source, is_fresh);
  if (is_verified) {
    const std::optional<slot_index> slot = node_.find_sender(received);
    if (slot) node_.notices.handle_interval(*slot, received.interval, node_.clock.now());
  }
  // Entries that are equal there and here may have arrived since they were sent.
  const bool is_thorough =
      is_verified && node_.exchange.plans.has_flights(received.sender.name_hash);
  node_.peers.compare(received.known.range, is_thorough, seen_.range);
  node_.peers.compare(received.known.extra, is_thorough, seen_.extra);
  if (is_verified) {
    handle_heartbeats(received.known.range, seen_.range, is_fresh);
    handle_heartbeats(received.known.extra, seen_.extra, is_fresh);
    if (is_fresh) handle_suspicions(received, source);
  }

  answer_leg leg;
  leg.to = source;
  leg.asked_generation = received.sender.generation;
  leg.asked_heartbeat = received.sender.heartbeat;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.is_unverified = !is_verified;
  leg.bytes_left = node_.settings.exchange_bytes_max;
  if (!is_verified) {
    leg.bytes_left = std::min({leg.bytes_left, bytes * address_book::amplification_max,
                               node_.sending.unverified_bytes_max()});
    leg.frame_bytes = node_.sending.frame_bytes();
  }
  leg.datagrams_left = node_.settings.exchange_datagrams_max;
  leg.is_sign_due = true;
  if (is_verified) {
    leg.seen_heartbeat = node_.seen_heartbeat(received);
    leg.refused = node_.membership.refusal_of(received.sender);
  }
  leg.partials = &received.partials;
  leg.spared = &received.spared;
  node_.exchange.plans.compare(received.known, seen_, received.sender.name_hash, node_.clock.now(),
                               leg);
  leg.partials = nullptr;
  leg.spared = nullptr;
  answer_root(received, is_verified && is_fresh, leg);
  node_.exchange.plans.limit_window(leg);
  node_.exchange.plans.shuffle(leg, node_.random);
  if (is_verified) {
    node_.sending.supersede(leg, node_.peers.slots());
    leg.suspicions = node_.liveness.answers();
  }
  if (received.known.root) node_.liveness.tell_dead(received.known.extra, leg.suspicions);
  if (is_verified) {
    const bool is_told = !received.suspicions.empty() || node_.liveness.is_to_be_told(source);
    if (is_told) node_.liveness.plan_suspicions(leg.suspicions);
    outgoing_.plan_sign(received, bytes, leg);
  }
  outgoing_.add_answer(std::move(leg), sent_to_);
}

void receiving::handle_reply(const message& received, const endpoint& source, bool is_fresh) {
  for (const identity_view& who : received.identities) handle_identity(who, source, is_fresh);
  handle_sender(received, source, is_fresh);
  if (received.refused != refusal::none) {
    node_.notices.handle_refusal(received.refused, received.sender.name_hash, source,
                                 node_.clock.now());
  }
  node_.peers.compare(received.heartbeats, false, seen_.range);
  handle_heartbeats(received.heartbeats, seen_.range, is_fresh);
  if (is_fresh) handle_suspicions(received, source);
  node_.stats.deltas_received += received.deltas.size();
  for (const delta_view& delta : received.deltas) {
    node_.exchange.deltas.apply(received, delta);
    const std::optional<slot_index> slot = node_.peers.find(delta.name_hash);
    if (slot && *slot != self_slot) node_.try_complete(*slot);
  }

  if (received.kind == message_kind::reply) answer_reply(received, source);
}

void receiving::answer_root(const message& received, bool is_fresh, answer_leg& leg) {
  if (received.known.has_claim() || (received.features & feature_sums) == 0) return;
  if (received.known.root) {
    leg.of_root = root_answer::leg_2;
    node_.exchange.plans.answer_root(received.known, node_.clock.now(), leg);
  }
  // Rows go round in a turn of the ring, so a sender that hears well may know an old heartbeat of
  // mine. This answer tells it the present one, and leg 3 shows that it came.
  if (!is_fresh && node_.exchange.shared.tells_sums()) {
    leg.of_root = leg.of_root | root_answer::is_stale;
  }
}

void receiving::answer_reply(const message& received, const endpoint& source) {
  const bool is_of_root = has(received.of_root, root_answer::leg_2);
  const bool is_due = has(received.of_root, root_answer::is_stale);
  if (received.requests.empty() && !is_of_root && !is_due) return;
  answer_leg leg;
  leg.to = source;
  leg.kind = message_kind::deltas;
  leg.asked_generation = received.sender.generation;
  leg.asked_heartbeat = received.sender.heartbeat;
  leg.cookie_echo = received.cookie;
  leg.spoken = received.versions;
  leg.remote_hash = received.sender.name_hash;
  leg.is_first = false;
  leg.bytes_left = node_.settings.exchange_bytes_max;
  leg.datagrams_left = node_.settings.exchange_datagrams_max;
  leg.seen_heartbeat = node_.seen_heartbeat(received);
  leg.partials = &received.partials;
  bool is_told = false;  // rows go, or a short leg again: either shows what a bare leg would
  if (is_of_root) {
    const bucket_set rest = node_.exchange.plans.compare_root(received, node_.clock.now(), leg);
    const bool wants_rows = has(received.of_root, root_answer::wants_rows);
    if (wants_rows || !rest.is_empty()) {
      is_told = outgoing_.try_tell_rows(source, leg.remote_hash,
                                        wants_rows ? std::nullopt : std::optional(rest),
                                        wants_rows ? 0U : received.sum_part);
    }
  } else {
    for (const packed_entry& request : received.requests) {
      node_.exchange.plans.compare_request(request, node_.clock.now(), leg);
    }
  }
  leg.partials = nullptr;
  if (is_due && node_.liveness.try_tell_again(leg.remote_hash)) {
    outgoing_.start_probes();
    is_told = true;
  }
  const bool is_bare = leg.identities.empty() && leg.owed.empty() && leg.requests.empty();
  if (is_bare && (!is_due || is_told)) return;
  if (is_of_root || is_due) {
    leg.of_root = root_answer::leg_3;
    leg.is_first = true;
    if (!leg.requests.empty()) leg.kind = message_kind::reply;
    if (is_due) node_.liveness.plan_suspicions(leg.suspicions);
    node_.sending.count_membership(reply_frame_bytes +
                                   (leg.requests.size() + leg.suspicions.size()) * entry_bytes);
  }
  node_.exchange.plans.limit_window(leg);
  node_.exchange.plans.shuffle(leg, node_.random);
  node_.sending.supersede(leg, node_.peers.slots());
  outgoing_.add_answer(std::move(leg), sent_to_);
}

void receiving::begin_anew(const endpoint& source, std::uint64_t remote_hash) {
  if (!node_.sending.try_restart(source)) return;
  outgoing_.start_exchange(source, remote_hash).is_sign_due = false;
}

bool receiving::handle_parts(const message& received, const endpoint& source) {
  transfers& all = node_.exchange.shared.transfers;
  transfer part;
  part.source = source;
  part.remote_hash = received.sender.name_hash;
  part.round = node_.stats.rounds;
  part.last = node_.clock.now();
  bool has_part = false;
  for (const delta_view& delta : received.deltas) {
    const std::optional<slot_index> slot = node_.peers.find(delta.name_hash);
    if (!slot || *slot == self_slot) continue;
    const peer_view row = node_.peers[*slot];
    if (row.generation() != delta.generation || row.is_refused()) continue;
    part.slot = *slot;
    part.wanted = delta.top;
    const bool is_partial = node_.exchange.shared.partial_of(*slot).has_value();
    const bool is_open = delta.value_bytes == 0 ? delta.upto.version < delta.top : is_partial;
    if (is_open) {
      has_part = true;
      all.handle_part(part);
    } else {
      all.handle_last(part);
    }
    all.handle_held(*slot, row.max_version(), is_partial);
  }
  return has_part;
}

void receiving::handle_sender(const message& received, const endpoint& source, bool is_fresh) {
  const std::optional<slot_index> slot = node_.find_sender(received);
  if (!slot) return;

  peer_details& of = node_.peers.details(*slot);
  if (is_fresh) {
    handle_heartbeat(*slot, received.sender);
    of.last_reply = node_.clock.now();
    of.spoken = received.versions;
    of.features = received.features;
    node_.liveness.handle_alive(*slot, received.sender.heartbeat);
    outgoing_.start_probes();
    of.route.reset();
    if (source != of.address) of.route = source;
  } else {
    handle_leave(*slot, received.sender);
    node_.liveness.handle_stale(*slot, received.sender.heartbeat, source);
    outgoing_.start_probes();
  }

  const peer_view self = node_.peers.self();
  if (node_.is_of_this_run(received)) {
    node_.own_map.handle_held(*slot, received.receiver, part_of_mine(received, self));
  }
  const peer row = node_.peers[*slot];
  const bool was_silent =
      row.status() == peer_status::introduced || row.status() == peer_status::dead;
  if (was_silent && is_fresh) {
    node_.peers.restart_silence(*slot, node_.clock.now());
    node_.set_status(*slot, peer_status::live);
  }
  if (is_fresh) {
    const digest_entry& own = received.sender;
    node_.completeness.handle_word(*slot, own.heartbeat, own.max_version);
    node_.try_complete(*slot);
  }
}

void receiving::handle_heartbeats(std::span<const packed_entry> entries, const comparison& seen,
                                  bool is_fresh) {
  if (!is_fresh) {
    for (const located_entry& at : seen.others()) {
      if (at.slot != no_slot) handle_leave(at.slot, entries[at.index]);
    }
    return;
  }
  node_.liveness.handle_ahead(entries, seen.ahead());
  for (const located_entry& at : seen.others()) {
    if (at.slot != no_slot) handle_relayed(at.slot, entries[at.index]);
  }
}

void receiving::handle_heartbeat(slot_index slot, const digest_entry& entry) {
  node_.set_status(slot, node_.liveness.handle_heartbeat(slot, entry));
  handle_leave(slot, entry);
}

void receiving::handle_relayed(slot_index slot, const digest_entry& entry) {
  if (slot == self_slot) return own_name_.handle_own_entry(entry, 0);
  if (node_.liveness.accepts(slot, entry)) handle_heartbeat(slot, entry);
}

void receiving::handle_leave(slot_index slot, const digest_entry& entry) {
  if (slot == self_slot) return own_name_.handle_own_entry(entry, 0);
  node_.set_status(slot, node_.liveness.handle_leave(slot, entry));
}

void receiving::handle_suspicions(const message& received, const endpoint& source) {
  for (const suspicion_entry& told : received.suspicions) {
    if (const std::optional<slot_index> slot = node_.peers.find(told.name_hash)) {
      node_.set_status(*slot, node_.liveness.handle_evidence(told));
      outgoing_.start_probes();
    }
    node_.liveness.handle_suspicion(told, received.sender.name_hash, source);
    outgoing_.start_probes();
  }
}

void receiving::handle_identity(const identity_view& who, const endpoint& teller, bool is_fresh) {
  using what = introduction::what;
  const std::uint64_t name_hash = siphash(node_.cluster_key, who.name);
  introduction seen = node_.membership.introduce(who, name_hash, node_.clock);
  digest_entry known;
  known.name_hash = name_hash;
  known.generation = who.generation;
  known.heartbeat = who.heartbeat;
  known.has_left = who.has_left;
  switch (seen.kind) {
    case what::dropped:
      node_.drop(seen.reason);
      if (seen.reason == drop_reason::endpoint) {
        node_.exchange.shared.note_unroutable(name_hash, who.generation, teller);
      }
      if (seen.text.empty()) return;
      return node_.notices.report_once(seen.notice, who, name_hash, std::move(seen.text),
                                       node_.clock.now());
    case what::about_self:
      node_.drop(drop_reason::about_self);
      return own_name_.handle_own_entry(known, who.instance);
    case what::known:
      // Peers tell of an unwanted peer by its identity: that brings its heartbeat.
      return is_fresh ? handle_relayed(seen.slot, known) : handle_leave(seen.slot, known);
    case what::restarted:
      node_.exchange.forget(seen.slot);
      break;
    case what::admitted:
      if (seen.evicted) node_.forget_slot(*seen.evicted);
      break;
  }
  const bool is_live = is_fresh && seen.is_vouched;
  const slot_index slot =
      node_.membership.enter(who, name_hash, is_live, node_.clock.now(), node_.random);
  node_.begin_slot(slot, who.heartbeat);
}

}  // namespace gossipmonger
