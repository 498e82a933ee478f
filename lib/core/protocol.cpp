// Construction, getters, events and the application's commands; what comes in is in
// protocol_receive.cpp, the round and what goes out in protocol_round.cpp.
#include "core/protocol.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/local/change_reader.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

// Peers that were refused for want of room are unwanted too, besides the forgotten.
constexpr std::size_t refused_max = 1024;
constexpr std::size_t kept_changes_max = 1024;

nanoseconds secret_lifetime(const config& settings) {
  const auto turns = static_cast<std::int64_t>(2 * settings.peers_max / settings.fanout + 64);
  return settings.gossip_interval * turns;
}

}  // namespace

protocol::protocol(config settings, storage_ref entries, const endpoint& address,
                   std::uint64_t seed, moment now)
    : settings_(std::move(settings)),
      entries_(entries),
      random_(seed),
      cluster_key_(make_cluster_key(settings_.cluster_name)),
      peers_(settings_.peers_max),
      unwanted_(settings_.peers_max + refused_max),
      changes_(kept_changes_max),
      exchange_(settings_, peers_, unwanted_, entries_, changes_),
      own_map_(settings_, peers_, entries_, changes_, now.steady),
      addresses_(settings_.peers_max + 256, secret_lifetime(settings_), random_.next()),
      membership_(settings_, peers_, unwanted_, changes_),
      partners_(settings_, peers_, now.steady),
      notices_(settings_, peers_, changes_),
      sending_(settings_),
      clock_(now),
      liveness_(settings_, peers_, addresses_, clock_) {
  const std::optional<slot_index> slot =
      peers_.try_add(settings_.name, siphash(cluster_key_, settings_.name));
  const peer self = peers_[*slot];
  self.set_generation(
      std::min(std::max(settings_.generation_last + 1, clock_.date_generation()), generation_max));
  peers_.details(self_slot).instance = static_cast<std::uint32_t>(1 + random_.below(0xffffffff));
  peers_.details(self_slot).address = address;
  self.set_status(peer_status::self);
  update_expectation();  // datagrams may come before the first round
}

// ------------------------------------------------------------------------------------ getters

std::optional<slot_index> protocol::find_slot(std::string_view peer) const {
  return peers_.find_name(peer, siphash(cluster_key_, peer));
}

std::string_view protocol::find_name(std::uint64_t name_hash) const {
  const std::uint64_t own = peers_.self().name_hash();
  if (name_hash == own || name_hash == (own & 0xffffffff)) return settings_.name;
  const std::optional<slot_index> slot = peers_.find(name_hash);
  return slot ? std::string_view(peers_.details(*slot).name) : std::string_view();
}

std::optional<entry_view> protocol::get(std::string_view peer, std::string_view key) const {
  const std::optional<slot_index> slot = find_slot(peer);
  if (!slot || key == floor_key) return std::nullopt;
  std::optional<entry_view> entry = entries_.find(*slot, key);
  if (entry && entry->is_tombstone) return std::nullopt;
  return entry;
}

std::optional<entry_view> protocol::first_above(std::string_view peer,
                                                std::uint64_t version) const {
  const std::optional<slot_index> slot = find_slot(peer);
  if (!slot) return std::nullopt;
  std::optional<entry_view> entry = entries_.first_above(*slot, version);
  while (entry && (entry->is_tombstone || entry->key == floor_key)) {
    entry = entries_.first_above(*slot, entry->version);
  }
  return entry;
}

storage_usage protocol::usage(std::string_view peer) const {
  const std::optional<slot_index> slot = find_slot(peer);
  return slot ? entries_.usage(*slot) : storage_usage();
}

nanoseconds protocol::silence_max() const {
  // Everyone is met once in a turn of the ring; two turns without a reply are too long.
  const auto rounds = static_cast<std::int64_t>(2 * peers_.size() / settings_.fanout + 16);
  return settings_.gossip_interval * rounds;
}

bool protocol::is_reachable(slot_index slot) const {
  const std::optional<nanoseconds>& last = peers_.details(slot).last_reply;
  const peer_view row = peers_[slot];
  if (row.is_gone() || row.is_suspect()) return false;
  return last && clock_.now() - *last < silence_max();
}

