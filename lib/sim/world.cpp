#include "sim/world.hpp"

#include <algorithm>
#include <cassert>
#include <span>
#include <utility>

#include "core/exchange/packer.hpp"
#include "sim/run_hash.hpp"
#include "wire/crc32c.hpp"
#include "wire/damage.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

// The simulated worlds begin on 2024-01-01.
constexpr nanoseconds wall_start = std::chrono::seconds{1'704'067'200};

/// The checksum that the sender computed over all of it.
std::uint32_t checksum_in(std::span<const std::byte> datagram) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < sizeof sum; ++i) {
    sum |= std::to_integer<std::uint32_t>(datagram[checksum_place + i]) << (8 * i);
  }
  return sum;
}

}  // namespace

world::world(std::uint64_t seed) : random_(seed) {}

endpoint world::fresh_address(node_index of) {
  given_addresses_.push_back(of);
  const std::size_t number = given_addresses_.size();
  const auto byte = [number](int shift) { return static_cast<std::uint8_t>(number >> shift); };
  return endpoint::v4(10, byte(16), byte(8), byte(0), 7000);
}

std::optional<world::node_index> world::find(const endpoint& address) const {
  std::size_t number = 0;
  for (const std::uint8_t byte : std::span(address.address).last<3>()) number = number << 8 | byte;
  if (number == 0 || number > given_addresses_.size()) return std::nullopt;
  const node_index node = given_addresses_[number - 1];
  return nodes_[node].address == address ? std::optional(node) : std::nullopt;
}

moment world::now(node_index node) const {
  const simulated_node& owner = nodes_[node];
  const nanoseconds gained = (now_ - owner.drifts_since) / 1'000'000 * owner.drift_ppm;
  return moment(now_, wall_start + now_ + owner.wall_offset + gained);
}

world::node_index world::add(config settings, std::optional<node_index> seed) {
  const node_index node = nodes_.size();
  simulated_node& added = nodes_.emplace_back();
  added.settings = std::move(settings);
  added.address = fresh_address(node);
  if (seed) added.seeds.push_back(nodes_[*seed].address);
  start(node);
  return node;
}

world::node_index world::add_stopped(config settings) {
  const node_index node = nodes_.size();
  simulated_node& added = nodes_.emplace_back();
  added.settings = std::move(settings);
  added.address = fresh_address(node);
  return node;
}

void world::set_seeds(node_index node, const std::vector<node_index>& seeds) {
  assert(std::all_of(seeds.begin(), seeds.end(),
                     [this](node_index seed) { return seed < nodes_.size(); }));
  nodes_[node].seeds.clear();
  for (const node_index seed : seeds) nodes_[node].seeds.push_back(nodes_[seed].address);
  if (nodes_[node].core) nodes_[node].core->set_seeds(nodes_[node].seeds);
}

bool world::try_change(node_index node, config settings) {
  simulated_node& changed = nodes_[node];
  if (!changed.core->change(settings, now(node))) return false;
  changed.settings = std::move(settings);
  reschedule(node);
  return true;
}

void world::reschedule(node_index node) {
  const simulated_node& one = nodes_[node];
  if (one.core && one.core->next_deadline() < one.timer_at) set_timer(node);
}

void world::start(node_index node) {
  simulated_node& started = nodes_[node];
  if (started.core && observer != nullptr) observer->handle_stop(node);
  ++started.run;
  const hash_key key{random_.next(), random_.next()};  // braces: in this order (I6)
  started.home = started.address;
  if (started.settings.advertise) started.settings.advertise = started.home;
  started.core.reset();
  started.entries = std::make_unique<simulated_storage>(key, random_.next());
  started.entries->conditions = started.storage_faults;
  started.core = std::make_unique<protocol>(started.settings, storage_ref(*started.entries),
                                            started.address, random_.next(), now(node));
  started.core->set_seeds(started.seeds);
  started.wire = std::make_unique<codec>(make_cluster_id(started.settings.cluster_name),
                                         datagram_bytes_ceiling, started.spoken);
  started.core->set_wire_versions(started.spoken);
  if (observer != nullptr) observer->handle_start(node);
  set_timer(node);
}

