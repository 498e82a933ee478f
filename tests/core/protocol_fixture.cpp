#include "protocol_fixture.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/exchange/packer.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

letter::letter(const message& original, const endpoint& sender, const endpoint& receiver)
    : from(sender), to(receiver), bytes(datagram_bytes(original)) {
  content.kind = original.kind;
  content.versions = original.versions;
  content.wire_version = original.wire_version;
  content.features = original.features;
  content.cookie_echo = original.cookie_echo;
  content.cookie = original.cookie;
  content.padded_bytes = original.padded_bytes;
  content.sender = original.sender;
  content.receiver = original.receiver;
  content.receiver_instance = original.receiver_instance;
  content.more = original.more;
  content.interval = original.interval;
  content.refused = original.refused;
  content.largest_received = original.largest_received;
  content.is_name_shared = original.is_name_shared;
  content.known = original.known;
  content.suspicions = original.suspicions;
  content.identities = original.identities;
  content.heartbeats = original.heartbeats;
  content.requests = original.requests;
  content.partials = original.partials;
  content.spared = original.spared;
  content.sums = original.sums;
  content.sum_bits = original.sum_bits;
  content.sum_part = original.sum_part;
  content.of_root = original.of_root;
  content.deltas = original.deltas;
  content.entries = original.entries;
  for (identity_view& who : content.identities) who.name = keep(who.name);
  for (entry_view& entry : content.entries) {
    entry.key = keep(entry.key);
    entry.value = keep(entry.value);
  }
}

config make_config(std::string_view name) {
  config settings;
  settings.name = name;
  settings.jitter = 0;
  return settings;
}

// ------------------------------------------------------------------------------------ cluster

protocol& small_cluster::add(const config& settings) {
  const auto host = static_cast<std::uint8_t>(nodes_.size() + 1);
  nodes_.push_back(std::make_unique<node>(settings, endpoint::v4(10, 0, 0, host, 7000),
                                          nodes_.size() + 1, now()));
  return nodes_.back()->core;
}

protocol& small_cluster::add_with_room_for(std::size_t keys, std::string_view name) {
  protocol& added = add(name);
  memory_storage_limits limits;
  limits.keys_total_max = keys;
  find(name).entries = memory_storage(limits);
  return added;
}

protocol& small_cluster::restart(std::string_view name) {
  for (std::unique_ptr<node>& one : nodes_) {
    if (one->core.name() != name) continue;
    const config settings = one->core.settings();
    const endpoint address = one->address;
    one = std::make_unique<node>(settings, address, nodes_.size() + 77, now());
    return one->core;
  }
  throw std::invalid_argument("no such node");
}

small_cluster::node& small_cluster::find(std::string_view name) {
  for (const std::unique_ptr<node>& one : nodes_) {
    if (one->core.name() == name) return *one;
  }
  throw std::invalid_argument("no such node");
}

void small_cluster::exchange(std::string_view one, std::string_view other) {
  find(one).core.join(find(other).address);
  round(one);
}

void small_cluster::round(std::string_view name) {
  begin_round(name);
  settle();
}

letters small_cluster::collect_round(std::string_view name) {
  begin_round(name);
  return collect(name);
}

void small_cluster::begin_round(std::string_view name) {
  protocol& core = find(name).core;
  const std::chrono::nanoseconds due = std::max(steady, core.next_deadline());
  wall += due - steady;
  steady = due;
  core.handle_timeout(now());
}

void small_cluster::run_for(std::chrono::nanoseconds length) {
  const std::chrono::nanoseconds end = steady + length;
  for (;;) {
    node* next = nullptr;
    for (const std::unique_ptr<node>& one : nodes_) {
      if (!one->is_up) continue;
      if (next == nullptr || one->core.next_deadline() < next->core.next_deadline()) {
        next = one.get();
      }
    }
    if (next == nullptr || next->core.next_deadline() > end) break;
    round(next->core.name());
  }
  wall += end - steady;
  steady = end;
}

void small_cluster::settle() {
  bool is_moving = true;
  while (is_moving) {
    is_moving = false;
    for (const std::unique_ptr<node>& one : nodes_) {
      if (!one->is_up) continue;
      for (const letter& sent : collect(one->core.name())) {
        is_moving = true;
        if (!on_send || on_send(sent)) deliver(sent);
      }
    }
  }
}

letters small_cluster::collect(std::string_view name) {
  node& from = find(name);
  letters collected;
  message sent;
  while (const std::optional<endpoint> to = from.core.poll_transmit(now(), sent)) {
    const letter& one = collected.emplace_back(sent, from.address, *to);
    bytes_max_seen = std::max(bytes_max_seen, one.bytes);
  }
  return collected;
}

