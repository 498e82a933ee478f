// Fuzzes a node with state by a sequence of messages. After each step the invariants hold.
//
// Some messages are forged, of things that the node knows. Others are its own and an honest peer's,
// with damage under a checksum that fits. They come with valid cookies and without, in wire
// versions that it reads and others. Between them its rounds run, and its keys and options change.
// Its events are read. The honest peer falls silent and comes back.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "byte_source.hpp"
#include "core/protocol.hpp"
#include "fuzz.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "message_maker.hpp"
#include "wire_bytes.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr std::uint64_t generation_base = 1'704'067'200'000;  // 2024-01-01
constexpr std::size_t steps_max = 40;
const endpoint own_address = endpoint::v4(10, 0, 0, 1, 7000);
const endpoint honest_address = endpoint::v4(10, 0, 0, 2, 7000);

config make_settings(std::string_view name) {
  config settings;
  settings.name = name;
  settings.jitter = 0;
  settings.detector_window = 4;
  settings.dead_peer_grace = 12s;
  settings.peers_max = 4;
  settings.keys_per_peer_max = 8;
  settings.bytes_per_peer_max = 4096;
  settings.value_bytes_max = 2500;
  settings.partial_bytes_max = 3000;
  settings.parked_bytes_max = 2048;
  settings.retired_max = 64;
  const auto checked = validated(settings);
  demand(checked.has_value(), "the settings are allowed");
  return *checked;
}

vocabulary make_vocabulary() {
  vocabulary words;
  words.generation_base = generation_base;
  words.names = {"me", "honest", "a", "b", "c", "d", "e"};
  const hash_key key = make_cluster_key("default");
  for (const std::string& name : words.names) words.hashes.push_back(siphash(key, name));
  words.addresses = {own_address,
                     honest_address,
                     endpoint::v4(10, 0, 0, 3, 7000),
                     endpoint::v4(10, 0, 0, 4, 7000),
                     endpoint::v4(10, 0, 0, 5, 7000),
                     endpoint::v4(224, 0, 0, 1, 7000),
                     endpoint()};
  return words;
}

/// Shared by all runs: options, and codecs by the wire versions that they speak. A resource.
struct common {
  common() = default;
  common(const common&) = delete;
  common& operator=(const common&) = delete;

  config own_settings = make_settings("me");
  config honest_settings = make_settings("honest");

  static constexpr std::size_t datagram_bytes = 1200;
  std::uint32_t cluster = make_cluster_id("default");
  codec own{cluster, datagram_bytes, wire_range(1, 2)};
  codec honest{cluster, datagram_bytes, wire_range(1, 1)};
  codec later{cluster, datagram_bytes, wire_range(2, 3)};  // has version 2 in common
  codec last{cluster, datagram_bytes, wire_range(3, 4)};   // has none
};

/// One peer as its events have shown it to a subscriber.
struct told_peer {
  told_peer() = default;

  std::map<std::string, std::string> shown;
  std::map<std::string, std::uint64_t> versions;  // of each key's last event, removals too
};

/// A value that this node published.
struct own_value {
  own_value() = default;
  explicit own_value(std::string published) : value(std::move(published)) {}

  std::string value;
  std::optional<nanoseconds> expires;  // may be gone from then on
};

/// A peer as it was at the last look.
struct seen_peer {
  seen_peer() = default;

  std::uint64_t generation = 0;
  std::uint64_t max_version = 0;
};

class ordeal {
 public:
  ordeal(std::span<const std::uint8_t> input, message_maker& maker, wire_bytes& wire,
         const common& shared)
      : from_(input), maker_(maker), wire_(wire), shared_(shared) {
    me_.set_wire_versions(shared_.own.versions());
    demand(me_.set("mine", "1").has_value() && me_.set("other", "2").has_value(), "keys are set");
    own_.emplace("mine", "1");
    own_.emplace("other", "2");
    honest_.join(own_address);
    demand(honest_.set("k1", "honest").has_value(), "a key is set");
    demand(honest_.set("large", std::string(2000, 'h')).has_value(), "a large value is set");
    run_rounds(2);
    introduce();
    choose_begin();
    check();
  }

