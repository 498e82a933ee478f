#include "core/outgoing.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "core/model/size_limits.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// A request for more is due again after one part of an interval in so many without an answer.
constexpr int stall_part = 16;
/// Entries of a datagram beside sender and receiver, at the smallest size.
constexpr std::size_t continuation_places = 40;

}  // namespace

void outgoing::start_probes() {
  while (const std::optional<wanted_probe> wanted = node_.liveness.poll_probe(node_.random)) {
    start_short(*wanted);
    node_.liveness.handle_started(*wanted, is_started(wanted->to));
  }
}

void outgoing::start_short(const wanted_probe& wanted) {
  const std::size_t told_max = node_.liveness.suspicions_a_leg();
  if (digest_leg* queued = node_.sending.find_digest(wanted.to)) {
    // The leg that waits there for the budget goes first now.
    if (queued->padded_bytes == 0) queued->is_sign_due = true;
    // A leg that goes there anyway takes the suspicion along, if it has room for it.
    const bool has_room = queued->suspicions.size() < told_max;
    if (wanted.told && has_room) queued->suspicions.push_back(*wanted.told);
    return;
  }
  if (!node_.sending.may_start_short()) return;
  if (!may_start(wanted.to)) return;
  digest_leg& leg = add_digest(wanted.to, wanted.remote_hash, false);
  node_.sending.handle_short_started();
  leg.is_short = true;
  leg.digest_rows_left = 1;
  leg.datagrams_left = 1;
  if (wanted.told) leg.suspicions.insert(leg.suspicions.begin(), *wanted.told);
  if (leg.suspicions.size() > told_max) leg.suspicions.pop_back();
}

start_outcome outgoing::start(const partner& chosen) {
  if (is_started(chosen.to)) return start_outcome::waiting;
  if (!may_start(chosen.to)) return start_outcome::refused;
  digest_leg& leg = start_exchange(chosen.to, chosen.name_hash);
  if (chosen.reason != partner::why::member) return start_outcome::started;
  const peer_view row = node_.peers[chosen.slot];
  // Under a byte budget few first contacts are answered: their silence shows nothing.
  const bool is_answer_due = node_.settings.send_bytes_per_interval == 0 ||
                             node_.peers.details(chosen.slot).last_reply.has_value();
  if (row.may_die() && is_answer_due && node_.settings.suspicion_rounds > 0) {
    leg.awaited = chosen.slot;
    leg.awaited_generation = row.generation();
  }
  return start_outcome::started;
}

bool outgoing::may_start(const endpoint& to) {
  return node_.partners.is_partner(to) && node_.sending.has_room_for_digest(to) &&
         node_.addresses.try_start(to, node_.stats.rounds, node_.settings.unverified_addresses_max);
}

digest_leg& outgoing::start_exchange(const endpoint& to, std::uint64_t remote_hash) {
  return add_digest(to, remote_hash, tells_root(remote_hash));
}

digest_leg& outgoing::add_digest(const endpoint& to, std::uint64_t remote_hash, bool is_root) {
  digest_leg& leg =
      node_.sending.add_digest(to, node_.peers.by_hash().size(), node_.unwanted.all().size());
  begin_digest(leg, remote_hash);
  const bool is_verified = node_.addresses.is_verified(to);
  // A root is short, and so is its answer: it needs no padding. But a byte budget leaves a first
  // contact less than a root takes.
  if (is_root && (is_verified || !node_.sending.has_byte_budget())) {
    node_.sending.make_root(leg);
  } else if (!is_verified) {
    const bool is_short_turn = node_.addresses.unanswered(to) % address_book::short_starts ==
                               address_book::short_starts - 1;
    node_.sending.pad(leg, is_short_turn ? address_book::unverified_bytes_short
                                         : address_book::unverified_bytes_min);
  }
  leg.is_sign_due = is_verified;
  if (is_verified) node_.liveness.plan_suspicions(leg.suspicions);
  return leg;
}

bool outgoing::tells_root(std::uint64_t remote_hash) const {
  if (!node_.exchange.shared.tells_sums()) return false;
  const std::optional<slot_index> slot = node_.peers.find(remote_hash);
  if (!slot) return false;
  const bool is_news = node_.membership.is_return_news(node_.stats.rounds);
  const peer_details& of = node_.peers.details(*slot);
  return !is_news && (!of.last_reply || (of.features & feature_sums) != 0);
}

