// Construction, getters, events and the application's commands; what comes in is in
// protocol_receive.cpp, the round and what goes out in protocol_round.cpp.
#include "gossipmonger/core/protocol.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "gossipmonger/core/change_reader.hpp"
#include "planted.hpp"

namespace gossipmonger {

namespace {

using planted::defect;
using planted::is_on;
using std::chrono::nanoseconds;

// Besides the forgotten, who was refused for want of room: they lie in the graveyard too.
constexpr std::size_t refused_max = 1024;
constexpr std::size_t kept_changes_max = 1024;
// What the wire takes for an entry besides key and value, about.
constexpr std::size_t entry_overhead_bytes = 8;
constexpr std::size_t compaction_tombstones_min = 64;
// Tombstones take at most one in so many of the keys that a node may have.
constexpr std::size_t compaction_part = 4;
constexpr std::size_t floor_bytes = 8;

/// What a writer begins with: what it can surely send to four peers in a round.
std::size_t first_write_bytes(const config& settings) {
  const std::size_t budget = settings.send_bytes_per_interval;
  return std::min(settings.exchange_bytes_max, budget == 0 ? settings.exchange_bytes_max : budget) /
         4;
}

nanoseconds secret_lifetime(const config& settings) {
  const auto turns = static_cast<std::int64_t>(2 * settings.peers_max / settings.fanout + 64);
  return settings.gossip_interval * turns;
}

/// Pairs of one's own: what they were views of may be gone after the first write.
class copied_pairs {
 public:
  explicit copied_pairs(pair_views of) {
    std::size_t bytes = 0;
    for (const auto& [key, value] : of) bytes += key.size() + value.size();
    bytes_.reserve(bytes);
    pairs_.reserve(of.size());
    for (const auto& [key, value] : of) {
      const std::string_view key_kept = keep(key);
      pairs_.emplace_back(key_kept, keep(value));
    }
  }
  copied_pairs(const copied_pairs&) = delete;
  copied_pairs& operator=(const copied_pairs&) = delete;

  [[nodiscard]] pair_views get() const { return pairs_; }

 private:
  std::string_view keep(std::string_view text) {
    const std::size_t start = bytes_.size();
    bytes_ += text;  // within what was reserved
    return std::string_view(bytes_).substr(start);
  }

  std::string bytes_;
  std::vector<std::pair<std::string_view, std::string_view>> pairs_;
};

}  // namespace

protocol::protocol(config settings, storage_ref entries, const endpoint& address,
                   std::uint64_t seed, moment now)
    : settings_(std::move(settings)),
      entries_(entries),
      random_(seed),
      cluster_key_(make_cluster_key(settings_.cluster_name)),
      peers_(settings_.peers_max),
      graves_(settings_.peers_max + refused_max),
      changes_(kept_changes_max),
      exchange_(settings_, peers_, graves_, entries_, changes_),
      addresses_(settings_.peers_max + 256, secret_lifetime(settings_), random_.next()),
      sending_(settings_),
      write_rate_(first_write_bytes(settings_), now.steady),
      clock_(now),
      next_round_(now.steady) {
  const std::optional<slot_index> slot =
      peers_.try_add(settings_.name, siphash(cluster_key_, settings_.name));
  const peer self = peers_[*slot];
  self.set_generation(
      std::min(std::max(settings_.generation_last + (is_on(defect::generation_reused) ? 0 : 1),
                        clock_.date_generation()),
               generation_max));
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

bool protocol::is_of_present_run(const peer_details& of) const {
  return of.held_generation == generation() || is_on(defect::former_counted);
}

std::uint64_t protocol::held_version(slot_index slot) const {
  const peer_details& of = peers_.details(slot);
  return is_of_present_run(of) ? std::min(of.held_version, version()) : 0;
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
    seen.phi = peers_.detector(slot).phi(now, expected_);
  }
  if (slot != self_slot) seen.backlog = version() - held_version(slot);
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
    now.backlog_max = std::max(now.backlog_max, version() - held_version(row.slot()));
  }
  now.write_bytes_per_interval = write_rate_.bytes_per_interval();
  now.membership_bytes_per_interval = sending_.membership_bytes();
  now.graveyard_size = graves_.all().size();
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
  held.partners = ring_.size() + newcomers_.size() + gone_.size();
  held.graves = graves_.all().size();
  held.addresses = addresses_.size();
  held.joining = joining_.size();
  held.reported_names = reported_names_.size();
  held.reported_clusters = reported_clusters_.size();
  held.reported_intervals = reported_intervals_.size();
  held.feeds = transfers_.all().size();
  held.digests = sending_.waiting(outbox_lane::digests);
  held.answers = sending_.waiting(outbox_lane::answers) + sending_.waiting(outbox_lane::bulk);
  held.strangers = sending_.waiting(outbox_lane::strangers);
  held.restarted = restarted_.size();
  held.probes = prober_.pending().size();
  held.askers = prober_.asker_count();
  held.rumours = rumours_.size();
  held.told_addresses = told_addresses_.size();
  held.changes = changes_.size();
  held.kept_changes = changes_.kept();
  held.retired_entries = entries_.retired_count();
  held.deadlines = expiry_.size();
  return held;
}

