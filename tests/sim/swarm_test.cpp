// Random schedules of writes, erasures, loss, cuts, crashes, restarts, pauses and clock steps; then
// everything heals, and all must agree. What subscriptions tell is held against the state.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "gossipmonger/sim/world.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// What a reader of the events believes.
struct folded {
  folded() = default;

  struct held {
    held() = default;

    std::string value;
    std::uint64_t version = 0;
  };

  std::map<std::string, std::map<std::string, held>> entries;
  std::map<std::string, event_kind> verdicts;
};

class swarm {
 public:
  explicit swarm(std::uint64_t seed) : world_(seed * 7919 + 1), draws_(seed) {}

  /// The first broken rule, or nothing.
  std::string run() {
    build();
    for (int step = 0; step < 150 && fault_.empty(); ++step) {
      happen();
      world_.run_for(std::chrono::milliseconds(draws_.below(2000)));
      for (std::size_t node = 0; node < size_; ++node) {
        if (draws_.below(3) > 0) read_events(node);
      }
    }
    if (fault_.empty()) heal();
    return fault_;
  }

 private:
  void build() {
    size_ = 2 + draws_.below(8);
    world_.conditions.loss = static_cast<double>(draws_.below(4)) * 0.1;
    world_.conditions.duplication = static_cast<double>(draws_.below(3)) * 0.1;
    world_.conditions.corruption = static_cast<double>(draws_.below(2)) * 0.05;
    world_.conditions.delay_max = std::chrono::milliseconds(2 + draws_.below(3) * 200);
    world_.is_cut = [this](std::size_t from, std::size_t to) {
      return cuts_.contains(std::pair(from, to));
    };
    keys_ = draws_.below(2) == 0 ? 1 + draws_.below(40) : 300;
    const bool has_short_grace = draws_.below(2) == 0;
    cursors_.resize(size_);
    believed_.resize(size_);
    for (std::size_t node = 0; node < size_; ++node) {
      config settings;
      settings.name = name(node);
      settings.gossip_interval = 200ms;
      if (has_short_grace) settings.dead_peer_grace = 20s;
      world_.add(settings, node == 0 ? std::nullopt : std::optional<std::size_t>(0));
    }
  }

  static std::string name(std::size_t node) { return "n" + std::to_string(node); }