void world::crash(node_index node) {
  if (nodes_[node].core && observer != nullptr) observer->handle_stop(node);
  nodes_[node].core.reset();
  nodes_[node].entries.reset();
  nodes_[node].resumes = nanoseconds{};
  nodes_[node].digest.clear();
  ++nodes_[node].run;
}

void world::restart(node_index node, std::optional<config> settings) {
  if (settings) nodes_[node].settings = std::move(*settings);
  nodes_[node].resumes = nanoseconds{};
  start(node);
}

void world::move(node_index node) { nodes_[node].address = fresh_address(node); }

void world::move_back(node_index node) {
  if (is_running(node)) nodes_[node].address = nodes_[node].home;
}

void world::advertise(node_index node) {
  simulated_node& moved = nodes_[node];
  moved.address = fresh_address(node);
  moved.home = moved.address;
  config settings = moved.settings;
  settings.advertise = moved.home;
  const bool is_allowed = try_change(node, std::move(settings));
  assert(is_allowed);
  static_cast<void>(is_allowed);
}

void world::pause(node_index node, nanoseconds length) {
  // A pause within a longer one does not end the longer one.
  nodes_[node].resumes = std::max(nodes_[node].resumes, now_ + length);
}

void world::set_wall_offset(node_index node, nanoseconds offset) {
  nodes_[node].wall_offset = offset;
  nodes_[node].drifts_since = now_;
}

void world::set_wall_drift(node_index node, std::int64_t ppm) {
  nodes_[node].drifts_since = now_;
  nodes_[node].drift_ppm = ppm;
}

void world::set_storage(node_index node, const storage_conditions& faults) {
  nodes_[node].storage_faults = faults;
  if (nodes_[node].entries) nodes_[node].entries->conditions = faults;
}

void world::set_timer(node_index node) {
  const nanoseconds at = std::max(now_, nodes_[node].core->next_deadline());
  const std::size_t place = prepare();
  happening& timer = happenings_[place];
  timer.is_timer = true;
  timer.node = node;
  timer.run = nodes_[node].run;
  nodes_[node].timer_at = at;
  nodes_[node].timer_order = timer.order;
  schedule(place, at);
}

std::size_t world::prepare() {
  if (free_places_.empty()) {
    free_places_.push_back(happenings_.size());
    happenings_.emplace_back();
  }
  const std::size_t place = free_places_.back();
  free_places_.pop_back();
  happening& next = happenings_[place];
  next.order = ++order_;
  next.is_timer = false;
  next.is_waiting = false;
  next.is_damaged = false;
  return place;
}

void world::release(std::size_t place) {
  happening& past = happenings_[place];
  if (!past.is_timer) spare_words_.push_back(std::exchange(past.words, {}));
  free_places_.push_back(place);
}

void world::schedule(std::size_t place, nanoseconds at) {
  queue_.emplace(at, happenings_[place].order, place);
}

void world::finish_step(node_index node, bool is_timer) {
  if (observer != nullptr) observer->handle_step(node, is_timer);
  flush(node);
  simulated_node& stepped = nodes_[node];
  if (stepped.storage_faults.delay > nanoseconds{0}) {
    const auto puts = static_cast<std::int64_t>(stepped.entries->take_puts());
    stepped.resumes = std::max(stepped.resumes, now_ + puts * stepped.storage_faults.delay);
  }
}

void world::flush(node_index node) {
  while (const auto to = nodes_[node].core->poll_transmit(now(node), outgoing_)) {
    send(node, *to);
    if (!try_step(node)) return;
  }
}

bool world::try_step(node_index node) {
  if (++idle_steps_ >= idle_steps_max && !stuck_) stuck_ = node;
  return !stuck_;
}