  void run() {
    for (std::size_t step = 0; step < steps_max && !from_.is_empty(); ++step) {
      take_step();
      flush();
      check();
    }
  }

 private:
  void take_step() {
    switch (from_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return forge();
      case 4:
        return replay();
      case 5:
        return deliver_raw();
      case 6:
        return run_rounds(1 + from_.below(3));
      case 7:
        return write();
      case 8: {
        // A pause, a change of the wall clock.
        now_.steady += 1s * static_cast<std::int64_t>(from_.below(30));
        now_.wall += 1h * (static_cast<std::int64_t>(from_.below(60)) - 30);
        return;
      }
      case 9:
        static_cast<void>(
            me_.forget(maker_.words().names[from_.below(maker_.words().names.size())]));
        return;
      case 10:
        return change_options();
      case 11:
        is_honest_deaf_ = from_.flag();
        is_honest_mute_ = from_.flag();
        return;
      case 12:
      case 13:
        return suspicion();
      case 14:
        return run_rounds(1 + from_.below(24));  // a suspicion takes 12
      default:
        me_.release_changes(from_.flag() ? cursor_.sequence : 0);
        if (from_.below(16) == 15) me_.leave(now_);
        return;
    }
  }

  [[nodiscard]] endpoint source() {
    constexpr std::size_t sources = 4;
    return maker_.words().addresses[1 + from_.below(sources)];
  }

  /// A message made for the occasion, as a rule with the right cookie.
  void forge() {
    const endpoint from = source();
    maker_.fill(from_, forged_);
    if (from_.below(8) != 7) forged_.cookie_echo = cookies_[from];
    // Mostly meant for me.
    if (from_.below(8) != 7 && forged_.kind != message_kind::digest) {
      if (forged_.receiver.generation != 0) forged_.receiver.name_hash = own_hash();
    }
    if (encoded_bytes(forged_) > 1200) return;
    forged_.padded_bytes = std::min<std::size_t>(forged_.padded_bytes, 1200);
    wire_.encode(choose_format(forged_), forged_);
    damage();
    deliver(from);
  }

  /// Version 1 of one that speaks no other, as a rule.
  [[nodiscard]] const codec& choose_format(message& m) {
    switch (from_.below(8)) {
      case 5:
        m.wire_version = 2;
        return shared_.own;
      case 6:
        m.wire_version = 2;
        return shared_.later;
      case 7:
        m.wire_version = 3;
        return from_.flag() ? shared_.last : shared_.later;
      default:
        m.wire_version = 1;
        return from_.flag() ? shared_.own : shared_.honest;
    }
  }

  /// Delivers a datagram that was sent before, from any source, with damage.
  void replay() {
    if (sent_.empty()) return;
    const std::vector<std::uint8_t>& bytes = sent_[from_.below(sent_.size())];
    wire_.assign(bytes);
    const endpoint from = source();
    damage();
    if (from_.flag()) echo_cookie(from);
    deliver(from);
  }

  void deliver_raw() {
    const endpoint from = source();
    const std::size_t size = 8 * (4 + from_.below(20));
    wire_.assign(from_.take(size));
    wire_.resize(size);
    wire_.repair(make_cluster_id("default"));
    if (from_.flag()) echo_cookie(from);
    deliver(from);
  }

  void echo_cookie(const endpoint& from) {
    if (wire_.bytes().size() < header_bytes) return;
    const std::uint64_t cookie = cookies_[from];
    std::memcpy(wire_.bytes().data() + 12, &cookie, 6);
    wire_.fix_checksum();
  }

  void damage() {
    const std::size_t hits = from_.below(4);
    if (hits == 0 || wire_.bytes().size() <= header_bytes) return;
    for (std::size_t hit = 0; hit < hits; ++hit) {
      const std::size_t body = wire_.bytes().size() - header_bytes;
      const std::size_t at = header_bytes + from_.number(0xffff) % body;
      wire_.bytes()[at] = static_cast<std::byte>(from_.byte());
    }
    wire_.fix_checksum();
  }