member protocol::describe(slot_index slot, nanoseconds now) const {
  const peer_view row = peers_[slot];
  const peer_details& of = peers_.details(slot);
  member seen;
  seen.name = of.name;
  seen.generation = row.generation();
  seen.address = of.address;
  seen.status = row.status();
  seen.is_reachable = slot == self_slot || is_reachable(slot);
  seen.is_suspect = slot != self_slot && row.is_suspect() && row.may_die();
  seen.max_version = row.max_version();
  seen.heartbeat = row.heartbeat();
  seen.wire_versions = of.spoken;
  seen.features = of.features;
  if (slot == self_slot) seen.wire_versions = spoken_;
  if (slot != self_slot && row.may_die()) {
    seen.phi = peers_.detector(slot).phi(now, liveness_.expected());
  }
  if (slot != self_slot) seen.backlog = version() - own_map_.held_version(slot);
  return seen;
}

std::vector<member> protocol::members(moment now) const {
  std::vector<member> all;
  all.reserve(peers_.by_hash().size());
  all.push_back(describe(self_slot, clock_.liveness_time(now)));
  for (const peer_view one : peers_.by_hash()) {
    if (one.slot() != self_slot) all.push_back(describe(one.slot(), clock_.liveness_time(now)));
  }
  std::sort(all.begin() + 1, all.end(),
            [](const member& one, const member& other) { return one.name < other.name; });
  return all;
}

std::optional<member> protocol::find_member(std::string_view peer, moment now) const {
  const std::optional<slot_index> slot = find_slot(peer);
  if (!slot) return std::nullopt;
  return describe(*slot, clock_.liveness_time(now));
}

protocol_stats protocol::stats() const {
  protocol_stats now = stats_;
  now.peers_known = peers_.size();
  now.peers_live = live_peers();
  for (const peer_view row : peers_.by_hash()) {
    if (row.slot() == self_slot) continue;
    if (is_reachable(row.slot())) ++now.peers_reachable;
    if (row.status() == peer_status::live && row.is_suspect()) ++now.peers_suspect;
    if (row.status() != peer_status::live) continue;
    now.backlog_max = std::max(now.backlog_max, version() - own_map_.held_version(row.slot()));
  }
  now.write_bytes_per_interval = own_map_.bytes_per_interval();
  now.compactions = own_map_.compactions();
  now.membership_bytes_per_interval = sending_.membership_bytes();
  const liveness_counters& alive = liveness_.counters();
  now.probes_unanswered = alive.probes_unanswered;
  now.suspicions_raised = alive.suspicions_raised;
  now.suspicions_refuted = alive.suspicions_refuted;
  now.declared_dead = alive.declared_dead;
  now.drops[static_cast<std::size_t>(drop_reason::field)] += alive.heartbeats_refused;
  now.peers_unwanted = unwanted_.all().size();
  exchange_.add_counters(now);
  now.sends_delayed = sending_.counted().sends_delayed;
  now.exchanges_dropped = sending_.counted().exchanges_dropped;
  now.parked_bytes = exchange_.deltas.parked_bytes();
  now.partial_bytes = exchange_.shared.partials.bytes();
  now.retired_entries = entries_.retired_count();
  return now;
}

table_sizes protocol::tables() const {
  table_sizes held;
  exchange_.count_tables(held);
  held.peers = peers_.size();
  held.partners = membership_.rings().size();
  held.unwanted = unwanted_.all().size();
  held.addresses = addresses_.size();
  held.joining = partners_.joining();
  held.reported_names = notices_.reported_names();
  held.reported_clusters = notices_.reported_clusters();
  held.reported_intervals = notices_.reported_intervals();
  held.value_transfers = exchange_.transfers.all().size();
  held.digests = sending_.waiting(outbox_lane::digests);
  held.answers = sending_.waiting(outbox_lane::answers) + sending_.waiting(outbox_lane::bulk);
  held.unverified = sending_.waiting(outbox_lane::unverified);
  held.restarted = sending_.restarted();
  held.probes = liveness_.pending_probes();
  held.askers = liveness_.askers();
  held.suspicions_told = liveness_.suspicions_told();
  held.told_addresses = liveness_.told_addresses();
  held.changes = changes_.size();
  held.kept_changes = changes_.kept();
  held.retired_entries = entries_.retired_count();
  held.deadlines = own_map_.deadlines();
  return held;
}

