// Longer than other files: each step of a node goes through these rules in one order, and all rules
// read the same ledgers and the same watch. The watch has a file of its own, checker_watch.hpp.
#include "sim/checker.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "core/exchange/packer.hpp"
#include "core/liveness/suspicion.hpp"
#include "gossipmonger/hash.hpp"
#include "sim/checker_watch.hpp"
#include "sim/table_limits.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t amplification_max = 3;

}  // namespace

// ------------------------------------------------------------------------------------ ledgers

checker::checker(world& watched, bool trusts_content)
    : world_(watched), trusts_content_(trusts_content) {
  world_.observer = this;
}

checker::~checker() {
  world_.observer = nullptr;
  for (node_index node = 0; node < watches_.size(); ++node) {
    if (watches_[node]) world_.storage_of(node).observer = nullptr;
  }
}

std::uint64_t checker::hash_of(std::string_view value) {
  static const hash_key key(0x6b65793031323334, 0x736f6d656b657932);
  return siphash(key, value);
}

void checker::report(std::string rule, std::string text, std::vector<std::size_t> nodes) {
  if (fault_) return;
  fault_.emplace();
  fault_->rule = std::move(rule);
  fault_->text = std::move(text);
  fault_->at = world_.time();
  fault_->nodes = std::move(nodes);
  if (on_fault) on_fault(*fault_);
}

const checker::ledger* checker::find_run(const std::string& name, std::uint64_t generation,
                                         std::size_t& count) const {
  count = 0;
  const ledger* found = nullptr;
  const auto runs = ledgers_.find(name);
  if (runs == ledgers_.end()) return nullptr;
  for (const auto& run : runs->second) {
    if (std::find(run->generations.begin(), run->generations.end(), generation) ==
        run->generations.end()) {
      continue;
    }
    ++count;
    found = run.get();
  }
  return count == 1 ? found : nullptr;
}

bool checker::has_written(const std::string& name, std::uint64_t generation,
                          const entry_view& entry) const {
  const auto runs = ledgers_.find(name);
  if (runs == ledgers_.end()) return false;
  for (const auto& run : runs->second) {
    if (entry.version == 0 || entry.version > run->records.size()) continue;
    if (std::find(run->generations.begin(), run->generations.end(), generation) ==
        run->generations.end()) {
      continue;
    }
    const record& written = run->records[entry.version - 1];
    if (written.key == entry.key && written.is_tombstone == entry.is_tombstone &&
        written.value_hash == hash_of(entry.value)) {
      return true;
    }
  }
  return false;
}

// --------------------------------------------------------------------------------- the inputs

void checker::handle_start(node_index node) {
  if (watches_.size() <= node) watches_.resize(node + 1);
  if (is_prompt_.size() <= node) is_prompt_.resize(node + 1, true);
  watches_[node] = std::make_unique<watch>(*this, node);
  watch& started = *watches_[node];
  world_.storage_of(node).observer = &started;
  if (!is_prompt_[node]) started.late = std::make_unique<belief>();

  const protocol& core = world_[node];
  auto& runs = ledgers_[std::string(core.name())];
  started.notices.handle_interval(world_.settings(node).gossip_interval, world_.time());
  started.own = runs.emplace_back(std::make_unique<ledger>()).get();
  started.own->instance = core.peers().details(self_slot).instance;
  started.own->generations.push_back(core.generation());
  if (core.generation() <= world_.settings(node).generation_last) {
    report("identity", "a new run has not a higher generation than the last", {node});
  }
  // Its reader subscribes before anything happens: a notice is told to no later one.
  read(node, started.reader, true);
}

void checker::handle_stop(node_index node) {
  if (node >= watches_.size() || !watches_[node]) return;
  watches_[node]->own->ended_at = stopped_at_ = world_.time();
  watches_[node].reset();
}

void checker::begin_command(node_index node) { watches_[node]->running = watch::input::command; }

void checker::end_command(node_index node) {
  watches_[node]->running = watch::input::timer;
  watches_[node]->notices.handle_interval(world_.settings(node).gossip_interval, world_.time());
  check_rows(node);
  check_tables(node);
  check_own_usage(node);
}

void checker::expect_expiry(node_index node, const std::string& key,
                            std::optional<nanoseconds> deadline) {
  watch& watched = *watches_[node];
  watched.deadlines.erase(key);
  if (deadline) watched.deadlines.emplace(key, *deadline);
}