  void deliver(const endpoint& from) {
    received_bytes_[from] += wire_.bytes().size();
    const auto decoded = shared_.own.decode(wire_.bytes(), received_);
    if (!decoded && decoded.error() == drop_reason::wire_version) {
      return me_.handle_unreadable(received_.versions, from);
    }
    if (!decoded && shared_.own.is_of_another_cluster(wire_.bytes())) {
      return me_.handle_foreign(from);
    }
    if (!decoded) return me_.count_drop(decoded.error());
    const bool is_valid_echo =
        received_.cookie_echo != 0 && received_.cookie_echo == cookies_[from];
    if (is_valid_echo) verified_.push_back(from);
    me_.handle_message(received_, from, wire_.bytes().size(), now_);
  }

  void run_rounds(std::size_t count) {
    for (; count > 0; --count) {
      const nanoseconds due = std::min(me_.next_deadline(), honest_.next_deadline());
      const nanoseconds passed = std::max(due, now_.steady) - now_.steady;
      now_.steady += passed;
      now_.wall += passed;
      if (honest_.next_deadline() <= now_.steady) honest_.handle_timeout(now_);
      if (me_.next_deadline() <= now_.steady) me_.handle_timeout(now_);
      check_members(me_.members(now_));  // the flush may bring back a peer that is forgotten here
      flush();
    }
  }

