// Random faults on real nodes and their readers; then everything heals, and all must agree, each
// reader's fold of its events must be the state, and nothing may outlive a node's stop.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/testing/simulated_cluster.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// What a reader of one node's events believes, from the start of its run on.
struct reader {
  reader() = default;

  std::map<std::string, std::map<std::string, std::string>> entries;
  std::map<std::string, std::uint64_t> versions;  // by peer and key
  std::string fault;
  bool is_running = false;
};

/// Clears a flag when the coroutine that holds it ends, in whatever way.
class running_mark {
 public:
  explicit running_mark(std::shared_ptr<reader> of) : of_(std::move(of)) { of_->is_running = true; }
  running_mark(const running_mark&) = delete;
  running_mark& operator=(const running_mark&) = delete;
  ~running_mark() { of_->is_running = false; }

 private:
  std::shared_ptr<reader> of_;
};

void fold(reader& belief, const event& seen) {
  switch (seen.kind) {
    case event_kind::update: {
      std::uint64_t& version = belief.versions[seen.peer + '/' + seen.key];
      if (seen.version <= version) belief.fault = "a version that does not rise: " + seen.key;
      version = seen.version;
      belief.entries[seen.peer][seen.key] = seen.value;
      break;
    }
    case event_kind::removed:
      belief.entries[seen.peer].erase(seen.key);
      break;
    case event_kind::peer_restarted:
    case event_kind::peer_forgotten:
      belief.entries.erase(seen.peer);
      std::erase_if(belief.versions,
                    [&seen](const auto& one) { return one.first.starts_with(seen.peer + '/'); });
      break;
    case event_kind::lagged:
      belief.entries.clear();
      belief.versions.clear();
      break;
    default:
      break;
  }
}