void checker::set_prompt(node_index node, bool is_prompt) {
  if (is_prompt_.size() <= node) is_prompt_.resize(node + 1, true);
  is_prompt_[node] = is_prompt;
  const bool is_running = node < watches_.size() && watches_[node];
  if (is_running && !is_prompt && !watches_[node]->late) {
    watches_[node]->late = std::make_unique<belief>();
  }
}

void checker::handle_arrival(node_index node, const endpoint& source, const message& received,
                             std::size_t bytes) {
  watch& watched = *watches_[node];
  watched.running = watch::input::datagram;
  watch::contact& from = watched.contacts[source];
  from.bytes_received += bytes;
  if (from.spoken && *from.spoken != received.versions) from.spoken_before = from.spoken;
  from.spoken = received.versions;
  const std::optional<nanoseconds> given = from.find_cookie(received.cookie_echo);
  if (!given) return;
  from.is_verified = true;
  // A cookie is good for so long at least. An older one may be good or not.
  const bool is_surely_good =
      world_.time() - *given < watch::cookie_rounds_min * watched.shortest_round;
  if (is_surely_good) watched.handle_word(received, source, from);
  watched.notices.handle_arrival(world_[node], source, received, is_surely_good, world_.time());
}

void checker::handle_step(node_index node, bool is_timer) {
  watch& watched = *watches_[node];
  const protocol& core = world_[node];
  watched.answer_bytes = 0;
  watched.answer_datagrams = 0;
  watched.shortest_round =
      std::min<nanoseconds>(watched.shortest_round, world_.settings(node).gossip_interval);
  if (watched.own->generations.back() != core.generation()) {
    watched.own->generations.push_back(core.generation());
  }
  const std::uint64_t round = core.peers()[self_slot].heartbeat();
  watched.own->written_at.resize(round + 1, watched.own->records.size());
  if (std::exchange(watched.round, round) != round) watched.digests_left = watched.digests_waiting;
  watched.digests_waiting = core.tables().digests;
  check_leaver(node);
  check_route(node);
  check_rows(node);
  check_tables(node);
  check_own_usage(node);
  if (is_timer) check_phi(node);
  if (is_timer) check_expiry(node);
  if (is_timer) check_copies(node);
  if (core.last_change() > watched.reader.cursor().sequence) {
    read(node, watched.reader, true);
    if (watched.late && is_prompt_[node]) read(node, *watched.late, false);
    release(node);
  }
  if (trusts_content_) check_notices(node, is_timer);
  watched.running = watch::input::timer;
}

void checker::check_notices(node_index node, bool is_timer) {
  const std::vector<endpoint>& seeds = world_.seeds(node);
  const bool has_seeds = std::any_of(seeds.begin(), seeds.end(), [&](const endpoint& one) {
    return one != world_[node].address();
  });
  notice_watch& notices = watches_[node]->notices;
  notices.end_step(world_[node], is_timer, has_seeds);
  if (!notices.fault().empty()) report("notices", notices.fault(), {node});
}

void checker::handle_send(node_index node, const endpoint& to, const message& sent,
                          std::size_t bytes) {
  watch& watched = *watches_[node];
  const std::size_t limit = world_.settings(node).datagram_bytes_max - seal_bytes;
  if (bytes > limit) {
    report("I4 size", std::to_string(bytes) + " bytes, limit " + std::to_string(limit), {node});
  }
  watched.digests_waiting = world_[node].tables().digests;
  check_spending(node, sent, bytes);
  if (trusts_content_) check_wire_version(node, to, sent);
  if (trusts_content_) check_fragments(node, sent);
  if (true_alive_ages_since_) check_alive_ages(node, sent);
  if (!watched.had_budget) watched.notices.handle_send(to, sent);
  watch::contact& with = watched.contacts[to];
  with.remember_cookie(sent.cookie, world_.time());
  if (with.is_verified) return;
  if (sent.kind != message_kind::digest) {
    with.bytes_replied += bytes;
    if (with.bytes_replied > amplification_max * with.bytes_received) {
      report("3x rule",
             std::to_string(with.bytes_replied) + " bytes in answer to " +
                 std::to_string(with.bytes_received) + " from an unverified address",
             {node});
    }
    return;
  }
  const std::uint64_t round = world_[node].peers()[self_slot].heartbeat();
  // A node begins one a round for an address, and none while one waits there. So under a byte
  // budget at most one of the rounds before goes out together with that of the present round.
  if (with.digest_round != round) with.digests = 0;
  with.digest_round = round;
  if (++with.digests > (watched.had_budget ? 2U : 1U) && round > 0) {
    report("3x rule", "more digests to an unverified address than a round may have", {node});
  }
  if (watched.unverified_round != round) watched.unverified_count = 0;
  watched.unverified_round = round;
  // Under a byte budget those that waited when the round began go out besides.
  const std::size_t left = watched.had_budget ? watched.digests_left : 0;
  if (++watched.unverified_count > world_.settings(node).unverified_addresses_max + left) {
    report("I5 bounds", "digests to more unverified addresses than a round may have", {node});
  }
}