const network_conditions& world::link(node_index from, node_index to) const {
  const auto place = links.find(std::pair(from, to));
  return place == links.end() ? conditions : place->second;
}

void world::send(node_index from, const endpoint& to) {
  buffer_.resize(nodes_[from].settings.datagram_bytes_max / 8);
  std::size_t size =
      nodes_[from].wire->encode(outgoing_, std::as_writable_bytes(std::span(buffer_)));
  ++counters_.datagrams;
  counters_.bytes += size;
  counters_.datagram_bytes_max = std::max(counters_.datagram_bytes_max, size);
  if (observer != nullptr) observer->handle_send(from, to, outgoing_, size);
  if (nodes_[from].mutation > 0 && random_.unit() < nodes_[from].mutation) {
    constexpr std::uint64_t forged_every = 8;
    if (random_.below(forged_every) == 0 && try_forge(to)) {
      size = nodes_[from].wire->encode(outgoing_, std::as_writable_bytes(std::span(buffer_)));
      ++counters_.mutated;
    } else if (try_mutate(std::as_writable_bytes(std::span(buffer_)).first(size), random_)) {
      ++counters_.mutated;
    }
  }
  if (on_send) on_send(from, to, std::as_bytes(std::span(buffer_)).first(size));

  const std::optional<node_index> target = find(to);
  if (!target || (is_cut && is_cut(from, *target))) {
    ++counters_.unreachable;
    return;
  }
  const network_conditions& way = link(from, *target);
  if (way.is_cut) {
    ++counters_.unreachable;
    return;
  }
  if (way.mtu_bytes != 0 && size > way.mtu_bytes) {
    ++counters_.over_mtu;
    return;
  }
  if (random_.unit() < way.loss) {
    ++counters_.lost;
    return;
  }
  const int copies = random_.unit() < way.duplication ? 2 : 1;
  if (copies == 2) ++counters_.duplicated;
  for (int i = 0; i < copies; ++i) {
    const auto spread = static_cast<std::uint64_t>(
        std::max<std::int64_t>(1, (way.delay_max - way.delay_min).count()));
    nanoseconds delay =
        way.delay_min + nanoseconds(static_cast<std::int64_t>(random_.below(spread)));
    if (i > 0 && way.late_max.count() > 0) {
      const auto latest = static_cast<std::uint64_t>(way.late_max.count());
      delay += nanoseconds(static_cast<std::int64_t>(random_.below(latest)));
      late_until_ = std::max(late_until_, now_ + delay);
    }
    const std::size_t place = prepare();
    happening& arrival = happenings_[place];
    arrival.node = *target;
    arrival.source = nodes_[from].address;
    arrival.destination = to;
    if (!spare_words_.empty()) {
      arrival.words = std::move(spare_words_.back());
      spare_words_.pop_back();
    }
    if (i + 1 == copies) {
      arrival.words.swap(buffer_);
    } else {
      arrival.words = buffer_;
    }
    arrival.bytes = size;
    arrival.inbox_datagrams_max = way.inbox_datagrams_max;
    damage(arrival, way);
    schedule(place, now_ + delay);
  }
}

bool world::try_forge(const endpoint& to) {
  const std::optional<node_index> target = find(to);
  if (!target || !nodes_[*target].core || outgoing_.deltas.empty()) return false;
  delta_view& forged = outgoing_.deltas.front();
  if (forged.value_bytes != 0 || forged.entry_count == 0) return false;
  const peer_view victim = nodes_[*target].core->peers()[self_slot];
  forged.name_hash = victim.name_hash();
  forged.generation = victim.generation();
  forged.after = position(nodes_[*target].core->version());
  std::uint64_t version = forged.after.version;
  for (std::size_t i = 0; i < forged.entry_count; ++i) {
    outgoing_.entries[forged.first_entry + i].version = ++version;
  }
  forged.upto = position(version);
  forged.top = version;
  return true;
}

