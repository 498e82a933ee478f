#include "sim/promises.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

/// For so long after it was found a deaf node is watched.
constexpr std::size_t deaf_rounds_watched = 40;

}  // namespace

// ------------------------------------------------------------------- the state of the cluster

promises::promises(const scenario& of, world& watched, checker* checks,
                   const std::vector<participant>& members, runner run_to)
    : scenario_(of),
      world_(watched),
      checker_(checks),
      members_(members),
      view_(watched, members),
      run_to_(std::move(run_to)),
      has_liar_(std::ranges::any_of(
          of.decisions, [](const decision& made) { return made.kind == decision_kind::mutate; })),
      declared_dead_before_(of.nodes.size()) {}

bool promises::has_failed() const { return world_.stuck() || (checker_ && checker_->fault()); }

nanoseconds promises::round() const {
  nanoseconds longest{};
  for (const participant& one : members_) {
    longest = std::max<nanoseconds>(longest, one.settings.gossip_interval);
  }
  return longest;
}

void promises::run_rounds(std::size_t count) {
  run_to_(world_.time() + static_cast<std::int64_t>(count) * round());
}

scenario promises::present() const {
  scenario now = scenario_;
  for (std::size_t i = 0; i < members_.size(); ++i) now.nodes[i].settings = members_[i].settings;
  return now;
}

std::size_t promises::backlog_rounds() const {
  std::vector<backlog_part> running;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    backlog_part& one = running.emplace_back();
    one.settings = members_[i].settings;
    one.entry_bytes = world_.storage_of(i).usage(self_slot).bytes;
    one.answers_waiting = world_[i].tables().answers;
  }
  return backlog_rounds_max(running);
}

nanoseconds promises::last_lease() const {
  nanoseconds last{};
  for (const participant& one : members_) {
    for (const auto& [key, deadline] : one.leases) last = std::max(last, deadline);
  }
  return last;
}

bool promises::tells_true_ages() const {
  const auto is_odd = [this](const decision& one) {
    return begin_ + one.at >= world_.time() &&
           (one.kind == decision_kind::pause || one.kind == decision_kind::change);
  };
  return !has_failed() && !has_liar_ && has_one_interval(present()) &&
         std::ranges::none_of(scenario_.decisions, is_odd);
}

bool promises::is_plain() const {
  constexpr std::size_t nodes_max = 16;
  const auto is_odd = [](const decision& one) {
    return one.kind == decision_kind::clock || one.kind == decision_kind::mutate || one.wire;
  };
  const auto has_odd_settings = [this](const scenario_node& one) {
    return one.settings.peers_max + 1 < scenario_.nodes.size() ||
           one.wire != scenario_.nodes.front().wire;
  };
  return scenario_.nodes.size() <= nodes_max &&
         std::none_of(scenario_.decisions.begin(), scenario_.decisions.end(), is_odd) &&
         std::none_of(scenario_.nodes.begin(), scenario_.nodes.end(), has_odd_settings);
}

bool promises::is_starved() const {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::size_t budget = members_[i].settings.send_bytes_per_interval;
    if (!world_.is_running(i) || budget == 0) continue;
    if (2 * world_[i].stats().membership_bytes_per_interval > budget) return true;
  }
  return false;
}

// ------------------------------------------------------------------------------ after healing

void promises::demand_healed() {
  has_agreed_ = false;
  // News goes through nodes that hold every peer. If a table is too small, one promise is left: a
  // refused entry is not sent again and again.
  constexpr std::size_t keys_enough = 1000;
  constexpr std::size_t bytes_enough = std::size_t{1} << 24;
  const auto is_small = [this](const participant& one) {
    return one.settings.peers_max + 1 < scenario_.nodes.size() ||
           one.settings.keys_per_peer_max < keys_enough ||
           one.settings.bytes_per_peer_max < bytes_enough;
  };
  if (std::any_of(members_.begin(), members_.end(), is_small)) {
    run_to_(std::max(world_.time(), last_lease()) + 60 * round());
    // A refusal lasts for a grace. Then each node that is too small tries once more.
    const auto refusing =
        static_cast<std::uint64_t>(std::count_if(members_.begin(), members_.end(), is_small));
    std::uint64_t entries = 1;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (world_.is_running(i)) entries += world_.storage_of(i).usage(self_slot).live_keys + 64;
    }
    return demand_idle(refusing * entries);
  }
  // Nodes go on believing a liar's words about others: only their safety is promised.
  if (has_liar_) return run_rounds(20);
  figures_.rounds_to_agree = -1;
  bool has_entries = try_progress();
  if (last_lease() > world_.time()) {
    run_to_(last_lease() + round());
    if (!has_failed()) has_entries = try_progress();
  }
  if (!has_failed()) demand_expired(has_entries);
  if (!has_failed() && has_entries) demand_complete();
  if (!has_failed()) demand_departures();
  if (!has_failed()) run_to_met();
  // Entries that a byte budget holds back are still under way.
  constexpr std::uint64_t any_number = std::numeric_limits<std::uint64_t>::max();
  if (!has_failed()) demand_idle(has_entries ? 0 : any_number);
  if (!has_failed()) demand_same_entries();
  has_agreed_ = !has_failed();
  if (checker_ && tells_true_ages()) checker_->expect_true_alive_ages();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) declared_dead_before_[i] = world_[i].stats().declared_dead;
  }
}