// ----------------------------------------------------------------------------------- the state

void checker::check_rows(node_index node) {
  watch& watched = *watches_[node];
  const protocol& core = world_[node];
  ++watched.step;
  for (const peer_view one : core.peers().by_hash()) check_row(node, one.slot());

  const nanoseconds grace = world_.settings(node).dead_peer_grace;
  for (watch::replica& row : watched.rows) {
    if (row.name_hash == 0 || row.seen_step == watched.step) continue;
    watch::forgotten& peer = watched.unwanted[row.name_hash];
    peer.generation = row.generation;
    peer.heartbeat = row.heartbeat;
    peer.until = world_.time() + grace;
    row = watch::replica();
  }
}

void checker::check_row(node_index node, slot_index slot) {
  watch& watched = *watches_[node];
  const peer_view now = world_[node].peers()[slot];
  const std::string& name = world_[node].peers().details(slot).name;
  watch::replica& before = watched.row(slot);
  before.seen_step = watched.step;
  const bool is_same_run =
      before.name_hash == now.name_hash() && before.generation == now.generation();
  if (!is_same_run) before.beat_at = before.died_at = nanoseconds{};
  if (now.status() == peer_status::dead && before.status != peer_status::dead) {
    before.died_at = world_.time();
  }
  const bool was_live = is_same_run && before.status == peer_status::live;
  if (now.status() == peer_status::live && !was_live) before.live_heartbeat = now.heartbeat();
  const bool is_revived =
      is_same_run && before.status == peer_status::dead && now.status() == peer_status::live;
  const bool is_entered_live =
      !is_same_run && slot != self_slot && now.status() == peer_status::live;
  if (is_entered_live && trusts_content_) check_vouched(node, slot);
  if (is_revived && trusts_content_) check_revival(node, name, now.generation(), before.died_at);
  const bool is_declared_dead =
      is_same_run && before.status == peer_status::live && now.status() == peer_status::dead;
  if (is_declared_dead && trusts_content_) check_declared_dead(node, slot);
  before.status = now.status();
  if (!is_same_run || before.max_version != now.max_version() ||
      before.has_left != now.has_left()) {
    held_copy& held = watched.own->copies[{now.name_hash(), now.generation()}];
    held.max_version = std::max(held.max_version, now.max_version());
    held.has_left = held.has_left || now.has_left();
    before.has_left = now.has_left();
  }
  if (before.name_hash == now.name_hash() && before.generation == now.generation() &&
      before.max_version == now.max_version() && before.heartbeat == now.heartbeat()) {
    return;
  }
  std::uint64_t known = 0;
  if (before.name_hash == now.name_hash()) {
    const bool is_lower = std::pair(now.generation(), now.max_version()) <
                          std::pair(before.generation, before.max_version);
    const bool is_younger =
        now.generation() == before.generation && now.heartbeat() < before.heartbeat;
    if (is_lower || is_younger) {
      report("I1 monotone",
             name + ": generation " + std::to_string(before.generation) + ", version " +
                 std::to_string(before.max_version) + " became " +
                 std::to_string(now.generation()) + ", " + std::to_string(now.max_version()),
             {node});
    }
    if (before.generation == now.generation()) known = before.max_version;
  } else if (slot != self_slot) {
    const auto gone = watched.unwanted.find(now.name_hash());
    if (trusts_content_ && gone != watched.unwanted.end() && world_.time() < gone->second.until &&
        world_.settings(node).peers_max >= world_.size() &&
        std::pair(now.generation(), now.heartbeat()) <=
            std::pair(gone->second.generation, gone->second.heartbeat)) {
      report("forgotten", name + " came back as it was forgotten", {node});
    }
  }
  if (slot != self_slot && trusts_content_) check_prefix(node, slot, known);
  before.name_hash = now.name_hash();
  before.generation = now.generation();
  before.max_version = now.max_version();
  before.heartbeat = now.heartbeat();
}