replication protocol::replicated(std::uint64_t version, bool leave) const {
  replication reached;
  for (const peer_view row : peers_.by_hash()) {
    if (row.slot() == self_slot) continue;
    const peer_details& of = peers_.details(row.slot());
    const bool is_holding =
        is_of_present_run(of) && of.held_version >= version && (!leave || of.holds_my_leave);
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
  const std::size_t first = first_write_bytes(*checked);
  if (first != first_write_bytes(settings_)) write_rate_.begin_anew(first);
  const bool is_slower = checked->gossip_interval > settings_.gossip_interval;
  if (checked->gossip_interval != settings_.gossip_interval) interval_moved_ = clock_.now();
  const bool has_more_room = checked->keys_per_peer_max > settings_.keys_per_peer_max ||
                             checked->bytes_per_peer_max > settings_.bytes_per_peer_max;
  if (checked->suspicion_rounds == 0) end_suspicion();
  settings_ = std::move(*checked);
  addresses_.set_secret_lifetime(secret_lifetime(settings_), now.steady);
  update_expectation();
  if (is_slower) {
    // The others become as slow, one after the other: what was seen of them convicts nobody.
    for (const peer_view one : peers_.by_hash()) {
      peers_.reset_detector(one.slot(), clock_.now());
    }
  }
  if (has_more_room) end_capacity_refusals();
  if (settings_.advertise) set_address(*settings_.advertise);
  next_round_ = std::min(next_round_, now.steady + settings_.gossip_interval);
  return {};
}

void protocol::end_capacity_refusals() {
  for (const peer_view one : peers_.by_hash()) {
    if (!one.is_over_capacity()) continue;
    peers_[one.slot()].set_over_capacity(false);
    peers_.touch(one.slot());
  }
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

void protocol::set_seeds(const std::vector<endpoint>& seeds) {
  const std::vector<known_seed> before = std::exchange(seeds_, {});
  for (const endpoint& address : seeds) {
    const auto known = std::find_if(before.begin(), before.end(),
                                    [&](const known_seed& one) { return one.at == address; });
    seeds_.push_back(known == before.end() ? known_seed(address) : *known);
  }
}

void protocol::join(const endpoint& address) {
  constexpr std::size_t joining_max = 64;
  const bool has_room = joining_.size() < joining_max || is_on(defect::joining_unbounded);
  if (has_room) joining_.push_back(address);
}

std::error_code protocol::check_write(std::string_view key, std::string_view value) const {
  if (has_left()) return make_error_code(errc::stopped);
  const bool is_displaced = own_.is_displaced(expected_.maximum, clock_.now());
  if (is_displaced && !is_on(defect::displaced_writes)) return make_error_code(errc::name_taken);
  if (!is_valid_name(key)) return make_error_code(errc::key_invalid);
  if (value.size() > settings_.value_bytes_max) {
    return make_error_code(errc::value_too_large);
  }
  return {};
}

bool protocol::has_room(const storage_usage& used, std::size_t versions) const {
  const bool is_allowed = used.live_keys + used.tombstones <= settings_.keys_per_peer_max &&
                          used.bytes <= settings_.bytes_per_peer_max;
  return (is_allowed || is_on(defect::own_capacity_ignored)) && versions <= version_max - version();
}

bool protocol::has_exact_room(pair_views pairs, bool is_compacted) const {
  storage_usage used = entries_.usage(self_slot);
  std::size_t versions = pairs.size();
  if (is_compacted) {
    used = usage_without_tombstones();
    versions += used.live_keys + 1;
  }
  bool is_same = true;
  std::size_t replaced = 0;
  for (const auto& [key, value] : pairs) {
    const std::optional<entry_view> held = entries_.find(self_slot, key);
    const bool is_live = held && !held->is_tombstone;
    if (is_live && held->value == value) continue;
    is_same = false;
    used.bytes += key.size() + value.size();
    if (is_live || (held && !is_compacted)) {
      replaced += held->key.size() + held->value.size();
    } else {
      ++used.live_keys;
    }
  }
  if (is_same) return true;
  used.bytes -= std::min(used.bytes, replaced);
  if (is_compacted || entries_.find(self_slot, floor_key)) --used.live_keys;  // nobody's key
  return has_room(used, versions);
}

storage_usage protocol::usage_without_tombstones() const {
  storage_usage used = entries_.usage(self_slot);
  for (std::optional<entry_view> held = entries_.first_above(self_slot, 0); held;
       held = entries_.first_above(self_slot, held->version)) {
    if (held->is_tombstone) used.bytes -= held->key.size();
  }
  used.tombstones = 0;
  if (!entries_.find(self_slot, floor_key)) {
    ++used.live_keys;
    used.bytes += floor_bytes;
  }
  return used;
}

result<std::uint64_t> protocol::write(const entry_view& entry) {
  entry_view placed = entry;
  placed.version = version() + 1;
  if (placed.sequence == 0) placed.sequence = changes_.take();
  if (const result<void> put = entries_.put(self_slot, placed); !put) {
    return tl::unexpected<std::error_code>(put.error());
  }
  const peer self = peers_.self();
  write_rate_.spend(entry.key.size() + entry.value.size() + entry_overhead_bytes, placed.version);
  self.set_max_version(placed.version);
  peers_.touch(self_slot);
  return placed.version;
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
  std::size_t bytes = 0;
  for (const auto& [key, value] : pairs) {
    if (const std::error_code error = check_write(key, value)) {
      return tl::unexpected<std::error_code>(error);
    }
    bytes += key.size() + value.size();
  }
  // Views of entries of mine hold until the storage changes: for one pair the storage sees to that.
  std::optional<copied_pairs> copied;
  if (pairs.size() > 1) pairs = copied.emplace(pairs).get();
  storage_usage used = entries_.usage(self_slot);
  used.live_keys += pairs.size();
  used.bytes += bytes;
  // A pair that replaces needs less room; the exact sum matters only at the brim. There tombstones
  // give way, if that is enough.
  if (!has_room(used, pairs.size()) && !has_exact_room(pairs, false)) {
    if (used.tombstones == 0 || !has_exact_room(pairs, true)) return fail(errc::capacity_reached);
    if (!copied) pairs = copied.emplace(pairs).get();
    compact();
    if (!has_exact_room(pairs, false)) return fail(errc::capacity_reached);
  }

  std::uint64_t last = pairs.empty() ? version() : 0;
  std::string written_key;
  for (const auto& [key, value] : pairs) {
    written_key = key;
    const std::optional<entry_view> held = entries_.find(self_slot, key);
    if (held && !held->is_tombstone && held->value == value) {
      last = std::max(last, held->version);
    } else {
      entry_view entry;
      entry.key = key;
      entry.value = value;
      const result<std::uint64_t> written = write(entry);
      if (!written) return written;
      last = *written;
    }
    if (deadline) {
      expiry_.set(written_key, *deadline);
    } else if (!is_on(defect::expiry_kept)) {
      expiry_.clear(written_key);
    }
  }
  return last;
}

result<std::optional<std::uint64_t>> protocol::erase(std::string_view key) {
  if (const std::error_code error = check_write(key, {})) {
    return tl::unexpected<std::error_code>(error);
  }
  const std::optional<entry_view> held = entries_.find(self_slot, key);
  if (!held || held->is_tombstone) return std::optional<std::uint64_t>();
  if (version() == version_max) return fail(errc::capacity_reached);

  const std::string erased_key(key);  // it may be a view of the entry that goes
  entry_view tombstone;
  tombstone.key = erased_key;
  tombstone.is_tombstone = true;
  const result<std::uint64_t> written = write(tombstone);
  if (!written) return tl::unexpected<std::error_code>(written.error());
  if (!is_on(defect::deadline_kept)) expiry_.clear(erased_key);
  const storage_usage used = entries_.usage(self_slot);
  const std::size_t kept = std::min(std::max(compaction_tombstones_min, used.live_keys),
                                    settings_.keys_per_peer_max / compaction_part);
  if (used.tombstones > kept) compact();
  return std::optional<std::uint64_t>(*written);
}

void protocol::compact() {
  const std::uint64_t last_before = version();
  // Half of it is of no use: a version for each live key, and for the marker.
  if (version_max - last_before <= entries_.usage(self_slot).live_keys) return;
  std::string key;
  std::string value;
  std::uint64_t from = 0;
  for (;;) {
    const std::optional<entry_view> held = entries_.first_above(self_slot, from);
    if (!held || held->version > last_before) break;
    from = held->version;
    if (held->is_tombstone || held->key == floor_key) continue;
    key = held->key;
    value = held->value;
    entry_view again;
    again.key = key;
    again.value = value;
    again.sequence = held->sequence;
    // Without a marker nothing is dropped anywhere: giving up half-way loses nothing.
    if (!write(again)) return;
  }

  value.clear();
  for (std::size_t i = 0; i < floor_bytes; ++i)
    value.push_back(static_cast<char>(last_before >> (8 * i)));
  entry_view marker;
  marker.key = floor_key;
  marker.value = value;
  if (const auto held = entries_.find(self_slot, floor_key)) marker.sequence = held->sequence;
  if (!write(marker)) return;
  changes_.advance_to(entries_.drop_upto(self_slot, last_before, changes_.last()));
  ++stats_.compactions;
}

result<void> protocol::forget(std::string_view peer) {
  if (peer == name()) return fail(errc::own_name);
  const std::optional<slot_index> slot = find_slot(peer);
  if (!slot) return fail(errc::unknown_peer);
  const std::uint64_t name_hash = peers_[*slot].name_hash();
  bury(*slot);
  if (is_on(defect::forgotten_unburied)) graves_.remove(name_hash);
  return {};
}

void protocol::expire_keys(moment now) {
  while (const std::optional<std::string> key = expiry_.take_due(now.steady)) {
    if (is_on(defect::expiry_missing)) continue;
    // What the storage refuses now is tried again a round later.
    if (!erase(*key)) expiry_.set(*key, now.steady + settings_.gossip_interval);
  }
}

void protocol::leave(moment now) {
  if (has_left()) return;
  peers_.self().set_left();
  expiry_.clear_all();       // whoever has left writes no more
  next_round_ = now.steady;  // say so at once
}

}  // namespace gossipmonger
