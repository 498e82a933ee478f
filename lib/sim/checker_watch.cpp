#include "sim/checker_watch.hpp"

#include <algorithm>

#include "core/exchange/value_checksums.hpp"
#include "core/liveness/freshness.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

std::string quoted(std::string_view peer, std::string_view key, std::uint64_t version) {
  return std::string(peer) + " " + (key.empty() ? "(floor)" : std::string(key)) + " @" +
         std::to_string(version);
}

void checker::watch::handle_own_put(const entry_view& entry) {
  const std::optional<entry_view> held = owner_.world_.storage_of(node_).find(self_slot, entry.key);
  const bool is_same =
      held && !held->is_tombstone && !entry.is_tombstone && held->value == entry.value;
  // In its own time a node may expire keys and give entries new versions, but never new bytes.
  const auto lease = deadlines.find(std::string(entry.key));
  const bool is_due = lease != deadlines.end() && lease->second <= owner_.world_.time();
  const bool is_expiry = running == input::timer && entry.is_tombstone && is_due;
  const bool is_allowed = running == input::command || is_expiry ||
                          (running == input::timer && (is_same || entry.key == floor_key));
  if (!is_allowed) report("I3 single writer", quoted("self", entry.key, entry.version));
  if (is_expiry) ++owner_.expired_;
  if (entry.is_tombstone && lease != deadlines.end()) deadlines.erase(lease);
  if (is_same && entry.key != floor_key && held->sequence != entry.sequence) {
    report("events",
           "equal bytes moved in the change order: " + quoted("self", entry.key, entry.version));
  }
  if (entry.version != own->records.size() + 1) {
    report("I1 monotone",
           "own versions are not consecutive: " + quoted("self", entry.key, entry.version));
    own->records.resize(entry.version - 1);
  }
  record& written = own->records.emplace_back();
  written.key = entry.key;
  written.value_hash = hash_of(entry.value);
  written.value_checksum =
      value_checksum(make_cluster_key(core().settings().cluster_name), entry.key, entry.value);
  written.is_tombstone = entry.is_tombstone;
  own->latest[written.key] = entry.version;
  if (entry.is_tombstone) own->erasures[written.key] = entry.version;
  touch(self_slot, entry.key);
}

void checker::watch::handle_put(slot_index slot, const entry_view& entry) {
  if (slot == self_slot) return handle_own_put(entry);
  const peer_view of = core().peers()[slot];
  const std::string& name = core().peers().details(slot).name;
  replica& before = row(slot);
  touch(slot, entry.key);
  if (entry.version <= of.max_version()) {
    report("I1 monotone", "applied again: " + quoted(name, entry.key, entry.version) +
                              ", max version " + std::to_string(of.max_version()));
  }
  if (owner_.trusts_content_ && !owner_.has_written(name, of.generation(), entry)) {
    report("I2 prefix", "its owner never wrote " + quoted(name, entry.key, entry.version) +
                            " in generation " + std::to_string(of.generation()));
  }
  const std::optional<entry_view> held = owner_.world_.storage_of(node_).find(slot, entry.key);
  const bool is_same =
      held && held->value == entry.value && held->is_tombstone == entry.is_tombstone;
  if (is_same && entry.key != floor_key && held->sequence != entry.sequence) {
    report("events",
           "equal bytes moved in the change order: " + quoted(name, entry.key, entry.version));
  }
  const std::string key(entry.key);
  if (entry.is_tombstone) {
    before.erased[key] = entry.version;
  } else if (const auto erased = before.erased.find(key);
             erased != before.erased.end() && entry.version <= erased->second) {
    report("I7 no resurrection", quoted(name, entry.key, entry.version) + " was erased @" +
                                     std::to_string(erased->second));
  }
}

void checker::watch::handle_drop_upto(slot_index slot, std::uint64_t version) {
  const simulated_storage& entries = owner_.world_.storage_of(node_);
  const peer_view of = core().peers()[slot];
  const std::string& name = core().peers().details(slot).name;
  std::size_t count = 0;
  const ledger* run = slot == self_slot ? own : owner_.find_run(name, of.generation(), count);
  if (slot == self_slot) own->floor = std::max(own->floor, version);
  std::uint64_t from = 0;
  while (const std::optional<entry_view> entry = entries.first_above(slot, from)) {
    if (entry->version > version) break;
    from = entry->version;
    if (entry->is_tombstone || entry->key == floor_key) continue;
    const std::string key(entry->key);
    touch(slot, key);
    row(slot).erased[key] = entry->version;
    if (run == nullptr || !owner_.trusts_content_) continue;
    const auto erased = run->erasures.find(key);
    if (erased == run->erasures.end() || erased->second <= entry->version) {
      report("I2 prefix", "a floor drops what nobody erased: " + quoted(name, key, entry->version));
    }
  }
}

void checker::watch::handle_word(const message& received, const endpoint& source, contact& from) {
  const peer_table& known = core().peers();
  const std::optional<slot_index> slot = known.find(received.sender.name_hash);
  if (!slot || *slot == self_slot) return;
  if (known[*slot].generation() != received.sender.generation) return;
  const bool is_heard = is_surely_fresh(received) && known[*slot].status() != peer_status::dead;
  if (is_heard && received.sender.heartbeat > known[*slot].heartbeat()) {
    row(*slot).beat_at = owner_.world_.time();
  }
  const bool is_mine = received.receiver.generation == 0 ||
                       received.receiver.name_hash == known[self_slot].name_hash();
  if (received.sender.has_left && is_mine) leaver = slot;
  if (!is_heard) return;
  from.heard_at = owner_.world_.time();
  if (!is_mine) return;
  speaker one;
  one.slot = *slot;
  one.generation = received.sender.generation;
  one.source = source;
  heard = one;
}

bool checker::watch::is_surely_fresh(const message& received) const {
  const peer_view self = core().peers().self();
  const bool is_this_run =
      received.receiver.generation == self.generation() &&
      (received.receiver_instance == 0 || received.receiver_instance == own->instance);
  const std::uint64_t rounds =
      fresh_rounds_max(core().peers().by_hash().size(), core().settings().gossip_interval, 0);
  return is_this_run && received.receiver.heartbeat + rounds >= self.heartbeat();
}

}  // namespace gossipmonger