void checker::check_complete(node_index node, const belief& by, const event_view& seen) {
  std::size_t count = 0;
  const ledger* run = find_run(std::string(seen.peer), seen.generation, count);
  const peer_table& known = world_[node].peers();
  const std::optional<slot_index> slot = known.find_name(
      seen.peer, siphash(make_cluster_key(world_.settings(node).cluster_name), seen.peer));
  if (run == nullptr || !slot) return;
  const std::uint64_t heartbeat = watches_[node]->row(*slot).live_heartbeat;
  const std::uint64_t had =
      heartbeat < run->written_at.size() ? run->written_at[heartbeat] : run->records.size();
  const std::string what = std::string(seen.peer) + " is told as complete, ";
  if (known[*slot].max_version() < had) {
    return report("complete",
                  what + "with version " + std::to_string(known[*slot].max_version()) + " of " +
                      std::to_string(had),
                  {node});
  }
  std::map<std::string, std::uint64_t> last;
  for (std::uint64_t version = 1; version <= had; ++version) {
    last[run->records[version - 1].key] = version;
  }
  for (const auto& [key, version] : last) {
    const record& written = run->records[version - 1];
    const std::optional<entry_view> held = world_.storage_of(node).find(*slot, key);
    if (key == floor_key || written.is_tombstone || !held || held->is_tombstone) continue;
    // Erased since, and set again: that is another life of the key, and may come later.
    const auto erased = run->erasures.find(key);
    if (erased != run->erasures.end() && erased->second > version) continue;
    const belief::shown_key* shown = by.find(seen.peer, key);
    const bool is_shown =
        shown != nullptr && shown->is_live &&
        (shown->version >= version || hash_of(shown->value) == written.value_hash);
    if (is_shown) continue;
    report("complete", what + "before " + quoted(seen.peer, key, version), {node});
  }
}

void checker::check_prefix(node_index node, slot_index slot, std::uint64_t from) {
  const peer_view row = world_[node].peers()[slot];
  const std::string& name = world_[node].peers().details(slot).name;
  std::size_t count = 0;
  const ledger* run = find_run(name, row.generation(), count);
  if (count == 0) {
    report("identity", name + " never had generation " + std::to_string(row.generation()), {node});
  }
  if (run == nullptr) return;
  const simulated_storage& entries = world_.storage_of(node);
  if (row.max_version() > run->records.size()) {
    report("I2 prefix", name + ": max version is above what it wrote", {node});
    return;
  }
  for (std::uint64_t version = from + 1; version <= row.max_version(); ++version) {
    const record& written = run->records[version - 1];
    if (version <= run->floor || run->latest.at(written.key) != version) continue;
    const std::optional<entry_view> held = entries.find(slot, written.key);
    if (!held || held->version != version) {
      report("I2 prefix",
             "lacks " + quoted(name, written.key, version) + ", max version " +
                 std::to_string(row.max_version()),
             {node});
      return;
    }
  }
  if (from != 0) return;
  // A new generation: what was held of the old one is gone.
  std::uint64_t above = 0;
  while (const std::optional<entry_view> held = entries.first_above(slot, above)) {
    above = held->version;
    if (!has_written(name, row.generation(), *held)) {
      report("I2 prefix",
             "holds " + quoted(name, held->key, held->version) + " of another generation", {node});
      return;
    }
  }
}