bool outgoing::try_tell_rows(const endpoint& to, std::uint64_t remote_hash,
                             const std::optional<bucket_set>& in, unsigned part) {
  if (!node_.addresses.is_verified(to)) return false;
  // The leg for another part of the sums may wait.
  digest_leg* const waiting = node_.sending.find_digest(to);
  if (in && waiting != nullptr && waiting->buckets && waiting->has_extra) {
    bucket_set both = *waiting->buckets;
    both.add(*in);
    limit_buckets(*waiting, both);
    return true;
  }
  if (!node_.sending.try_restart(to, part)) return false;
  digest_leg& leg = add_digest(to, remote_hash, false);
  leg.is_sign_due = false;
  if (in) {
    limit_buckets(leg, *in);
    node_.sending.count_membership(digest_frame_bytes +
                                   (leg.digest_rows_left + leg.digest_unwanted_left) * entry_bytes);
  } else {
    node_.sending.count_membership(
        node_.exchange.digests.bytes_whole(node_.settings.digest_datagrams_max));
  }
  return true;
}

void outgoing::limit_buckets(digest_leg& leg, const bucket_set& in) {
  const auto is_in = [&in](const auto& one) { return in.has_hash(one.name_hash); };
  leg.buckets = in;
  leg.digest_rows_left =
      static_cast<std::size_t>(std::ranges::count_if(node_.peers.entries(), is_in));
  leg.digest_unwanted_left =
      static_cast<std::size_t>(std::ranges::count_if(node_.unwanted.all(), is_in));
  // Where not all of them have a place, the next such digest begins with others.
  const std::size_t places =
      node_.exchange.digests.rows_a_datagram() * node_.settings.digest_datagrams_max;
  const bool has_place = leg.digest_rows_left + leg.digest_unwanted_left < places / 2;
  leg.digest_from = has_place ? 0 : node_.random.next();
}

void outgoing::begin_digest(digest_leg& leg, std::uint64_t remote_hash) {
  leg.planned = node_.clock.now();
  leg.from = node_.source;
  leg.remote_hash = remote_hash;
  leg.cookie_echo = node_.addresses.cookie_from(leg.to);
  const std::optional<slot_index> slot = node_.peers.find(remote_hash);
  if (slot) leg.spoken = node_.peers.details(*slot).spoken;
  leg.unanswered = slot && is_heard(*slot) ? 0 : node_.addresses.unanswered(leg.to);
}

void outgoing::try_continue(const endpoint& source, bool is_stalled) {
  transfers& all = node_.exchange.shared.transfers;
  if (!all.may_continue() || !node_.addresses.is_verified(source)) return;
  if (!node_.sending.has_room_for_continuation(source)) return;
  std::vector<transfer> wanted;
  std::copy_if(all.all().begin(), all.all().end(), std::back_inserter(wanted),
               [&source](const transfer& one) { return one.source == source; });
  if (wanted.empty()) return;
  all.handle_continued();
  digest_leg& leg = node_.sending.add_continuation(source);
  begin_digest(leg, wanted.front().remote_hash);
  // The longest under way go first. Others are asked for once these are whole.
  const std::size_t rows = node_.exchange.digests.rows_within(leg.digest_bytes_left);
  std::size_t places = std::min(continuation_places, rows);
  for (const transfer& one : wanted) {
    // Digests leave out an owner whose later run is refused.
    if (node_.unwanted.find(node_.peers[one.slot].name_hash())) continue;
    const std::vector<spared_interval> spared = plan_spared(one, is_stalled);
    const std::size_t taken = 2 + spared.size();  // a row and perhaps a partial
    // Of the first one, at least, as many gaps are named as there is room for.
    if (taken > places && !leg.about.empty()) break;
    places -= std::min(places, taken);
    leg.about.push_back(one.slot);
    leg.spared.insert(leg.spared.end(), spared.begin(), spared.end());
    const std::uint64_t held = node_.peers[one.slot].max_version();
    all.handle_asked(one.slot, std::max(held, node_.exchange.deltas.parked_upto(one.slot)));
  }
  std::sort(leg.about.begin(), leg.about.end(), [this](slot_index one, slot_index other) {
    return node_.peers[one].name_hash() < node_.peers[other].name_hash();
  });
}

std::vector<spared_interval> outgoing::plan_spared(const transfer& one, bool is_stalled) const {
  // A value that is under way holds back all that follows it.
  if (node_.exchange.shared.partial_of(one.slot)) return {};
  const applier& deltas = node_.exchange.deltas;
  // Entries sent since the last request may have been overtaken: they are not lost yet.
  const std::uint64_t lost_upto =
      is_stalled ? version_max : std::max(node_.peers[one.slot].max_version(), one.asked_upto);
  return spared_of(deltas.parked_intervals(one.slot), lost_upto, deltas.is_half_parked());
}