void small_cluster::deliver(const letter& sent) {
  for (const std::unique_ptr<node>& one : nodes_) {
    if (one->is_up && one->address == sent.to) {
      one->core.handle_message(sent.content, sent.from, sent.bytes, now());
    }
  }
}

std::string read_events(protocol& from, change_cursor& cursor) {
  std::string lines;
  while (const std::optional<event_view> seen = from.poll_event(cursor)) {
    lines += to_string(seen->kind);
    if (!seen->peer.empty()) lines += " " + std::string(seen->peer);
    const bool is_entry = seen->kind == event_kind::update || seen->kind == event_kind::removed;
    if (is_entry) {
      lines += " " + std::string(seen->key);
      if (seen->kind == event_kind::update) lines += "=" + std::string(seen->value);
      lines += "@" + std::to_string(seen->version);
    }
    lines += "\n";
  }
  return lines;
}

// ------------------------------------------------------------------------------------- puppet

puppet::puppet(small_cluster& in, std::string_view node, std::string_view own_name,
               std::uint8_t host)
    : name(own_name), address(endpoint::v4(10, 0, 9, host, 7000)), world_(in), node_(node) {}

std::uint64_t puppet::hash() const { return hash_of(name); }

identity_view puppet::identity() const {
  identity_view who;
  who.name = name;
  who.generation = generation;
  who.instance = 1;
  who.heartbeat = heartbeat;
  who.address = address;
  return who;
}

letters puppet::verify() {
  begin(message_kind::digest).padded_bytes = 400;
  letters answers = send();
  for (const letter& answer : answers) cookie = answer.content.cookie;
  return answers;
}

void puppet::enter() {
  if (cookie == 0) static_cast<void>(verify());
  begin(message_kind::reply).identities.push_back(identity());
  static_cast<void>(send());
}

message& puppet::begin(message_kind kind) {
  draft.clear();
  draft.kind = kind;
  draft.cookie_echo = cookie;
  draft.cookie = 4711;
  draft.sender.name_hash = hash();
  draft.sender.generation = generation;
  draft.sender.heartbeat = heartbeat;
  // It hears the node: what it says is fresh.
  const peer_view heard = world_.find(node_).core.peers().self();
  draft.receiver.name_hash = heard.name_hash();
  draft.receiver.generation = heard.generation();
  draft.receiver.heartbeat = heard.heartbeat();
  return draft;
}

void puppet::add_delta(std::uint64_t after, std::uint64_t upto,
                       const std::vector<entry_view>& entries, std::uint64_t top) {
  delta_view& delta = draft.deltas.emplace_back();
  delta.name_hash = hash();
  delta.generation = generation;
  delta.after = position(after);
  delta.upto = position(upto);
  delta.top = std::max(top, upto);
  delta.first_entry = draft.entries.size();
  delta.entry_count = entries.size();
  draft.entries.insert(draft.entries.end(), entries.begin(), entries.end());
}

letters puppet::send() {
  world_.deliver(letter(draft, address, world_.find(node_).address));
  return world_.collect(node_);
}

letters puppet::tell(std::uint64_t after, std::uint64_t upto,
                     const std::vector<entry_view>& entries, std::uint64_t top) {
  begin(message_kind::deltas);
  add_delta(after, upto, entries, top);
  return send();
}

// ------------------------------------------------------------------------------------ helpers

suspicion_entry make_suspicion(const puppet& who, std::uint16_t suspicion_age,
                               std::uint32_t alive_age) {
  suspicion_entry suspicion;
  suspicion.name_hash = who.hash();
  suspicion.generation = who.generation;
  suspicion.heartbeat = who.heartbeat;
  suspicion.suspicion_age = suspicion_age;
  suspicion.alive_age = alive_age;
  return suspicion;
}

letters tell(puppet& teller, const suspicion_entry& suspicion) {
  message& digest = teller.begin(message_kind::digest);
  digest.known.extra.push_back(digest.sender);
  digest.suspicions.push_back(suspicion);
  return teller.send();
}

entry_view make_entry(std::string_view key, std::string_view value, std::uint64_t version) {
  entry_view entry;
  entry.key = key;
  entry.value = value;
  entry.version = version;
  return entry;
}

entry_view make_tombstone(std::string_view key, std::uint64_t version) {
  entry_view entry = make_entry(key, {}, version);
  entry.is_tombstone = true;
  return entry;
}

std::uint64_t hash_of(std::string_view name) { return siphash(make_cluster_key("default"), name); }

std::uint64_t drops(const protocol& at, drop_reason reason) {
  return at.stats().drops[static_cast<std::size_t>(reason)];
}

std::string value_of(const protocol& at, std::string_view peer, std::string_view key) {
  const std::optional<entry_view> entry = at.get(peer, key);
  return entry ? std::string(entry->value) : "-";
}

}  // namespace gossipmonger