void checker::check_tables(node_index node) {
  const protocol& core = world_[node];
  const config& settings = world_.settings(node);
  const simulated_storage& entries = world_.storage_of(node);
  const table_sizes held = core.tables();
  if (const std::string overfull = find_overfull(held, table_limits(settings, held));
      !overfull.empty()) {
    report("I5 bounds", overfull, {node});
  }
  if (held.deadlines > entries.usage(self_slot).live_keys) {
    report("I5 bounds", std::to_string(held.deadlines) + " deadlines, more than keys", {node});
  }
  for (const peer_view one : core.peers().by_hash()) {
    if (one.slot() == self_slot) continue;
    const storage_usage used = entries.usage(one.slot());
    // While a floor waits for its time, twice as much.
    if (used.live_keys + used.tombstones > 2 * settings.keys_per_peer_max + 2 ||
        used.bytes > 2 * settings.bytes_per_peer_max + 16) {
      report("I5 bounds", core.peers().details(one.slot()).name + ": keys or bytes", {node});
    }
  }
}

void checker::check_own_usage(node_index node) {
  // An own entry gives way to its successor at once. The compaction marker is no key.
  constexpr std::size_t marker_bytes = 8;
  watch& watched = *watches_[node];
  const config& settings = world_.settings(node);
  storage_usage used = world_.storage_of(node).usage(self_slot);
  if (world_.storage_of(node).find(self_slot, floor_key)) {
    --used.live_keys;
    used.bytes -= marker_bytes;
  }
  const storage_usage before = std::exchange(watched.own_usage, used);
  // Where the capacity was made smaller meanwhile, what was there stays.
  const std::size_t keys = used.live_keys + used.tombstones;
  const bool has_too_many =
      keys > settings.keys_per_peer_max && keys > before.live_keys + before.tombstones;
  const bool is_too_large = used.bytes > settings.bytes_per_peer_max && used.bytes > before.bytes;
  if (!has_too_many && !is_too_large) return;
  report("I5 bounds",
         "own entries: " + std::to_string(keys) + " keys, " + std::to_string(used.bytes) + " bytes",
         {node});
}

void checker::check_leaver(node_index node) {
  const std::optional<slot_index> slot = std::exchange(watches_[node]->leaver, std::nullopt);
  if (!slot || !trusts_content_) return;
  const peer_table& known = world_[node].peers();
  if (!known.is_used(*slot) || known[*slot].status() == peer_status::left) return;
  report("departure",
         known.details(*slot).name + " said that it leaves, and is shown as " +
             std::string(to_string(known[*slot].status())),
         {node});
}

void checker::check_route(node_index node) {
  const std::optional<watch::speaker> heard = std::exchange(watches_[node]->heard, std::nullopt);
  if (!heard || !trusts_content_) return;
  const peer_table& known = world_[node].peers();
  if (!known.is_used(heard->slot) || known[heard->slot].generation() != heard->generation) return;
  const peer_details& of = known.details(heard->slot);
  if (of.way() == heard->source) return;
  report("route",
         of.name + " spoke from " + heard->source.to_string() + ", and is sent to " +
             of.way().to_string(),
         {node});
}

void checker::check_copies(node_index node) {
  if (!trusts_content_) return;
  const protocol& core = world_[node];
  const std::pair self(core.peers().self().name_hash(), core.generation());
  std::size_t holding = 0;
  std::size_t told = 0;
  for (const peer_view row : core.peers().by_hash()) {
    if (row.slot() == self_slot) continue;
    const std::string& name = core.peers().details(row.slot()).name;
    std::size_t count = 0;
    const ledger* run = find_run(name, row.generation(), count);
    held_copy most;
    bool is_held = false;
    if (run == nullptr) {
      // Two runs of one generation cannot be told apart.
      most.max_version = core.version();
      most.has_left = is_held = true;
    } else if (const auto copy = run->copies.find(self); copy != run->copies.end()) {
      most = copy->second;
      is_held = true;
    }
    // A run that leaves need not tell a peer that holds a later run of its name: that peer never
    // goes back to this run (I1). It counts as told, and so as one that holds version 0.
    const auto later =
        run == nullptr ? decltype(run->copies.end())() : run->copies.upper_bound(self);
    const bool has_later =
        run != nullptr && later != run->copies.end() && later->first.first == self.first;
    const bool is_past = has_later && core.has_left();
    if ((is_held && most.max_version >= core.version()) || (is_past && core.version() == 0)) {
      ++holding;
    }
    if ((is_held && most.has_left) || is_past) ++told;
    const std::uint64_t lacking = core.find_member(name, world_.now(node))->backlog;
    if (core.version() - lacking <= most.max_version) continue;
    report("copies",
           name + " is said to lack " + std::to_string(lacking) + " of " +
               std::to_string(core.version()) + " versions, and never held more than " +
               std::to_string(most.max_version),
           {node});
    return;
  }
  const std::size_t said = core.replicated(core.version()).holding;
  const std::size_t said_told = core.replicated(0, true).holding;
  if (said <= holding && said_told <= told) return;
  report("copies",
         std::to_string(said) + " peers are said to hold version " +
             std::to_string(core.version()) + ", which at most " + std::to_string(holding) +
             " ever did; " + std::to_string(said_told) + " that it leaves, which at most " +
             std::to_string(told) + " did",
         {node});
}