  void happen() {
    const std::size_t node = draws_.below(size_);
    const bool is_up = world_.is_running(node);
    switch (draws_.below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (is_up) write(node, 1 + draws_.below(keys_ > 100 ? 300 : 10));
        break;
      case 4:
      case 5:
      case 6:
        if (is_up) erase(node, 1 + draws_.below(keys_ > 100 ? 400 : 60));
        break;
      case 7:
        if (is_up && draws_.below(3) == 0) world_.crash(node);
        break;
      case 8:
        if (!is_up || draws_.below(3) == 0) restart(node);
        break;
      case 9:
        cut(node);
        break;
      case 10:
        cuts_.clear();
        break;
      case 11:
        world_.pause(node, std::chrono::milliseconds(draws_.below(20'000)));
        break;
      case 12:
        // The first is everybody's seed, and stays where it is.
        if (node > 0 && draws_.below(4) == 0) world_.move(node);
        break;
      default:
        break;
    }
  }

  void write(std::size_t node, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(draws_.below(keys_));
      const std::size_t padding = draws_.below(draws_.below(5) > 0 ? 20 : 900);
      const std::string value = std::to_string(++written_count_) + std::string(padding, 'x');
      written_[name(node)][key].insert(value);
      static_cast<void>(world_[node].set(key, value));
    }
  }

  void erase(std::size_t node, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(draws_.below(keys_));
      const result<std::optional<std::uint64_t>> version = world_[node].erase(key);
      if (version && *version) erased_[name(node)][key].insert(**version);
      if (draws_.below(2) == 0) write(node, 1);
    }
  }

  void restart(std::size_t node) {
    if (draws_.below(2) == 0) {
      // Equal, ahead or stepped back: the clock decides nothing.
      world_.set_wall_offset(node, std::chrono::seconds(draws_.below(3) * 100) - 100s);
    }
    world_.restart(node);
    cursors_[node] = change_cursor();
    believed_[node] = folded();
  }

  void cut(std::size_t node) {
    for (std::size_t other = 0; other < size_; ++other) {
      if (draws_.below(2) == 0) cuts_.insert(std::pair(node, other));
      if (draws_.below(4) == 0) cuts_.insert(std::pair(other, node));
    }
  }

  void heal() {
    cuts_.clear();
    world_.conditions = network_conditions();
    for (std::size_t node = 0; node < size_; ++node) {
      if (!world_.is_running(node)) restart(node);
    }
    if (!world_.run_until([this] { return world_.has_agreed(); }, 200s)) {
      fail("no agreement after everything healed", "");
    }
    for (std::size_t node = 0; node < size_; ++node) read_events(node);
  }

  void fail(const std::string& rule, const std::string& where) {
    if (fault_.empty()) {
      fault_ = rule + " (" + where + ") at " + std::to_string(world_.time() / 1ms) + " ms";
    }
  }

  void read_events(std::size_t node) {
    if (!world_.is_running(node)) return;
    while (const std::optional<event_view> seen = world_[node].poll_event(cursors_[node])) {
      fold(node, *seen);
    }
    compare(node);
    world_[node].release_changes(cursors_[node].sequence);
  }

  void fold(std::size_t node, const event_view& seen) {
    folded& belief = believed_[node];
    const std::string peer(seen.peer);
    const std::string key(seen.key);
    switch (seen.kind) {
      case event_kind::new_peer:
        if (belief.verdicts.contains(peer)) fail("new_peer of a known peer", peer);
        belief.verdicts[peer] = seen.kind;
        break;
      case event_kind::peer_restarted:
        belief.entries[peer].clear();
        belief.verdicts[peer] = event_kind::new_peer;
        break;
      case event_kind::peer_forgotten:
        belief.entries.erase(peer);
        belief.verdicts.erase(peer);
        break;
      case event_kind::peer_live:
      case event_kind::peer_left:
        belief.verdicts[peer] = seen.kind;
        break;
      case event_kind::peer_dead: {
        const event_kind before = belief.verdicts[peer];
        const bool may_die = before == event_kind::peer_live || before == event_kind::new_peer;
        if (!may_die) fail("peer_dead of a peer that was neither live nor new", peer);
        belief.verdicts[peer] = seen.kind;
        break;
      }
      case event_kind::update: {
        folded::held& held = belief.entries[peer][key];
        if (held.version >= seen.version) fail("a version that does not rise", peer + " " + key);
        if (!written_[peer][key].contains(std::string(seen.value))) {
          fail("a value that its owner never wrote", peer + " " + key);
        }
        held.value = seen.value;
        held.version = seen.version;
        break;
      }
      case event_kind::removed: {
        // What was shown goes only because its owner erased it later, in whatever run.
        const std::set<std::uint64_t>& erased = erased_[peer][key];
        const auto shown = belief.entries[peer].find(key);
        if (shown != belief.entries[peer].end()) {
          if (erased.upper_bound(shown->second.version) == erased.end()) {
            fail("a key that vanished although nobody erased it", peer + " " + key);
          }
          belief.entries[peer].erase(shown);
        }
        break;
      }
      case event_kind::lagged:
        belief = folded();
        break;
      case event_kind::conflict:
      case event_kind::error:
        break;
    }
  }

  void compare(std::size_t node) {
    for (const member& peer : world_[node].members(world_.now(node))) {
      const auto& belief = believed_[node].entries[peer.name];
      std::size_t count = 0;
      std::uint64_t from = 0;
      while (const std::optional<entry_view> entry = world_[node].first_above(peer.name, from)) {
        from = entry->version;
        ++count;
        const auto place = belief.find(std::string(entry->key));
        if (place == belief.end() || place->second.value != entry->value) {
          fail("the events do not fold to the state", peer.name + " " + std::string(entry->key));
        }
      }
      if (count != belief.size()) fail("the events leave too much", peer.name);
    }
  }

  world world_;
  random_source draws_;
  std::size_t size_ = 0;
  std::uint64_t keys_ = 0;
  std::uint64_t written_count_ = 0;
  std::set<std::pair<std::size_t, std::size_t>> cuts_;
  std::map<std::string, std::map<std::string, std::set<std::string>>> written_;
  std::map<std::string, std::map<std::string, std::set<std::uint64_t>>> erased_;
  std::vector<change_cursor> cursors_;
  std::vector<folded> believed_;
  std::string fault_;
};

}  // namespace

TEST_CASE("swarm: whatever happened, all agree after it healed, and events fold to the state") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const std::string fault = swarm(seed).run();
    CHECK_MESSAGE(fault.empty(), "seed " << seed << ": " << fault);
  }
}

}  // namespace gossipmonger