replication protocol::replicated(std::uint64_t version, bool leave) const {
  replication reached;
  for (const peer_view row : peers_.by_hash()) {
    if (row.slot() == self_slot) continue;
    const bool is_holding = own_map_.is_holding(row.slot(), version, leave);
    const bool is_live = row.status() == peer_status::live;
    reached.live += is_live ? 1 : 0;
    reached.holding += is_holding ? 1 : 0;
    reached.live_holding += is_live && is_holding ? 1 : 0;
  }
  return reached;
}

// ------------------------------------------------------------------------------------- events

std::optional<event_view> protocol::poll_event(change_cursor& cursor) {
  return change_reader(changes_, entries_, peers_).poll(cursor);
}

void protocol::release_changes(std::uint64_t sequence) {
  change_reader(changes_, entries_, peers_).release(sequence, settings_.retired_max);
}

void protocol::report(std::string text) {
  changes_.notice(event_kind::error, {}, 0, std::move(text));
}

// ------------------------------------------------------------------------------------ writing

tl::expected<void, config_error> protocol::change(config settings, moment now) {
  tl::expected<config, config_error> checked = validated_change(settings_, std::move(settings));
  if (!checked) return tl::unexpected<config_error>(std::move(checked.error()));
  observe_time(now);
  own_map_.handle_change(*checked);
  const bool is_slower = checked->gossip_interval > settings_.gossip_interval;
  if (checked->gossip_interval != settings_.gossip_interval) {
    notices_.handle_own_interval_change(clock_.now());
  }
  const bool has_more_room = checked->keys_per_peer_max > settings_.keys_per_peer_max ||
                             checked->bytes_per_peer_max > settings_.bytes_per_peer_max;
  if (checked->suspicion_rounds == 0) liveness_.end_suspicion();
  settings_ = std::move(*checked);
  addresses_.set_secret_lifetime(secret_lifetime(settings_), now.steady);
  update_expectation();
  if (is_slower) {
    // The others become as slow, one after the other: what was seen of them declares nobody dead.
    for (const peer_view one : peers_.by_hash()) {
      peers_.reset_detector(one.slot(), clock_.now());
    }
  }
  if (has_more_room) membership_.end_capacity_refusals();
  if (settings_.advertise) set_address(*settings_.advertise);
  const nanoseconds latest = now.steady + settings_.gossip_interval;
  partners_.set_next_round(std::min(partners_.next_round(), latest));
  return {};
}

void protocol::set_address(const endpoint& address) {
  if (address == this->address()) return;
  peers_.details(self_slot).address = address;
  const peer self = peers_.self();
  if (stats_.rounds > 0 && self.generation() < generation_max) {
    self.set_generation(self.generation() + 1);
  }
  changes_.notice(event_kind::advertised, name(), generation(), address.to_string());
}

void protocol::set_seeds(const std::vector<endpoint>& seeds) { partners_.set_seeds(seeds); }

void protocol::join(const endpoint& address) { partners_.join(address); }

std::error_code protocol::write_refusal() const {
  if (has_left()) return make_error_code(errc::stopped);
  const bool is_displaced = own_.is_displaced(liveness_.expected().maximum, clock_.now());
  if (is_displaced) return make_error_code(errc::name_taken);
  return {};
}

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
  const std::error_code refused = write_refusal();
  if (refused && !pairs.empty()) return tl::unexpected<std::error_code>(refused);
  return own_map_.set(pairs, deadline);
}

result<std::optional<std::uint64_t>> protocol::erase(std::string_view key) {
  const std::error_code refused = write_refusal();
  if (refused) return tl::unexpected<std::error_code>(refused);
  return own_map_.erase(key);
}

result<void> protocol::forget(std::string_view peer) {
  if (peer == name()) return fail(errc::own_name);
  const std::optional<slot_index> slot = find_slot(peer);
  if (!slot) return fail(errc::unknown_peer);
  forget_slot(*slot);
  return {};
}

void protocol::leave(moment now) {
  if (has_left()) return;
  peers_.self().set_left();
  own_map_.stop();
  partners_.set_next_round(now.steady);  // peers learn of it at once
}

}  // namespace gossipmonger