void checker::check_spending(node_index node, const message& sent, std::size_t bytes) {
  watch& watched = *watches_[node];
  const config& settings = world_.settings(node);
  const std::size_t budget = settings.send_bytes_per_interval;
  watch::spending& of = watched.spent;
  if (budget != of.budget || settings.gossip_interval != of.interval) {
    of = watch::spending();
    of.budget = budget;
    of.interval = settings.gossip_interval;
  }
  if (budget == 0) {
    if (!watched.had_budget) check_exchange(node, sent, bytes);
    return;
  }
  watched.had_budget = true;
  const auto most = static_cast<double>(budget);
  const auto passed = static_cast<double>((world_.time() - of.at).count());
  of.spent = std::max(0.0, of.spent - passed / static_cast<double>(of.interval.count()) * most);
  of.at = world_.time();
  constexpr double rounding = 1e-6;  // of sums in another order
  if (of.spent >= most * (1 + rounding)) {
    report("I5 bounds", "sends beyond " + std::to_string(budget) + " bytes an interval", {node});
  }
  of.spent += static_cast<double>(bytes);
}

void checker::check_exchange(node_index node, const message& sent, std::size_t bytes) {
  // Without a byte budget nothing waits: what goes out after a datagram came is its answer.
  if (sent.kind == message_kind::digest) return;
  watch& watched = *watches_[node];
  const config& settings = world_.settings(node);
  watched.answer_bytes += bytes;
  ++watched.answer_datagrams;
  if (watched.answer_bytes <= settings.exchange_bytes_max &&
      watched.answer_datagrams <= settings.exchange_datagrams_max) {
    return;
  }
  report("I5 bounds",
         std::to_string(watched.answer_datagrams) + " datagrams, " +
             std::to_string(watched.answer_bytes) + " bytes in answer to one",
         {node});
}

void checker::check_alive_ages(node_index node, const message& sent) {
  const peer_table& known = world_[node].peers();
  const nanoseconds unit = age_unit(world_.settings(node).gossip_interval);
  const nanoseconds path = longest_delay();
  // Ages are told in whole units, and the time on the way is not counted. So each hop makes a sign
  // of life younger: by half a unit on average. It takes about log2 n hops, since no node takes the
  // same heartbeat twice. Seen in 2,000 seeds: 0.9 units up to 9 nodes, 1.5 with 60.
  const auto hops = static_cast<std::int64_t>(std::bit_width(world_.size() - 1));
  const nanoseconds slack = (hops + 2) * (path + unit) / 2;
  for (const suspicion_entry& told : sent.suspicions) {
    const std::optional<slot_index> slot = known.find(told.name_hash);
    if (!slot || told.alive_age == suspicion_entry::alive_age_max) continue;
    std::size_t count = 0;
    const std::string& name = known.details(*slot).name;
    const ledger* run = find_run(name, told.generation, count);
    if (run == nullptr || !run->ended_at || *run->ended_at < *true_alive_ages_since_) continue;
    const nanoseconds latest = std::max(*run->ended_at + slack, world_.late_until() + slack);
    const nanoseconds alive_at = world_.time() - unit * std::int64_t{told.alive_age};
    if (alive_at <= latest) continue;
    report("suspicion",
           name + " is said to have been heard " +
               std::to_string((alive_at - *run->ended_at) / std::chrono::milliseconds{1}) +
               " ms after it ended",
           {node});
  }
}