  void write() {
    const std::string key = "k" + std::to_string(from_.below(10));
    if (from_.below(4) == 0) {
      const auto erased = me_.erase(key);
      if (erased) own_.erase(key);
      return;
    }
    const std::size_t size = from_.below(8) == 7 ? 2400 : from_.below(200);
    const std::string value(size, static_cast<char>(from_.byte()));
    if (from_.below(4) != 0) {
      if (me_.set(key, value)) own_[key] = own_value(value);
      return;
    }
    const nanoseconds ttl = std::chrono::milliseconds(from_.number(20'000));
    if (!me_.set(key, value, ttl, now_)) return;
    own_[key] = own_value(value);
    own_[key].expires = now_.steady + ttl;
  }

  /// Another budget, another pace; or what cannot be changed, and then nothing is.
  void change_options() {
    config wanted = me_.settings();
    bool is_allowed = true;
    switch (from_.below(8)) {
      case 0:
      case 1:
        wanted.send_bytes_per_interval =
            std::array<std::size_t, 4>{0, 1200, 2400, 100'000}[from_.below(4)];
        break;
      case 2:
        wanted.gossip_interval = std::array{100ms, 1000ms, 1200ms}[from_.below(3)];
        break;
      case 3:
        wanted.suspicion_rounds = std::array<std::size_t, 3>{0, 4, 12}[from_.below(3)];
        break;
      case 4:
        wanted.fanout = 1 + from_.below(3);
        wanted.unverified_addresses_max = 1 + from_.below(16);
        break;
      case 5:
        wanted.exchange_bytes_max = from_.flag() ? 1200 : 131'072;
        wanted.exchange_datagrams_max = 1 + from_.below(128);
        break;
      case 6:
        wanted.dead_peer_phi = from_.flag() ? 1 : 1000;
        wanted.live_peers_min = from_.below(3);
        break;
      default:
        wanted.send_bytes_per_interval = 1200;
        if (from_.flag()) wanted.peers_max += 1;
        if (wanted.peers_max == me_.settings().peers_max) wanted.exchange_bytes_max = 1199;
        is_allowed = false;
        break;
    }
    const std::size_t budget = me_.settings().send_bytes_per_interval;
    demand(me_.change(wanted, now_).has_value() == is_allowed, "options are changed, or refused");
    if (!is_allowed) {
      demand(me_.settings().send_bytes_per_interval == budget, "what is refused changes nothing");
      return;
    }
    spent_bytes_ = 0;
    spent_since_ = now_.steady;
  }

  /// "a" and "b" verify their addresses and tell who they are: live, until they are silent.
  void introduce() {
    for (std::size_t i = 2; i < 4; ++i) {
      const endpoint& from = maker_.words().addresses[i];
      forged_.clear();
      forged_.sender.name_hash = maker_.words().hashes[i];
      forged_.sender.generation = generation_base;
      forged_.known.extra.push_back(forged_.sender);
      forged_.padded_bytes = 400;
      wire_.encode(shared_.honest, forged_);
      deliver(from);
      flush();

      forged_.known.extra.clear();
      forged_.kind = message_kind::reply;
      forged_.cookie_echo = cookies_[from];
      forged_.receiver.name_hash = me_.peers().self().name_hash();
      forged_.receiver.generation = me_.peers().self().generation();
      forged_.receiver.heartbeat = me_.peers().self().heartbeat();
      identity_view& who = forged_.identities.emplace_back();
      who.name = maker_.words().names[i];
      who.generation = generation_base;
      who.instance = 1;
      who.address = from;
      wire_.encode(shared_.honest, forged_);
      deliver(from);
      flush();
    }
    demand(me_.live_peers() == 3, "all three are live");
  }

  /// Where flow control, suspicion and sums come soon.
  void choose_begin() {
    const std::uint8_t choice = from_.byte();
    config wanted = shared_.own_settings;
    if ((choice & 1) != 0) wanted.send_bytes_per_interval = (choice & 2) != 0 ? 1200 : 3000;
    if ((choice & 4) != 0) wanted.suspicion_rounds = 4;
    if ((choice & 32) != 0) {
      wanted.sums_peers_min = 1;
      config others = shared_.honest_settings;
      others.sums_peers_min = 1;
      demand(honest_.change(others, now_).has_value(), "options of the peer are changed");
    }
    demand(me_.change(wanted, now_).has_value(), "options are changed");
    spent_since_ = now_.steady;
    spent_bytes_ = 0;
    if ((choice & 8) == 0) return;
    // Three datagrams of news, of which the honest peer hears nothing at first.
    for (const char* key : {"k7", "k8", "k9"}) {
      const std::string value(1100, *key);
      demand(me_.set(key, value).has_value(), "there is room");
      own_[key] = own_value(value);
    }
    is_honest_deaf_ = (choice & 16) != 0;
  }

  /// Somebody suspects somebody, or knows better, as what I know suggests; or it asks.
  void suspicion() {
    const endpoint from = source();
    const std::vector<member> members = me_.members(now_);
    const member& teller = members[from_.below(members.size())];
    forged_.clear();
    forged_.kind = from_.flag() ? message_kind::reply : message_kind::digest;
    forged_.sender.name_hash = siphash(make_cluster_key("default"), teller.name);
    forged_.sender.generation = teller.generation;
    forged_.sender.heartbeat = std::min(heartbeat_max, teller.heartbeat + from_.below(2));
    if (forged_.kind == message_kind::digest) forged_.known.extra.push_back(forged_.sender);
    for (std::size_t left = 1 + from_.below(3); left > 0; --left) {
      const member& about = members[from_.below(members.size())];
      suspicion_entry& told = forged_.suspicions.emplace_back();
      const std::uint8_t shape = from_.byte();
      told.name_hash = siphash(make_cluster_key("default"), about.name);
      told.generation = about.generation;
      told.heartbeat = std::min(heartbeat_max, about.heartbeat + shape % 4);
      told.is_probe_request = (shape & 16) != 0;
      if ((shape & 32) == 0) told.suspicion_age = from_.byte();
      if ((shape & 64) == 0) told.alive_age = from_.byte();
    }
    forged_.cookie_echo = cookies_[from];
    wire_.encode(shared_.honest, forged_);
    deliver(from);
  }

  /// Hands over until neither has anything to say.
  void flush() {
    bool is_moving = true;
    while (is_moving) {
      is_moving = false;
      while (const std::optional<endpoint> to = me_.poll_transmit(now_, outgoing_)) {
        is_moving = true;
        account(*to);
        if (*to == honest_address && !is_honest_deaf_) hand_over(honest_, own_address);
      }
      while (const std::optional<endpoint> to = honest_.poll_transmit(now_, outgoing_)) {
        is_moving = true;
        wire_.encode(shared_.honest, outgoing_);
        remember();
        if (*to == own_address && !is_honest_mute_) deliver(honest_address);
      }
    }
  }

  void hand_over(protocol& to, const endpoint& from) {
    const auto decoded = shared_.honest.decode(wire_.bytes(), received_);
    // Somebody may have said under its address that it speaks more.
    const bool is_misled = !decoded && decoded.error() == drop_reason::wire_version;
    demand(decoded.has_value() || is_misled, "what a node sends decodes");
    if (is_misled) return;
    to.handle_message(received_, from, wire_.bytes().size(), now_);
  }

  /// Every datagram is within its limit, and keeps the 3x rule.
  void account(const endpoint& to) {
    wire_.encode(shared_.own, outgoing_);
    remember();
    check_budget();
    demand(wire_.bytes().size() + seal_bytes <= 1200, "I4: no datagram exceeds its limit");
    demand(to.is_routable(), "nothing goes where nobody can be");
    demand(to != own_address, "nothing goes to myself");
    if (outgoing_.cookie != 0) cookies_[to] = outgoing_.cookie;
    if (outgoing_.kind == message_kind::digest) return;
    const bool is_verified = std::find(verified_.begin(), verified_.end(), to) != verified_.end();
    if (is_verified) return;
    answered_bytes_[to] += wire_.bytes().size();
    demand(answered_bytes_[to] <= 3 * received_bytes_[to], "the 3x rule");
  }

  /// Bytes sent since the options changed: at most a full bucket, its inflow, the last datagram.
  void check_budget() {
    spent_bytes_ += wire_.bytes().size();
    const config& settings = me_.settings();
    if (settings.send_bytes_per_interval == 0) return;
    const double intervals = static_cast<double>((now_.steady - spent_since_).count()) /
                             static_cast<double>(nanoseconds(settings.gossip_interval).count());
    const double most = static_cast<double>(settings.send_bytes_per_interval) * (1 + intervals);
    demand(static_cast<double>(spent_bytes_) <= most + 1200, "I5: bytes sent in an interval");
  }

  void remember() {
    constexpr std::size_t kept = 16;
    const auto bytes = wire_.bytes();
    const auto* const first = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (sent_.size() < kept) sent_.emplace_back();
    sent_[next_sent_++ % kept].assign(first, first + bytes.size());
  }

  // ------------------------------------------------------------------------------ invariants

  void check() {
    check_own();
    check_capacities();
    const std::vector<member> members = me_.members(now_);
    check_members(members);
    fold_events(members);
  }

  void check_own() {
    std::size_t count = 0;
    std::uint64_t version = 0;
    while (const auto entry = me_.first_above("me", version)) {
      const auto mine = own_.find(std::string(entry->key));
      demand(mine != own_.end() && mine->second.value == entry->value,
             "I3: only I write my entries");
      demand(entry->version <= me_.version(), "no version above my counter");
      version = entry->version;
      ++count;
    }
    std::erase_if(own_, [this](const auto& mine) {
      const std::optional<nanoseconds>& expires = mine.second.expires;
      return expires && *expires <= now_.steady && !me_.get("me", mine.first);
    });
    demand(count == own_.size(), "I3: none of mine is lost");
  }

  void check_capacities() {
    const protocol_stats stats = me_.stats();
    const config& settings = me_.settings();
    demand(stats.peers_known <= settings.peers_max, "I5: peers");
    demand(stats.peers_unwanted <= settings.peers_max + 1024, "I5: unwanted peers");
    demand(stats.parked_bytes <= settings.parked_bytes_max, "I5: parked bytes");
    demand(stats.partial_bytes <= settings.partial_bytes_max, "I5: bytes of partial values");
    demand(stats.peers_suspect <= stats.peers_live && stats.peers_live <= stats.peers_known,
           "only who lives is a suspect");
    // Short legs, those of the fan-out, to a dead peer, to a seed, and begun anew.
    constexpr std::uint64_t digests_a_round_max = 24 + 3 + 1 + 1 + 16;
    demand(stats.digests_sent <= (stats.rounds + 1) * digests_a_round_max, "I5: digests a round");
  }

  void check_members(const std::vector<member>& members) {
    std::map<std::string, seen_peer> now_seen;
    for (const member& peer : members) {
      demand(!peer.phi || (*peer.phi >= 0 && !std::isnan(*peer.phi)), "phi is a number >= 0");
      demand(peer.generation <= generation_max && peer.max_version <= version_max &&
                 peer.heartbeat <= heartbeat_max,
             "numbers within their widths");
      seen_peer& seen = now_seen[peer.name];
      seen.generation = peer.generation;
      seen.max_version = peer.max_version;
      if (const auto before = seen_.find(peer.name); before != seen_.end()) {
        const seen_peer& old = before->second;
        const bool is_monotone = std::tie(seen.generation, seen.max_version) >=
                                 std::tie(old.generation, old.max_version);
        demand(is_monotone, "I1: (generation, max version) never goes down");
      }
      check_entries(peer);
    }
    seen_ = std::move(now_seen);
  }

  void check_entries(const member& peer) {
    std::size_t keys = 0;
    std::size_t bytes = 0;
    std::uint64_t version = 0;
    while (const auto entry = me_.first_above(peer.name, version)) {
      demand(entry->version > version && entry->version <= peer.max_version, "I2: a prefix");
      demand(is_valid_name(entry->key) && !entry->is_tombstone, "what is shown is a live key");
      version = entry->version;
      ++keys;
      bytes += entry->key.size() + entry->value.size();
    }
    // Twice as much while a floor waits.
    demand(keys <= 2 * me_.settings().keys_per_peer_max + 1, "I5: keys of a peer");
    demand(bytes <= 2 * me_.settings().bytes_per_peer_max, "I5: bytes of a peer");
  }

  void fold_events(const std::vector<member>& members) {
    while (const std::optional<event_view> event = me_.poll_event(cursor_)) fold(*event);
    // Folding the stream gives the state.
    for (const member& peer : members) {
      const told_peer& told = told_[peer.name];
      std::size_t keys = 0;
      std::uint64_t version = 0;
      while (const auto entry = me_.first_above(peer.name, version)) {
        const auto shown = told.shown.find(std::string(entry->key));
        demand(shown != told.shown.end() && shown->second == entry->value, "events tell all");
        version = entry->version;
        ++keys;
      }
      demand(keys == told.shown.size(), "events tell what is gone");
    }
  }

  void fold(const event_view& event) {
    const std::string peer(event.peer);
    const std::string key(event.key);
    switch (event.kind) {
      case event_kind::lagged:
        told_.clear();
        break;
      case event_kind::peer_restarted:
      case event_kind::peer_forgotten:
        told_.erase(peer);
        break;
      case event_kind::update:
      case event_kind::removed: {
        told_peer& told = told_[peer];
        std::uint64_t& last = told.versions[key];
        // A key that a floor drops goes at the version it was shown at.
        const bool is_dropped = event.kind == event_kind::removed && told.shown.contains(key);
        demand(event.version > last || (is_dropped && event.version == last),
               "I7: versions of a key rise");
        last = event.version;
        if (event.kind == event_kind::update) {
          told.shown[key] = event.value;
        } else {
          told.shown.erase(key);
        }
        break;
      }
      default:
        break;
    }
  }

  [[nodiscard]] std::uint64_t own_hash() const { return maker_.words().hashes[0]; }

  byte_source from_;
  message_maker& maker_;
  wire_bytes& wire_;
  const common& shared_;
  moment now_{100s, std::chrono::milliseconds(generation_base)};
  memory_storage entries_;
  memory_storage honest_entries_;
  protocol me_{shared_.own_settings, storage_ref(entries_), own_address, 1, now_};
  protocol honest_{shared_.honest_settings, storage_ref(honest_entries_), honest_address, 2, now_};
  message forged_;
  message received_;
  message outgoing_;
  change_cursor cursor_;

  std::map<std::string, own_value> own_;
  std::map<std::string, seen_peer> seen_;
  std::map<std::string, told_peer> told_;
  std::map<endpoint, std::uint64_t> cookies_;
  std::map<endpoint, std::size_t> received_bytes_;
  std::map<endpoint, std::size_t> answered_bytes_;
  std::vector<endpoint> verified_;
  bool is_honest_deaf_ = false;  // datagrams to it are lost
  bool is_honest_mute_ = false;  // datagrams from it are lost
  std::size_t spent_bytes_ = 0;  // sent since then
  nanoseconds spent_since_{};
  std::vector<std::vector<std::uint8_t>> sent_;
  std::size_t next_sent_ = 0;
};

}  // namespace
}  // namespace gossipmonger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static gossipmonger::message_maker maker(gossipmonger::make_vocabulary());
  static gossipmonger::wire_bytes wire;
  static const gossipmonger::common shared;
  gossipmonger::ordeal({data, size}, maker, wire, shared).run();
  return 0;
}