void outgoing::continue_stalled() {
  const nanoseconds oldest = node_.clock.now() - node_.settings.gossip_interval / stall_part;
  std::vector<endpoint> stalled;
  for (const transfer& one : node_.exchange.shared.transfers.all()) {
    // A lost part of a value is sent again only once a later heartbeat was seen.
    const bool is_value = node_.exchange.shared.partial_of(one.slot).has_value();
    if (one.last <= oldest || is_value) stalled.push_back(one.source);
  }
  for (const endpoint& source : stalled) try_continue(source, true);
}

void outgoing::plan_sign(const message& received, std::size_t bytes, answer_leg& answer) {
  // A digest of several datagrams wants one sign of life. A short leg wants nothing else.
  const std::optional<slot_index> slot = node_.peers.find(received.sender.name_hash);
  const bool is_first = !slot || node_.sending.try_give_sign(*slot, node_.clock.now());
  const bool is_short = !received.known.has_claim() && !received.known.root;
  node_.sending.plan_sign(answer, bytes, is_first, is_short);
}

void outgoing::add_answer(answer_leg&& leg, const endpoint& from) {
  // A peer that gets no answer does not come to know this node: an observer, or a node that does
  // not know yet where peers reach it.
  if (node_.settings.is_observer || !node_.has_address()) return;
  leg.planned = node_.clock.now();
  leg.from = from;
  node_.sending.add_answer(std::move(leg));
}

std::optional<endpoint> outgoing::poll(moment now, message& out) {
  node_.sending.expire(node_.clock.now());
  while (const std::optional<leg_turn> turn = node_.sending.next(now.steady)) {
    const bool is_digest = turn->digest != nullptr;
    const bool is_filled = is_digest
                               ? node_.exchange.digests.fill(*turn->digest, out, node_.clock.now())
                               : node_.exchange.answers.fill(*turn->answer, out, node_.clock.now());
    if (!is_filled) {
      node_.sending.end(*turn);
      continue;
    }
    const leg_base& leg = turn->leg();
    out.cookie = node_.addresses.cookie_for(leg.to, now.steady);
    out.versions = node_.spoken;
    out.features = feature_sums;
    out.wire_version = version_for(leg, is_digest ? turn->digest->unanswered : 0);
    if (const std::optional<slot_index> remote = node_.peers.find(leg.remote_hash)) {
      path_watch& path = node_.exchange.shared.paths[*remote].watch;
      path.handle_sent(leg.filled_bytes, node_.peers.self().heartbeat());
    }
    if (is_digest) {
      // Any digest leg asks a suspect whether it lives, by its first datagram.
      digest_leg& digest = *turn->digest;
      if (digest.is_sign_due || digest.padded_bytes != 0) {
        node_.liveness.handle_asked(leg.remote_hash);
        measure(leg.remote_hash, now);
      }
      node_.liveness.expect_answer(std::exchange(digest.awaited, self_slot),
                                   digest.awaited_generation);
      ++node_.stats.digests_sent;
    } else {
      ++node_.stats.replies_sent;
      node_.stats.deltas_sent += out.deltas.size();
    }
    const endpoint to = leg.to;
    node_.sending.took(*turn, out);
    if (on_message_) on_message_(message_direction::sent, to, out);
    return to;
  }
  return std::nullopt;
}

bool outgoing::is_heard(slot_index slot) const {
  const bool is_live = node_.peers[slot].status() == peer_status::live;
  return is_live && node_.peers.details(slot).last_reply.has_value();
}

void outgoing::measure(std::uint64_t remote_hash, moment now) {
  const std::optional<slot_index> slot = node_.peers.find(remote_hash);
  if (!slot || *slot == self_slot) return;
  node_.round_trips.handle_sent(*slot, node_.peers.self().heartbeat(), now.steady);
}

std::uint8_t outgoing::version_for(const leg_base& leg, std::uint32_t unanswered) const {
  // Losses alone make nobody write what a peer does not read.
  constexpr std::uint32_t patience = 2;
  std::optional<wire_range> spoken = leg.spoken;
  // The version is chosen now: the receiver may have named others while the leg waited.
  const std::optional<slot_index> slot = node_.peers.find(leg.remote_hash);
  if (slot && node_.peers.details(*slot).way() == leg.to) {
    const peer_details& of = node_.peers.details(*slot);
    if (of.last_reply && *of.last_reply >= leg.planned) spoken = of.spoken;
    if (is_heard(*slot)) unanswered = 0;
  }
  const std::uint8_t common = spoken ? common_wire_version(*spoken, node_.spoken) : std::uint8_t{0};
  const std::uint32_t usual = common != 0 ? common : node_.spoken.lowest;
  const std::uint32_t turns = unanswered - std::min(unanswered, patience);
  const std::uint32_t count = node_.spoken.highest - node_.spoken.lowest + 1U;
  return static_cast<std::uint8_t>(node_.spoken.lowest +
                                   (usual - node_.spoken.lowest + turns) % count);
}

}  // namespace gossipmonger