void checker::check_fragments(node_index node, const message& sent) {
  const peer_table& known = world_[node].peers();
  for (const delta_view& delta : sent.deltas) {
    if (delta.value_bytes == 0) continue;
    const std::optional<slot_index> slot = known.find(delta.name_hash);
    if (!slot) continue;
    std::size_t count = 0;
    const std::string& name = known.details(*slot).name;
    const ledger* run = find_run(name, delta.generation, count);
    const std::uint64_t version = sent.entries[delta.first_entry].version;
    if (run == nullptr || version > run->records.size()) continue;
    const record& written = run->records[version - 1];
    if (written.value_checksum == delta.value_checksum) continue;
    report("I2 prefix",
           "a fragment of " + quoted(name, written.key, version) +
               " bears another checksum than the value that its owner wrote",
           {node});
  }
}

void checker::check_phi(node_index node) {
  watch& watched = *watches_[node];
  watched.phi.clear();
  for (const member& seen : world_[node].members(world_.now(node))) {
    if (seen.phi && !(*seen.phi >= 0 && std::isfinite(*seen.phi))) {
      report("phi", seen.name + ": phi is " + std::to_string(*seen.phi), {node});
    }
    if (seen.phi) watched.phi[seen.name] = *seen.phi;
  }
}

void checker::check_declared_dead(node_index node, slot_index slot) {
  watch& watched = *watches_[node];
  const config& settings = world_.settings(node);
  const std::string& name = world_[node].peers().details(slot).name;
  const auto phi = watched.phi.find(name);
  // Phi declares dead by other figures. Within one round it does not double.
  const bool is_by_phi = settings.suspicion_rounds == 0 || phi == watched.phi.end() ||
                         phi->second >= settings.dead_peer_phi / 2;
  const nanoseconds beat_at = watched.row(slot).beat_at;
  if (is_by_phi || beat_at == nanoseconds{}) return;
  const nanoseconds silent = world_.time() - beat_at;
  const auto rounds = static_cast<std::int64_t>(settings.suspicion_rounds);
  if (silent >= rounds * nanoseconds(settings.gossip_interval)) return;
  report("suspicion",
         name + " declared dead " + std::to_string(silent / std::chrono::milliseconds{1}) +
             " ms after its word, sooner than " + std::to_string(rounds) + " rounds",
         {node});
}

void checker::check_revival(node_index node, const std::string& name, std::uint64_t generation,
                            nanoseconds died_at) {
  std::size_t count = 0;
  const ledger* run = find_run(name, generation, count);
  if (run == nullptr || !run->ended_at) return;
  // Its last signs of life are on their way for one path, and with a relay for a round and another.
  // A node that suspected it before it crashed may declare it dead before they arrive.
  const nanoseconds last_signs = 2 * longest_delay() + world_.settings(node).gossip_interval;
  if (*run->ended_at + last_signs >= died_at) return;
  report("revival",
         name + " is live again, though it crashed " +
             std::to_string((died_at - *run->ended_at) / std::chrono::milliseconds{1}) +
             " ms before it was declared dead",
         {node});
}

void checker::check_vouched(node_index node, slot_index slot) {
  const peer_view row = world_[node].peers()[slot];
  const std::string& name = world_[node].peers().details(slot).name;
  std::size_t count = 0;
  const ledger* run = find_run(name, row.generation(), count);
  if (run == nullptr || !run->ended_at) return;
  // Its own last word, and that of a node that held it live until lately, may be on their way.
  const nanoseconds since =
      world_.time() - 2 * longest_delay() - world_.settings(node).gossip_interval;
  if (*run->ended_at >= since || stopped_at_ >= since) return;
  if (world_.paused_until(node) >= since) return;  // it reads what came in its pause
  for (node_index other = 0; other < watches_.size(); ++other) {
    if (other == node || !watches_[other] || !world_.is_running(other)) continue;
    const peer_table& known = world_[other].peers();
    const std::optional<slot_index> held = known.find(row.name_hash());
    if (!held || known[*held].generation() < row.generation()) continue;
    // It may have vouched for the run before it heard of a later one.
    if (known[*held].generation() > row.generation()) return;
    if (known[*held].status() == peer_status::live) return;
    if (watches_[other]->row(*held).died_at >= since) return;
  }
  report("ghost",
         name + " is live here from the first, though it crashed " +
             std::to_string((world_.time() - *run->ended_at) / std::chrono::milliseconds{1}) +
             " ms ago, and no node holds it live",
         {node});
}

nanoseconds checker::longest_delay() const {
  nanoseconds path = world_.conditions.delay_max;
  for (const auto& [ends, on_link] : world_.links) path = std::max(path, on_link.delay_max);
  return path;
}

