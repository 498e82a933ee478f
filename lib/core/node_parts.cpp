#include "core/node_parts.hpp"

#include <algorithm>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

// Peers that were refused for want of room are unwanted too, besides the forgotten.
constexpr std::size_t refused_max = 1024;
constexpr std::size_t kept_changes_max = 1024;
// A peer that meets both nodes of one name tells each of the other, whatever digests tell.
constexpr int heartbeat_wait_rounds = 64;

}  // namespace

nanoseconds secret_lifetime(const config& settings) {
  const auto turns = static_cast<std::int64_t>(2 * settings.peers_max / settings.fanout + 64);
  return settings.gossip_interval * turns;
}

node_parts::node_parts(config options, storage_ref storage, const endpoint& address,
                       std::uint64_t seed, moment now)
    : settings(std::move(options)),
      entries(storage),
      random(seed),
      cluster_key(make_cluster_key(settings.cluster_name)),
      peers(settings.peers_max),
      unwanted(settings.peers_max + refused_max),
      changes(kept_changes_max),
      exchange(settings, peers, unwanted, entries, changes),
      own_map(settings, peers, entries, changes, now.steady),
      addresses(settings.peers_max + 256, secret_lifetime(settings), random.next()),
      membership(settings, peers, unwanted, changes),
      partners(settings, peers, now.steady),
      notices(settings, peers, changes),
      sending(settings),
      clock(now),
      liveness(settings, peers, addresses, clock) {
  const std::optional<slot_index> slot =
      peers.try_add(settings.name, siphash(cluster_key, settings.name));
  const peer self = peers[*slot];
  self.set_generation(
      std::min(std::max(settings.generation_last + 1, clock.date_generation()), generation_max));
  peers.details(self_slot).instance = static_cast<std::uint32_t>(1 + random.below(0xffffffff));
  peers.details(self_slot).address = address;
  completeness.begin(self_slot);
  round_trips.begin(self_slot);
  sending.begin(self_slot);
  self.set_status(peer_status::self);
  update_expectation();  // datagrams may come before the first round
}

std::optional<slot_index> node_parts::find_slot(std::string_view peer) const {
  return peers.find_name(peer, siphash(cluster_key, peer));
}

bool node_parts::is_reachable(slot_index slot) const {
  const std::optional<nanoseconds>& last = peers.details(slot).last_reply;
  const peer_view row = peers[slot];
  if (row.is_gone() || row.is_suspect()) return false;
  return last && clock.now() - *last < silence_max();
}

replication node_parts::replicated(std::uint64_t version, bool leave) const {
  replication reached;
  for (const peer_view row : peers.by_hash()) {
    if (row.slot() == self_slot) continue;
    const bool is_holding = own_map.is_holding(row.slot(), version, leave);
    const bool is_live = row.status() == peer_status::live;
    reached.live += is_live ? 1 : 0;
    reached.holding += is_holding ? 1 : 0;
    reached.live_holding += is_live && is_holding ? 1 : 0;
  }
  return reached;
}

nanoseconds node_parts::silence_max() const {
  // Everyone is met once in a turn of the ring; two turns without a reply are too long.
  const auto rounds = static_cast<std::int64_t>(2 * peers.size() / settings.fanout + 16);
  return settings.gossip_interval * rounds;
}

nanoseconds node_parts::heartbeat_wait_max() const {
  const nanoseconds most = liveness.expected().maximum;
  if (!exchange.shared.tells_sums()) return most;
  return std::min<nanoseconds>(most, heartbeat_wait_rounds * settings.gossip_interval);
}

std::optional<slot_index> node_parts::find_sender(const message& received) const {
  const std::optional<slot_index> slot = peers.find(received.sender.name_hash);
  const bool is_held = slot && peers[*slot].generation() == received.sender.generation;
  return is_held ? slot : std::nullopt;
}

bool node_parts::is_of_this_run(const message& received) const {
  return received.receiver.generation == peers.self().generation() &&
         received.receiver_instance == peers.details(self_slot).instance;
}

std::uint64_t node_parts::seen_heartbeat(const message& received) const {
  return is_of_this_run(received) ? received.receiver.heartbeat : 0;
}

std::error_code node_parts::write_refusal() const {
  if (has_left()) return make_error_code(errc::has_left);
  const bool is_displaced = incarnation.is_displaced(heartbeat_wait_max(), clock.now());
  if (is_displaced) return make_error_code(errc::name_taken);
  return {};
}

void node_parts::report(std::string text) {
  changes.notice(event_kind::error, {}, 0, std::move(text));
}

void node_parts::observe_time(moment now) {
  // The first round may be late: before it, this node awaits nothing of its peers.
  const nanoseconds late_max = stats.rounds > 0 ? settings.gossip_interval : nanoseconds::max();
  const bool was_paused = clock.observe(now, partners.next_round(), late_max);
  exchange.shared.generation_limit = clock.generation_limit();
  if (!was_paused) return;
  partners.set_next_round(now.steady);
  ++stats.pauses;
  // The round that was due in the pause is due from now on: it counts as late here.
  ++stats.rounds_late;
  liveness.suspend(stats.rounds + 2);
}

void node_parts::update_expectation() {
  std::size_t rows = exchange.digests.rows_min(settings.digest_datagrams_max,
                                               sending.digest_bytes(settings.fanout));
  // Of the rows beside a root, the answer tells those of which it knows a later heartbeat.
  if (exchange.shared.tells_sums()) rows = std::min(rows, digest_writer::root_rows / 2);
  liveness.update_expectation(rows);
}

void node_parts::set_status(slot_index slot, peer_status status) {
  if (status == peer_status::dead) liveness.handle_death(slot);
  const bool is_back = peers[slot].status() == peer_status::dead && status == peer_status::live;
  if (is_back) membership.handle_return(stats.rounds);
  membership.set_status(slot, status, clock.now(), random);
  completeness.handle_status(slot, status, peers[slot].heartbeat());
}

void node_parts::try_complete(slot_index slot) {
  // A sender leaves out what was written again above the entries that it sent so far: a key that
  // the peer has had for long may come last.
  if (peers[slot].max_version() < exchange.shared.top_of(slot)) return;
  if (completeness.try_complete(slot, peers[slot].max_version())) {
    changes.complete(slot);
  }
}

void node_parts::begin_slot(slot_index slot, std::uint64_t heartbeat) {
  completeness.begin(slot);
  completeness.handle_status(slot, peers[slot].status(), heartbeat);
  round_trips.begin(slot);
  exchange.begin(slot);
  liveness.begin(slot);
  sending.begin(slot);
  own_map.forget(slot);
  notices.forget(slot);
}

void node_parts::forget_slot(slot_index slot) {
  membership.forget(slot, liveness.credible_heartbeat(slot), clock.now());
  exchange.forget(slot);
  liveness.forget(slot);
  own_map.forget(slot);
  notices.forget(slot);
  completeness.begin(slot);
  round_trips.begin(slot);
  sending.begin(slot);
  peers.remove(slot);
}

}  // namespace gossipmonger