bool promises::try_progress() {
  const nanoseconds begin = world_.time();
  const std::size_t limit =
      agreement_rounds_max(present()) + backlog_rounds() + name_rounds_max(present());
  // Until a peer is live again it must answer, or advance twice.
  const std::size_t status_limit = limit + 20;
  bool has_agreed = false;
  std::size_t counted = 0;  // rounds in which entries had their half of each byte budget
  for (std::size_t rounds = 0; !has_failed(); ++rounds) {
    if (!has_agreed && view_.disagreement(false).empty()) {
      has_agreed = true;
      if (figures_.rounds_to_agree < 0) figures_.rounds_to_agree = static_cast<double>(rounds);
    }
    std::string open = view_.disagreement(has_agreed);
    if (open.empty()) open = view_.difference();
    if (open.empty()) return true;
    if (counted >= (has_agreed ? status_limit : limit) && checker_) {
      fail_progress(open, rounds);
      return false;
    }
    if (rounds > 4 * status_limit) break;
    if (!is_starved()) ++counted;
    run_to_(begin + static_cast<std::int64_t>(rounds + 1) * round());
  }
  // Membership goes before entries: it is owed however small the budget is.
  const std::string open = view_.estrangement();
  if (!open.empty() && !has_failed() && checker_) fail_progress(open, 4 * status_limit);
  return false;
}

void promises::fail_progress(const std::string& open, std::size_t rounds) {
  checker_->report("progress", open + ", " + std::to_string(rounds) + " rounds after all healed",
                   {});
}

void promises::demand_expired(bool has_entries) {
  if (!checker_) return;
  for (std::size_t owner = 0; owner < members_.size(); ++owner) {
    if (!view_.is_staying(owner)) continue;
    for (const auto& [key, deadline] : members_[owner].leases) {
      for (std::size_t node = 0; node < members_.size(); ++node) {
        if (!world_.is_running(node) || deadline > world_.time()) continue;
        if (node != owner && !view_.must_agree(owner, node, view_.find_slot(node, owner))) continue;
        // The end of a key is an entry. A replica that still lacks it has the key.
        if (node != owner && !has_entries && !view_.is_level(owner, node)) continue;
        if (world_[node].get(members_[owner].settings.name, key)) {
          checker_->report("ttl",
                           "n" + std::to_string(node) + " still has " + key + " of n" +
                               std::to_string(owner) + ", which expired",
                           {owner, node});
        }
      }
    }
  }
}

void promises::demand_complete() {
  const std::size_t limit = completion_rounds_max(present());
  std::size_t counted = 0;
  for (std::size_t rounds = 0; rounds <= 4 * limit && !has_failed(); ++rounds) {
    const std::string open = view_.incompleteness();
    if (open.empty()) return;
    if (counted >= limit) {
      if (checker_) {
        checker_->report("complete",
                         open + ", " + std::to_string(rounds) + " rounds after all agreed", {});
      }
      return;
    }
    if (!is_starved()) ++counted;
    run_rounds(1);
  }
}

void promises::demand_departures() {
  if (!checker_) return;
  // A node that leaves has a few rounds to say so.
  nanoseconds begin = world_.time();
  for (const participant& one : members_) begin = std::max(begin, one.ends_at);
  run_to_(begin);
  const std::size_t told_limit = agreement_rounds_max(present());
  const std::size_t silence_limit = silence_rounds_max(present());
  const std::vector<std::size_t> leavers = view_.stopped(true);
  std::vector<std::size_t> told;
  for (const std::size_t one : leavers) {
    const nanoseconds length = static_cast<std::int64_t>(told_limit) * round();
    if (view_.is_told_to_leave(one, length)) told.push_back(one);
  }
  for (std::size_t rounds = 0; !has_failed(); ++rounds) {
    // A node that never heard of it finds the leaver dead, like a crash.
    std::string open = view_.undetected(leavers);
    std::string late = rounds >= silence_limit ? open : std::string();
    for (const std::size_t one : told) {
      const std::string untold = view_.unheard(one);
      if (open.empty()) open = untold;
      if (rounds >= told_limit && late.empty()) late = untold;
    }
    if (open.empty()) return;
    if (!late.empty()) {
      const std::string text = late + ", " + std::to_string(rounds) + " rounds after it left";
      return checker_->report("departure", text, {});
    }
    run_to_(begin + static_cast<std::int64_t>(rounds + 1) * round());
  }
}