/// Reads on and on, slowly if told so.
asio::awaitable<void> read(std::shared_ptr<reader> belief, simulated_node* node,
                           std::chrono::milliseconds delay) {
  const running_mark mark(belief);
  subscription events = node->subscribe();
  asio::basic_waitable_timer<manual_clock> pause(node->get_executor());
  for (;;) {
    const result<event> seen = co_await events.next();
    if (!seen) co_return;
    fold(*belief, *seen);
    if (delay.count() == 0) continue;
    pause.expires_after(delay);
    std::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> leave(simulated_node* node) {
  // How many know of it in time is left to chance.
  static_cast<void>(co_await node->leave(10s));
}

/// The io_context of a process: stopped once nothing in it runs or waits any more.
const asio::io_context& context_of(simulated_node& node) {
  const asio::any_io_executor executor = node.get_executor();
  return static_cast<const asio::io_context&>(asio::query(executor, asio::execution::context));
}

constexpr std::chrono::milliseconds slow_reader_delay = 100ms;

class real_swarm {
 public:
  explicit real_swarm(std::uint64_t seed) : draws_(seed), cluster_(seed * 7919 + 1) {}

  [[nodiscard]] const memory_network_counters& counters() { return cluster_.network().counters(); }
  [[nodiscard]] std::size_t leaves() const { return leaves_; }

  /// The first broken rule, or nothing.
  std::string run() {
    build();
    for (int step = 0; step < 60; ++step) {
      happen();
      cluster_.run_for(std::chrono::milliseconds(draws_.below(3000)));
    }
    heal();
    stop();
    return fault_;
  }

 private:
  void build() {
    memory_network_options bad = cluster_.network().options();
    bad.loss = draws_.below(2) == 0 ? 0.2 : 0;
    bad.duplication = draws_.below(2) == 0 ? 0.2 : 0;
    bad.corruption = draws_.below(2) == 0 ? 0.05 : 0;
    bad.truncation = draws_.below(2) == 0 ? 0.05 : 0;
    bad.delay_max = draws_.below(2) == 0 ? 2ms : 400ms;
    bad.datagram_bytes_max = draws_.below(3) == 0 ? 1280 : 65507;
    bad.queue_datagrams_max = draws_.below(3) == 0 ? 4 : 4096;
    cluster_.network().set_options(bad);
    const std::size_t size = 2 + draws_.below(5);
    for (std::size_t node = 0; node < size; ++node) add();
  }

  void add() {
    config settings;
    settings.datagram_bytes_max = draws_.below(2) == 0 ? 1200 : 4096;
    settings.retired_max = draws_.below(2) == 0 ? 64 : 65536;
    if (draws_.below(3) == 0) settings.gossip_interval = draws_.below(2) == 0 ? 200ms : 2000ms;
    const std::chrono::milliseconds delay = draws_.below(2) == 0 ? 0ms : slow_reader_delay;
    const std::size_t place = readers_.size();
    readers_.emplace_back();
    delays_.push_back(delay);
    has_left_.push_back(false);
    cluster_.add(settings, [this, place, delay](simulated_node& node) {
      readers_[place] = std::make_shared<reader>();
      return read(readers_[place], &node, delay);
    });
  }

  void happen() {
    const std::size_t node = draws_.below(cluster_.size());
    const bool is_up = cluster_.is_running(node);
    switch (draws_.below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        if (is_up && !has_left_[node]) write(node);
        break;
      case 5:
        if (is_up) cluster_.crash(node);
        break;
      case 6:
        if (!is_up || draws_.below(3) == 0) restart(node);
        break;
      case 7:
        cluster_.cut(node, draws_.below(cluster_.size()));
        break;
      case 8:
        cluster_.partition({node});
        break;
      case 9:
        cluster_.heal();
        break;
      case 10:
        if (is_up) cluster_.pause(node, std::chrono::milliseconds(draws_.below(20'000)));
        break;
      case 11:
        if (cluster_.size() < 9) add();
        break;
      case 12:
        if (!is_up || draws_.below(2) == 0) break;
        has_left_[node] = true;
        ++leaves_;
        cluster_.spawn(node, leave(&cluster_[node]));
        break;
      default:
        // The first is everybody's seed, and stays where it is.
        if (node > 0) cluster_.move(node);
        cluster_.set_wall_offset(node, std::chrono::seconds(draws_.below(3) * 100) - 100s);
        break;
    }
  }

  void restart(std::size_t node) {
    cluster_.restart(node);
    has_left_[node] = false;
  }

  void write(std::size_t node) {
    for (std::uint64_t i = 1 + draws_.below(100); i > 0; --i) {
      const std::string key = "k" + std::to_string(draws_.below(40));
      const std::string value(draws_.below(40), 'x');
      if (draws_.below(3) == 0) {
        CHECK(cluster_[node].erase(key));
      } else {
        CHECK(cluster_[node].set(key, value + std::to_string(draws_.next())));
      }
    }
  }

  void heal() {
    cluster_.heal();
    cluster_.network().set_options(memory_network_options());
    for (std::size_t node = 0; node < cluster_.size(); ++node) {
      if (!cluster_.is_running(node) || has_left_[node]) restart(node);
    }
    // No grace runs out here, a pause lasts 20 s at most, and a round 2 s.
    if (!cluster_.run_until([this] { return cluster_.has_agreed(); }, 20s + 80s)) {
      blame("no agreement after everything healed");
    }
    cluster_.run_for(60s);  // the slow readers read what is left
    for (std::size_t node = 0; node < cluster_.size(); ++node) compare(node);
  }

  void compare(std::size_t node) {
    const reader& belief = *readers_[node];
    if (!belief.fault.empty()) blame(belief.fault);
    for (const member& peer : cluster_[node].peers()) {
      std::map<std::string, std::string> held;
      cluster_[node].for_each(
          peer.name, [&held](const entry_view& entry) { held.emplace(entry.key, entry.value); });
      const auto place = belief.entries.find(peer.name);
      const bool is_equal = place == belief.entries.end() ? held.empty() : place->second == held;
      if (!is_equal) {
        blame("the events of " + std::string(cluster_[node].name()) + " do not fold to what " +
              peer.name + " publishes");
      }
    }
  }

  void blame(const std::string& fault) {
    if (fault_.empty()) fault_ = fault;
  }

  /// While everything is still there, so that what has ended has done so by itself.
  void stop() {
    std::vector<const asio::io_context*> processes;
    for (std::size_t node = 0; node < cluster_.size(); ++node) {
      processes.push_back(&context_of(cluster_[node]));
      cluster_[node].stop();
    }
    cluster_.run_for(0s);
    for (std::size_t node = 0; node < cluster_.size(); ++node) {
      const bool waits = delays_[node] == 0ms;
      if (waits && readers_[node]->is_running) blame("a reader that outlives its node's stop");
      if (waits && !processes[node]->stopped()) blame("a run that outlives its node's stop");
    }
    cluster_.run_for(slow_reader_delay);
    for (std::size_t node = 0; node < cluster_.size(); ++node) {
      if (readers_[node]->is_running) blame("a slow reader that outlives its node's stop");
      if (!processes[node]->stopped()) blame("something that outlives its node's stop");
    }
  }

  random_source draws_;
  // By node, and before the cluster, whose services write there.
  std::vector<std::shared_ptr<reader>> readers_;
  std::vector<std::chrono::milliseconds> delays_;
  std::vector<bool> has_left_;
  std::size_t leaves_ = 0;
  simulated_cluster cluster_;
  std::string fault_;
};

}  // namespace

TEST_CASE("real swarm: whatever happened to nodes, all agree and every reader saw it") {
  std::uint64_t too_large = 0;
  std::uint64_t overflowed = 0;
  std::size_t leaves = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    real_swarm swarm(seed);
    const std::string fault = swarm.run();
    CHECK_MESSAGE(fault.empty(), "seed " << seed << ": " << fault);
    too_large += swarm.counters().too_large;
    overflowed += swarm.counters().overflowed;
    leaves += swarm.leaves();
  }

  MESSAGE(too_large << " over the MTU, " << overflowed << " at a full queue, " << leaves
                    << " left");
  CHECK(too_large > 0);
  CHECK(overflowed > 0);
  CHECK(leaves > 0);
}

}  // namespace gossipmonger