std::size_t checker::count_nodes(const std::string& name) const {
  std::size_t count = 0;
  for (node_index node = 0; node < world_.size(); ++node) {
    if (world_.settings(node).name == name) ++count;
  }
  return count;
}

void checker::check_expiry(node_index node) {
  // Keys that fall due at one time go in batches, a millisecond apart.
  constexpr nanoseconds batches = std::chrono::milliseconds{10};
  watch& watched = *watches_[node];
  if (watched.deadlines.empty()) return;
  if (world_[node].has_left()) {
    watched.deadlines.clear();  // a node that has left writes no more
    return;
  }
  // A process that stands still expires nothing. If its storage refuses that, or a rival of its
  // name keeps it from writing, it tries again a round later.
  watched.excused_until = std::max(watched.excused_until, world_.paused_until(node));
  const bool is_in_conflict = world_[node].peers()[self_slot].status() == peer_status::conflict;
  if (world_.storage_of(node).conditions.failure > 0 || is_in_conflict) {
    watched.excused_until = world_.time() + world_.settings(node).gossip_interval;
  }
  for (const auto& [key, deadline] : watched.deadlines) {
    const nanoseconds due = std::max(deadline, watched.excused_until) + batches;
    if (due >= world_.time()) continue;
    report("ttl",
           key + " is still there, " +
               std::to_string((world_.time() - deadline) / std::chrono::milliseconds{1}) +
               " ms after its time",
           {node});
    return;
  }
}

void checker::check_wire_version(node_index node, const endpoint& to, const message& sent) {
  const watch& watched = *watches_[node];
  const auto place = watched.contacts.find(to);
  if (place == watched.contacts.end() || !place->second.spoken) return;
  const watch::contact& with = place->second;
  // After a silence it may have been replaced by another release, and is tried in others.
  if (world_.time() - with.heard_at > world_.settings(node).gossip_interval) return;
  const wire_range& mine = world_.wire_versions(node);
  const auto reads = [&](const std::optional<wire_range>& spoken) {
    return spoken &&
           (common_wire_version(*spoken, mine) == 0 ||
            (sent.wire_version >= spoken->lowest && sent.wire_version <= spoken->highest));
  };
  if (reads(with.spoken) || reads(with.spoken_before)) return;
  // A peer that is not live, or never spoke, is tried in other versions too. Of two under one name,
  // the last to speak counts.
  const auto is_meant = [&](peer_view one) {
    const peer_table& known = world_[node].peers();
    const peer_details& of = known.details(one.slot());
    const bool is_heard = one.status() == peer_status::live && of.last_reply.has_value();
    return is_heard && of.way() == to && count_nodes(of.name) == 1;
  };
  const auto rows = world_[node].peers().by_hash();
  if (std::none_of(rows.begin(), rows.end(), is_meant)) return;
  report("wire version",
         "written in " + std::to_string(sent.wire_version) + " to who reads " +
             std::to_string(with.spoken->lowest) + " to " + std::to_string(with.spoken->highest),
         {node});
}

void checker::read_events(node_index node) {
  if (node >= watches_.size() || !watches_[node] || !watches_[node]->late) return;
  read(node, *watches_[node]->late, false);
  release(node);
}

void checker::read(node_index node, belief& by, bool is_shown) {
  const std::string fault =
      by.read(world_[node], world_.storage_of(node), [&](const event_view& seen) {
        const bool is_complete = seen.kind == event_kind::peer_complete;
        if (is_complete && trusts_content_) check_complete(node, by, seen);
        if (is_shown) watches_[node]->notices.handle_event(seen);
        if (is_shown && on_event) on_event(node, seen);
      });
  if (!fault.empty()) report("events", fault, {node});
}

void checker::release(node_index node) {
  const watch& watched = *watches_[node];
  std::uint64_t read_upto = watched.reader.cursor().sequence;
  if (watched.late) read_upto = std::min(read_upto, watched.late->cursor().sequence);
  world_[node].release_changes(read_upto);
  const std::size_t retired = world_.storage_of(node).retired_count();
  if (retired > world_.settings(node).retired_max) {
    report("I5 bounds", std::to_string(retired) + " retired entries", {node});
  }
}

}  // namespace gossipmonger
