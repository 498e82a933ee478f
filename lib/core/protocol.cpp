// Getters, events and the application's commands: the face of the node's parts and scripts.
#include "core/protocol.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/local/change_reader.hpp"

namespace gossipmonger {

using std::chrono::nanoseconds;

protocol::protocol(config settings, storage_ref entries, const endpoint& address,
                   std::uint64_t seed, moment now)
    : node_(std::move(settings), entries, address, seed, now),
      outgoing_(node_),
      receiving_(node_, outgoing_),
      rounds_(node_, outgoing_) {}

// ------------------------------------------------------------------------------------ getters

std::string_view protocol::find_name(std::uint64_t name_hash) const {
  const std::uint64_t own = node_.peers.self().name_hash();
  if (name_hash == own || name_hash == (own & 0xffffffff)) return node_.settings.name;
  const std::optional<slot_index> slot = node_.peers.find(name_hash);
  return slot ? std::string_view(node_.peers.details(*slot).name) : std::string_view();
}

std::optional<entry_view> protocol::get(std::string_view peer, std::string_view key) const {
  const std::optional<slot_index> slot = node_.find_slot(peer);
  if (!slot || key == floor_key) return std::nullopt;
  std::optional<entry_view> entry = node_.entries.find(*slot, key);
  if (entry && entry->is_tombstone) return std::nullopt;
  return entry;
}

std::optional<entry_view> protocol::first_above(std::string_view peer,
                                                std::uint64_t version) const {
  const std::optional<slot_index> slot = node_.find_slot(peer);
  if (!slot) return std::nullopt;
  return first_above(*slot, version);
}

std::optional<entry_view> protocol::first_above(slot_index slot, std::uint64_t version) const {
  std::optional<entry_view> entry = node_.entries.first_above(slot, version);
  while (entry && (entry->is_tombstone || entry->key == floor_key)) {
    entry = node_.entries.first_above(slot, entry->version);
  }
  return entry;
}

storage_usage protocol::usage(std::string_view peer) const {
  const std::optional<slot_index> slot = node_.find_slot(peer);
  return slot ? node_.entries.usage(*slot) : storage_usage();
}

member protocol::describe(slot_index slot, nanoseconds now) const {
  const peer_view row = node_.peers[slot];
  const peer_details& of = node_.peers.details(slot);
  member seen;
  seen.name = of.name;
  seen.generation = row.generation();
  seen.address = of.address;
  seen.status = row.status();
  seen.is_reachable = slot == self_slot || node_.is_reachable(slot);
  seen.is_suspect = slot != self_slot && row.is_suspect() && row.may_die();
  seen.max_version = row.max_version();
  seen.heartbeat = row.heartbeat();
  seen.wire_versions = of.spoken;
  seen.features = of.features;
  if (slot == self_slot) {
    seen.wire_versions = node_.spoken;
    return seen;
  }
  if (row.may_die()) {
    seen.phi = node_.peers.detector(slot).phi(now, node_.liveness.expected());
  }
  if (of.interval.is_said()) seen.gossip_interval = of.interval.length();
  seen.silent = std::max(nanoseconds{}, now - node_.peers.silent_since(slot));
  seen.rtt = node_.round_trips.smoothed(slot);
  const std::uint64_t told = node_.completeness.told_version(slot);
  seen.lacks = told - std::min(told, row.max_version());
  seen.backlog = version() - node_.own_map.held_version(slot);
  return seen;
}

std::vector<member> protocol::members(moment now) const {
  std::vector<member> all;
  all.reserve(node_.peers.by_hash().size());
  all.push_back(describe(self_slot, node_.clock.liveness_time(now)));
  for (const peer_view one : node_.peers.by_hash()) {
    if (one.slot() != self_slot)
      all.push_back(describe(one.slot(), node_.clock.liveness_time(now)));
  }
  std::sort(all.begin() + 1, all.end(),
            [](const member& one, const member& other) { return one.name < other.name; });
  return all;
}

std::optional<member> protocol::find_member(std::string_view peer, moment now) const {
  const std::optional<slot_index> slot = node_.find_slot(peer);
  if (!slot) return std::nullopt;
  return describe(*slot, node_.clock.liveness_time(now));
}

protocol_stats protocol::stats() const {
  protocol_stats now = node_.stats;
  now.peers_known = node_.peers.size();
  now.peers_live = live_peers();
  for (const peer_view row : node_.peers.by_hash()) {
    if (row.slot() == self_slot) continue;
    if (node_.is_reachable(row.slot())) ++now.peers_reachable;
    if (row.status() == peer_status::live && row.is_suspect()) ++now.peers_suspect;
    if (row.status() != peer_status::live) continue;
    now.backlog_max = std::max(now.backlog_max, version() - node_.own_map.held_version(row.slot()));
  }
  now.write_bytes_per_interval = node_.own_map.bytes_per_interval();
  now.compactions = node_.own_map.compactions();
  now.membership_bytes_per_interval = node_.sending.membership_bytes();
  const liveness_counters& alive = node_.liveness.counters();
  now.probes_unanswered = alive.probes_unanswered;
  now.suspicions_raised = alive.suspicions_raised;
  now.suspicions_refuted = alive.suspicions_refuted;
  now.declared_dead = alive.declared_dead;
  now.drops[static_cast<std::size_t>(drop_reason::field)] += alive.heartbeats_refused;
  now.peers_unwanted = node_.unwanted.all().size();
  node_.exchange.add_counters(now);
  now.sends_delayed = node_.sending.counted().sends_delayed;
  now.answers_dropped = node_.sending.counted().answers_dropped;
  now.parked_bytes = node_.exchange.deltas.parked_bytes();
  now.partial_bytes = node_.exchange.shared.partials.bytes();
  now.retired_entries = node_.entries.retired_count();
  return now;
}

table_sizes protocol::tables() const {
  table_sizes held;
  node_.exchange.count_tables(held);
  held.peers = node_.peers.size();
  held.partners = node_.membership.rings().size();
  held.unwanted = node_.unwanted.all().size();
  held.addresses = node_.addresses.size();
  held.joining = node_.partners.joining();
  held.reported_names = node_.notices.reported_names();
  held.reported_clusters = node_.notices.reported_clusters();
  held.reported_intervals = node_.notices.reported_intervals();
  held.digests = node_.sending.waiting(outbox_lane::digests);
  held.answers =
      node_.sending.waiting(outbox_lane::answers) + node_.sending.waiting(outbox_lane::bulk);
  held.unverified = node_.sending.waiting(outbox_lane::unverified);
  held.restarted = node_.sending.restarted();
  held.probes = node_.liveness.pending_probes();
  held.round_trips = node_.round_trips.awaited();
  held.probe_requests = node_.liveness.probe_requests();
  held.suspicions_told = node_.liveness.suspicions_told();
  held.told_addresses = node_.liveness.told_addresses();
  held.changes = node_.changes.size();
  held.kept_changes = node_.changes.kept();
  held.retired_entries = node_.entries.retired_count();
  held.deadlines = node_.own_map.deadlines();
  return held;
}

// ------------------------------------------------------------------------- inputs and outputs

void protocol::handle_message(const message& received, const endpoint& source, std::size_t bytes,
                              moment now, const endpoint& local) {
  receiving_.handle_message(received, source, bytes, now, local);
}

bool protocol::is_from_verified_peer(const message& received, const endpoint& source, moment now) {
  const std::optional<slot_index> slot = node_.find_sender(received);
  return slot && *slot != self_slot &&
         node_.addresses.is_valid_echo(received.cookie_echo, source, now.steady);
}

std::optional<endpoint> protocol::poll_transmit(moment now, message& out) {
  return outgoing_.poll(now, out);
}

void protocol::handle_timeout(moment now) {
  node_.observe_time(now);
  node_.own_map.expire(now.steady, !node_.write_refusal());
  if (now.steady < node_.partners.next_round() || !node_.has_address()) return;
  rounds_.run(now);
}

nanoseconds protocol::next_deadline() const {
  const std::optional<nanoseconds> opens_at = node_.sending.opens_at();
  return opens_at ? std::min(*opens_at, next_timeout()) : next_timeout();
}

void protocol::count_drop(drop_reason reason) { node_.drop(reason); }

void protocol::handle_unreadable(const wire_range& theirs, const endpoint& source) {
  node_.drop(drop_reason::wire_version);
  node_.notices.handle_unreadable(theirs, node_.spoken, source, node_.clock.now());
}

void protocol::handle_foreign(const endpoint& source) {
  node_.drop(drop_reason::cluster);
  node_.notices.handle_foreign(source, node_.clock.now());
}

std::optional<event_view> protocol::poll_event(change_cursor& cursor) const {
  return change_reader(node_.changes, node_.entries, node_.peers).poll(cursor);
}

bool protocol::peek_event(change_cursor& cursor, peeked_entry& entry) const {
  // A cursor that has not begun stays so, and pins nothing: its snapshot begins when it is read.
  if (!cursor.has_begun) {
    entry.sequence = 0;
    change_cursor ahead = cursor;
    const bool is_found = poll_event(ahead).has_value();
    if (!is_found) cursor = std::move(ahead);
    return is_found;
  }
  return change_reader(node_.changes, node_.entries, node_.peers).peek(cursor, entry);
}

void protocol::release_changes(std::uint64_t sequence) {
  gossipmonger::release_changes(node_.changes, node_.entries, sequence, node_.settings.retired_max);
}

// ----------------------------------------------------------------------------------- commands

tl::expected<void, config_error> protocol::change(config settings, moment now) {
  tl::expected<config, config_error> checked =
      validated_change(node_.settings, std::move(settings));
  if (!checked) return tl::unexpected<config_error>(std::move(checked.error()));
  node_.observe_time(now);
  node_.own_map.handle_change(*checked);
  const bool is_slower = checked->gossip_interval > node_.settings.gossip_interval;
  if (checked->gossip_interval != node_.settings.gossip_interval) {
    node_.notices.handle_own_interval_change(node_.clock.now());
  }
  const bool has_more_room = checked->keys_per_peer_max > node_.settings.keys_per_peer_max ||
                             checked->bytes_per_peer_max > node_.settings.bytes_per_peer_max;
  if (checked->suspicion_rounds == 0) node_.liveness.end_suspicion();
  node_.settings = std::move(*checked);
  node_.addresses.set_secret_lifetime(secret_lifetime(node_.settings), now.steady);
  node_.update_expectation();
  if (is_slower) {
    // The others become as slow, one after the other: what was seen of them declares nobody dead.
    for (const peer_view one : node_.peers.by_hash()) {
      node_.peers.reset_detector(one.slot(), node_.clock.now());
    }
  }
  if (has_more_room) node_.membership.end_capacity_refusals();
  if (node_.settings.advertise) set_address(*node_.settings.advertise);
  const nanoseconds latest = now.steady + node_.settings.gossip_interval;
  node_.partners.set_next_round(std::min(node_.partners.next_round(), latest));
  return {};
}

void protocol::set_address(const endpoint& address) {
  if (address == this->address()) return;
  node_.peers.details(self_slot).address = address;
  const peer self = node_.peers.self();
  if (node_.stats.rounds > 0 && self.generation() < generation_max) {
    self.set_generation(self.generation() + 1);
  }
  node_.changes.notice(event_kind::advertised, name(), generation(), address.to_string());
}

void protocol::set_seeds(const std::vector<endpoint>& seeds) { node_.partners.set_seeds(seeds); }

void protocol::join(const endpoint& address) { node_.partners.join(address); }

bool protocol::is_writable(moment now) { return node_.own_map.is_writable(now.steady); }

nanoseconds protocol::writable_at() const { return node_.own_map.writable_at(); }

result<std::uint64_t> protocol::set(std::string_view key, std::string_view value) {
  const std::array<std::pair<std::string_view, std::string_view>, 1> one{
      std::pair<std::string_view, std::string_view>(key, value)};
  return set(one);
}

result<std::uint64_t> protocol::set(std::string_view key, std::string_view value, nanoseconds ttl,
                                    moment now) {
  const std::array<std::pair<std::string_view, std::string_view>, 1> one{
      std::pair<std::string_view, std::string_view>(key, value)};
  return set(one, ttl, now);
}

result<std::uint64_t> protocol::set(pair_views pairs) { return set_until(pairs, std::nullopt); }

result<std::uint64_t> protocol::set(pair_views pairs, nanoseconds ttl, moment now) {
  if (!expiry::is_allowed(ttl)) return fail(errc::ttl_invalid);
  return set_until(pairs, now.steady + ttl);
}

result<std::uint64_t> protocol::set_until(pair_views pairs, std::optional<nanoseconds> deadline) {
  const std::error_code refused = node_.write_refusal();
  if (refused && !pairs.empty()) return tl::unexpected<std::error_code>(refused);
  return node_.own_map.set(pairs, deadline);
}

result<std::optional<std::uint64_t>> protocol::erase(std::string_view key) {
  const std::error_code refused = node_.write_refusal();
  if (refused) return tl::unexpected<std::error_code>(refused);
  return node_.own_map.erase(key);
}

result<void> protocol::forget(std::string_view peer) {
  if (peer == name()) return fail(errc::own_name);
  const std::optional<slot_index> slot = node_.find_slot(peer);
  if (!slot) return fail(errc::unknown_peer);
  node_.forget_slot(*slot);
  return {};
}

void protocol::leave(moment now) {
  if (has_left()) return;
  node_.peers.self().set_left();
  node_.own_map.stop();
  node_.partners.set_next_round(now.steady);  // peers learn of it at once
}

}  // namespace gossipmonger