void promises::run_to_met() {
  const nanoseconds end =
      world_.time() + static_cast<std::int64_t>(agreement_rounds_max(present())) * round();
  while (world_.time() < end && !view_.have_met() && !has_failed()) run_rounds(1);
}

void promises::run_to_joined() {
  // Each address that an operator gave is tried once, so many in a round.
  constexpr int joined_rounds_max = 80;
  const auto is_joining = [this] {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (world_.is_running(i) && world_[i].tables().joining > 0) return true;
    }
    return false;
  };
  for (int i = 0; i < joined_rounds_max && is_joining() && !has_failed(); ++i) run_rounds(1);
}

void promises::demand_idle(std::uint64_t entries_max) {
  if (!checker_) return;
  // Datagrams under way need a few rounds. Legs that wait for a byte budget are sent although other
  // peers were faster. Then no node sends an entry that its peer has.
  constexpr std::size_t settling_rounds = 10;
  constexpr std::size_t idle_rounds = 6;
  run_to_joined();
  const bool has_budget = std::any_of(members_.begin(), members_.end(), [](const participant& one) {
    return one.settings.send_bytes_per_interval != 0;
  });
  const std::size_t settling = settling_rounds + (has_budget ? backlog_rounds() : 0);
  run_rounds(settling);
  const std::vector<traffic> before = count_traffic();
  run_rounds(idle_rounds);
  const std::vector<traffic> after = count_traffic();
  std::uint64_t entries = 0;
  std::uint64_t deltas = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    entries += after[i].entries - before[i].entries;
    deltas += after[i].deltas - before[i].deltas;
  }
  const bool is_silent = entries == 0 && deltas == 0;
  demand_quiet(before, is_silent);
  if (!is_silent && entries >= entries_max) {
    checker_->report("idle",
                     std::to_string(entries) + " entries and " + std::to_string(deltas) +
                         " deltas sent though all agree",
                     {});
  }
}

void promises::demand_quiet(const std::vector<traffic>& before, bool is_silent) {
  // Each round a node starts an exchange with `fanout` live peers, one dead and one seed. Each is a
  // leg of as many datagrams as all rows and refused peers take.
  // At rest only those that stopped are suspects: three peers are asked about each, and ask it.
  constexpr std::size_t legs_a_suspicion = 8;
  constexpr std::size_t legs_told = 2;
  std::size_t down = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) down += world_.is_running(i) ? 0 : 1;
  const std::vector<traffic> now = count_traffic();
  std::uint64_t digests = 0;
  std::uint64_t replies = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    const std::size_t rows = members_.size() + world_[i].unwanted().all().size();
    const config& settings = world_.settings(i);
    const std::size_t a_leg = std::min(settings.digest_datagrams_max, 1 + rows / rows_told);
    const std::size_t most = (settings.fanout + 2) * a_leg + legs_told + legs_a_suspicion * down;
    const std::uint64_t rounds = now[i].rounds - before[i].rounds + 1;
    const std::uint64_t sent = now[i].digests - before[i].digests;
    digests += sent;
    replies += now[i].replies - before[i].replies;
    if (sent <= rounds * most) continue;
    checker_->report("idle",
                     "n" + std::to_string(i) + " sent " + std::to_string(sent) + " digests in " +
                         std::to_string(rounds) + " rounds, though all agree",
                     {i});
  }
  // A digest gets an answer, and that answer gets one if it requests something. Entries take more.
  if (!is_silent || replies <= 2 * digests) return;
  checker_->report("idle",
                   std::to_string(replies) + " answers to " + std::to_string(digests) +
                       " digests, though all agree",
                   {});
}

std::vector<promises::traffic> promises::count_traffic() const {
  std::vector<traffic> counted(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!world_.is_running(i)) continue;
    const protocol_stats stats = world_[i].stats();
    counted[i].rounds = stats.rounds;
    counted[i].digests = stats.digests_sent;
    counted[i].replies = stats.replies_sent;
    counted[i].entries = stats.entries_sent;
    counted[i].deltas = stats.deltas_sent;
  }
  return counted;
}

void promises::demand_same_entries() {
  if (!checker_) return;
  const std::string found = view_.difference();
  if (!found.empty()) checker_->report("agreement", found, {});
}

// --------------------------------------------------------------------- crashes and conflicts