void world::damage(happening& arrival, const network_conditions& on_link) {
  if (random_.unit() < on_link.corruption) {
    ++counters_.corrupted;
    arrival.is_damaged = true;
    const std::uint64_t bit = random_.below(arrival.bytes * 8);
    arrival.words[bit / 64] ^= std::uint64_t{1} << (bit % 64);
  }
  if (on_link.garbling > 0 && random_.unit() < on_link.garbling) {
    arrival.is_damaged = true;
    const auto datagram = std::as_writable_bytes(std::span(arrival.words)).first(arrival.bytes);
    if (try_garble(datagram, random_)) ++counters_.garbled;
  }
  if (on_link.truncation > 0 && random_.unit() < on_link.truncation) {
    ++counters_.truncated;
    arrival.is_damaged = true;
    arrival.bytes = static_cast<std::size_t>(random_.below(arrival.bytes));
  }
}

void world::deliver(happening& arrived) {
  simulated_node& target = nodes_[arrived.node];
  if (!target.core || target.address != arrived.destination) return;
  const std::span<const std::byte> datagram =
      std::as_bytes(std::span(arrived.words)).first(arrived.bytes);
  ++counters_.delivered;
  trace_hash_ = mixed(trace_hash_, static_cast<std::uint64_t>(now_.count()));
  const std::uint32_t sum = arrived.is_damaged ? crc32c(datagram) : checksum_in(datagram);
  trace_hash_ = mixed(trace_hash_, (std::uint64_t{arrived.node} << 32) | sum);
  if (on_delivery) on_delivery(arrived.node, datagram);
  const tl::expected<void, drop_reason> decoded = target.wire->decode(datagram, received_);
  if (!decoded) {
    if (decoded.error() == drop_reason::wire_version) {
      target.core->handle_unreadable(received_.versions, arrived.source);
    } else if (decoded.error() == drop_reason::cluster &&
               target.wire->is_of_another_cluster(datagram)) {
      target.core->handle_foreign(arrived.source);
    } else {
      target.core->count_drop(decoded.error());
    }
    return;
  }
  if (observer != nullptr) {
    observer->handle_arrival(arrived.node, arrived.source, received_, datagram.size());
  }
  target.core->handle_message(received_, arrived.source, datagram.size(), now(arrived.node));
  if (keeps_digests && received_.kind == message_kind::digest) {
    target.digest.swap(arrived.words);
    target.digest.resize(arrived.bytes / sizeof target.digest[0]);
    target.digest_source = arrived.source;
  }
  finish_step(arrived.node, false);
  // Legs that wait for the byte budget go out before the next round.
  reschedule(arrived.node);
}

void world::inject(node_index to, const endpoint& source, std::span<const std::byte> datagram) {
  happening arrival;
  arrival.node = to;
  arrival.source = source;
  arrival.destination = nodes_[to].address;
  arrival.bytes = datagram.size();
  arrival.is_damaged = true;
  arrival.words.assign((datagram.size() + 7) / 8, 0);
  std::copy(datagram.begin(), datagram.end(),
            std::as_writable_bytes(std::span(arrival.words)).begin());
  deliver(arrival);
}

void world::replay(node_index node, std::size_t count, bool is_spoofed) {
  assert(keeps_digests);
  const std::vector<std::uint64_t> words = nodes_[node].digest;
  const endpoint source = nodes_[node].digest_source;
  if (words.empty() || nodes_[node].resumes > now_) return;
  for (std::size_t i = 0; i < count && is_running(node) && !stuck_; ++i) {
    inject(node, is_spoofed ? vacant_address() : source, std::as_bytes(std::span(words)));
  }
}

endpoint world::vacant_address() {
  // Those of RFC 2544; nodes have others.
  ++vacant_addresses_;
  const auto byte = [this](int shift) {
    return static_cast<std::uint8_t>(vacant_addresses_ >> shift);
  };
  return endpoint::v4(198, static_cast<std::uint8_t>(18 + byte(16) % 2), byte(8), byte(0), 7000);
}