void promises::demand_detection() {
  if (!has_agreed_) return;
  const scenario now = present();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i) && members_[i].settings.suspicion_rounds == 0) return;
  }
  std::vector<std::size_t> crashes = view_.stopped(false);
  const std::vector<std::size_t> deaf = view_.deaf_nodes();
  crashes.insert(crashes.end(), deaf.begin(), deaf.end());
  const nanoseconds begin = world_.time();
  const std::size_t limit = detection_rounds_max(now) + (deaf.empty() ? 0 : stale_rounds_max(now));
  // A quarter of a round at a time, so that the figure is exact.
  for (std::size_t quarters = 0; !has_failed(); ++quarters) {
    const std::string open = view_.undetected_runs(crashes);
    if (open.empty() && quarters > 0) {
      if (crashes.empty()) break;
      figures_.rounds_to_detect = static_cast<double>(quarters) / 4;
      figures_.rounds_to_detect_max = limit;
      break;
    }
    if (quarters >= 4 * limit) {
      if (checker_) {
        checker_->report("detection",
                         open + ", " + std::to_string(limit) + " rounds after it crashed", {});
      }
      return;
    }
    run_to_(begin + static_cast<std::int64_t>(quarters + 1) * round() / 4);
  }
  if (!deaf.empty() && !has_failed()) {
    // A deaf node goes on speaking. No node may take it for live.
    run_rounds(deaf_rounds_watched);
    const std::string open = view_.undetected(deaf);
    if (!open.empty() && checker_) checker_->report("deafness", open + ", though it is deaf", {});
  }
  for (std::size_t node = 0; node < members_.size() && !has_failed(); ++node) {
    if (!world_.is_running(node) || view_.is_deaf(node)) continue;
    const std::uint64_t declared = world_[node].stats().declared_dead - declared_dead_before_[node];
    figures_.detected += declared;
    if (declared > crashes.size() + deaf.size() * revivals_max(now, node) && checker_) {
      checker_->report("detection",
                       "n" + std::to_string(node) + " declared " + std::to_string(declared) +
                           " peers dead, though " + std::to_string(crashes.size()) + " crashed",
                       {node});
    }
  }
}

void promises::demand_followed(std::size_t node) {
  if (!has_agreed_ || !view_.is_staying(node)) return;
  const nanoseconds begin = world_.time();
  const std::size_t limit = address_rounds_max(present());
  std::size_t counted = 0;  // rounds in which membership had its part of each byte budget
  for (std::size_t rounds = 0; !has_failed(); ++rounds) {
    const std::string open = view_.not_following(node);
    if (open.empty()) break;
    if (counted >= limit) {
      if (checker_) {
        checker_->report("address",
                         open + ", " + std::to_string(rounds) + " rounds after it was advertised",
                         {node});
      }
      return;
    }
    if (!is_starved()) ++counted;
    run_to_(begin + static_cast<std::int64_t>(rounds + 1) * round());
  }
  if (!has_failed()) ++figures_.followed;
}

bool promises::demand_conflict(std::size_t one, std::size_t other, const std::string& value) {
  std::optional<std::size_t> third;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const bool is_namesake = members_[i].settings.name == members_[one].settings.name;
    if (view_.is_staying(i) && !is_namesake) third = i;
  }
  const bool are_up = view_.is_staying(one) && view_.is_staying(other) && third;
  if (!checker_ || !are_up || !is_plain()) return false;
  nanoseconds awake = world_.time();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (world_.is_running(i)) awake = std::max(awake, world_.paused_until(i));
  }
  // Until they are live, until the conflict is known, and until all have met each other.
  const std::size_t rounds = 3 * (agreement_rounds_max(present()) + longest_rounds_max(present())) +
                             backlog_rounds() + 4 * members_.size();
  run_to_(awake + static_cast<std::int64_t>(rounds) * round());
  if (has_failed()) return false;
  const bool is_one_older = world_[one].generation() < world_[other].generation();
  const std::size_t older = is_one_older ? one : other;
  const std::string name = "n" + std::to_string(older) + " under a name that is taken ";
  const auto self = world_[older].find_member(world_[older].name(), world_.now(older));
  if (!self || self->status != peer_status::conflict) {
    checker_->report("name", name + "knows of no conflict", {older});
    return false;
  }
  checker_->begin_command(older);
  const result<std::uint64_t> written = world_[older].set("taken", value);
  checker_->end_command(older);
  if (written || written.error() != errc::name_taken) {
    checker_->report("name", name + "goes on writing", {older});
    return true;
  }
  for (const std::size_t node : {one, other, *third}) {
    if (members_[node].conflicts > 0) continue;
    const std::string text =
        "n" + std::to_string(node) + " tells nobody of two nodes under one name";
    checker_->report("name", text, {node});
    return true;
  }
  return true;
}

}  // namespace gossipmonger