world::put_off world::try_put_off(std::size_t place) {
  happening& next = happenings_[place];
  simulated_node& target = nodes_[next.node];
  if (next.is_waiting) {
    --target.waiting;
    // The socket went with its process.
    if (next.run != target.run) return put_off::dropped;
  }
  if (target.resumes <= now_) return put_off::no;
  if (!next.is_timer) {
    if (target.waiting >= next.inbox_datagrams_max) {
      ++counters_.overflowed;
      return put_off::dropped;
    }
    ++target.waiting;
    next.is_waiting = true;
    next.run = target.run;
  }
  schedule(place, target.resumes);
  return put_off::waits;
}

void world::happen(std::size_t place) {
  happening& next = happenings_[place];
  if (!next.is_timer) return deliver(next);
  const node_index node = next.node;
  nodes_[node].core->handle_timeout(now(node));
  finish_step(node, true);
  set_timer(node);
}

void world::fetch_next() const {
  if (queue_.empty()) return;
  const protocol* const next = nodes_[happenings_[queue_.top().place].node].core.get();
  if (next == nullptr) return;
  constexpr std::size_t line_bytes = 64;
  const std::span<const std::byte> state = std::as_bytes(std::span(next, 1));
  for (std::size_t i = 0; i < state.size(); i += line_bytes) __builtin_prefetch(&state[i]);
}

void world::run_for(nanoseconds length) {
  const nanoseconds end = now_ + length;
  while (!stuck_ && !queue_.empty() && queue_.top().at <= end) {
    const due next = queue_.top();
    queue_.pop();
    fetch_next();
    if (next.at > now_) {
      now_ = next.at;
      idle_steps_ = 0;
    }
    if (!try_step(happenings_[next.place].node)) break;
    const happening& what = happenings_[next.place];
    const simulated_node& target = nodes_[what.node];
    const bool is_void = what.is_timer && (what.run != target.run || !target.core ||
                                           what.order != target.timer_order);
    const put_off outcome = is_void ? put_off::dropped : try_put_off(next.place);
    if (outcome == put_off::no) happen(next.place);
    if (outcome != put_off::waits) release(next.place);
  }
  if (now_ < end) idle_steps_ = 0;
  now_ = end;
}

bool world::run_until(const std::function<bool()>& is_done, nanoseconds limit, nanoseconds step) {
  const nanoseconds end = now_ + limit;
  while (!is_done()) {
    if (now_ >= end) return false;
    run_for(std::min(step, end - now_));
  }
  return true;
}

bool world::has_agreed() const {
  for (node_index owner = 0; owner < nodes_.size(); ++owner) {
    if (!is_running(owner)) continue;
    const protocol& source = *nodes_[owner].core;
    for (node_index replica = 0; replica < nodes_.size(); ++replica) {
      if (!is_running(replica) || replica == owner) continue;
      const protocol& copy = *nodes_[replica].core;
      const std::optional<member> seen = copy.find_member(source.name(), now(replica));
      if (!seen || seen->status != peer_status::live) return false;
      if (seen->generation != source.generation() || seen->max_version != source.version()) {
        return false;
      }
      std::uint64_t from = 0;
      std::uint64_t from_copy = 0;
      for (;;) {
        const std::optional<entry_view> mine = source.first_above(source.name(), from);
        const std::optional<entry_view> theirs = copy.first_above(source.name(), from_copy);
        if (mine.has_value() != theirs.has_value()) return false;
        if (!mine) break;
        if (mine->key != theirs->key || mine->value != theirs->value ||
            mine->version != theirs->version) {
          return false;
        }
        from = mine->version;
        from_copy = theirs->version;
      }
    }
  }
  return true;
}

}  // namespace gossipmonger
